"""Benchmarks: one question per file, each with a check of the results."""
