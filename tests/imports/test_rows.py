"""Rows that are left out, names of samples that hold several things, and files of the same samples."""

import pytest
from small_files import DAY, GLC, book, series_of
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.runs import read_runs

PLAIN = {"run": "Run", "time": DAY, "measured": GLC}


def sentences_of(path, mapping):
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    return [str(finding) for finding in caught.value.findings]


@pytest.fixture
def files(tmp_path):
    def write(**lines):
        paths = []
        for name, rows in lines.items():
            paths.append(tmp_path / f"{name}.csv")
            paths[-1].write_text("\n".join(rows))
        return paths

    return write


@pytest.mark.parametrize(("cells", "words"), [
    (("blank", ""), "blank"), (("Blank", "BLANK"), "blank"), (("pre-inoculation", "preinoc 2"), "pre*"),
    (("medium", "QC"), ["medium", "qc"]), (("Standard 1", "Standard 2"), "standard*"),
    (("  cal  check", "x"), "cal check"), (("a (b)", "[c]"), ["A (B)", "[c]"]),
])  # fmt: skip
def test_rows_are_left_out_by_a_word(csv, cells, words):
    path = csv("Run,Day,Glc,Kind", f"A,-1,99,{cells[0]}", "A,0,30,sample", f"A,0.5,98,{cells[1]}", "A,1,25,sample")
    words = [words] if isinstance(words, str) else words
    words = [*words, ""] if "" in cells else [*words, "x"] if "x" in cells else words
    found = imported(path, PLAIN | {"leave_out": {"Kind": words}})
    assert series_of(found.runs) == {"A": {0.0: 30.0, 1.0: 25.0}}
    assert f" with '{words[0]}' in 'Kind'" in found.not_read[0]


@pytest.mark.parametrize(("bound", "left"), [("< 0", [0.0, 1.0, 2.0]), ("<=0", [1.0, 2.0]), ("> 1", [0.0, 1.0]),
                                             (">= 1", [0.0])])  # fmt: skip
def test_rows_are_left_out_by_a_bound(csv, bound, left):
    for rows in (("A,-1,9", "A,0,30", "A,1,25", "A,2,20"), ("A,D-1,9", "A,D0,30", "A,D1,25", "A,D2,20")):
        days = [row for row in rows if bound.startswith("<") or "-1" not in row]
        [run] = import_runs(csv("Run,Day,Glc", *days), PLAIN | {"leave_out": {"Day": bound}})
        assert run.measurements["GLC"].time.tolist() == left


def test_what_is_left_out_is_in_the_file(csv):
    path = csv("Run,Day,Glc,Kind", "A,0,30,sample", "A,1,x,sample")
    assert "no heading 'Knd'" in sentences_of(path, PLAIN | {"leave_out": {"Knd": "blank"}})[0]
    assert "row 3" in sentences_of(path, PLAIN)[0]
    path = csv("Run,Day,Glc,Kind", "A,0,30,sample")
    [said] = imported(path, PLAIN | {"leave_out": {"Kind": "blank"}}).remarks
    assert "no row with 'blank'; a row has it" in str(said)
    assert "words of its cells are needed" in sentences_of(path, PLAIN | {"leave_out": {"Kind": 1}})[0]


@pytest.mark.parametrize(
    "word", ["blank", "Pre-inoculation", "medium control", "QC", "Standard 1", "Leerwert", "Calibration"]
)
def test_a_draft_proposes_rows_to_leave_out(csv, word):
    path = csv("Run,Time (d),VCD (1e6/mL),Sample type", f"A,0,0.01,{word}", "A,0.1,0.4,culture", "A,1,0.9,culture")
    assert f'leave_out = {{ "Sample type" = ["{word}"] }}' in propose(path)
    draft = path.with_suffix(".toml")
    draft.write_text(propose(path))
    [run] = import_runs(path, draft)
    assert run.measurements["VCD"].time.tolist() == [0.1, 1.0]


IDS = [  # names, pattern, run, days
    (("BR07_D0", "BR07_D3", "BR07_D10"), "{run}_D{day}", "BR07", [0, 3, 10]),
    (("BR_07-day 0", "BR_07-day 1.5"), "{run}-day {day}", "BR_07", [0, 1.5]),
    (("A-0h", "A-36h"), "{run}-{hour}h", "A", [0, 1.5]),
    (("V1 T0", "V1 T24"), "{run} T{hour}", "V1", [0, 1]),
    (("20261001_R1_d0_08h", "20261001_R1_d2_20h"), "{date}_{run}_d{day}_{hour}h", "R1", [8 / 24, 2 + 20 / 24]),
    (("R1.D0.a", "R1.D1.b"), "{run}.D{day}.{replicate}", "R1", [0, 1]),
    (("d0/R 1", "D1/R 1"), "D{day}/{run}", "R 1", [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("names", "pattern", "run", "days"), IDS)
def test_names_of_samples_are_split_by_a_pattern(csv, names, pattern, run, days):
    path = csv("Sample ID,Glc", *(f"{name},{30 - i}" for i, name in enumerate(names)))
    mapping = {"ids": {"column": "Sample ID", "pattern": pattern}, "measured": GLC}
    if days[0]:
        mapping["start"] = {"GLC": "30 mM"}
    [found] = import_runs(path, mapping)
    assert found.name == run
    assert found.measurements["GLC"].time.tolist() == pytest.approx(days)
    if pattern in ("{run}_D{day}", "{run}-{hour}h", "{run} T{hour}"):
        path = csv("Sample ID,Glucose (mM)", *(f"{name},{30 - i}" for i, name in enumerate(names)))
        assert f'ids = {{ column = "Sample ID", pattern = "{pattern}" }}' in propose(path)
        draft = path.with_suffix(".toml")
        draft.write_text(propose(path))
        assert import_runs(path, draft)[0].measurements["GLC"].time.tolist() == pytest.approx(days)


def test_a_name_that_does_not_fit_is_told_with_its_row_and_can_be_left_out(csv):
    path = csv("Sample ID,Glc", "A_D0,30", "BLANK,1", "A_D1,25", "B_D0,40", "B_D2,31")
    mapping = {"ids": {"column": "Sample ID", "pattern": "{run}_D{day}"}, "measured": GLC}
    [said, *_] = sentences_of(path, mapping)
    assert "row 3, column 'Sample ID': found 'BLANK'; names are like {run}_D{day}" in said
    found = imported(path, mapping | {"leave_out": {"Sample ID": "blank", "{day}": "> 1"}})
    assert series_of(found.runs) == {"A": {0.0: 30.0, 1.0: 25.0}, "B": {0.0: 40.0}}
    for ids, words in (({"column": "Sample ID"}, "a column and a pattern"),
                       ({"column": "X", "pattern": "{run}"}, "no heading"),
                       ({"column": "Sample ID", "pattern": "{run}{run}"}, "each once")):  # fmt: skip
        assert words in "\n".join(sentences_of(path, mapping | {"ids": ids, "time": DAY}))


JOINED = {"join": "Sample", "run": "Run", "time": DAY, "measured": {"VCD": "Cells (1e6 cells/mL)", "GLC": "Glc (mM)"}}
COUNTS = ("Sample,Run,Day,Cells (1e6 cells/mL)", "s1,A,0,0.4", "s2,A,1,0.9", "s3,B,0,0.5", "s4,B,2,1.9")
GLUCOSE = {"A": {0.0: 30.0, 1.0: 25.0}, "B": {0.0: 40.0, 2.0: 31.0}}
CHEMISTRY = ("Sample,Glc (mM)", "s4,31", "s1,30", "s3,40", "s2,25")


def test_two_files_of_the_same_samples_are_joined_by_their_names(files):
    runs = import_runs(files(counts=COUNTS, chemistry=CHEMISTRY), JOINED)
    assert series_of(runs) == GLUCOSE
    assert series_of(runs, "VCD") == {"A": {0.0: 0.4, 1.0: 0.9}, "B": {0.0: 0.5, 2.0: 1.9}}
    assert runs[0].provenance.files == ("counts.csv", "chemistry.csv")


@pytest.mark.parametrize(("chemistry", "join"), [
    (("ID,Glc (mM)", *CHEMISTRY[1:]), {"counts": "Sample", "chemistry": "ID"}),
    (("Exported 2026-10-01", "by somebody", *CHEMISTRY), "Sample"),  # headings further below
    (("Run,Day,Glc (mM)", "A,0.0,30", "A,1.0,25", "B,0,40", "B,2,31"), ["Run", "Day"]),
    (("Sample;Day;Glc (mM);Remark", "s4;2.0;31;", "s1;0;30;", "s3;0;40;x", "s2;1;25;"), "Sample"),
    (("Sample,Day,Cells (1e6 cells/mL),Glc (mM)", "s4,2,0,31", "s1,0,0,30", "s3,0,0,40", "s2,1,0,25"), "Sample"),
    ((*CHEMISTRY, "s9,99"), "Sample"),  # a sample that was not counted
])  # fmt: skip
def test_files_are_joined_however_their_names_are_written(files, chemistry, join):
    found = imported(files(counts=COUNTS, chemistry=chemistry), JOINED | {"join": join})
    assert series_of(found.runs) == GLUCOSE
    assert series_of(found.runs, "VCD")["A"] == {0.0: 0.4, 1.0: 0.9}  # the first file of a name counts
    if "s9,99" in chemistry:
        assert "chemistry.csv, row 6: found the sample 's9'; no other file has it" in str(found.remarks[0])


def test_the_second_file_counts_where_the_mapping_names_it(files):
    chemistry = ("Sample,Glc (mM)", "s4,31", "s1,30", "s3,40", "s2,25")
    counts = (f"{COUNTS[0]},Glc (mM)", *(f"{row},99" for row in COUNTS[1:]))
    measured = {"GLC": {"column": "Glc (mM)", "under": "chemistry.csv"}}
    found = imported(files(counts=counts, chemistry=chemistry), JOINED | {"measured": measured})
    assert series_of(found.runs) == GLUCOSE
    assert "another Glc (mM)" in found.not_read


def test_sheets_of_the_same_samples_are_joined(tmp_path):
    rows = [[row.split(",") for row in lines] for lines in (COUNTS, CHEMISTRY)]
    path = book(tmp_path / "runs.xlsx", {"Counts": rows[0], "Chemistry": rows[1], "Notes": [["none"]]})
    found = imported(path, JOINED | {"sheet": ["Counts", "Chemistry"]})
    assert series_of(found.runs) == GLUCOSE
    assert found.not_read == ("the sheet 'Notes'",)


@pytest.mark.parametrize(("chemistry", "words"), [
    (("ID,Glc (mM)", "s1,30"), "join: found no heading 'Sample' in 'chemistry.csv'"),
    ((*CHEMISTRY, "s1,31"), "chemistry.csv, row 6: found a second row of the sample 's1'; a sample has one row"),
    (("Sample,Glc (mM)", "x1,30", "x2,31"), "chemistry.csv, row 2: found the sample 'x1'; no other file has it"),
    (("Sample,Day,Glc (mM)", "s1,3,30", "s2,1,25"), "row 2: found a second value of Day, '3'; '0' is there"),
    (("Sample,Glc (mM)", ",30", "s2,25"), "row 2: found an empty cell; every row names its sample"),
])  # fmt: skip
def test_samples_that_do_not_fit_together_are_told(files, chemistry, words):
    said = sentences_of(files(counts=COUNTS, chemistry=chemistry), JOINED)
    assert words in "\n".join(said)


def test_replicates_of_one_file_are_joined_with_the_sample_of_the_other(files):
    chemistry = ("Sample,Glc (mM)", "s1,29", "s1,31", "s2,25", "s3,40", "s4,31")
    runs = import_runs(files(counts=COUNTS, chemistry=chemistry), JOINED | {"replicates": "mean"})
    assert series_of(runs) == GLUCOSE


def test_files_are_joined_on_the_command_line(files, tmp_path):
    paths = files(counts=COUNTS, chemistry=CHEMISTRY)
    (tmp_path / "m.toml").write_text(
        'join = "Sample"\nrun = "Run"\ntime = { column = "Day", unit = "d" }\n[measured]\nGLC = "Glc (mM)"\n'
        'VCD = "Cells (1e6 cells/mL)"\n'
    )
    told = CliRunner().invoke(app, ["import", *map(str, paths), "--map", str(tmp_path / "m.toml"),
                                    "--out", str(tmp_path / "out")])  # fmt: skip
    assert told.exit_code == 0, told.output
    assert series_of(read_runs(tmp_path / "out")) == GLUCOSE


def test_files_of_the_same_samples_without_join_are_told_of_it(files):
    said = sentences_of(files(counts=COUNTS, chemistry=CHEMISTRY), {
        word: of for word, of in JOINED.items() if word != "join"})  # fmt: skip
    assert 'if they do, write join = "the column that names the samples"' in said[-1]
    both = files(counts=COUNTS, more=COUNTS)
    assert "join" not in "".join(sentences_of(both, PLAIN))
