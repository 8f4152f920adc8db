"""Convolution in C++ for CPUs: the sources, and the library compiled from them."""
