"""HOT: the sections of a template and their rules."""
