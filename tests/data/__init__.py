"""Tests of data sets, sources and pictures."""
