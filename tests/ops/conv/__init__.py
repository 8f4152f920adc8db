"""Tests of convolution."""
