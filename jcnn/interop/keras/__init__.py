"""Keras models: `.keras`, `.h5` and `.weights.h5`, in and out, without Keras."""
