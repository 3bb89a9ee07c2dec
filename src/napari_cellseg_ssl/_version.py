"""The version, where nothing else is: what writes it into files need not import the package."""

__version__ = "0.1.0"
