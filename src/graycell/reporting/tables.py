"""Trajectories, fits and gradient checks as DataFrames.

Every column of numbers has its unit in its head, as in ``GLC [mmol/L]``. If the rows of a column have different units,
its head is ``[unit]`` and a column ``unit`` holds them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.reading import (
    conflicts_of,
    flux_statuses,
    fluxes_of,
    has_loop,
    has_network,
    kinetic_rates_of,
    loop_statuses,
    loop_target_of,
    made_by,
    rate_unit,
    shown_quantities,
    shown_scores,
    values_of,
)
from graycell.runs.records import REDOX, VCD
from graycell.simulation.scores import mean_nrmse
from graycell.simulation.simulate import Trajectory
from graycell.units import DIMENSIONLESS, SPECIFIC_RATE, VOLUME

if TYPE_CHECKING:  # a trajectory has a table without what fits
    from graycell.diagnosis.gradients import GradientCheck
    from graycell.inference.fitting import Fit

MEAN = "mean without VCD and R"
"""Name of the last row of `scores_frame`."""


def trajectory_frame(trajectory: Trajectory, units: Units = LABORATORY) -> pd.DataFrame:
    """Return a simulated run as a table.

    Args:
        trajectory: a simulated run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a point in time; an event has a row before and a row after it. Columns: time, volume, VCD, viability and
        temperature shift (0 before, 1 after) [1], species and fluxes; with rules also the volume of each medium
        that was fed by then. With a loop also R, R' of the fluxes [1] and the status of the loop; with a network also
        kinetic rates, conflicts [1] and the status of the flux projection.

    Raises:
        InputError: for units that do not fit.
    """
    model = trajectory.model
    display = shown_in(units, [trajectory.run], [model])
    columns = {**display.times(trajectory.time), **display.column("volume", VOLUME, trajectory.volume)}
    if trajectory.fed_volumes is not None:
        for name, fed in zip(trajectory.run.media, np.asarray(trajectory.fed_volumes).T, strict=True):
            columns |= display.column(f"fed {name}", VOLUME, fed)
    for name in (*model.observable_names, *model.input_names, *model.variable_names):
        columns |= display.column(name, model.unit(name), np.asarray(trajectory[name]))
    if has_loop(model):
        loop = model.loops[0]
        columns |= display.column(f"{loop}' of the fluxes", model.unit(loop), loop_target_of(trajectory), loop)
    for name in model.species:
        columns |= display.column(name, model.unit(name), values_of(trajectory, name))
    for name, flux in fluxes_of(trajectory).items():
        columns |= display.column(name, rate_unit(model, name), flux, made_by(model, name))
    if has_network(model):
        for name, rate in kinetic_rates_of(trajectory).items():
            columns |= display.column(f"kinetic rate {name}", SPECIFIC_RATE, rate, made_by(model, name))
        columns |= {f"conflict {name} [{DIMENSIONLESS}]": value for name, value in conflicts_of(trajectory).items()}
        columns["flux status"] = [status.name for status in flux_statuses(trajectory)]
    if has_loop(model):
        columns["loop status"] = [status.name for status in loop_statuses(trajectory)]
    return pd.DataFrame(columns)


def scores_frame(trajectories: Mapping[str, Trajectory]) -> pd.DataFrame:
    """Return the NRMSE of every measured quantity: the root mean squared difference over the measured range.

    Args:
        trajectories: simulations of one run by label.

    Returns:
        One row a quantity and one column [1] a label. The last row is the mean of those above but VCD and R.
    """
    of_label = {label: shown_scores(trajectory) for label, trajectory in trajectories.items()}
    quantities = list(dict.fromkeys(row.quantity for rows in of_label.values() for row in rows))
    quantities.sort(key=lambda name: name in (VCD, REDOX))
    columns: dict[str, list] = {"quantity": [*quantities, MEAN]}
    for label, rows in of_label.items():
        nrmse = {row.quantity: row.nrmse for row in rows}
        values = [nrmse.get(name, float("nan")) for name in quantities]
        columns[f"{label} [{DIMENSIONLESS}]"] = [*values, mean_nrmse(tuple(rows))]
    return pd.DataFrame(columns)


def estimates_frame(fit: "Fit") -> pd.DataFrame:
    """Return the estimated parameters with their uncertainty.

    Args:
        fit: a fit.

    Returns:
        One row a parameter. Value, standard error and start are in the unit of the column ``unit``. The ratio of the
        posterior to the prior standard deviation [1] is near 1 if the data do not determine the parameter; the
        shrinkage [1], 1 less its square, is then near 0.
    """
    table = fit.model.table  # once: it copies every value from the device
    rows = [(row, table[row.name]) for row in fit.estimates]
    return pd.DataFrame(
        {
            "name": [row.name for row, _ in rows],
            "value [unit]": [row.value for row, _ in rows],
            "unit": [row.unit for row, _ in rows],
            "standard error [unit]": [row.standard_error for row, _ in rows],
            "relative error [1]": [row.relative_error for row, _ in rows],
            "start [unit]": [row.start for row, _ in rows],
            "posterior SD / prior SD [1]": [row.sd_ratio for row, _ in rows],
            "shrinkage [1]": [row.shrinkage for row, _ in rows],
            "at bound": [row.at_bound for row, _ in rows],
            "meaning": [parameter.meaning for _, parameter in rows],
            "source": [parameter.source for _, parameter in rows],
        }
    )


def own_values_frame(fit: "Fit") -> pd.DataFrame:
    """Return the values of parameters that differ between groups of runs, or between runs.

    Args:
        fit: a fit; of one without such parameters the table is empty.

    Returns:
        One row a parameter and group, or run. Value and standard error, which is that of groups, are in the unit of the
        column ``unit``. The difference of a group is from the shared value, that of a run from the value of its group
        if the parameter has one; the last column is the difference over the standard deviation between groups, or
        runs, on the scale of the parameter [1].
    """
    table, effects, shared = fit.model.table, fit.group_effects, {row.name: row.value for row in fit.estimates}
    rows: list[dict] = []

    def add(what: str, name: str, value: float, base: float, sd: float, error: float) -> None:
        log = table[name].log_scale
        apart = np.log(value / base) if log else value - base
        rows.append({
            "parameter": name, "of": what, "value [unit]": value,
            "standard error [unit]": error * value if log else error, "unit": table[name].unit,
            "difference [%]": 100.0 * (value / base - 1.0) if base else np.nan,
            f"difference / SD between them [{DIMENSIONLESS}]": apart / sd,
        })  # fmt: skip

    if effects is not None:
        errors = effects.errors(fit.covariance, [list(shared).index(name) for name in effects.parameters])
        for k, name in enumerate(effects.parameters):
            for j, group in enumerate(effects.names):
                value = float(effects.values[j, k])
                add(f"group {group}", name, value, shared[name], float(effects.sd[k]), float(errors[j, k]))
    for name in next(iter(fit.per_run.values()), {}):
        for run, values in fit.per_run.items():
            base = fit.per_group.get(fit.groups.get(run, ""), {}).get(name, shared[name])
            add(f"run {run}", name, values[name], base, table[name].between_runs_sd, np.nan)
    return pd.DataFrame(rows)


def initial_states_frame(fit: "Fit", units: Units = LABORATORY) -> pd.DataFrame:
    """Return the estimated initial concentrations beside the given ones.

    Args:
        fit: a fit that estimated them; of another one the table is empty.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a run and species. Given value and estimate are in the unit of the column ``unit``; the error of the
        assay, that of the estimate, and the difference are of logarithms, in %; the last column is the difference over
        the error of the assay [1].
    """
    states, display = fit.initial_states, shown_in(units, fit.runs, [fit.model])
    rows: list[dict] = []
    for run, species, *numbers in [] if states is None else states.rows():
        given, estimated, assay, sd, apart = numbers
        unit = fit.model.unit(species)
        rows.append({
            "run": run, "species": species, "given [unit]": display.values(given, unit, species),
            "estimated [unit]": display.values(estimated, unit, species), "unit": display.unit(unit, species),
            "error of the assay [%]": 100.0 * assay, "error of the estimate [%]": 100.0 * sd,
            "difference [%]": 100.0 * apart, f"difference / error of the assay [{DIMENSIONLESS}]": apart / assay,
        })  # fmt: skip
    return pd.DataFrame(rows)


def history_frame(fit: "Fit") -> pd.DataFrame:
    """Return the iterations of a fit in order.

    Args:
        fit: a fit.

    Returns:
        One row a trial step: stage, iteration [1], cost [1], damping [1], accepted, time spent [s].
    """
    heads = {
        "stage": "stage",
        "iteration": "iteration [1]",
        "cost": "cost [1]",
        "damping": "damping [1]",
        "accepted": "accepted",
        "seconds": "time spent [s]",
    }
    return pd.DataFrame({head: [row[key] for row in fit.history] for key, head in heads.items()})


def residuals_frame(trajectory: Trajectory, units: Units = LABORATORY) -> pd.DataFrame:
    """Return measured and simulated values in long form.

    Args:
        trajectory: a simulated run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a measured value. The difference is simulated - measured, in the unit of the column ``unit``; the
        standardised residual [1] is the difference over the standard error of the assay.

    Raises:
        InputError: for units that do not fit.
    """
    parts, display = [], shown_in(units, [trajectory.run], [trajectory.model])
    for quantity in shown_quantities(trajectory.model):
        if quantity not in trajectory.run.measurements:
            continue
        series, simulated = trajectory.run.measurements[quantity], trajectory.at_samples(quantity)
        unit = trajectory.model.unit(quantity)
        part = {
            **display.times(series.time),
            "quantity": quantity,
            "unit": display.unit(unit, quantity),
            "measured [unit]": display.values(series.value, unit, quantity),
            "simulated [unit]": display.values(simulated, unit, quantity),
            "difference [unit]": display.differences(simulated - series.value, unit, quantity),
            "standardised residual [1]": (simulated - series.value) / series.standard_error,
        }
        parts.append(pd.DataFrame(part))
    if parts:
        return pd.concat(parts, ignore_index=True)
    heads = ("measured [unit]", "simulated [unit]", "difference [unit]", "standardised residual [1]")
    return pd.DataFrame({head: [] for head in (*display.times(()), "quantity", "unit", *heads)})


def gradient_checks_frame(checked: "GradientCheck", units: Units = LABORATORY) -> pd.DataFrame:
    """Return the derivatives that were compared with central differences, worst first.

    Args:
        checked: derivatives of a fit's residuals and their comparison.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a parameter. Relative error, largest derivative (of residuals in standard errors) and step of the
        parameter are [1]; run, quantity and time identify the sample with the largest error.

    Raises:
        InputError: for units that cannot be read.
    """
    rows = checked.worst_first
    return pd.DataFrame(
        {
            "name": [row.name for row in rows],
            "verdict": [row.verdict.value for row in rows],
            "relative error [1]": [row.error for row in rows],
            "largest derivative [1]": [row.size for row in rows],
            "run": [row.run for row in rows],
            "quantity": [row.quantity for row in rows],
            **shown_in(units).times(np.array([row.time for row in rows], float)),
            "step [1]": [row.step for row in rows],
            "remedy": [row.verdict.remedy for row in rows],
        }
    )
