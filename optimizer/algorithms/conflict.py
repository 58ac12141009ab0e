"""The conflict if no plan exists: an irreducible infeasible set (IIS) of rules, found by a deletion filter.

Only the policy, forced running, and the support that this costs can make every plan infeasible. Without any one of the
rules named, the others are feasible. The set need not be the smallest, and there may be a second conflict, which is
found once the first is repaired.

Source: Chinneck: Feasibility and infeasibility in optimization, Springer 2008.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from optimizer.formulation import extensive_form_model
from optimizer.instance.altered import without_shocks
from optimizer.instance.derived import display_name
from optimizer.instance.edits import for_each_future
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, FutureTree, Instance
from optimizer.model.builder import ModelBuilder, Row
from optimizer.model.expressions import Expression
from optimizer.solver.base import Clock, Settings
from optimizer.solver.model import Model

# The owner and the name of a rule's rows.
Rule = tuple[str, str]
# The index of a future, and a rule in it.
FutureRule = tuple[int, Rule]
NOT_IRREDUCIBLE = (
    "The time ran out while the conflict was reduced: some of the rules named may not belong to it. Raise --time-limit."
)


@dataclass(frozen=True)
class Conflict:
    """Rules that cannot be satisfied together, in words; none if a plan exists or the time ran out."""

    rules: tuple[str, ...] = ()
    is_irreducible: bool = True  # whether every rule was tested; False if the time ran out during the filter

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the reader of the conflict."""
        return () if self.is_irreducible else (NOT_IRREDUCIBLE,)


def find_conflict(instance: Instance, settings: Settings, clock: Clock) -> Conflict:
    """Return the conflict of an instance, reduced as far as the time allows."""
    tree, builder = instance.tree, extensive_form_model(for_each_future(instance, without_shocks), ())
    rows = list(zip(builder.rows, _rules(tree, builder), strict=True))
    rules = list(dict.fromkeys(rule for _, some in rows for rule in some))
    settings = replace(settings, mip_gap=1.0)

    def is_feasible(kept: list[FutureRule]) -> bool:
        builder.rows = [row for row, some in rows if not some or any(rule in kept for rule in some)]
        return Model(builder, Expression(), settings, clock).solve().status != "infeasible"

    if is_feasible(rules):
        return Conflict()
    needed, is_irreducible = _delete(rules, is_feasible, clock)
    return Conflict(tuple(_in_words(tree, needed)), is_irreducible)


def _in_words(tree: FutureTree, rules: Iterable[FutureRule]) -> Iterator[str]:
    """Yield each rule in words, with the futures in which it conflicts."""
    futures = dict[str, list[str]]()
    for number, rule in rules:
        futures.setdefault(rule_in_words(tree.futures[number].instance, rule), []).append(tree.futures[number].name)
    for words, some in futures.items():
        yield words if tree.is_single else f"{words} ({', '.join(some)})"


def _rules(tree: FutureTree, builder: ModelBuilder) -> Iterator[list[FutureRule]]:
    """Yield for each row its rules, one per future that shares the row; none if it belongs to no rule."""
    for place, row in enumerate(builder.rows):
        numbers = builder.sharing(place)
        heads = (tree.name(number, "") for number in numbers)
        head = next((each for each in heads if row.mark.path.startswith(each)), "")
        rule = rule_of(replace(row, mark=row.mark._replace(path=row.mark.path.removeprefix(head))))
        yield [] if rule is None else [(number, rule) for number in numbers]


def _delete(
    rules: list[FutureRule], is_feasible: Callable[[list[FutureRule]], bool], clock: Clock
) -> tuple[list[FutureRule], bool]:
    """Apply the deletion filter; return the rules left, and whether the time sufficed.

    It drops each rule without which the others are still infeasible.
    """
    needed, is_complete = list(rules), True
    for rule in rules:
        fewer = [other for other in needed if other != rule]
        if not clock.is_over and not is_feasible(fewer):
            needed = fewer
        # A solve that the deadline ends proves nothing, so its rule stays.
        is_complete = is_complete and not clock.is_over
    return needed, is_complete


# Prefixes of the names of rows that `formulation.write_policy` writes.
POLICY_ROWS = ("budget", "annual_budget_", "max_share_", "min_share_", "force_")


def rule_of(row: Row) -> Rule | None:
    """Return the rule of a row, of policy or forced running; None if a plan can always satisfy the row."""
    if row.mark.path.startswith(MIN_TIME_TO_SURVIVE):
        return ("policy", row.mark.path.partition("@")[0])
    # An option may also be called "policy".
    if row.mark.owner == "policy" and row.mark.what.startswith(POLICY_ROWS):
        return ("policy", row.mark.what)
    return (row.mark.owner, "run") if row.mark.what == "run" else None


def rule_in_words(instance: Instance, rule: Rule) -> str:
    """Return a rule in words for the user."""
    owner, what = rule
    if what == "run":
        activity = instance.activities[owner]
        least = f"at least {100 * activity.min_utilisation:g} %"
        return f"{display_name(instance, owner)} has to use {least} of its capacity (min_utilisation)"
    if what == "budget":
        return f"the budget of {instance.policy.budget:,.0f} {instance.money}"
    if what.startswith("annual_budget"):
        return f"the annual budget of {what.rsplit('_', 1)[1]}"
    if what.startswith("force_"):
        return _forced(instance, what)
    section, _, i = what.rpartition("_")
    entry = getattr(instance.policy, section)[int(i)]
    if section == MIN_TIME_TO_SURVIVE:
        return f"policy.{section}[{i}]: {entry}"
    source = " and ".join(
        filter(None, (entry.kind and f"kind {entry.kind}", entry.region and f"region {entry.region}"))
    )
    words = "at most" if section == "max_share" else "at least"
    since, named = f" from {entry.from_} on" if entry.from_ else "", display_name(instance, entry.commodity)
    return f"policy.{section}[{i}]: {words} {100 * entry.share:g} % of {named} from {source}{since}"


def _forced(instance: Instance, what: str) -> str:
    o, _, year = what.removeprefix("force_").rpartition("_")
    option, size = instance.options[o], instance.policy.force[o][int(year)]
    unit = option.labels.size_unit
    amount = f"{unit} {size:,.6g}" if unit == "level" else f"{size:,.6g} {unit}"
    return f"policy.force: {amount} of {display_name(instance, o)} bought in {year}"
