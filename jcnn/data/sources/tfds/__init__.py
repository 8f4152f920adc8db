"""Data sets of tensorflow-datasets, read without TensorFlow."""
