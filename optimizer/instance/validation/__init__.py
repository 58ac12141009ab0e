"""Checks of an instance: what is wrong, and what is valid but suspicious."""
