"""Tests of `jcnn.trace`."""
