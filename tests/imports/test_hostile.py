"""Files that someone made to do harm, and those that are merely too large: a sentence, in little memory."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest

READ = """
import json, sys
sys.path.insert(0, sys.argv[1])
from fuzzing import most_memory
from graycell.errors import InputError
from graycell.imports.importing import import_runs
from graycell.imports.drafting.proposing import propose
from graycell.balances.checking import check_path
said = []
for path in sys.argv[2:]:
    said.append([str(fault) for fault in check_path(path) if fault.severity == "error"])
    for read in (propose, lambda path: import_runs(path, {"time": "Day [d]", "measured": {"GLC": "Glc [mM]"}})):
        try:
            read(path)
        except InputError as error:
            said[-1].append(str(error))
print(json.dumps([said, most_memory()]))
"""
TESTS = Path(__file__).parents[1]
SHEET = "xl/worksheets/sheet1.xml"


def workbook(parts):
    """A workbook with other parts than it had."""
    whole, made = io.BytesIO(), io.BytesIO()
    book = openpyxl.Workbook()
    book.active.title = "measurements"
    book.active.append(["time [d]", "Glc [mM]"])
    book.save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in {*old.namelist(), *parts}:
            new.writestr(name, parts[name] if name in parts else old.read(name))
    return made.getvalue()


def sheet(rows, head=""):
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?>{head}<worksheet xmlns="{name}"><sheetData>{rows}</sheetData></worksheet>'


LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
LINK = """<?xml version="1.0"?><externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<externalBook><sheetNames><sheetName val="x"/></sheetNames></externalBook></externalLink>"""


def files():
    """Every file by its name; made when asked for, since one of them is large in memory."""
    return {
        "a million columns.csv": b"time [d]," + b"x," * 10**6 + b"\n0\n",
        "ten million rows.csv": b"time [d],GLC [mM]\n" + b"\n" * 10**7,
        "many cells.csv": b"time [d]," + b"a," * 400 + b"\n" + (b"1," * 400 + b"\n") * 20_000,
        "one long line.csv": b"time [d],GLC [mM]\n0," + b"9" * 10**7,
        "an open quote.csv": b'time [d],"GLC [mM]\n' + b"0,1\n" * 10**6,
        "zeros.csv": b"\0" * 10**6,
        "too large.csv": b"time [d]\n" + b"0\n" * (26 * 2**20),
        "wide.xlsx": workbook({SHEET: sheet("<row>" + "<c><v>1</v></c>" * 10**4 + "</row>")}),
        "a million columns.xlsx": workbook({SHEET: sheet("<row>" + "<c><v>1</v></c>" * 10**6 + "</row>")}),
        "the last cell.xlsx": workbook({SHEET: sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')}),
        "a bomb.xlsx": workbook({SHEET: sheet("<row/>" + " " * 2**27)}),
        "laughs.xlsx": workbook({SHEET: sheet("<row><c t='str'><v>&d;</v></c></row>", LAUGHS)}),
        "a file of the machine.xlsx": workbook({SHEET: sheet("<row><c t='str'><v>&b;</v></c></row>", OUTSIDE)}),
        "a link.xlsx": workbook({"xl/externalLinks/externalLink1.xml": LINK}),
        "many cells.xlsx": workbook({SHEET: sheet(("<row>" + "<c><v>1</v></c>" * 400 + "</row>") * 9_000)}),
        "no workbook.xlsx": b"PK\x03\x04" + b"\0" * 1000,
        "pickle.parquet": b"PAR1" + b"cos\nsystem\n(S'touch owned'\ntR." * 10 + b"PAR1",
    }


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What a process of its own says of every file, and the most memory [bytes] that it had."""
    folder = tmp_path_factory.mktemp("hostile")
    made = files()
    paths = [folder / name for name in made]
    for path, data in zip(paths, made.values(), strict=True):
        path.write_bytes(data)
    words = [sys.executable, "-c", READ, str(TESTS), *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=900)
    said, memory = json.loads(done.stdout)
    return dict(zip(made, said, strict=True)), memory


@pytest.mark.parametrize(("name", "words"), [
    ("a million columns.csv", "at most 500 columns"), ("ten million rows.csv", "at most 200000 rows"),
    ("many cells.csv", "at most 3000000 cells"), ("one long line.csv", "is CSV"), ("an open quote.csv", "quote"),
    ("zeros.csv", "a zero byte"), ("too large.csv", "at most 50 MiB"), ("wide.xlsx", "at most 500 columns"),
    ("the last cell.xlsx", "found more rows; a table has at most 200000 rows"),
    ("a bomb.xlsx", "unpacks to at most 64 MiB"), ("laughs.xlsx", "a document type"),
    ("a file of the machine.xlsx", "a document type"), ("many cells.xlsx", "at most 600000 cells"),
    ("a million columns.xlsx", "found more cells; a workbook has at most 600000 cells"),
    ("no workbook.xlsx", "a broken workbook"), ("pickle.parquet", "a broken Parquet file"),
    ("a link.xlsx", "no heading 'Day [d]'"),
])  # fmt: skip
def test_a_hostile_file_is_a_sentence(read, name, words):
    sentences = read[0][name]
    assert any(words in sentence for sentence in sentences), sentences
    assert len(sentences) >= 2  # of more than one reader


def test_all_of_them_together_take_less_than_a_gigabyte(read):
    assert read[1] < 2**30


def test_broken_files_give_runs_or_sentences(tmp_path):
    """A short run of `make fuzz`."""
    pytest.importorskip("pyarrow")
    words = [sys.executable, str(TESTS / "fuzzing.py"), "--files", "400", "--seed", "2026", "--out", str(tmp_path)]
    made = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    assert made.returncode == 0, made.stdout + made.stderr
