"""Schema migrations; see docs/how-to for adding one."""
