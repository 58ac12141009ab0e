"""The print figures of studies, and of plans of several futures; each is drawn from the object that the study gives."""

from optimizer.instance.reading import instance_of
from optimizer.report.figures.answers import ChartedStudy, draw_answer
from optimizer.report.figures.canvas import STYLE, Canvas, file_bytes, use_all_fonts
from optimizer.report.figures.discovery import draw_discovery
from optimizer.report.figures.futures import draw_futures
from optimizer.report.figures.futures_study import draw_worth
from optimizer.results.futures import FuturesResult
from optimizer.studies.attack import AttackResult
from optimizer.studies.comparison import Comparison
from optimizer.studies.discovery.discover import Discovery
from optimizer.studies.explain import Explanation
from optimizer.studies.futures.study import FuturesStudy
from optimizer.studies.sharing import CostShares
from optimizer.studies.stress import Stress

# Studies with a figure of their own.
Study = FuturesStudy | Discovery | ChartedStudy


def draw_study_plot(subject: FuturesResult | Study, suffix: str) -> bytes:
    """The figure of a plan of several futures, or of a study, as a file: ``svg``, ``png`` or ``pdf``.

    Raises:
        ValueError: there is nothing to draw. Its text says so.
    """
    from matplotlib import rc_context

    with rc_context(dict(STYLE)), use_all_fonts():
        return file_bytes(_draw(subject), suffix)


def _draw(subject: FuturesResult | Study) -> Canvas:
    if isinstance(subject, FuturesResult):
        return draw_futures(instance_of(subject), subject)
    if isinstance(subject, FuturesStudy):
        return draw_worth(subject)
    return draw_discovery(subject) if isinstance(subject, Discovery) else draw_answer(subject)


def is_stopped(subject: FuturesResult | Study) -> bool:
    """Whether its search was stopped before it was done, or something in it is not proven for lack of time."""
    if isinstance(subject, Stress):
        return False
    if isinstance(subject, Explanation):
        return not subject.is_complete
    if isinstance(subject, AttackResult):
        return subject.is_unproven
    if isinstance(subject, CostShares):
        return subject.stopped
    if isinstance(subject, Comparison):
        return not subject.is_proven or not subject.columns
    return subject.stopped if isinstance(subject, FuturesStudy) else subject.status == "stopped"
