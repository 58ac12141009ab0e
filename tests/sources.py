"""Where the numbers of the shipped instances come from: a source, an assumption or another number; which have a range.

A number is explained by the comment nearest to it, as `optimizer.report.provenance` reads it for a report. The list by
influence ranks all ranges by what they change at first order of the price of survival and of gaps, those that are not
judged before all, and solves both ends of those that do most. What could be bought instead, it does not see.

Run: python -m tests.sources [--influence [N]] [FILE …]
"""

import argparse
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

import optimizer as so
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import numbers_of
from optimizer.io.load import comments_of
from optimizer.report.provenance import BASES, SourcedNumber, find_numbers

INSTANCES = Path(__file__).parent.parent / "instances"
CONSOLE = Console(highlight=False, markup=False, soft_wrap=True)


def numbers(path: Path) -> tuple[SourcedNumber, ...]:
    """Every number of an instance file that says what the world is like, in the order of the file."""
    return find_numbers(so.load(path).to_dict(), comments_of(path))


def main() -> None:
    """Print the counts of the files, and on demand what their ranges do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    help_text = "list the ranges by what they do to the answer, the first N of them solved"
    parser.add_argument("--influence", type=int, nargs="?", const=12, default=0, metavar="N", help=help_text)
    args = parser.parse_args()
    paths = args.files or sorted(INSTANCES.glob("*.yaml"))
    CONSOLE.print(f"{'instance':24}{'numbers':>9}" + "".join(f"{basis:>12}" for basis in BASES) + f"{'in a range':>12}")
    for path in paths:
        found = numbers(path)
        bases = Counter(number.basis for number in found)
        covered = sum(number.has_range for number in found)
        CONSOLE.print(
            f"{path.stem:24}{len(found):9}" + "".join(f"{bases[basis]:12}" for basis in BASES) + f"{covered:12}"
        )
        for number in found:
            if number.basis == "unexplained":
                CONSOLE.print(f"  {path.name}: {number.path} has neither a source nor a reason")
    for path in paths if args.influence else ():
        _print_influence(path, args.influence)


def _print_influence(path: Path, most: int) -> None:
    """The ranges that do most, each solved at both ends; then all others by their first-order effect."""
    instance = so.load(path)
    effects = first_order_effects(instance)
    CONSOLE.print(
        f"\n{path.stem}, by influence, million: price of survival, gaps and outlay at the low and at the high end"
    )
    numbers = {number.name: number for number in numbers_of(instance.uncertain)}
    for name in list(effects)[:most]:
        CONSOLE.print(f"  {name:50}" + "".join(_answer(instance, numbers[name].at(end)) for end in (-1.0, 1.0)))
    CONSOLE.print("  not solved: first-order change of price and gaps together at the farther end, million")
    for name in list(effects)[most:]:
        CONSOLE.print(f"  {name:50}{effects[name] / 1e6:+12,.1f}")


def first_order_effects(instance: so.Instance) -> dict[str, float]:
    """What each range does to the price of survival and gaps together at first order, money, the largest first.

    That is what it does to cost with gaps at their price, less what it does to the cost of the instance without shocks.
    """
    kept = {name: each for name, each in instance.ranges.items() if not name.startswith(("shocks.", "adversary."))}
    calm = instance.replacing(shocks={}, ensembles={}, adversary=None, ranges=kept)
    with_shocks, without = (
        {
            each.name: math.inf if each.gap is None or each.cost is None else each.gap + each.cost
            for each in so.sensitivity(case, flips=False, most=0).screened
        }
        for case in (instance, calm)
    )
    effects = {
        name: effect if math.isinf(effect) else effect - without.get(name, 0.0) for name, effect in with_shocks.items()
    }
    return dict(sorted(effects.items(), key=lambda item: -abs(item[1])))


def _answer(instance: so.Instance, numbers: Mapping[str, float]) -> str:
    try:
        found = so.solve(with_numbers(instance, numbers), settings=so.Settings(mip_gap=1e-3))
    except so.InstanceError:
        return f"{'no plan':>30}"
    price = found.price_of_survival
    figures = (price, found.survival_gap, found.outlay)
    return "".join(f"{'none' if each is None else format(each / 1e6, ',.0f'):>10}" for each in figures)


if __name__ == "__main__":
    main()
