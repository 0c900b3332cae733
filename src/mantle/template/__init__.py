"""From text to a typed graph: parsing, checking and resolving templates. Pure."""
