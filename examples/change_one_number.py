"""What if: the same instance with other numbers, options left out, and the audit on a plan changed by hand.

Run: python examples/change_one_number.py
"""

from dataclasses import replace
from pathlib import Path

import optimizer as so

FILE = Path(__file__).parent.parent / "instances" / "tiny.yaml"

base = so.solve(so.load(FILE))
dear = so.solve(so.load(FILE, overrides=["options.plant.capex=600k"]))
alone = so.solve(so.without(so.load(FILE), ["stockpile"]))
for name, result in (("as it is", base), ("a plant three times as dear", dear), ("no reserve", alone)):
    print(f"{name:28s} cost {result.total_cost / 1e6:6.1f}M USD   gap {result.survival_gap / 1e6:6.1f}M USD")

# Somebody says that the same plan costs a million less. The audit does not believe it.
cheaper = replace(base, total_cost=base.total_cost - 1e6)
report = so.verify(so.load(FILE), cheaper)
print(*report.disagreements, sep="\n")

assert dear.total_cost > base.total_cost
assert alone.survival_gap > 0
assert not report.ok
