"""Refining: an activity within what works of it and is not cut."""

from optimizer.audit.activity import ActivityAuditor


class RefiningAuditor(ActivityAuditor):
    """That of every lever that produces."""
