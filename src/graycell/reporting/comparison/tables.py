"""The tables of a `Comparison`, as DataFrames with units in their heads.

Means are over the predictions that were made, with the number of failed ones beside them. In the table `errors` a
failed prediction is an infinite error with its reason.
"""

from collections.abc import Callable

import pandas as pd

from graycell.comparison.comparison import Comparison
from graycell.comparison.intervals import Interval
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in


def comparison_frames(comparison: Comparison, reference: str, units: Units = LABORATORY) -> dict[str, pd.DataFrame]:
    """Return every table of a comparison.

    Args:
        comparison: errors of several candidates.
        reference: the candidate from which differences are taken.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Tables by a name that serves as file name. For a learning curve, all tables but ``errors``, ``consistency`` and
        ``learning-curve`` are about its largest number of training runs.
    """
    largest, display = at_largest(comparison), _display(comparison, units)
    frames = {
        "overall": overall_frame(largest),
        "by-quantity": quantities_frame(largest, display),
        "by-run": runs_frame(largest),
        "by-quantity-intervals": quantity_errors_frame(largest, display),
        "differences": differences_frame(largest, reference),
        "errors": errors_frame(comparison, display),
    }
    if comparison.is_curve:
        frames["learning-curve"] = learning_curve_frame(comparison)
    if comparison.consistency:
        frames["consistency"] = consistency_frame(comparison)
    return frames


def at_largest(comparison: Comparison) -> Comparison:
    """Return the part of a learning curve with the most training runs.

    Args:
        comparison: errors of several candidates.

    Returns:
        That part; any other comparison unchanged.
    """
    return comparison.of_size(comparison.sizes[-1]) if comparison.is_curve else comparison


def overall_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the overall error of each candidate, the best first, with its 95 % interval.

    Args:
        comparison: errors of several candidates.

    Returns:
        One row a candidate. NRMSE [1] is the mean over the quantities of a run, then over the runs; the median over
        several seeds.
    """
    rows = sorted(comparison.overall(), key=lambda row: row.rank)
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "NRMSE [1]": [row.nrmse.value for row in rows],
            **_ends([row.nrmse for row in rows]),
            "smallest over seeds [1]": [row.least for row in rows],
            "largest over seeds [1]": [row.largest for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
            "of [1]": [row.predictions for row in rows],
        }
    )


def quantities_frame(comparison: Comparison, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the NRMSE of every quantity for every candidate.

    Args:
        comparison: errors of several candidates.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a quantity and one column [1] a candidate, with one more of failed predictions where there are any; the
        last row is the mean.
    """
    rows, display = comparison.per_quantity(), _display(comparison, units)
    of = {quantity: _first(rows, quantity).unit for quantity in comparison.quantities}
    ranges = [display.differences(comparison.ranges[quantity], unit, quantity) for quantity, unit in of.items()]
    columns: dict[str, list] = {
        "quantity": [*of, "mean over quantities and runs"],
        "unit": [*(display.unit(unit, quantity) for quantity, unit in of.items()), ""],
        "range [unit]": [*ranges, float("nan")],
    }
    total = {row.candidate: row.nrmse.value for row in comparison.overall()}
    for name in comparison.candidates:
        own = [row for row in rows if row.candidate == name]
        columns[f"{name} [1]"] = [*(row.nrmse.value for row in own), total[name]]
        if any(row.failed for row in own):
            columns[f"{name}, failed [1]"] = [*(row.failed for row in own), sum(row.failed for row in own)]
    return pd.DataFrame(columns)


def runs_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the error of every candidate in every run.

    Args:
        comparison: errors of several candidates.

    Returns:
        One row a candidate and run: the mean NRMSE [1] of the predictions that were made, how many failed, and why.
    """
    rows = comparison.by_run()
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "run": [row.run for row in rows],
            "NRMSE [1]": [row.nrmse for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
            "of [1]": [row.predictions for row in rows],
            "failure": [row.failure for row in rows],
        }
    )


def quantity_errors_frame(comparison: Comparison, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the error of every candidate in every quantity in long form, with its 95 % interval.

    Args:
        comparison: errors of several candidates.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a candidate and quantity.
    """
    rows, display = comparison.per_quantity(), _display(comparison, units)
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "quantity": [row.quantity for row in rows],
            "NRMSE [1]": [row.nrmse.value for row in rows],
            **_ends([row.nrmse for row in rows]),
            "RMSE [unit]": [display.differences(row.rmse, row.unit, row.quantity) for row in rows],
            "range [unit]": [display.differences(row.range, row.unit, row.quantity) for row in rows],
            "unit": [display.unit(row.unit, row.quantity) for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
        }
    )


def differences_frame(comparison: Comparison, reference: str) -> pd.DataFrame:
    """Return the error of every candidate minus that of the reference, paired by run.

    Args:
        comparison: errors of several candidates.
        reference: name of a candidate.

    Returns:
        One row a candidate and quantity; below 0 the candidate is better than the reference.
    """
    rows = comparison.against(reference)
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "against": [row.reference for row in rows],
            "quantity": [row.quantity for row in rows],
            "difference of NRMSE [1]": [row.nrmse.value for row in rows],
            **_ends([row.nrmse for row in rows]),
            "share of pairs in which it is better [1]": [row.better for row in rows],
            "pairs [1]": [row.pairs for row in rows],
            "pairs left out [1]": [row.left_out for row in rows],
        }
    )


def learning_curve_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the error of each candidate by the number of training runs.

    Args:
        comparison: a learning curve.

    Returns:
        One row a candidate and number of runs: median, smallest and largest over the seeds.
    """
    rows = comparison.by_size()
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "training runs [1]": [row.training_runs for row in rows],
            "NRMSE [1]": [row.nrmse for row in rows],
            "smallest over seeds [1]": [row.least for row in rows],
            "largest over seeds [1]": [row.largest for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
        }
    )


def errors_frame(comparison: Comparison, units: Units = LABORATORY) -> pd.DataFrame:
    """Return every single error.

    Args:
        comparison: errors of several candidates.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a candidate, split, seed, run and quantity.
    """
    heads: dict[str, str] = {
        "candidate": "candidate",
        "split": "split",
        "seed": "seed",
        "training_runs": "training runs [1]",
        "run": "run",
        "quantity": "quantity",
        "rmse": "RMSE [unit]",
        "unit": "unit",
        "nrmse": "NRMSE [1]",
        "samples": "samples [1]",
        "failure": "failure",
    }
    display = _display(comparison, units)
    columns = {name: [getattr(row, name) for row in comparison.rows] for name in heads}
    columns["rmse"] = [display.differences(row.rmse, row.unit, row.quantity) for row in comparison.rows]
    columns["unit"] = [display.unit(row.unit, row.quantity) for row in comparison.rows]
    return pd.DataFrame({head: columns[name] for name, head in heads.items()})


def consistency_frame(comparison: Comparison) -> pd.DataFrame:
    """Return how often the predictions are physically impossible.

    Args:
        comparison: errors of several candidates.

    Returns:
        One row a check of a candidate.
    """
    rows = comparison.consistency
    of: dict[str, Callable] = {
        "candidate": lambda row: row.candidate,
        "split": lambda row: row.split,
        "seed": lambda row: row.seed,
        "check": lambda row: row.check,
        "counted [1]": lambda row: row.counted,
        "of [1]": lambda row: row.of,
        "failure": lambda row: row.failure,
    }
    return pd.DataFrame({head: [take(row) for row in rows] for head, take in of.items()})


def _display(comparison: Comparison, units: Units) -> Shown:
    """Return the units of tables; the runs of a comparison know which quantities were measured as masses."""
    return shown_in(units, [run for split in comparison.splits for run in (*split.train, *split.test)])


def _ends(intervals: list[Interval]) -> dict[str, list]:
    words = [
        f"{interval.count} {interval.drawn}" if interval.drawn != "nothing" else f"{interval.count}, no interval"
        for interval in intervals
    ]
    return {
        "low [1]": [interval.low for interval in intervals],
        "high [1]": [interval.high for interval in intervals],
        "interval by resampling": words,
    }


def _first(rows, quantity: str):
    return next(row for row in rows if row.quantity == quantity)
