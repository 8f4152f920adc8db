"""Benchmarks: one question a file. Run as `python -m benchmarks.NAME`."""
