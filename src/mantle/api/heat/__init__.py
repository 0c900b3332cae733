"""Heat's orchestration API, version 1: a façade over the verbs in `stacks` and `software`."""
