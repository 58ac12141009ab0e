"""What each budget buys, as a pandas frame: plans, survival and cost side by side.

Run: python examples/compare_budgets.py
"""

from itertools import pairwise
from pathlib import Path

import pandas as pd

import optimizer as so

instance = so.load(Path(__file__).parent.parent / "instances" / "tiny.yaml")
budgets = [0, 2e6, 4e6, 6e6, 8e6, 10e6, 12e6]
compared = so.compare(instance, budgets)
print(compared.frame().round(3).to_string(index=False))

# The plans themselves are there too: what is bought, by budget.
bought = pd.DataFrame(
    {f"{budget / 1e6:.0f}M": {build.option: build.size for build in column.result.plan.builds}
     | {o: max(row) for o, row in column.result.plan.stocks.items()}
     for budget, column in zip(budgets, compared.columns, strict=True)}
).fillna(0.0)  # fmt: skip
print(bought.round(1).to_string())

# More money never hurts; 11.5M USD is the least that survives everything.
gaps = [column.result.survival_gap for column in compared.columns]
assert all(later <= before + 1 for before, later in pairwise(gaps))
assert gaps[0] > 0
assert gaps[-1] == 0
(least,) = compared.least
assert least.outlay is not None
assert abs(least.outlay - 11.5e6) < 1e3
