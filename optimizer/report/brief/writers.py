"""The brief in the forms of its files."""

from collections.abc import Mapping
from typing import Any

from optimizer.extras import BRIEF_FORMS
from optimizer.report.brief.markdown import brief_markdown


def write_brief(data: Mapping[str, Any], suffix: str) -> str | bytes:
    """The content of a file of the brief.

    Args:
        data: what `Brief.to_dict` gives.
        suffix: of the file, one of `BRIEF_FORMS`.

    Raises:
        ValueError: another suffix.
    """
    form = suffix.lower()
    if form == ".md":
        return brief_markdown(data)
    raise ValueError(f"a brief has one of the forms {', '.join(BRIEF_FORMS)}, not {suffix}")
