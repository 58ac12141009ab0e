"""What a plan leaves unserved though nothing happens."""

from optimizer.instance.schema import Instance
from optimizer.results.plan import NEGLIGIBLE, Flows, Lack
from optimizer.results.ranking import first_largest


def lacks(instance: Instance, baseline: Flows) -> dict[str, Lack]:
    """By segment, what of its demand the baseline leaves unserved; segments that are served are left out."""
    found, label = {}, instance.horizon.label
    for d, row in baseline.of("unserved").items():
        demanded = [float(instance.baseline.demanded(d, t)) for t in instance.horizon.periods]
        parts = [short / asked if asked > 0 else 0.0 for short, asked in zip(row, demanded, strict=True)]
        worst = first_largest(parts)
        if worst is not None and parts[worst] > NEGLIGIBLE:
            found[d] = Lack(min(1.0, parts[worst]), label(worst), sum(row))
    return found
