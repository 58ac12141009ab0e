"""What the shipped instances are expected to say: `make cases` solves them and holds the answers against their files.

A file `instances/expected/<name>.yaml` says for `instances/<name>.yaml`, run by run, what must come out:

    gap: 1e-3                       # to which every run is proven (1e-3)
    runs:
      half of the money:
        quick: true                 # also run by the tests: a few seconds (false)
        budget: 600M                # in place of the instance's (none)
        set: [policy.from=2031]     # as with --set (none)
        scenario: half              # as with --scenario, or a list of them (none)
        future: late.tighten        # one future of the file alone (none: the file)
        without: [stockpile]        # as with --without (none)
        adversary: true             # as with --adversary (false)
        share: true                 # as with `diversify share` (false)
        expect:
          status: gap
          total_cost: 1.2B ± 2 %
          builds: {plant: 20 to 40, mine: 0}
          shares: {ndpr_oxide: {china: {2023: at most 0.65}}}
        says: ["an outlay of {outlay}"] # what the head of the instance or docs/cases.md says of it (none)

An expectation is `A ± B` (B an amount, or a share of A in %), `A to B`, `at least A`, `at most A`, an amount alone (to
1e-6 of it), a word, or a list of words in any order. The figures:

    status                                      survives, gap, stopped, none
    total_cost, outlay, price_of_survival,      currency units; price_of_survival is none where it is not known
    survival_gap, worst_gap, nothing_gap        nothing_gap: of doing nothing
    shocks, shocks_survived, nothing_failed     counts; nothing_failed: shocks that doing nothing fails
    bought, bought_without_shocks, kinds        lists: options bought, those bought without any shock, kinds of them
    builds, first_year                          option: size in all; year of the first decision or purchase (0: never)
    stock                                       stockpile: t, the most that is held
    purchased                                   stockpile: t, bought in all years
    service                                     segment: served share in its worst period of all shocks
    shares                                      commodity: region: year: share of the baseline's production
    costs                                       part: present value
    made                                        process: year: t of its first output in the baseline

Of a file with questions, unless `future` names one of its futures: status, total_cost, expected_cost, outlay,
price_of_survival, survival_gap, worst_gap, and

    committed                                   option: size bought before the first answer, in every future
    futures                                     future: cost, outlay, gap, survives, regret

Of a run with `share`, in millions, beyond no-shock costs:

    cost                                        members joined by +: what they pay together
    pays, shapley                               member: what it pays by the nucleolus, by the Shapley value
    core                                        "not empty", "empty", "not proven"

Run: python -m tests.cases_expected [FILE …]
"""

import argparse
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

import optimizer as so
from optimizer.units import parse_amount, si

INSTANCES = Path(__file__).parent.parent / "instances"
EXPECTED = INSTANCES / "expected"
PAGE = INSTANCES.parent / "docs" / "cases.md"
KEYS = {"quick", "budget", "set", "scenario", "future", "without", "adversary", "share", "expect", "note", "says"}
Answer = so.Result | so.FuturesResult | so.CostShares


@dataclass(frozen=True)
class Run:
    """One setting of an instance, and the figures that are expected of it, by dotted path."""

    name: str
    gap: float
    expect: Mapping[str, Any]
    quick: bool = False
    budget: float | None = None
    overrides: tuple[str, ...] = ()
    scenario: str | list[str] | None = None
    future: str | None = None
    without: tuple[str, ...] = ()
    adversary: bool = False
    share: bool = False
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """One figure: what was expected, in the file's words, what was found, and whether they agree."""

    figure: str
    expected: str
    found: str
    ok: bool


@dataclass(frozen=True)
class Case:
    """An expected file: its instance, and its runs."""

    path: Path
    instance: Path
    runs: tuple[Run, ...] = field(default=())


def read(path: Path) -> Case:
    """The runs of an expected file.

    Raises:
        ValueError: the file is not of the shape that this module's docstring says.
    """
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    instance = INSTANCES / f"{path.stem}.yaml"
    if not instance.exists():
        raise ValueError(f"{path.name}: there is no instance {instance.name}")
    if set(data) - {"gap", "runs"} or not data.get("runs"):
        raise ValueError(f"{path.name}: its keys are gap and runs")
    gap = parse_amount(data.get("gap", 1e-3))
    return Case(path, instance, tuple(_run(path, str(name), entry, gap) for name, entry in data["runs"].items()))


def _run(path: Path, name: str, entry: Mapping[str, Any], gap: float) -> Run:
    if set(entry) - KEYS or not entry.get("expect"):
        raise ValueError(f"{path.name}, {name}: the keys of a run are {', '.join(sorted(KEYS))}; expect is required")
    budget = entry.get("budget")
    return Run(
        name=name,
        gap=gap,
        expect=dict(_flat(entry["expect"])),
        quick=bool(entry.get("quick", False)),
        budget=None if budget is None else parse_amount(budget),
        overrides=tuple(entry.get("set", ())),
        scenario=entry.get("scenario"),
        future=entry.get("future"),
        without=tuple(entry.get("without", ())),
        adversary=bool(entry.get("adversary", False)),
        share=bool(entry.get("share", False)),
        says=tuple(entry.get("says", ())),
    )


def _flat(data: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def set_up(instance: Path, run: Run) -> so.Instance:
    """The instance that a run solves."""
    loaded = so.load(instance, run.overrides)
    chosen = loaded if run.scenario is None else so.under(loaded, run.scenario)
    if run.future is not None:
        (chosen,) = (future.instance for future in chosen.tree.futures if future.name == run.future)
    return so.without(chosen, run.without)


def solved(instance: Path, run: Run) -> Answer:
    """The result of one run."""
    made = set_up(instance, run)
    if run.share:
        return so.share_costs(made, settings=so.Settings(accuracy=run.gap))
    solve = so.withstand if run.adversary else so.solve_futures if made.is_adaptive else so.solve
    return solve(made, budget=run.budget, settings=so.Settings(mip_gap=run.gap))


def check(run: Run, result: Answer) -> list[Check]:
    """Every figure of a run against its expectation; a figure that does not exist is a disagreement."""
    found, is_sound = found_and_audit(result)
    checks = [
        _compare(figure, expected, found.get(figure, "no such figure")) for figure, expected in run.expect.items()
    ]
    return [*checks, Check("audit", "ok", "ok" if is_sound else "disagrees", is_sound)]


def found_and_audit(result: Answer) -> tuple[dict[str, Any], bool]:
    """Every figure of a result, and whether its audit agrees."""
    if isinstance(result, so.CostShares):
        return figures_of_shares(result), all(each.result.audit["ok"] for each in result.coalitions)
    found = figures(result) if isinstance(result, so.Result) else figures_of_tree(result)
    return found, bool(result.audit["ok"])


def _compare(figure: str, expected: Any, found: Any) -> Check:
    words = ", ".join(map(str, expected)) if isinstance(expected, list) else str(expected)
    shown = ", ".join(found) if isinstance(found, list) else si(found) if isinstance(found, float) else str(found)
    return Check(figure, words or "none", shown or "none", agrees(expected, found))


def agrees(expected: Any, found: Any) -> bool:
    """Whether a figure is as an expectation says, which is written as this module's docstring tells."""
    if isinstance(expected, list) or isinstance(found, list):
        return isinstance(expected, list) and isinstance(found, list) and sorted(expected) == sorted(found)
    if isinstance(found, str) or found is None:
        return str(expected) == str(found).lower()
    low, high = bounds(expected)
    slack = 1e-9 * max(abs(low), abs(high)) if math.isfinite(low + high) else 1e-9 * abs(found)
    return low - slack <= found <= high + slack


def bounds(expected: Any) -> tuple[float, float]:
    """The least and the largest number that an expectation allows.

    Raises:
        PydanticCustomError: it is no number and none of the forms of this module's docstring.
    """
    text = str(expected)
    if "±" in text:
        middle, _, within = text.partition("±")
        value, percent = parse_amount(middle.strip()), within.strip().endswith("%")
        amount = parse_amount(within.strip().rstrip("%").strip())
        by = abs(value) * amount / 100 if percent else amount
        return value - by, value + by
    if " to " in text:
        low, _, high = text.partition(" to ")
        return parse_amount(low.strip()), parse_amount(high.strip())
    if text.startswith("at least "):
        return parse_amount(text.removeprefix("at least ")), math.inf
    if text.startswith("at most "):
        return -math.inf, parse_amount(text.removeprefix("at most "))
    value = parse_amount(expected)
    return value - 1e-6 * abs(value), value + 1e-6 * abs(value)


def quoted(case: Case, run: Run) -> Iterator[tuple[str, bool]]:
    """The phrases of a run, and whether a text has them with figures as expected; ``{outlay}`` stands for a figure."""
    head = case.instance.read_text(encoding="utf-8").partition("\n\n")[0]
    text = " ".join(f"{head}\n{PAGE.read_text(encoding='utf-8')}".replace("\n#", " ").split())
    for phrase in run.says:
        names = re.findall(r"\{(\S+?)\}", phrase)
        pattern = r"(-?[\d.,]*\d)( million| billion|[MB])?".join(map(re.escape, re.split(r"\{\S+?\}", phrase)))
        found = re.search(pattern, text)
        parts = found.groups("") if found else ()
        amounts = [number.replace(",", "") + unit.strip()[:1].upper() for number, unit in batched(parts, 2)]
        agree = (agrees(run.expect[name], parse_amount(each)) for name, each in zip(names, amounts, strict=False))
        yield phrase, found is not None and bool(names) and all(agree)


def figures(result: so.Result) -> dict[str, Any]:
    """Every figure that an expectation may name, by dotted path."""
    instance = so.read(result.data)
    builds = {o: 0.0 for o, option in instance.options.items() if option.kind != "stockpile"}
    first = dict.fromkeys(instance.options, 0)
    for build in result.plan.builds:
        builds[build.option] += build.size
        first[build.option] = min(first[build.option] or build.year, build.year)
    for o, fills in result.plan.fills.items():
        first[o] = next((int(period[:4]) for period, t in zip(result.periods, fills, strict=True) if t > 1e-6), 0)
    stock = {o: max(result.plan.stocks.get(o, ()), default=0.0) for o in instance.options if o not in builds}
    bought = [o for o, year in first.items() if year]
    nothing = result.nothing
    scalars: dict[str, Any] = {
        "status": result.status,
        "total_cost": result.total_cost,
        "outlay": result.outlay,
        "price_of_survival": result.price_of_survival,
        "survival_gap": result.survival_gap,
        "worst_gap": result.worst_gap,
        "shocks": len(result.shocks),
        "shocks_survived": sum(outcome.survives for outcome in result.shocks),
        "nothing_gap": nothing.gap if nothing else 0.0,
        "nothing_failed": nothing.shocks_failed if nothing else 0,
        "bought": bought,
        "bought_without_shocks": list(result.calm_builds),
        "kinds": sorted({instance.options[o].kind for o in bought}),
    }
    tables = {
        "builds": builds,
        "first_year": first,
        "stock": stock,
        "purchased": {o: sum(result.plan.fills.get(o, ())) for o in stock},
        "service": {d: weakest.worst_service for d, weakest in result.services.items()},
        "costs": dict(result.costs),
        "shares": shares(instance, result),
        "made": made(instance, result),
    }
    return scalars | dict(_flat(tables))


def figures_of_tree(result: so.FuturesResult) -> dict[str, Any]:
    """Every figure that an expectation of a file with questions may name, by dotted path."""
    names = "status total_cost expected_cost outlay price_of_survival survival_gap worst_gap"
    committed: dict[str, float] = {}
    for decision in result.decided_first:
        committed[decision.option] = committed.get(decision.option, 0.0) + decision.size
    futures = {
        each.name: {
            "cost": each.cost,
            "outlay": each.result.outlay,
            "gap": each.result.survival_gap,
            "survives": "yes" if each.result.survives else "no",
            "regret": each.regret,
        }
        for each in result.futures
    }
    scalars = {name: getattr(result, name) for name in names.split()}
    return scalars | dict(_flat({"committed": committed, "futures": futures}))


def figures_of_shares(result: so.CostShares) -> dict[str, Any]:
    """Every figure that an expectation of a run with `share` may name, by dotted path; millions."""
    tables = {
        "cost": {"+".join(each.members): result.costs[each.key] / 1e6 for each in result.coalitions},
        "pays": {each.member: each.nucleolus.value / 1e6 for each in result.shares},
        "shapley": {each.member: each.shapley.value / 1e6 for each in result.shares},
    }
    return {"core": result.core_state} | dict(_flat(tables))


def made(instance: so.Instance, result: so.Result) -> dict[str, float]:
    """`process.year`: t of its first output in the baseline."""
    if result.baseline is None:
        return {}
    horizon, found = instance.horizon, dict[str, float]()
    for name, process in instance.processes.items():
        rate = next(iter(process.output.values()), 0.0)
        for t in horizon.periods:
            key = f"{name}.{horizon.year(t)}"
            found[key] = found.get(key, 0.0) + rate * result.baseline[name, "activity"][t]
    return found


def shares(instance: so.Instance, result: so.Result) -> dict[str, float]:
    """`commodity.region.year`: the region's share of the baseline's production."""
    if result.baseline is None:
        return {}
    horizon, made = instance.horizon, dict[tuple[str, str, int], float]()
    for name, activity in instance.activities.items():
        for commodity, rate in activity.output.items():
            for t in horizon.periods:
                key = (commodity, activity.region or "unnamed", horizon.year(t))
                made[key] = made.get(key, 0.0) + rate * result.baseline[name, "activity"][t]
    totals: dict[tuple[str, int], float] = {}
    for (commodity, _, year), amount in made.items():
        totals[commodity, year] = totals.get((commodity, year), 0.0) + amount
    return {
        f"{commodity}.{region}.{year}": amount / totals[commodity, year]
        for (commodity, region, year), amount in made.items()
        if totals[commodity, year] > 0
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Solve every run of the files given, or of all; print what was expected and found; 0 where all agree, else 1."""
    parser = argparse.ArgumentParser(description="Solve the shipped instances and check them.")
    parser.add_argument("files", nargs="*", type=Path, help="expected files; all where none is given")
    parser.add_argument("--quick", action="store_true", help="only the runs that the tests make too")
    options = parser.parse_args(arguments)
    console, checks = Console(), list[Check]()
    for path in options.files or sorted(EXPECTED.glob("*.yaml")):
        case = read(path)
        for run in case.runs:
            if run.quick or not options.quick:
                began = time.perf_counter()
                made = check(run, solved(case.instance, run))
                checks += made
                console.print(table(case, run, made, time.perf_counter() - began))
    wrong = sum(not one.ok for one in checks)
    console.print(f"{len(checks) - wrong} of {len(checks)} figures are as expected.")
    return 1 if wrong else 0


def table(case: Case, run: Run, checks: Sequence[Check], seconds: float) -> Table:
    """One run, for the screen."""
    shown = Table(title=f"{case.path.stem}: {run.name} ({seconds:.0f} s)", title_justify="left", box=None)
    for heading in ("Figure", "Expected", "Found", ""):
        shown.add_column(heading, overflow="fold")
    for one in checks:
        shown.add_row(one.figure, one.expected, one.found, "ok" if one.ok else "[bold red]NO[/]")
    return shown


if __name__ == "__main__":
    sys.exit(main())
