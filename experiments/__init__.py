"""Experiments: short scripts on top of jcnn; each docstring says command, time and result."""
