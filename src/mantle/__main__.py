"""The `mantle` command."""
