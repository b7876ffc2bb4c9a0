"""The tables of a `Comparison`, as DataFrames with units in their heads.

An error of infinity is a failure; the sentence of each stands in the table `errors`.
"""

from collections.abc import Callable

import pandas as pd

from graycell.comparison.comparison import Comparison
from graycell.comparison.intervals import Interval


def comparison_frames(comparison: Comparison, reference: str) -> dict[str, pd.DataFrame]:
    """Return every table by a name that serves as a file name; differences are to the candidate `reference`.

    Of a learning curve, the tables but `errors`, `consistency` and `learning-curve` are of its largest size.
    """
    largest = at_largest(comparison)
    frames = {
        "overall": overall_frame(largest),
        "by-quantity": quantities_frame(largest),
        "by-quantity-intervals": quantity_errors_frame(largest),
        "differences": differences_frame(largest, reference),
        "errors": errors_frame(comparison),
    }
    if comparison.is_curve:
        frames["learning-curve"] = learning_curve_frame(comparison)
    if comparison.consistency:
        frames["consistency"] = consistency_frame(comparison)
    return frames


def at_largest(comparison: Comparison) -> Comparison:
    """Return the part of a learning curve with the most training runs; any other comparison as it is."""
    return comparison.of_size(comparison.sizes[-1]) if comparison.is_curve else comparison


def overall_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the error of each candidate in all, the least first, with its interval of 95 %.

    NRMSE is the mean over the quantities of a run, then over the runs; of several seeds, the median.
    """
    rows = sorted(comparison.overall(), key=lambda row: row.nrmse.value)
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "NRMSE [1]": [row.nrmse.value for row in rows],
            **_ends([row.nrmse for row in rows]),
            "least of the seeds [1]": [row.least for row in rows],
            "largest of the seeds [1]": [row.largest for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
            "NRMSE without these [1]": [row.without_failures for row in rows],
        }
    )


def quantities_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the NRMSE [1] of every quantity (rows) for every candidate (columns); the last row is all together."""
    rows = comparison.per_quantity()
    columns: dict[str, list] = {
        "quantity": [*comparison.quantities, "mean over quantities and runs"],
        "unit": [*(_first(rows, quantity).unit for quantity in comparison.quantities), ""],
        "range [unit]": [*(comparison.ranges[quantity] for quantity in comparison.quantities), float("nan")],
    }
    total = {row.candidate: row.nrmse.value for row in comparison.overall()}
    for name in comparison.candidates:
        columns[f"{name} [1]"] = [*(row.nrmse.value for row in rows if row.candidate == name), total[name]]
    return pd.DataFrame(columns)


def quantity_errors_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the error of every candidate in every quantity in long form, with its interval of 95 %."""
    rows = comparison.per_quantity()
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "quantity": [row.quantity for row in rows],
            "NRMSE [1]": [row.nrmse.value for row in rows],
            **_ends([row.nrmse for row in rows]),
            "RMSE [unit]": [row.rmse for row in rows],
            "range [unit]": [row.range for row in rows],
            "unit": [row.unit for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
        }
    )


def differences_frame(comparison: Comparison, reference: str) -> pd.DataFrame:
    """Return by how much every candidate errs more than `reference`; below 0 it is the better one."""
    rows = comparison.against(reference)
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "against": [row.reference for row in rows],
            "quantity": [row.quantity for row in rows],
            "difference of NRMSE [1]": [row.nrmse.value for row in rows],
            **_ends([row.nrmse for row in rows]),
            "better in part of the pairs [1]": [row.better for row in rows],
            "pairs [1]": [row.pairs for row in rows],
            "pairs left out [1]": [row.left_out for row in rows],
        }
    )


def learning_curve_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the error of each candidate by the number of training runs: median, least and largest of the seeds."""
    rows = comparison.by_size()
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "training runs [1]": [row.training_runs for row in rows],
            "NRMSE [1]": [row.nrmse for row in rows],
            "least of the seeds [1]": [row.least for row in rows],
            "largest of the seeds [1]": [row.largest for row in rows],
            "failed predictions [1]": [row.failed for row in rows],
        }
    )


def errors_frame(comparison: Comparison) -> pd.DataFrame:
    """Return every error: one row for each candidate, split, seed, run and quantity."""
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
    return pd.DataFrame({head: [getattr(row, name) for row in comparison.rows] for name, head in heads.items()})


def consistency_frame(comparison: Comparison) -> pd.DataFrame:
    """Return how often the predictions contradict what is known, for every check of every candidate."""
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


def _ends(intervals: list[Interval]) -> dict[str, list]:
    words = [f"{one.count} {one.drawn}" if one.drawn != "nothing" else f"{one.count}, no interval" for one in intervals]
    return {
        "low [1]": [one.low for one in intervals],
        "high [1]": [one.high for one in intervals],
        "interval by drawing": words,
    }


def _first(rows, quantity: str):
    return next(row for row in rows if row.quantity == quantity)
