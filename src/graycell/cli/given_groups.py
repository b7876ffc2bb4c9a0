"""The groups of runs that --groups names."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from graycell.cli.sentences import print_findings
from graycell.errors import Finding, InputError, nearest
from graycell.runs.format.separators import separator_of
from graycell.runs.records import CultureRun

_LARGEST = 10_000_000
"""[bytes] Larger files are not read."""
_HEADS = ("run", "group")


def groups_from(path: Path, runs: Sequence[CultureRun]) -> dict[str, str]:
    """Return the group of each run, from a CSV with the columns run and group; print a warning for unknown runs.

    Args:
        path: of the CSV.
        runs: that may be named.

    Returns:
        Groups by the name of a run, of those that are in one.

    Raises:
        InputError: for a file that is no such table, and for a run in two groups.
    """
    rows, found, findings = _rows(path), dict[str, str](), []
    for number, name, group in rows:
        if name and found.setdefault(name, group) != group:
            needed = f"a run is in one group, and it is in '{found[name]}' above"
            place = f"{path}, row {number}, column 'group'"
            findings.append(Finding(place, f"run '{name}' in '{group}' too", needed, "keep one of the two"))
    if findings:
        raise InputError(findings)
    names = [run.name for run in runs]
    print_findings([
        Finding(f"{path}, run", f"'{name}'", "no run that was given has that name", nearest(name, names), "warning")
        for name in found if name not in names
    ])  # fmt: skip
    return {name: group for name, group in found.items() if group}


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Return number, run and group of each row, whatever the separator."""
    needed, remedy = "a CSV in UTF-8 is needed", "name one with the columns run and group"
    try:
        if path.stat().st_size > _LARGEST:
            needed = f"at most {_LARGEST} bytes are read"
            raise InputError([Finding(str(path), f"{path.stat().st_size} bytes", needed, remedy)])
        text = path.read_text(encoding="utf-8-sig")
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError([Finding(str(path), f"a file that cannot be read ({error})", needed, remedy)]) from error
    # spreadsheets write empty rows, and the separator above the headings
    first = next((i for i, row in enumerate(table) if any(row) and not row[0].startswith("sep=")), len(table))
    heads = [head.strip().lower() for head in table[first]] if first < len(table) else []
    if any(name not in heads for name in _HEADS):
        raise InputError([Finding(str(path), f"the columns {', '.join(heads) or 'none'}",
                                  "the columns run and group are needed", "name the columns so")])  # fmt: skip
    places = [heads.index(name) for name in _HEADS]
    cells = [[row[place].strip() if place < len(row) else "" for place in places] for row in table]
    return [(number, run, group) for number, (run, group) in enumerate(cells, start=1) if number > first + 1]
