"""The report as one page that needs nothing else: no network, no files beside it."""

import json
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from optimizer.extras import require_extra

SCRIPTS = ("core.js", "survival.js", "plan.js", "flows.js", "money.js", "page.js")


def page(data: dict[str, Any]) -> str:
    """The page of a report's data, `Book.to_dict`."""
    require_extra("report", "A report page")
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FunctionLoader(_part), autoescape=True, undefined=StrictUndefined)
    drawn = environment.get_template("figure.html.j2")
    own = data["points"][data["frontier"]["own"]]
    return environment.get_template("report.html.j2").render(
        book=data,
        own={**data["points"][own["same"]], **own} if "same" in own else own,
        version=version("optimizer"),
        css=Markup(_part("page.css")),
        data=Markup(embedded(data)),
        plotly=Markup(_script(_plotly())),
        script=Markup(_script("\n".join(_part(name) for name in SCRIPTS))),
        figure=lambda key, caption, wide=False: Markup(drawn.render(key=key, caption=caption, wide=wide)),
    )


def embedded(data: dict[str, Any]) -> str:
    """JSON that can stand inside a script element whatever its texts say."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _script(text: str) -> str:
    """Script that cannot end its element."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _part(name: str) -> str:
    return (files("optimizer.report.page") / name).read_text(encoding="utf-8")


def _plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
