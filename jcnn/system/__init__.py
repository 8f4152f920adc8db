"""The machine below: files, cache folders, and a description of hardware and versions."""
