"""Partnership: where the share σ of a process is cut, reliability·σ of the agreed C·Δ keeps flowing."""

from collections.abc import Mapping

from optimizer.audit.auditor import Auditor, Operation
from optimizer.results.plan import Array


class PartnershipAuditor(Auditor):
    """What a deal keeps flowing."""

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """σ·reliability·C·Δ to its process."""
        process = operation.option.process
        secured = operation.override("reliability", operation.option.reliability) * operation.working
        return {process: operation.lost(process, deliberate=deliberate) * secured}
