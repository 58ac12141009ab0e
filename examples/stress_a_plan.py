"""A plan against shocks that it was not built for, and which single additions would have helped.

Run: python examples/stress_a_plan.py
"""

from pathlib import Path

import optimizer as so

instance = so.load(Path(__file__).parent.parent / "instances" / "tiny.yaml")
result = so.solve(instance)
tested = so.stress(result, samples=300, seed=1)
low, high = tested.interval
print(f"{tested.plan_title} survives its own shocks: {result.survives}")
print(f"of {tested.samples} {tested.sampler}: {tested.share:.1%} survived, {low:.1%} to {high:.1%} at 95 %")

worst = tested.worst[0]
print(f"worst: {worst.name}, {'; '.join(worst.strikes)}, {worst.first} to {worst.last}")
print(f"{worst.segment} fails first, in {worst.period}: {worst.service:.0%} served, floor {worst.floor:.0%}")
found = tested.reinforcements
assert found is not None
for each in found.additions:
    best = each.best
    unit = "t" if instance.options[each.option].kind == "stockpile" else "t/yr"
    print(f"{best.size:g} {unit} more of {each.option} in {each.period}: {best.survived} of {found.failed} survived")

# It was built for embargoes that start in 2027 and 2029. One in 2026 finds an empty store and no plant.
starts = {group.name: group.share for group in tested.groups if group.by == "start"}
assert result.survives
assert not tested.survives
assert starts["2026"] < 0.5 < starts["2029"]
