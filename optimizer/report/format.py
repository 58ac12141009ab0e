"""Formatting of numbers, units, names and services as text."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from optimizer.audit import is_disputed
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import (
    NO_REGION,
    NO_SHOCK_RULES,
    but_samples,
    display_name,
    entry_name,
    entry_of,
    field_unit,
    highest_floor,
    number_words,
    spent_years,
)
from optimizer.instance.ranges import UncertainInput, UncertainNumber, numbers_of
from optimizer.instance.schema import Instance
from optimizer.results.plan import Service, Weakest
from optimizer.results.saved import Bands, CommittedMoney, list_commitments
from optimizer.tolerances import NEGLIGIBLE, SHOWN_MIP_GAP, SHOWN_SHARE
from optimizer.units import MINUS, fixed, short, si, si_up, significant

if TYPE_CHECKING:
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.studies.explanation import Repair

# Share of one region from which on a dependence is marked.
DEPENDENCE = 0.65
# Content of an empty cell.
DASH = "–"
# Note on table rows that stand for several shocks.
FOLDED_NOTE = (
    "A family or an ensemble is one row: for each segment the weakest of its shocks; by name the one with the largest "
    "gap (worst), or where all are survived the least margin (tightest). --all lists each shock."
)
# At most this many commitments are named.
COMMITMENTS = 4


def entry_title(instance: Instance, event: Shock) -> tuple[str, str]:
    """Return the name of the entry that a shock belongs to, and the shock's suffix within it, such as ``2028Q1``."""
    # An attack that the adversary found has no entry in the file.
    entry = entry_of(instance, event) or event.entry
    if not event.name.startswith(entry):
        return event.name, ""
    return event.spec.name or entry_name(instance, entry), event.name.removeprefix(entry).removeprefix("@")


def full_name(instance: Instance, event: Shock) -> str:
    """Return the full name of a shock: ``Full embargo · 2028Q1``."""
    return " · ".join(part for part in entry_title(instance, event) if part)


def dated_name(instance: Instance, event: Shock) -> str:
    """Return the full name of a shock for a sentence: ``Full embargo, from 2028Q1``; without a date, as `full_name`."""
    title, which = entry_title(instance, event)
    return f"{title}, from {which}" if is_date(instance, which) else full_name(instance, event)


def is_date(instance: Instance, which: str) -> bool:
    """Return whether a text is the label of a period."""
    return which in map(instance.horizon.label, instance.horizon.periods)


def between(low: float, high: float, unit: str = "", digits: int = 3) -> str:
    """Return an amount between two ends: ``68.9M to 73.2M USD``; the upper end if both read alike."""
    least, most = si(low, digits=digits), si(high, digits=digits)
    return f"{least} to {si(high, unit, digits)}" if least != most else si(high, unit, digits)


def in_millions(amount: float, digits: int = 3) -> str:
    """Return money in millions, to the given significant digits: ``4,490``, ``0.345``, ``−37.6``."""
    return short(significant(amount / 1e6, digits), digits)


def shock_title(instance: Instance, key: str) -> str:
    """Return the name of a shock in tables: `full_name` if the file names its entry, else its key."""
    event = instance.find_event(key)
    if event is None or event.name.startswith(entry_title(instance, event)[0]):
        return key
    return full_name(instance, event)


def with_shock_titles(text: str, words: Mapping[str, str]) -> str:
    """Replace the keys of shocks in a text by their names, longer keys before those that they begin with."""
    keys = sorted(words, key=len, reverse=True)
    return re.sub("|".join(rf"(?<!\w){re.escape(key)}(?!\w)" for key in keys) or "$^", lambda m: words[m[0]], text)


def abroad(instance: Instance, regions: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of all regions but home, without what is made by activities that have no region."""
    return {region: share for region, share in regions.items() if region not in (instance.home, NO_REGION)}


def percent(share: float, digits: int = 0) -> str:
    """Return a share as text: ``83 %``; a share below 1 never reads 100 %, nor a share that is not negligible 0 %."""
    text = fixed(100 * share, digits)
    if 0 <= share < 1 - NEGLIGIBLE and float(text) >= 100:
        return f">{fixed(100 - 10.0**-digits, digits)} %"
    if (digits > 0 or share < 0) and abs(share) > NEGLIGIBLE and text == fixed(0.0, digits):
        return f"{'<' if share > 0 else f'>{MINUS}'}{fixed(10.0**-digits, digits)} %"
    if digits == 0 and 0 < share < 0.01:
        return "<1 %"
    return f"{text} %"


def share_text(share: float) -> str:
    """Return a share with all its decimals, at most four: ``0.5 %``, ``2 %``."""
    digits = next((digits for digits in range(4) if math.isclose(round(100 * share, digits), 100 * share)), 4)
    return f"{fixed(100 * share, digits)} %"


def list_names(names: Sequence[str], most: int = 4) -> str:
    """Return the first names and the number of others, separated by semicolons if a name has a comma."""
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ("; " if any(", " in name for name in names[:most]) else ", ").join(names[:most]) + tail


def discounting(instance: Instance) -> str:
    """Return the discount rate of present values, as a phrase."""
    return f"discounted at {short(100 * instance.discount_rate, 3)} % a year"


def list_texts(texts: Sequence[str], most: int, noun: str = "") -> str:
    """Return the first texts and the number of others, with their noun: ``a; b; and 3 more rules``."""
    left = len(texts) - most
    more = [f"and {plural(left, f'more {noun}') if noun else f'{left} more'}"] if left > 0 else []
    return "; ".join([*texts[:most], *more])


def changed_words(changes: Sequence[str], most: int | None = None) -> str:
    """Return the sentence on a run's changes to its file, at most `most` of them listed; empty if there are none."""
    return f"Changed in the file: {list_texts(changes, most or len(changes))}." if changes else ""


def under_same_rules(data: Mapping[str, Any]) -> str:
    """Return the rules of an instance that the no-shock plan keeps too, as a phrase; empty if there are none."""
    kept = [key for key in NO_SHOCK_RULES if data.get("policy", {}).get(key)]
    return f" under the same rules ({', '.join(kept)})" if kept else ""


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters; a longer text is cut and ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 shock``, ``2 shocks``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def case_title(case: str) -> str:
    """Return the name of a case of a comparison; ``plain`` is the file without any scenario."""
    return "the file as it is" if case == "plain" else case.replace("_", " ")


def all_of(count: int, nouns: str) -> str:
    """Return a count of all: ``both shocks``, ``all 3 shocks``."""
    return f"both {nouns}" if count == 2 else f"all {count:,} {nouns}"


def left_out(count: int, noun: str = "shock") -> str:
    """Return the sentence on shocks or attacks that are not shown; some of them may be equally bad."""
    if count == 1:
        return f"1 more {noun} is not shown: it is no worse."
    return f"{count:,} more {noun}s are not shown: none of them is worse."


Standing = Literal["below", "tight", "some", "ample", "full", "free"]
# Least margin, as a share of demand, that counts as ample.
AMPLE = 0.2
FULLY_SERVED = "full"
# Most decimals of a percentage: enough to show `NEGLIGIBLE` of demand.
DECIMALS = 4
SERVICE_NOTE = (
    f"% of demand served / floor, in the weakest period. {FULLY_SERVED}/35: all demand is served, the highest floor is "
    "35 %; 60 alone: 60 % served, no floor."
)
# Mark of a service over several shocks if some of them do not name the segment, and its meaning.
PARTIAL = "*"
PARTIAL_NOTE = f"{PARTIAL} no figure is stored for some of the shocks, which may be weaker; no floor of it fails there."


def standing(service: Service) -> Standing:
    """Return the class of a service, from below its floor to full or without a floor."""
    if service.first_failure is not None:
        return "below"
    if service.is_full:
        return "full"
    if service.floor <= NEGLIGIBLE:
        return "free"
    return "tight" if service.margin < SHOWN_SHARE else "some" if service.margin < AMPLE else "ample"


def service_text(service: Service | Weakest) -> str:
    """Return served / floor in per cent of demand: ``93/80``, ``39.9/80``, ``full/35``; ``60`` without a floor."""
    return served_over_floor(service.worst_service, service.floor)


def served_in_full(instance: Instance, shocks: Iterable[str], d: str) -> str:
    """Return ``full`` for a segment that is served in full, beside the highest of its floors in the given shocks."""
    return served_over_floor(1.0, highest_floor(instance, shocks, d))


def served_over_floor(served: float, floor: float) -> str:
    """Return the share served and the floor, if there is one: ``93/80``. Halves are rounded away from zero.

    A floor that is just kept reads the same on both sides. A share below 100 %, or below its floor, is never rounded
    up to it, and a floor below 100 % never to 100.
    """
    first, second = in_percent(served, floor)
    first = FULLY_SERVED if _is_full(served) else first
    return f"{first}/{second}" if floor > NEGLIGIBLE else first


def in_percent(served: float, floor: float) -> tuple[str, str]:
    """Return both shares in per cent of demand, without a sign, with as many decimals as keep them apart."""
    places = _decimals_needed(served, floor)
    return _percent_text(served, places), _percent_text(floor, places)


def margin_text(service: Service | Weakest) -> str:
    """Return the service less the floor in points, as the two are printed: ``+8``, ``−3.5``, ``−0.03``.

    Empty if there is no floor or if all demand is served.
    """
    served, floor = service.worst_service, service.floor
    if service.is_full or floor <= NEGLIGIBLE:
        return ""
    places = _decimals_needed(served, floor)
    points = _rounded_percent(served, places) - _rounded_percent(floor, places)
    text = fixed(points, places)
    return text if points < 0 and text != "0" else f"+{text}"


def _decimals_needed(served: float, floor: float) -> int:
    """Return the fewest decimals of per cent that keep both shares and 100 % apart; at least one if the floor fails."""
    fails = served - floor < -NEGLIGIBLE

    def are_enough(places: int) -> bool:
        left, right = _rounded_percent(served, places), _rounded_percent(floor, places)
        is_below_full = (_is_full(served) or left < 100) and (floor >= 1 - NEGLIGIBLE or right < 100)
        return is_below_full and not (fails and left >= right)

    return next((places for places in range(int(fails), DECIMALS) if are_enough(places)), DECIMALS)


def _is_full(served: float) -> bool:
    return served >= 1 - NEGLIGIBLE


def _rounded_percent(part: float, places: int) -> float:
    """Return a share in per cent, rounded to the given decimals."""
    return float(fixed(100 * max(0.0, part), places))


def _percent_text(part: float, places: int) -> str:
    text = fixed(100 * max(0.0, part), places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def budget_text(budget: float | None, money: str = "") -> str:
    """Return a budget to four digits; ``any budget`` for None."""
    return "any budget" if budget is None else si(budget, money, 4)


def outlay_words(instance: Instance, result: "Result", *, is_over: bool = False) -> str:
    """Describe a plan's outlay beside the budgets; `is_over`: a given plan exceeds a budget that is not enforced."""
    budget, outlay, spent = instance.policy.budget, result.outlay, si(result.outlay, instance.money, 4)
    used_up = f"; the annual budget is used up in {full}" if (full := list_names(spent_years(instance, result))) else ""
    if budget is None:
        none = "no" if instance.policy.annual_budget is None else "no total"
        return f"{spent}, undiscounted; {'it exceeds the budget' if is_over else f'{none} budget is set'}{used_up}"
    part = f": {percent(outlay / budget)} of the" if budget > 0 else ", under a"
    return f"{spent}, undiscounted{part} budget of {si(budget, instance.money, 4)}{used_up}"


def committed_words(instance: Instance, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a label and a text on money already spent or pledged, the largest amounts first; nothing without any."""
    found = sorted(list_commitments(data), key=lambda each: -each.amount)
    if found:
        total = si(math.fsum(each.amount for each in found), instance.money, 4)
        conditional = math.fsum(each.amount for each in found if each.conditional)
        of_which = f" ({si(conditional, digits=4)} of it conditional)" if conditional > 0 else ""
        parts = [_commitment_text(instance, each) for each in found]
        said = f"{total} as announced, in no cost and no budget here{of_which}"
        yield "Committed already", f"{said}: {list_names(parts, COMMITMENTS)}"


def _commitment_text(instance: Instance, each: CommittedMoney) -> str:
    about = [str(each.year)] if each.year is not None else []
    about += ["conditional"] if each.conditional else []
    known = f" ({', '.join(about)})" if about else ""
    return f"{each.name or display_name(instance, each.owner)} {si(each.amount)}{known}"


def band_words(
    instance: Instance, bands: Bands | None, own: Sequence[float] = (math.nan,) * 3
) -> Iterator[tuple[str, str]]:
    """Yield a label and a text on the bands of figures over samples, and on the plan's `own` figures outside them."""
    if bands is not None:
        parts = [f"{label} {between(each.p5, each.p95, instance.money)}, median {si(each.p50)}" if each.p95 > 0
                 else f"no {label}" for label, each in bands.figures]  # fmt: skip
        where = f"5 % to 95 % quantile of {plural(bands.used, 'sample')} of {plural(bands.numbers, 'uncertain number')}"
        tail = f"each with its own best plan; {percent(bands.survived)} survive everything{but_samples(instance)}"
        tail += "" if bands.plan_survived is None else f"; this plan, held as it is, in {percent(bands.plan_survived)}"
        yield "Band", "; ".join([f"{'; '.join(parts)}: {where}, {tail}", *bands.outside(own)])
    elif instance.uncertain:
        what = plural(len(numbers_of(instance.uncertain)), "uncertain number")
        yield "Band", f"not computed: {what}; solve --bands draws samples of them"


# Sections of the file whose objects have uncertain numbers.
SECTIONS = ("options", "processes", "demands", "commodities", "shocks", "ensembles", "policy", "adversary")
# Most characters of an owner's name, where it stands for several owners.
_MOST_CHARACTERS = 50
MOST_RANGES = 2  # Most ranges of one number that are shown.


def number_name(instance: Instance, number: UncertainNumber) -> str:
    """Return a number in words, its owner and its field; for inputs that move together, what they have in common."""
    first, *others = number.inputs
    head, *rest = [str(part) for part in first.place]
    if rest and head not in SECTIONS:
        return first.path
    if not rest or (head in ("policy", "adversary") and not others):
        return " ".join([head, *rest]).replace("_", " ")
    if not others:
        return number_words(instance, head, *rest)
    return _name_of_several(instance, number)


# Nouns for the entries of a section.
_NOUNS = {"options": "options", "processes": "processes", "demands": "segments", "commodities": "commodities"}


def _name_of_several(instance: Instance, number: UncertainNumber) -> str:
    # A label of one word is a key; a label of several words is a title.
    label = f"{number.name.replace('_', ' ')}: " if "_" in number.name else ""
    names = dict.fromkeys(_inputs_name(instance, each, has_label=bool(label)) for each in number.by_range)
    text = label + list_names([*names], MOST_RANGES)
    return f"{text[:1].upper()}{text[1:]}"


def _inputs_name(instance: Instance, inputs: Sequence[UncertainInput], *, has_label: bool) -> str:
    fields = list_names([*dict.fromkeys(_field_name(instance, each.place) for each in inputs)], 2)
    goods = {display_name(instance, str(p)) for each in inputs for p in each.place[2:] if p in instance.commodities}
    of_what = f" ({goods.pop()})" if len(goods) == 1 else ""
    return f"{fields}{of_what} of {_owners_of(instance, inputs, has_label=has_label)}"


def _owners_of(instance: Instance, inputs: Sequence[UncertainInput], *, has_label: bool) -> str:
    """Return the owners of inputs: names, or for more than two of one section their count and an example."""
    owners = [*dict.fromkeys(_owner_of(instance, *map(str, each.place)) for each in inputs)]
    section, *others = {str(each.place[0]) for each in inputs}
    if len(owners) < 3 or others or section not in _NOUNS:
        return list_names(owners, 1)
    return f"{len(owners)} {_NOUNS[section]}{'' if has_label else f', such as {owners[0]}'}"


def _owner_of(instance: Instance, section: str, key: str, *place: str) -> str:
    """Return the name of the owner of an input, shortened."""
    key = place[0] if section == "adversary" and len(place) > 1 else key
    name = (entry_name if section in ("shocks", "ensembles") else display_name)(instance, key).replace("_", " ")
    # Text in brackets is dropped before the name is cut.
    return shortened(name if len(name) <= _MOST_CHARACTERS else name.split(" (")[0], _MOST_CHARACTERS)


def _field_name(instance: Instance, place: Sequence[str | int]) -> str:
    """Return the field of an input without names of objects: ``output``, ``lead time``."""
    names = {*instance.processes, *instance.options, *instance.demands, *instance.commodities, "cuts"}
    names |= {*(instance.adversary.targets if instance.adversary else ())}
    words = [str(part) for part in place[2:] if part not in names and not str(part).isdigit()]
    return f"{' '.join(words)}{' floor' if words[-1:] == ['survival'] else ''}".replace("_", " ")


def uncertain_text(
    instance: Instance, number: UncertainNumber, *positions: float, digits: int = 3, space: str = " "
) -> str:
    """Return a number as text at positions from −1, its low end, to 1, its high end, with `space` before its unit.

    Inputs with different ranges have one each: ``×0.8 … ×1.5``, ``0.04 … 0.1 t per t; 104 … 485 t/yr``.
    """

    def text(inputs: Sequence[UncertainInput]) -> str:
        first, units = inputs[0], {field_unit(instance, each.place) for each in inputs}
        ends = " … ".join(first.text(first.at(position), digits) for position in positions)
        return ends if first.is_factor else f"{ends}{space}{units.pop() if len(units) == 1 else ''}".rstrip()

    found = list(map(text, number.by_range))
    more = [f"and {plural(count, 'other range')}"] if (count := len(found) - MOST_RANGES) > 0 else []
    return found[0] if len(set(found)) == 1 else "; ".join(found[:MOST_RANGES] + more)


_REPAIRS = {"budget": "More budget", "annual": "More each year", "floors": "Lower floors", "length": "Shorter shocks",
            "months": "Shorter rules"}  # fmt: skip


def repair_title(instance: Instance, repair: "Repair") -> str:
    """Return the title of a repair: the change that it makes."""
    who = display_name(instance, repair.of) if repair.of else ""
    if repair.keeps_all:
        return "Same floors"
    if repair.kind == "sooner":
        return f"Sooner: {who or 'all builds'}"
    if repair.kind == "demand":
        return f"Less demand: {who}" if who else "Less demand"
    return _REPAIRS[repair.kind]


def months_text(months: float) -> str:
    """Return a number of months: ``1 month``, ``2.5 months``."""
    return f"{months:g} month{'' if months == 1 else 's'}"


def repair_words(instance: Instance, repair: "Repair") -> tuple[str, str, float | None]:
    """Return a repair's title, its least size in words, and the share that it takes away; None if it is no share.

    For one that does not work, the words are the first clause of the reason.
    """
    label, amount, money = repair_title(instance, repair), repair.amount, instance.money
    if repair.keeps_all:
        return label, kept_words(instance), None
    if not repair.works or amount is None:
        return label, re.split("[:;]", repair.why)[0] if repair.works is False else "not known", None
    sizes: Mapping[str, Callable[[], tuple[str, float | None]]] = {
        "budget": lambda: (si_up(amount, money), None),
        "annual": lambda: (f"{si_up(amount, money)} more in each year", None),
        "floors": lambda: (f"to {percent(amount, 1)} of every floor", 1.0 - amount),
        "demand": lambda: (f"{percent(amount, 1)} less", amount),
        "length": lambda: (f"{months_text(amount)} at most", None),
        "months": lambda: (f"{months_text(amount)} at most", None),
        "sooner": lambda: (months_text(amount), None),
    }
    return label, *sizes[repair.kind]()


def kept_words(instance: Instance) -> str:
    """Return the words that all floors can be kept, and if gaps have a price, why the plan does not keep them."""
    why = "" if instance.policy.gap_price is None else ", but the gaps of this plan cost less, at their price"
    return f"can be kept{why}"


FAR = 0.5  # MIP gap above which a bound is too weak to be stated
PART_NAMES = {"fixed cost": "one-off fixed cost", "shortage": "baseline shortage"}  # of keys that are not clear enough


def cost_with_gaps(result: "Result") -> float | None:
    """Return the cost with the remaining gaps at their price; None if no gap is left or gaps have no price."""
    return result.priced_cost if result.has_priced_gaps and result.survival_gap > 0 else None


def proof(result: "Result | FuturesResult") -> str:
    """Return how close the minimised value is proven to be to the least: ``(proven within 0.3 % of the least)``."""
    if is_disputed(result.audit):
        return "(not proven: the audit disagrees)"
    if getattr(result, "given", None) is not None:
        return "(the cheapest operation of the plan as given)"
    within, least = result.mip_gap, "the least"
    if within is None or result.bound is None:
        return "(not proven: no bound is known)"
    if result.data.get("policy", {}).get("gap_price") is None and result.survival_gap > 0:
        # The MIP gap can be that of the survival gap, whose own bound is stated beside it.
        within = min(within, max(0.0, result.total_cost - result.bound) / (abs(result.total_cost) or 1.0))
        least += f" with this gap{_slack_words(result, within)}"
    if within < SHOWN_MIP_GAP:
        return f"(proven to be {least})"
    near = "not proven to be near" if within > FAR else f"proven within {short(100 * within, 2)} % of"
    return f"({near} {least})"


def _slack_words(result: "Result | FuturesResult", within: float) -> str:
    """Return why a search that ran to its end leaves far more open than the MIP gap that it was given; else empty."""
    if result.status != "gap" or result.settings.get("tolerance") or within <= 10 * result.settings.get("gap", within):
        return ""
    return "; its bound covers gaps that are larger by the tolerance, which can cost that much less"


def price_proof(result: "Result", price: float) -> str:
    """Return what the proof leaves open of a price of survival; empty with gaps at their price, which it includes."""
    if is_disputed(result.audit) or result.given is not None or cost_with_gaps(result) is not None:
        return ""
    within = 0.0 if result.bound is None else result.total_cost - result.bound
    proven = f"proven within {si_up(within, result.money)} of the least" if within > SHOWN_SHARE * price else ""
    return proven and (f" ({proven})" if result.survives else f"; {proven} with this gap")


def proven_cost(result: "Result | FuturesResult", priced: float | None) -> str:
    """Return the cost and its proof: ``7M USD, proven to be the least``; also the cost with `priced` gaps if given."""
    gaps = "" if priced is None else f", with gaps at their price {si(priced, result.money, 4)}"
    return f"{si(result.total_cost, result.money, 4)}{gaps}, {proof(result).strip('()')}"
