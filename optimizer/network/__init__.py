"""The supply network: activities, existing processes, demands and their floors, and capacity under cuts."""
