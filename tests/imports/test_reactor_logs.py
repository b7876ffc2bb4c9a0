"""The log of a reactor: deep headings, ids of samples, doubtful names, and a controller's totals on another sheet."""

import tomllib
from pathlib import Path

import openpyxl
import pytest
from small_files import DAY, GLC, book
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError, gathered
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.runs import Bolus, Feed, Outflow

FED = {"sheet": "Samples", "time": DAY, "measured": GLC, "start": {"volume": "1 L"}, "log": {"sheet": "Log"}}
SAMPLES = [["Day", "Glc"], [0, 30], [1, 25], [2, 20]]


def drafted(tmp_path, *lines, header=None):
    path = tmp_path / "file.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tomllib.loads(propose(path, header))


@pytest.mark.parametrize("deep", [0, 8, 16, 40, 98])
def test_headings_are_found_below_a_start_composition(tmp_path, deep):
    lines = [",,", "Start composition,Tank A,Tank B", *[",,"] * deep][: max(deep, 0)]
    words = drafted(tmp_path, *lines, "Age (h),Glc (mM),Lac (mM)", "0,30,1", "24,25,2")
    assert words.get("header", 1) == deep + 1
    assert words["time"] == "Age (h)"


def test_deeper_headings_are_told_by_their_row(tmp_path):
    lines = [*["a,b"] * 150, "Age (h),Glc (mM)", "0,30"]
    assert "GLC" not in drafted(tmp_path, *lines)["measured"]
    assert "--header ROW" in propose(tmp_path / "file.csv")
    words = drafted(tmp_path, *lines, header=151)
    assert words["header"] == 151
    assert words["measured"] == {"GLC": "Glc (mM)"}
    assert import_runs(tmp_path / "file.csv", words)
    with pytest.raises(InputError, match="header 1000; a sheet has at most 152 rows"):
        propose(tmp_path / "file.csv", 1000)


@pytest.mark.parametrize(("heads", "run"), [
    ("Reactor,Sample ID", "Reactor"), ("Sample ID,Batch ID", "Batch ID"), ("Sample ID,Vessel", "Vessel"),
    ("Sample ID,Run", "Run"), ("Sample ID,Remark", None),
])  # fmt: skip
def test_the_id_of_a_sample_is_no_run(tmp_path, heads, run):
    first = heads.split(",")[0]
    rows = [f"{'S' + str(i) if first == 'Sample ID' else 'R1'},{'R1' if first == 'Sample ID' else 'S' + str(i)},{i},3"
            for i in range(3)]  # fmt: skip
    assert drafted(tmp_path, f"{heads},Age (h),Glc (mM)", *rows).get("run") == run


@pytest.mark.parametrize(("heading", "others", "asked"), [
    ("Met (mM)", "pH,Glc (mM)", "MeOH for methanol"), ("Met (mM)", "Asn (mM),Glc (mM)", ""),
    ("Glu (g/L)", "Lac (g/L),Gln (mM)", "GLC for glucose"), ("Glu (mM)", "Gluc (g/L),Lac (g/L)", ""),
    ("Gly (g/L)", "Glc (g/L),pH", "glycerol"), ("Pro (g/L)", "Glc (g/L),pH", "ANTI for the product"),
    ("X (Mcell/mL)", "Glc (g/L),pH", "TCD if dead ones are too"), ("Cells (1e6/mL)", "Glc (g/L),pH", "VCD if viable"),
    ("Methionine (mM)", "Glc (g/L),pH", ""), ("X (g/L)", "Glc (g/L),pH", ""),
])  # fmt: skip
def test_a_name_that_may_mean_two_things_is_asked(tmp_path, heading, others, asked):
    words = drafted(tmp_path, f"Time (h),{heading},{others}", "0,1,2,3", "24,2,3,4")
    assert ("?" in words["measured"]) == bool(asked)
    if asked:
        assert words["measured"]["?"] == heading
        assert asked in propose(tmp_path / "file.csv")
        with pytest.raises(InputError, match="the file does not say which quantity it is"):
            import_runs(tmp_path / "file.csv", words)


def test_met_in_a_composition_is_not_taken_for_methionine(csv):
    words = {"time": DAY, "taken": "before", "measured": GLC, "start": {"volume": "1 L"},
             "feeds": {"F": {"volume": "Feed (mL)", "media": {"Met": "10 mol/L"}}}}  # fmt: skip
    with pytest.raises(InputError, match="MET for methionine, or MeOH for methanol"):
        import_runs(csv("Day,Glc,Feed (mL)", "0,30,", "1,25,2"), words)


def test_one_feed_under_several_spellings_is_drafted_once(tmp_path):
    names = ("Glc feed (mL)", "Gluc Feed Volume (mL)", "Glucose Feed Volume (mL)", "Glucose feed (mL)")
    words = drafted(tmp_path, f"Age (h),Glc (mM),{','.join(names)}", "0,30,0,0,0,0", "24,27,1,1,1,1", "48,29,2,2,2,2")
    assert list(words["feeds"]) == ["Glc feed"]
    assert propose(tmp_path / "file.csv").count("would be fed twice") == 3


# ------------------------------------------------------------------------------------------------- logs


def file_of(tmp_path, log, samples=SAMPLES):
    return book(tmp_path / "file.xlsx", {"Samples": samples, "Log": log})


def flows(run, kind=Feed):
    return [(event.time, pytest.approx(event.rate)) for event in run.events if isinstance(event, kind)]


def test_a_total_in_a_log_is_what_the_sheets_below_each_other_give(tmp_path):
    log = [["Day", "F total (g)"], [0, 0], [0.5, 10.5], [1, 10.5], [2, 21]]
    feeds = {"F": {"cumulative": {"column": "F total (g)", "density": 1.05}, "media": {"GLC": "2 mol/L"}}}
    path = file_of(tmp_path, log)
    [run] = import_runs(path, FED | {"feeds": feeds})
    below = {word: of for word, of in FED.items() if word != "log"} | {"sheet": ["Samples", "Log"], "feeds": feeds}
    assert run.events == import_runs(path, below)[0].events
    assert flows(run)[0] == (0.0, 0.02)


def test_a_rate_and_a_rise_and_an_outflow_may_be_in_a_log(tmp_path):
    log = [["Day", "Pump (mL/h)", "Bleed (mL/h)"], [-1, 7, 0], [0.5, 1, 2], [1.5, 0, 0]]
    feeds = {"F": {"rate": "Pump (mL/h)", "media": {"GLC": "2 mol/L"}}}
    [run] = import_runs(file_of(tmp_path, log), FED | {"feeds": feeds, "bleed": "Bleed (mL/h)"})
    assert flows(run) == [(0.0, 0.168), (0.5, 0.024), (1.5, 0.0)]  # from 7 mL/h before the start on
    assert flows(run, Outflow) == [(0.5, 0.048), (1.5, 0.0)]
    log = [["Day", "When", "V (mL)"], [1, "pre", 1000], [1, "post", 1020]]
    samples = [["Day", "When", "Glc"], [0, None, 30], [1, "pre", 25], [2, None, 20]]
    words = FED | {"rows": {"column": "When", "before": "pre", "after": "post"},
                   "feeds": {"F": {"rise": "V (mL)", "media": {}}}}  # fmt: skip
    [run] = import_runs(file_of(tmp_path, log, samples), words)
    assert [event.volume for event in run.events if isinstance(event, Bolus)] == pytest.approx([0.02])


@pytest.mark.parametrize("falls", [[10.0, 9.99, 10.0, 10.01], [5.0, 4.995, 10.0, 9.95], [10.0, 9.9, 9.95, 9.99]])
def test_a_total_that_falls_by_the_noise_of_its_balance_counts_once(tmp_path, falls):
    log = [["Day", "F total (mL)"], [0, 0], *([0.25 * (i + 1), value] for i, value in enumerate(falls))]
    feeds = {"F": {"cumulative": "F total (mL)", "media": {"GLC": "2 mol/L"}}}
    found = imported(file_of(tmp_path, log), FED | {"feeds": feeds})
    times = [event.time for event in found.runs[0].events]
    fed = sum(event.rate * (after - event.time)
              for event, after in zip(found.runs[0].events, [*times[1:], 2.0], strict=True))  # fmt: skip
    assert fed == pytest.approx(max(falls) / 1000)
    assert any("counts as noise" in str(remark) for remark in found.remarks)


def test_a_total_that_is_set_back_is_a_fault(tmp_path):
    log = [["Day", "F total (mL)"], [0, 0], [0.5, 10], [1, 2]]
    with pytest.raises(InputError, match="what was added so far does not fall"):
        import_runs(file_of(tmp_path, log), FED | {"feeds": {"F": {"cumulative": "F total (mL)", "media": {}}}})


def test_totals_before_the_first_sample_are_where_they_count_from(tmp_path):
    log = [["Day", "F total (mL)"], [-1, 3], [-0.5, 5], [0.5, 10], [1, 10]]
    feeds = {"F": {"cumulative": "F total (mL)", "media": {}}}
    [run] = import_runs(file_of(tmp_path, log), FED | {"feeds": feeds})
    assert flows(run) == [(0.0, 0.01), (0.5, 0.0)]


def test_a_log_may_have_a_row_of_units(tmp_path):
    log = [["Day", "F total"], ["d", "mL"], [0, 0], [1, 10]]
    feeds = {"F": {"cumulative": "F total", "media": {}}}
    assert flows(import_runs(file_of(tmp_path, log), FED | {"feeds": feeds})[0])[0] == (0.0, 0.01)


def test_a_log_without_the_columns_of_feeds_is_told(tmp_path):
    path = file_of(tmp_path, [["Day", "Other (mL)"], [0, 0]])
    with pytest.raises(InputError, match=r"a feed names a column of the sheet 'Log'.*the sheet has Other"):
        import_runs(path, FED | {"feeds": {"F": {"cumulative": "F total (mL)", "media": {}}}})
    with pytest.raises(InputError, match="sheet is needed, and volume beside feed"):
        import_runs(path, FED | {"log": {"sheet": "Log", "feed": "Feed"}})


def test_the_draft_names_the_totals_of_a_log_and_is_then_read(tmp_path):
    log = [["Day", "Feed total (g)", "Base total (mL)"], [0, 0, 0], [1, 10.5, 2], [2, 21, 4]]
    path = file_of(tmp_path, log, [["Day", "Glc (mM)"], [0, 30], [1, 25], [2, 20]])
    draft = propose(path)
    words = tomllib.loads(draft)
    assert words["log"] == {"sheet": "Log", "time": "Day"}
    assert words["feeds"]["Base total"]["cumulative"] == "Base total (mL)"
    draft = draft.replace('density = "?"', "density = 1.05").replace("? mmol/L", "2 mol/L").replace('"? L"', '"1 L"')
    [run] = import_runs(path, tomllib.loads(draft))
    assert flows(run)[0] == (0.0, 0.01)


# ------------------------------------------------------------------------------------------------- the first day

CAMPAIGN = Path(__file__).parents[3] / "shared" / "cases" / "first-day" / "campaign.xlsx"


@pytest.mark.skipif(not CAMPAIGN.exists(), reason="the cases are not there")
def test_three_commands_from_the_workbook_of_a_laboratory_to_rates(tmp_path):
    def graycell(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    draft = graycell("import", CAMPAIGN).output
    for said in ("header = 3", 'run = "Run"', 'taken = "?"', 'of = "?"', "which unit? mmol/L, g/L"):
        assert said in draft, said
    assert graycell("import", CAMPAIGN, "--draft", tmp_path / "map.toml").exit_code == 0
    text = (tmp_path / "map.toml").read_text()
    answers = {'taken = "?"': 'taken = "before"', 'of = "?"': 'of = "culture"', 'unit = "?"': 'unit = "g/L"',
               "? mmol/L": "55.5 mmol/L"}  # fmt: skip
    for asked, answer in answers.items():
        text = text.replace(asked, answer)
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(InputError) as caught:  # a decimal comma in one cell, and a row that is there twice
        import_runs(CAMPAIGN, tmp_path / "map.toml")
    told = [str(finding) for finding in gathered(caught.value.findings)]
    assert any("row 21, column 'Glucose (g/L)': found '2,66'" in said and "decimal =" not in said for said in told)
    assert any('replicates = "mean" if both are of one sample' in said for said in told)
    made = openpyxl.load_workbook(CAMPAIGN)
    made["Bioreactor data"]["E21"] = 2.66
    made.save(tmp_path / "campaign.xlsx")
    (tmp_path / "map.toml").write_text('replicates = "mean"\n' + text)
    done = graycell("import", tmp_path / "campaign.xlsx", "--map", tmp_path / "map.toml", "--out", tmp_path / "runs")
    assert "3 runs of campaign.xlsx" in done.output
    rates = graycell("rates", tmp_path / "runs", "--out", tmp_path / "rates")
    assert rates.exit_code == 0, rates.output
