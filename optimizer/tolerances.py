"""All named tolerances of the package, and the limits on files.

The tolerances form layers. The solver works in units of about a thousandth of the largest demand of a period, to
`FEASIBILITY` of them, so that its error is some 1e-12 of that demand in each row, and adds up along the periods of a
stock. Limits between successive solves are some hundred times looser than that. The smallest reported amount is again
ten times larger, and the tolerance of the audit is below it.

The limits keep any file from exhausting time or memory. They lie far above real use: an instance of 10,000 shocks has
some 90,000 values in 1 MB. A file beyond a limit is refused with a finding that names the limit.
"""

# Arithmetic. Sums, products and quotients of input numbers in double precision are off by less than this share:
# 0.1 + 0.2 is 0.3, and 18 months of 1/12 year are 1.5 years.
ROUNDING = 1e-9
# The same for coefficients, and for results of one or two operations, such as probabilities.
FINE_ROUNDING = 1e-12
# Share of a last digit below which errors of arithmetic do not count when figures are rounded in one direction.
LAST_DIGIT = 1e-4
# A token gap for a shortage below a floor with a shortage cost of 0, so that it does not count as survival.
POSITIVE = 1e-300

# The solver: primal, dual and integer feasibility tolerances of HiGHS, and looser ones for when it cannot reach them.
FEASIBILITY = 1e-9
# Integrality tolerance of HiGHS while it searches. Solutions are integral to `FEASIBILITY`; searching with that
# tolerance takes up to twice as long.
INTEGERS_IN_SEARCH = 1e-7
LOOSER_FEASIBILITY = (1e-7, 1e-6)
# HiGHS ignores coefficients below the first number. As a rule they are rounding errors of its presolve, and searches
# that heed them can end undecided. Where a model has smaller ones, as of plants whose input and output are in units ten
# orders of magnitude apart, the limit is half of the smallest, and at least the second number, the least of HiGHS.
IGNORED_COEFFICIENT = 1e-9
SMALLEST_COEFFICIENT = 1e-12
# Largest relative difference between the objective that a solver reports and that of its solution.
REPORTED_OBJECTIVE = 1e-6
# An integer column that is nearer to a whole number than this counts as integral.
INTEGRALITY = 1e-6
# One that is nearer than this is integral to the solver's tolerance.
FINE_INTEGRALITY = 1e-8
# Each of the two gains of a branch counts as at least this share of the distance from root bound to incumbent.
LEAST_GAIN = 1e-6
# Dual values below this count as zero: as a share of the largest one, or in money per tonne.
NEGLIGIBLE_DUAL = 1e-6
# A dual value above this counts as positive where dual values sum to 1.
POSITIVE_DUAL = 1e-7
# Floors are lowered by this share of demand for the shadow prices that are reported.
LOWERED_FLOOR = 1e-5
# A shadow price that is reported is at least this share of the objective, per step.
NEGLIGIBLE_PRICE = 1e-7

# The search. A second solve may exceed the value that it has to keep from the first by this share: the gap of a shock
# (least gap, then least cost), the gap of a plan, and cost and gap of near-optimal plans, kept by many solves in turn.
HELD_IN_SHOCK = 1e-9
HELD_VALUE = 1e-7
HELD_NEAR_OPTIMAL = 1e-6
# In Benders decomposition and against an adversary: how far the survival gap of the cheapest plan may exceed the least
# one, as a share of the MIP gap.
MIP_GAP_ROOM = 0.1
# A shock is violated, and added to a model, above this share of a segment's demand: ten times finer than what a result
# calls a failure.
VIOLATED = 1e-7
# Gaps below this share of the value of demand, at its shortage cost, count as zero: the largest yearly demand of one
# segment (`negligible_gap`), or for the worst attack all demand in its window.
NEGLIGIBLE_GAP = 1e-9
# Relative distance of bound and value at which the search goes on from the relaxation to integers; half of the MIP gap
# in Benders decomposition, if that is more.
RELAXATION_GAP = 1e-4
# The same where cuts no longer raise the bound; the solver's tolerances add up to less.
STALLED_GAP = 1e-6
# Estimates that deviate by less than this share of the total are left to cuts.
MISESTIMATED = 1e-6
# Largest difference between the interdiction model and the recourse of its attack: relative, and as a share of the
# value of all floors.
INTERDICTION_RELATIVE = 1e-4
INTERDICTION_ABSOLUTE = 1e-6
# Growth of a bound on dual values, per pass along the supply chain, that covers the solver's errors.
DUAL_GROWTH = 1e-6

# Deterrence. An attack is deterred if it costs the adversary more than the attack budget by this share, less the second
# share, which allows for errors of the solver's integers.
DETERRED = 1e-4
DETERRED_ROUNDING = 1e-6

# Proofs. The MIP gap of a plan, of exact values (the least outlays of `compare`, the worst attack), and of the no-shock
# plan of studies that compare plans; `solve` proves that one to the gap of its settings.
PLAN_GAP = 1e-4
EXACT_GAP = 1e-6
NO_SHOCK_GAP = 1e-5
# No cost is proven to less than this share of itself: the solver's own tolerances add up to as much.
FINEST_SHARE = 1e-7

# Results. Shortages, prices, purchases and changes below this share of their scale count as zero.
NEGLIGIBLE = 1e-6
# Costs, gaps and outlays that differ by less than this, relative, are equal.
SAME_VALUE = 1e-6
# Figures in a shock's line of a result that differ by less than this, relative, are equal.
SAME_FIGURE = 1e-7
# Sizes up to `NEGLIGIBLE_SIZE` of the option's largest size, or of the largest demand where that is more, are set to
# zero where the audit accepts it; sizes below `ROUNDING_SIZE` are always the solver's own rounding.
NEGLIGIBLE_SIZE = 1e-6
ROUNDING_SIZE = 1e-9
# A largest size counts as no more than this many times the largest demand.
LARGEST_SIZE = 1e3
# A shock is tight where the least margin of a segment is below this share of demand.
TIGHT_SHOCK = 1e-4
# Capacity used to at least this share counts as fully used.
FULLY_USED = 1.0 - 1e-4
# Flows of a commodity below this share of its demand, or of that of the segment they reach, are left out of a chain.
NEGLIGIBLE_PASSAGE = 1e-4
# A stock that shrinks by less than this share per year lasts without end.
ENDLESS_RATE = 1e-6
# Times to survive that differ by less than this share are equal.
SAME_TIME = 1e-5

# The audit. The tolerance of a row is this share of its own largest term, or `AUDIT_ABSOLUTE` of the need for its
# commodity, or `AUDIT_ROUNDING` of the largest demand of a period, whichever is largest (`Scales`): a row whose terms
# are all rounding errors has no term to compare with. `AUDIT_ABSOLUTE` is a thousandth of `NEGLIGIBLE`.
AUDIT_RELATIVE = 1e-6
AUDIT_ABSOLUTE = 1e-9
AUDIT_ROUNDING = 4e-12
# Numbers of an instance from here on may cause the audit to disagree: double precision has 16 digits.
LARGE_NUMBER = 1e10
# Ratio of shortage costs beyond which the smaller one may be lost in the solver's tolerances.
FAR_APART = 1e8
# Least scale of a figure in money, in units of the currency: a figure of 0 may be off by `AUDIT_RELATIVE` of it.
AUDIT_MONEY_SCALE = 1e-6

# Reports. Shares below this are shown as 0.0 %, MIP gaps below this as none.
SHOWN_SHARE = 0.0005
SHOWN_MIP_GAP = 1e-5 * (1.0 + ROUNDING)

# Limits.

# Bytes of an instance file, of a saved plan, which has every flow, and of an unpacked checkpoint.
FILE_BYTES, PLAN_BYTES, CHECKPOINT_BYTES = 32 * 2**20, 128 * 2**20, 2**30
# Values of an instance, after aliases and merges, or cells of a workbook; values of a saved plan.
MOST_VALUES, MOST_PLAN_VALUES = 400_000, 1_500_000
# Mappings and lists inside each other.
NESTING = 32
# Characters of a number, of a key, and of a message.
NUMBER_LENGTH, KEY_LENGTH, MESSAGE_LENGTH = 400, 10_000, 1_000
# Stored cells of a workbook, including empty ones with a format; characters of a cell, as in Excel.
MOST_CELLS, CELL_LENGTH = 250_000, 32_767
# Bytes of an unpacked workbook, or characters of all its cells; its files; its XML tags.
WORKBOOK_BYTES, WORKBOOK_PARTS, WORKBOOK_TAGS = 64 * 2**20, 1_000, 3_000_000
# Largest number of errors in a report; a further finding says that others are left out.
MOST_FINDINGS = 200
# Shocks, with each member of a family and each sample of an ensemble; periods times processes, options and segments.
MOST_EVENTS, MOST_COLUMNS = 120_000, 2_000_000
# Futures of a file.
MOST_FUTURES = 1_000
# Targets of an adversary.
MOST_TARGETS = 5_000
# Values of a file times the patterns under `ranges:`.
RANGE_VALUES = 4_000_000
# Values of a file times its scenarios, all of which are checked before one is used.
SCENARIO_VALUES = 400_000
# Members of a joint plan: every coalition of them is a plan of its own.
MOST_MEMBERS = 6

# Finest and coarsest resolution that a caller may ask for, as shares: of budgets, and of switching values.
BUDGET_RESOLUTIONS, VALUE_RESOLUTIONS = (1e-4, 0.5), (1e-6, 0.5)

# Memory.

# Thresholds of Python's garbage collector, which with its default ones takes an eighth of a study's time. Large objects
# are in no reference cycle, so that they are freed without it.
COLLECTOR_THRESHOLDS = (100_000, 10, 10)
