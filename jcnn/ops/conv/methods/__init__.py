"""Convolution methods: the algorithms that a caller can name."""
