"""Columns, rows and ledgers of a model, independent of any solver."""

from typing import Literal

# The sense of a row.
Sense = Literal["<=", ">=", "=="]
