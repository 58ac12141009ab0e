"""The run record: what was solved, by what, how well, and how long it took."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from optimizer.report.answer import NEAR
from optimizer.report.words import plural
from optimizer.results.result import Result
from optimizer.units import short, si


def fingerprint(data: Mapping[str, Any]) -> str:
    """SHA-256 of an instance: of its JSON with sorted keys and no spaces."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def record(result: Result) -> tuple[tuple[str, str], ...]:
    """A label and a text each."""
    audit, settings = result.audit, {key: value for key, value in result.settings.items() if value is not None}
    rounds = max((int(each.get("round") or 0) for each in result.history), default=0)
    said = [
        ("Instance", result.instance),
        ("Instance hash", f"SHA-256 {fingerprint(result.data)}"),
        ("Money", result.currency),
        ("Status", result.status),
        ("Proof", _proof(result)),
        ("Audit", _audited(audit)),
        ("Seconds", ", ".join(f"{part} {si(value, 's')}" for part, value in result.seconds.items())),
        ("Versions", ", ".join(f"{name} {number}" for name, number in result.versions.items())),
        ("Settings", ", ".join(f"{name} {_plain(value)}" for name, value in settings.items())),
        ("Search", f"{plural(rounds, 'round')}, {plural(len(result.history), 'step')}"),
    ]
    said += [("Note", note) for note in result.notes]
    return tuple(said)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _proof(result: Result) -> str:
    if result.mip_gap is None:
        return "no bound is known"
    bound = "" if result.bound is None else f"; no plan costs less than {si(result.bound, result.money, 5)}"
    if result.survival_gap > 0 and result.gap_bound is not None:
        bound += f"; none leaves a gap smaller than {si(result.gap_bound, result.money, 5)}"
    near = "" if result.mip_gap < NEAR else f"within {short(100 * result.mip_gap)} % of "
    return f"{near}the least{bound}"


def _audited(audit: Mapping[str, Any]) -> str:
    if not audit.get("rows"):
        return "none"
    worst = f"worst relative disagreement {audit['worst']:.1e}"
    return f"{audit['rows']:,} rows recomputed without the solver {'agree' if audit.get('ok') else 'DISAGREE'}, {worst}"
