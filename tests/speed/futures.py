"""What several futures cost: the time of one plan for all of them against that of one future alone, and memory.

    futures / one    time to the plan, proven to a share of the price of survival, against that of one future alone
                     to the same gap
    proven           distance of plan and bound at the end, as a share of the price of survival

The cases are those of `instances/us-2027.yaml`, and the national instance with three questions on demand.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import optimizer as so
from optimizer.instance.schema import Instance
from optimizer.solver import Clock
from optimizer.studies.futures.solve import search_futures
from tests.speed.national import national

FILE = Path(__file__).parent.parent.parent / "instances" / "us-2027.yaml"
# Seconds after which a case is stopped; the table says how far it came.
PATIENCE = 900.0


@dataclass(frozen=True)
class Case:
    """A file with futures, and the relative gap to which its plan is proven."""

    name: str
    instance: Instance
    gap: float


def cases(most: int) -> Iterator[Case]:
    """The cases of up to so many futures."""
    us = so.load(FILE)
    # 0.5 % and 2 % of a price of survival that is 7 % of the cost.
    yield Case("us-2027", us, 3.5e-4)
    if most >= 8:
        yield Case("us-2027, market", so.under(us, "market"), 1.4e-3)
        yield Case("national, 500 shocks", with_questions(national(3, shocks=500)), 1e-3)
    if most >= 27:
        yield Case("us-2027, three_by_three", so.under(us, "three_by_three"), 1.4e-3)


def with_questions(data: dict[str, object]) -> Instance:
    """The national instance with three questions of two branches: whether a segment grows by 15 % from then on."""
    instance = so.read(data)
    futures = {}
    for i, d in enumerate(list(instance.demands)[:3]):
        known, quantity = instance.horizon.start + 1 + i, instance.demands[d].quantity
        grown = {year: quantity.at(year) * (1.15 if year >= known else 1.0) for year in instance.horizon.years}
        fast = {"set": {f"demands.{d}.quantity": grown}}
        futures[f"growth{i}"] = {"from": known, "branches": {"fast": fast, "slow": {}}}
    return so.read({**data, "futures": futures})


def futures_table(most: int) -> Iterator[str]:
    """The lines of the table."""
    yield "case                        futures   futures / one     proven"
    for case in cases(most):
        first = case.instance.tree.futures[0].instance
        alone = _seconds(lambda case=case, first=first: so.solve(first, settings=so.Settings(mip_gap=case.gap)))
        settings = so.Settings(mip_gap=case.gap, time_limit=PATIENCE)
        began = time.perf_counter()
        result = search_futures(case.instance, settings, Clock(PATIENCE))
        ratio = (time.perf_counter() - began) / alone
        price, bound = result.price_of_survival, result.bound
        known = price is not None and bound is not None and price > 0
        proven = f"{100 * (result.total_cost - bound) / price:.2f} %" if known else "–"  # type: ignore[operator]
        yield f"{case.name:27s} {len(case.instance.tree.futures):7d} {ratio:15.1f} {proven:>10s}"


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began
