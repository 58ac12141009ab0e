"""What a file says of the future: questions with their branches, and the measure by which a plan is judged over them.

Question        answered at the start of a period, by one of its branches
QuestionBranch  an answer: its probability, what it changes in the file, and the questions that arise only there
TimedQuestion   a question with its date, and the first that it may have
RiskMeasure     `policy.objective`

`optimizer.instance.edits` makes the tree of them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from optimizer import shapes
from optimizer.errors import Place
from optimizer.horizon import Horizon
from optimizer.suggestions import finding, suggest
from optimizer.units import Described, Share, a_share, parse_amount, positive

FUTURES = "futures"


def _parse_period(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise finding("is no period", "Write a period such as 2029, 2029Q3 or 2029-07.")
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
    """An answer to a question. What it sets holds in every future that it is part of, in all years."""

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
    """A question whose answer is not yet known. What is decided from its period on knows the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)

    from_: Annotated[int | str, BeforeValidator(_parse_period), WithJsonSchema(shapes.PERIOD)] = Field(
        alias="from", description="Period at whose start the answer is known; of a year its first period."
    )
    branches: Annotated[
        Mapping[str, Annotated[QuestionBranch, BeforeValidator(_not_null)]], AfterValidator(_at_least_one)
    ] = Field(description="Possible answers, by name; a name has no dot.")

    def period(self, horizon: Horizon) -> int:
        """The period at whose start it is answered.

        Raises:
            ValueError: it lies outside the horizon, or is no period. The text is the cure.
        """
        return horizon.period(self.from_)

    @property
    def is_weighted(self) -> bool:
        """Whether its probabilities are given; that of an only branch is 1."""
        return len(self.branches) == 1 or all(branch.probability is not None for branch in self.branches.values())

    def weight(self, branch: str) -> float:
        """The probability of a branch; where none is given they are equal."""
        given = self.branches[branch].probability
        return 1.0 / len(self.branches) if given is None else given


QuestionBranch.model_rebuild()


def each_question(questions: Mapping[str, Question], place: Place = ()) -> Iterator[tuple[Place, Question]]:
    """Every question with its place in the file, those of branches behind the question that holds them."""
    for q, question in questions.items():
        own = (*place, FUTURES, q)
        yield own, question
        for b, branch in question.branches.items():
            yield from each_question(branch.futures, (*own, "branches", b))


@dataclass(frozen=True)
class TimedQuestion:
    """A question of a file."""

    place: Place  # in the file, ``futures.NAME``, or below the branch in which it arises
    name: str  # for readers; with its branch where another question has the same name
    t: int  # the period from which its answer is known
    earliest: int  # the first period from which it may be: the first of all, or that of the question it arises from


def timed_questions(questions: Mapping[str, Question], horizon: Horizon) -> list[TimedQuestion]:
    """All questions of a file in the order of time."""
    found, dates = list(each_question(questions)), dict[Place, int]()
    names = [str(place[-1]) for place, _ in found]
    timed = []
    for place, question in found:
        dates[place] = question.period(horizon)
        name, above = str(place[-1]), question_above(place)
        label = name if names.count(name) == 1 or not above else f"{name} ({place[-3]})"
        timed.append(TimedQuestion(place, label, dates[place], dates[above] if above else 0))
    return sorted(timed, key=lambda each: each.t)


def question_above(place: Place) -> Place:
    """The question in a branch of which one arises; empty where it is one of the file itself."""
    return place[:-4]


def question_of(branch: Place) -> Place:
    """The question that has a branch."""
    return branch[:-2]


def count_futures(questions: Mapping[str, Question]) -> int:
    """How many futures some questions make, without making them."""
    count = 1
    for question in questions.values():
        count *= sum(count_futures(branch.futures) for branch in question.branches.values())
    return count


def is_gone(path: str, gone: Mapping[str, Collection[str]]) -> bool:
    """Whether a dotted path leads to something of what is gone: names by section."""
    options, demands = gone.get("options", ()), gone.get("demands", ())
    heads = {**gone, "policy.force": options}
    if f"{path}.".startswith(tuple(f"{section}.{name}." for section, names in heads.items() for name in names)):
        return True
    activities = (*options, *gone.get("processes", ()))
    below = {"cost": activities, "reliability": options, "demand": demands, "survival": demands}
    inside = (f".{field}.{name}." for field, names in below.items() for name in names)
    return path.startswith(("shocks.", "ensembles.")) and any(each in f"{path}." for each in inside)


def questions_without(questions: Mapping[str, Question], gone: Mapping[str, Collection[str]]) -> dict[str, Question]:
    """Questions whose branches set nothing of what is gone: names by section."""

    def left(branch: QuestionBranch) -> QuestionBranch:
        kept = {
            path: _value_without(path, value, gone) for path, value in branch.set.items() if not is_gone(path, gone)
        }
        return branch.model_copy(update={"set": kept, "futures": questions_without(branch.futures, gone)})

    return {
        q: question.model_copy(update={"branches": {b: left(branch) for b, branch in question.branches.items()}})
        for q, question in questions.items()
    }


def _value_without(path: str, value: Any, gone: Mapping[str, Collection[str]]) -> Any:
    """A value of a branch; of a mapping, the keys that do not lead to what is gone."""
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
    """What is minimised over the futures."""

    # The expected cost, the largest cost, the largest regret, or conditional value at risk.
    kind: MeasureName = "expected"
    alpha: float = 0.0  # of `cvar`, the share of outcomes that are left out of the tail, 0 ≤ α < 1
    weight: float = 1.0  # of `cvar`, its share beside the expected cost, 0 to 1

    @property
    def needs_outcomes(self) -> bool:
        """Whether it is made of outcomes, each shock of each future or none, and not of the futures' expected costs."""
        return self.kind == "cvar"

    def plain(self) -> Any:
        """As the file has it."""
        if self.kind != "cvar":
            return self.kind
        return {"cvar": self.alpha} | ({"weight": self.weight} if self.weight != 1 else {})

    def __str__(self) -> str:
        if self.kind != "cvar":
            return {"expected": "expected cost", "worst": "largest cost", "regret": "largest regret"}[self.kind]
        tail = f"CVaR at {self.alpha:g}"
        return tail if self.weight == 1 else f"{1 - self.weight:g} × expected cost + {self.weight:g} × {tail}"


def parse_measure(value: Any) -> RiskMeasure:
    """A measure from its name, or from ``{cvar: 0.9, weight: 0.5}``.

    Raises:
        PydanticCustomError: no such measure.
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
