"""Keystone's identity API, version 3: as much of it as the stock clients need to log in."""
