"""What every figure shows, as numbers: pages and plots draw the same."""
