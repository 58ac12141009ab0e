"""The instance that a newcomer starts from, and the schema beside it."""

from pathlib import Path as FilePath

from optimizer.io.json_schema import NAME, text


def files() -> dict[str, str]:
    """By name, the text of each file."""
    starter = FilePath(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    return {"instance.yaml": starter, NAME: text()}
