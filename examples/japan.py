"""Japan after the embargo of 2010: what the next one asks for, and what independence from China would have cost.

Run: python examples/japan.py
"""

from pathlib import Path

import optimizer as so

instance = so.load(Path(__file__).parent.parent / "instances" / "japan-2010.yaml")
settings = so.Settings(mip_gap=1e-3)
plans = {
    "survive the next embargo": so.solve(instance, settings=settings),
    "at most 60 % Chinese": so.solve(so.under(instance, "at_most_60"), settings=settings),
    "at most 50 % Chinese": so.solve(so.under(instance, "at_most_50"), settings=settings),
}


def chinese(result: so.Result) -> float:
    """The share of all that Japan lands in the baseline that comes from China, in the last year."""
    assert result.baseline is not None
    last = [t for t in instance.horizon.periods if instance.horizon.year(t) == 2023]
    landed = {"china": 0.0, "elsewhere": 0.0}
    for owner, activity in instance.activities.items():
        where = "china" if activity.region == "china" else "elsewhere"
        landed[where] += activity.output.get("landed", 0.0) * result.baseline.total(owner, "activity", last)
    return landed["china"] / sum(landed.values())


least = plans["survive the next embargo"]
for name, result in plans.items():
    more = (result.total_cost - least.total_cost) / 1e6
    lynas = sum(build.size for build in result.plan.builds if build.option == "lynas")
    print(f"{name:26s} {chinese(result):4.0%} Chinese, {more:4.0f}M USD dearer, Lynas {lynas:,.0f} t/yr")

# Surviving and being independent are two things: the cheapest plan that survives stays as Chinese as Japan did.
assert all(result.survives for result in plans.values())
assert chinese(least) > 0.65
assert chinese(plans["at most 50 % Chinese"]) < 0.501
assert not any(build.option == "lynas" for build in least.plan.builds)
assert plans["at most 50 % Chinese"].total_cost > plans["at most 60 % Chinese"].total_cost > least.total_cost
