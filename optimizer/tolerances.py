"""Named tolerances: what counts as equal, and what counts as nothing.

    relative   a row of the audit may be off by this share of its own largest term
    absolute   or by this share of what its commodity is needed for, where that is more (`audit.scales`)
    rounding   or by this share of the largest demand of a period
    size       sizes below a share of an option's scale are candidates for zero

The solver works in units of about a thousandth of the largest demand of a period, to 1e-9 of them, so its own errors
are some 1e-12 of that demand in each row, and add up along the periods of a stock. A row of nothing but such errors has
no term to be judged by. The absolute tolerance stays a thousand times below the smallest shortfall that a result
reports.
"""

AUDIT_RELATIVE = 1e-6
AUDIT_ABSOLUTE = 1e-9
AUDIT_ROUNDING = 4e-12
# Sizes up to this share of the option's largest size, or of the largest demand where that is more, are set to zero
# where the audit cannot tell the difference; below the second they are always the solver's own rounding.
NEGLIGIBLE_SIZE = 1e-6
ROUNDING_SIZE = 1e-9
# A shock is violated, and added to a model, above this share of a segment's demand: ten times finer than what a result
# calls a failure.
VIOLATED = 1e-7
