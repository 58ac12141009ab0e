"""Rules of an instance that a plan breaks: each is named, and lifted as far as the plan needs; none is enforced.

of buying      earliest, latest, max_size, min_size, unit_size, fill_rate, requires, excludes     by arithmetic
of the policy  budgets, shares, time to survive, what has to be bought; and forced running        by operation

In the instance with these rules lifted the plan is one like any other: it can be operated, audited, saved and verified.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.algorithms.conflict import Rule, rule_in_words
from optimizer.algorithms.fixed_plan import FixedPlan
from optimizer.errors import Finding, GivenPlanError, InstanceError
from optimizer.instance.derived import size_text
from optimizer.instance.reading import read
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance
from optimizer.io.plan_file import GivenPlan
from optimizer.levers import Lever, Sized, Stock
from optimizer.results.plan import Build
from optimizer.solver import Clock, Settings
from optimizer.tolerances import NEGLIGIBLE, ROUNDING
from optimizer.units import Series, si


@dataclass(frozen=True)
class RuleBreach:
    """One rule that a plan breaks, and the fields of the option with which it does not."""

    option: str  # whose rule it is
    # Of the purchase; None and empty where it is about all of them.
    t: int | None
    period: str
    # For readers.
    what: str
    cure: str
    lifted: tuple[tuple[str, Any], ...]  # fields of the option and their new values


def lift_rules(instance: Instance, given: GivenPlan) -> tuple[Instance, tuple[Finding, ...]]:
    """The instance without the rules of buying that a plan breaks, and these rules.

    Raises:
        GivenPlanError: the plan needs what no instance can have, such as a level of more than 1.
    """
    breaches = [*_of_builds(instance, given), *_of_stocks(instance, given)]
    findings = tuple(given.finding(each.option, each.t, each.period, each.what, each.cure) for each in breaches)
    options = dict(instance.options)
    for each in breaches:
        options[each.option] = options[each.option].model_copy(update=dict(each.lifted))
    if not breaches:
        return instance, ()
    lifted = instance.replacing(options=options)
    try:
        read(lifted.to_dict(), given.file)
    except InstanceError as error:
        raise GivenPlanError([*findings, *error.findings]) from None
    return lifted, findings


def _of_builds(instance: Instance, given: GivenPlan) -> Iterator[RuleBreach]:
    bought_of: dict[str, list[Build]] = {}
    for build in given.plan.builds:
        bought_of.setdefault(build.option, []).append(build)
    for o, builds in bought_of.items():
        option = instance.sized[o]
        yield from _of_years(option, [(build.t, build.period, build.year) for build in builds])
        bought = sum(build.size for build in builds)
        if bought > option.max_size * (1.0 + NEGLIGIBLE):
            what = f"{size_text(instance, o, bought)} are bought, max_size is {size_text(instance, o, option.max_size)}"
            yield RuleBreach(o, None, "", what, "Buy less, or raise max_size.", (("max_size", bought),))
        for build in builds:
            yield from _of_size(instance, option, build)
        yield from _of_ties(given, option, builds[0].t, builds[0].year)


def _of_years(option: Lever, purchases: Sequence[tuple[int, str, int]]) -> Iterator[RuleBreach]:
    """Purchases before `earliest` or after `latest`."""
    years = [year for _, _, year in purchases]
    for field, limit, most, word, sign in (
        ("earliest", option.earliest, min(years), "before", -1),
        ("latest", option.latest, max(years), "after", 1),
    ):
        outside = [each for each in purchases if limit is not None and sign * each[2] > sign * limit]
        if outside:
            t, period, year = outside[0]
            what = f"it is bought in {year}, {word} {field}, {limit}"
            yield RuleBreach(option.id, t, period, what, f"Buy it in {limit}, or change {field}.", ((field, most),))


def _of_size(instance: Instance, option: Sized, build: Build) -> Iterator[RuleBreach]:
    size, o = size_text(instance, option.id, build.size), option.id
    units = build.size / option.unit_size if option.unit_size > 0 else 0.0
    if abs(units - round(units)) > NEGLIGIBLE:
        down, up = (size_text(instance, o, whole * option.unit_size) for whole in (int(units), int(units) + 1))
        what = f"{size} is not in whole units of {size_text(instance, o, option.unit_size)}"
        yield RuleBreach(o, build.t, build.period, what, f"Buy {down} or {up}.", (("unit_size", 0.0),))
    if build.size < option.min_size * (1.0 - NEGLIGIBLE):
        least = size_text(instance, o, option.min_size)
        yield RuleBreach(
            o, build.t, build.period, f"{size} is less than min_size, {least}", f"Buy {least} or none.",
            (("min_size", build.size),),
        )  # fmt: skip


def _of_ties(given: GivenPlan, option: Sized, opened: int, year: int) -> Iterator[RuleBreach]:
    first: dict[str, int] = {}
    for build in given.plan.builds:
        first[build.option] = min(build.t, first.get(build.option, build.t))
    if late := [o for o in option.requires if first.get(o, opened + 1) > opened]:
        names, kept = ", ".join(late), tuple(o for o in option.requires if o not in late)
        what = f"it requires {names} in {year} or before"
        yield RuleBreach(option.id, opened, "", what, f"Buy {names} as well.", (("requires", kept),))
    if both := [o for o in option.excludes if o in first]:
        names, kept = ", ".join(both), tuple(o for o in option.excludes if o not in both)
        what = f"it excludes {names}, which is bought as well"
        yield RuleBreach(option.id, opened, "", what, "Leave one of them out.", (("excludes", kept),))


def _of_stocks(instance: Instance, given: GivenPlan) -> Iterator[RuleBreach]:
    horizon = instance.horizon
    for o, stock in instance.stocks.items():
        bought = [(t, horizon.label(t), horizon.year(t)) for t, fill in enumerate(given.plan.fills[o]) if fill > 0]
        if bought:
            yield from _of_years(stock, bought)
            yield from _of_amounts(instance, given, stock)


def _of_amounts(instance: Instance, given: GivenPlan, stock: Stock) -> Iterator[RuleBreach]:
    o, horizon = stock.id, instance.horizon
    fills, held = given.plan.fills[o], max(given.plan.stocks[o])
    most, rate = max(fills), stock.most_in_a_year
    if most > rate * horizon.delta * (1.0 + NEGLIGIBLE):
        t = fills.index(most)
        yearly = most / horizon.delta
        what = f"it is filled with {si(yearly, 't/yr')}, fill_rate is {si(rate, 't/yr')}"
        yield RuleBreach(o, t, horizon.label(t), what, "Spread the purchase over more years.", (("fill_rate", yearly),))
    if held > stock.largest * (1.0 + NEGLIGIBLE):
        what = f"it holds {si(held, 't')}, max_size is {si(stock.largest, 't')}"
        yield RuleBreach(o, None, "", what, "Buy less, or raise max_size.", (("max_size", held),))


# Of the policy, and of operation.


def lift_policy(
    instance: Instance, given: GivenPlan, settings: Settings, clock: Clock
) -> tuple[Instance, tuple[Finding, ...], FixedPlan | None]:
    """The instance without rules that no operation of a plan satisfies, these rules, and the plan's baseline in it.

    The plan keeps the rules of buying. Where a rule is lifted there is no baseline yet.

    Raises:
        SolverError: the solver failed.
    """
    fixed = FixedPlan(instance, given.plan, settings, clock)
    broken = fixed.rules_out_of_reach()
    if not broken:
        return instance, (), fixed
    builder, result = fixed.operate(broken)
    assert result.values is not None
    values = result.values.tolist()
    outlays = {year: builder.booked("outlay", year).value(values) for year in instance.horizon.years}
    findings = tuple(_policy_finding(instance, given, rule, outlays) for rule in broken)
    lifted = _without_rules(instance, {what for owner, what in broken if owner == "policy"}, outlays)
    return lifted.replacing(**_running(instance, [owner for owner, what in broken if what == "run"])), findings, None


def _policy_finding(instance: Instance, given: GivenPlan, rule: Rule, outlays: dict[int, float]) -> Finding:
    owner, what = rule
    words, money, policy = rule_in_words(instance, rule), instance.money, instance.policy
    if what == "budget" and policy.budget is not None:
        spent = sum(outlays.values())
        return given.finding("policy.budget", None, "", *_over(spent, policy.budget, "budget", money))
    if what.startswith("annual_budget") and policy.annual_budget is not None:
        year = int(what.rsplit("_", 1)[1])
        over = _over(outlays[year], policy.annual_budget.at(year), f"annual budget of {year}", money)
        return given.finding("policy.annual_budget", None, str(year), *over)
    if what == "run":
        where, said = f"{owner}.min_utilisation", words
    else:
        where, _, said = words.partition(": ")
    why = "the plan does not have" if what.startswith("force_") else "no operation of the plan satisfies it:"
    return given.finding(where, None, "", f"{why} {said}", "Change the plan, or the rule.")


def _over(spent: float, limit: float, name: str, money: str) -> tuple[str, str]:
    what = f"the outlay is {si(spent, money, 4)}, {si(spent - limit, money)} above the {name}, {si(limit, money, 4)}"
    return what, "Buy less."


def _without_rules(instance: Instance, names: Collection[str], outlays: dict[int, float]) -> Instance:
    """The policy without some rules, named as their rows; an annual budget is raised in the years that break it."""
    policy = instance.policy
    update: dict[str, Any] = {"budget": None} if "budget" in names else {}
    for field in ("max_share", "min_share", MIN_TIME_TO_SURVIVE):
        own = getattr(policy, field)
        update[field] = tuple(rule for i, rule in enumerate(own) if f"{field}_{i}" not in names)
    update["force"] = _kept_purchases(policy.force, names)
    broken = [year for year in instance.horizon.years if f"annual_budget_{year}" in names]
    if policy.annual_budget is not None and broken:
        limits = {year: policy.annual_budget.at(year) for year in instance.horizon.years}
        limits |= {year: outlays[year] * (1.0 + ROUNDING) for year in broken}
        update["annual_budget"] = Series(tuple(limits.items()))
    return instance.replacing(policy=policy.model_copy(update=update))


def _kept_purchases(force: Mapping[str, Mapping[int, float]], names: Collection[str]) -> dict[str, dict[int, float]]:
    """What has to be bought, by option and year, without rules that are named as their rows."""
    kept = {
        o: {year: size for year, size in sizes.items() if f"force_{o}_{year}" not in names}
        for o, sizes in force.items()
    }
    return {o: sizes for o, sizes in kept.items() if sizes}


def _running(instance: Instance, owners: Iterable[str]) -> dict[str, Any]:
    """Sections in which some activities do not have to run."""
    names, update = set(owners), dict[str, Any]()
    for section in ("processes", "options"):
        own = getattr(instance, section)
        if names & own.keys():
            update[section] = {
                name: each.model_copy(update={"min_utilisation": 0.0}) if name in names else each
                for name, each in own.items()
            }
    return update
