"""Hostile input by the thousand: grammar-aware templates, broken bytes, and what must hold."""
