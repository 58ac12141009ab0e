"""How worths look: one row each, the shocks of a family or an ensemble in one, under headings by kind.

Group     the worths that share a row
Groups    collects them as they become known
"""

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.instance.schema import Instance
from optimizer.report.proofs import NOTHING
from optimizer.report.words import named
from optimizer.studies.explain.worths import Worth
from optimizer.studies.folding import folds
from optimizer.studies.measure import ProvenDifference
from optimizer.units import si, si_up

# Money up to which two bounds are the same.
EXACT = 1e-9
HEADINGS = {
    "shock": "Each shock: the cost of the plan without it",
    "family": "All windows of a shock: the cost of the plan without them",
    "lever": "Each lever: the cost of the plan without it",
    "kind": "All levers of a kind: the cost of the plan without them",
    "dearer floor": "Each floor: one point more, one point less",
    "cheaper floor": "Each floor: one point more, one point less",
    "later": "Each build, if it comes {months:g} months later",
    "sooner": "Each build, if it could come {months:g} months sooner",
}


@dataclass(frozen=True)
class Group:
    """Worths that share a row: `most` is the one worth most, of `size` together."""

    most: Worth
    size: int = 1


class Groups:
    """Puts together the shocks of a family or an ensemble, whose worths become known one after the other.

    Args:
        instance: what is explained.
        every: whether each shock has a row of its own.
    """

    def __init__(self, instance: Instance, *, every: bool = False) -> None:
        rows = folds(instance, [event.name for event in instance.events], every=every)
        self._owners = {name: row.members for row in rows if row.is_many for name in row.members}
        self._kept: list[Worth] = []
        self._is_folded = False

    @property
    def note(self) -> str:
        """What the reader is told about rows that stand for several shocks; empty where none does."""
        if not self._is_folded:
            return ""
        return " A family or an ensemble is one row, that of its shock worth most; --all lists each shock."

    def add(self, worth: Worth) -> Iterator[Group]:
        """The rows that are complete now that one more worth is known."""
        members = self._owners.get(worth.of) if worth.kind == "shock" else None
        if members is None or (self._kept and self._kept[0].of not in members):
            yield from self.rest()
        if members is None:
            yield Group(worth)
        else:
            self._kept.append(worth)

    def rest(self) -> Iterator[Group]:
        """The row of which some worths are known."""
        if self._kept:
            some, self._kept = self._kept, []
            self._is_folded |= len(some) > 1
            yield Group(min(some, key=_rank), len(some))


def _rank(worth: Worth) -> tuple[bool, float]:
    """The shock without which the plan is cheapest comes first, what is not known last."""
    return worth.change is None, worth.change or 0.0


def heading(worth: Worth) -> str:
    """Under which a worth stands."""
    return HEADINGS[worth.kind].format(months=worth.months or 0)


def worth_words(instance: Instance, group: Group, *, releases: bool) -> tuple[str, str, str]:
    """Title, figure and words of a row.

    Args:
        instance: what is explained.
        group: the row.
        releases: whether the plan holds stock, which shocks may use up.
    """
    worth, money = group.most, instance.money
    title = named(instance, worth.of)
    title += {"dearer floor": " + 1 point", "cheaper floor": " − 1 point"}.get(worth.kind, "")
    title += f" (one of {group.size})" if group.size > 1 else ""
    if worth.survives is None:
        return title, "not known", "stopped before it was known"
    if worth.change is None:
        return title, "NOTHING SURVIVES", _beyond(instance, worth)
    outlay = "" if worth.outlay is None else f", outlay {si(worth.outlay, money)}"
    if _is_nothing(worth):
        low, high = _plain(worth.low or 0.0), _plain(worth.high or 0.0)
        return title, NOTHING, f"no change that is proven: {low} … {high}{outlay}"
    return title, _signed(worth.change, money), f"{_proven(worth)}{outlay}{_why_dearer(worth, releases)}"


def _beyond(instance: Instance, worth: Worth) -> str:
    """Under which budgets nothing survives."""
    policy = instance.policy
    if worth.needed is not None:
        return f"under this budget; it would take an outlay of {si_up(worth.needed, instance.money)}"
    if worth.kind in ("lever", "kind"):
        return "at any budget" if policy.annual_budget is None else "at any budget in all"
    return "" if policy.budget is None else "under this budget"


def _why_dearer(worth: Worth, releases: bool) -> str:
    """Why a plan costs more without a shock: floors can only cost, so the shock itself is expected to save money."""
    if worth.kind not in ("shock", "family") or (worth.change or 0.0) <= 0:
        return ""
    return "; its expected cost is negative" + (": released stock is not bought again" if releases else "")


def _is_nothing(worth: Worth) -> bool:
    """Whether a change may be one for the better, for the worse, or none, for all that is proven."""
    if worth.change is None or worth.low is None or worth.high is None or worth.high - worth.low <= EXACT:
        return False
    return not ProvenDifference(worth.change, worth.low, worth.high).is_proven


def _signed(change: float, money: str) -> str:
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    return f"{sign}{si(abs(change), money)}"


def _proven(worth: Worth) -> str:
    """The range in which the change is proven to lie, where that is wider than a reader sees."""
    change, low, high = worth.change or 0.0, worth.low, worth.high
    if low is None or high is None:
        return "not proven"
    if max(high - change, change - low) <= 5e-4 * abs(change) or high - low <= EXACT:
        return "proven"
    return f"proven {_plain(low)} … {_plain(high)}"


def _plain(amount: float) -> str:
    return f"{'−' if amount < 0 else ''}{si(abs(amount))}"
