"""Questions about an instance or a plan."""
