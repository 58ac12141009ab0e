"""Solution algorithms."""
