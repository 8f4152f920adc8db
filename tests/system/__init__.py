"""Tests of files, caches and the machine's description."""
