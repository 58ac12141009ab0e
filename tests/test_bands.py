"""The band of a plan's figures: computed, kept beside a file, and shown wherever the figures are."""

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import openpyxl
import pytest
import yaml

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.errors import PlanFileError
from optimizer.report.brief.content import make_brief
from optimizer.report.excel import workbook
from optimizer.report.format import band_words
from optimizer.report.html.book import book
from optimizer.report.narrative import facts
from optimizer.results.saved import Bands, Spread, bands_path, store_bands, stored_bands
from optimizer.studies.comparison import single_point
from optimizer.studies.sensitivity import find_bands
from tests.conftest import BUT_SAMPLES
from tests.test_cli import diversify

# The plant serves the floor, 50 t, for two years: outlay is 50 x capex; 3 x 100 x 100 are the imports of the baseline.
TEXT = """
name: bands
horizon: {start: 2027, end: 2029, step: year}
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 100}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
options: {plant: {kind: refining, output: {magnet: 1}, cost: 200, capex: 400, max_size: 100, lead_time: 12}}
shocks: {embargo: {start: 2028, months: 24, cuts: [{region: rival, severity: 1}]}}
ranges: {options.plant.capex: {low: 200, high: 600}}
"""
BANDS = Bands(
    1, 60, 60, 7, 0.9, Spread(4e4, 5e4, 6e4, 5e4), Spread(1e4, 2e4, 3e4, 2e4), Spread(0, 0, 10, 1), {"plant": 0.95}
)


def made() -> so.Instance:
    return so.read(yaml.safe_load(TEXT))


def changed(old: str, new: str) -> so.Instance:
    return so.read(yaml.safe_load(TEXT.replace(old, new)))


def test_the_band_of_one_number_is_that_of_its_range() -> None:
    found, _ = find_bands(made())
    assert found is not None
    assert (found.numbers, found.samples, found.used, found.survived) == (1, 60, 60, 1.0)
    # Capex is uniform from 200 to 600, a sample in each sixtieth: 5 %, 50 %, 95 % are 220, 400, 580 to a sixtieth, 7.
    for spread, least in ((found.outlay, 0.0), (found.cost, 3e4)):
        assert spread.p5 == pytest.approx(least + 50 * 220, abs=50 * 7)
        assert spread.p50 == pytest.approx(least + 50 * 400, abs=50 * 7)
        assert spread.p95 == pytest.approx(least + 50 * 580, abs=50 * 7)
    assert found.gap == Spread(0, 0, 0, 0)
    assert found.bought == {"plant": 1.0}


def test_a_band_says_in_how_many_samples_the_plan_survives_if_it_is_held() -> None:
    # The plan has the 50 t that half of 100 t needs; of 60 samples of the quantity, from 80 to 120 t, half need more.
    instance = so.read(
        yaml.safe_load(TEXT.replace("ranges: {", "ranges: {demands.all.quantity: {low: 80, high: 120}, "))
    )
    result = so.solve(instance)
    bands, _ = find_bands(instance, result.plan)
    assert bands is not None
    assert (bands.survived, bands.plan_survived) == (1.0, 0.5)
    shown = replace(result, bands=bands)
    assert dict(facts(instance, shown))["Band"].endswith(
        "; 100 % survive everything; this plan, held as it is, in 50 %"
    )
    (said,) = (note for note in make_brief(instance, shown).notes if "samples" in note)
    assert said.endswith(
        "100 % have a best plan that survives everything; this plan, held as it is, survives in 50 % of them."
    )


def test_a_plan_that_is_held_may_fail_in_the_samples_of_an_ensemble_that_may_fail(loose: str) -> None:
    instance = so.load(loose, ["ranges={options.plant.capex: {low: 90k, high: 110k}}"])
    bands, _ = find_bands(instance, so.solve(instance).plan)
    assert bands is not None
    assert (bands.survived, bands.plan_survived) == (1.0, 1.0)


def test_a_band_leaves_out_the_samples_in_which_contracts_ask_for_more_than_there_is() -> None:
    # The line is bound to 10 t of oxide, of which the mine has 9 to 19 t: in a tenth of 60 samples too little.
    processes = (
        "processes: {mine: {region: home, output: {oxide: 1}, capacity: 15}, "
        "line: {region: home, input: {oxide: 1}, output: {magnet: 1}, capacity: 10, min_utilisation: 1}, "
    )
    text = TEXT.replace("processes: {", processes).replace("{magnet: {}}", "{magnet: {}, oxide: {}}")
    text = text.replace("ranges: {", "ranges: {processes.mine.capacity: {low: 9, high: 19}, ")
    found, _ = find_bands(so.read(yaml.safe_load(text)))
    assert found is not None
    assert (found.samples, found.used) == (60, 54)


def test_the_answer_says_the_band_or_how_to_get_one() -> None:
    instance = made()
    result = so.solve(instance)
    assert (
        dict(facts(instance, result))["Band"] == "not computed: 1 uncertain number; solve --bands draws samples of them"
    )
    said = dict(facts(instance, replace(result, bands=BANDS)))["Band"]
    assert said == (
        "total cost 40k to 60k USD, median 50k; outlay 10k to 30k USD, median 20k; survival gap 0 to 10 USD, median 0: "
        "5 % to 95 % quantile of 60 samples of 1 uncertain number, each with its own best plan; 90 % survive everything"
    )
    kept = replace(BANDS, gap=Spread(0, 0, 0, 0))
    said = dict(facts(instance, replace(result, bands=kept)))["Band"]
    assert "outlay 10k to 30k USD, median 20k; no survival gap: 5 % to 95 % quantile" in said
    assert not list(band_words(instance.replacing(ranges={}), None))


def test_a_band_leaves_samples_of_shocks_out_that_may_fail(loose: str) -> None:
    ((_, said),) = band_words(so.load(loose), BANDS)
    assert said.endswith(f"90 % survive everything {BUT_SAMPLES}")


FAVOURABLE = ": the file's numbers are on the favourable side"


@pytest.mark.parametrize(
    ("cost", "outlay", "outside"),
    [
        ((51e3, 60e3), (1e4, 3e4), f"total cost is lower than in 95 % of the samples{FAVOURABLE}"),
        ((30e3, 49e3), (1e4, 3e4), "total cost is higher than in 95 % of the samples"),
        ((51e3, 60e3), (1e4, 1e4), f"total cost is lower and outlay is higher than in 95 % of the samples{FAVOURABLE}"),
        ((50e3, 60e3), (2e4, 3e4), ""),
    ],
)
def test_the_answer_says_on_which_side_of_its_band_a_figure_lies(
    cost: tuple[float, float], outlay: tuple[float, float], outside: str
) -> None:
    # The plan costs 50 x 400 and the 30k of the baseline, whatever samples cost.
    instance, (low, high), (least, most) = made(), cost, outlay
    bands = replace(BANDS, cost=Spread(low, high, high, high), outlay=Spread(least, most, most, most))
    result = replace(so.solve(instance), bands=bands)
    said = dict(facts(instance, result))["Band"]
    assert said.endswith(f"survive everything; this plan's {outside}" if outside else "survive everything")
    (first, *_) = [each for each in make_brief(instance, result).to_dict()["parts"]["confidence"]["sentences"]
                   if "in their ranges" in each]  # fmt: skip
    assert first == (
        "With all numbers anywhere in their ranges the best plans come to (5 % to 95 % of samples, this plan in "
        f"brackets): total cost {low / 1e3:g}k to {high / 1e3:g}k USD, median {high / 1e3:g}k (50k); "
        f"outlay {least / 1e3:g}k to {most / 1e3:g}k USD, median {most / 1e3:g}k (20k); "
        "survival gap 0 to 10 USD, median 0 (0)."
    ) + (f" This plan's {outside}." if outside else "")


def test_a_band_is_kept_beside_its_file_and_belongs_to_one_state_of_it(tmp_path: Path) -> None:
    file, instance = tmp_path / "case.yaml", made()
    assert stored_bands(file, instance.to_dict()) is None
    assert store_bands(file, instance.to_dict(), BANDS) == bands_path(file) == tmp_path / "case.bands.json"
    assert stored_bands(file, instance.to_dict()) == BANDS
    assert stored_bands(file, changed("capex: 400", "capex: 401").to_dict()) is None
    assert stored_bands(file, changed("high: 600", "high: 601").to_dict()) is None
    for damaged in (
        "{",
        "[]",
        '{"format": 1}',
        bands_path(file).read_text().replace("{", '{"format": 1, ', 1),
        json.dumps({**json.loads(bands_path(file).read_text()), "bands": {"numbers": 1}}),
    ):
        bands_path(file).write_text(damaged, encoding="utf-8")
        with pytest.raises(PlanFileError, match=r"case\.bands\.json: not a band"):
            stored_bands(file, instance.to_dict())


def test_bands_kept_beside_shipped_instances_are_of_their_present_state() -> None:
    kept = sorted((Path(__file__).parent.parent / "instances").glob("*.bands.json"))
    assert kept
    for path in kept:
        file = path.with_name(path.name.removesuffix(".bands.json") + ".yaml")
        assert stored_bands(file, so.load(file).to_dict()) is not None, (
            f"diversify sensitivity {file.name} --samples 60 --store"
        )


def test_a_saved_plan_keeps_its_band_and_it_is_no_evidence(tmp_path: Path) -> None:
    result = replace(so.solve(made()), bands=BANDS)
    result.save(tmp_path / "plan.json")
    again = so.Result.load(tmp_path / "plan.json")
    assert again.bands == BANDS
    assert not again.departures
    assert audit_result(made(), again).ok
    assert result.to_dict(whole=False)["bands"] == asdict(BANDS)
    assert "bands" not in so.solve(made()).to_dict()
    assert again.to_dict()["digest"] == replace(again, bands=None).to_dict()["digest"]


def test_page_workbook_and_tables_have_the_band() -> None:
    instance = made()
    result = replace(so.solve(instance), bands=BANDS)
    point = book(instance, single_point(instance, result)).to_dict()["points"][0]
    assert point["bands"]["outlay"] == {"p5": 10000, "p50": 20000, "p95": 30000, "mean": 20000}
    assert [row[0] for row in point["tables"]["bands"]["rows"]] == ["Total cost", "Outlay", "Survival gap"]
    assert point["tables"]["bought_in_samples"]["rows"] == [["plant", "95 %", "bought"]]
    answer = openpyxl.load_workbook(io.BytesIO(workbook(instance, result)))
    assert {"bands", "bought_in_samples"} <= set(answer.sheetnames)
    assert result.frames.bands.loc["Outlay", "p95"] == 3e4
    plain = book(instance, single_point(instance, so.solve(instance))).to_dict()["points"][0]
    assert plain["bands"] is None
    assert plain["tables"]["bands"]["rows"] == []


def test_commands_compute_keep_and_show_bands(tmp_path: Path) -> None:
    file, folder = tmp_path / "case.yaml", tmp_path / "tables"
    file.write_text(TEXT, encoding="utf-8")
    computed = json.loads(diversify("solve", str(file), "--bands", "--json").stdout)["bands"]
    assert not bands_path(file).exists()
    stored = diversify("sensitivity", str(file), "--samples", "60", "--store", "--quick")
    assert f"wrote {bands_path(file)}" in stored.stderr
    again = json.loads(diversify("solve", str(file), "--json").stdout)["bands"]
    # A stored band belongs to the file and not to the one plan that was evaluated.
    assert again == computed | {"plan_survived": None}
    shown = " ".join(diversify("solve", str(file), "--csv", str(folder)).stdout.replace("│", " ").split())
    assert "5 % to 95 % quantile of 60 samples" in shown
    assert (folder / "bands.csv").read_text(encoding="utf-8").startswith("figure,plan [USD],p5 [USD],")
    explained = " ".join(diversify("explain", str(file)).stdout.replace("│", " ").split())
    assert "5 % to 95 % quantile of 60 samples" in explained
    assert json.loads(diversify("explain", str(file), "--json").stdout)["plan"]["bands"] == again
    brief = tmp_path / "brief.md"
    assert diversify("report", str(file), "--quick", "-o", str(brief)).returncode == 0
    assert "of 60 samples" in brief.read_text(encoding="utf-8")
    # Another budget is another instance.
    other = json.loads(diversify("solve", str(file), "--budget", "1M", "--json").stdout)
    assert "bands" not in other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("solve", "instances/tiny.yaml", "--bands"), "has no ranges"),
        (("sensitivity", "FILE", "--store"), "it goes with --samples"),
        (("sensitivity", "FILE", "--discover", "--samples", "60", "--store"), "not with --discover"),
    ],
)
def test_bands_that_cannot_be_had_are_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(TEXT, encoding="utf-8")
    done = diversify(*(str(file) if word == "FILE" else word for word in words))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
