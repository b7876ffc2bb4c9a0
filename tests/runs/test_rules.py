"""Rules in the table of events: they come back as they were, and every fault has its sentence."""

import contextlib
from dataclasses import replace

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import fed_batch

from graycell.balances.checking import check_path
from graycell.errors import InputError
from graycell.runs import (
    Bolus,
    CellFeed,
    CultureRun,
    End,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Measurement,
    Outflow,
    Sample,
    ShareBolus,
    check_runs,
    read_runs,
    runs_from_tables,
)
from graycell.runs.format.events import EVENTS
from graycell.runs.format.kinds import KINDS
from graycell.runs.format.template import INSTRUCTIONS, write_template
from graycell.runs.format.writing import tables_of, write_runs

RULES = (
    Sample(1.0, 0.01), LevelBolus(1.0, "feed", "GLC", 100.0 / 3.0), LevelBolus(2.0, "feed", "GLC", 40.0, below=35.1),
    LevelBolus(2.0, "feed", "GLC", 50.0, most=0.1 + 0.2), LevelBolus(2.5, "feed", "GLC", 60.0, 10.0, 0.05),
    ShareBolus(3.0, "feed", 1.0 / 7.0), IvcdBolus(3.0, "feed", 0.1 / 3.0), CellFeed(3.5, "feed", 0.0123),
    FeedRamp(4.0, "feed", 0.02, -1e-3), Feed(5.0, "feed", 0.0), End(9.5),
)  # fmt: skip


def measured(**changes):
    glucose = Measurement("GLC", "mmol/L", np.array([0.0, 1.0, 2.0]), np.array([60.0, 55.0, 50.0]), np.ones(3))
    units = {"GLC": "mmol/L", "VCD": "1e9 cells/L", "DCD": "1e9 cells/L", "mAb": "g/L", "LAC": "mmol/L"}
    return fed_batch(**{"measurements": {"GLC": glucose}, "events": RULES, "end": 9.5, "units": units, **changes})


@pytest.mark.parametrize("name", ["folder", "book.xlsx"])
def test_rules_come_back_as_they_were(tmp_path, name):
    [back] = read_runs(write_runs([measured()], tmp_path / name))
    assert back.events == RULES
    assert [str(finding) for finding in check_path(tmp_path / name) if "events" in finding.place] == []


def test_rules_come_back_from_data_frames():
    [back] = runs_from_tables(tables_of([measured()]))
    assert back.events == RULES


numbers = st.floats(0.0, 1e3, allow_subnormal=False)
media = st.sampled_from(["feed", "=1+1", "glucose, 50 %"])
any_rule = st.one_of(
    st.builds(LevelBolus, st.just(1.0), media, st.just("GLC"), st.floats(1e-9, 400.0), st.none(),
              st.one_of(st.none(), numbers)),
    st.builds(lambda medium, level, share: LevelBolus(2.0, medium, "GLC", level, share * level), media,
              st.floats(1e-3, 400.0), st.floats(1e-3, 1.0)),
    st.builds(ShareBolus, st.just(3.0), media, st.floats(0.0, 1.0)),
    st.builds(IvcdBolus, st.just(3.0), media, numbers),
    st.builds(CellFeed, st.just(4.0), media, numbers),
    st.builds(FeedRamp, st.just(5.0), media, numbers, numbers),
)  # fmt: skip


@given(st.lists(any_rule, max_size=8))
@settings(deadline=None)
def test_any_rules_come_back_to_the_last_digit(rules):
    known = {"feed": {"GLC": 500.0}, "=1+1": {"GLC": 450.0}, "glucose, 50 %": {"GLC": 480.0}}
    events = (*sorted(rules, key=lambda rule: rule.time), End(9.5))
    [back] = runs_from_tables(tables_of([measured(events=events, media=known)]))
    assert back.events == events


def test_levels_of_species_in_different_units_come_back(tmp_path):
    media = {"feed": {"GLC": 500.0, "mAb": 8.0, "DCD": 3.0}}
    rules = (LevelBolus(1.0, "feed", "GLC", 70.0), LevelBolus(2.0, "feed", "mAb", 0.7, below=0.1),
             LevelBolus(2.5, "feed", "DCD", 0.3), End(9.5))  # fmt: skip
    [back] = read_runs(write_runs([measured(media=media, events=rules)], tmp_path / "folder"))
    assert back.events == rules
    heading = (tmp_path / "folder" / "events.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "level,below" in heading  # none of the units is that of all
    [again] = read_runs(write_runs([replace(back, events=rules[1:2] + rules[3:])], tmp_path / "one"))
    assert again.events == rules[1:2] + rules[3:]
    assert "level [g/L],below [g/L]" in (tmp_path / "one" / "events.csv").read_text(encoding="utf-8")


def test_levels_made_in_other_units_are_written_in_internal_ones(tmp_path):
    grams = 0.18015588
    run = measured(events=(LevelBolus(1.0, "feed", "GLC", 70.0 * grams, 60.0 * grams), End(9.5)),
                   initial={**fed_batch().initial, "GLC": 60.0 * grams}, media={"feed": {"GLC": 500.0 * grams}},
                   units={"GLC": "g/L"})  # fmt: skip
    [back] = read_runs(write_runs([run], tmp_path / "folder"))
    assert (back.units["GLC"], back.media["feed"]["GLC"]) == ("mmol/L", pytest.approx(500.0, rel=1e-6))
    assert (back.events[0].level, back.events[0].below) == pytest.approx((70.0, 60.0), rel=1e-6)


HEAD = "time [h],event,medium,species,level [g/L],below [g/L],volume [mL],fraction [%],rate [mL/h],"
HEAD += "rate per cells [nL/(1e6 cells)/d],slope [mL/h/d]\n"
TABLES = {
    "measurements": "time [h],VCD [1e6 cells/mL],GLC [g/L],mAb [g/L]\n0,0.5,6,0.01\n24,1,5,0.02\n48,2,4,0.03\n",
    "initial": "volume [mL]\n1500\n",
    "media": "medium,GLC [g/L],mAb [mg/L]\nfeed,90.078,500\nwater,,\n",
    "events": HEAD + """24,bolus to level,feed,GLC,5.40468,3.60312,30,,,,
30,bolus share,feed,,,,,3,,,
36,feed per cells,feed,,,,,,,50,
48,feed ramp,feed,,,,,,0.5,,0.1
""",
}


def write_folder(path, tables):
    path.mkdir(exist_ok=True)
    for name, text in tables.items():
        (path / f"{name}.csv").write_text(text, encoding="utf-8")
    return path


def test_rules_are_read_in_units_of_a_laboratory(tmp_path):
    [run] = read_runs(write_folder(tmp_path / "run", TABLES))
    level, share, per_cell, ramp = run.events
    assert (level.time, level.medium, level.species) == (1.0, "feed", "GLC")
    assert (level.level, level.below, level.most) == pytest.approx((30.0, 20.0, 0.03), rel=1e-6)
    assert (share.time, share.share) == pytest.approx((1.25, 0.03), rel=1e-12)
    assert (per_cell.time, per_cell.rate) == pytest.approx((1.5, 5e-5), rel=1e-12)
    assert (ramp.time, ramp.rate, ramp.slope) == pytest.approx((2.0, 0.012, 0.0024), rel=1e-12)


@pytest.mark.parametrize(
    ("row", "column", "clauses"),
    [
        ("24,bolus to level,feed,GLC,,,,,,,", "level [g/L]", ["an empty cell", "event bolus to level needs a level"]),
        ("24,bolus to level,feed,,5,,,,,,", "species", ["the event bolus to level needs a species"]),
        ("24,bolus to level,,GLC,5,,,,,,", "medium", ["the event bolus to level needs a medium"]),
        ("24,bolus to level,fed,GLC,5,,,,,,", "medium", ["did you mean 'feed'"]),
        ("24,bolus to level,feed,GLUC,5,,,,,,", "species", ["has a column in the table media", "did you mean 'GLC'"]),
        ("24,bolus to level,feed,GLC,0,,,,,,", "level [g/L]", ["a level is > 0"]),
        ("24,bolus to level,feed,GLC,-5,,,,,,", "level [g/L]", ["a level is > 0"]),
        ("24,bolus to level,feed,GLC,5,,,,3,,", "rate [mL/h]",
         ["takes medium, species, level, below and volume alone"]),
        ("24,bolus to level,feed,GLC,5,,-30,,,,", "volume [mL]", ["volumes are >= 0"]),
        ("24,bolus share,feed,,,,,,,,", "fraction [%]", ["the event bolus share needs a fraction"]),
        ("24,bolus share,feed,,,,,140,,,", "fraction [%]", ["a fraction is at most 100 %"]),
        ("24,bolus share,feed,GLC,,,,3,,,", "species", ["the event bolus share takes medium and fraction alone"]),
        ("24,feed per cells,feed,,,,,,,,", "rate per cells [nL/(1e6 cells)/d]", ["needs a rate per cells"]),
        ("24,feed per cells,feed,,,,,,,-3,", "rate per cells [nL/(1e6 cells)/d]", ["rates are >= 0"]),
        ("24,bolus per IVCD,feed,,,,,,,,", "rate per cells [nL/(1e6 cells)/d]", ["needs a rate per cells"]),
        ("24,bolus per IVCD,feed,,,,3,,,50,", "volume [mL]", ["takes medium and rate per cells alone"]),
        ("24,feed ramp,feed,,,,,,3,,", "slope [mL/h/d]", ["the event feed ramp needs a slope"]),
        ("24,feed ramp,feed,,,,,,,,3", "rate [mL/h]", ["the event feed ramp needs a rate"]),
        ("24,bolus to levels,feed,GLC,5,,,,,,", "event", ["did you mean 'bolus to level'"]),
    ],
)  # fmt: skip
def test_each_fault_of_a_rule_has_its_place_and_its_sentence(tmp_path, row, column, clauses):
    tables = {**TABLES, "events": f"{HEAD}{row}\n"}
    said = [str(finding) for finding in check_path(write_folder(tmp_path / "run", tables))]
    [place] = {sentence.split(": found")[0] for sentence in said if sentence.startswith("run/events.csv, row 2")}
    assert place == f"run/events.csv, row 2, column '{column}'"
    assert all(any(clause in sentence for sentence in said) for clause in clauses), said


@pytest.mark.parametrize(
    ("row", "clause"),
    [
        ("24,bolus to level,feed,GLC,95,,,,,,", "holds more GLC than the level to which it brings a culture"),
        ("24,bolus to level,water,GLC,5,,,,,,", "the medium 'water' without 'GLC'"),
        ("24,bolus to level,feed,GLC,5,6,,,,,", "a bolus is not given above the level that it leads to"),
        ("24,feed ramp,feed,,,,,,0.5,,-1", "end the ramp with a feed of feed at 1.5 d"),
        ("24,bolus to level,feed,mAb,0.1,,,,,,", ""),
    ],
)
def test_a_rule_that_cannot_be_met_is_told_when_its_numbers_are_read(tmp_path, row, clause):
    tables = {**TABLES, "events": f"{HEAD}{row}\n48,end,,,,,,,,,\n"}
    path = write_folder(tmp_path / "run", tables)
    faults = [str(finding) for finding in check_path(path) if finding.severity == "error"]
    assert [clause in fault for fault in faults] == ([True] if clause else [])
    with pytest.raises(InputError) if clause else contextlib.nullcontext():
        write_runs(read_runs(path), tmp_path / "written")


def test_a_level_has_a_unit_that_converts_or_that_of_the_media(tmp_path):
    row = "24,bolus to level,feed,GLC,5\n"
    for unit, level in ((" [mmol/L]", 5.0), ("", 5.0 / 0.180156), (" [mg/dL]", 0.05 / 0.180156)):
        tables = {**TABLES, "events": f"time [h],event,medium,species,level{unit}\n{row}"}
        [run] = read_runs(write_folder(tmp_path / "run", tables))
        assert run.events[0].level == pytest.approx(level, rel=1e-4)
    tables = {**TABLES, "events": f"time [h],event,medium,species,level [mL]\n{row}"}
    [said] = [str(one) for one in check_path(write_folder(tmp_path / "run", tables)) if one.severity == "error"]
    assert "column 'level [mL]': found the unit 'mL'; the table media has GLC in a unit of mmol/L" in said


def test_a_rule_needs_an_initial_volume(tmp_path):
    tables = {name: text for name, text in TABLES.items() if name != "initial"}
    said = [str(finding) for finding in check_path(write_folder(tmp_path / "run", tables))]
    assert any("no initial volume" in sentence for sentence in said)


def test_the_template_tells_of_every_event_and_still_reads(tmp_path):
    told = " ".join(INSTRUCTIONS)
    assert all(f"{event}:" in told for event in EVENTS if event != "replacement")
    columns = set(KINDS["events"].columns) - {"run", "time", "event", "temperature"}
    assert all(column in told for column in columns)
    book = openpyxl.load_workbook(write_template(tmp_path / "runs.xlsx"))
    assert "events" in book.sheetnames


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (LevelBolus(0.5, "feed", "GLC", 80.0), True), (LevelBolus(0.5, "feed", "GLC", 80.0, most=0.1), False),
        (LevelBolus(0.5, "feed", "GLC", 80.0, most=1.5), True), (ShareBolus(0.5, "feed", 1.0), True),
        (IvcdBolus(0.2, "feed", 0.1), True), (IvcdBolus(0.2, "feed", 0.0), False),
        (ShareBolus(0.5, "feed", 0.2), False), (CellFeed(0.2, "feed", 0.1), True),
        (CellFeed(0.2, "feed", 0.0), False), (FeedRamp(0.0, "feed", 0.0, 2.0), True),
        (FeedRamp(0.0, "feed", 0.0, 0.2), False),
    ],
)  # fmt: skip
def test_a_sample_is_too_large_where_no_rule_can_have_filled_the_vessel(rule, holds):
    run = CultureRun("a", 1.0, {"GLC": 10.0}, events=(rule, Sample(1.0, 1.5)), media={"feed": {"GLC": 500.0}}, end=2.0)
    faults = [finding for finding in check_runs([run]) if "the vessel holds" in finding.needed]
    assert (faults == []) == holds


def test_a_vessel_that_a_ramp_fills_runs_empty_when_it_does():
    events = (FeedRamp(0.0, "feed", 0.5, -0.25), Outflow(0.0, 1.0), Bolus(1.9, "feed", 0.0), Feed(2.0, "feed", 0.0))
    run = CultureRun("a", 1.0, {"GLC": 10.0}, events=events, media={"feed": {"GLC": 500.0}}, end=2.0)
    [fault] = [finding for finding in check_runs([run]) if finding.severity == "error"]
    assert "the vessel never runs empty" in fault.needed


@pytest.mark.parametrize(
    ("rule", "clause"),
    [
        (CellFeed(1.0, "feed", 50.0), "found 50 L/(1e9 cells)/d; cells in perfusion are fed at"),
        (CellFeed(1.0, "feed", 0.05), ""),
        (LevelBolus(1.0, "feed", "GLC", 450.0), "animal cells are kept below 300 mmol/L"),
        (LevelBolus(1.0, "feed", "GLC", 45.0), ""),
    ],
)
def test_an_unusual_number_of_a_rule_is_a_remark(rule, clause):
    run = CultureRun("a", 1.0, {"GLC": 10.0}, events=(rule,), media={"feed": {"GLC": 500.0}}, end=2.0)
    said = [str(finding) for finding in check_runs([run]) if "GLC" in finding.place or "rate" in finding.place]
    assert [clause in sentence for sentence in said] == ([True] if clause else [])
