"""Break files in many ways and read them: every one gives runs or sentences, soon, and in little memory.

    make fuzz                                            20 000 files, some minutes
    .venv/bin/python tests/fuzzing.py --files 500 --seed 7

File i of a seed is always the same. A file that raises anything but `InputError`, or takes longer than 5 s, is kept in
results/fuzz, and its name says which it was.
"""

import argparse
import copy
import faulthandler
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import openpyxl
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

import analyser_files
from small_files import xls

from fuzzed_files import LAYOUTS, MAPPING, SHEET
from graycell.balances.checking import check_path
from graycell.errors import InputError
from graycell.imports.analysers.drafts import draft_of
from graycell.imports.analysers.reading import export_of
from graycell.imports.analysers.tidying import tidied
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs
from graycell.imports.ready import profiles
from graycell.runs import read_runs
from graycell.runs.format.tables import parse_number
from graycell.runs.format.template import TABLES, write_template
from graycell.runs.format.writing import write_runs

LONGEST = 5.0
"""[s] that one file may take."""
LONGEST_SENTENCE = 7000
"""Characters of a finding."""
MOST_MEMORY = 2**30
"""[bytes] of the whole process, at its peak."""
PIECES = (
    "", "nan", "inf", "-inf", "1e999", "-1", "1e-320", "=1+1", "=cmd|' /C calc'!A0", "@x", "'", '"', ";", ",", "\t",
    "\n", "\r", "\0", "\ufeff", "<", "<LOD", "<nan", "n.d.", "%", "٣", "1,234", "1.234,5", "2026-13-45", "{run}",
    "{quantity}", "*", "run", "time", "[1e6 cells/mL]", "[mmol/L]", "[10^9^9^9]", "\x1b[2J", "ä", "\U0001f9eb",
    "A" * 300, "9" * 400, "../../x", "<!DOCTYPE x [<!ENTITY a 'b'>]>", "&a;", "]]>", "0", "-0.0", "true",
    "1979-05-27", "[[a]]", "header = 99999", "sheet = '*'", "D3", "Day -1", "26:30", "99999:59:59", "72 h",
)  # fmt: skip
"""What is put where it does not belong."""


WORDS = (
    "like", "sheet", "header", "units", "fill", "empty", "run", "long", "log", "rows", "volume", "harvest", "column",
    "clock", "unit", "limit", "molar_mass", "optional", "under", "media", "names", "neither", "without",
    "density", "transposed", "replicates", "above", "of", "leave_out", "ids", "join", "groups", "errors", "pattern",
    "interval", "total", "lot", "holds", "taken", "from", "runs", "file", "medium", "formula", "value", "start",
    "feeds", "measured",
)  # fmt: skip
VALUES = (1, -1, 0, 1.5, True, "x", "", "?", [], ["a"], [1], [["a"]], {}, {"a": 1}, {"column": ["a"]}, 10**30,
          float("nan"), date(2026, 1, 1), "1 L", "-1 mM", "Batch", "Sheet", "{run}", "%d %d", "{run}_D{day}",
          "VCD / GLC", "< 0", "*", "5 %", "F1",
          {"GLC": "1 mM"}, [{"GLC": "1 mM"}, {"from": "1 d", "GLC": "2 mM"}], {"Glucose x H2O": "1 g/L"},
          {"formula": "VCD * 2", "k": "2 mmol/L"}, {"file": "media.csv"}, {"file": "../x"}, {"F1": "1 L"})  # fmt: skip


ODD = (
    None,
    True,
    10**30,
    -1,
    0,
    1.5,
    float("nan"),
    "x",
    "",
    [],
    {},
    [[]],
    {"value": "x"},
    {"value": 1e999},
    {"value": {}},
)
"""What is put into JSON where it does not belong."""


def with_other_nodes(text: str, chance: random.Random) -> bytes:
    """Return JSON with a few of its parts replaced, lost, doubled or renamed."""
    content = json.loads(text)
    for _ in range(chance.choice((1, 2, 6))):
        node = content
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(node[key], (dict, list)) and node[key] and chance.random() < 0.85:
                node = node[key]
                continue
            match chance.randrange(4):
                case 0:
                    del node[key]
                case 1 if isinstance(node, dict):
                    node[chance.choice([*keys, *PIECES])] = node.pop(key)
                case 1:
                    node.append(copy.deepcopy(node[key]))
                case _:
                    node[key] = copy.deepcopy(chance.choice(ODD))
            break
    return json.dumps(content).encode()


def read_samples(path: Path) -> None:
    """Read a file of an analyser as far as it goes: samples, their table, the draft of a mapping, and runs."""
    export = export_of(path)
    if export is not None:
        tidy = tidied([export])
        for finding in (*export.remarks, *tidy.remarks):
            assert str(finding).isprintable(), repr(str(finding))
        import_runs([path, path], tomllib.loads(draft_of(tidy, [path])))


class HangError(BaseException):
    """A file took too long; no `except Exception` holds it back."""


def broken(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with a few of them changed, moved, doubled, lost, or with a piece in between."""
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        if not data:
            return data
        i, j = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
        j = min(j, i + chance.choice((1, 4, 64, 4096)))
        match chance.randrange(6):
            case 0:
                data = data[:i] + bytes([chance.randrange(256)]) + data[i + 1 :]
            case 1:
                data = data[:i] + data[j:]
            case 2:
                data = data[:j] + data[i:j] * chance.choice((1, 1, 3, 200)) + data[j:]
            case 3:
                data = data[:i] + chance.choice(PIECES).encode(errors="replace") + data[i:]
            case 4:
                data = data[:i] + chance.choice(PIECES).encode(errors="replace") + data[j:]
            case _:
                k = chance.randrange(len(data) + 1)
                data = data[:i] + data[j:k] + data[i:j] + data[max(j, k) :]
    return data


def with_other_cells(text: str, chance: random.Random, separator: str) -> bytes:
    """Return a table with a few cells, rows or columns changed, and perhaps in another encoding."""
    rows = [line.split(separator) for line in text.splitlines()]
    for _ in range(chance.choice((1, 2, 5))):
        row = rows[chance.randrange(len(rows))]
        k = chance.randrange(len(row))
        match chance.randrange(5):
            case 0:
                row[k] = chance.choice(PIECES)
            case 1:
                row[k] = chance.choice(chance.choice(rows) or [""])
            case 2:
                rows.insert(chance.randrange(len(rows)), list(row))
            case 3:
                row.insert(k, chance.choice(PIECES))
            case _:
                chance.shuffle(row)
    text = "\n".join(separator.join(row) for row in rows)
    return text.encode(chance.choice(("utf-8", "utf-8", "utf-16", "cp1252", "utf-8-sig")), errors="replace")


def rezipped(data: bytes, chance: random.Random) -> bytes:
    """Return a workbook one of whose parts is broken, lost, doubled, or added."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice
        names = old.namelist()
        parts = [(name, old.read(name)) for name in names]
        k = chance.randrange(len(parts))
        sheets = [i for i, name in enumerate(names) if "sheet" in name or "shared" in name]
        k = chance.choice(sheets) if chance.random() < 0.6 else k
        match chance.randrange(8):
            case 0:
                del parts[k]
            case 1:
                parts.append(parts[k])
            case 2:
                parts.append((chance.choice(PIECES) or "x", b"x" * chance.choice((10, 10**6))))
            case _:
                parts[k] = (names[k], broken(parts[k][1], chance))
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for name, part in parts:
                new.writestr(name.replace("\0", "0"), part)
    return made.getvalue()


def laid_out(sheets: dict[str, list[str]]) -> bytes:
    """Return a workbook of sheets; what reads as a number is one."""
    book, made = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            cells = ["".join(letter for letter in cell if letter.isprintable()) for cell in line.split(",")]
            sheet.append([number if (number := parse_number(cell)) is not None else cell or None for cell in cells])
    book.save(made)
    return made.getvalue()


class Fuzz:
    """The files to break, and what happened to those that were broken."""

    def __init__(self, folder: Path, kept: Path):
        self.folder, self.kept = folder, kept
        self.count: Counter[str] = Counter()
        self.failures: list[dict[str, str]] = []
        self.slowest = 0.0
        write_template(folder / "template.xlsx")
        book = openpyxl.Workbook()
        for line in SHEET.splitlines():
            book.active.append(line.split(";"))
        book.save(folder / "sheet.xlsx")
        lines = [line.split(";") for line in SHEET.splitlines()]
        pd.DataFrame(lines[1:], columns=lines[0]).to_parquet(folder / "sheet.parquet")
        self.base = {name: (folder / name).read_bytes() for name in ("template.xlsx", "sheet.xlsx", "sheet.parquet")}
        self.tables = {kind: "\n".join(",".join(row) for row in rows) for kind, rows in TABLES.items()}
        self.kinds: tuple[Callable[[random.Random], Path | dict], ...] = (
            self.sheet_csv, self.sheet_csv, self.runs_folder, self.runs_folder, self.mapping, self.mapping,
            self.wrong_types, self.workbook, self.sheet_parquet, self.other_layout, self.other_layout,
            self.analyser, self.analyser, self.analyser, self.analyser_workbook)  # fmt: skip
        self.base |= {"xr.xlsx": analyser_files.workbook(analyser_files.XR_ROWS),
                      "styles.xlsx": analyser_files.workbook(analyser_files.XR_ROWS, faulty_style=True),
                      "report.xlsx": analyser_files.workbook(analyser_files.XR_REPORT),
                      "xr.xls": xls(folder / "xr.xls", analyser_files.XR_ROWS).read_bytes()}  # fmt: skip
        self.layouts = [tomllib.loads(words) for _, words in LAYOUTS]
        for k, (sheets, _) in enumerate(LAYOUTS):
            path = self.place(f"layout{k}.xlsx", laid_out(sheets))
            assert import_runs(path, self.layouts[k])  # else nothing past its first fault would be tried
        (folder / "whole.csv").write_text(SHEET, encoding="utf-8")
        (folder / "whole.toml").write_text(MAPPING, encoding="utf-8")

    def place(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def sheet_csv(self, chance: random.Random) -> Path:
        data = with_other_cells(SHEET, chance, ";") if chance.random() < 0.6 else broken(SHEET.encode(), chance)
        return self.place("file.csv", data)

    def runs_folder(self, chance: random.Random) -> Path:
        folder = self.folder / "file"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        worse = chance.choice(list(self.tables))
        for kind, text in self.tables.items():
            data = text.encode()
            if kind == worse:
                data = with_other_cells(text, chance, ",") if chance.random() < 0.6 else broken(data, chance)
            (folder / f"{kind}.csv").write_bytes(data)
        return folder

    def mapping(self, chance: random.Random) -> Path:
        data = chance.choice([MAPPING, MAPPING, *(words for _, words in LAYOUTS), *profiles().values()]).encode()
        return self.place("file.toml", broken(data, chance))

    def wrong_types(self, chance: random.Random) -> dict:
        """Return a mapping one of whose words holds something of another type."""
        words = tomllib.loads(chance.choice([MAPPING, *(words for _, words in LAYOUTS), *profiles().values()]))
        part = words
        while True:
            word = chance.choice([*part, *part, *WORDS])
            if not isinstance(part.get(word), dict) or not part[word] or chance.random() < 0.3:
                part[word] = chance.choice(VALUES)
                return words
            part = part[word]

    def other_layout(self, chance: random.Random) -> Path:
        """Return a workbook of another layout with a few cells changed; `read` reads it with the mapping of each."""
        sheets, _ = chance.choice(LAYOUTS)
        worse = chance.choice(list(sheets))
        changed = with_other_cells("\n".join(sheets[worse]), chance, ",").decode(errors="replace").splitlines()
        return self.place("file.xlsx", laid_out({**sheets, worse: changed}))

    def workbook(self, chance: random.Random) -> Path:
        data = self.base[chance.choice(("template.xlsx", "sheet.xlsx"))]
        data = rezipped(data, chance) if chance.random() < 0.8 else broken(data, chance)
        return self.place("file.xlsx", data)

    def sheet_parquet(self, chance: random.Random) -> Path:
        return self.place("file.parquet", broken(self.base["sheet.parquet"], chance))

    def analyser(self, chance: random.Random) -> Path:
        """Return a broken text of an analyser."""
        name, text = chance.choice(list(analyser_files.TEXTS.items()))
        if name.endswith(".json") and chance.random() < 0.8:
            data = with_other_nodes(text, chance)
        elif chance.random() < 0.6:
            data = with_other_cells(text, chance, chance.choice((",", ";", "\t", ":")))
        else:
            data = broken(text.encode(), chance)
        return self.place(f"file{Path(name).suffix}", data)

    def analyser_workbook(self, chance: random.Random) -> Path:
        """Return a broken workbook of an analyser."""
        name = chance.choice(("xr.xlsx", "styles.xlsx", "report.xlsx", "xr.xls", "xr.xls"))
        data = self.base[name]
        is_whole = name.endswith(".xls") or chance.random() < 0.3
        return self.place(f"file{Path(name).suffix}", broken(data, chance) if is_whole else rezipped(data, chance))

    def read(self, path: Path | dict, again: bool) -> None:
        """Read a file in every way there is; and what gave runs is written and read again."""
        runs = []
        if isinstance(path, dict) or path.suffix == ".toml":
            for file in ("whole.csv", "sheet.xlsx", *(f"layout{k}.xlsx" for k in range(len(LAYOUTS)))):
                self.tried(lambda file=file: import_runs(self.folder / file, path))
            return
        check_path(path)
        runs = self.tried(lambda: read_runs(path)) or []
        if path.is_file():
            self.tried(lambda: read_samples(path))
            self.tried(lambda: tomllib.loads(propose(path)))
            runs = self.tried(lambda: import_runs(path, self.folder / "whole.toml")) or runs
            for words in self.layouts:
                self.tried(lambda words=words: import_runs(path, words))
        if runs and again:
            out = self.folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            self.tried(lambda: write_runs(runs, out))

    def tried(self, read: Callable) -> object:
        try:
            found = read()
            self.count["read"] += 1
            return found
        except InputError as error:
            for finding in map(str, error.findings):  # what a file holds must not reach a terminal as it is
                assert finding.isprintable(), repr(finding)
                assert len(finding) < LONGEST_SENTENCE, finding[:1000]
            self.count["reported"] += 1
            return None

    def one(self, seed: int, i: int) -> None:
        """Break and read file i; what must not happen is kept."""
        chance = random.Random(f"{seed}-{i}")
        path = chance.choice(self.kinds)(chance)
        signal.setitimer(signal.ITIMER_REAL, LONGEST)
        began = time.perf_counter()
        try:
            self.read(path, chance.random() < 0.2)
        except (Exception, HangError):  # noqa: BLE001, what it may be is the question
            self.fail(path, f"{seed}-{i}", traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        self.slowest = max(self.slowest, time.perf_counter() - began)

    def fail(self, path: Path | dict, name: str, why: str) -> None:
        self.kept.mkdir(parents=True, exist_ok=True)
        if isinstance(path, dict):
            self.failures.append({"file": repr(path), "why": why})
            return
        kept = self.kept / f"{name}{path.suffix}"
        if path.is_dir():
            shutil.copytree(path, kept, dirs_exist_ok=True)
        else:
            shutil.copy(path, kept)
        self.failures.append({"file": str(kept), "why": why})


def most_memory() -> int:
    """Return the most memory [bytes] that this process had; that of its parent counts not, where the system tells."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return 1024 * int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _hang(*_: object) -> None:
    raise HangError


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--files", type=int, default=20_000)
    words.add_argument("--first", type=int, default=0, help="begin with this file")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, default=Path("results/fuzz"))
    asked = words.parse_args()
    signal.signal(signal.SIGALRM, _hang)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(Path(folder), asked.out)
        for i in range(asked.first, asked.first + asked.files):
            faulthandler.dump_traceback_later(60.0, exit=True)  # a hang that no signal ends
            fuzz.one(asked.seed, i)
            if sys.stderr.isatty() and i % 50 == 0:
                sys.stderr.write(f"\r{i - asked.first} of {asked.files} files, {len(fuzz.failures)} failed")
        faulthandler.cancel_dump_traceback_later()
    memory = most_memory()
    hangs = sum("HangError" in failure["why"] for failure in fuzz.failures)
    result = {
        "files": asked.files, "seed": asked.seed, "uncaught": len(fuzz.failures) - hangs, "hangs": hangs,
        "reads that gave something": fuzz.count["read"], "reads that gave sentences": fuzz.count["reported"],
        "slowest [s]": round(fuzz.slowest, 3), "peak memory [MB]": round(memory / 1e6), "failures": fuzz.failures,
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "fuzz.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    said = json.dumps({key: value for key, value in result.items() if key != "failures"}, indent=1)
    sys.stdout.write("\n".join([said, *(f"{failure['file']}\n{failure['why']}" for failure in fuzz.failures[:10]), ""]))
    return 0 if not fuzz.failures and memory < MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
