"""Solution algorithms: the strategies, and what they are built from."""
