"""A first plan: load an instance, solve it, ask what a smaller budget would mean. Run: python examples/first_plan.py"""

from pathlib import Path

import optimizer as so

instance = so.load(Path(__file__).parent.parent / "instances" / "tiny.yaml")
enough = so.solve(instance)
print(enough)
print(enough.plan)

short = so.solve(instance, budget=5e6)
print(short)
print(short.frames.survival[["floor", "worst_service", "first_failure"]])

# Less than half of the outlay removes most of the gap, but not all of it.
assert enough.survives
assert not short.survives
assert enough.nothing is not None
assert short.survival_gap < enough.nothing.gap
