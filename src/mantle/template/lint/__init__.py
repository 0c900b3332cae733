"""Warnings about templates that are valid and yet not what their author meant. Pure."""
