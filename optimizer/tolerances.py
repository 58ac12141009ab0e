"""Named tolerances, how near is equal and how little is nothing, and limits on what is read from files.

Every tolerance of the package stands here; the layers below build on each other. The solver works in units of about a
thousandth of the largest demand of a period, to `FEASIBILITY` of them, so its errors are some 1e-12 of that demand in
each row, and add up along the periods of a stock. What a search holds, it holds some hundred times more loosely than
that; what a result reports is again ten times larger; the audit lets pass less than the smallest reported shortfall.

With the limits no file can exhaust time or memory. They lie far above real use: an instance of 10,000 shocks has some
90,000 values in 1 MB. A file beyond a limit is refused with a finding that names the limit.
"""

# Arithmetic. Sums, products and quotients of input numbers in double precision are off by less than this share:
# 0.1 + 0.2 is 0.3, and 18 months of 1/12 year are 1.5 years.
ROUNDING = 1e-9
# The same for quantities that are computed in one or two operations, such as probabilities, and for coefficients.
FINE_ROUNDING = 1e-12
# Of a last digit: errors of arithmetic below it do not count where figures are rounded in one direction.
LAST_DIGIT = 1e-4
# A token gap for a shortfall below a floor whose shortage cost is 0, so that it is not taken for survival.
POSITIVE = 1e-300

# The solver: primal, dual and integer feasibility that HiGHS is held to, and looser ones where it fails to reach them.
FEASIBILITY = 1e-9
# Integrality tolerance of HiGHS while it searches. Solutions are integral to `FEASIBILITY`; searching with that
# tolerance takes up to twice as long.
INTEGERS_IN_SEARCH = 1e-7
LOOSER_FEASIBILITY = (1e-7, 1e-6)
# Largest relative difference between the objective that a solver reports and that of its solution.
REPORTED_OBJECTIVE = 1e-6
# An integer column that is nearer to a whole number than this counts as integral.
INTEGRALITY = 1e-6
# One that is nearer than this is integral to the solver's tolerance.
WHOLE = 1e-8
# Of the two gains of a branch, each counts as at least this share of the way that is left at the beginning.
LEAST_GAIN = 1e-6
# Dual values below this count as zero: as a share of the largest one, or in money per tonne.
NEGLIGIBLE_DUAL = 1e-6
# Where dual values add to 1, one above this counts as positive.
POSITIVE_DUAL = 1e-7
# A shadow price that is reported is at least this share of the objective, per step.
NEGLIGIBLE_PRICE = 1e-7

# The search. What a second solve holds of the first may be missed by this share: gaps within one shock (least gap, then
# least cost), the gap of a plan, and cost and gap of near-optimal plans, which many solves hold in turn.
HELD_IN_SHOCK = 1e-9
HELD_VALUE = 1e-7
HELD_NEAR_OPTIMAL = 1e-6
# A shock is violated, and added to a model, above this share of a segment's demand: ten times finer than what a result
# calls a failure.
VIOLATED = 1e-7
# Gaps below this share of the value of demand, at its shortage cost, count as zero: of the largest yearly demand of one
# segment (`negligible_gap`), or for the worst attack of all demand in its window.
NEGLIGIBLE_GAP = 1e-9
# Relative distance of bound and value at which a relaxation is good enough to ask for integers.
RELAXATION_GAP = 1e-4
# The same where cuts no longer raise the bound; the solver's tolerances add up to less.
STALLED_GAP = 1e-6
# Estimates that are wrong by less than this share of the total are left to cuts.
MISESTIMATED = 1e-6
# What the interdiction model and the recourse of its attack may differ by: relative, and as a share of the value of
# all floors.
INTERDICTION_RELATIVE = 1e-4
INTERDICTION_ABSOLUTE = 1e-6
# Growth of a bound on dual values, per pass along the supply chain, that covers the solver's errors.
DUAL_GROWTH = 1e-6

# Deterrence. An attack is deterred once it costs the adversary more than the attack budget by this share of it; up to
# the second share, which the solver's integers may be off by.
DETERRED = 1e-4
DETERRED_ROUNDING = 1e-6

# Proofs. The MIP gap of a plan; of what is called exact (least outlays, attacks); of the no-shock plan.
PLAN_GAP = 1e-4
EXACT_GAP = 1e-6
NO_SHOCK_GAP = 1e-5
# No cost is proven to less than this share of itself: a solver's own tolerances add up to as much.
FINEST_SHARE = 1e-7

# Results. Shortfalls, prices, purchases and changes below this share of their scale count as zero.
NEGLIGIBLE = 1e-6
# Costs, gaps and outlays that differ by less than this, relative, are equal.
SAME_VALUE = 1e-6
# Figures of one line of a result that differ by less than this, relative, are equal.
SAME_FIGURE = 1e-7
# Sizes up to `NEGLIGIBLE_SIZE` of the option's largest size, or of the largest demand where that is more, are set to
# zero where the audit accepts it; sizes below `ROUNDING_SIZE` are always the solver's own rounding.
NEGLIGIBLE_SIZE = 1e-6
ROUNDING_SIZE = 1e-9
# A largest size counts as this many times the largest demand at most.
LARGEST_SIZE = 1e3
# A shock is tight where the least margin of a segment is below this share of demand.
TIGHT_SHOCK = 1e-4
# Capacity used to at least this share counts as fully used.
FULLY_USED = 1.0 - 1e-4
# Flows of a commodity below this share of its demand are left out of a supply chain.
NEGLIGIBLE_PASSAGE = 1e-4
# Share per year: a stock that is used up more slowly than this lasts for ever.
ENDLESS_RATE = 1e-6
# Share: times for which floors hold, one of which is shorter by less than this, are the same.
SAME_TIME = 1e-5

# The audit. A row may be off by this share of its own largest term, or by `AUDIT_ABSOLUTE` of what its commodity is
# needed for, or by `AUDIT_ROUNDING` of the largest demand of a period, whichever is largest (`Scales`). A row of
# nothing but the solver's errors has no term to be judged by. `AUDIT_ABSOLUTE` is a thousandth of `NEGLIGIBLE`.
AUDIT_RELATIVE = 1e-6
AUDIT_ABSOLUTE = 1e-9
AUDIT_ROUNDING = 4e-12
# Numbers of an instance from this on may be why the audit disagrees: double precision has 16 digits.
LARGE_NUMBER = 1e10
# Ratio of shortage costs beyond which the smaller one may be lost in the solver's tolerances.
FAR_APART = 1e8
# Money, in units of the currency, that errors of a figure are at least measured against: a figure of 0 may be off by
# `AUDIT_RELATIVE` of it.
AUDIT_MONEY_SCALE = 1e-6

# Reports. Shares below this are shown as 0.0 %, MIP gaps below this as none.
SHOWN_SHARE = 0.0005
SHOWN_MIP_GAP = 1e-5

# Limits.

# Bytes of an instance file, of a saved plan, which holds every flow, and of a checkpoint once unpacked.
FILE_BYTES, PLAN_BYTES, CHECKPOINT_BYTES = 32 * 2**20, 128 * 2**20, 2**30
# Values of an instance, aliases and merges expanded, the cells of a workbook among them; values of a saved plan.
VALUES, PLAN_VALUES = 400_000, 1_500_000
# Mappings and lists inside each other.
NESTING = 32
# Characters of a number, of a key, and of a message.
NUMBER_LENGTH, KEY_LENGTH, MESSAGE = 400, 10_000, 1_000
# Cells of a workbook that are stored, empty ones with a format among them; characters of a cell, as in Excel.
CELLS, CELL_LENGTH = 250_000, 32_767
# Bytes of a workbook once unpacked, and characters of all its cells; its files; its XML tags.
WORKBOOK_BYTES, WORKBOOK_PARTS, WORKBOOK_TAGS = 64 * 2**20, 1_000, 3_000_000
# The most errors that are reported at once; a further finding says that others are left out.
FINDINGS = 200
# Shocks, those of families one by one, and samples of ensembles; periods times all processes, options and segments.
EVENTS, COLUMNS = 120_000, 2_000_000
# The most futures of a file.
MOST_FUTURES = 1_000
# Targets of an adversary.
TARGETS = 5_000
# Values of a file, times the patterns under `ranges:` that are matched with them.
RANGE_VALUES = 4_000_000
# Values of a file, times its scenarios that are checked before one of them is used.
SCENARIO_VALUES = 400_000
# Members who may plan together: every coalition of them is a plan of its own.
MEMBERS_AT_ONCE = 6

# Of what a caller asks for: how near budgets and switching values are found, as shares, at finest and coarsest.
BUDGET_RESOLUTIONS, VALUE_RESOLUTIONS = (1e-4, 0.5), (1e-6, 0.5)

# Memory.

# Thresholds of Python's garbage collector; with its own it takes an eighth of a study. Models and searches are in no
# reference cycle: what is large is gone once nobody uses it.
COLLECTED = (100_000, 10, 10)
