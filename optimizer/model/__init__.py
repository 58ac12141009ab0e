"""Columns, rows and ledgers of a programme before a solver sees them."""
