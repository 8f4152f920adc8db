"""Tests of `jcnn.ops`."""
