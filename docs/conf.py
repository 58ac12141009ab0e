"""How Sphinx builds the manual: `make docs`. The pages open from disk and need no network."""

import dataclasses
import inspect
import re
import warnings
from importlib import import_module
from typing import Any

import latex2mathml.converter
from docutils import nodes

import optimizer
import optimizer.extend

project = "optimizer"
author = "The optimizer authors"
release = optimizer.__version__
copyright = "the optimizer authors"
html_title = f"optimizer {release}"

# autodoc takes a class of another name for an alias, and leaves out its members.
optimizer.extend.ShockPath.__name__ = "ShockPath"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "deflist", "substitution"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}


def _directives(kind: str, names: list[str], options: str = "") -> str:
    """Autodoc directives for public names, as the Python interface's page includes them."""
    body = "\n".join(f".. auto{kind}:: optimizer.{name}\n{options}" for name in names)
    return f"```{{eval-rst}}\n{body}```\n"


# Also the types that functions take and return, which `__all__` leaves out.
_PUBLIC = {name: getattr(optimizer, name) for name in sorted(optimizer._MODULE_OF)}
_ERRORS = [name for name, found in _PUBLIC.items() if isinstance(found, type) and issubclass(found, Exception)]
_CLASSES = [name for name, found in _PUBLIC.items() if isinstance(found, type) and name not in _ERRORS]
# What stands one attribute below a result, or two.
_VALUES = {
    "results.plan": (
        "ActualOutput", "Faced", "Lack", "NoShockPlan", "DoNothing", "Price", "SampleCount", "SourceShare", "Weakest",
    ),
    "results.saved": ("Bands", "Spread"),
    "results.frames": ("Frames", "Frame", "FrameColumn", "FrameRow"),
    "results.futures": ("Decision", "FutureResult"),
    "studies.cost_tolerance": ("ToleranceBase", "ProvenDifference"),
    "studies.alternatives_result": ("Alternative", "SizeRange", "RangeEnd"),
    "studies.attack_result": (
        "AttackDamage", "AttackStart", "LeastOutlay", "ListedShocksPlan", "SegmentImpact", "ShapingAttack",
    ),
    "studies.comparison": ("Breakpoint", "BudgetStep", "CaseLeastOutlay", "ComparisonColumn", "LoneShock"),
    "studies.cost_shares": ("CoalitionCost", "MemberShare"),
    "studies.boxes": ("Box", "BoxScore"),
    "studies.discovery_result": ("DiscoverySamples", "FailureBox", "SampleDimension", "UnusableSamples"),
    "studies.evaluation": (
        "EvaluatedPlan", "FutureEvaluation", "FuturesPlan", "PlanChange", "PlanNeed", "PlanWaste", "PurchaseUse",
    ),
    "studies.explanation": ("Deadline", "PartValue", "Reason", "Repair"),
    "studies.futures.study_result": ("FollowedPlan", "InformedOrder", "MeasuredCost", "QuestionTiming"),
    "studies.requirements_result": ("ConflictCase", "FundingStep"),
    "studies.sensitivity_result": (
        "FirstOrderEffect", "Importance", "NoShockCost", "SwitchingValue", "TornadoBar", "VariantOutcome", "Weight",
    ),
    "studies.stress_result": (
        "BrokenShock", "Reinforcement", "Reinforcements", "SampleGroup", "Samples", "ServiceSpread", "Trial",
    ),
    "studies.time_to_survive": ("Exposure", "SurvivalTime"),
}  # fmt: skip
# The classes for levers, with the members that their authors call or override; all of them where none are named.
_FOR_LEVERS = {
    "Sized": "invest, operate, buy, working, pay, payments, share_in_force, flows, references, problems, restores, "
    "fields_without_effect, prices, is_free, price_cure, capex_group",
    "Producing": "operate, run, restart_share",
    "Stock": "invest, operate, flows, kept, most_released_in_a_year, stock_path",
    "ModelBuilder": "variable, limit, require, book, link, linked, note_gate",
    "Horizon": "periods, decisions, years, delta, months, year, label, whole",
    "ShockPath": "",
    "Flow": "",
    "Labels": "",
    "Reference": "",
    "Series": "at, constant",
    "Holding": "",
    "Operation": "",
    "ActivityAuditor": "",
    "StockAuditor": "",
}
VALUES = {f"{module}.{name}": name for module, names in _VALUES.items() for name in names}
# By name, where each class of the page is documented.
_PLACES = {name: f"optimizer.{path}" for path, name in VALUES.items()} | {name: f"optimizer.{name}" for name in _PUBLIC}
DOCUMENTED: list[type] = [_PUBLIC[name] for name in _CLASSES]
DOCUMENTED += [getattr(optimizer.extend, name) for name in _FOR_LEVERS]
DOCUMENTED += [getattr(import_module(f"optimizer.{path.rpartition('.')[0]}"), name) for path, name in VALUES.items()]
myst_substitutions = {
    "functions": _directives("function", [name for name in _PUBLIC if name not in {*_CLASSES, *_ERRORS}]),
    "classes": _directives("class", _CLASSES, "   :members:\n   :inherited-members: BaseModel\n"),
    "values": _directives("class", list(VALUES), "   :members:\n"),
    "levers": "".join(
        _directives("class", [f"extend.{name}"], f"   :members: {members}\n") for name, members in _FOR_LEVERS.items()
    )
    + _directives("function", ["extend.total"]),
    "errors": _directives("exception", _ERRORS),
}


def _mathml(self: Any, node: nodes.Element, *, display: str) -> None:
    """Formulas as MathML, which browsers draw themselves: no script and no font from the network."""
    self.body.append(latex2mathml.converter.convert(node.astext(), display=display))
    raise nodes.SkipNode


_FIELD = re.compile(r"    (?P<name>[a-z]\w*): (?P<type>[^=#]+?)(?: = [^#]*)?(?:  # (?P<note>.*))?")


def fields_of(cls: type) -> dict[str, tuple[str, str]]:
    """The fields of a dataclass, each with its type and the comment beside it or above it."""
    found = dict[str, tuple[str, str]]()
    for each in reversed(cls.__mro__):
        if dataclasses.is_dataclass(each):
            above = list[str]()
            for line in inspect.getsource(each).splitlines():
                if line.startswith("    # "):
                    above.append(line[6:])
                    continue
                if (field := _FIELD.fullmatch(line)) and field["name"] in each.__dataclass_fields__:
                    found[field["name"]] = field["type"].strip("\"'"), " ".join([*above, field["note"] or ""]).strip()
                above = []
    return found


def _list_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add to the docstring of a dataclass the fields that it does not list: what a field means stands beside it."""
    if what != "class" or obj not in DOCUMENTED or not dataclasses.is_dataclass(obj):
        return
    listed = {word for line in lines if (own := re.match(r"    (\w+):", line)) for word in own.groups()}
    rest = {field: said for field, said in fields_of(obj).items() if field not in listed}
    if obj.__name__ in _PUBLIC:
        rest = {field: said for field, said in rest.items() if said[1]}
    if rest:
        if "Attributes:" not in lines:
            lines += ["", "Attributes:"]
        while lines and not lines[-1]:
            lines.pop()
        place = _end_of_attributes(lines)
        lines[place:place] = [f"    {field} ({_linked(kind)}): {note}" for field, (kind, note) in rest.items()]
        lines.append("")


def _end_of_attributes(lines: list[str]) -> int:
    """The place behind the last line of the list of attributes."""
    first = lines.index("Attributes:") + 1
    return next((i for i in range(first, len(lines)) if not lines[i].startswith("    ")), len(lines))


def _linked(kind: str) -> str:
    """A type in which every class of the page is a link."""

    def link(word: re.Match[str]) -> str:
        return f":py:class:`~{_PLACES[word[0]]}`" if word[0] in _PLACES else word[0].replace("_", r"\_")

    return re.sub(r"\w+", link, kind)


def setup(app: Any) -> None:
    """Register the renderer of formulas, and what lists the fields of values."""
    app.connect("autodoc-process-docstring", _list_fields, priority=100)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="latex2mathml")
    app.add_html_math_renderer(
        "mathml",
        (lambda self, node: _mathml(self, node, display="inline"), None),
        (lambda self, node: _mathml(self, node, display="block"), None),
    )
