"""The same training in Keras and in jcnn, side by side."""
