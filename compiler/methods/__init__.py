"""Conversion methods, one a file, in one table."""
