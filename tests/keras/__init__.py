"""Comparison of the same training in Keras and in jcnn."""
