"""How Sphinx builds the manual: `make docs`. The pages open from disk and need no network."""

import warnings
from typing import Any

import latex2mathml.converter
from docutils import nodes

import optimizer

project = "optimizer"
author = "The optimizer authors"
release = optimizer.__version__
copyright = "the optimizer authors"
html_title = f"optimizer {release}"

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
myst_substitutions = {
    "functions": _directives("function", [name for name in _PUBLIC if name not in {*_CLASSES, *_ERRORS}]),
    "classes": _directives("class", _CLASSES, "   :members:\n   :inherited-members: BaseModel\n"),
    "errors": _directives("exception", _ERRORS),
}


def _mathml(self: Any, node: nodes.Element, *, display: str) -> None:
    """Formulas as MathML, which browsers draw themselves: no script and no font from the network."""
    self.body.append(latex2mathml.converter.convert(node.astext(), display=display))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Register the renderer of formulas."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="latex2mathml")
    app.add_html_math_renderer(
        "mathml",
        (lambda self, node: _mathml(self, node, display="inline"), None),
        (lambda self, node: _mathml(self, node, display="block"), None),
    )
