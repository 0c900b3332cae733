"""The command line: a client of the HTTP API with no power of its own, one file per noun."""
