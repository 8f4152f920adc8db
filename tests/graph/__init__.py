"""Tests of the graph of a model."""
