"""``python -m optimizer`` and the console script ``diversify``."""

from optimizer.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
