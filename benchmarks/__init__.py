"""Speed and memory, beside the physical limit of the same run."""
