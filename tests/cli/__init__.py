"""The command line, called in this process and as a process of its own."""
