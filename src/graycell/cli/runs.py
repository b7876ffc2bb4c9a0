"""Commands about measured runs: check, import, template, export, rates."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from graycell.balances.checking import check_paths
from graycell.balances.plausibility import implausible
from graycell.balances.specific_rates import specific_rates
from graycell.cli.arguments import RunsArgument, runs_from
from graycell.cli.exit_codes import FAULTS
from graycell.cli.models import check_model_files
from graycell.cli.printing import MOST_PRINTED_RUNS, console, counted, print_findings, print_frame, say
from graycell.cli.samples import exports_of, mapping_of_samples, write_new
from graycell.errors import Finding, InputError, nearest, shown
from graycell.hybrid import read_model
from graycell.imports.drafting.several import propose_for
from graycell.imports.importing import imported
from graycell.imports.ready import profiles
from graycell.model import CultureModel
from graycell.packing import held_inputs, names_of, unused_viability
from graycell.reporting.rates.balances import mass_balances_frame
from graycell.reporting.rates.page import headline, phase_frame, rates_report
from graycell.runs import check_runs, read_runs
from graycell.runs.format.reading import read_with_findings
from graycell.runs.format.template import write_template
from graycell.runs.format.writing import write_runs
from graycell.storage import require_place

commands = typer.Typer()
_PANEL = "Runs"


@commands.command("check", rich_help_panel=_PANEL)
def _check(
    files: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Folders, XLSX or CSV files; or model files in TOML.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", help="List what this model needs and the run lacks too; see graycell models."),
    ] = None,
) -> None:
    """List every fault of runs or model files at once: what cannot be read, and values that no culture shows.

    Each sentence says where the fault is, what was found, what is needed and how to correct it. Exit code 1 if there
    is an error; with remarks alone it is 0.

    Example: graycell check run07/ run08.xlsx

    Before a fit: graycell check run07/ --model nolan-lee-extended

    A model file: graycell check my-model.toml
    """
    models, files = [path for path in files if path.suffix == ".toml"], [one for one in files if one.suffix != ".toml"]
    usable = check_model_files(models)
    if not files:
        raise typer.Exit(0 if usable else FAULTS)
    built = None if model is None else read_model(model)
    findings = check_paths(files, None if built is None else names_of(built))
    if built is not None:
        findings = [*findings, *_of_inputs(files, built)]
    print_findings(findings)
    errors = sum(finding.severity == "error" for finding in findings)
    names = ", ".join(path.name or str(path) for path in files[:MOST_PRINTED_RUNS])
    more = f" and {len(files) - MOST_PRINTED_RUNS} more" if len(files) > MOST_PRINTED_RUNS else ""
    say(f"Checked {names}{more}: {counted(errors, 'error')}, {counted(len(findings) - errors, 'remark')}.")
    raise typer.Exit(FAULTS if errors or not usable else 0)


def _of_inputs(files: Sequence[Path], model: CultureModel) -> list[Finding]:
    """Return remarks on the inputs of a model in runs that can be read."""
    runs = [run for path in files for run in read_with_findings(path)[0]]
    return [one for run in runs for one in (*unused_viability(run, model), *held_inputs(run, model))]


@commands.command("import", rich_help_panel=_PANEL)
def _import(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="CSV, XLSX, XLS or Parquet; several of one kind, or of the same samples."),
    ],
    like: Annotated[str | None, typer.Option(help=f"A ready mapping: {', '.join(profiles())}.")] = None,
    mapping: Annotated[
        Path | None, typer.Option("--map", help="A TOML file that describes the columns, with their units.")
    ] = None,
    draft: Annotated[
        Path | None, typer.Option(help="Write a first draft of the mapping to this file, for you to complete.")
    ] = None,
    header: Annotated[
        int | None, typer.Option(min=1, help="The row of the headings, for a draft that did not find them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder or .xlsx file of the runs that are written; default: results/FILE.")
    ] = None,
) -> None:
    """Convert files of any layout to runs, by a mapping that describes their columns.

    Without --like and --map, a first draft of the mapping is proposed. Of several files it says which differ, and
    serves those that are alike. Check it, replace every ?, and give it with --map; docs/import.md lists its words.
    Nothing is guessed: a unit that no heading states, and whether samples are taken before or after a feed, must be
    given.

    The command prints the mass balance of every run (begin + fed - taken out + net production = found), values that
    no culture shows, and which columns were not read.

    Exports of analysers (Vi-CELL, Nova FLEX2, Cedex, NucleoView, NC-View, Allotrope ASM) need no mapping: their samples
    are shown, several files joined by the names of the samples, and --out writes runs where the names tell vessel and
    day, such as BR07_D3. With --out samples.csv it writes the table of the samples.

    Example: graycell import runs.xlsx --draft runs.toml

    Then: graycell import runs.xlsx --map runs.toml --out my-runs/

    Two analysers: graycell import vicell.csv flex2.csv --out my-runs/
    """
    if (like is not None) + (mapping is not None) + (draft is not None) > 1:
        raise typer.BadParameter("--like, --map and --draft exclude each other")
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
    with console.status("Reading"):
        found = imported(files, words)
        findings = [*found.remarks, *check_runs(found.runs), *implausible(found.runs)]
    place = write_runs(found.runs, out or Path("results") / file.stem)
    if len(found.runs) <= MOST_PRINTED_RUNS:
        for run in found.runs:
            print_frame(mass_balances_frame([run]).drop(columns="run"), f"{run.name}: bookkeeping")
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


@commands.command("template", rich_help_panel=_PANEL)
def _template(
    out: Annotated[
        Path, typer.Argument(metavar="FILE.xlsx", help="The workbook; an existing file is not overwritten.")
    ] = Path("runs.xlsx"),
) -> None:
    """Write a workbook to fill in: instructions, all sheets with their headings and units, and a short example.

    Example: graycell template my-runs.xlsx
    """
    say(f"Template: {write_template(out)}. Fill it in, then: graycell check {out}")


@commands.command("export", rich_help_panel=_PANEL)
def _export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders, XLSX, CSV or Parquet files.")],
    out: Annotated[Path, typer.Option(help="A folder, or a workbook if it ends in .xlsx.")],
    parquet: Annotated[bool, typer.Option("--parquet", help="Parquet files in the folder instead of CSV.")] = False,
) -> None:
    """Write runs as a folder of CSV or Parquet files or as a workbook; graycell reads each without loss.

    Several runs become one set. Either all files are written or none, and only files that graycell wrote are replaced.

    Example: graycell export run07/ run08/ --out runs.xlsx
    """
    if parquet and out.suffix.lower() == ".xlsx":
        raise typer.BadParameter("--parquet writes a folder; --out names a workbook")
    say(f"Runs: {write_runs([run for path in runs for run in read_runs(path)], out, parquet)}")


@commands.command("rates", rich_help_panel=_PANEL)
def _rates(
    runs: RunsArgument = None,
    start: Annotated[float, typer.Option("--from", help="Start of the phase [d].")] = 0.0,
    end: Annotated[float, typer.Option("--to", help="End of the phase [d].")] = math.inf,
    per: Annotated[
        str | None, typer.Option(help="Yields are per amount of this species taken up; default: GLC.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and its tables.")] = Path("results/rates"),
) -> None:
    """Calculate specific rates, growth, death and yields from the samples; no model is needed.

    Rates [mmol/(10^9 cells)/d] are given from sample to sample and over the whole phase, with standard errors from
    those of the assays. Feeds, samples and flows are accounted for; balances.csv shows the mass balance:
    begin + fed - taken out + net production = found.

    Example, the growth phase: graycell rates run07/ run08/ --from 1 --to 5
    """
    require_place(out)
    measured = [specific_rates(run, start, end) for run in runs_from(runs or [])]
    known = dict.fromkeys(balance.quantity for rates in measured for balance in rates.balances)
    if per is not None and per not in known:
        needed = "yields are per a measured species"
        raise InputError([Finding("--per", f"'{per}'", needed, nearest(per, known) if known else "leave it out")])
    for rates in measured:
        for sentence in headline(rates):
            say(sentence)
        if len(measured) <= MOST_PRINTED_RUNS:
            over = phase_frame([rates]).drop(columns=["run", "doubling time [d]"])
            print_frame(over, f"{rates.run.name}: over the phase")
    say(f"Rates: {rates_report(measured, out, per or 'GLC')}")
