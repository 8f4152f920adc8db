"""Tests of the room `jcnn.trace`."""
