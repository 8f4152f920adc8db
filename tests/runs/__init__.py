"""Tests of run folders and checkpoints."""
