"""Desired against actual: frozen plans with a reason for every step. Pure."""
