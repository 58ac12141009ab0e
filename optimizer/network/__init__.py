"""The supply network: activities, existing processes, demands and their floors, what a cut leaves of a capacity."""
