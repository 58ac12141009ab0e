"""What falls short in conflicts, and the stocks to hold against it."""
