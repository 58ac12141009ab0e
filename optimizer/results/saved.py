"""Plan files: results of one future and of several as JSON, with checks for contradictions within a file.

SavedPlan        base class of both results
read_plan_json   the object of a plan file
is_of_futures    whether the object is of several futures
CommittedMoney   money that somebody has spent or pledged already
NOT_EVIDENCE     parts of a file that `verify` does not recompute, and why
digest           a checksum of all other parts
check_record     whether outputs can show those parts that are not recomputed
differences      differences between a file and the values implied by its parts
Bands            quantiles of results over samples of the uncertain numbers; `<name>.bands.json` next to an instance
                 file stores them with the checksum of the instance, so that bands of another instance are never shown
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Self, TypedDict

from pydantic import Field, TypeAdapter, ValidationError

from optimizer import arguments
from optimizer.errors import REPORT_FORMS, PlanFileError, said_of_misfit
from optimizer.files import INSTANCES, UndecodableTextError, answer_path, read_json, write_whole
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import ReadOnly
from optimizer.tolerances import SAME_VALUE

# Parts that neither the digest nor the audit covers, since no figure of the plan follows from them. Some are printed
# unchecked: `UNCHECKED`.
NOT_EVIDENCE: Mapping[str, str] = {
    "notes": "text",
    "changes": "what was changed in the file, as text",
    "comments": "text of the instance file",
    "binding": "shadow prices, which need not be unique",
    "settings": "what was asked of the solver",
    "history": "the course of the search",
    "seconds": "times",
    "versions": "versions",
    "bands": "plans of samples of other numbers",
    "audit": "the record of an earlier audit",
}
UNCHECKED = (
    "What binds, bands, changes, notes, the record of the audit, seconds and versions are printed as the file has "
    "them, unchecked."
)
# Keys that earlier formats lack, with the format that introduced them; `*` stands for any place in a list.
FORMAT_OF_KEY: Mapping[str, int] = dict.fromkeys(
    ("digest", "no_shock", "adversary.deterred", "adversary.costs", "binding.*.key", "binding.*.shock"), 3
)
PLAN_FILE_FORMATS = (2, 3)
DIGEST = "digest"

DifferenceKind = Literal["unknown", "missing", "differs"]


@dataclass(frozen=True)
class Difference:
    """One difference between a plan file and the values implied by its parts."""

    kind: DifferenceKind  # an ``unknown`` key, a ``missing`` key, or a value that ``differs``
    path: str  # keys and list indices, joined by dots
    written: Any = None  # the value in the file
    implied: Any = None  # the value that follows from the rest of the file

    def __str__(self) -> str:
        if self.path == DIGEST:
            return f"{DIGEST}: the file was changed since it was saved"
        written, implied = _excerpt(self.written), _excerpt(self.implied)
        return f"{self.path}: the file says {written}, but {implied} follows from its parts"


def _key_differences(written: Mapping[str, Any], implied: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key in {**implied, **written}:
        place = f"{path}.{key}" if path else str(key)
        if key not in implied:
            yield Difference("unknown", place, written[key])
        elif key not in written:
            yield Difference("missing", place, None, implied[key])
        else:
            yield from differences(written[key], implied[key], place)


def differences(written: Any, implied: Any, path: str = "") -> Iterator[Difference]:
    """Yield every difference between two JSON values; 5 and 5.0 are equal, 1 and true are not."""
    if isinstance(written, Mapping) and isinstance(implied, Mapping):
        yield from _key_differences(written, implied, path)
    elif isinstance(written, list | tuple) and isinstance(implied, list | tuple) and len(written) == len(implied):
        for i, pair in enumerate(zip(written, implied, strict=True)):
            yield from differences(*pair, f"{path}.{i}")
    elif not _is_same(written, implied):
        yield Difference("differs", path, written, implied)


def digest(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all evidence in a plan file's object; spelling of numbers and order of keys are ignored."""
    evidence = {key: _as_floats(value) for key, value in data.items() if key not in NOT_EVIDENCE and key != DIGEST}
    text = json.dumps(evidence, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode()).hexdigest()


class _Audited(TypedDict):
    ok: bool
    rows: int
    worst: float


class _Seconds(TypedDict):
    solver: float
    total: float


class _Step(TypedDict, total=False):
    round: int | None


class _Comment(TypedDict):
    place: list[str | int]
    text: str


class _Record(TypedDict):
    """Shape of the parts that outputs show and `verify` does not recompute (`NOT_EVIDENCE`)."""

    audit: _Audited
    seconds: _Seconds
    history: list[_Step]
    comments: NotRequired[list[_Comment]]


_RECORD = TypeAdapter(_Record)


def check_record(data: Mapping[str, Any]) -> None:
    """Raise ValidationError if outputs cannot show the record of a run in a plan file, for its shape."""
    _RECORD.validate_python(data)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _as_floats(value: Any) -> Any:
    """Return the value with all numbers as floats, so that 5 and 5.0 have one digest."""
    if isinstance(value, Mapping):
        return {str(key): _as_floats(item) for key, item in value.items()}
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_as_floats(item) for item in value]
    return float(value)


def _excerpt(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}…"


Status = Literal["survives", "gap", "stopped", "none"]
# Format 2 added the `cost` of a shock, `services`, and shocks as lines without flows. Format 3 added the digest and the
# no-shock plan, and selects the worst period and shock of a segment by `result.weakest`, before by the least margin.
FORMAT = PLAN_FILE_FORMATS[-1]
# Largest number of unknown keys, and of missing keys, that a message names; the others are counted.
MOST_KEYS = 5
SOLVE_AGAIN = "Solve the instance again with --output, in Python by `save`."
MAKE_PLAN = "make one with `diversify solve FILE --output plan.json`, and name that"

# Beginning of a note on a rule that a given plan breaks.
RULE_BROKEN = "The plan breaks a rule: "


@dataclass(frozen=True)
class SavedPlan(ReadOnly):
    """A plan that can be stored as a JSON object."""

    # Attributes that are not sent to another process, since they follow from others.
    UNSENT: ClassVar[frozenset[str]] = frozenset({"frames", "solved_instance"})

    # Title of the instance; in JSON `instance`. The instance itself is `solved_instance`.
    title: Annotated[str, Field(alias="instance")]
    currency: str  # label of the currency
    # ``survives``; ``gap``: the best plan misses a floor; ``stopped``: not proven in time; ``none``: no plan exists
    status: Status
    format: int = field(default=FORMAT, kw_only=True)  # format of the plan file that was read, or would be written
    # Changes of the run to the instance file, in words, except a budget, which the answer states.
    changes: tuple[str, ...] = field(default=(), kw_only=True)
    # Contradictions of the file that was read, within itself or with its digest; empty for a solved result.
    departures: tuple[str, ...] = field(default=(), compare=False, repr=False, kw_only=True)
    # The solved instance, not stored in files; None after `load`, until a function makes it by `read(result.data)`.
    solved_instance: Any = field(default=None, compare=False, repr=False, kw_only=True)

    def __eq__(self, other: object) -> bool:
        """Compare the fields; figures that are NaN in both are equal."""
        if type(other) is not type(self):
            return False
        compared = [each.name for each in fields(self) if each.compare]
        pairs = ((getattr(self, name), getattr(other, name)) for name in compared)
        return all(mine == yours or (mine != mine and yours != yours) for mine, yours in pairs)

    @property
    def money(self) -> str:
        """The currency's code, the first word of its label."""
        return (self.currency.split() or [""])[0].rstrip(",;:")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in self.UNSENT}

    def to_dict(self, *, whole: bool = True) -> dict[str, Any]:
        """Return the JSON object documented in the manual; `whole` adds the parts that `from_dict` needs."""
        raise NotImplementedError

    def to_json(self, *, whole: bool = True) -> str:
        """Return `to_dict` as text."""
        return json.dumps(self.to_dict(whole=whole), indent=1, ensure_ascii=False, allow_nan=False, default=_as_json)

    def save(self, path: str | FilePath) -> None:
        """Write the plan file atomically.

        Raises:
            OSError: the file cannot be written.
            ValueError: the file name is one of an instance file.
        """
        write_whole(answer_path("path", path), self.to_json() + "\n")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the result of an object that `to_dict` returned.

        Raises:
            PlanFileError: a part is missing, unknown or of another shape, or another version wrote it.
            TypeError: the data are no mapping.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"from_dict takes a mapping, not {type(data).__name__}; load reads a result from a file")
        data = cls._own_part(data, "the mapping")
        cls._check_form(data)
        try:
            result = cls._restored(data)
            return replace(result, departures=_departures(data, result))
        except ValidationError as error:
            raise PlanFileError(f"not a plan file: {_first_error(error)}. {SOLVE_AGAIN}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise PlanFileError(f"not a plan file: {said_of_misfit(error)}. {SOLVE_AGAIN}") from None

    @classmethod
    def load(cls, path: str | FilePath) -> Self:
        """Read a result from a plan file; `departures` lists its contradictions.

        Raises:
            PlanFileError: no such file, no JSON, or no plan of this kind.
        """
        data = cls._own_part(read_plan_json(path), path)
        try:
            return cls.from_dict(data)
        except PlanFileError as error:
            raise PlanFileError(f"{path} is {error}") from None

    @classmethod
    def _check_form(cls, data: Mapping[str, Any]) -> None:
        """Raise PlanFileError for an object of another kind, or of a format that this version does not read."""
        raise NotImplementedError

    @classmethod
    def _restored(cls, data: Mapping[str, Any]) -> Self:
        """Return the result of an object of this kind; any error of Python or pydantic if a part has another shape."""
        raise NotImplementedError

    @classmethod
    def _own_part(cls, data: Mapping[str, Any], path: str | FilePath) -> Mapping[str, Any]:
        """Return the part of a plan file that holds a plan of this kind."""
        return data


def is_of_futures(data: Mapping[str, Any]) -> bool:
    """Return whether the object of a plan file is of several futures."""
    return "measure" in data and isinstance(data.get("futures"), list)


def read_plan_json(path: str | FilePath) -> Mapping[str, Any]:
    """Read the JSON object of a plan file, of one future or of several.

    Raises:
        PlanFileError: no such file, no JSON, or no plan.
    """
    path = arguments.file_path("path", path)
    if (suffix := path.suffix.lower()) in (*INSTANCES, *REPORT_FORMS) and path.is_file():
        by_hand = f" A plan written by hand is judged by `diversify evaluate INSTANCE --plan {path}`."
        cure = f"{MAKE_PLAN}.{by_hand if suffix in INSTANCES else ''}"
        raise PlanFileError(f"{path} is no saved plan, which is JSON: {cure}")
    data = _read_object(path)
    if isinstance(data, Mapping) and {"horizon", "demands"} <= data.keys():
        raise PlanFileError(f"{path} is an instance, not a plan: {MAKE_PLAN}")
    if not isinstance(data, Mapping):
        raise PlanFileError(f"{path} is not a plan file: it is no JSON object. {SOLVE_AGAIN}")
    if "builds" not in data:
        raise PlanFileError(f"{path} is not a plan file: it lacks builds. {SOLVE_AGAIN}")
    if "data" not in data:
        judged = f"`diversify evaluate INSTANCE --plan {path}` judges it"
        raise PlanFileError(f"{path} is a plan without its instance: {judged}")
    return data


def _read_object(path: str | FilePath) -> Any:
    try:
        return read_json(path)
    except UndecodableTextError as error:
        raise PlanFileError(f"{path}:{error.line} cannot be read: it {error}") from None
    except OSError as error:
        raise PlanFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise PlanFileError(f"{path}:{error.lineno} is not JSON ({error.msg}): {MAKE_PLAN}.") from None
    except ValueError as error:
        raise PlanFileError(f"{path} is not a plan file: {error}") from None


def _as_json(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else list(value)


def _first_error(error: ValidationError) -> str:
    """Return the place and the message of the first validation error, and the number of others."""
    first = error.errors(include_url=False)[0]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}{more}"


def _format_of(path: str) -> int:
    """Return the format that introduced a key, given as a path of a `Difference`; 0 for keys of all formats."""
    return FORMAT_OF_KEY.get(re.sub(r"\.\d+\.", ".*.", path), 0)


def _departures(data: Mapping[str, Any], result: SavedPlan) -> tuple[str, ...]:
    """Return the contradictions between a file and the result that was read from it, as messages.

    Raises:
        PlanFileError: the file has unknown keys, or lacks keys.
    """
    implied = {key: value for key, value in result.to_dict().items() if _format_of(key) <= result.format}
    found = [
        each for each in differences(data, implied) if each.kind == "unknown" or _format_of(each.path) <= result.format
    ]
    refused = [each for each in found if each.kind != "differs"]
    if refused:
        raise PlanFileError(f"not a plan file: {_name_keys(refused)}")
    return tuple(map(str, found))


def _name_keys(refused: Sequence[Difference]) -> str:
    """Return a message with the unknown and the missing keys, up to `MOST_KEYS` of each, and the cure."""
    parts = []
    for kind in ("unknown", "missing"):
        paths = [each.path for each in refused if each.kind == kind]
        more = f" and {len(paths) - MOST_KEYS} more" if len(paths) > MOST_KEYS else ""
        if paths:
            parts.append(f"{kind} key{'s' if len(paths) > 1 else ''} {', '.join(paths[:MOST_KEYS])}{more}")
    return f"{'; '.join(parts)}. {SOLVE_AGAIN}"


@dataclass(frozen=True)
class CommittedMoney:
    """Money that somebody has spent or pledged already."""

    owner: str  # the process or option that receives the money
    name: str | None  # name of the commitment in the file; None if it has none
    amount: float  # money, undiscounted
    year: int | None  # calendar year; None if it is not given
    source: str | None  # source of the figure; None if it is not given
    conditional: bool = False  # whether the commitment depends on a condition that is not met yet

    def to_dict(self) -> dict[str, Any]:
        """Return the commitment for JSON; `conditional` only if true, so that older plan files stay unchanged."""
        return {key: item for key, item in asdict(self).items() if key != "conditional" or item}


def list_commitments(data: Mapping[str, Any]) -> tuple[CommittedMoney, ...]:
    """Return all committed money of an instance, given as a mapping: of processes, then of options."""
    return tuple(
        CommittedMoney(
            owner, each.get("name"), each["amount"], each.get("year"), each.get("source"), bool(each.get("conditional"))
        )
        for section in ("processes", "options")
        for owner, entry in data.get(section, {}).items()
        for each in entry.get("committed", ())
    )


def write_commitments(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the commitments of an instance for JSON, under the key ``commitments``; empty if there are none."""
    found = tuple(each.to_dict() for each in list_commitments(data))
    return {"commitments": found} if found else {}


BANDS_SUFFIX = ".bands.json"
FORMAT_OF_BANDS = 1


@dataclass(frozen=True)
class Spread:
    """Distribution of a figure over the samples: 5 %, 50 % and 95 % quantiles and mean, money."""

    p5: float
    p50: float
    p95: float
    mean: float

    def side(self, value: float) -> str:
        """Return "lower" or "higher" for a value below or above the range from 5 % to 95 %; empty inside it."""
        margin = SAME_VALUE * abs(value)
        return "lower" if value < self.p5 - margin else "higher" if value > self.p95 + margin else ""


@dataclass(frozen=True)
class Bands(ReadOnly):
    """Distribution of the best plan's figures over samples of all uncertain numbers in their ranges."""

    numbers: int  # number of uncertain numbers; those that move together count once
    samples: int  # number of samples drawn
    used: int  # number of samples with a plan
    seed: int
    survived: float  # the share of used samples in which every floor is kept
    # Figures of the best plan of each sample: total cost in present value, undiscounted outlay, survival gap.
    cost: Spread
    outlay: Spread
    gap: Spread
    bought: Mapping[str, float]  # by option, the share of samples in which it is bought
    # The share of samples in which the result's own plan, held as it is, keeps every floor; None if not evaluated.
    plan_survived: float | None = None

    @property
    def figures(self) -> tuple[tuple[str, Spread], ...]:
        """Names and distributions of total cost, outlay and survival gap."""
        return ("total cost", self.cost), ("outlay", self.outlay), ("survival gap", self.gap)

    def outside(self, own: Sequence[float]) -> Iterator[str]:
        """Yield a sentence on the `figures` of a plan that lie outside their ranges; none if all lie inside.

        A cost below the range is due to the numbers of the file, since the samples have best plans as well.
        """
        sides = [(label, spread.side(value)) for (label, spread), value in zip(self.figures, own, strict=True)]
        outside = [f"{label} is {side}" for label, side in sides if side]
        if outside:
            said = f"this plan's {' and '.join(outside)} than in 95 % of the samples"
            is_mild = ("total cost", "lower") in sides
            yield f"{said}: the file's numbers are on the favourable side" if is_mild else said


def bought_in_samples_frame(shares: Mapping[str, float], own: Collection[str]) -> Frame:
    """Return a frame with a row per option bought in a sample or in the plan: share of samples, whether in the plan."""
    shown = sorted((o for o in shares if shares[o] > 0 or o in own), key=lambda o: (-shares[o], o))
    columns = (
        FrameColumn("option", form="object", is_index=True, of=str),
        FrameColumn("samples", "Bought in", "share", form="percent", of=lambda option: shares[option]),
        FrameColumn("plan", "In the plan", form="word", of=lambda option: "bought" if option in own else "no"),
    )
    note = "Share of the samples in whose best plan the option is bought."
    return Frame.of_items("bought_in_samples", "Share of samples in which it is bought", shown, columns, note)


def bands_path(file: str | FilePath) -> FilePath:
    """Return the path of the bands file of an instance file."""
    return FilePath(file).with_suffix(BANDS_SUFFIX)


def store_bands(file: str | FilePath, data: Mapping[str, Any], bands: Bands) -> FilePath:
    """Write the bands of an instance, given as a mapping, next to its file; return the path.

    Raises:
        OSError: the bands cannot be written.
    """
    path = bands_path(file)
    # The key `instance` holds the checksum of the instance, not its title.
    kept = {"format": FORMAT_OF_BANDS, "instance": digest(data), "bands": asdict(bands)}
    write_whole(path, json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def stored_bands(file: str | FilePath, data: Mapping[str, Any]) -> Bands | None:
    """Read the bands stored next to an instance file; None if there are none, or they are of another instance.

    Raises:
        PlanFileError: the bands file is damaged.
    """
    path = bands_path(file)
    if not path.is_file():
        return None
    try:
        kept = read_json(path)
        is_same = kept["format"] == FORMAT_OF_BANDS and kept["instance"] == digest(data)
        return TypeAdapter(Bands).validate_python(kept["bands"]) if is_same else None
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        cure = "Delete it, or run `diversify sensitivity` with --samples and --store again."
        raise PlanFileError(f"{path}: not a band as `diversify sensitivity --store` writes it. {cure}") from error
