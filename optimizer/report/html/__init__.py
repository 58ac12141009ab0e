"""The report as one page that needs nothing else: its data, its scripts, its look."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from optimizer.audit import verify
from optimizer.extras import require_extra
from optimizer.files import write_whole
from optimizer.instance.reading import instance_of
from optimizer.report.html.book import book as make_book
from optimizer.results.result import Result
from optimizer.studies.frontier import frontier, single_point
from optimizer.units import MoneyLike, money

SCRIPTS = ("core.js", "survival.js", "plan.js", "flows.js", "money.js", "page.js")


def page(data: dict[str, Any]) -> str:
    """The page of a report's data, `Book.to_dict`."""
    require_extra("report", "A report page")
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FunctionLoader(page_part), autoescape=True, undefined=StrictUndefined)
    drawn = environment.get_template("figure.html.j2")
    own = data["points"][data["frontier"]["own"]]
    return environment.get_template("report.html.j2").render(
        book=data,
        own={**data["points"][own["same"]], **own} if "same" in own else own,
        version=version("optimizer"),
        css=Markup(page_part("page.css")),
        data=Markup(embed_json(data)),
        plotly=Markup(_script(_plotly())),
        script=Markup(_script("\n".join(page_part(name) for name in SCRIPTS))),
        figure=lambda key, caption, wide=False: Markup(drawn.render(key=key, caption=caption, wide=wide)),
    )


def embed_json(data: dict[str, Any]) -> str:
    """JSON that can stand inside a script element whatever its texts say."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _script(text: str) -> str:
    """Script that cannot end its element."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def page_part(name: str) -> str:
    """The text of one of the files that pages are made of."""
    return (files("optimizer.report.html") / name).read_text(encoding="utf-8")


def _plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def write_report(result: Result, path: str | Path, budgets: Sequence[MoneyLike] | None = ()) -> None:
    """Write a plan as one page (.html), whole or not at all.

    Args:
        result: the plan, with its instance in it.
        path: the file.
        budgets: money, undiscounted, as numbers or text such as "250M", of the plans on the slider, each solved for;
            None chooses them; none by default.

    Raises:
        InstanceError: the instance in the result is no longer a sound one.
        OSError: the file cannot be written.
        SolverError: the solver failed at a plan of another budget.
        ValueError: a budget that is no amount of money.
    """
    amounts = None if budgets is None else [money(budget, "budgets") or 0.0 for budget in budgets]
    instance = instance_of(result)
    said = verify(instance, result).disagreements
    warnings = (f"THE AUDIT DISAGREES: do not rely on this plan. {said[0]}",) if said else ()
    is_quick = result.baseline is None or amounts == []
    found = single_point(instance, result) if is_quick else frontier(instance, result, amounts)
    write_whole(path, page(make_book(instance, found, is_quick=is_quick, warnings=warnings).to_dict()))
