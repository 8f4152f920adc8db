"""Files of other libraries: their weights as NumPy arrays. Nothing in a file is executed."""
