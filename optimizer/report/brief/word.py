"""The brief as a Word document: headings, sentences and tables, on A4."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.extras import require_extra

# Points of tables and of the text; millimetres of the margin.
_TABLE, _TEXT, _MARGIN = 7.5, 9, 14


def brief_docx(data: Mapping[str, Any]) -> bytes:
    """The content of a Word file, from what `Brief.to_dict` gives.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    require_extra("report", "A brief as a Word document")
    from docx import Document

    document = Document()
    _set_up(document, data)
    document.add_heading(data["title"], 1)
    document.add_paragraph(data["about"])
    for warning in (*data["warnings"], data["verdict"]):
        document.add_paragraph().add_run(warning).bold = True
    document.add_paragraph(data["sentence"])
    for part in data["parts"].values():
        document.add_heading(part["title"], 2)
        for sentence in part["sentences"]:
            document.add_paragraph(sentence)
        if part["table"] is not None:
            _add_table(document, part["table"], part["strong"])
        if part["missing"]:
            document.add_paragraph().add_run(part["missing"]).italic = True
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _set_up(document: Any, data: Mapping[str, Any]) -> None:
    """The page, its fonts, and what the file says of itself."""
    from docx.shared import Mm, Pt, RGBColor

    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Mm(_MARGIN))
    for name, size in (("Normal", _TEXT), ("Heading 1", 16), ("Heading 2", 10.5)):
        style = document.styles[name]
        style.font.size, style.font.color.rgb = Pt(size), RGBColor(0x16, 0x19, 0x1D)
        style.paragraph_format.space_after = Pt(2)
        style.paragraph_format.space_before = Pt(6 if name == "Heading 2" else 0)
    document.core_properties.title, document.core_properties.subject = data["title"], data["verdict"]
    document.core_properties.author, document.core_properties.comments = "diversify", ""


def _add_table(document: Any, table: Mapping[str, Any], strong: Sequence[int]) -> None:
    """A table whose head is repeated on every page, and its caption."""
    from docx.oxml import OxmlElement

    heads = table["head"]
    made = document.add_table(rows=0, cols=len(heads), style="Light List")
    _add_row(made, [head.lstrip(">") for head in heads], heads, is_strong=True)
    made.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    for i, row in enumerate(table["rows"]):
        _add_row(made, row, heads, is_strong=i in strong)
    if table["caption"]:
        document.add_paragraph().add_run(table["caption"]).italic = True


def _add_row(table: Any, texts: Sequence[str], heads: Sequence[str], *, is_strong: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    for cell, text, head in zip(table.add_row().cells, texts, heads, strict=True):
        paragraph = cell.paragraphs[0]
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if head.startswith(">") else WD_ALIGN_PARAGRAPH.LEFT
        paragraph.paragraph_format.space_after = Pt(0)
        run = paragraph.add_run(text)
        run.font.size, run.bold = Pt(_TABLE), is_strong
