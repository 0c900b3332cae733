"""Servers and key pairs."""
