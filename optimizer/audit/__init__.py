"""The plan again, in plain arithmetic of its own: no PuLP, no HiGHS, and none of the levers' code.

From the builds, the stock purchases and the flows alone it recomputes lead times, ramps, capacities, stocks, balances,
floors, costs and outlay, and holds every row and every figure of the result against them. A row may be off by a
millionth of its own largest term, so that grams of dysprosium are judged as grams.
"""
