"""What funding in part achieves: the share of each material's shortfall that is left, by money for stocks."""

from optimizer.instance.derived import display_name
from optimizer.report.figures.canvas import (
    BLUE,
    INK,
    OTHERS,
    STYLE,
    Canvas,
    add_footer,
    file_bytes,
    in_money,
    new_canvas,
    use_all_fonts,
)
from optimizer.report.format import percent, shortened
from optimizer.report.tables.requirements import curve
from optimizer.studies.requirements import Requirements

MARKS = "os^vDPX*"


def draw_funding_plot(found: Requirements, suffix: str) -> bytes:
    """The figure as a file: ``svg``, ``png`` or ``pdf``.

    Raises:
        ValueError: no money was spent on stocks, so there is nothing to draw.
    """
    from matplotlib import rc_context

    if not found.funding:
        raise ValueError("There is no money for stocks to draw.")
    with rc_context(dict(STYLE)), use_all_fonts():
        return file_bytes(_draw(found), suffix)


def _draw(found: Requirements) -> Canvas:
    drawn = curve(found)
    canvas = new_canvas(f"{found.instance.title}: what funding stocks in part achieves", 2.6)
    (panel,) = canvas.panels
    panel.plot(drawn["money"], drawn["gap"], color=INK, linewidth=2.0, label="value of all, over all shocks")
    colours = (BLUE, *OTHERS)
    for i, (c, left) in enumerate(drawn["left"].items()):
        label = shortened(display_name(found.instance, c), 36)
        colour, mark = colours[i % len(colours)], MARKS[i % len(MARKS)]
        panel.plot(drawn["money"], left, color=colour, marker=mark, markersize=4, linewidth=1.0, label=label)
    panel.set_ylim(0, 1.04)
    panel.set_xlim(left=0)
    panel.set_ylabel("shortfall that is left")
    panel.yaxis.set_major_formatter(lambda value, _: percent(value))
    in_money(panel.xaxis)
    panel.grid(visible=True)
    footer = (
        f"Money for stocks, undiscounted, {found.instance.currency}. Materials: t below the floors in the worst shock, "
        "as a share of what falls short with nothing bought."
    )
    add_footer(canvas, footer, panel.get_legend_handles_labels()[0])
    return canvas
