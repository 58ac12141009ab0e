"""In which order shocks are faced, and when to stop."""
