"""Files, cache folders, and a description of the machine."""
