"""Benchmarks, one question per file. Run as `python -m benchmarks.NAME`."""
