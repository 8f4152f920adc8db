"""Training step and epoch of four models against other libraries: `python -m benchmarks.peers`."""
