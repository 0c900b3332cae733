"""Our own API, `/v2`: plans, operations, stacks and clouds, with server-sent events."""
