"""Results of a run: plan files, plans, outcomes, and frames; all values are frozen."""
