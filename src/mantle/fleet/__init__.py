"""Servers by the thousand: what there is and where, and one verb over many of them."""
