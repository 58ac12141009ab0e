"""The pass about how long cuts are to be survived."""

from collections.abc import Iterator

from optimizer.instance.schema import RULE, Instance, SurvivalRule
from optimizer.instance.validation.draft import Draft, Place, Problem


def rules_ask_something(draft: Draft) -> Iterator[Problem]:
    """Every rule about time to survive cuts something, in some year, while some floor stands."""
    if draft.instance is None:
        return
    instance = draft.instance
    rules = instance.policy.min_time_to_survive
    for i, rule in enumerate(rules):
        yield from _of_rule(draft, instance, ("policy", RULE, i), rule)
    if rules and not any(max(demand.survival.values) > 0 for demand in instance.demands.values()):
        cure = "Give a segment a floor (`survival:`), or remove it."
        yield ("policy", RULE), "asks nothing: no segment has a floor", cure, "warning"


def _of_rule(draft: Draft, instance: Instance, place: Place, rule: SurvivalRule) -> Iterator[Problem]:
    last = instance.horizon.end
    if rule.from_ is not None and rule.from_ > last:
        what = f"never holds: {rule.from_} is after the horizon, which ends in {last}"
        yield (*place, "from"), what, "Choose a year of the horizon, or remove the rule.", "warning"
    for k, cut in enumerate(rule.cuts):
        if len(cut.severity) > 1:
            what = "a severity by period, but these cuts stay as they are"
            yield (*place, "cuts", k, "severity"), what, "Write one share.", "error"
        if draft.resolved and not instance.activity_index.has_match(cut):
            cure = "Name a region, stage, process or commodity of this file, or remove the cut."
            yield (*place, "cuts", k), "a cut that matches nothing: no process has all it asks for", cure, "warning"
