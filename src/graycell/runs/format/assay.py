"""The standard errors of runs -> laws, as the table assay_error holds them."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from graycell.runs.format.assembly import DEFAULT_ABSOLUTE_ERROR, DEFAULT_RELATIVE_ERROR
from graycell.runs.format.writers import Rows
from graycell.runs.limits import LIMITS, limit_of
from graycell.runs.records import CultureRun, Measurement

_SAME_ERROR = 1e-12
"""[1] Relative difference up to which two standard errors are the same: the rounding of a root of two squares."""


def laws_of_errors(runs: Sequence[CultureRun]) -> tuple[Rows, set[str]]:
    """Return the table assay_error.

    Args:
        runs: whose standard errors are written.

    Returns:
        Its rows, and the quantities whose errors follow no law.
    """
    rows, single = [["quantity", "relative [1]", "absolute", "unit"]], set()
    for quantity in dict.fromkeys(name for run in runs for name in run.measurements):
        series = [run.measurements[quantity] for run in runs if quantity in run.measurements]
        law = assay_error(series)
        if law is not None:
            rows.append([quantity, *map(repr, law), series[0].unit or LIMITS[limit_of(quantity)].unit or ""])
            if not all(
                _same(np.hypot(law[0] * measured.value, law[1]), measured.standard_error) for measured in series
            ):
                single.add(quantity)
    return rows, single


def assay_error(series: Sequence[Measurement]) -> tuple[float, float] | None:
    r"""Return the law $s^2 = (r y)^2 + a^2$ of the standard errors s of the values y of one quantity.

    Args:
        series: measurements of the quantity in several runs.

    Returns:
        The relative error r [1] and the absolute error a [unit of the quantity]: of the law that the errors follow, or
        of the nearest one (least squares of the ratios of the variances). None if they follow the reader's default
        and so need no row.

    >>> time, value = np.array([0.0, 1.0]), np.array([3.0, 4.0])
    >>> assay_error([Measurement("GLC", "mmol/L", time, value, np.array([0.5, 0.5]))])
    (0.0, 0.5)
    """
    if all(np.array_equal(measurement.standard_error, _default_error(measurement.value)) for measurement in series):
        return None
    value = np.concatenate([measurement.value for measurement in series])
    error = np.concatenate([measurement.standard_error for measurement in series])
    if np.all(error == error[0]):
        return 0.0, float(error[0])
    largest, middle = float(np.max(np.abs(value))) or 1.0, float(np.median(error))
    scaled = np.stack([(value / largest) ** 2, np.full_like(value, (middle / largest) ** 2)], axis=1)
    squares, _ = nnls(scaled * (largest / error[:, None]) ** 2, np.ones(len(value)))
    relative, absolute = float(np.sqrt(squares[0])), float(np.sqrt(squares[1])) * middle
    if absolute == 0.0 and np.any(value == 0.0):
        absolute = float(np.min(error))  # a value of 0 would be exact
    for digits in range(1, 16):
        rounded = float(f"{relative:.{digits}g}"), float(f"{absolute:.{digits}g}")
        if _same(np.hypot(rounded[0] * value, rounded[1]), error):
            return rounded  # the number that someone wrote, and not the rounding of a fit beside it
    return relative, absolute


def _same(errors: np.ndarray, others: np.ndarray) -> bool:
    return bool(np.allclose(errors, others, rtol=_SAME_ERROR, atol=0.0))


def _default_error(value: np.ndarray) -> np.ndarray:
    """Return the standard errors that the reader gives values of a quantity without a row."""
    largest = float(np.max(np.abs(value)))
    return np.hypot(DEFAULT_RELATIVE_ERROR * value, DEFAULT_ABSOLUTE_ERROR * (largest or 1.0))
