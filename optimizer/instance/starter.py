"""The instance that a newcomer starts from, and the schema beside it."""

from pathlib import Path as FilePath

from optimizer.instance import json_schema


def files() -> dict[str, str]:
    """By name, the text of each file."""
    starter = FilePath(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    return {"instance.yaml": starter, json_schema.NAME: json_schema.text()}
