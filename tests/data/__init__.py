"""Tests of data sets, sources and images."""
