"""A workbook to fill in, with instructions and a short made-up run that is to be overwritten."""

import os
from pathlib import Path

from graycell.errors import Finding, InputError
from graycell.runs.format.files import place_of
from graycell.runs.format.writers import Rows, write_workbook
from graycell.storage import cannot_write

INSTRUCTIONS = (
    "Runs for graycell",
    "",
    "Overwrite the made-up run 'example' on the other sheets with your own, save, and run: graycell check FILE.xlsx",
    "This sheet is not read. Sheets that you do not need may be removed; only measurements is required.",
    "",
    "measurements: a row for each sample of each run. An empty cell was not measured; <0.5 is below a detection limit.",
    "   The unit is in brackets: [h], [min] or [d]; [1e6 cells/mL]; [%] or [1]; [mmol/L], [umol/L] and the like.",
    "   Cells: VCD, TCD (viable and total) and viability. Substances: GLC, LAC, NH3, GLN, GLU, ALA and so on; ANTI is",
    "   the product. Add columns as you need them. Masses such as g/L become mmol/L where the molar mass is known.",
    "   A sample is measured before whatever is done to the culture at the same time.",
    "",
    "initial: a row for each run: the volume and the temperature at time 0. Substances that are not measured at time 0",
    "   or are below their detection limit then may be here too, such as ANTI [mmol/L].",
    "",
    "events: what was done, in the order of time. A run that is left out means all runs.",
    "   bolus: volume of a medium added at once.            feed: rate of a medium from then on; 0 ends it.",
    "   sample: volume taken out.                           temperature: the setpoint from then on.",
    "   bleed: rate of culture taken out with its cells.    harvest: rate taken out behind a filter that keeps cells.",
    "   setpoint: the value of another input of a model, such as pH, from then on; its columns are input and value.",
    "   end: the run ends.",
    "   Rules in place of volumes, where what is given follows from the culture:",
    "   bolus to level: the bolus of a medium that brings a species to a level; only where it is lower than below, if",
    "   that is filled, and at most volume. Its columns are species, level [mmol/L] and below [mmol/L], or [g/L].",
    "   bolus share: a bolus of a fraction of the volume that the culture has then.",
    "   bolus per IVCD: a bolus of rate per cells for each viable cell and day since the last one of that medium.",
    "   feed per cells: rate of a medium per viable cell from then on, in a column rate per cells [nL/(1e6 cells)/d].",
    "   feed ramp: rate of a medium that changes from then on, by the number in a column slope [mL/h/d].",
    "",
    "media: the composition of what is fed; what is not named is not in it.",
    "",
    "assay_error: the standard error of a measured quantity y is sqrt((relative y)^2 + absolute^2). Quantities that",
    "   are not listed have 5 % and 2 % of their largest value.",
    "",
    "molar_masses: of what you weigh, such as 150000 g/mol of an antibody. Tables and figures show it in g/L.",
)
TABLES: dict[str, Rows] = {
    "measurements": (
        ("run", "time [h]", "VCD [1e6 cells/mL]", "viability [%]", "GLC [mmol/L]", "LAC [mmol/L]", "GLN [mmol/L]",
         "NH3 [mmol/L]", "ANTI [umol/L]"),
        ("example", "0", "0.31", "97.8", "35.2", "0.4", "6.1", "0.5", "<0.05"),
        ("example", "24", "0.62", "98.1", "32.7", "4.3", "5.2", "1.2", "0.11"),
        ("example", "48", "1.28", "98.4", "28.1", "11.6", "3.6", "2.4", "0.24"),
        ("example", "72", "2.49", "97.9", "20.3", "20.9", "1.7", "3.7", "0.58"),
        ("example", "96", "4.42", "97.1", "27.5", "22.4", "2.3", "4.1", "1.21"),
        ("example", "120", "5.87", "95.6", "17.2", "21.1", "", "4.6", "2.18"),
    ),
    "initial": (("run", "volume [L]", "temperature [degC]", "ANTI [mmol/L]"), ("example", "2.0", "37", "0")),
    "events": (
        ("run", "time [h]", "event", "medium", "volume [mL]", "rate [mL/h]", "temperature [degC]"),
        ("example", "24", "sample", "", "10", "", ""),
        ("example", "48", "sample", "", "10", "", ""),
        ("example", "72", "sample", "", "10", "", ""),
        ("example", "72", "bolus", "feed A", "120", "", ""),
        ("example", "96", "sample", "", "10", "", ""),
        ("example", "96", "temperature", "", "", "", "34"),
    ),
    "media": (("medium", "GLC [mmol/L]", "GLN [mmol/L]"), ("feed A", "400", "40")),
    "assay_error": (("quantity", "relative [1]", "absolute", "unit"), ("VCD", "0.08", "0.02", "1e6 cells/mL")),
    "molar_masses": (("quantity", "molar mass [g/mol]"), ("ANTI", "150000")),
}  # fmt: skip
"""The sheets: headings, and a made-up example."""


def write_template(path: str | Path) -> Path:
    """Write the workbook, whole or not at all.

    Args:
        path: ends in .xlsx.

    Returns:
        The path.

    Raises:
        InputError: there is a file already, or the ending is another.
        OutputError: where it cannot be written.

    >>> import tempfile
    >>> from graycell.runs.format.reading import read_runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read_runs(write_template(Path(folder) / "runs.xlsx"))
    [CultureRun('example', 7 quantities, 6 events, to 5 d)]
    """
    path = Path(path)
    if path.suffix.lower() != ".xlsx":
        raise InputError([Finding(place_of(path), "another ending", "the template is a workbook", "end it in .xlsx")])
    if path.exists():
        needed = "what you wrote is never overwritten"
        raise InputError([Finding(place_of(path), "a file of this name", needed, "choose another name")])
    part = path.with_name(f".{path.name}.{os.getpid()}.part.xlsx")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_workbook(TABLES, part, lines=INSTRUCTIONS, width=20.0)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path
