"""From plain data to an Instance, or to one InstanceError with every finding at once.

document    text to data, with lines                    (document)
sections    each object on its own, so that one fault does not hide another
passes      the named checks, over all that is sound    (checks)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.ensemble import EnsembleSpec
from optimizer.disruptions.shock import ShockSpec
from optimizer.errors import Finding, InstanceError
from optimizer.horizon import Horizon
from optimizer.instance.document import Document, Place, walk
from optimizer.instance.overrides import SCENARIOS as SCENARIOS
from optimizer.instance.overrides import malformed, no_entry, of_scenario, played, usable
from optimizer.instance.ranges import RANGES as RANGES
from optimizer.instance.ranges import RangeSpec, lifted, of_end, shifted, spread, uncertain
from optimizer.instance.schema import RULE, Commodity, Instance, Policy, Region
from optimizer.instance.validation.candidate import Draft, Problem
from optimizer.instance.validation.passes import NAMES, PASSES, sizes_can_be_handled
from optimizer.instance.validation.wording import in_words, no_mapping, noun
from optimizer.levers import KINDS, is_audited, known_kinds
from optimizer.limits import FINDINGS, SCENARIO_VALUES
from optimizer.network.process import Demand, Process
from optimizer.suggestions import excerpt, suggest

SECTIONS: dict[str, type[BaseModel]] = {
    "regions": Region,
    "commodities": Commodity,
    "processes": Process,
    "demands": Demand,
    "options": BaseModel,
    "shocks": ShockSpec,
    "ensembles": EnsembleSpec,
}
_HEADER = ("name", "source", "note", "description", "currency", "discount_rate", "home")
_KNOWN = (*_HEADER, "horizon", *SECTIONS, "policy", "adversary", SCENARIOS, RANGES)


def read(data: Mapping[str, Any], name: str = "data") -> Instance:
    """Check an instance that is already a mapping, as `Instance.to_dict` gives it.

    Raises:
        InstanceError: with every finding.
    """
    return checked(written(data, name))[0]


def written(data: Mapping[str, Any], name: str) -> Document:
    """A mapping as if it were a file of that name."""
    return Document(name, _with_text_keys(data))


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, (list, tuple)) else value


def checked(document: Document) -> tuple[Instance, tuple[Finding, ...]]:
    """The instance that a document holds, and its warnings.

    Raises:
        InstanceError: with every finding.
    """
    instance, own = _examined(document)
    findings, names = list(own), list(usable(document))
    some = names[: _affordable(document)]
    for name in some:
        if len(findings) < FINDINGS:
            findings += of_scenario(name, _examined(played(document, name))[1], own)
    if len(some) < len(names):
        what = f"only the first {len(some):,} of {len(names):,} scenarios are checked, for the file is large"
        findings.append(document.finding((SCENARIOS,), what, "--scenario NAME checks another.", "warning"))
    findings += _at_the_ends(document, instance, findings)
    findings = sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0)
    if any(finding.severity == "error" for finding in findings):
        raise InstanceError(_first(findings))
    assert instance is not None
    return instance, tuple(findings)


def _affordable(document: Document) -> int:
    """How many scenarios of a file can be checked, each with all the rest of the file."""
    own = sum(place[:1] != (SCENARIOS,) for place in document.lines or document.cells)
    # A scenario of its own takes about as long as so many values.
    return max(1, SCENARIO_VALUES // (own + 50))


def _first(findings: Sequence[Finding]) -> list[Finding]:
    """As many findings as are reported at once, errors before warnings, and that others are left out."""
    if len(findings) < FINDINGS:
        return list(findings)
    errors = [finding for finding in findings if finding.severity == "error"]
    what, cure = f"has more than {FINDINGS} findings, of which the first are listed", "Mend these, and check it again."
    more = Finding(findings[0].file, errors[-1].line if errors else None, "", what, cure)
    return [*(errors or findings)[: FINDINGS - 1], more]


def _at_the_ends(document: Document, instance: Instance | None, before: Sequence[Finding]) -> list[Finding]:
    """What is wrong where all uncertain numbers are low, or all are high, and is not where they are."""
    if instance is None or not instance.ranges or any(finding.severity == "error" for finding in before):
        return []
    numbers, result, known = uncertain(document.data, instance.ranges), list[Finding](), frozenset(before)
    for end, position in (("low", -1.0), ("high", 1.0)):
        found = [finding for finding in _examined(shifted(document, numbers, position))[1] if finding not in known]
        result += of_end(end, numbers, found)
    return result


def _examined(document: Document) -> tuple[Instance | None, list[Finding]]:
    """What could be read of a document, and all that is to be said of it."""
    lifted(document)
    reader = _Reader(document)
    draft = reader.read()
    if draft is None:
        return None, reader.findings
    too_large = [document.finding(*problem) for problem in sizes_can_be_handled(draft)]
    if too_large:
        return None, reader.findings + too_large
    for check in PASSES:
        problems = _some(check(draft))
        if check in NAMES and any(severity == "error" for *_, severity in problems):
            draft = replace(draft, resolved=False)
        reader.findings += [document.finding(*problem) for problem in problems]
    return draft.instance, reader.findings


def _some(problems: Iterable[Problem]) -> list[Problem]:
    """As many problems of one pass as are reported, and that there are more; no error is left out for warnings."""
    found: list[Problem] = []
    counts = {"error": 0, "warning": 0}
    for problem in problems:
        severity = problem[-1]
        counts[severity] += 1
        if counts[severity] <= FINDINGS:
            found.append(problem)
        elif counts[severity] == FINDINGS + 1:
            found.append(
                (problem[0], f"more {severity}s of this sort are left out", "Mend the others first.", severity)
            )
            if severity == "error":
                break
    return found


class _TooManyFindingsError(Exception):
    """So many findings that the rest is left out."""


class _Reader:
    """Validates a document object by object and collects what is wrong."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.findings = [*document.findings, *malformed(document)]

    def report(self, place: Place, what: str, cure: str) -> None:
        """Note a finding.

        Raises:
            _TooManyFindingsError: there are as many as are reported at once.
        """
        self.findings.append(self.document.finding(place, what, cure))
        if len(self.findings) >= FINDINGS:
            raise _TooManyFindingsError

    def read(self) -> Draft | None:
        """What could be read; None where there are too many findings to go on."""
        try:
            return self.draft()
        except _TooManyFindingsError:
            return None

    def draft(self) -> Draft:
        data = self.document.data
        for key in data:
            if key not in _KNOWN:
                self.report((key,), f'"{excerpt(key)}" is no key of an instance', suggest(key, _KNOWN, "The keys are"))
        for required in ("horizon", "commodities", "demands"):
            if data.get(required) is None and not (required != "horizon" and required in data):
                self.report((), f"{required} is missing", f"Add `{required}:` at the top level.")
        home = data.get("home")
        horizon = self._one(Horizon, ("horizon",), data.get("horizon")) if data.get("horizon") is not None else None
        parts = {section: self._section(section, home) for section in SECTIONS}
        policy, adversary = self._policy(home), self._adversary(home)
        ranges = self._ranges()
        header = {key: data[key] for key in _HEADER if data.get(key) is not None}
        header |= {"horizon": {"start": 2000, "end": 2000, "step": "year"}, "commodities": {}}
        frame = self._one(Instance, (), header)
        declared = {section: frozenset(key for key, _ in walk(data, section)) for section in SECTIONS}
        sound = not self.findings
        instance = None
        if horizon is not None and frame is not None:
            update = {"horizon": horizon, "policy": policy or Policy(), "adversary": adversary, **parts}
            update |= {SCENARIOS: usable(self.document), RANGES: ranges}
            instance = frame.model_copy(update=update)
        return Draft(instance, declared, sound, resolved=sound)

    def _section(self, section: str, home: Any) -> dict[str, Any]:
        data = self.document.data.get(section)
        if data is not None and not isinstance(data, Mapping):
            self.report((section,), f"{section} is not a mapping", f"Write `{section}:` and one named entry a line.")
        objects = {}
        for name, entry in walk(self.document.data, section):
            found = self._entry(section, name, entry, home)
            if found is not None:
                objects[name] = found
        return objects

    def _entry(self, section: str, name: str, entry: Any, home: Any) -> BaseModel | None:
        place: Place = (section, name)
        entry = {} if entry is None and section == "commodities" else entry
        if not isinstance(entry, Mapping):
            self.report(place, *no_mapping(entry, SECTIONS[section]))
            return None
        if "id" in entry:
            self.report((*place, "id"), '"id" is an unknown key', "Remove it; an object's key is its name.")
        needed = [field for field, info in SECTIONS[section].model_fields.items() if info.is_required()]
        nobody = no_entry(self.document, section, name, ["kind"] if section == "options" else needed)
        if nobody is not None:
            self.findings.append(nobody)
            return None
        model = SECTIONS[section] if section != "options" else self._kind(place, entry)
        return None if model is None else self._one(model, place, complete(section, name, entry, home))

    def _kind(self, place: Place, entry: Mapping[str, Any]) -> type[BaseModel] | None:
        kind = entry.get("kind")
        if kind is None:
            self.report(place, "kind is missing", f"Add `kind:`, one of {', '.join(KINDS)}.")
        elif not isinstance(kind, str):
            self.report((*place, "kind"), f"{noun(kind)} is no kind of option", f"Write one of {', '.join(KINDS)}.")
        elif kind not in KINDS and kind not in known_kinds():
            self.report(
                (*place, "kind"), f'"{excerpt(kind)}" is no kind of option', suggest(str(kind), KINDS, "The kinds are")
            )
        elif not is_audited(kind):
            what = f'plans that buy "{kind}" cannot be audited'
            cure = f"Add its auditor, audit/levers/{kind}.py, or register the lever with `optimizer.register`."
            self.report((*place, "kind"), what, cure)
        return KINDS.get(kind) if isinstance(kind, str) else None

    def _ranges(self) -> dict[str, RangeSpec]:
        data = self.document.data.get(RANGES)
        if data is not None and not isinstance(data, Mapping):
            self.report((RANGES,), "is not a mapping", "Write `ranges:` and one path with its low and high a line.")
        specs = {path: self._one(RangeSpec, (RANGES, path), entry) for path, entry in walk(self.document.data, RANGES)}
        sound = {path: spec for path, spec in specs.items() if spec is not None}
        result, findings = spread(self.document, sound)
        self.findings += findings
        return result

    def _policy(self, home: Any) -> Policy | None:
        entry = self.document.data.get("policy")
        if entry is None:
            return Policy()
        if not isinstance(entry, Mapping):
            self.report(("policy",), *no_mapping(entry, Policy))
            return None
        entry = dict(entry)
        for key in ("max_share", "min_share"):
            if isinstance(entry.get(key), (list, tuple)):
                entry[key] = [at_home(rule, home) for rule in entry[key]]
        if isinstance(entry.get(RULE), (list, tuple)):
            entry[RULE] = [cuts_at_home(rule, home) for rule in entry[RULE]]
        return self._one(Policy, ("policy",), entry)

    def _adversary(self, home: Any) -> AdversarySpec | None:
        entry = self.document.data.get("adversary")
        if entry is None:
            return None
        if not isinstance(entry, Mapping):
            self.report(("adversary",), *no_mapping(entry, AdversarySpec))
            return None
        entry = dict(entry)
        if isinstance(entry.get("targets"), Mapping):
            entry["targets"] = {name: cuts_at_home(target, home) for name, target in entry["targets"].items()}
        return self._one(AdversarySpec, ("adversary",), entry)

    def _one[Model: BaseModel](self, model: type[Model], place: Place, entry: Any) -> Model | None:
        try:
            return model.model_validate(entry)
        except ValidationError as errors:
            for error in errors.errors(include_url=False)[:FINDINGS]:
                self.report(*in_words(model, place, error))
            return None


def complete(section: str, name: str, entry: Mapping[str, Any], home: Any) -> dict[str, Any]:
    """The entry with its own name in it, `home` resolved, and the region of what is at home filled in."""
    whole: dict[str, Any] = at_home(entry, home)
    if section in ("processes", "demands", "options"):
        whole["id"] = name
    kind = entry.get("kind") if section == "options" else None
    if isinstance(kind, str) and KINDS[kind].is_at_home and entry.get("region") is None:
        whole["region"] = home
    if section in ("shocks", "ensembles"):
        whole = cuts_at_home(whole, home)
        if isinstance(whole.get("events"), Mapping):
            whole["events"] = {name: cuts_at_home(event, home) for name, event in whole["events"].items()}
    return whole


def cuts_at_home(entry: Any, home: Any) -> Any:
    """An entry in whose cuts `home` is resolved."""
    if isinstance(entry, Mapping) and isinstance(entry.get("cuts"), (list, tuple)):
        return {**entry, "cuts": [at_home(cut, home) for cut in entry["cuts"]]}
    return entry


def at_home(entry: Any, home: Any) -> Any:
    """An entry in whose region `home` is resolved."""
    if not isinstance(entry, Mapping):
        return entry
    whole = dict(entry)
    region = whole.get("region")
    if home is not None and isinstance(region, (list, tuple)):
        whole["region"] = [home if name == "home" else name for name in region]
    elif home is not None and region == "home":
        whole["region"] = home
    return whole
