"""The data of every figure, drawn in the same way on pages and in print."""
