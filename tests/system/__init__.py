"""Tests of files, caches and the description of the machine."""
