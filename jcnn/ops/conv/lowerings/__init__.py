"""Lowerings: the implementations that the convolution primitive is lowered to."""
