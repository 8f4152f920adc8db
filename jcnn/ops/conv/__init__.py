"""Convolution: the public functions, their methods, and how each is lowered for the compiler."""
