"""Questions about an instance with several futures, and its plans."""
