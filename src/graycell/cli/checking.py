"""Commands that check a model: diagnose, check-gradients."""

import json
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from graycell.cell.closures import Dynamic
from graycell.cli.exit_codes import FAULTS
from graycell.cli.frames import print_frame
from graycell.cli.given_models import model_with_parameters
from graycell.cli.given_runs import runs_from
from graycell.cli.given_units import display_units
from graycell.cli.printing import progress_bar
from graycell.cli.sentences import console, say
from graycell.diagnosis import GradientCheck, Verdict, check_gradients
from graycell.diagnosis.equations.diagnose import diagnose
from graycell.hybrid import read_model
from graycell.reporting import (
    diagnosis_frames,
    diagnosis_report,
    file_word,
    gradient_checks_frame,
    headline,
    write_table,
)
from graycell.reporting.display import Shown, shown_in
from graycell.runs.records import REDOX, VCD
from graycell.storage import require_place, write_whole, written_together
from graycell.units import TIME

PRINTED_TABLES = {
    "equations": "Equations and unknowns",
    "surplus-relations": "Surplus relations",
    "without-a-rate-law": "Do the fluxes stay unique without a rate law?",
    "conflicts": "What the balances contradict",
    "singular-weights": "Kinetic rates near zero",
    "fixed-points": "Fixed points of R -> R'",
    "closures": "The end of the run by closure",
}
"""The tables of a diagnosis that are printed, and their titles; more are written."""
_PRINTED_ENDS = ("GLC", "LAC", "ANTI", VCD, REDOX)
"""Quantities whose values at the end of the run are printed; the table that is written has all."""


def _diagnose(
    run: Path | None, model: str | None, parameters: str, at: list[float] | None, parameter: str | None, out: Path,
    units: str,
) -> None:
    runs = runs_from([run] if run else [])
    built = model_with_parameters(model, parameters, Dynamic())
    shown_units = display_units(units, runs, [built])
    require_place(out)  # now, not after a minute of work
    for culture in runs:
        with progress_bar("diagnose") as update:
            found = diagnose(built, culture, times=at or None, parameter=parameter, progress=update)
        frames = diagnosis_frames(found, shown_units)
        left_out = set(built.quantities) - set(_PRINTED_ENDS)
        for sentence in headline(found, shown_units):
            say(sentence)
        for name, title in PRINTED_TABLES.items():
            heads = [head for head in frames[name].columns if head.split(" [")[0] not in left_out]
            print_frame(frames[name].loc[:, heads], title)
        folder = out / file_word(culture.name) if len(runs) > 1 else out
        say(f"Diagnosis: {diagnosis_report(found, folder, shown_units)}")


def _check_gradients(
    runs: list[Path] | None, model: str, parameter: list[str] | None, out: Path, units: str
) -> None:
    cultures = runs_from(runs or [])
    built = read_model(model, cultures)
    shown_units = display_units(units, cultures, [built])
    require_place(out)
    with progress_bar("check-gradients") as update:
        result = check_gradients(built, cultures, parameter or None, progress=update)
    _print_gradient_check(result, shown_in(shown_units))
    with written_together(out) as stage:
        write_table(gradient_checks_frame(result, shown_units), stage / "gradients.csv")
        write_whole(stage / "gradients.json", json.dumps(result.plain(), indent=1))
    say(f"Result written to {out / 'gradients.csv'}")
    raise typer.Exit(0 if result.passed else FAULTS)


def _print_gradient_check(result: GradientCheck, display: Shown) -> None:
    """Print the checked derivatives, worst first, and a sentence for each verdict that needs one."""
    table = Table("parameter", "verdict", "relative error", "largest derivative", "worst at", "step")
    for i in (2, 3, 5):
        table.columns[i].justify = "right"
    for row in result.worst_first:
        run = f"{row.run}, " if len(result.runs) > 1 else ""
        table.add_row(
            Text(row.name),
            row.verdict.value,
            f"{row.error:.1e}",
            f"{row.size:.3g}",
            Text(f"{run}{row.quantity}, {display.values(row.time, TIME):g} {display.unit(TIME)}"),
            f"{row.step:.0e}",
        )
    console.print(table)
    for verdict in Verdict:
        names = [row.name for row in result.checks if row.verdict is verdict]
        if names and verdict is not Verdict.agrees:
            say(f"{verdict.value}: {', '.join(names)}. {verdict.remedy}")
    say(f"{result.summary()}.")
