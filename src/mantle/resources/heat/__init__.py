"""Heat's own types: values, groups, waits and software configuration."""
