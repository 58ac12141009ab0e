"""A repair in words: how much it takes, what is proven not to do, and what the plan costs then."""

from optimizer.instance.schema import Instance
from optimizer.report.words import named, percent
from optimizer.studies.explain.repairs import Repair
from optimizer.units import si, si_down, si_up


def repaired(instance: Instance, repair: Repair) -> str:
    """Its least size, what is known not to do, and what the plan with it costs; or why it cannot work."""
    if not repair.works:
        return f"{'cannot work' if repair.works is False else 'not known'}: {repair.why}."
    sizes = {
        "budget": _money,
        "annual": _each_year,
        "floors": _floors,
        "length": _length,
        "sooner": _sooner,
        "demand": _demand,
    }
    unsure = "" if repair.beyond is not None else " It was stopped before it was known whether less would do."
    return f"{sizes[repair.kind](instance, repair)}{unsure} {_price(instance, repair)}"


def _price(instance: Instance, repair: Repair) -> str:
    if repair.cost is None or repair.outlay is None:
        return "It was stopped before its price was known."
    proven = "" if repair.is_proven else " (not proven least)"
    return (
        f"Then the plan costs {si(repair.cost, instance.money, 4)}{proven}, "
        f"with an outlay of {si(repair.outlay, instance.money)}."
    )


def _money(instance: Instance, repair: Repair) -> str:
    amount, budget = repair.amount or 0.0, instance.policy.budget
    less = _no_less(instance, repair)
    less += "" if instance.policy.annual_budget is None else " The budget of each year stays as it is."
    more = (
        "" if budget is None else f", {si(amount - budget, instance.money)} more than the {si(budget, instance.money)}"
    )
    return (
        f"{si(amount, instance.money, 5)}{more} there are.{less}" if more else f"{si(amount, instance.money, 5)}.{less}"
    )


def _each_year(instance: Instance, repair: Repair) -> str:
    amount, given, horizon = repair.amount or 0.0, instance.policy.annual_budget, instance.horizon
    assert given is not None
    first, last = given.at(horizon.start), given.at(horizon.end)
    there_is = f"the {si(first, instance.money)} there are"
    if len(set(given.values)) > 1:
        there_is = (
            f"the {si(first, instance.money)} of {horizon.start} and the {si(last, instance.money)} of {horizon.end}"
        )
    return f"{si_up(amount, instance.money, 5)} more in each year than {there_is}.{_no_less(instance, repair)}"


def _no_less(instance: Instance, repair: Repair) -> str:
    """What is proven of less money."""
    if repair.beyond is None:
        return ""
    return f" Less than {si_down(repair.beyond, instance.money, 5)} is proven not to do."


def _floors(instance: Instance, repair: Repair) -> str:
    amount, horizon = repair.amount or 0.0, instance.horizon
    if amount >= 1.0:
        return "the floors can be kept as they are."
    parts = []
    for d, floors in repair.floors.items():
        first, last = floors[horizon.start], floors[horizon.end]
        one = (
            f"{percent(first, 1)}"
            if first == last
            else f"{percent(first, 1)} in {horizon.start}, {percent(last, 1)} in {horizon.end}"
        )
        parts.append(f"{named(instance, d)} {one}")
    no_more = "" if repair.beyond is None else f" More than {percent(repair.beyond, 2)} is proven not to do."
    return f"{percent(amount, 1)} of every floor: {'; '.join(parts)}.{no_more}"


def _length(instance: Instance, repair: Repair) -> str:
    more = "" if repair.beyond is None else f"; one of {repair.beyond:g} months is not"
    return f"shocks of up to {repair.amount:g} months are survived{more}."


def _sooner(instance: Instance, repair: Repair) -> str:
    less = f"; {repair.beyond:g} months are not enough" if repair.beyond else ""
    return f"{repair.amount:g} months, by a shorter lead time or an order before {instance.horizon.start}{less}."


def _demand(instance: Instance, repair: Repair) -> str:
    horizon, share = instance.horizon, repair.amount or 0.0
    first, last = repair.tonnes[horizon.start], repair.tonnes[horizon.end]
    tonnes = (
        si(first, "t/yr")
        if first == last
        else f"{si(first, 't/yr')} in {horizon.start}, {si(last, 't/yr')} in {horizon.end}"
    )
    less = f" {percent(repair.beyond)} is not enough." if repair.beyond else ""
    return f"{percent(share)} of it gone, {tonnes}.{less}"
