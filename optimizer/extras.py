"""The optional parts of the installation: which modules each extra of pyproject.toml brings."""

from importlib.util import find_spec
from pathlib import Path as FilePath

from optimizer.errors import MissingExtraError

EXTRAS = {
    "report": ("jinja2", "plotly", "fpdf", "docx", "matplotlib"),
    "plot": ("matplotlib", "plotext", "countryinfo"),
    "excel": ("openpyxl", "xlsxwriter"),
    "sensitivity": ("SALib", "sklearn"),
    "cluster": ("distributed",),
    "parquet": ("pyarrow",),
}
# By the suffix of a file that is written or read.
_OF_SUFFIX = {
    ".html": "report",
    ".xlsx": "excel",
    ".svg": "plot",
    ".png": "plot",
    ".pdf": "plot",
    ".parquet": "parquet",
}
# The forms of a report's brief beside the page.
BRIEF_FORMS = (".pdf", ".docx", ".md")


def has_extra(extra: str) -> bool:
    """Whether the modules of an extra are installed."""
    return all(find_spec(module) is not None for module in EXTRAS[extra])


def require_extra(extra: str, purpose: str) -> None:
    """Refuse to go on where an extra is not installed.

    Args:
        extra: a name in `EXTRAS`.
        purpose: what needs it, as the subject of a sentence: "An Excel workbook".

    Raises:
        MissingExtraError: with the command that installs it.
    """
    if not has_extra(extra):
        module = next(each for each in EXTRAS[extra] if find_spec(each) is None)
        raise MissingExtraError(f"{purpose} needs {module}; run: pip install 'optimizer[{extra}]'")


def require_extra_for(path: FilePath) -> None:
    """Refuse to go on where the form of a file, by its suffix, needs an extra that is not installed.

    Raises:
        MissingExtraError: with the command that installs it.
    """
    extra = _OF_SUFFIX.get(path.suffix.lower())
    if extra is not None:
        require_extra(extra, path.name)
