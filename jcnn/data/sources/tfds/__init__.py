"""Data sets of tensorflow-datasets (TFDS), read without TensorFlow."""
