"""What every page is made of: templates, scripts, data and pictures that stand inside the file."""

import base64
import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from optimizer.errors import require_extra
from optimizer.report.brief.writers import paper_scale


def render_page(name: str, scripts: tuple[str, ...], **values: Any) -> str:
    """A page from its template, with its look and its scripts inside.

    Args:
        name: of the template.
        scripts: files of which its script is made, in order.
        values: what the template names.
    """
    require_extra("report", "A report page")
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FunctionLoader(page_part), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name).render(
        version=version("optimizer"),
        paper=_paper(values["book"].get("brief")),
        css=Markup(page_part("page.css")),
        script=Markup(script_text("\n".join(map(page_part, scripts)))),
        **{key: Markup(value) if key in ("data", "plotly") else value for key, value in values.items()},
    )


def _paper(brief: Mapping[str, Any] | None) -> str:
    """By what the printed answer is made smaller, for a style."""
    return "1" if brief is None or not brief["parts"] else f"{paper_scale(brief):.3f}"


def page_part(name: str) -> str:
    """The text of one of the files that pages are made of."""
    return (files("optimizer.report.html") / name).read_text(encoding="utf-8")


def embed_json(data: dict[str, Any]) -> str:
    """JSON that can stand inside a script element whatever its texts say."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def script_text(text: str) -> str:
    """Script that cannot end its element."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


# Outlines in an SVG: on a page a tenth of a point is as fine as an eye can see.
_OUTLINE, _DECIMALS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d)\d+")


def picture_address(picture: bytes) -> str:
    """An SVG as an address that holds it, its outlines as fine as can be seen."""
    picture = _OUTLINE.sub(lambda found: _DECIMALS.sub(rb"\1", found[0]), picture)
    return "data:image/svg+xml;base64," + base64.b64encode(picture).decode()
