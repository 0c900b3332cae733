"""Mantle: one control plane for clouds and the people who run them."""

__version__ = "0.1.0"
