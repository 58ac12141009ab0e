"""How a result looks."""

from optimizer.report.whole import show

__all__ = ["show"]
