"""The supply chain in peace and in shocks, at the start and at the end, small enough to be embedded."""

from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.disruptions.shock import BASELINE, Path
from optimizer.instance.schema import Instance
from optimizer.report.words import named, placed
from optimizer.results.plan import Flows
from optimizer.results.result import Result
from optimizer.studies.supply_chain import Chain, ChainPlace, chain


def chains(instance: Instance, result: Result, names: Sequence[str]) -> Mapping[str, tuple[Chain, ...]]:
    """The first and the last year of peace, and of the window of each shock whose flows are kept.

    One chain where the window is no longer than a year.
    """
    if result.baseline is None:
        return {}
    found = {BASELINE: _both(instance, result.baseline, instance.baseline)}
    for outcome in result.shocks:
        if outcome.flows is not None and outcome.name in names:
            found[outcome.name] = _both(instance, outcome.flows, instance.path(instance.event(outcome.name)))
    return found


def _both(instance: Instance, flows: Flows, path: Path) -> tuple[Chain, ...]:
    first, last, year = path.periods[0], path.periods[-1], instance.horizon.per_year
    early = chain(instance, flows, path, first, min(first + year - 1, last))
    return (early,) if last - first < year else (early, chain(instance, flows, path, max(first, last - year + 1), last))


def titled(instance: Instance, place: ChainPlace) -> str:
    """A place for reading."""
    if place.sort == "activity":
        return placed(instance, place.stage, place.region)
    if place.sort == "segment":
        return named(instance, place.owner)
    words = {"scrap": "scrap collected", "stock": "from stock", "substitute": "substitutes", "unserved": "NOT SERVED"}
    return words[place.sort]


class Atlas:
    """Places and commodities by number, shared by all chains of a report."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.commodities = list(instance.commodities)
        self.columns: list[str] = []
        self.places: list[dict[str, Any]] = []
        self._number: dict[str, int] = {}
        self._commodity = {c: i for i, c in enumerate(self.commodities)}

    def compact(self, each: Chain) -> dict[str, Any]:
        """A chain for JSON; a passage is ``[source, target, commodity, t per year, share]``, three by number."""
        self.columns = list(each.columns)
        number = {place.key: self._of(place) for place in each.places}
        return {
            "first": each.first,
            "last": each.last,
            "passages": [
                [
                    number[passage.source],
                    number[passage.target],
                    self._commodity[passage.commodity],
                    *(float(f"{value:.4g}") for value in (passage.tonnes, passage.share)),
                ]
                for passage in each.passages
            ],
            "demanded": each.demanded,
            "served": each.served,
            "by_region": dict(each.by_region),
            "left_out": [self._commodity[commodity] for commodity in each.left_out],
        }

    def _of(self, place: ChainPlace) -> int:
        if place.key not in self._number:
            self._number[place.key] = len(self.places)
            told = {"title": titled(self.instance, place), "sort": place.sort, "column": place.column}
            self.places.append({**told, "stage": place.stage, "region": place.region})
        return self._number[place.key]

    def to_dict(self) -> dict[str, Any]:
        """For JSON, once all chains are."""
        return {"columns": self.columns, "places": self.places, "commodities": self.commodities}
