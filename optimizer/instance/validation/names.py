"""Checks of names: every name used exists, every segment belongs to one member, and every option to at most one.

Before them the word `home` is replaced by the home region wherever a region is named.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from optimizer.disruptions.ensemble import EnsembleSpec, draw_name, sample_names
from optimizer.disruptions.path import BASELINE
from optimizer.disruptions.shock import ActivitySelector, expand
from optimizer.errors import Place, Problem, Severity, Vocabulary, did_you_mean, nearest
from optimizer.instance.derived import (
    Unchecked,
    activity_section,
    can_expand,
    display_name,
    entries_with_cuts,
    named_regions,
    names_in_cuts,
)
from optimizer.instance.overrides import SCENARIOS
from optimizer.instance.schema import MEMBERS, MIN_TIME_TO_SURVIVE, Instance, Member, ShareRule
from optimizer.levers import KINDS, SHOCK_FIELDS
from optimizer.tolerances import MOST_FINDINGS, MOST_MEMBERS, ROUNDING
from optimizer.units import short

# The word for the home region wherever a region is named, and its name in a file that gives none.
HOME = "home"


def misspelt_keys(data: Mapping[str, Any], known: Sequence[str]) -> dict[str, str]:
    """Return the unknown keys of a file that are probably known ones which it lacks, by the known key."""
    unknown = [key for key in data if key not in known][:MOST_FINDINGS]
    absent = [key for key in known if key not in data]
    near = ((nearest(key, absent), key) for key in unknown)
    return {meant: key for meant, key in near if meant is not None}


def misspelt_kind(entry: Mapping[str, Any]) -> str | None:
    """Return the key of an option without `kind` that was probably meant for it, or None."""
    return nearest("kind", entry.keys() - {field for lever in KINDS.values() for field in lever.model_fields})


def declared_in(section: Any) -> frozenset[str] | None:
    """Return the names that a section declares, as does a list of names, which is no section; None of anything else."""
    if isinstance(section, Mapping) or (isinstance(section, list) and all(isinstance(each, str) for each in section)):
        return frozenset(each for each in section if isinstance(each, str))
    return frozenset() if section is None else None


def _kinds(field: str) -> list[str]:
    """Return the kinds of levers whose class attribute `field` is true."""
    return [kind for kind, lever in KINDS.items() if getattr(lever, field)]


def _names_in(unchecked: Unchecked, noun: str, section: str, more: Iterable[str] = ()) -> Vocabulary:
    """Return the names that a section declares, and more; all words are among them if it cannot be read."""
    declared = unchecked.declared.get(section)
    return Vocabulary((*(declared or ()), *more), noun, is_open=declared is None)


class _Known:
    """The vocabularies of names that a file may use, each built once."""

    def __init__(self, unchecked: Unchecked) -> None:
        self.unchecked, self.instance = unchecked, unchecked.instance
        instance, activities = unchecked.instance, unchecked.instance.activities
        regions, home = {each.region for each in activities.values()}, {instance.home}
        self.commodities = _names_in(unchecked, "commodity", "commodities")
        self.segments = _names_in(unchecked, "segment", "demands")
        self.processes = _names_in(unchecked, "existing process", "processes")
        self.options = _names_in(unchecked, "option", "options")
        deterring = [o for o, option in instance.options.items() if option.is_deterrent]
        self.deterrents = Vocabulary(deterring, f"option of {' or '.join(_kinds('is_deterrent'))}")
        self.activities = _names_in(unchecked, "process or producing option", "processes", more=activities)
        self.kinds = Vocabulary(_kinds("is_activity"), "kind that produces")
        self.regions = Vocabulary(filter(None, regions | home), "region")
        of_processes = (each.region for each in instance.processes.values() if each.region)
        self.regions_of_processes = Vocabulary(of_processes, "region")
        self.stages = Vocabulary((each.stage for each in activities.values() if each.stage), "stage")

    @cached_property
    def cut_names(self) -> Mapping[str, Counter[str]]:
        """How many cuts name each region and stage, by field."""
        return {field: names_in_cuts(self.instance, field) for field in ("region", "stage")}

    def holders(self, field: str, name: str) -> list[Place]:
        """Return the places where a process or option names a region or stage; one of `home` is of no use."""
        instance = self.instance
        found = [each for each, activity in instance.activities.items() if getattr(activity, field) == name]
        return [(activity_section(instance, each), each, field) for each in found if name != instance.home]

    def shock_fields(self) -> dict[str, Vocabulary]:
        """Return, for each field of a shock, the names that it may have as keys."""
        named = {
            field: {o for o, option in self.instance.options.items() if field in option.shock_fields}
            for field in SHOCK_FIELDS
        }
        deal = " or ".join(kind for kind, lever in KINDS.items() if "reliability" in lever.shock_fields)
        costly = [kind for kind, lever in KINDS.items() if "cost" in lever.shock_fields and not lever.is_activity]
        nouns = " or ".join((", ".join(("process", "process option", *costly[:-1])), *costly[-1:]))
        return {
            "demand": self.segments,
            "survival": self.segments,
            "cost": _names_in(self.unchecked, nouns, "processes", more=named["cost"]),
            "reliability": Vocabulary(named["reliability"], deal),
        }


def _resolve(place: Place, word: str, known: Vocabulary) -> Iterator[Problem]:
    if word not in known:
        yield place, f'"{word}" is no {known.noun}', known.cure(word), "error"


def names_resolve(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every name used in the network, in options and in the policy exists."""
    known = _Known(unchecked)
    yield from _names_of_network(known)
    yield from _names_of_options(known)
    yield from _names_of_policy(known)


def _names_of_network(known: _Known) -> Iterator[Problem]:
    instance, commodities = known.instance, known.commodities
    for p, process in instance.processes.items():
        for side in ("input", "output"):
            for commodity in getattr(process, side):
                yield from _resolve(("processes", p, side, commodity), commodity, commodities)
    for name, activity in instance.activities.items():
        if not any(activity.output.values()) and min(activity.cost.values) >= 0:
            what = f"output is {'0' if activity.output else 'missing'}: it makes nothing, and is paid nothing"
            cure = "Add `output: {commodity: tonnes per tonne of activity}`."
            yield (activity_section(instance, name), name), what, cure, "warning"
    for d, demand in instance.demands.items():
        yield from _resolve(("demands", d, "commodity"), demand.commodity, commodities)
        if demand.end_of_life is not None:
            place = ("demands", d, "end_of_life", "commodity")
            yield from _resolve(place, demand.end_of_life.commodity, commodities)


def _names_of_options(known: _Known) -> Iterator[Problem]:
    sections = {
        "commodities": known.commodities,
        "demands": known.segments,
        "processes": known.processes,
        "options": known.options,
    }
    for o, option in known.instance.options.items():
        for reference in option.references():
            place: Place = ("options", o, *reference.place)
            if reference.section in sections:
                yield from _resolve(place, reference.name, sections[reference.section])
            elif known.unchecked.sound:
                yield from _check_region(place, reference.name, known.regions_of_processes, "an existing process")


def _names_of_policy(known: _Known) -> Iterator[Problem]:
    policy, adversary = known.instance.policy, known.instance.adversary
    for field in ("max_share", "min_share"):
        for i, rule in enumerate(getattr(policy, field)):
            yield from _names_of_share(known, ("policy", field, i), rule)
    for i, survival in enumerate(policy.min_time_to_survive):
        yield from _names_of_cuts(known, ("policy", MIN_TIME_TO_SURVIVE, i), survival.cuts)
    for name, target in adversary.targets.items() if adversary else ():
        place: Place = ("adversary", "targets", name)
        yield from _names_of_cuts(known, place, target.cuts)
        for o in target.deterrence:
            if known.unchecked.sound or o not in known.options:
                yield from _resolve((*place, "deterrence", o), o, known.deterrents)
    for o in policy.force:
        yield from _resolve(("policy", "force", o), o, known.options)


def _names_of_share(known: _Known, place: Place, rule: ShareRule) -> Iterator[Problem]:
    yield from _resolve((*place, "commodity"), rule.commodity, known.commodities)
    if rule.kind is not None:
        yield from _resolve((*place, "kind"), rule.kind, known.kinds)
    if rule.region is not None and known.unchecked.sound:
        yield from _check_region((*place, "region"), rule.region, known.regions, "a process or option")
    if rule.region is None and rule.kind is None:
        yield place, "names neither a region nor a kind", "Add `region:` or `kind:`.", "error"


def shock_names_resolve(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every name in the cuts and other fields of shocks and ensembles exists."""
    known = _Known(unchecked)
    fields = known.shock_fields()
    for place, spec in entries_with_cuts(unchecked.instance):
        for field, names in fields.items():
            for name in getattr(spec, field) or ():
                if unchecked.sound or names is known.segments or name not in known.options:
                    yield from _resolve((*place, field, name), name, names)
        yield from _names_of_cuts(known, place, spec.cuts)


def _names_of_cuts(known: _Known, place: Place, cuts: Iterable[ActivitySelector]) -> Iterator[Problem]:
    for k, cut in enumerate(cuts):
        yield from _names_of_cut(known, (*place, "cuts", k), cut)


def _names_of_cut(known: _Known, place: Place, cut: ActivitySelector) -> Iterator[Problem]:
    if cut.region is cut.stage is cut.process is cut.commodity is None:
        cure = "Add at least one of region, stage, process, commodity."
        yield place, "matches everything, since it names nothing", cure, "error"
        return
    is_sound = known.unchecked.sound
    for name in cut.process or ():
        if is_sound or name not in known.options:
            yield from _resolve((*place, "process"), name, known.activities)
    for name in cut.commodity or ():
        yield from _resolve((*place, "commodity"), name, known.commodities)
    if is_sound:
        yield from _check_near_misses(known, (*place, "region"), cut.region, known.regions)
        yield from _check_near_misses(known, (*place, "stage"), cut.stage, known.stages)


def _check_region(place: Place, word: str, known: Vocabulary, noun: str) -> Iterator[Problem]:
    """Report an unknown region: an error if its name is close to a known one, else a warning."""
    if word not in known:
        severity: Severity = "error" if known.nearest(word) else "warning"
        yield place, f'"{word}" is not the region of {noun}', known.cure(word), severity


def _check_near_misses(
    known: _Known, place: Place, names: Iterable[str] | None, vocabulary: Vocabulary
) -> Iterator[Problem]:
    """Report unknown names that are close to a known one as errors; the others are left to `cuts_match`.

    Where the known one stands in one place, and the unknown one in several cuts, the known one is misspelt.
    """
    for name in names or ():
        near = vocabulary.nearest(name) if name not in vocabulary else None
        if near is None:
            continue
        holders, count = known.holders(vocabulary.noun, near), known.cut_names[vocabulary.noun][name]
        if len(holders) == 1 and count > 1 and not known.cut_names[vocabulary.noun][near]:
            what = f'the {vocabulary.noun} "{near}" occurs only here, while {count} cuts name "{name}"'
            yield holders[0], what, f'Did you mean "{name}"?', "error"
        else:
            yield place, f'"{name}" is the {vocabulary.noun} of no process', f'Did you mean "{near}"?', "error"


def regions_are_named(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every entry of the section `regions` is the region of a process or option, or home."""
    if not unchecked.sound:
        return
    known = named_regions(unchecked.instance)
    for region in unchecked.instance.regions:
        if region not in known:
            cure = did_you_mean(region, known, "Remove it, or name it as the region of a process.")
            yield ("regions", region), "no process or option is in this region", cure, "warning"


def words_are_not_blank(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that no id, region, stage or name of a scenario is empty or has blanks or typographic quotes around it."""
    for place, word in _list_words(unchecked):
        if not word or word != word.strip():
            what = f'"{word}" has blanks around it' if word.strip() else "is empty"
            yield place, what, "Write a word without blanks around it, or remove it.", "warning"
        elif (bare := word.strip("“”„‟‘’‚«»")) != word:
            what = f"{word} has typographic quotes around it, which are part of the name"
            yield place, what, f"Write {bare}.", "warning"


def currency_has_a_code(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that the first word of the currency has a letter: a sign such as $ stands for several currencies."""
    code = unchecked.instance.money
    if not any(map(str.isalpha, code)):
        what = f'"{code}" does not say which currency all money is in'
        yield ("currency",), what, "Write its code, and the year of its prices: USD of 2025.", "warning"


def _list_words(unchecked: Unchecked) -> Iterator[tuple[Place, str]]:
    """Yield every id, region, stage and scenario name of the file, with its place; an empty text without a value."""
    for section, ids in unchecked.declared.items():
        yield from (((section, name), name) for name in ids)
    yield from (((SCENARIOS, name), name) for name in unchecked.instance.scenarios)
    for name, activity in unchecked.instance.activities.items():
        place = (activity_section(unchecked.instance, name), name)
        for field in ("region", "stage"):
            if field in activity.model_fields_set:
                yield (*place, field), getattr(activity, field) or ""


def names_are_distinct(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that no option has the name of a process, so that a cut or cost factor refers to one object."""
    yield from shared_names(unchecked.declared)


def shared_names(declared: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Report options with the name of an existing process, from the names that sections declare."""
    for name in sorted(declared.get("processes", frozenset()) & declared.get("options", frozenset())):
        yield ("options", name), "is also the name of an existing process", "Give one of the two another name.", "error"


# The noun for a name in each field of a member, which has the name of its section.
_NOUNS = {"demands": "segment", "processes": "existing process", "options": "option"}
# The cure if two members have the same name in such a field.
_CURES_OF_SHARED = {
    "demands": "Split the segment, one for each member.",
    "options": "Leave it out of both: every coalition can buy what no member brings.",
}


def members_add_up(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that names in members exist, segments belong to one member each, and options to at most one."""
    members = unchecked.instance.members
    yield from _check_member_count(len(unchecked.names(MEMBERS)))
    yield from _names_of_members(unchecked)
    yield from _check_shared_names(unchecked)
    yield from _check_process_shares(unchecked)
    if members and unchecked.sound and all(map(unchecked.names("demands").issuperset, _demands_of(members))):
        yield from _check_segment_owners(unchecked)
    without = [name for name, member in members.items() if member.budget is None]
    if without and len(without) < len(members):
        what = "no budget, while other members have one: the sum of those is not that of a coalition"
        yield (MEMBERS, without[0]), what, "Write a budget for every member, or for none.", "error"


def _demands_of(members: Mapping[str, Member]) -> Iterator[Sequence[str]]:
    return (member.demands for member in members.values())


def _names_of_members(unchecked: Unchecked) -> Iterator[Problem]:
    for field, noun in _NOUNS.items():
        known = _names_in(unchecked, noun, field)
        for name, member in unchecked.instance.members.items():
            for word in getattr(member, field):
                yield from _resolve((MEMBERS, name, field), word, known)


def _check_shared_names(unchecked: Unchecked) -> Iterator[Problem]:
    for field, cure in _CURES_OF_SHARED.items():
        first, noun = dict[str, str](), _NOUNS[field]
        for name, member in unchecked.instance.members.items():
            for word in getattr(member, field):
                holder = first.setdefault(word, name)
                if holder != name:
                    yield (MEMBERS, name, field), f'the {noun} "{word}" belongs to {holder} too', cure, "error"


def _check_process_shares(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that the shares of each process that members bring add to 1."""
    shares, last = dict[str, list[float]](), dict[str, str]()
    for name, member in unchecked.instance.members.items():
        for p, share in member.processes.items():
            shares.setdefault(p, []).append(share)
            last[p] = name
    for p, parts in shares.items():
        total, place = math.fsum(parts), (MEMBERS, last[p], "processes")
        if total > 1.0 + ROUNDING:
            what = f'the shares of "{p}" add to {short(total)}'
            yield place, what, "Write {process: share} with shares that add to 1.", "error"
        elif total < 1.0 - ROUNDING:
            what = f'the shares of "{p}" add to {short(total)}: no member and no coalition has the rest'
            yield place, what, "Write shares that add to 1, or a smaller capacity.", "warning"


def _check_segment_owners(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every segment belongs to a member."""
    instance = unchecked.instance
    owned = {d for member in instance.members.values() for d in member.demands}
    for d in instance.demands:
        if d not in owned:
            what = f'the segment "{d}" belongs to no member: no coalition would serve it'
            yield (MEMBERS,), what, "Add it to the demands of a member.", "error"


def _check_member_count(count: int) -> Iterator[Problem]:
    if count > MOST_MEMBERS:
        what = f"{count} members make {2.0**count - 1:,.0f} coalitions, more than can be solved"
        yield (MEMBERS,), what, f"Write at most {MOST_MEMBERS}: let some of them plan as one.", "error"
    if count == 1:
        yield (MEMBERS,), "one member is alone: there is no coalition", "Write two or more, or none.", "error"


def display_names_are_distinct(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that display names are distinct within a section (options: within a kind), and that tables show them."""
    for section in ("regions", "commodities", "processes", "demands", "options"):
        seen: dict[tuple[str, str], str] = {}
        for key, each in getattr(unchecked.instance, section).items():
            first = seen.setdefault((each.name or key, getattr(each, "kind", "")), key)
            if first != key:
                what = f'has the same name as {first}, "{each.name or key}": tables cannot distinguish the two'
                yield (section, key, "name"), what, "Give one of the two another name.", "warning"
            shown = display_name(unchecked.instance, key)
            if section != "regions" and shown != (each.name or key):
                what = f'has the key of something else: tables show the name of that, "{shown}"'
                yield (section, key), what, "Give one of the two another key.", "warning"


# Names of shocks.


def shock_names_are_distinct(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that names of events, entries and policy rules are distinct, and differ from that of the baseline."""
    if not can_expand(unchecked.instance):
        return
    instance = unchecked.instance
    seen = {BASELINE: "the baseline"} | dict.fromkeys(instance.rule_paths, "a rule of the policy")
    for s, spec in instance.shocks.items():
        for event in expand(s, spec, instance.horizon):
            owner = f"an event of {s}" if spec.is_family else f"the shock {s}"
            other = seen.setdefault(event.name, owner)
            if other != owner:
                yield ("shocks", s), f'"{event.name}" is also the name of {other}', "Give it another name.", "error"
    for e, ensemble in instance.ensembles.items():
        yield from _check_ensemble_names(instance, e, ensemble, seen)
        yield from _check_draw_labels(e, ensemble)


def _check_ensemble_names(
    instance: Instance, e: str, ensemble: EnsembleSpec, seen: Mapping[str, str]
) -> Iterator[Problem]:
    """Report names that an ensemble or its samples share with others; samples of two ensembles differ before ``#``."""
    other, cure = f"the shock {e}" if e in instance.shocks else seen.get(e), "Give one of the two another name."
    if other:
        yield ("ensembles", e), f'"{e}" is also the name of {other}', cure, "error"
    sample = next((name for name in sample_names(e, ensemble) if name in seen), None)
    if sample is not None:
        yield ("ensembles", e), f'"{sample}", a sample, is also the name of {seen[sample]}', cure, "error"


def _check_draw_labels(e: str, ensemble: EnsembleSpec) -> Iterator[Problem]:
    """Report labels of draws that equal the default label of an unlabelled cut: the cuts would share one draw."""
    events = ensemble.whole_events()
    cuts = [(name, i, cut) for name, event in events.items() for i, cut in enumerate(event.cuts)]
    own = {draw_name(cut, name, i) for name, i, cut in cuts if cut.draw is None}
    for name, i, cut in cuts:
        if cut.draw in own:
            place = ("ensembles", e, *(("events", name) if ensemble.events else ()), "cuts", i, "draw")
            what = f'"{cut.draw}" is also the name of the draw of a cut without a label'
            yield place, what, "Give it another label.", "error"


_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: float(number) for number, word in enumerate(_NUMBERS, 1)}
_NUMBER_WORDS |= {"fifteen": 15.0, "eighteen": 18.0, "twenty-four": 24.0, "thirty-six": 36.0}
# A word after a hyphen is part of another number: forty-two.
_LENGTH_IN_NAME = re.compile(rf"(\d+(?:\.\d+)?|(?<![\w-])(?:{'|'.join(_NUMBER_WORDS)}))[ -]months?\b", re.IGNORECASE)


def names_of_shocks_match_their_durations(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that months in the name of a shock match its duration: one of the numbers, or their sum, equals it."""
    for s, spec in unchecked.instance.shocks.items():
        found = map(str.lower, _LENGTH_IN_NAME.findall(spec.name or ""))
        said = [_NUMBER_WORDS[word] if word in _NUMBER_WORDS else float(word) for word in found]
        lengths = spec.durations.values
        if said and lengths and not {*said, math.fsum(said)} & {*lengths}:
            written = " or ".join(f"{number:g}" for number in lengths)
            what = f'lasts {written} months, but its name is "{spec.name}"'
            yield ("shocks", s, "months"), what, f"Change shocks.{s}.name as well.", "warning"


def home_of(data: Mapping[str, Any]) -> Any:
    """Return the home region of a file; without the key it is ``home`` if anything refers to it, else None."""
    given = data.get("home")
    if isinstance(given, bool | Mapping | list | tuple):
        return None  # no region, which is a finding once, not wherever the home region is meant
    return HOME if given is None and (_has_option_at_home(data.get("options")) or _names_home(data)) else given


def _has_option_at_home(options: Any) -> bool:
    """Return whether an option without a region is of a kind that stands in the home region."""
    entries = [each for each in options.values() if isinstance(each, Mapping)] if isinstance(options, Mapping) else []
    kinds = [each.get("kind") for each in entries if each.get("region") is None]
    return any(isinstance(kind, str) and kind in KINDS and KINDS[kind].is_at_home for kind in kinds)


def _names_home(value: Any) -> bool:
    """Return whether the word `home` is written anywhere as a region."""
    if isinstance(value, Mapping):
        return any((k == "region" and HOME in _listed(item)) or _names_home(item) for k, item in value.items())
    return isinstance(value, (list, tuple)) and any(map(_names_home, value))


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def resolve_home(value: Any, home: Any) -> Any:
    """Return plain data with the word `home` replaced by the home region wherever a region is named."""
    if home is None:
        return value
    if isinstance(value, Mapping):
        return {k: _region(item, home) if k == "region" else resolve_home(item, home) for k, item in value.items()}
    return [resolve_home(item, home) for item in value] if isinstance(value, (list, tuple)) else value


def _region(value: Any, home: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_region(item, home) for item in value]
    return home if value == HOME else value
