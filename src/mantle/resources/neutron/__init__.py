"""Networks and what connects to them."""
