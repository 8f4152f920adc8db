"""The error of an invalid data file."""


class DataError(ValueError):
    """A data file is invalid; the message is one line that names the file."""
