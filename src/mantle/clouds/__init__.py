"""Clouds behind one port: `ports.py` is the port, each folder one cloud."""
