"""What a run hands back: frozen values, frames, and their order."""
