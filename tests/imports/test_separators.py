"""CSV files of other countries and instruments: quotes, preambles and decimal commas mislead nobody."""

import tomllib

import pytest

from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs
from graycell.runs.format.separators import separator_of

HEADS = ("Time [h]", "VCD [1e6 cells/mL]", "Glucose [g/L]")
ROWS = (("0,0", "0,50", "6,85"), ("24,0", "0,93", "6,67"), ("48,0", "1,49", "6,40"))


def text(separator, before=(), quoted=True, point=False):
    """Return a table as text, perhaps with lines above it."""
    mark = '"' if quoted else ""
    rows = [[cell.replace(",", ".") if point else cell for cell in row] for row in ROWS]
    lines = [separator.join(f"{mark}{cell}{mark}" for cell in row) for row in (HEADS, *rows)]
    return "\n".join([*before, *lines]) + "\n"


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("before", [(), ("Export of reactor 7", ""), ("",), ("a title, with a comma", ""),
                                    ("Instrument;A", "Serial;1", "")])  # fmt: skip
def test_a_file_is_drafted_and_read_whatever_separates_its_cells(tmp_path, separator, quoted, before):
    path = tmp_path / "file.csv"
    path.write_text(text(separator, before, quoted), encoding="utf-8")
    words = tomllib.loads(propose(path))
    assert words["decimal"] == ","
    assert words.get("header", 1) == len(before) + 1
    [run] = import_runs(path, words)
    assert run.measurements["VCD"].value.tolist() == [0.5, 0.93, 1.49]


@pytest.mark.parametrize(("data", "separator"), [
    ("Day,Glc (mM)\n0,1\n", ","), ('"a, b";"c, d"\n"1,5";"2,5"\n', ";"), ("sep=;\na;b\n1,5;2\n", ";"),
    ("a,b,Note\n1,2,x; y\n3,4,x; y\n", ","), ("Glc\n1\n2\n", ","), ("", ","), ('"a" ; "b"\n"1" ; "2"\n', ";"),
    ("a\tb\n1,5\t2,5\n", "\t"), ('a;b\n"1\n;2";3\n', ";"), ("one line, and no table", ","),
])  # fmt: skip
def test_the_separator_gives_rows_as_many_cells_as_headings(data, separator):
    assert separator_of(data) == separator


def test_spaces_beside_quotes_are_no_part_of_a_cell(csv):
    path = csv('"Day"; "Glc"', '"0"; "30,5"', '"1"; "25,5"')
    words = {"time": {"column": "Day", "unit": "d"}, "measured": {"GLC": {"column": "Glc", "unit": "mM"}}}
    assert import_runs(path, words | {"decimal": ","})[0].measurements["GLC"].value.tolist() == [30.5, 25.5]
