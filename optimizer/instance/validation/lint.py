"""The passes about what is allowed, does what it says, and is hardly meant: warnings, none of them an error."""

from collections.abc import Iterator

from optimizer.instance.validation.draft import Draft, Place, Problem
from optimizer.levers import Lever, Leverage, Producing, Sized, Stockpile, Substitution

FATE = {
    "max_size": "it can never be bought",
    "fill_rate": "nothing can ever be bought for it",
    "release_rate": "nothing ever comes out of it",
    "max_share": "it can never serve anything",
    "restraint": "it holds nothing back",
    "ramp": "none of it ever works",
}


def options_do_something(draft: Draft) -> Iterator[Problem]:
    """Every option can be bought, and is of some use then."""
    for o, option in (draft.instance.options if draft.instance else {}).items():
        for field in _idle(option):
            cure = f"Raise {field}, or remove the option."
            if field == "ramp":
                cure = "Write a share above 0, or remove it."
            yield ("options", o, field), f"{field} is 0: {FATE[field]}", cure, "warning"


def _idle(option: Lever) -> Iterator[str]:
    """The fields that make an option useless."""
    if isinstance(option, Sized):
        # A size that has to be larger than the largest is an error of its own.
        if option.max_size == 0 and option.min_size == 0 and option.unit_size == 0:
            yield "max_size"
        elif not isinstance(option, Leverage) and max(option.ramp) == 0:
            yield "ramp"
    if isinstance(option, Stockpile):
        if option.max_size == 0:
            yield "max_size"
        elif option.fill_rate == 0 and option.initial == 0:
            yield "fill_rate"
        elif option.release_rate == 0:
            yield "release_rate"
    if isinstance(option, Substitution) and option.max_share == 0:
        yield "max_share"
    if isinstance(option, Leverage) and option.restraint == 0:
        yield "restraint"


def display_names_are_distinct(draft: Draft) -> Iterator[Problem]:
    """Two of a kind do not look the same in a table."""
    if draft.instance is None:
        return
    for section in ("regions", "commodities", "processes", "demands", "options"):
        seen: dict[tuple[str, str], str] = {}
        for key, each in getattr(draft.instance, section).items():
            first = seen.setdefault((each.name or key, getattr(each, "kind", "")), key)
            if first != key:
                what = f'has the same name as {first}, "{each.name or key}": no table tells the two apart'
                yield (section, key, "name"), what, "Give one of the two another name.", "warning"


def running_costs_something(draft: Draft) -> Iterator[Problem]:
    """Nothing that makes a commodity is paid for running; what only sells a surplus makes none."""
    if draft.instance is None:
        return
    for name, activity in draft.instance.activities.items():
        if activity.output and min(activity.cost.values) < 0:
            section = "processes" if name in draft.instance.processes else "options"
            what = "cost is below 0: it runs as much as it can, and what nobody needs is thrown away"
            cure = "Write what it costs; a surplus that sells is a process with that input and no output."
            yield (section, name, "cost"), what, cure, "warning"
    for o, option in draft.instance.options.items():
        if isinstance(option, Substitution) and min(option.cost.values) < 0:
            what = "cost is below 0: doing without pays, so as much is done without as can be"
            yield ("options", o, "cost"), what, "Write what the alternative costs, whole.", "warning"


def buying_costs_something(draft: Draft) -> Iterator[Problem]:
    """Nothing is there for the taking."""
    for o, option in (draft.instance.options if draft.instance else {}).items():
        place: Place = ("options", o)
        if isinstance(option, Sized) and not any(_idle(option)):
            paid = max(option.capex.values) + option.fixed_cost + option.fixed_opex
            cure = "Add its capex, fixed_cost or fixed_opex; what is there already is a process."
            if paid == 0 and not isinstance(option, Producing):
                cure = "Add its capex, fixed_cost or fixed_opex."
        elif isinstance(option, Stockpile) and not any(_idle(option)) and option.fill_rate != 0:
            paid = max(option.price.values) + option.holding_cost
            cure = "Add its price; what is there already is `initial`."
        else:
            continue
        if paid == 0:
            yield place, "costs nothing to buy", cure, "warning"


def stock_that_is_paid_back_is_there(draft: Draft) -> Iterator[Problem]:
    """Salvage is paid on the stock of the baseline, which a shock may have used up; said once."""
    if draft.instance is None:
        return
    shocks, ensembles, options = draft.instance.shocks, draft.instance.ensembles, draft.instance.options
    likely = [*(s.probability for s in shocks.values()), *(e.probability for e in ensembles.values())]
    paid = [o for o, option in options.items() if isinstance(option, Stockpile) and option.salvage > 0]
    if paid and any(probability > 0 for probability in likely):
        others = f", here and of {', '.join(paid[1:])}" if paid[1:] else ""
        what = (
            f"salvage is that of the stock of the baseline, though a shock that has a probability may use it up{others}"
        )
        cure = "Leave out salvage or the probabilities, or remember that such a shock looks cheaper than it is."
        yield ("options", paid[0], "salvage"), what, cure, "warning"
