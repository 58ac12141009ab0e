"""The supply network: activities, existing processes, demands."""
