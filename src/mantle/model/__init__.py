"""The vocabulary every other layer speaks: frozen values, no input or output."""
