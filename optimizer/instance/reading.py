"""Conversion of plain data to an Instance, or to one InstanceError that lists all findings.

document    text to data, with line numbers                       (`document`, `text`)
sections    each object on its own, so that one error does not hide another
checks      over all well-formed objects                          (`CHECKS`, `validation`)
            checks that would only report consequences of an unknown name run once all names resolve
futures     the same in each future of the file
variants    the same under each scenario, and with all uncertain numbers low, then high
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.ensemble import EnsembleSpec
from optimizer.disruptions.shock import ShockSpec
from optimizer.errors import Finding, InstanceError, Place, Problem, did_you_mean, excerpt, suggest
from optimizer.horizon import Horizon
from optimizer.instance.derived import Unchecked
from optimizer.instance.document import Document, document_of, entries_in, limit_findings
from optimizer.instance.overrides import (
    SCENARIOS,
    apply_branches,
    apply_scenarios,
    check_scenarios,
    findings_of_scenario,
    missing_entry,
    sound_scenarios,
)
from optimizer.instance.questions import FUTURES, Question, count_futures, find_ways
from optimizer.instance.ranges import (
    RANGES,
    RangeSpec,
    UncertainInput,
    assign_ranges,
    lift_ranges,
    list_uncertain,
    name_ranges,
    shift_to_end,
    unexplained,
)
from optimizer.instance.schema import MEMBERS, Commodity, Instance, Member, Policy, Region
from optimizer.instance.validation import decisions, lint, messages, names, supply
from optimizer.instance.validation.futures import (
    attribute,
    branch_variants,
    data_known_early,
    futures_fit,
    questions_are_sound,
)
from optimizer.levers import KINDS, is_audited, known_kinds
from optimizer.network.process import Demand, Process
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result, require_result
from optimizer.tolerances import MOST_FINDINGS, SCENARIO_VALUES

Check = Callable[[Unchecked], Iterator[Problem]]
_NAMES: tuple[Check, ...] = (names.names_resolve, names.shock_names_resolve)
_ONCE_NAMES_RESOLVE: tuple[Check, ...] = (
    decisions.cuts_match,
    supply.floors_have_a_source,
    supply.inputs_can_be_obtained,
    supply.commodities_are_of_use,
    supply.entries_are_complete,
    supply.amounts_can_be_used,
)
CHECKS: tuple[Check, ...] = (
    *_NAMES,
    names.names_are_distinct,
    decisions.options_can_be_bought_in_time,
    decisions.sizes_are_possible,
    decisions.ties_are_between_fixed_charge_options,
    decisions.required_options_can_be_opened,
    decisions.shocks_are_inside_the_horizon,
    names.shock_names_are_distinct,
    names.names_of_shocks_match_their_durations,
    decisions.probabilities_add_up,
    decisions.cuts_match,
    decisions.rules_have_an_effect,
    decisions.adversary_can_act,
    decisions.forced_purchases_are_possible,
    supply.gap_price_is_a_multiple,
    names.members_add_up,
    supply.floors_have_a_source,
    supply.inputs_can_be_obtained,
    supply.commodities_are_of_use,
    supply.actual_outputs_can_be_compared,
    supply.restarts_take_time,
    supply.upkeep_costs_less_than_building,
    supply.operating_costs_are_plausible,
    supply.entries_are_complete,
    supply.amounts_can_be_used,
    decisions.ranges_have_an_effect,
    decisions.released_stock_is_paid_for,
    names.regions_are_named,
    lint.floors_have_a_shortage_cost,
    supply.options_pass_their_own_checks,
    lint.options_have_an_effect,
    names.display_names_are_distinct,
    lint.purchases_are_not_free,
    lint.salvaged_stock_is_left_by_shocks,
    lint.magnitudes_are_plausible,
    lint.multipliers_are_plausible,
    lint.ids_can_be_distinguished,
    names.words_are_not_blank,
    names.currency_has_a_code,
    lint.regions_can_be_distinguished,
    lint.home_is_the_region_of_an_activity,
)
# The checks that find errors: lint only warns.
_ERROR_CHECKS = [each for each in CHECKS if each.__module__ != lint.__name__]
SECTION_MODELS: dict[str, type[BaseModel]] = {
    "regions": Region,
    "commodities": Commodity,
    "processes": Process,
    "demands": Demand,
    "options": BaseModel,
    "shocks": ShockSpec,
    "ensembles": EnsembleSpec,
    FUTURES: Question,
    MEMBERS: Member,
}
_HEADER = ("name", "source", "note", "description", "currency", "discount_rate", "home")
_REQUIRED = ("horizon", "commodities", "demands")
_KNOWN = (*_HEADER, "horizon", *SECTION_MODELS, "policy", "adversary", SCENARIOS, RANGES)


def read(data: Mapping[str, Any], name: str = "data") -> Instance:
    """Build and check an instance from a mapping, such as that of `Instance.to_dict`; findings name it `name`.

    Raises:
        InstanceError: the data make no valid instance; the error lists every finding.
        TypeError: the data are no mapping.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"read takes a mapping, not {type(data).__name__}; load reads an instance from a file")
    return check_document(document_of(data, name))[0]


def instance_of(result: Result | FuturesResult, known: Instance | None = None) -> Instance:
    """Return the instance of a result: the solved one, else `known`, else the one in its data, which is read once.

    Raises:
        InstanceError: the instance in a saved plan is no longer valid.
        TypeError: `result` is no result.
    """
    require_result(result)
    if result.solved_instance is None:
        object.__setattr__(result, "solved_instance", known or read(result.data))
    found: Instance = result.solved_instance
    return found


def read_document(document: Document) -> tuple[Instance | None, list[Finding]]:
    """Build the instance of a document with findings about single objects only, without the checks across objects."""
    lift_ranges(document)
    reader = _Reader(document)
    return reader.read(), reader.findings


def read_with_errors(document: Document) -> tuple[Instance | None, list[Finding]]:
    """Build the instance of a document, with its errors; its futures are not checked."""
    instance, findings = _examine(document, _ERROR_CHECKS)
    return instance, [finding for finding in findings if finding.severity == "error"]


def check_document(document: Document) -> tuple[Instance, tuple[Finding, ...]]:
    """Build the instance of a document and check it; return it with its warnings.

    Raises:
        InstanceError: the document has errors; the exception lists every finding.
    """
    if document.own is None:
        # An original, not a copy: its data may have been changed since parts of it were validated.
        document.known = {}
    instance, own = _examine_whole(document)
    findings, scenarios = [*document.warnings, *own], list(sound_scenarios(document))
    futures = count_futures(instance.futures) if instance is not None and instance.futures else 0
    checked = scenarios[: max(1, _affordable_variants(document) // (1 + futures))]
    for name in checked:
        if len(findings) < MOST_FINDINGS:
            findings += findings_of_scenario(name, _examine_whole(apply_scenarios(document, name))[1], own)
    if len(checked) < len(scenarios):
        what = f"only the first {len(checked):,} of {len(scenarios):,} scenarios are checked, for the file is large"
        findings.append(document.finding((SCENARIOS,), what, "--scenario NAME checks another.", "warning"))
    findings += _errors_at_ends(document, instance, findings)
    findings += [*_warn_of_empty_keys(document, findings), *_warn_of_idle_shocks(document, instance)]
    findings = sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0)
    if any(finding.severity == "error" for finding in findings):
        raise InstanceError(limit_findings(findings))
    assert instance is not None
    return instance, tuple(findings)


def _warn_of_empty_keys(document: Document, before: Sequence[Finding]) -> list[Finding]:
    """Return a warning for each key of a file that has no value and no other finding: it is read as if left out.

    Scenarios and branches remove values on purpose, and a commodity may have no fields: they are not searched.
    """
    known = {finding.where for finding in before}
    found = list[Finding]()
    for place in document.empty_places((SCENARIOS, "set", "commodities")):
        what = f"has no value, and is read as if it were left out{messages.default_of(Instance, place)}"
        each = document.finding(place, what, "Write a value, or remove the key.", "warning")
        if each.where not in known and not document.explains(each) and len(found) < MOST_FINDINGS:
            found.append(each)
    return found


def _warn_of_idle_shocks(document: Document, instance: Instance | None) -> list[Finding]:
    """Return a warning for each shock whose severities are all 0 in the file itself: a scenario may leave it out so."""
    return [] if instance is None else [document.finding(*each) for each in decisions.shocks_cut_something(instance)]


def _affordable_variants(document: Document) -> int:
    """Return how many scenarios or futures may be checked, at least 1; each takes a check of the whole file."""
    own = sum(place[:1] not in ((SCENARIOS,), (FUTURES,)) for place in document.lines or document.cells)
    # Checking a scenario takes about as long as reading this number of values.
    return max(1, SCENARIO_VALUES // (own + 50))


def _errors_at_ends(document: Document, instance: Instance | None, before: Sequence[Finding]) -> list[Finding]:
    """Return the errors that occur only with all uncertain inputs at their low ends, or all at their high ends."""
    if instance is None or not instance.ranges or any(finding.severity == "error" for finding in before):
        return []
    inputs, known = list_uncertain(document.data, instance.ranges), frozenset(before)
    return [
        name_ranges(finding, inputs, end)
        for end, position in (("low", -1.0), ("high", 1.0))
        for finding in _errors_of_shifted(document, shift_to_end(document, inputs, position), inputs)
        if finding not in known
    ]


def _errors_of_shifted(document: Document, shifted: Document, numbers: Sequence[UncertainInput] = ()) -> list[Finding]:
    """Return the errors of a copy with shifted numbers, reported at the lines of the ranges of these numbers."""
    found = [finding for finding in _examine(shifted, _ERROR_CHECKS)[1] if finding.severity == "error"]
    if not found or not numbers:
        return found
    shifted.overrides |= {each.place: document.finding((RANGES, each.path), "", "") for each in numbers}
    return _errors_of_shifted(document, shifted)


def _examine(document: Document, checks: Iterable[Check] = CHECKS) -> tuple[Instance | None, list[Finding]]:
    """Build the instance of a document as far as possible, and collect the findings of the given checks."""
    lift_ranges(document)
    reader = _Reader(document)
    instance = reader.read()
    if instance is not None:
        sound = not reader.findings
        problems = [*find_problems(Unchecked(instance, reader.declared, sound, resolved=sound), checks)]
    else:
        problems = [*names.shared_names(reader.declared)]
        if reader.timeless is not None:
            problems += find_problems(Unchecked(reader.timeless, reader.declared, sound=False, resolved=False), _NAMES)
    return instance, [*reader.findings, *(f for p in problems if not document.explains(f := document.finding(*p)))]


def _examine_whole(document: Document) -> tuple[Instance | None, list[Finding]]:
    """Build the instance of a document, and collect its findings, including those in its futures."""
    instance, found = _examine(document)
    if instance is None:
        return None, found
    found += (wrong := [document.finding(*problem) for problem in questions_are_sound(instance)])
    if instance.futures and not any(finding.severity == "error" for finding in wrong) and len(found) < MOST_FINDINGS:
        found += _findings_in_futures(document, instance, found)
    return instance, found


def _findings_in_futures(document: Document, base: Instance, before: Sequence[Finding]) -> list[Finding]:
    """Return the findings in futures that the file itself does not have; without errors, also data known too early."""
    ways, most, declared = find_ways(base.futures, base.horizon), _affordable_variants(document), _declare(document)
    distinct = sorted({way.key: i for i, way in reversed([*enumerate(ways)])}.values())
    found = dict[int, list[Finding]]()
    for i in distinct[:most]:
        made = apply_branches(document, ways[i].changes)
        future, found[i] = _examine(made)
        if future is not None:
            found[i] += [made.finding(*each) for each in futures_fit(base, future, declared, _declare(made))]
    findings = attribute(document, found, ways, before)
    if len(distinct) > most:
        what = f"only the first {most:,} of {len(distinct):,} futures are checked, for the file is large"
        findings.append(document.finding((FUTURES,), what, "--future NAME checks another.", "warning"))
    if not any(finding.severity == "error" for finding in (*before, *findings)):
        findings += [document.finding(*problem) for problem in _warn_of_early_data(document, base)]
    return findings


def _warn_of_early_data(document: Document, base: Instance) -> Iterator[Problem]:
    """Yield warnings on data that differ between the branches of a question before it is answered."""
    for place, question, above in branch_variants(base.futures):
        made = dict[str, tuple[Instance, Mapping[Place, Place]]]()
        for b, branch in question.branches.items():
            own = (*place, "branches", b)
            copy = apply_branches(document, (*above, (own, branch)))
            instance, _ = read_document(copy)
            if instance is not None:
                made[b] = instance, copy.set_by(own)
        yield from data_known_early(place, question, made)


def _declare(document: Document) -> dict[str, frozenset[str]]:
    """Return the names that each section declares, including those of faulty objects; a faulty section is left out."""
    meant = names.misspelt_keys(document.data, _KNOWN)
    given = dict.fromkeys(_REQUIRED, "missing") | document.data
    found = {each: names.declared_in(given.get(meant.get(each, each))) for each in SECTION_MODELS}
    return {section: declared for section, declared in found.items() if declared is not None}


class _TooManyFindingsError(Exception):
    """The maximum number of findings is reached, so that reading stops."""


class _Reader:
    """Validates a document object by object and collects findings."""

    timeless: Instance | None = None  # the instance with a horizon of one year, for checks of names alone

    def __init__(self, document: Document) -> None:
        self.document, self.home = document, names.home_of(document.data)
        self.findings = [*document.findings, *check_scenarios(document)]
        self.declared: dict[str, frozenset[str]] = {}

    def report(self, place: Place, what: str, cure: str) -> None:
        """Add a finding.

        Raises:
            _TooManyFindingsError: the maximum number of findings is reached.
        """
        found = self.document.finding(place, what, cure)
        self.findings += [] if self.document.explains(found) else [found]
        if len(self.findings) >= MOST_FINDINGS:
            raise _TooManyFindingsError

    def read(self) -> Instance | None:
        """Return the instance of all well-formed objects; None without a horizon, or with too many findings."""
        try:
            return self._read()
        except _TooManyFindingsError:
            self.declared = {}
            return None

    def _read(self) -> Instance | None:
        self._check_keys()
        data, self.declared = self.document.data, _declare(self.document)
        horizon = self._read_part("horizon", Horizon)
        parts: dict[str, Any] = {section: self._read_section(section) for section in SECTION_MODELS}
        parts["policy"] = self._read_part("policy", Policy) or Policy()
        parts["adversary"] = self._read_part("adversary", AdversarySpec)
        parts |= {RANGES: self._read_ranges(), SCENARIOS: sound_scenarios(self.document)}
        given = {**data, "home": self.home or data.get("home")}
        header = {key: given[key] for key in _HEADER if given.get(key) is not None}
        blank = {"horizon": {"start": 2000, "end": 2000, "step": "year"}, "commodities": {}}
        frame = self._validate(Instance, (), header | blank) or Instance.model_validate(blank)
        self.timeless = frame.model_copy(update=parts)
        return None if horizon is None else frame.model_copy(update={"horizon": horizon, **parts})

    def _check_keys(self) -> None:
        data = self.document.data
        given = {*data, *names.misspelt_keys(data, _KNOWN)}
        absent = [key for key in _KNOWN if key not in data]
        for key in data:
            if key not in _KNOWN:
                # A key that the file lacks is rather meant than one that it has.
                cure = did_you_mean(key, absent, suggest(key, _KNOWN, "The keys are"))
                self.report((key,), f'"{excerpt(key)}" is no key of an instance', cure)
        for required in _REQUIRED:
            # A section may be empty, a horizon may not.
            if required not in given or (required == "horizon" and data.get(required, "misspelt") is None):
                self.report((), f"{required} is missing", f"Add `{required}:` at the top level.")

    def _read_part[Model: BaseModel](self, key: str, model: type[Model]) -> Model | None:
        """Return the object under a top-level key of the file; None if it is absent or faulty."""
        entry = self.document.data.get(key)
        make = partial(self._validate, model, (key,), names.resolve_home(entry, self.home))
        return None if entry is None else self._read_once((key,), entry, make)

    def _read_section(self, section: str) -> dict[str, Any]:
        data = self.document.data.get(section)
        if data is not None and not isinstance(data, Mapping):
            self.report((section,), f"{section} is not a mapping", f"Write `{section}:` and one named entry a line.")
        objects = {}
        for name, entry in entries_in(self.document.data, section):
            found = self._read_once((section, name), entry, partial(self._read_entry, section, name, entry))
            if found is not None:
                objects[name] = found
        return objects

    def _read_once[Made](self, place: Place, entry: Any, make: Callable[[], Made]) -> Made:
        """Return `make()` for the entry at a place, once for all copies that share it; findings clear the cache."""
        before = len(self.findings)
        made = self.document.once(place, (entry, self.home), make)
        if len(self.findings) > before:
            self.document.known.clear()
        return made

    def _read_entry(self, section: str, name: str, entry: Any) -> BaseModel | None:
        place: Place = (section, name)
        entry = {} if entry is None and section == "commodities" else entry
        if not isinstance(entry, Mapping):
            self.report(place, *messages.no_mapping(entry, SECTION_MODELS[section]))
            return None
        if "id" in entry:
            self.report((*place, "id"), '"id" is an unknown key', "Remove it; an object's key is its name.")
        model = SECTION_MODELS[section]
        absent = missing_entry(self.document, section, name, _required_keys(section, model))
        if absent is not None:
            self.findings.append(absent)
            return None
        kind = self._read_kind(place, entry) if section == "options" else model
        return None if kind is None else self._validate(kind, place, _complete(section, name, entry, self.home))

    def _read_kind(self, place: Place, entry: Mapping[str, Any]) -> type[BaseModel] | None:
        kind, kinds = entry.get("kind"), ", ".join(KINDS)
        if kind is None and (near := names.misspelt_kind(entry)) is not None:
            self.report((*place, near), f'"{excerpt(near)}" is an unknown key', 'Did you mean "kind"?')
        elif kind is None:
            self.report((*place, "kind"), "kind is missing", f"Add `kind:`, one of {kinds}.")
        elif not isinstance(kind, str):
            self.report((*place, "kind"), f"{messages.noun(kind)} is no kind of option", f"Write one of {kinds}.")
        elif kind not in KINDS and kind not in known_kinds():
            cure = f"The kinds are {kinds}; name a file that has others by --plugin FILE.py, or import it in Python."
            self.report((*place, "kind"), f'"{excerpt(kind)}" is no kind of option', did_you_mean(kind, KINDS, cure))
        elif not is_audited(kind):
            what = f'plans that buy "{kind}" cannot be audited'
            cure = f"Add its auditor, audit/levers/{kind}.py, or register the lever with `optimizer.register`."
            self.report((*place, "kind"), what, cure)
        return KINDS.get(kind) if isinstance(kind, str) else None

    def _read_ranges(self) -> dict[str, RangeSpec]:
        data = self.document.data.get(RANGES)
        if data is not None and not isinstance(data, Mapping):
            self.report((RANGES,), "is not a mapping", "Write `ranges:` and one path with its low and high a line.")
        specs = {
            path: self._read_once((RANGES, path), entry, partial(self._validate, RangeSpec, (RANGES, path), entry))
            for path, entry in entries_in(self.document.data, RANGES)
        }
        sound = {path: spec for path, spec in specs.items() if spec is not None}
        result, findings = assign_ranges(self.document, sound)
        self.findings += unexplained(findings, {finding.where for finding in self.findings})
        return result

    def _validate[Model: BaseModel](self, model: type[Model], place: Place, entry: Any) -> Model | None:
        try:
            return model.model_validate(entry)
        except ValidationError as errors:
            for problem in messages.describe_errors(model, place, entry, errors.errors(include_url=False)):
                self.report(*problem)
            return None


def _required_keys(section: str, model: type[BaseModel]) -> list[str]:
    """Return the fields that an entry of a section must have."""
    if section == "options":
        return ["kind"]
    return [field for field, info in model.model_fields.items() if info.is_required()]


def _complete(section: str, name: str, entry: Mapping[str, Any], home: Any) -> dict[str, Any]:
    """Return the entry with its id, with `home` resolved, and with the home region where its kind implies it."""
    whole: dict[str, Any] = dict(names.resolve_home(entry, home))
    if section in ("processes", "demands", "options"):
        whole["id"] = name
    if section == "options" and home is not None and KINDS[whole["kind"]].is_at_home and whole.get("region") is None:
        whole["region"] = home
    return whole


def find_problems(unchecked: Unchecked, checks: Iterable[Check]) -> Iterator[Problem]:
    """Yield all problems that the checks find; for an instance that is too large to check, only that problem."""
    too_large = list(decisions.instance_is_small_enough(unchecked))
    yield from too_large
    for check in checks if not too_large else ():
        if check in _ONCE_NAMES_RESOLVE and not unchecked.resolved:
            continue
        found = _limit_problems(check(unchecked))
        if check in _NAMES and any(severity == "error" for *_, severity in found):
            unchecked = replace(unchecked, resolved=False)
        yield from found


def _limit_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return up to `MOST_FINDINGS` errors and `MOST_FINDINGS` warnings of one check, with a note if there are more."""
    found: list[Problem] = []
    counts = {"error": 0, "warning": 0}
    for problem in problems:
        place, *_, severity = problem
        counts[severity] += 1
        if counts[severity] <= MOST_FINDINGS:
            found.append(problem)
        elif counts[severity] == MOST_FINDINGS + 1:
            found.append((place, f"more {severity}s of this sort are left out", "Correct the others first.", severity))
            if severity == "error":
                break
    return found
