"""Partnership: a deal with an existing process restores part of the capacity that a cut takes from it.

    size          t/yr agreed      C[t]   working size, t/yr     p   the existing process
    reliability   share            ρ, share restored of the cut part of C; a shock may state its own
    σ             share            of p that is cut

Plan: as in `base`; links `capacity`, C.
On a shock's path, in every period in which p is cut:
    available[p] += σ·ρ·C·Δ         several deals add up; the bound x ≤ cap stays
    accident[p] += σ'·ρ·C·Δ         where an accident cuts σ' beside a deliberate σ: a second limit of p

Leverage reduces the same σ. The two effects are added, since a deal on the cut that leverage leaves,
σ·(1 − restraint·Λ), would be bilinear. The neglected term, up to σ·ρ·C·Δ·restraint·Λ, favours the plan.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from optimizer.disruptions.path import Path
from optimizer.levers.base import Labels, Reference, Sized
from optimizer.model.builder import ModelBuilder
from optimizer.units import Share


class Partnership(Sized):
    """An agreement that secures supply from one existing process."""

    labels: ClassVar[Labels] = Labels(
        colour=5,
        size_means="What is bought of a partnership is the amount agreed on; in a shock it may restore only a part "
        "(reliability).",
    )
    shock_fields: ClassVar[tuple[str, ...]] = ("reliability",)
    is_monotone: ClassVar[bool] = True

    kind: Literal["partnership"]
    process: str = Field(description="Existing process whose supply the agreement is about.")
    reliability: Share = Field(
        default=1.0,
        description="Share restored of what a cut takes of the agreed size, 0 to 1: of 20 t/yr a cut of 50 % takes 10, "
        "and a share of 1 restores these 10. Default 1.",
    )

    def references(self) -> Iterator[Reference]:
        """Yield the process, and the options that this one requires or excludes."""
        yield Reference(("process",), self.process, "processes")
        yield from super().references()

    @property
    def capex_group(self) -> str | None:
        """The group of all deals."""
        return "deals"

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield the fields of every lever that is bought by size, and a `reliability` of 0."""
        yield from super().fields_without_effect()
        if self.reliability == 0:
            yield "reliability", "it restores nothing"

    def restores(self, path: Path, process: str, t: int) -> bool:
        """Return whether the path cuts the process in period t, so that the deal restores some of it."""
        reliability = path.reliability.get(self.id, self.reliability)
        return process == self.process and bool(reliability * path.largest_severity_at(process, t) > 0)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Book the capacity that the deal restores."""
        capacity = model.linked(self.id, "capacity")
        reliability = path.reliability.get(self.id, self.reliability)
        for t in path.periods:
            kept = path.severity_at(self.process, t) * reliability * path.delta
            model.book("available", path.key, self.process, t, amount=capacity[t], times=kept)
            beside = path.accidental_severity_at(self.process, t) * reliability * path.delta
            model.book("accident", path.key, self.process, t, amount=capacity[t], times=beside)
