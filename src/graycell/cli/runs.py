"""Commands about measured runs: check, import, template, export, rates."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import typer

from graycell.balances.plausibility import implausible
from graycell.balances.specific_rates import specific_rates
from graycell.cli.exit_codes import FAULTS
from graycell.cli.frames import print_frame
from graycell.cli.given_runs import runs_from
from graycell.cli.given_units import display_units
from graycell.cli.samples import exports_of, mapping_of_samples, write_new
from graycell.cli.sentences import MOST_PRINTED_RUNS, console, counted, print_findings, say
from graycell.errors import Finding, InputError, nearest, shown
from graycell.imports.drafting.several import propose_for
from graycell.imports.importing import imported
from graycell.reporting.display import DisplayUnits
from graycell.reporting.rates.balances import mass_balances_frame
from graycell.reporting.rates.page import headline, phase_frame, rates_report
from graycell.runs import check_runs, read_runs
from graycell.runs.format.template import write_template
from graycell.runs.format.writing import write_runs
from graycell.storage import require_place


def _import(
    files: list[Path], like: str | None, mapping: Path | None, draft: Path | None, header: int | None, out: Path | None,
    units: str,
) -> None:
    if (like is not None) + (mapping is not None) + (draft is not None) > 1:
        raise typer.BadParameter("--like, --map and --draft exclude each other")
    DisplayUnits.of(units)  # its faults now, not after the work
    words, file = {"like": like} if like is not None else mapping, files[0]
    if words is None:
        exports = exports_of(files) if header is None else []
        if not exports:
            _propose(files, draft, header)
            return
        words = mapping_of_samples(exports, files, draft, out)
        if words is None:
            return
    elif header is not None:
        raise typer.BadParameter("--header is for a draft; the mapping says header = ...")
    with contextlib.nullcontext() if console.quiet else console.status("Reading"):
        found = imported(files, words)
        findings = [*found.remarks, *check_runs(found.runs), *implausible(found.runs)]
    shown_units = display_units(units, found.runs)
    place = write_runs(found.runs, out or Path("results") / file.stem)
    if len(found.runs) <= MOST_PRINTED_RUNS:
        for run in found.runs:
            print_frame(mass_balances_frame([run], shown_units).drop(columns="run"), f"{run.name}: bookkeeping")
    print_findings(findings)
    if found.volume_is_nominal:
        say("The volume at the start is not given: 1 L is assumed.")
    if found.not_there:
        say(f"Not in the file: {', '.join(map(shown, found.not_there))}.")
    if found.not_read:
        say(f"Not read: {', '.join(map(shown, found.not_read))}.")
    more = f" and {counted(len(files) - 1, 'more file')}" if len(files) > 1 else ""
    say(f"{counted(len(found.runs), 'run')} of {file.name}{more}: {place}. Next: graycell rates {place}")
    if any(finding.severity == "error" for finding in findings):
        say("The runs are written, but correct the errors above before you use them.")
        raise typer.Exit(FAULTS)


def _propose(files: Sequence[Path], draft: Path | None, header: int | None) -> None:
    """Print a first draft of the mapping of the files, or write it to a file that does not exist yet."""
    file, names = files[0], " ".join(map(str, files))
    text = propose_for(files, header)
    if draft is None:
        say(text)
        say(f"Write it with: graycell import {names} --draft {file.stem}.toml")
        return
    write_new(draft, text)
    say(f"Draft written to {draft}. Check it, then: graycell import {names} --map {draft}")


def _template(out: Path) -> None:
    say(f"Template: {write_template(out)}. Fill it in, then: graycell check {out}")


def _export(runs: list[Path], out: Path, parquet: bool) -> None:
    if parquet and out.suffix.lower() == ".xlsx":
        raise typer.BadParameter("--parquet writes a folder; --out names a workbook")
    say(f"Runs: {write_runs([run for path in runs for run in read_runs(path)], out, parquet)}")


def _rates(runs: list[Path] | None, start: float, end: float, per: str | None, out: Path, units: str) -> None:
    require_place(out)
    cultures = runs_from(runs or [])
    shown_units = display_units(units, cultures)
    measured = [specific_rates(run, start, end) for run in cultures]
    known = dict.fromkeys(balance.quantity for rates in measured for balance in rates.balances)
    if per is not None and per not in known:
        needed = "yields are per a measured species"
        raise InputError([Finding("--per", f"'{per}'", needed, nearest(per, known) if known else "leave it out")])
    for rates in measured:
        for sentence in headline(rates, shown_units):
            say(sentence)
        if len(measured) <= MOST_PRINTED_RUNS:
            over = phase_frame([rates], shown_units)
            print_frame(over.drop(columns=["run", over.columns[-1]]), f"{rates.run.name}: over the phase")
    say(f"Rates: {rates_report(measured, out, per or 'GLC', shown_units)}")
