"""Compositions from other places and of feeds that change, assay errors, and groups of runs."""

from itertools import pairwise

import numpy as np
import pytest
from small_files import DAY, GLC, book

from graycell.errors import InputError
from graycell.imports.importing import import_runs, imported
from graycell.runs import Bolus, Feed

FED = {"time": DAY, "taken": "before", "measured": GLC, "start": {"volume": "1 L"}}
ROWS = ("Day,Glc,F (mL)", "0,30,", "1,25,10", "2,24,10", "4,20,10")
GLUCOSE = 1000.0 / 180.156


def with_media(media, kind="volume", column="F (mL)", **more):
    return FED | {"feeds": {"F": {kind: column, "media": media, **more}}}


def sentences_of(path, mapping):
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    return "\n".join(str(finding) for finding in caught.value.findings)


SHEETS = [  # lines of media.csv, words of the mapping
    (("Medium,F,G", "Glucose (g/L),400,1", "Gln (mM),20,2"), {"names": "Medium"}),
    (("medium,Glucose (g/L),Gln (mM)", "G,1,2", "F,400,20"), {}),
    (("Feed;Glucose (g/L);Gln (mM)", "Feed X lot 3;400;20"), {"names": "Feed", "medium": "Feed X lot 3"}),
    (("Glucose (g/L),Gln (mM)", "400,20"), {}),  # a row without a name
    (("Component,Conc", "Glucose (g/L),400", "Gln (mM),20"), {}),
    (("Component,Unit,Conc", "Glucose,g/L,400", "Gln,mM,20"), {}),
    (("Component,Supplier,Amount,Unit", "Glucose,Somebody,400,g/L", "Gln,Another,20,mM"), {}),
    (("A title", "", "Glucose (g/L),400", "Gln (mM),20"), {}),
    (("Medium,Glucose,Gln", ",g/L,mM", "G,1,2", "F,400,20"), {"names": "Medium"}),
    (("Sample,VCD (1e6/mL),pH,Glucose (g/L),Gln (mM)", "s1,1,7,6,4", "F,0,7,398,20", "F,,7,402,20"),
     {"names": "Sample", "replicates": "mean"}),  # assays of the feed among the samples
    (("Glucose (g/L),Gln (mM)", "390,19", "410,21"), {"replicates": "mean"}),
    (("Medium,F,F", "Glucose (g/L),390,410", "Gln (mM),20,20"), {"names": "Medium", "replicates": "mean"}),
    (("Medium,Assay,Glucose (g/L),Gln (mM)", "F,1,400,22", "F,2,,18", "G,1,1,1"),
     {"names": "Medium", "replicates": "mean"}),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "words"), SHEETS)
def test_a_composition_is_read_from_another_file(csv, tmp_path, lines, words):
    path = csv(*ROWS)
    (tmp_path / "media.csv").write_text("\n".join(lines))
    [run] = import_runs(path, with_media({"file": "media.csv", **words}))
    assert run.media["F"] == {"GLC": pytest.approx(400.0 * GLUCOSE), "GLN": pytest.approx(20.0)}


def test_a_composition_is_read_from_a_sheet_of_another_workbook_beside_the_mapping(csv, tmp_path):
    (tmp_path / "there").mkdir()
    book(tmp_path / "there" / "media.xlsx", {"Notes": [["none"]], "Feeds": [["Glucose (g/L)"], [400]]})
    mapping = tmp_path / "there" / "m.toml"
    mapping.write_text('time = { column = "Day", unit = "d" }\ntaken = "before"\n[measured]\nGLC = { column = "Glc", '
                       'unit = "mM" }\n[start]\nvolume = "1 L"\n[feeds.F]\nvolume = "F (mL)"\n'
                       'media = { file = "media.xlsx", sheet = "Feeds" }\n')  # fmt: skip
    assert import_runs(csv(*ROWS), mapping)[0].media["F"] == {"GLC": pytest.approx(400.0 * GLUCOSE)}


@pytest.mark.parametrize(("lines", "words", "said"), [
    (("Glucose (g/L),Gln (mM)", "390,19", "410,21"), {}, 'write replicates = "mean" into media if these are assays'),
    (("Medium,F,G", "Glucose (g/L),400,1"), {"names": "Name"}, "no 'Name' in the sheet 'media' of media.csv"),
    (("Medium,F2,G", "Glucose (g/L),400,1"), {"names": "Medium"}, "another name than that of the feed is written as"),
    (("x", "y"), {}, "or leave names out if the sheet has one composition"),
    (("Glucose (g/L)", "much"), {}, "no 'medium'"),
    (("Glucose", "400"), {}, "found no unit; a concentration has one"),
    (("Glucose (g/L)", "400"), {"file": "other.csv"}, "no file 'other.csv'"),
    (("Glucose (g/L)", "400"), {"file": "../media.csv"}, "no file '../media.csv'"),
    (("Glucose (g/L)", "400"), {"file": "media.pdf"}, "no file 'media.pdf'"),
    (("Glucose (g/L)", "400"), {"replicates": "median"}, "the mean of assays counts"),
    (("Glucose (g/L)", "400"), {"molar_mass": 3}, "a table by the names of solutes is needed"),
    (("Glucose (g/L)", "400"), {"sheat": "x"}, "only known words are read"),
])  # fmt: skip
def test_what_is_wrong_with_another_file_is_told(csv, tmp_path, lines, words, said):
    path = csv(*ROWS)
    (tmp_path / "media.csv").write_text("\n".join(lines))
    assert said in sentences_of(path, with_media({"file": "media.csv", **words}))


def fed(run):
    """Return the boluses by medium, time and the glucose [mmol/L] of it."""
    boluses = [event for event in run.events if isinstance(event, Bolus)]
    return [(bolus.medium, bolus.time, run.media[bolus.medium]["GLC"]) for bolus in boluses]


def test_a_feed_whose_composition_changes_with_time(csv):
    media = [{"GLC": "2 mol/L"}, {"from": "2 d", "GLC": "1 mol/L", "GLN": "5 mM"}]
    [run] = import_runs(csv(*ROWS), with_media(media))
    assert fed(run) == [("F", 1.0, 2000.0), ("F from 2 d", 2.0, 1000.0), ("F from 2 d", 4.0, 1000.0)]
    assert run.media["F from 2 d"] == {"GLC": 1000.0, "GLN": 5.0}
    [run] = import_runs(csv(*ROWS), with_media(media) | {"taken": "after"})  # the feed is a second before the sample
    assert [medium for medium, *_ in fed(run)] == ["F", "F from 2 d", "F from 2 d"]


def test_a_flow_changes_between_two_rows_where_the_composition_does(csv):
    path = csv("Day,Glc,F (mL/h)", "0,30,1", "1,25,", "4,24,0")
    media = [{"GLC": "2 mol/L"}, {"from": "60 h", "GLC": "1 mol/L"}]
    [run] = import_runs(path, with_media(media, "rate", "F (mL/h)"))
    flows = [(event.medium, event.time, event.rate) for event in run.events if isinstance(event, Feed)]
    assert flows == [("F", 0.0, pytest.approx(0.024)), ("F", 2.5, 0.0), ("F from 2.5 d", 2.5, pytest.approx(0.024)),
                     ("F from 2.5 d", 4.0, 0.0)]  # fmt: skip
    path = csv("Day,Glc,F (mL)", "0,30,0", "2,25,48", "4,24,96")
    [run] = import_runs(path, with_media(media, "cumulative"))
    given = {"F": 0.0, "F from 2.5 d": 0.0}
    events = [event for event in run.events if isinstance(event, Feed)]
    for medium in given:
        own = [event for event in events if event.medium == medium]
        given[medium] = sum(a.rate * (b.time - a.time) for a, b in pairwise(own))
    assert given == {"F": pytest.approx(0.060), "F from 2.5 d": pytest.approx(0.036)}


@pytest.mark.parametrize("media", [
    {"L1": {"GLC": "2 mol/L"}, "L2": {"GLC": "1 mol/L"}}, {"file": "media.csv", "names": "Lot"},
])  # fmt: skip
def test_a_column_names_the_lot_of_a_feed(csv, tmp_path, media):
    path = csv("Day,Glc,F (mL),Lot", "0,30,,", "1,25,10,L1", "2,24,10,L2", "4,20,10,L2")
    (tmp_path / "media.csv").write_text("Lot,L1,L2\nGlucose (mM),2000,1000")
    [run] = import_runs(path, with_media(media, lot="Lot"))
    assert fed(run) == [("F L1", 1.0, 2000.0), ("F L2", 2.0, 1000.0), ("F L2", 4.0, 1000.0)]


GROUPS = {"groups": {"high": ["A", "B*"], "low": "C"}, "run": "Run"}
OF_RUNS = ("Run,Day,Glc,F (mL)", "A,0,30,", "A,1,30,10", "B1,0,30,", "B1,1,30,10", "C,0,30,", "C,1,30,10")


def test_groups_of_runs_have_compositions_and_starts_of_their_own(csv):
    media = [{"GLC": "2 mol/L"}, {"runs": "low", "GLC": "1 mol/L"}, {"runs": ["B1"], "from": "2 h", "GLC": "3 mol/L"}]
    mapping = with_media(media) | GROUPS | {"start": {"volume": {"high": "1.5 L", "low": "2 L"}, "LAC": "1 mM"}}
    runs = import_runs(csv(*OF_RUNS), mapping)
    assert {run.name: fed(run)[0][2] for run in runs} == {"A": 2000.0, "B1": 3000.0, "C": 1000.0}
    assert {run.name: run.initial_volume for run in runs} == {"A": 1.5, "B1": 1.5, "C": 2.0}
    assert all(run.initial["LAC"] == 1.0 for run in runs)
    assert fed(runs[2])[0][0] == "F of low"


@pytest.mark.parametrize(("changed", "words"), [
    ({"groups": {"high": "A", "low": "C"}}, "the run 'B1' in 0 groups of [start]"),
    ({"groups": {"high": ["A", "B*"], "low": "*"}}, "in 2 groups of [start]"),
    ({"groups": {"high": 1, "low": "C"}}, "a list of runs is needed"),
    ({"start": {"volume": {"high": "1.5 L", "lw": "2 L"}}}, "did you mean 'low'"),
    ({"start": {"volume": {"high": "1.5 L", "low": 2}}}, 'like "2 L"'),
    (with_media([{"runs": "low", "GLC": "1 mol/L"}]), "one of the compositions of [feeds.F] holds"),
    (with_media([{"GLC": "1 mM"}, {"GLC": "2 mM"}]), "two compositions"),
    (with_media([{"GLC": "1 mM"}, {"from": 2, "GLC": "2 mM"}]), 'write from = "5 d"'),
    (with_media([{"GLC": "1 mM"}, {"runs": 2, "GLC": "2 mM"}]), "a list of runs is needed"),
    (with_media({"L1": {"GLC": "1 mM"}}, lot="Day"), "found '1'; it is L1; name the lot"),
    (with_media({"GLC": "1 mM"}, lot="Day"), "with lot there is a composition for each"),
    (with_media({"L1": {"GLC": "1 mM"}}, lot="Lot"), "no heading 'Lot'"),
    (with_media([{"GLC": "1 M"}, {"from": "1 d", "GLC": "2 M"}], "rate", {"column": "F (mL)", "unit": "mmol/h"}),
     "a feed that is given as an amount has one composition"),
])  # fmt: skip
def test_what_is_wrong_with_groups_and_lots_is_told(csv, changed, words):
    start = {"volume": {"high": "1.5 L", "low": "2 L"} if "groups" in changed else "1 L"}
    mapping = with_media({}) | GROUPS | {"start": start} | changed | {"run": "Run"}
    assert words in sentences_of(csv(*OF_RUNS), mapping)


@pytest.mark.parametrize(("error", "expected"), [
    ("5 %", [1.5, 1.0]), ("0.2 mM", [0.2, 0.2]), (["5 %", "2 mM"], [2.5, 5.0**0.5]), ("36.0312 mg/L", [0.2, 0.2]),
    ({"column": "SD (mM)"}, [0.7, 0.9]),
])  # fmt: skip
def test_assay_errors_of_the_mapping(csv, error, expected):
    path = csv("Day,Glc,SD (mM)", "0,30,0.7", "1,20,0.9")
    [run] = import_runs(path, {"time": DAY, "measured": GLC, "errors": {"GLC": error}})
    assert np.asarray(run.measurements["GLC"].standard_error) == pytest.approx(expected)


@pytest.mark.parametrize(("errors", "words"), [
    ({"GLX": "5 %"}, "did you mean 'GLC'"), ({"GLC": 5}, "an error is a part of the value"),
    ({"GLC": "-5 %"}, 'write "5 %"'),
    ({"GLC": "5 L"}, "a unit of mmol/L is needed"), ({"GLC": {"column": "SD"}}, "no heading 'SD'"),
    ({"GLC": "many"}, 'write "5 %"'),
])  # fmt: skip
def test_what_is_wrong_with_an_assay_error_is_told(csv, errors, words):
    assert words in sentences_of(csv("Day,Glc", "0,30"), {"time": DAY, "measured": GLC, "errors": errors})


@pytest.mark.parametrize("left", ["? mmol/L", "?", "? g/L", {"value": "? g/L", "molar_mass": 180.156}, "400 ?"])
def test_a_composition_that_is_left_open_is_told_with_what_to_write(csv, left):
    said = sentences_of(csv(*ROWS), with_media({"GLC": left}))
    assert "media GLC: found a ? that is left; a composition is never guessed" in said
    assert 'such as "400 g/L"' in said
    assert imported(csv(*ROWS), with_media({"GLC": "400 g/L"})).runs


@pytest.mark.parametrize(("quantity", "asked"), [("LAC", False), ("GLC", False), ("NH3", False), ("GLN", False),
                                                 ("Glucose", False), ("mAb", True), ("ANTI", True)])  # fmt: skip
def test_a_unit_that_is_left_open_is_asked_for_with_a_molar_mass_where_none_is_known(csv, quantity, asked):
    path = csv("Day,X", "0,1", "1,2")
    said = sentences_of(path, {"time": DAY, "measured": {quantity: {"column": "X", "unit": "?"}}})
    assert "found a ? that is left; a unit of mmol/L or g/L is needed; give its unit" in said
    assert ("molar_mass" in said) is asked


def test_errors_of_what_was_not_measured_are_told(csv):
    path = csv("Day,Glc,SD (mM)", "0,30,0.7", "1,,0.9")
    said = sentences_of(path, {"time": DAY, "measured": GLC, "errors": {"GLC": {"column": "SD (mM)"}}})
    assert "an error belongs to a measured value" in said
    found = imported(csv("Day,Glc,SD (mM)", "0,30,0.7", "1,20,"),
                     {"time": DAY, "measured": GLC, "errors": {"GLC": {"column": "SD (mM)"}}})  # fmt: skip
    assert found.runs[0].measurements["GLC"].standard_error[0] == 0.7
