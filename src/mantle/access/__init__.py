"""Who is calling and what they may do: tokens, passwords, projects, policy."""
