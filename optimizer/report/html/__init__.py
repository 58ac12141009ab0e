"""The report as one page that needs nothing else: its data, its scripts, its look."""
