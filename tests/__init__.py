"""The tests of jcnn."""
