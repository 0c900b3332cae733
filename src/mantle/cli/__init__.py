"""The command line: a client of the API with no power of its own."""
