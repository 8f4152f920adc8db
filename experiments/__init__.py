"""Experiments: short scripts that use jcnn; each docstring gives command, time and result."""
