"""Refining: an activity within what works of it and is not cut."""

from optimizer.audit.auditor import ActivityAuditor


class RefiningAuditor(ActivityAuditor):
    """The auditor of every lever that produces."""
