"""The version of the server that this package belongs to."""

__version__ = "0.1.0"
