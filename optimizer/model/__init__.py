"""Columns, rows and ledgers of a programme before a solver sees them."""

from typing import Literal

# Of a row.
Sense = Literal["<=", ">=", "=="]
