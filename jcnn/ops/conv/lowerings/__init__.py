"""Lowerings: the ways in which one convolution of the primitive is written for the compiler."""
