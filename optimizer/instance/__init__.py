"""Instance files: what they may say (`schema`), what is checked (`checks`), how they are read (`load`)."""

from optimizer.instance.load import load, read
from optimizer.instance.schema import Instance

__all__ = ["Instance", "load", "read"]
