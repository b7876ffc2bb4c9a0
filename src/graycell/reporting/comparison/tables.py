"""The tables of a `Comparison`, as DataFrames with units in their heads.

Means are over the predictions that were made, with the number of failed ones beside them. In the table `errors` a
failed prediction is an infinite error with its reason.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from graycell.comparison.bands import BandScore
from graycell.comparison.comparison import Comparison
from graycell.comparison.intervals import ALL, Interval
from graycell.comparison.trainings import ErrorRow
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in


def comparison_frames(comparison: Comparison, reference: str, units: Units = LABORATORY) -> dict[str, pd.DataFrame]:
    """Return every table of a comparison.

    Args:
        comparison: errors of several candidates.
        reference: the candidate from which differences are taken.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Tables by a name that serves as file name. For a learning curve, all tables but ``errors``, ``predictions``,
        ``consistency`` and ``learning-curve`` are about its largest number of training runs.
    """
    largest, display = at_largest(comparison), display_of(comparison, units)
    frames = {
        "overall": overall_frame(largest),
        "bands": bands_frame(largest),
        "by-quantity": quantities_frame(largest, display),
        "by-run": runs_frame(largest),
        "by-quantity-intervals": quantity_errors_frame(largest, display),
        "differences": differences_frame(largest, reference),
        "errors": errors_frame(comparison, display),
        "predictions": predictions_frame(comparison, display),
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


def bands_frame(comparison: Comparison) -> pd.DataFrame:
    """Return how often bands of 90 % held, and how wide and good they were, the candidate with the least error first.

    Args:
        comparison: errors of several candidates.

    Returns:
        One row a candidate and quantity, all quantities first. The interval of the part that held is that of Clopper
        and Pearson with runs as trials; widths and scores are parts of the range of the quantity.
    """
    order = [row.candidate for row in sorted(comparison.overall(), key=lambda row: row.rank)]
    rows = sorted(comparison.band_summary(), key=lambda row: (row.quantity != ALL, order.index(row.candidate)))
    return pd.DataFrame(
        {
            "candidate": [row.candidate for row in rows],
            "quantity": [row.quantity for row in rows],
            "held by the 90 % band [1]": [row.coverage for row in rows],
            "low [1]": [row.low for row in rows],
            "high [1]": [row.high for row in rows],
            "width [1]": [row.width for row in rows],
            "interval score [1]": [row.interval_score for row in rows],
            "CRPS [1]": [row.crps for row in rows],
            "runs [1]": [row.runs for row in rows],
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
    rows, display = comparison.per_quantity(), display_of(comparison, units)
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
    rows, display = comparison.per_quantity(), display_of(comparison, units)
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
        One row a candidate, split, seed, run and quantity; where it has a band of 90 %, with its scores.
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
    display = display_of(comparison, units)
    columns = {name: [getattr(row, name) for row in comparison.rows] for name in heads}
    columns["rmse"] = [display.differences(row.rmse, row.unit, row.quantity) for row in comparison.rows]
    columns["unit"] = [display.unit(row.unit, row.quantity) for row in comparison.rows]
    bands = bands_by_prediction(comparison)
    of = [bands.get(key_of(row)) for row in comparison.rows]
    scores = {
        "scored by the band [1]": [one.samples if one else 0 for one in of],
        "held by the 90 % band [1]": [one.held if one else 0 for one in of],
        "width [1]": [one.width if one else np.nan for one in of],
        "interval score [1]": [one.interval_score if one else np.nan for one in of],
        "CRPS [1]": [one.crps if one else np.nan for one in of],
    }
    return pd.DataFrame({head: columns[name] for name, head in heads.items()} | scores)


def predictions_frame(comparison: Comparison, units: Units = LABORATORY) -> pd.DataFrame:
    """Return every prediction beside what was measured, and its band of 90 %.

    Args:
        comparison: of several candidates.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a candidate, split, seed, run, quantity and sample that counts; no row where a prediction failed, and
        no ends where there is no band.
    """
    splits = {split.name: split for split in comparison.splits}
    display, bands, parts = display_of(comparison, units), bands_by_prediction(comparison), []
    for row in comparison.rows:
        if row.failure:
            continue
        split = splits[row.split]
        series = next(run for run in split.test if run.name == row.run).measurements[row.quantity]
        counted, none = split.counted(series), np.full(row.samples, np.nan)
        score = bands.get(key_of(row))
        low, high = (none, none) if score is None else (np.array(score.low), np.array(score.high))
        limits = np.zeros(row.samples, bool) if series.below is None else series.below[counted]
        parts.append(pd.DataFrame({
            "candidate": row.candidate, "split": row.split, "seed": row.seed, "run": row.run, "quantity": row.quantity,
            **display.times(series.time[counted]), "unit": display.unit(row.unit, row.quantity),
            "measured [unit]": display.values(series.value[counted], row.unit, row.quantity),
            "standard error [unit]": display.differences(series.standard_error[counted], row.unit, row.quantity),
            "below a detection limit": limits,
            "predicted [unit]": display.values(np.array(row.predicted), row.unit, row.quantity),
            "90 % band, low [unit]": display.values(low, row.unit, row.quantity),
            "90 % band, high [unit]": display.values(high, row.unit, row.quantity),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


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


def key_of(one: ErrorRow | BandScore) -> tuple[str, str, int, str, str]:
    """Return what tells one prediction from another.

    Args:
        one: its error, or its band.

    Returns:
        Candidate, split, seed, run, quantity.
    """
    return one.candidate, one.split, one.seed, one.run, one.quantity


def bands_by_prediction(comparison: Comparison) -> dict[tuple[str, str, int, str, str], BandScore]:
    """Return the bands of a comparison by prediction.

    Args:
        comparison: of several candidates.

    Returns:
        Bands by `key_of`.
    """
    return {key_of(one): one for one in comparison.bands}


def display_of(comparison: Comparison, units: Units) -> Shown:
    """Return units of tables and figures; the runs of a comparison know which quantities were measured as masses.

    Args:
        comparison: of several candidates.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The units.
    """
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
