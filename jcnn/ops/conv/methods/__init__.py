"""Convolution methods: the algorithms that a caller asks for by name."""
