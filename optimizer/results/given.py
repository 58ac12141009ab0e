"""A plan that somebody gives, and that no search found."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from optimizer.errors import Finding
from optimizer.results.plan import Plan


@dataclass(frozen=True)
class GivenPlan:
    """A plan to be evaluated as it is.

    Attributes:
        name: for tables.
        plan: sizes by decision point and purchases by period, with the stock that follows from these; of a plan that
            differs between futures, what is bought in all of them.
        file: where it was read; what findings name as the place.
        lines: of the file, by option and period; empty where the file has none.
        futures: by name of a future, the plan there; empty where the same is bought in all.
    """

    name: str
    plan: Plan
    file: str = "plan"
    lines: Mapping[tuple[str, int], int] = field(default_factory=dict, compare=False, repr=False)
    futures: Mapping[str, "GivenPlan"] = field(default_factory=dict, repr=False)

    def in_future(self, name: str) -> "GivenPlan":
        """The plan that is followed in a future, under the name of the whole."""
        return replace(self.futures.get(name, self), name=self.name, futures={})

    def finding(self, option: str, t: int | None, period: str, what: str, cure: str) -> Finding:
        """A rule that it breaks, at the line of a purchase; `t` is None for all purchases of an option."""
        lines = [line for (o, at), line in self.lines.items() if o == option and t in (None, at)]
        where = f"{option}.{period}" if period else option
        return Finding(self.file, min(lines, default=None), where, what, cure, "warning")
