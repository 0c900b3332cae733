"""What users ask of stacks, one verb a file."""
