"""Partnership: if a cut takes the share σ of a process, reliability·σ of the agreed C·Δ is still delivered."""

from collections.abc import Mapping

from optimizer.audit.auditor import Auditor, Operation
from optimizer.results.plan import Array


class PartnershipAuditor(Auditor):
    """The arithmetic of a partnership."""

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """Return σ·reliability·C·Δ for its process."""
        process = operation.option.process
        secured = operation.override("reliability", operation.option.reliability) * operation.working
        return {process: operation.severity(process, deliberate=deliberate) * secured}
