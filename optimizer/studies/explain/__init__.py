"""Why this plan, or why none."""
