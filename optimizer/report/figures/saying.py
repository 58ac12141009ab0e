"""The answer in one sentence, and what stands beside each figure in words."""

from collections.abc import Sequence

from optimizer.instance.schema import Instance
from optimizer.levers import Sized, Stock
from optimizer.report.answer import NAMING, facts, headline
from optimizer.report.figures.lasting import Line
from optimizer.report.figures.moves import Move
from optimizer.report.services import in_percent
from optimizer.report.words import abroad, in_full, listed, named, plural, spelled, titled
from optimizer.results.ranking import hardest_of
from optimizer.results.result import Result
from optimizer.studies.folding import Fold, folds
from optimizer.units import short, si

# So many kinds of shocks are named.
MOST = 16
# Of a family at most so many are listed; of more, how many there are.
FEW = 6
# The facts that count from the no-shock plan.
PRICES = ("Price of survival", "Price of the plan")


def sentence(instance: Instance, result: Result) -> str:
    """What to buy, what it costs, what it survives."""
    if result.status == "none":
        return f"No plan exists for {instance.title}: the rules contradict each other, whatever is bought."
    if result.baseline is None:
        return f"No plan for {instance.title} was found before the search was stopped."
    price = result.price_of_survival
    beyond = ""
    is_bought = bool(result.plan.builds) or any(any(row) for row in result.plan.fills.values())
    if price is not None and result.shocks and is_bought:
        if price <= 1e-9 * abs(result.total_cost):
            beyond = "; it costs no more than the same supply would if no shock ever came"
        else:
            beyond = f"; all told it costs {si(price, result.money, 4)} more than the same supply would if no shock "
            beyond += f"ever came (present value, {result.currency})"
    text = f"{_bought(result)}, {_verdict(instance, result)}{beyond}."
    return f"Not proven, for the search was stopped: {text}" if result.status == "stopped" else text


def _bought(result: Result) -> str:
    options = len({build.option for build in result.plan.builds})
    stores = sum(any(row) for row in result.plan.fills.values())
    things = [plural(options, Sized.labels.noun)] if options else []
    things += [plural(stores, Stock.labels.noun)] if stores else []
    if not things:
        return "With nothing bought"
    return f"With {' and '.join(things)} for {si(result.outlay, result.money, 4)} of outlay"


def _verdict(instance: Instance, result: Result) -> str:
    count = len(result.shocks)
    failed = [outcome for outcome in result.shocks if not outcome.survives]
    if not count:
        return "demand is served at the least cost; the instance has no shocks"
    if not failed:
        which = "the one shock" if count == 1 else f"all {count:,} shocks"
        return f"every survival floor holds in {which}"
    worst = hardest_of(failed)[0]
    d, service = max(worst.segments.items(), key=lambda item: item[1].gap)
    served, floor = in_percent(service.worst_service, service.floor)
    where = f"{named(instance, d)} gets {served} % in {service.worst_period}"
    gap = f" with a gap of {si(worst.gap, result.money)}" if worst.gap > 0 else ""
    return (
        f"survival floors fail in {len(failed):,} of {plural(count, 'shock')}, worst in "
        f"{_title(instance, worst.name)}{gap}, where {where} against a floor of {floor} %"
    )


def to_build(moves: Sequence[Move], money: str, most: int = 6) -> tuple[tuple[str, str], ...]:
    """The largest moves by money: what, and when, how much of it and for how much."""
    ordered = sorted(moves, key=lambda move: -move.paid)
    said = [(move.name, f"{_when(move)}, {move.size_words}, {si(move.paid, money)}") for move in ordered[:most]]
    rest = ordered[most:]
    if rest:
        said.append((f"and {plural(len(rest), 'more move')}", si(sum(move.paid for move in rest), money)))
    return tuple(said)


def _when(move: Move) -> str:
    if move.purchases:
        return f"bought {move.decided}" + (f" to {move.on_line}" if move.on_line != move.decided else "")
    return f"decided {move.decided}, on line {move.on_line}"


def verdict(result: Result) -> str:
    """The headline without the names of shocks: they stand beside it, in words."""
    return headline(result).partition(":")[0]


def under(budget: float | None, money: str) -> str:
    """A budget in a sentence."""
    return "without a budget" if budget is None else f"under a budget of {si(budget, money, 4)}"


def told(instance: Instance, result: Result, counted_from: float | None) -> list[list[str]]:
    """What the answer rests on, with what the file calls its shocks in place of their names for the command line.

    `counted_from` is the budget of the no-shock plan from which the price counts: it is named where it is another.
    """
    words = {event.name: in_full(instance, event) for event in instance.events}
    said = [[label, spelled(text, words) if label in NAMING else text] for label, text in facts(instance, result)]
    of_another = "" if instance.policy.budget == counted_from else f" {under(counted_from, result.money)}"
    tails = dict.fromkeys(PRICES, of_another if result.calm_cost is not None else "")
    # Most of it is paid in peace as well.
    heads = {"Total cost": "Total cost, with all supply"}
    return [[heads.get(label, label), text + tails.get(label, "")] for label, text in said]


def survived(instance: Instance, result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which shocks are survived and which are not, in words: one text for each entry of the file."""
    kept = [outcome.name for outcome in result.shocks if outcome.survives]
    failed = [outcome.name for outcome in hardest_of(result.shocks) if not outcome.survives]
    return _grouped(instance, kept), _grouped(instance, failed)


def _title(instance: Instance, name: str) -> str:
    return in_full(instance, instance.event(name))


def _grouped(instance: Instance, names: Sequence[str]) -> tuple[str, ...]:
    """Shocks as the tables fold them: few of a family by what tells them apart, others by number."""
    rows = folds(instance, [event.name for event in instance.events])
    places = {name: row for row in rows for name in row.members}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(places[name].members[0], []).append(name)
    said = [_fold_words(instance, places[first], some) for first, some in groups.items()]
    return (*said[:MOST], *([f"and {len(said) - MOST} more"] if len(said) > MOST else []))


def _fold_words(instance: Instance, row: Fold, names: Sequence[str]) -> str:
    """``Full embargo (2028, 2029)``, ``Storms: 12 shocks``, or ``Storms: 3 of 12 shocks``."""
    title, which = zip(*(titled(instance, instance.event(name)) for name in names), strict=True)
    if not row.is_many:
        return in_full(instance, instance.event(row.name))
    if row.name not in instance.ensembles and len(names) <= FEW:
        return f"{title[0]} ({listed(which, FEW)})"
    count, every = len(names), len(row.members)
    return f"{title[0]}: {plural(every, 'shock') if count == every else f'{count:,} of {plural(every, "shock")}'}"


def shortest(lines: Sequence[Line], years: Sequence[int], most: int = 4) -> tuple[str, ...]:
    """The cuts for good that are survived for less than a year in the last year of the horizon, one a stage."""
    ends = [(line.months[-1], line) for line in lines if line.kind in ("stage", "shock")]
    ordered = sorted(
        ((months, line) for months, line in ends if months is not None and months < 12), key=lambda item: item[0]
    )
    said = [f"{line.name}: {short(months)} months" for months, line in ordered[:most]]
    if len(ordered) > most:
        said.append(f"and {len(ordered) - most} more")
    return tuple(said) if years else ()


def dependence(instance: Instance, result: Result, line: float) -> str:
    """How many commodities come from one region abroad to more than `line` in the last year, and which."""
    last = {commodity: shares[-1] for commodity, shares in result.shares.items() if shares and shares[-1].regions}
    foreign = {c: abroad(instance, share.regions) for c, share in last.items()}
    over = [commodity for commodity, parts in foreign.items() if max(parts.values(), default=0.0) > line]
    which = f" ({listed([named(instance, commodity) for commodity in over], 8)})" if over else ""
    return f"{len(over)} of {len(last)} {'commodity' if len(last) == 1 else 'commodities'}{which}"
