"""Builds everything once; the only module that knows every name."""
