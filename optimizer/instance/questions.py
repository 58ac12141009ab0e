"""Uncertainty in a file: questions with their branches, and the risk measure that is minimised over the futures.

Question        answered at the start of a period, by one of its branches
QuestionBranch  an answer: its probability, the values that it sets, and the questions that arise only in it
TimedQuestion   a question with the period of its answer, and the earliest period allowed for it
Way             a sequence of answers, which ends in a future
RiskMeasure     the measure of `policy.objective`

Questions are answered in the order of their periods, and within one period in the order of the file. The values of
branches are set in that order: if two branches set the same value, the later one holds. `edits` builds the tree.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from optimizer import shapes
from optimizer.errors import Place, finding, suggest
from optimizer.horizon import Horizon, no_period
from optimizer.units import Described, Share, a_share, parse_amount, positive

FUTURES = "futures"


def _parse_period(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise finding(*no_period(value, 2029))
    text = str(value).strip()
    return int(text) if text.isdigit() else text


def _not_null(value: Any) -> Any:
    if value is None:
        raise finding("is empty", "Write {} for a branch that changes nothing.")
    return value


def _at_least_one(branches: Mapping[str, Any]) -> Mapping[str, Any]:
    if not branches:
        raise finding("is an empty mapping", "Name at least one branch, or remove the question.")
    return branches


class QuestionBranch(Described):
    """An answer to a question. The values that it sets hold in all years of every future that includes it."""

    probability: Annotated[Share, AfterValidator(positive), WithJsonSchema(shapes.POSITIVE_SHARE)] | None = Field(
        default=None,
        description="Probability of the answer, above 0, up to 1; those of a question add to 1. Default: all equal.",
    )
    set: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Changes of the file in the futures of this branch: {dotted.path: value}; a value is replaced "
        "whole, a series with all its years.",
    )
    futures: Mapping[str, "Question"] = Field(
        default_factory=dict, description="Questions that arise only in this branch, by name; not before their own."
    )


class Question(Described):
    """A question that is answered at the start of a period. Decisions from that period on depend on the answer."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[int | str, BeforeValidator(_parse_period), WithJsonSchema(shapes.PERIOD)] = Field(
        alias="from", description="Period at whose start the answer is known; of a year its first period."
    )
    branches: Annotated[
        Mapping[str, Annotated[QuestionBranch, BeforeValidator(_not_null)]], AfterValidator(_at_least_one)
    ] = Field(description="Possible answers, by name; a name has no dot.")

    def period(self, horizon: Horizon) -> int:
        """Return the period at whose start the question is answered.

        Raises:
            ValueError: `from` is no period of the horizon; the message says what to write instead.
        """
        return horizon.period(self.from_)

    @property
    def is_weighted(self) -> bool:
        """Whether every branch has a probability; a single branch needs none."""
        return len(self.branches) == 1 or all(branch.probability is not None for branch in self.branches.values())

    def weight(self, branch: str) -> float:
        """Return the probability of a branch; without one, 1 / number of branches."""
        given = self.branches[branch].probability
        return 1.0 / len(self.branches) if given is None else given


QuestionBranch.model_rebuild()


def each_question(questions: Mapping[str, Question], place: Place = ()) -> Iterator[tuple[Place, Question]]:
    """Yield every question with its place in the file; the questions of a branch follow the question above it."""
    for q, question in questions.items():
        own = (*place, FUTURES, q)
        yield own, question
        for b, branch in question.branches.items():
            yield from each_question(branch.futures, (*own, "branches", b))


@dataclass(frozen=True)
class TimedQuestion:
    """A question of a file with its date."""

    place: Place  # place in the file: ``futures.NAME``, or inside the branch in which it arises
    name: str  # the name shown; with the branch that holds it if another question has the same name
    t: int  # the period at whose start it is answered
    earliest: int  # the earliest period allowed for `t`: 0, or the `t` of the question from which it arises


def timed_questions(questions: Mapping[str, Question], horizon: Horizon) -> list[TimedQuestion]:
    """Return all questions of a file in the order of their dates."""
    found, dates = list(each_question(questions)), dict[Place, int]()
    names = [str(place[-1]) for place, _ in found]
    timed = []
    for place, question in found:
        dates[place] = question.period(horizon)
        name, above = str(place[-1]), question_above(place)
        label = name if names.count(name) == 1 or not above else f"{name} ({place[-3]})"
        timed.append(TimedQuestion(place, label, dates[place], dates[above] if above else 0))
    return sorted(timed, key=lambda each: each.t)


@dataclass(frozen=True)
class Answer:
    """A branch that leads to a future; `t` is the period at whose start its question is answered."""

    question: str
    branch: str
    t: int


@dataclass(frozen=True)
class Way:
    """One sequence of answers to the questions of a file, with the place and content of each branch, in order."""

    answers: tuple[Answer, ...] = ()
    branches: tuple[tuple[Place, QuestionBranch], ...] = ()
    probability: float = 1.0

    @property
    def name(self) -> str:
        """The name of the future at its end."""
        return ".".join(answer.branch for answer in self.answers)

    @property
    def changes(self) -> tuple[tuple[Place, QuestionBranch], ...]:
        """The branches that set values, each with its place."""
        return tuple((place, branch) for place, branch in self.branches if branch.set)

    @property
    def key(self) -> tuple[Place, ...]:
        """The places of the branches that set values; ways with equal keys end in the same data."""
        return tuple(place for place, _ in self.changes)


@dataclass(frozen=True)
class _Open:
    """A question that has arisen and is not yet answered."""

    t: int
    order: tuple[int, ...]
    place: Place
    question: Question


def find_ways(questions: Mapping[str, Question], horizon: Horizon) -> list[Way]:
    """Return every way through the questions, in the order of the branches in the file.

    Raises:
        ValueError: a question is answered outside the horizon.
    """
    return list(_extend(Way(), _arising(questions, (), (), horizon), horizon))


def _arising(
    questions: Mapping[str, Question], place: Place, order: tuple[int, ...], horizon: Horizon
) -> tuple[_Open, ...]:
    return tuple(
        _Open(question.period(horizon), (*order, i), (*place, FUTURES, q), question)
        for i, (q, question) in enumerate(questions.items())
    )


def _extend(way: Way, waiting: tuple[_Open, ...], horizon: Horizon) -> Iterator[Way]:
    if not waiting:
        yield way
        return
    first = min(waiting, key=lambda each: (each.t, each.order))
    rest = tuple(each for each in waiting if each is not first)
    for i, (name, branch) in enumerate(first.question.branches.items()):
        place = (*first.place, "branches", name)
        further = Way(
            (*way.answers, Answer(str(first.place[-1]), name, first.t)),
            (*way.branches, (place, branch)),
            way.probability * first.question.weight(name),
        )
        yield from _extend(further, (*rest, *_arising(branch.futures, place, (*first.order, i), horizon)), horizon)


def question_above(place: Place) -> Place:
    """Return the place of the question from whose branch one arises; empty for a question of the file itself."""
    return place[:-4]


def question_of(branch: Place) -> Place:
    """Return the place of the question that has a branch."""
    return branch[:-2]


def count_futures(questions: Mapping[str, Question]) -> int:
    """Return the number of futures that questions make, without building them."""
    count = 1
    for question in questions.values():
        count *= sum(count_futures(branch.futures) for branch in question.branches.values())
    return count


def is_gone(path: str, gone: Mapping[str, Collection[str]]) -> bool:
    """Return whether a dotted path leads to a removed object or a value of one; `gone` maps sections to their names."""
    options, demands = gone.get("options", ()), gone.get("demands", ())
    heads = {**gone, "policy.force": options}
    if f"{path}.".startswith(tuple(f"{section}.{name}." for section, names in heads.items() for name in names)):
        return True
    activities = (*options, *gone.get("processes", ()))
    below = {"cost": activities, "reliability": options, "demand": demands, "survival": demands}
    inside = (f".{field}.{name}." for field, names in below.items() for name in names)
    return path.startswith(("shocks.", "ensembles.")) and any(each in f"{path}." for each in inside)


def questions_without(questions: Mapping[str, Question], gone: Mapping[str, Collection[str]]) -> dict[str, Question]:
    """Return the questions with branches that set no value of removed objects; `gone` maps sections to names."""

    def reduce(branch: QuestionBranch) -> QuestionBranch:
        kept = {
            path: _value_without(path, value, gone) for path, value in branch.set.items() if not is_gone(path, gone)
        }
        return branch.model_copy(update={"set": kept, "futures": questions_without(branch.futures, gone)})

    return {
        q: question.model_copy(update={"branches": {b: reduce(branch) for b, branch in question.branches.items()}})
        for q, question in questions.items()
    }


def _value_without(path: str, value: Any, gone: Mapping[str, Collection[str]]) -> Any:
    """Return a value that a branch sets; a mapping without the keys that lead to removed objects."""
    if not isinstance(value, dict):
        return value
    inside = ((key, each, f"{path}.{key}") for key, each in value.items())
    return {key: _value_without(to, each, gone) for key, each, to in inside if not is_gone(to, gone)}


MeasureName = Literal["expected", "worst", "regret", "cvar"]
_NAMES, _KEYS = ("expected", "worst", "regret"), ("cvar", "weight")
_CVAR = "{cvar: 0.9}"
_LEVEL = f"Write it with its level: {_CVAR}."


@dataclass(frozen=True)
class RiskMeasure:
    """The measure that is minimised: over the futures and, for CVaR, also over their shocks."""

    # Expected cost, largest cost, largest regret, or conditional value at risk.
    kind: MeasureName = "expected"
    alpha: float = 0.0  # for `cvar`: the level α, the share of outcomes outside the tail, 0 ≤ α < 1
    weight: float = 1.0  # for `cvar`: its weight against the expected cost, 0 to 1

    @property
    def needs_outcomes(self) -> bool:
        """Whether it depends on single outcomes (each future, with one shock or none), not only on expected costs."""
        return self.kind == "cvar"

    def plain(self) -> Any:
        """Return the measure as written in a file."""
        if self.kind != "cvar":
            return self.kind
        return {"cvar": self.alpha} | ({"weight": self.weight} if self.weight != 1 else {})

    def __str__(self) -> str:
        if self.kind != "cvar":
            return {"expected": "expected cost", "worst": "largest cost", "regret": "largest regret"}[self.kind]
        tail = f"CVaR at {self.alpha:g}"
        return tail if self.weight == 1 else f"{1 - self.weight:g} × expected cost + {self.weight:g} × {tail}"


def parse_measure(value: Any) -> RiskMeasure:
    """Parse a measure from its name, or from ``{cvar: 0.9, weight: 0.5}``.

    Raises:
        PydanticCustomError: there is no such measure.
    """
    if isinstance(value, RiskMeasure):
        return value
    if isinstance(value, Mapping):
        return _parse_cvar(value)
    if value == "cvar":
        raise finding("cvar needs its level", _LEVEL)
    if not isinstance(value, str):
        raise finding("is no measure", f"Write expected, worst, regret, or {_CVAR}.")
    if value not in _NAMES:
        raise finding(f'"{value}" is no measure', suggest(value, _NAMES, f"Write {_CVAR}, or one of"))
    return RiskMeasure(value)  # type: ignore[arg-type]


def _parse_cvar(value: Mapping[Any, Any]) -> RiskMeasure:
    unknown = next((str(key) for key in value if key not in _KEYS), None)
    if unknown is not None:
        raise finding(f'"{unknown}" is an unknown key', suggest(unknown, _KEYS, "The keys are"))
    if "cvar" not in value:
        raise finding("cvar is missing", _LEVEL)
    alpha, weight = parse_amount(value["cvar"]), a_share(parse_amount(value.get("weight", 1.0)))
    if not 0 <= alpha < 1:
        cure = f"Write {alpha / 100:g} for {alpha:g} %." if 1 < alpha < 100 else "Write a number from 0 to below 1."
        raise finding(f"cvar {alpha:g} is no level from 0 to below 1", cure)
    return RiskMeasure("cvar", alpha, weight)


ObjectiveField = Annotated[
    RiskMeasure, BeforeValidator(parse_measure), PlainSerializer(RiskMeasure.plain), WithJsonSchema(shapes.MEASURE)
]
