"""The brief in the forms of its files."""

from collections.abc import Callable, Mapping
from typing import Any

from optimizer.extras import BRIEF_FORMS
from optimizer.report.brief.markdown import brief_markdown
from optimizer.report.brief.pdf import brief_pdf
from optimizer.report.brief.word import brief_docx


def write_brief(data: Mapping[str, Any], suffix: str) -> str | bytes:
    """The content of a file of the brief.

    Args:
        data: what `Brief.to_dict` gives.
        suffix: of the file, one of `BRIEF_FORMS`.

    Raises:
        ValueError: another suffix.
        MissingExtraError: the form needs an extra that is not installed.
    """
    form = suffix.lower()
    writers: dict[str, Callable[[Mapping[str, Any]], str | bytes]] = {
        ".pdf": brief_pdf,
        ".docx": brief_docx,
        ".md": brief_markdown,
    }
    if form in writers:
        return writers[form](data)
    raise ValueError(f"a brief has one of the forms {', '.join(BRIEF_FORMS)}, not {suffix}")
