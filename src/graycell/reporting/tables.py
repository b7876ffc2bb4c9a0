"""Trajectories and fits as DataFrames, with the unit in the head of every column, and their files.

A head reads ``GLC [mmol/L]``. Where the rows of one column have different units, the head says ``[unit]`` and a
column ``unit`` names them.
"""

import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import pandas as pd

from graycell.cell.closures import LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.diagnosis.gradients import GradientCheck
from graycell.errors import GraycellError
from graycell.inference.fitting import Fit
from graycell.packing import quantities_of
from graycell.runs.records import REDOX, VCD
from graycell.simulation.scores import mean_nrmse, scores
from graycell.simulation.simulate import Trajectory
from graycell.units import CELL_DENSITY, CONCENTRATION, DIMENSIONLESS, SPECIFIC_RATE, TIME, VOLUME

MEAN = "mean over species"
"""Name of the last row of `scores_frame`."""

_FORMULA = ("=", "+", "-", "@")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def unit_of(quantity: str) -> str:
    """Return the internal unit of a measured quantity: a species, `VCD` or `REDOX`.

    >>> unit_of("GLC")
    'mmol/L'
    """
    return {VCD: CELL_DENSITY, REDOX: DIMENSIONLESS}.get(quantity, CONCENTRATION)


def trajectory_frame(trajectory: Trajectory) -> pd.DataFrame:
    """Return a simulated run, one row a point in time; an event has a row before and a row after it.

    Columns: time [d], volume [L], VCD [10^9 cells/L], viability, R, R' of the fluxes and temperature weight [1],
    species [mmol/L], fluxes and kinetic rates [mmol/(10^9 cells)/d], conflicts [1], and in words how the fluxes were
    allocated and the redox loop was closed.
    """
    model = trajectory.model
    columns: dict[str, object] = {
        f"time [{TIME}]": trajectory.time,
        f"volume [{VOLUME}]": trajectory.volume,
        f"{VCD} [{CELL_DENSITY}]": trajectory.viable_cell_density,
        f"viability [{DIMENSIONLESS}]": trajectory.viability,
        f"{REDOX} [{DIMENSIONLESS}]": trajectory.redox,
        f"{REDOX}' of the fluxes [{DIMENSIONLESS}]": trajectory.ratio,
        f"temperature weight [{DIMENSIONLESS}]": trajectory.cold,
    }
    blocks = (
        ("", model.species, CONCENTRATION, trajectory.concentrations),
        ("", model.reactions, SPECIFIC_RATE, trajectory.fluxes),
        ("kinetic_rates ", model.kinetic, SPECIFIC_RATE, trajectory.kinetic_rates),
        ("conflict ", model.kinetic, DIMENSIONLESS, trajectory.conflict),
    )
    for prefix, names, unit, values in blocks:
        columns |= {f"{prefix}{name} [{unit}]": values[:, j] for j, name in enumerate(names)}
    columns["flux status"] = [FluxStatus(int(status)).name for status in trajectory.flux_status]
    columns["loop status"] = [LoopStatus(int(status)).name for status in trajectory.loop_status]
    return pd.DataFrame(columns)


def scores_frame(trajectories: Mapping[str, Trajectory]) -> pd.DataFrame:
    """Return the NRMSE [1] of every measured quantity (rows) for every label (columns).

    NRMSE is the root mean squared difference over the range of the measured values. The last row is the mean
    over the species; VCD and R are left out of it.
    """
    of_label = {label: scores(trajectory) for label, trajectory in trajectories.items()}
    quantities = list(dict.fromkeys(row.quantity for rows in of_label.values() for row in rows))
    quantities.sort(key=lambda name: name in (VCD, REDOX))
    columns: dict[str, list] = {"quantity": [*quantities, MEAN]}
    for label, rows in of_label.items():
        nrmse = {row.quantity: row.nrmse for row in rows}
        values = [nrmse.get(name, float("nan")) for name in quantities]
        columns[f"{label} [{DIMENSIONLESS}]"] = [*values, mean_nrmse(rows)]
    return pd.DataFrame(columns)


def estimates_frame(fit: Fit) -> pd.DataFrame:
    """Return the estimated parameters, one row each, with standard errors and what the data say about them.

    Value, standard error and start are in the unit of the column `unit`; relative error and prior ratio are [1].
    """
    rows = [(row, fit.model.table[row.name]) for row in fit.estimates]
    return pd.DataFrame(
        {
            "name": [row.name for row, _ in rows],
            "value [unit]": [row.value for row, _ in rows],
            "unit": [row.unit for row, _ in rows],
            "standard error [unit]": [row.standard_error for row, _ in rows],
            "relative error [1]": [row.relative_error for row, _ in rows],
            "start [unit]": [row.start for row, _ in rows],
            "prior ratio [1]": [row.sd_ratio for row, _ in rows],
            "at bound": [row.at_bound for row, _ in rows],
            "meaning": [parameter.meaning for _, parameter in rows],
            "source": [parameter.source for _, parameter in rows],
        }
    )


def history_frame(fit: Fit) -> pd.DataFrame:
    """Return the trials of a fit in order: stage, iteration [1], cost [1], damping [1], accepted, time spent [s]."""
    heads = {
        "stage": "stage",
        "iteration": "iteration [1]",
        "cost": "cost [1]",
        "damping": "damping [1]",
        "accepted": "accepted",
        "seconds": "time spent [s]",
    }
    return pd.DataFrame({head: [row[key] for row in fit.history] for key, head in heads.items()})


def residuals_frame(trajectory: Trajectory) -> pd.DataFrame:
    """Return measured and simulated values in long form, one row a measured value.

    The difference is simulated - measured, in the unit of the column `unit`; the standardised residual [1] is
    the difference over the standard error of the assay.
    """
    parts = []
    for quantity in quantities_of(trajectory.model.species):
        if quantity not in trajectory.run.measurements:
            continue
        series, simulated = trajectory.run.measurements[quantity], trajectory.at_samples(quantity)
        part = {
            f"time [{TIME}]": series.time,
            "quantity": quantity,
            "unit": unit_of(quantity),
            "measured [unit]": series.value,
            "simulated [unit]": simulated,
            "difference [unit]": simulated - series.value,
            "standardised residual [1]": (simulated - series.value) / series.standard_error,
        }
        parts.append(pd.DataFrame(part))
    if parts:
        return pd.concat(parts, ignore_index=True)
    heads = ("measured [unit]", "simulated [unit]", "difference [unit]", "standardised residual [1]")
    return pd.DataFrame({head: [] for head in (f"time [{TIME}]", "quantity", "unit", *heads)})


def audit_frame(audit: GradientCheck) -> pd.DataFrame:
    """Return the audited derivatives, one row a parameter, worst first.

    The relative error, the largest derivative of the residuals (they count in standard errors) and the step of the
    coordinate are [1]; run, quantity and time [d] tell the sample where the error is largest.
    """
    rows = audit.worst_first
    return pd.DataFrame(
        {
            "name": [row.name for row in rows],
            "verdict": [row.verdict.value for row in rows],
            "relative error [1]": [row.error for row in rows],
            "largest derivative [1]": [row.size for row in rows],
            "run": [row.run for row in rows],
            "quantity": [row.quantity for row in rows],
            f"time [{TIME}]": [row.time for row in rows],
            "step [1]": [row.step for row in rows],
            "remedy": [row.verdict.remedy for row in rows],
        }
    )


def _write_csv(frame: pd.DataFrame, file: IO[bytes]) -> None:
    _harmless(frame).to_csv(file, index=False, encoding="utf-8", lineterminator="\n")


def _write_xlsx(frame: pd.DataFrame, file: IO[bytes]) -> None:
    _harmless(frame).to_excel(file, index=False, engine="openpyxl", sheet_name="graycell", freeze_panes=(1, 0))


def _write_parquet(frame: pd.DataFrame, file: IO[bytes]) -> None:
    frame.to_parquet(file, engine="pyarrow", index=False)


_WRITERS: dict[str, Callable[[pd.DataFrame, IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}


def file_word(name: str) -> str:
    """Return a name that came from a file as a part of a file name: letters, digits, dots and hyphens, at most 60.

    >>> file_word("clone A/3")
    'clone-A-3'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "unnamed"


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as CSV, Parquet or XLSX, by the ending of `path`, whole or not at all; return the path.

    In CSV and XLSX, text that a spreadsheet would take for a formula (it begins with = + - @) gets a leading
    apostrophe. Raises `GraycellError` for another ending, or for Parquet where pyarrow is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        found = f"the ending '{path.suffix}'" if path.suffix else "no ending"
        raise GraycellError(f"{path.name}: found {found}; known endings are {', '.join(_WRITERS)}; use one of them.")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise GraycellError(
            f"{path.name}: found no pyarrow; Parquet files need it; install pyarrow or write .csv or .xlsx."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            _WRITERS[suffix](frame, file)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text that no spreadsheet runs, heads included; numbers stay numbers."""
    text = [not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)) for dtype in frame.dtypes]
    columns = [frame.iloc[:, j].map(_harmless_cell) if is_text else frame.iloc[:, j] for j, is_text in enumerate(text)]
    safe = pd.concat(columns, axis=1) if columns else frame.copy()
    safe.columns = [_harmless_cell(head) for head in frame.columns]
    return safe


def _harmless_cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    cell = _CONTROL.sub("\ufffd", cell)
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA) else cell
