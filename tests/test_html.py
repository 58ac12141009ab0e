"""Results and instances in a notebook: well-formed HTML that says what they say, in the notebook's own colours."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.altered import without_shocks

INSTANCES = Path(__file__).parent.parent / "instances"
TINY = INSTANCES / "tiny.yaml"


class Seen(HTMLParser):
    """Tags that close in the order in which they were opened, and the words between them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def text(shown: str) -> str:
    seen = Seen()
    seen.feed(shown)
    seen.close()
    assert seen.open == []
    assert seen.tags <= {"div", "b", "br", "table", "thead", "tbody", "tr", "th", "td"}
    # No colour of its own but a grey line: it takes those of a light or a dark notebook.
    assert set(re.findall(r"color:([^;\"]+)", shown)) <= {"inherit"}
    assert set(re.findall(r"background:([^;\"]+)", shown)) <= {"transparent"}
    return " ".join(seen.words)


@pytest.fixture(scope="module")
def result() -> so.Result:
    return so.solve(so.load(TINY))


def test_result_shows_verdict_figures_builds_and_shocks(result: so.Result) -> None:
    said = text(result._repr_html_())
    assert said.startswith("tiny SURVIVES both shocks ")
    assert "43.6M USD, present value at the start of 2026, in USD of 2025" in said
    assert "home magnet plant refining 2026 2028 20 t/yr 5M 43 %" in said
    assert "magnet reserve stockpile 2026 2028 100 t 6.5M 57 %" in said
    assert "motors 30/30 %" in said


def test_result_that_fails_says_so_with_its_gap() -> None:
    said = text(so.solve(so.load(TINY), budget=5e6)._repr_html_())
    assert "FAILS in 2 of 2 shocks: embargo@2029, a survival gap of 31.54M USD; also embargo@2027" in said
    assert "Gap of all shocks" in said


def test_result_without_plan_or_shocks_shows_what_there_is() -> None:
    share = "policy.max_share=[{commodity: magnet, region: rival, share: 0.5}]"
    none = so.solve(so.load(TINY, [share, "processes.imports.min_utilisation=1"]))
    assert "NO PLAN EXISTS: the rules contradict each other" in text(none._repr_html_())
    calm = so.solve(without_shocks(so.load(TINY)))
    assert "the instance has no shocks" in text(calm._repr_html_())
    assert "Nothing is bought." in text(calm._repr_html_())


def test_plan_of_futures_shows_its_decisions_and_its_futures(result: so.Result) -> None:
    # The plant costs 2M now; where demand is high, an extension of 6M follows: the mean of 8M and 2M is 5M.
    said = text(so.solve_futures(so.load(INSTANCES.parent / "examples" / "wait_or_commit.yaml"))._repr_html_())
    assert said.startswith("wait or commit SURVIVES in both futures Order now 2M USD before 2028: plant")
    assert "all branches 100 % plant 2027 40 t/yr 2M high 50 % extension 2028 60 t/yr 6M" in said
    assert "low 50.0 % yes 2M 2M 0 2M 0" in said
    alone = text(so.solve_futures(so.load(TINY))._repr_html_())
    assert alone.startswith("tiny SURVIVES every shock")
    assert text(result._repr_html_()).partition(" Option ")[2] == alone.partition(" Option ")[2]
    share = "policy.max_share=[{commodity: magnet, region: rival, share: 0.5}]"
    rules = [share, "processes.imports.min_utilisation=1"]
    assert "NO PLAN EXISTS" in text(so.solve_futures(so.load(TINY, rules))._repr_html_())


def test_result_with_which_the_audit_disagrees_says_so_first(result: so.Result) -> None:
    said = text(replace(result, audit={**result.audit, "ok": False})._repr_html_())
    assert said.startswith("tiny NOT CONFIRMED by the audit: SURVIVES both shocks")


@pytest.mark.parametrize("path", sorted(INSTANCES.glob("*.yaml")), ids=lambda path: path.stem)
def test_instance_shows_axis_floors_options_and_shocks(path: Path) -> None:
    instance = so.load(path)
    said = text(instance._repr_html_())
    assert instance.currency in said
    assert f"Commodities: {len(instance.commodities)}; existing" in said
    for word in (*list(instance.demands)[:12], *list(instance.options)[:12], instance.events[0].name):
        assert word in said
    assert ("more" in said) == (max(len(instance.options), len(instance.events), len(instance.demands)) > 12)


def test_what_stays_from_the_first_to_the_last_year_is_said_once() -> None:
    # tiny asks for 100 t a year, with a floor of 30 % until 2027 and of 70 % from 2029 on.
    assert "motors magnet 100 t/yr 30 to 70 %" in text(so.load(TINY)._repr_html_())
    assert "motors magnet 100 t/yr 40 %" in text(so.load(TINY, "demands.motors.survival=0.4")._repr_html_())


def test_words_of_the_file_are_no_markup() -> None:
    said = so.load(TINY, ["name=<script>alert(1)</script>"])._repr_html_()
    assert "<script>" not in said
    assert "&lt;script&gt;" in said


def test_a_sample_that_fails_and_may_is_not_counted_as_survived_so_far(loose: str) -> None:
    result = so.solve(so.load(loose))
    ((name, required),) = result.required_samples.items()
    stopped = text(replace(result, status="stopped")._repr_html_())
    said = f"STOPPED before the proof. So far it SURVIVES {required} of 4 samples of {name} ({required} required)"
    assert said in stopped


def test_shocks_that_fail_stand_before_samples_that_may_fail(struck: str) -> None:
    said = text(so.solve(so.load(struck))._repr_html_())
    marks = [said.index(mark) for mark in ("✗ quake", "✗ storms#00004", "✗ storms#00001")]
    excused = [said.index(mark) for mark in ("– storms#00003", "– storms#00002")]
    assert marks + excused == sorted(marks + excused)
