"""A draft of several files serves those that are alike, joins those of the same samples, and names the others."""

import tomllib

import pytest
from small_files import book
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.drafting.several import propose_for
from graycell.imports.importing import import_runs

FIRST = ("Run,Day,VCD (1e6 cells/mL),Glc (mM)", "A,0,0.5,30", "A,1,1,25")


@pytest.fixture
def write(tmp_path):
    def writer(name, *lines):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return writer


def comments(draft):
    return [one for one in draft.splitlines() if one.startswith("#")]


def test_files_that_are_alike_have_the_draft_of_one(write):
    paths = [write("a.csv", *FIRST), write("b.csv", FIRST[0], "B,0,0.5,30", "B,2,1,25"),
             write("c.csv", FIRST[0], "C,0,0.5,31")]  # fmt: skip
    draft = propose_for(paths)
    assert tomllib.loads(draft) == tomllib.loads(propose(paths[0]))
    assert comments(draft)[0].startswith("# A draft of one mapping for a.csv, b.csv, c.csv.")
    assert [run.name for run in import_runs(paths, tomllib.loads(draft))] == ["A", "B", "C"]
    assert propose_for(paths[:1]) == propose(paths[0])


@pytest.mark.parametrize(("second", "optional", "there"), [
    (("Run,Day,VCD (1e6 cells/mL),Glc (mM),Lac (mM)", "B,0,0.5,30,1", "B,1,1,25,4"), {"LAC"}, "LAC"),
    (("Run,Day,VCD (1e6 cells/mL)", "B,0,0.5", "B,1,1"), {"GLC"}, ""),
    (("Day,Lac (mM),Run,Glc (mM)", "0,1,B,30", "1,4,B,25"), {"VCD", "LAC"}, "LAC"),
    (("Run,Day,Glc (mM),Viability (%),VCD (1e6 cells/mL)", "B,0,30,97,1", "B,1,25,98,2"), {"viability"}, "viability"),
    (("Run,Day,VCD (1e6 cells/mL),Glc (mM),pH,EtOH (g/L)", "B,0,0.5,30,7,1", "B,1,1,25,7,4"), {"pH", "ethanol"}, "pH"),
])  # fmt: skip
def test_what_a_file_lacks_is_optional(write, second, optional, there):
    paths = [write("a.csv", *FIRST), write("b.csv", *second)]
    draft = propose_for(paths)
    words = tomllib.loads(draft)
    assert {name for name, of in words["measured"].items() if isinstance(of, dict) and of.get("optional")} == optional
    assert "# not in " in draft
    first, other = import_runs(paths, words)
    assert there in {"", *other.measurements} - set(first.measurements)


@pytest.mark.parametrize(("second", "told"), [
    (("Run,Day,VCD (1e6 cells/mL),Glc (g/L)", "B,0,0.5,30"), 'GLC: "Glc (g/L)" there, "Glc (mM)" in a.csv'),
    (("Run,Day,Cells (1e5 cells/mL),VCD,Glucose (mM)", "B,0,0.5,1,30"), 'GLC: "Glucose (mM)" there, "Glc (mM)" in'),
    (("Reactor,Day,VCD (1e6 cells/mL),Glc (mM)", "B,0,0.5,30"), 'run: "Reactor" there, "Run" in a.csv'),
    (("Run,Time (h),VCD (1e6 cells/mL),Glc (mM)", "B,0,0.5,30"), 'time: "Time (h)" there, column "Day", unit "d" in'),
    (("Made by hand,,,", "", *FIRST), "header: 3 there, nothing in a.csv"),
    (("Run;Day;VCD (1e6 cells/mL);Glc (mM)", "B;0;0,5;30,5"), 'decimal: "," there, nothing in a.csv'),
    (("Run,Day,VCD,Glc", "-,d,1e6 cells/mL,mM", "B,0,0.5,30"), "units: 2 there, nothing in a.csv"),
    (("Run,Day,Lac (mM)", "B,0,1", "B,1,4"), "none of its quantities is in a.csv: 'LAC'; if both hold the same"),
])  # fmt: skip
def test_a_file_that_differs_is_named_with_what_differs(write, second, told):
    paths = [write("a.csv", *FIRST), write("b.csv", *second), write("c.csv", FIRST[0], "C,0,0.5,30.5", "C,1,1,25")]
    draft = propose_for(paths)
    assert comments(draft)[0].startswith("# A draft of the mapping of a.csv, c.csv, out of 3 files.")
    assert comments(draft)[1] == "# b.csv needs a mapping of its own (graycell import b.csv --draft b.toml):"
    assert any(told in one for one in comments(draft)), comments(draft)
    assert [run.name for run in import_runs([paths[0], paths[2]], tomllib.loads(draft))] == ["A", "C"]


def test_whole_numbers_fit_either_decimal_mark(write):
    paths = [write("a.csv", "Run;Day;Glc (mM)", "A;0;30", "A;1;25"),
             write("b.csv", "Run;Day;Glc (mM)", "B;0;30,5", "B;1;2")]  # fmt: skip
    for several in (paths, paths[::-1]):
        words = tomllib.loads(propose_for(several))
        assert words["decimal"] == ","
        assert {run.name: run.measurements["GLC"].value[0] for run in import_runs(paths, words)} == {"A": 30, "B": 30.5}


@pytest.mark.parametrize(("counts", "chemistry", "join"), [
    (("Run,Day,VCD (1e6 cells/mL)", "A,0,0.5", "A,1,1"), ("Run,Day,Glc (mM)", "A,0,30", "A,1,25"), ["Run", "Day"]),
    (("Sample ID,VCD (1e6 cells/mL)", "A_D0,0.5", "A_D1,1"), ("Sample ID,Glc (mM)", "A_D1,25", "A_D0,30"),
     ["Sample ID"]),
    (("Run,Day,VCD (1e6 cells/mL)", "A,0,0.5", "A,1,1"), ("export of today,,", "Run,Day,Glc (mM)", "A,0,30", "A,1,25"),
     ["Run", "Day"]),
    (("Run,Day,VCD (1e6 cells/mL)", "A,0,0.5", "A,1,1", "A,2,2"), ("Day,Run,pH,Glc (mM)", "0,A,7,30", "1,A,7,25"),
     ["Run", "Day"]),
    (("Run,Time (h),VCD (1e6 cells/mL)", "A,0,0.5", "A,24,1"), ("Run,Time (h),Glc (g/L)", "A,0,5.4", "A,24,4.5"),
     ["Run", "Time (h)"]),
])  # fmt: skip
def test_files_of_the_same_samples_are_joined(write, counts, chemistry, join):
    paths = [write("counts.csv", *counts), write("chemistry.csv", *chemistry)]
    draft = propose_for(paths)
    words = tomllib.loads(draft)
    assert words["join"] == join
    [run] = import_runs(paths, words)
    assert {"VCD", "GLC"} <= set(run.measurements)
    assert run.measurements["VCD"].value.tolist()[:2] == [0.5, 1.0]


def test_feeds_of_some_files_are_optional(write):
    paths = [write("a.csv", "Run,Day,Glc (mM),Feed A (mL)", "A,0,30,", "A,1,25,20"),
             write("b.csv", "Run,Day,Glc (mM)", "B,0,30", "B,1,25")]  # fmt: skip
    for several in (paths, paths[::-1]):
        draft = propose_for(several)
        answered = draft.replace('taken = "?"', 'taken = "before"').replace('"? L"', '"1 L"')
        answered = answered.replace("? mmol/L", "1 mol/L")
        runs = {run.name: run for run in import_runs(paths, tomllib.loads(answered))}
        assert (len(runs["A"].events), len(runs["B"].events)) == (1, 0)


def test_ready_profiles_and_faulty_files(write, tmp_path):
    paths = [write("a.csv", *FIRST), write("b.csv", "no;headings", "here;at all")]
    assert any("b.csv needs a mapping of its own" in one for one in comments(propose_for(paths)))
    with pytest.raises(InputError, match=r"none.csv"):
        propose_for([paths[0], tmp_path / "none.csv"])


def test_workbooks_and_the_command(tmp_path):
    units = ["d", "1e6 cells/mL", "mM"]
    first = book(tmp_path / "r1.xlsx", {"Data": [["Day", "VCD", "Glc"], units, [0, 1, 30], [1, 2, 25]]})
    second = book(tmp_path / "r2.xlsx", {"Data": [["Day", "VCD", "Lac"], units, [0, 1, 3], [1, 2, 5]]})
    draft = tmp_path / "m.toml"
    result = CliRunner().invoke(app, ["import", str(first), str(second), "--draft", str(draft)])
    assert result.exit_code == 0, result.output
    out = tmp_path / "runs"
    result = CliRunner().invoke(app, ["import", str(first), str(second), "--map", str(draft), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "Not in the file: Lac in r1.xlsx, Glc in r2.xlsx" in " ".join(result.output.split())
