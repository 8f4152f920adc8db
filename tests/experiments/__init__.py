"""Tests of experiments that are more than a script."""
