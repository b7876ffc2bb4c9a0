"""The groups of runs that --groups names."""

import csv
from collections.abc import Sequence
from pathlib import Path

from graycell.cli.sentences import print_findings
from graycell.errors import Finding, InputError, nearest
from graycell.runs.records import CultureRun

_MOST_ROWS = 100_000
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
    for number, (name, group) in enumerate(rows, start=2):
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


def _rows(path: Path) -> list[tuple[str, str]]:
    """Return name and group of each row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            heads = table.fieldnames or []
            missing = [name for name in _HEADS if name not in heads]
            if missing:
                raise InputError([Finding(str(path), f"the columns {', '.join(heads) or 'none'}",
                                          "the columns run and group are needed", "name the columns so")])  # fmt: skip
            found = []
            for row in table:
                if len(found) >= _MOST_ROWS:
                    raise InputError([Finding(str(path), f"more than {_MOST_ROWS} rows", "there is one for each run",
                                              "give a shorter table")])  # fmt: skip
                found.append(((row["run"] or "").strip(), (row["group"] or "").strip()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError([Finding(str(path), f"a file that cannot be read ({error})", "a CSV in UTF-8 is needed",
                                  "name one with the columns run and group")]) from error  # fmt: skip
    return found
