"""Ally: an activity within what works of it and is not cut."""

from optimizer.audit.auditor import ActivityAuditor


class AllyAuditor(ActivityAuditor):
    """The auditor of every lever that produces."""
