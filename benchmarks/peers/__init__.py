"""Steps and epochs of four models, compared with other libraries: `python -m benchmarks.peers`."""
