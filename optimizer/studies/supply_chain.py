"""Flows of the supply chain: the makers and takers of each commodity, and how the demand of each segment is met.

The model does not track origins: all makers of a commodity deliver to one pool, and all takers draw on it. Each taker
is therefore served by every maker in proportion to the maker's output:

    passage   t/yr    = made / Σ made · taken      by commodity, from a maker's place to a taker's place
    share             = passage / total demand for the commodity, including shortage and substitutes

A place is a stage in a region. Stages are arranged in columns in the order of the chain; substitutes take their inputs
as makers do, and deliver the demand that they serve. Output of an ore beyond need is not drawn. Commodities that stay
within a stage or flow backwards (such as slots on a furnace) are not drawn but named.

The module also computes other supply figures of the baseline: regional shares, actual outputs, and unserved demand.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optimizer.disruptions.path import Path
from optimizer.instance.derived import NO_REGION
from optimizer.instance.schema import Instance
from optimizer.results.plan import ActualOutput, Flow, Flows, Lack, ReadOnly, SourceShare
from optimizer.results.result import first_largest
from optimizer.tolerances import NEGLIGIBLE, NEGLIGIBLE_PASSAGE, ROUNDING

PlaceKind = Literal["activity", "scrap", "stock", "flow", "substitute", "unserved", "segment"]
# Usual words in the names of stages, in the order of the chain; used only to order stages of a cyclic chain.
STAGE_WORDS = ("mine", "scrap", "concentrat", "crack", "separat", "refin", "recycl", "metal", "alloy", "magnet")


@dataclass(frozen=True)
class ChainPlace:
    """Source or target of a passage: a stage in a region, a store, a segment."""

    key: str  # unique in its chain
    # Kind of the place; ``unserved`` is the source of demand that is not served, ``flow`` an option that gives a
    # commodity and is neither an activity nor a stock.
    kind: PlaceKind
    column: int  # column of the place, 0 at the start of the chain
    stage: str = ""  # stage of activities; empty for other kinds
    region: str = ""  # region of activities, and of flows whose option has one; otherwise empty
    owner: str = ""  # segment, commodity, or label of a flow, for places that have one; otherwise empty


@dataclass(frozen=True)
class ChainPassage:
    """Flow of a commodity between two places: t/yr, and its share of the total demand for the commodity."""

    source: str
    target: str
    commodity: str
    tonnes: float
    share: float


@dataclass(frozen=True)
class Chain(ReadOnly):
    """Supply chain of one path over a range of its periods, as yearly rates."""

    path: str  # ``baseline`` or a shock's name
    # Labels of the first and the last period of the range.
    first: str
    last: str
    columns: tuple[str, ...]  # the stages of each column, the segments last
    places: tuple[ChainPlace, ...]
    passages: tuple[ChainPassage, ...]
    # Demand and served demand over all segments, t/yr; substitution counts as served.
    demanded: float
    served: float
    by_region: Mapping[str, float]  # supply that reaches segments, t/yr, by the region of its maker
    left_out: tuple[str, ...]  # commodities that stay within a stage or flow backwards

    def to_dict(self) -> dict[str, Any]:
        """Return the chain for JSON, without places."""
        return {
            "path": self.path,
            "first": self.first,
            "last": self.last,
            "demanded": self.demanded,
            "served": self.served,
            "by_region": dict(self.by_region),
            "passages": [vars(passage) for passage in self.passages],
        }


def stage_columns(instance: Instance) -> dict[str, int]:
    """Return the column of every stage, to the right of all its suppliers; in a cycle, the usual order decides."""
    before, takes_scrap = _stages_before(instance)
    columns: dict[str, int] = {}
    while len(columns) < len(before):
        waiting = [stage for stage in before if stage not in columns]
        ready = [stage for stage in waiting if before[stage] <= set(columns)]
        for stage in ready or [min(waiting, key=_usual_rank)]:
            after = [1 + columns[other] for other in before[stage] if other in columns]
            columns[stage] = max([int(stage in takes_scrap), *after])
    return columns


def _stages_before(instance: Instance) -> tuple[dict[str, set[str]], set[str]]:
    """Return the supplying stages of each stage, by stage, and the set of the stages that take scrap."""
    scrap, makers, takes = _scrap(instance), defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for activity in instance.activities.values():
        takes[activity.stage or ""] |= set(activity.input)
        for commodity in activity.output:
            makers[commodity].add(activity.stage or "")
    before = {stage: set[str]().union(*(makers[c] for c in taken - scrap)) - {stage} for stage, taken in takes.items()}
    return before, {stage for stage, taken in takes.items() if taken & scrap}


def _usual_rank(stage: str) -> int:
    places = [i for i, word in enumerate(STAGE_WORDS) if word in stage.lower()]
    return places[0] if places else len(STAGE_WORDS)


def _scrap(instance: Instance) -> set[str]:
    """Return the commodities recovered from end-of-life products: they start the chain again."""
    return {demand.end_of_life.commodity for demand in instance.demands.values() if demand.end_of_life}


def chain(instance: Instance, flows: Flows, path: Path, first: int, last: int) -> Chain:
    """Return the supply chain in periods `first` to `last` of a path, both inclusive."""
    return _ChainBuilder(instance, flows, path, range(first, last + 1)).chain()


class _ChainBuilder:
    """Construction of one chain."""

    def __init__(self, instance: Instance, flows: Flows, path: Path, periods: range) -> None:
        self.instance, self.flows, self.path, self.periods = instance, flows, path, periods
        self.years = len(periods) * path.delta
        self.stages, self.scrap = stage_columns(instance), _scrap(instance)
        self.end = 1 + max(self.stages.values(), default=0)
        self.places: dict[str, ChainPlace] = {}
        self.passages: list[ChainPassage] = []
        self.left_out: dict[str, None] = {}
        self._rates: dict[tuple[str, str], float] = {}
        # Flows of options that are not activities.
        self.others = [(o, flow) for o, option in instance.options.items() for flow in option.flows
                       if not option.is_activity]  # fmt: skip
        # Substitutes with inputs have a column between the makers of the inputs and the segments.
        self.end += any(flow.serves is not None and flow.takes for _, flow in self.others)
        self.substitutes = ChainPlace("substitute", "substitute", self.end - 1)

    def chain(self) -> Chain:
        for commodity in self.instance.commodities:
            self._add_passages(commodity)
        into = [each for each in self.passages if self.places[each.target].kind == "segment"]
        by_region: dict[str, float] = defaultdict(float)
        for each in into:
            place = self.places[each.source]
            if place.kind == "activity":
                by_region[place.region] += each.tonnes
        short = sum(each.tonnes for each in into if self.places[each.source].kind == "unserved")
        demanded = sum(map(self._demanded, self.instance.demands))
        horizon = self.instance.horizon
        return Chain(
            path=self.path.key,
            first=horizon.label(self.periods[0]),
            last=horizon.label(self.periods[-1]),
            columns=self._columns(),
            places=tuple(self.places.values()),
            passages=tuple(self.passages),
            demanded=demanded,
            served=demanded - short,
            by_region=dict(sorted(by_region.items(), key=lambda item: -item[1])),
            left_out=tuple(self.left_out),
        )

    def _columns(self) -> tuple[str, ...]:
        names = ["" for _ in range(self.end)]
        for stage, column in self.stages.items():
            names[column] += (", " if names[column] else "") + (stage or "other")
        return (*names, "segment")

    def _rate(self, tonnes: Any) -> float:
        return float(sum(tonnes)) / self.years

    def _flow_rate(self, flow: str, owner: str) -> float:
        """Return the mean rate of one flow over the periods, t/yr."""
        if (flow, owner) not in self._rates:
            self._rates[flow, owner] = self.flows.total(owner, flow, self.periods) / self.years
        return self._rates[flow, owner]

    def _add_passages(self, commodity: str) -> None:
        """Add all passages of one commodity."""
        takers, elsewhere = self._takers(commodity), self._supply_outside_pool(commodity)
        makers = self._makers(commodity, takers)
        made = sum(makers.values())
        demanded = sum(takers.values()) + sum(tonnes for *_, tonnes in elsewhere)
        for maker, out in makers.items():
            for taker, taken in takers.items():
                self._add(maker, taker, commodity, taken * out / made if made > 0 else 0.0, demanded)
        for source, target, tonnes in elsewhere:
            self._add(source, target, commodity, tonnes, demanded)

    def _add(self, source: ChainPlace, target: ChainPlace, commodity: str, tonnes: float, demanded: float) -> None:
        # The smallest segment has sources as well, so that what reaches it is compared with its own demand.
        wanted = self._demanded(target.owner) if target.kind == "segment" else demanded
        if demanded <= 0 or tonnes <= NEGLIGIBLE_PASSAGE * wanted:
            return
        if source.column >= target.column:
            self.left_out[commodity] = None
            return
        self.places.setdefault(source.key, source)
        self.places.setdefault(target.key, target)
        self.passages.append(ChainPassage(source.key, target.key, commodity, tonnes, tonnes / demanded))

    def _makers(self, commodity: str, takers: Mapping[ChainPlace, float]) -> dict[ChainPlace, float]:
        """Return the output of the commodity by place that supplies it, t/yr."""
        found: dict[ChainPlace, float] = defaultdict(float)
        # Production scrap (swarf) starts the chain again, as scrap from end-of-life products does.
        nearest = min((taker.column for taker in takers), default=0) if commodity in self.scrap else self.end
        collected = ChainPlace(f"scrap:{commodity}", "scrap", 0, owner=commodity)
        for name, activity in self.instance.activities.items():
            if commodity in activity.output:
                place = self._activity_place(activity.stage, activity.region)
                made = activity.output[commodity] * self._flow_rate("activity", name)
                found[place if place.column < nearest else collected] += made
        found[collected] += self._scrap_return(commodity)
        for o, flow in self.others:
            if commodity in flow.gives:
                found[self._place_of_flow(commodity, o, flow)] += flow.gives[commodity] * self._flow_rate(flow.name, o)
        return {place: made for place, made in found.items() if made > 0}

    def _scrap_return(self, commodity: str) -> float:
        """Return the end-of-life scrap of a commodity, t/yr."""
        ends = {d: demand.end_of_life for d, demand in self.instance.demands.items()}
        segments = [d for d, end in ends.items() if end is not None and end.commodity == commodity]
        return self._rate(self.path.scrap_at(d, t) for d in segments for t in self.periods)

    def _place_of_flow(self, commodity: str, o: str, flow: Flow) -> ChainPlace:
        """Return the place that supplies a commodity beside its makers: the stocks, or the option by its flow."""
        makers = [a.stage or "" for a in self.instance.activities.values() if commodity in a.output]
        column = min((self.stages[stage] for stage in makers), default=self.end - 1)
        option = self.instance.options[o]
        if option.is_stock:
            return ChainPlace(f"stock:{column}", "stock", column)
        region: str = getattr(option, "region", None) or ""
        return ChainPlace(f"flow:{flow.label}/{region}:{column}", "flow", column, region=region, owner=flow.label)

    def _takers(self, commodity: str) -> dict[ChainPlace, float]:
        """Return the amounts that places draw from the pool of the commodity, t/yr by place."""
        found: dict[ChainPlace, float] = defaultdict(float)
        for name, activity in self.instance.activities.items():
            if commodity in activity.input:
                taken = activity.input[commodity] * self._flow_rate("activity", name)
                found[self._activity_place(activity.stage, activity.region)] += taken
        for o, flow in self.others:
            place = self.substitutes
            if flow.serves is None:  # A loan that is given back, say.
                place = ChainPlace(f"taken:{flow.label}", "flow", self.end, owner=flow.label)
            found[place] += flow.takes.get(commodity, 0.0) * self._flow_rate(flow.name, o)
        for d, demand in self.instance.demands.items():
            if demand.commodity == commodity:
                found[self._segment(d)] += self._demanded(d) - self._unserved(d) - self._substituted_rate(d)
        return {place: taken for place, taken in found.items() if taken > 0}

    def _supply_outside_pool(self, commodity: str) -> list[tuple[ChainPlace, ChainPlace, float]]:
        """Return substituted and unserved demand of the commodity's segments, as (source, segment, t/yr)."""
        found = []
        for d, demand in self.instance.demands.items():
            if demand.commodity == commodity:
                found.append((self.substitutes, self._segment(d), self._substituted_rate(d)))
                found.append((ChainPlace("unserved", "unserved", self.end - 1), self._segment(d), self._unserved(d)))
        return found

    def _activity_place(self, stage: str | None, region: str | None) -> ChainPlace:
        stage, region = stage or "", region or NO_REGION
        return ChainPlace(f"{stage}/{region}", "activity", self.stages[stage], stage, region)

    def _segment(self, d: str) -> ChainPlace:
        return ChainPlace(f"segment:{d}", "segment", self.end, owner=d)

    def _demanded(self, d: str) -> float:
        """Return the demand of a segment on the path, t/yr."""
        return self._rate(self.path.demand_at(d, t) for t in self.periods)

    def _unserved(self, d: str) -> float:
        return max(0.0, self._flow_rate("unserved", d))

    def _substituted_rate(self, d: str) -> float:
        """Return the demand of a segment that options serve without its commodity, t/yr."""
        return sum(self._flow_rate(flow.name, o) for o, flow in self.others if flow.serves == d)


def baseline_shortages(instance: Instance, baseline: Flows) -> dict[str, Lack]:
    """Return the unserved demand in the baseline by segment, without segments that are served in full."""
    found, label = {}, instance.horizon.label
    for d, row in baseline.of("unserved").items():
        demanded = [float(instance.baseline.demand_at(d, t)) for t in instance.horizon.periods]
        parts = [short / demanded if demanded > 0 else 0.0 for short, demanded in zip(row, demanded, strict=True)]
        worst = first_largest(parts)
        if worst is not None and parts[worst] > NEGLIGIBLE:
            found[d] = Lack(min(1.0, parts[worst]), label(worst), sum(row))
    return found


def actual_outputs(instance: Instance, baseline: Flows) -> tuple[ActualOutput, ...]:
    """Return the actual outputs of processes in the file, each with the baseline's output of the same year."""
    found, per_year = [], instance.horizon.per_year
    for p, process in instance.processes.items():
        for year, actual in sorted(process.actual.items()):
            commodity, rate = process.first_output or ("", 0.0)
            model_year = max(year, instance.horizon.start)
            first = (model_year - instance.horizon.start) * per_year
            modelled = rate * sum(baseline[p, "activity"][first : first + per_year])
            deviation = modelled / actual - 1.0 if actual > 0 else None
            found.append(ActualOutput(p, commodity, year, actual, model_year, modelled, deviation))
    return tuple(found)


def sellers(instance: Instance) -> list[str]:
    """Return the names of the activities that sell what they take or make: their cost is below 0 in some year."""
    return [name for name, activity in instance.activities.items() if min(activity.cost.values) < 0]


def production_words(instance: Instance) -> str:
    """Return what the shares of production are shares of: what is sold on counts as well."""
    return "what is made for this demand" + " and for sale" * bool(sellers(instance))


def supply_shares(
    instance: Instance, baseline: Flows, years: Collection[int] = ()
) -> dict[str, tuple[SourceShare, ...]]:
    """Return production by region in calendar years, by default the first and the last, by commodity.

    Commodities that are neither demanded nor an input are left out.
    HHI is the Herfindahl–Hirschman index of the regions' shares, 0 … 1.
    """
    years = years or sorted({instance.horizon.start, instance.horizon.end})
    inputs = (activity.input for activity in instance.activities.values())
    used = {demand.commodity for demand in instance.demands.values()}.union(*inputs)
    made = {c: tuple(_share(instance, baseline, c, year) for year in years) for c in instance.commodities if c in used}
    return {commodity: shares for commodity, shares in made.items() if any(share.tonnes > 0 for share in shares)}


def _share(instance: Instance, baseline: Flows, commodity: str, year: int) -> SourceShare:
    by_region: dict[str, float] = defaultdict(float)
    first = (year - instance.horizon.start) * instance.horizon.per_year
    for name, activity in instance.activities.items():
        rate = activity.output.get(commodity, 0.0)
        made = sum(baseline[name, "activity"][first : first + instance.horizon.per_year])
        by_region[activity.region or NO_REGION] += rate * made
    total = sum(by_region.values())
    parts = {region: made / total for region, made in by_region.items() if total > 0 and made > ROUNDING * total}
    ordered = dict(sorted(parts.items(), key=lambda item: -item[1]))
    return SourceShare(year, total, ordered, sum(part**2 for part in ordered.values()))
