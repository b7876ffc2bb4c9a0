"""Commands about measured runs: check, import, template, export, rates."""

import math
from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.options import LABORATORY, RunsArgument, UnitsOption
from graycell.imports.ready import profiles

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
    from graycell.cli import faults as bodies

    bodies._check(files, model)


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
    units: UnitsOption = LABORATORY,
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
    from graycell.cli import runs as bodies

    bodies._import(files, like, mapping, draft, header, out, units)


@commands.command("template", rich_help_panel=_PANEL)
def _template(
    out: Annotated[
        Path, typer.Argument(metavar="FILE.xlsx", help="The workbook; an existing file is not overwritten.")
    ] = Path("runs.xlsx"),
) -> None:
    """Write a workbook to fill in: instructions, all sheets with their headings and units, and a short example.

    Example: graycell template my-runs.xlsx
    """
    from graycell.cli import runs as bodies

    bodies._template(out)


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
    from graycell.cli import runs as bodies

    bodies._export(runs, out, parquet)


@commands.command("rates", rich_help_panel=_PANEL)
def _rates(
    runs: RunsArgument = None,
    start: Annotated[float, typer.Option("--from", help="Start of the phase [d].")] = 0.0,
    end: Annotated[float, typer.Option("--to", help="End of the phase [d].")] = math.inf,
    per: Annotated[
        str | None, typer.Option(help="Yields are per amount of this species taken up; default: GLC.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and its tables.")] = Path("results/rates"),
    units: UnitsOption = LABORATORY,
) -> None:
    """Calculate specific rates, growth, death and yields from the samples; no model is needed.

    Rates [mmol/(10^9 cells)/d] are given from sample to sample and over the whole phase, with standard errors from
    those of the assays. Feeds, samples and flows are accounted for; balances.csv shows the mass balance:
    begin + fed - taken out + net production = found.

    Example, the growth phase: graycell rates run07/ run08/ --from 1 --to 5
    """
    from graycell.cli import runs as bodies

    bodies._rates(runs, start, end, per, out, units)
