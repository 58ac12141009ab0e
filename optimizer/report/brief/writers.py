"""The writers of the brief as Markdown, Word and PDF, all from the result of `Brief.to_dict`."""

import io
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from textwrap import wrap
from typing import Any

from optimizer.errors import BRIEF_FORMS, require_extra


def _blocks(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the texts of the brief and the parts with a table in reading order, each after its look in Markdown."""
    yield "# {}", data["title"]
    yield "{}", data["about"]
    yield from (("**{}**", text) for text in (*data["warnings"], data["verdict"]))
    yield from (("{}", text) for text in (data["sentence"], *data["notes"]))
    for part in data["parts"].values():
        yield "## {}", part["title"]
        yield from (("{}", text) for text in part["sentences"])
        if part["table"] is not None:
            yield "table", part
        # The part's `missing_note`.
        if part["lacks"]:
            yield "*{}*", part["lacks"]


def brief_markdown(data: Mapping[str, Any]) -> str:
    """Return the brief as Markdown text."""
    lines = list[str]()
    for look, said in _blocks(data):
        lines += _table(said["table"], said["strong"]) if look == "table" else [look.format(_plain(said)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(table: Mapping[str, Any], strong: Sequence[int]) -> Iterator[str]:
    heads = table["head"]
    yield _row([head.lstrip(">") for head in heads])
    yield _row(["---:" if head.startswith(">") else "---" for head in heads])
    for i, row in enumerate(table["rows"]):
        yield _row([f"**{_plain(cell)}**" if i in strong and cell else _plain(cell) for cell in row])
    yield ""
    if table["caption"]:
        yield from (_plain(table["caption"]), "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# Strikethrough and references to characters, such as "&amp;", are among them.
_MARKUP = re.compile(r"[\\`*_\[\]<>|#~]|&(?=#?\w+;)")


def _plain(text: str) -> str:
    """Return a text on one line, with the markup characters of Markdown escaped."""
    return " ".join(_MARKUP.sub(r"\\\g<0>", str(text)).split())


# The font of a Word document, which every computer has or replaces by one of equal width, and the allowance for wider
# letters of the installed font.
_FONT, _WIDER = "Arial", 1.15
# Font sizes of tables and text, points.
_TABLE_POINTS, _TEXT_POINTS = 7.5, 9
# Page margin, millimetres, and padding of a cell, twentieths of a point.
_WORD_MARGIN, _BESIDE = 14, 45
_RULED = "Light Shading"


def brief_docx(data: Mapping[str, Any]) -> bytes:
    """Return the brief as a Word file.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    require_extra("report", "A brief as a Word document")
    from docx import Document

    document = Document()
    _set_up(document, data)
    for look, said in _blocks(data):
        if look == "table":
            _add_table(document, said["table"], said["strong"])
        elif look.startswith("#"):
            document.add_heading(said, look.count("#"))
        elif look == "**{}**":
            document.add_paragraph().add_run(said).bold = True
        elif look == "*{}*":
            document.add_paragraph().add_run(said).italic = True
        else:
            document.add_paragraph(said)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _set_up(document: Any, data: Mapping[str, Any]) -> None:
    """Set page, fonts, light grey for every second row of tables, and the document's properties."""
    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt, RGBColor

    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(section, side, Mm(_WORD_MARGIN))
    for name, size in (("Normal", _TEXT_POINTS), ("Heading 1", 16), ("Heading 2", 10.5)):
        style = document.styles[name]
        style.font.size, style.font.color.rgb = Pt(size), RGBColor(0x16, 0x19, 0x1D)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        fonts.attrib.clear()
        style.font.name = _FONT
        style.paragraph_format.space_after = Pt(2)
        style.paragraph_format.space_before = Pt(6 if name == "Heading 2" else 0)
    for shade in document.styles[_RULED].element.iter(qn("w:shd")):
        shade.set(qn("w:fill"), "EDEFF2")
    known = document.core_properties
    known.title, known.subject, known.author, known.comments = data["title"], data["verdict"], "diversify", ""
    # Those of the template are of 2013.
    known.created = known.modified = datetime.now(UTC)


def _add_table(document: Any, table: Mapping[str, Any], strong: Sequence[int]) -> None:
    """Add a table with columns as wide as their texts, a head that repeats on every page, and its caption."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls
    from docx.shared import Mm, Pt

    heads = table["head"]
    ruled = _Column(_Sheet(_WIDER * _TABLE_POINTS, pdf=_Ruler()), 0.0, _WIDTH - 2 * _WORD_MARGIN, 0.0)
    widths = [Mm(width) for width in ruled.shared_widths(table)]
    made = document.add_table(rows=0, cols=len(heads), style=_RULED)
    made.autofit = False
    sides = "".join(f'<w:{side} w:w="{_BESIDE}" w:type="dxa"/>' for side in ("left", "right"))
    made._tbl.tblPr.append(parse_xml(f"<w:tblCellMar {nsdecls('w')}>{sides}</w:tblCellMar>"))
    for column, width in zip(made.columns, widths, strict=True):
        column.width = width
    _add_row(made, [head.lstrip(">") for head in heads], heads, widths, is_strong=True)
    made.rows[0]._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {nsdecls('w')}/>"))
    for i, row in enumerate(table["rows"]):
        _add_row(made, row, heads, widths, is_strong=i in strong)
    if table["caption"]:
        run = document.add_paragraph().add_run(table["caption"])
        run.italic, run.font.size = True, Pt(_TABLE_POINTS)


def _add_row(table: Any, texts: Sequence[str], heads: Sequence[str], widths: Sequence[Any], *, is_strong: bool) -> None:
    """Add a row that is not broken across pages and stays with the next row."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    added = table.add_row()
    added._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    for cell, text, head, width in zip(added.cells, texts, heads, widths, strict=True):
        cell.width, paragraph = width, cell.paragraphs[0]
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if head.startswith(">") else WD_ALIGN_PARAGRAPH.LEFT
        paragraph.paragraph_format.space_after, paragraph.paragraph_format.keep_with_next = Pt(0), True
        run = paragraph.add_run(text)
        run.font.size, run.bold = Pt(_TABLE_POINTS), is_strong


# PDF layout, millimetres: page, margin, and space between the two columns.
_WIDTH, _HEIGHT, _MARGIN, _BETWEEN = 210.0, 297.0, 12.0, 5.0
# Font sizes of tables, points, of which the largest that fits is used; the least of any text; millimetres per point.
_SIZES, _LEAST, _MM = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5, 6.0, 5.6), 5.6, 25.4 / 72
# Parts of the left and of the right column.
_LEFT, _RIGHT = ("survival", "unserved", "alternatives"), ("worst", "money", "figures")
_UNUSABLE_WIDTH = 2 * _MARGIN + _BETWEEN
_SPLIT = 0.57 * (_WIDTH - _UNUSABLE_WIDTH)
_PLACES = (_LEFT, _MARGIN, _SPLIT), (_RIGHT, _MARGIN + _SPLIT + _BETWEEN, _WIDTH - _UNUSABLE_WIDTH - _SPLIT)
_INK, _QUIET, _RULE = (22, 25, 29), (77, 85, 96), (201, 206, 214)
_BAD, _GOOD, _BAR = (169, 63, 0), (0, 105, 76), (0, 85, 138)
# The first screen of the page on paper: font size of tables, points; length that fits, millimetres; smallest scale;
# mean width of a letter, and of a bold one, as a share of its size.
_PRINTED, _FITS, _SMALLEST, _LETTER, _BOLD = 6.5, 262.0, 0.7, 0.53, 0.59


def brief_pdf(data: Mapping[str, Any]) -> bytes:
    """Return the brief as a PDF file.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    require_extra("report", "A brief as PDF")
    for may_break in (False, True):
        for size in _SIZES:
            with closing(_Sheet(size)) as sheet:
                fits = _draw_in_columns(sheet, data, _too_wide(sheet, data)) <= _HEIGHT - _MARGIN
                if fits and (may_break or not sheet.breaks_words):
                    return sheet.content(data)
    with closing(_Sheet(_SIZES[0], runs_on=True)) as sheet:
        y = _draw_head(sheet, {**data, "notes": [*data["notes"], "This answer takes more than one page."]})
        for name, part in data["parts"].items():
            y = _draw_part(_Column(sheet, _MARGIN, _WIDTH - 2 * _MARGIN, y), name, part, data)
        return sheet.content(data)


class _Ruler:
    """A stand-in for a PDF page that only measures texts, with one mean width for all letters."""

    fonts: Mapping[str, Any] = {}
    _wide = 0.0

    def set_font(self, family: str, style: str, size: float) -> None:
        """Choose a font; `size` is in points."""
        self._wide = size * _MM * (_BOLD if style else _LETTER)

    def get_string_width(self, text: str) -> float:
        """Return the width of a text, millimetres."""
        return len(text) * self._wide

    def multi_cell(self, width: float, text: str, **options: Any) -> list[str]:
        """Break a text to a width, millimetres."""
        return wrap(text, max(1, int(width / self._wide)), break_on_hyphens=False) or [""]

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: None


def paper_scale(data: Mapping[str, Any]) -> float:
    """Return the scale at which the printed first screen fits one A4 page, at most 1.

    Its length is estimated by the layout of the PDF with text of the same size and letters of equal width.
    """
    long = _draw_in_columns(_Sheet(_PRINTED, pdf=_Ruler()), data)
    return min(1.0, max(_SMALLEST, float(math.sqrt(_FITS / long))))


def _too_wide(sheet: "_Sheet", data: Mapping[str, Any]) -> set[str]:
    """Return the parts whose tables are too wide for a column; they are placed below both columns."""
    columns = [(name, _Column(sheet, x, width, 0.0)) for names, x, width in _PLACES for name in names]
    tables = [(name, column, data["parts"].get(name, {}).get("table")) for name, column in columns]
    return {name for name, column, table in tables if table and not column.fits(column.wanted_widths(table))}


def _draw_in_columns(sheet: "_Sheet", data: Mapping[str, Any], wide: Collection[str] = ()) -> float:
    """Draw everything on one page, `wide` parts below both columns; return the end, millimetres from the top."""
    parts, full, y = data["parts"], _WIDTH - 2 * _MARGIN, _draw_head(sheet, data)
    if "orders" in parts:
        y = _draw_part(_Column(sheet, _MARGIN, full, y), "orders", parts["orders"], data)
    ends, beside = [y], {*_LEFT, *_RIGHT} - {*wide}
    for names, x, width in _PLACES:
        column = _Column(sheet, x, width, y)
        ends += [_draw_part(column, name, parts[name], data) for name in names if name in parts and name in beside]
    y = max(ends)
    rest = [name for name in parts if name not in ("orders", *beside)]
    for name in rest:
        y = _draw_part(_Column(sheet, _MARGIN, full, y), name, parts[name], data)
    return y


def _draw_head(sheet: "_Sheet", data: Mapping[str, Any]) -> float:
    """Draw title, warnings, verdict and sentence; return the end, millimetres from the top."""
    column, size = _Column(sheet, _MARGIN, _WIDTH - 2 * _MARGIN, _MARGIN), sheet.size
    column.text(data["title"], size + 6, is_bold=True)
    column.text(data["about"], max(_LEAST, size - 0.5), colour=_QUIET)
    for warning in data["warnings"]:
        column.text(warning, size + 1, is_bold=True, colour=_BAD)
    column.text(data["verdict"], size + 2, is_bold=True, colour=_GOOD if data["survives"] else _BAD, above=1.0)
    column.text(data["sentence"], size + 2)
    for note in data["notes"]:
        column.text(note, size, above=0.6)
    return column.y + 1.0


def _draw_part(column: "_Column", name: str, part: Mapping[str, Any], data: Mapping[str, Any]) -> float:
    """Draw a part at the end of a column; return the new end."""
    size = column.sheet.size
    column.rule()
    column.text(part["title"], size + 1, is_bold=True)
    for i, sentence in enumerate(part["sentences"]):
        is_lead = name == "worst" and i == 0
        colour = _BAD if is_lead and not data["survives"] else _INK
        column.text(sentence, size, is_bold=is_lead, colour=colour)
    if part["table"] is not None:
        column.table(part["table"], part["bars"], part["strong"])
        if part["table"]["caption"]:
            column.text(part["table"]["caption"], max(_LEAST, size - 1), colour=_QUIET)
    if part["lacks"]:
        column.text(part["lacks"], max(_LEAST, size - 1), colour=_QUIET)
    column.y += 1.2
    return column.y


class _Sheet:
    """An A4 page with its fonts.

    Args:
        size: font size of tables, points.
        runs_on: whether a full page is followed by further pages.
        pdf: the document to draw on; by default a new one.
    """

    def __init__(self, size: float, *, runs_on: bool = False, pdf: Any = None) -> None:
        self.size, self.runs_on, self.pdf = size, runs_on, pdf
        self.breaks_words = False  # whether a table was too wide for its words
        if pdf is None:
            self._open()

    def _open(self) -> None:
        """Open a page with the fonts of the plots."""
        import matplotlib
        from fpdf import FPDF

        self.pdf = FPDF(format="A4")
        self.pdf.set_auto_page_break(False)
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        self.pdf.add_font("brief", "", folder / "DejaVuSans.ttf")
        self.pdf.add_font("brief", "B", folder / "DejaVuSans-Bold.ttf")
        self.pdf.c_margin = 0.0
        self.pdf.add_page()

    def content(self, data: Mapping[str, Any]) -> bytes:
        """Return the content of the file."""
        self.pdf.set_title(data["title"])
        self.pdf.set_subject(data["sentence"])
        self.pdf.set_lang("en")
        return bytes(self.pdf.output())

    def close(self) -> None:
        """Close the files of the fonts."""
        for font in self.pdf.fonts.values():
            font.ttfont.close()

    def font(self, size: float, *, is_bold: bool = False) -> None:
        """Choose a font, points."""
        self.pdf.set_font("brief", "B" if is_bold else "", size)

    def lines(self, text: str, width: float) -> list[str]:
        """Break a text in the current font to a width, millimetres: at spaces, and inside words that are too long."""
        return list(self.pdf.multi_cell(width, text=text, dry_run=True, output="LINES", align="L"))

    def room(self, y: float, height: float) -> float:
        """Return the place for content of a given height: `y`, or the top of the next page if pages run on."""
        if self.runs_on and y + height > _HEIGHT - _MARGIN:
            self.pdf.add_page()
            return _MARGIN
        return y


@dataclass
class _Column:
    """A column of a sheet: `x` and `width`, millimetres, and `y`, the end of its content."""

    sheet: _Sheet
    x: float
    width: float
    y: float

    def rule(self) -> None:
        """Draw a line across the column."""
        pdf = self.sheet.pdf
        self.y = self.sheet.room(self.y, 12.0)
        pdf.set_draw_color(*_INK)
        pdf.set_line_width(0.4)
        pdf.line(self.x, self.y, self.x + self.width, self.y)
        self.y += 0.8

    def text(
        self, text: str, size: float, *, is_bold: bool = False, colour: tuple[int, int, int] = _INK, above: float = 0.0
    ) -> None:
        """Draw a paragraph."""
        pdf, height = self.sheet.pdf, 1.22 * size * _MM
        self.y += above
        self.sheet.font(size, is_bold=is_bold)
        for line in self.sheet.lines(text, self.width):
            self.y = self.sheet.room(self.y, height)
            pdf.set_text_color(*colour)
            pdf.set_xy(self.x, self.y)
            pdf.cell(self.width, height, line)
            self.y += height

    def table(self, table: Mapping[str, Any], bars: Sequence[float], strong: Sequence[int]) -> None:
        """Draw a table with bars behind its first column."""
        heads = [head.lstrip(">") for head in table["head"]]
        is_number = [head.startswith(">") for head in table["head"]]
        pairs = self.wanted_widths(table)
        widths = [high for _, high in pairs] if bars else self.shared_widths(table)
        over = self.width - sum(widths)
        starts = [self.x + at + (over if i else 0.0) for i, at in enumerate(accumulate([0.0, *widths[:-1]]))]
        cells = list(zip(starts, widths, is_number, strict=True))
        # The head, of up to three lines, and the first row stay on one page.
        self.y = self.sheet.room(self.y, 6.0 * self.sheet.size * _MM)
        self._row(heads, cells, is_bold=True, colour=_QUIET)
        for i, row in enumerate(table["rows"]):
            top = self._row(row, cells, is_bold=i in strong, colour=_INK, heads=heads)
            if bars:
                self._bar(bars[i] * (over - _GAP), starts[0] + widths[0], top)

    def shared_widths(self, table: Mapping[str, Any]) -> list[float]:
        """Return the column widths of a table; if space is short, only words and numbers are kept whole."""
        pairs = self.wanted_widths(table)
        if not self.fits(pairs):
            pairs = self.wanted_widths(table, whole=0)
            self.sheet.breaks_words |= not self.fits(pairs)
        least = sum(low for low, _ in pairs)
        if least > self.width:
            return [self.width * low / least for low, _ in pairs]
        part = min(1.0, (self.width - least) / (sum(high - low for low, high in pairs) or 1.0))
        widths = [low + part * (high - low) for low, high in pairs]
        # The first column gets the rest, so that numbers stand at the right.
        return [widths[0] + self.width - sum(widths), *widths[1:]]

    def fits(self, pairs: Sequence[tuple[float, float]]) -> bool:
        """Return whether the least widths of all columns fit."""
        return sum(low for low, _ in pairs) <= self.width

    def wanted_widths(self, table: Mapping[str, Any], whole: int = 9) -> list[tuple[float, float]]:
        """Return least and most width of each column, mm; numbers and texts up to `whole` letters are not broken."""
        return [self._wanted(head, cells, whole) for head, cells in zip(table["head"], _columns(table), strict=True)]

    def _wanted(self, head: str, cells: Sequence[str], whole: int) -> tuple[float, float]:
        """Return the least and most width of a column, mm, with padding: of unbreakable texts, and of the widest text.

        Unless space is short, half of the head counts as unbreakable too.
        """
        self.sheet.font(self.sheet.size, is_bold=True)
        measure, title = self.sheet.pdf.get_string_width, head.lstrip(">")
        kept = [cell for cell in cells if title != head or len(cell) <= whole]
        words = [word for text in (title, *cells) for word in text.split()]
        least = _GAP + max(1.15 * measure(title) / 2 if whole else 0.0, *map(measure, ("", *kept, *words)))
        return least, max(least, _GAP + max(map(measure, cells), default=0.0))

    def _row(
        self,
        texts: Sequence[str],
        cells: Sequence[tuple[float, float, bool]],
        *,
        is_bold: bool,
        colour: tuple[int, int, int],
        heads: Sequence[str] = (),
    ) -> float:
        """Draw a row and the line below it; return its top. `heads` stand above a row that begins a page."""
        pdf, height = self.sheet.pdf, 1.18 * self.sheet.size * _MM
        self.sheet.font(self.sheet.size, is_bold=is_bold)
        broken = [
            self.sheet.lines(text, width - _GAP + _SLACK) for text, (_, width, _) in zip(texts, cells, strict=True)
        ]
        deep = height * max(map(len, broken)) + 0.5
        top = self.sheet.room(self.y, deep)
        if heads and top < self.y:
            self.y = top
            self._row(heads, cells, is_bold=True, colour=_QUIET)
            top = self.y
            self.sheet.font(self.sheet.size, is_bold=is_bold)
        pdf.set_text_color(*colour)
        for lines, (x, width, number) in zip(broken, cells, strict=True):
            for i, line in enumerate(lines):
                pdf.set_xy(x, top + 0.25 + i * height)
                pdf.cell(width - _GAP, height, line, align="R" if number else "L")
        self.y = top + deep
        pdf.set_draw_color(*_RULE)
        pdf.set_line_width(0.1)
        pdf.line(self.x, self.y, self.x + self.width, self.y)
        return top

    def _bar(self, width: float, x: float, top: float) -> None:
        """Draw the bar of a row."""
        pdf = self.sheet.pdf
        pdf.set_draw_color(*_INK)
        pdf.set_fill_color(*_BAR)
        pdf.set_line_width(0.15)
        if width > 0:
            pdf.rect(x, top + 0.6, width, 0.7 * self.sheet.size * _MM, style="DF")


# Space between columns, and allowance for rounding in the measured width of a text, millimetres.
_GAP, _SLACK = 1.6, 0.01


def _columns(table: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return list(zip(*table["rows"], strict=True)) or [()] * len(table["head"])


def write_brief(data: Mapping[str, Any], suffix: str) -> str | bytes:
    """Return the content of a file of the brief, of the form given by its suffix.

    Raises:
        ValueError: the suffix is unknown.
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
