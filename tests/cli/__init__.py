"""The command line, called in this process and as a separate process."""
