"""Exports of analysers on the command line: what was recognised, the samples, and the mapping for runs of them."""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from graycell.cli.frames import print_frame
from graycell.cli.sentences import counted, print_findings, say
from graycell.errors import Finding, InputError, shown
from graycell.imports.analysers.drafts import draft_of
from graycell.imports.analysers.reading import export_of
from graycell.imports.analysers.samples import Export
from graycell.imports.analysers.tidying import Tidy, tidied
from graycell.runs.format.tables import guarded, parse_number
from graycell.storage import write_whole

_MOST_SAMPLES = 30
"""Samples that are printed; ``--out samples.csv`` writes all."""


def exports_of(files: Sequence[Path]) -> list[Export]:
    """Return the samples of files if analysers wrote them.

    Args:
        files: that a user names.

    Returns:
        One export for each file; none if no file is one of an analyser.

    Raises:
        InputError: some are, and others are not.
    """
    exports = {file: export_of(file) for file in files}
    found = [export for export in exports.values() if export is not None]
    others = [file for file, export in exports.items() if export is None]
    if found and others:
        needed, remedy = "files that are imported together are of one kind", "import them apart, each kind for itself"
        raise InputError([Finding(shown(file.name), "no file of an analyser", needed, remedy) for file in others])
    return found


def mapping_of_samples(
    exports: Sequence[Export], files: Sequence[Path], draft: Path | None, out: Path | None
) -> Mapping[str, Any] | None:
    """Print the samples of analysers, and write their table or a draft of the mapping if that was asked for.

    Args:
        exports: the samples.
        files: their files.
        draft: where the draft is written; None if it is not.
        out: what is written: the table if it ends in .csv, else runs.

    Returns:
        The mapping that makes runs of the samples; None if nothing is to be imported.

    Raises:
        InputError: runs are to be written, and the files do not tell the vessels or the times; or a draft of this name
            exists.
    """
    tidy, names = tidied(exports), " ".join(map(str, files))
    text = draft_of(tidy, list(files))
    for export in exports:
        times = sorted(f"{time:%Y-%m-%d}" for sample in export.samples if (time := sample.measured) is not None)
        when = "" if not times else f", {times[0]}" + (f" to {times[-1]}" if times[-1] != times[0] else "")
        say(f"{shown(export.file)}: {shown(export.instrument)}, {counted(len(export.samples), 'sample')}{when}.")
    if draft is not None:
        write_new(draft, text)
        say(f"Draft written to {draft}. Check it, then: graycell import {names} --map {draft} --out my-runs/")
        return None
    if out is not None and out.suffix.lower() == ".csv":
        _write_table(tidy, out)
        _print_remarks(exports, tidy)
        say(f"{counted(len(tidy.table.rows), 'sample')}: {out}. Add columns such as run and day [d] where they are "
            f"missing. Next: graycell import {out} --draft samples.toml")  # fmt: skip
        return None
    if out is None:
        _print_samples(tidy)
        _print_remarks(exports, tidy)
    if out is not None and all(tidy.told):
        return tomllib.loads(text)
    needed = _needed(tidy)
    if out is not None:
        remedy = f"write a draft with --draft FILE.toml, replace every ?, and give it with --map; or {_or_table(names)}"
        raise InputError([Finding(names, needed, "a run needs the vessel and the time of each sample", remedy)])
    if all(tidy.told):
        run = tidy.table.headings.index(tidy.told[0])
        runs = list(dict.fromkeys(row[run] for row in tidy.table.rows))
        listed = ", ".join(map(shown, runs[:5])) + (" ..." if len(runs) > 5 else "")
        say(f"{counted(len(runs), 'run')}: {listed}, by {tidy.told[0]} and {tidy.told[1]}.")
        say(f"Write them with: graycell import {names} --out my-runs/")
        say(f"To change what is what: graycell import {names} --draft samples.toml")
        return None
    say(f"No runs yet: {needed}. The draft of a mapping:")
    say("")
    say(text)
    say(f"Write it with: graycell import {names} --draft samples.toml")
    say(f"Or {_or_table(names)}.")
    return None


def write_new(path: Path, text: str) -> None:
    """Write text to a file that does not exist yet.

    Args:
        path: of the file.
        text: the content.

    Raises:
        InputError: the file exists.
    """
    if path.exists():
        needed = "what you wrote is never overwritten"
        raise InputError([Finding(str(path), "a file of this name", needed, "choose another name")])
    write_whole(path, text)


def _needed(tidy: Tidy) -> str:
    """Return what the files do not tell."""
    run, time = tidy.told
    missing = ([] if run else ["which vessel a sample is from"]) + ([] if time else ["when it was taken"])
    return f"the files do not tell {' and '.join(missing)}"


def _or_table(names: str) -> str:
    table = f"graycell import {names} --out samples.csv"
    return f"write the table of the samples, and add the columns run and day [d]: {table}"


def _print_remarks(exports: Sequence[Export], tidy: Tidy) -> None:
    print_findings([*(remark for export in exports for remark in export.remarks), *tidy.remarks])
    unread = list(dict.fromkeys(heading for export in exports for heading in export.not_read))
    if unread:
        say(f"Not read: {', '.join(map(shown, unread))}.")


def _print_samples(tidy: Tidy) -> None:
    """Print the table of the samples, numbers as numbers."""
    rows = tidy.table.rows[:_MOST_SAMPLES]
    columns: dict[str, pd.Series] = {}
    for i, heading in enumerate(tidy.table.headings):
        cells = [row[i] for row in rows]
        numbers = [parse_number(cell) for cell in cells]
        plain = i > 0 and all(not cell or number is not None for cell, number in zip(cells, numbers, strict=True))
        if any(cells):
            shortened = [shown(cell) for cell in cells]
            columns[heading] = pd.Series(numbers, dtype=float) if plain else pd.Series(shortened, dtype="string")
    print_frame(pd.DataFrame(columns), "Samples")
    if len(tidy.table.rows) > _MOST_SAMPLES:
        say(f"... and {len(tidy.table.rows) - _MOST_SAMPLES} more; --out samples.csv writes all.")


def _write_table(tidy: Tidy, path: Path) -> None:
    text = io.StringIO()
    rows = [tidy.table.headings, *tidy.table.rows]
    csv.writer(text, lineterminator="\n").writerows([guarded(cell) for cell in row] for row in rows)
    write_new(path, text.getvalue())
