"""Checks of counts against each other: viable and total cells, and viability, which nothing can change at once.

Dead cells come from living ones and stay until they lyse. So a viability does not fall to a fifth between two samples
unless the viable cells die with it, and does not rise to five times; a column that is partly in percent and partly a
fraction does both.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from graycell.balances.outliers import cleaned
from graycell.errors import Finding
from graycell.runs.records import TCD, VCD, VIABILITY, CultureRun

SURE = 4.0
"""Standard errors beyond which an assay error is no explanation."""
_JUMP = 4.0
"""Factor [1] by which no viability changes between two samples of a culture whose cells live on."""
_DEAD = 3.0
"""Dead cells of a sample over all cells of the sample before and what lives: more cannot have come from them."""
_MORE_VIABLE = 1.2
"""Viable cells over total cells [1] that two counts of a sample do not give."""
_ALIVE = 0.35
"""Part of the cells [1] that is alive at least in a culture that grows."""
_GROWS = 1.5
"""Factor [1] by which viable cells rise in a culture that grows."""


class _Viability(NamedTuple):
    """Viability over time, and the viable cells of the same samples, NaN where they were not counted.

    of: what it was measured as, for a `Finding`.
    """

    of: str
    time: np.ndarray
    value: np.ndarray
    cells: np.ndarray


def counts_agree(run: CultureRun) -> Iterator[Finding]:
    """Viable cells are no more than all cells, and their share is the viability.

    Args:
        run: the run.

    Yields:
        An error for more viable than total cells beyond their errors, a warning for some more, and for a viability that
        differs from their ratio.
    """
    if VCD not in run.measurements or TCD not in run.measurements:
        return
    viable, total = cleaned(run, VCD), cleaned(run, TCD)
    time, i, j = np.intersect1d(viable.time, total.time, return_indices=True)
    # as measured, but with errors that no outlier enlarges
    living, all_cells = run.measurements[VCD].value[i], run.measurements[TCD].value[j]
    excess = living - all_cells
    error = SURE * np.hypot(viable.standard_error[i], total.standard_error[j])
    wrong = np.flatnonzero((excess > error) | (living > _MORE_VIABLE * all_cells))
    if len(wrong):
        k = wrong[int(np.argmax(living[wrong] / np.maximum(all_cells[wrong], 1e-12)))]
        more = f", and more in {len(wrong) - 1} other samples" if len(wrong) > 1 else ""
        ratio = living[k] / max(all_cells[k], 1e-12)
        remedy = "see whether the columns are swapped"
        if ratio > 1.0 / _ALIVE:
            remedy = f"look at the power of ten of both, {ratio:.3g} is no share of cells"
        elif len(wrong) < 3:
            remedy = "correct the count that is wrong, or leave its cell empty"
        yield Finding(f"run '{run.name}', {VCD} at {time[k]:g} d",
                      f"{living[k]:.4g} viable of {all_cells[k]:.4g} [1e6 cells/mL]{more}",
                      "viable cells are a part of all cells", remedy,
                      "error" if np.any(excess[wrong] > error[wrong]) else "warning")  # fmt: skip
    if VIABILITY in run.measurements:
        given = run.measurements[VIABILITY]
        _, a, b = np.intersect1d(time, given.time, return_indices=True)
        share = living[a] / np.maximum(all_cells[a], 1e-12)
        off = np.flatnonzero((np.abs(share - given.value[b]) > 0.1) & (all_cells[a] > 0.0))
        if len(off):
            k = off[int(np.argmax(np.abs(share - given.value[b])[off]))]
            more = f", and another one in {len(off) - 1} more samples" if len(off) > 1 else ""
            yield Finding(f"run '{run.name}', {VIABILITY} at {given.time[b[k]]:g} d", f"{given.value[b[k]]:.3g}{more}",
                          f"VCD over TCD is {share[k]:.3g}", "see which of the three is wrong", "warning")  # fmt: skip


def a_culture_that_grows_is_alive(run: CultureRun) -> Iterator[Finding]:
    """While the viable cells grow, a good part of the cells is alive; with counts in two powers of ten it is not.

    Args:
        run: the run.

    Yields:
        An error for each way in which viability is known, measured or VCD over TCD.
    """
    for known in _viabilities(run):
        cells, value = known.cells, known.value
        rising = np.flatnonzero(cells[1:] > cells[:-1]) + 1 if len(cells) > 1 else np.zeros(0, int)
        grows = len(rising) > 1 and np.nanmax(cells) > _GROWS * cells[0] and np.all(np.isfinite(cells))
        is_percent = known.of == VIABILITY and np.max(value) <= 0.01  # runs.checks reports it
        if not grows or np.median(value[rising]) >= _ALIVE or is_percent or _jumps(known):
            continue
        share = float(np.median(value[rising]))
        power = round(-np.log10(share))
        remedy = "look at the unit of the column"
        if known.of == TCD and power >= 1:
            fewer = f"{10**power:g} times fewer cells would be {100 * share * 10**power:.3g} %"
            remedy = f"look at the power of ten of {TCD}: {fewer}"
        yield Finding(
            f"run '{run.name}', {known.of}", f"{100 * share:.3g} % alive while the viable cells grow",
            "most cells of a culture that grows are alive", remedy,
        )  # fmt: skip


def viability_does_not_jump(run: CultureRun) -> Iterator[Finding]:
    """Viability falls no faster than cells can die, and does not rise again.

    Args:
        run: the run.

    Yields:
        An error for each part of the samples whose viability does not belong to the others.
    """
    for known in _viabilities(run):
        jumps = _jumps(known)
        if not jumps:
            continue
        low, high = _two_sides(known, jumps)
        if not len(low):
            continue
        factor = float(np.median(known.value[high]) / np.median(known.value[low]))
        first, last = known.time[low[0]], known.time[low[-1]]
        times = f"at {first:g} d" if len(low) == 1 else f"from {first:g} to {last:g} d"
        many = f" in {len(low)} samples" if len(low) > 1 else ""
        remedy = "look at the counts and their unit"
        if known.of == VIABILITY:
            remedy = "correct the values, or leave their cells empty"
            if 60.0 < factor < 160.0:
                what = "these are fractions" if len(low) > 1 else "this is a fraction"
                remedy = f"{what} among percents: write all in one unit"
            elif 6.0 < factor < 16.0:
                remedy = "look for a slip of ten"
        elif 6.0 < factor < 16.0:
            remedy = "look for a slip of ten in the counts"
        yield Finding(
            f"run '{run.name}', {known.of} {times}",
            f"a viability of {100 * float(np.median(known.value[low])):.3g} %{many}, and of "
            f"{100 * float(np.median(known.value[high])):.3g} % next to it",
            "cells do not die and come back within a day", remedy,
        )  # fmt: skip


def _viabilities(run: CultureRun) -> Iterator[_Viability]:
    """Yield viability as measured, and as VCD over TCD."""
    viable, given, total = (run.measurements.get(name) for name in (VCD, VIABILITY, TCD))
    if given is not None and len(given.time):
        cells = np.full(len(given.time), np.nan)
        if viable is not None:
            _, i, j = np.intersect1d(given.time, viable.time, return_indices=True)
            cells[i] = viable.value[j]
        yield _Viability(VIABILITY, given.time, given.value, cells)
    if viable is not None and total is not None:
        time, i, j = np.intersect1d(viable.time, total.time, return_indices=True)
        counted = total.value[j] > 0.0
        cells = viable.value[i][counted]
        share = np.minimum(cells / total.value[j][counted], 1.0)
        if len(time):
            yield _Viability(TCD, time[counted], share, cells)


def _jumps(known: _Viability) -> list[int]:
    return [k for k in range(1, len(known.value)) if _is_jump(known, k)]


def _is_jump(known: _Viability, k: int) -> bool:
    """Return whether the viability of a sample cannot follow that of the sample before."""
    before, now = known.value[k - 1], known.value[k]
    if not before > 0.0 or not now > 0.0 or max(before, now) < 0.2:
        return False
    if now > _JUMP * before:
        return True
    if before <= _JUMP * now:
        return False
    cells = known.cells[k - 1 : k + 1]
    if not np.all(np.isfinite(cells)):
        # without counts only a factor of a unit is sure, and a value that recovers
        later = known.value[k + 1 :]
        return bool(60.0 < before / now < 160.0 or (len(later) and np.max(later) > _JUMP * now))
    dead = cells[1] * (1.0 / now - 1.0)
    return bool(dead > _DEAD * (cells[0] / before + cells[1]))


def _two_sides(known: _Viability, jumps: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples that are on the low and on the high side of the jumps, the low ones without a gap."""
    parts = np.split(np.arange(len(known.value)), jumps)
    level = [float(np.median(known.value[part])) for part in parts]
    highest = max(level)
    low = [part for part, middle in zip(parts, level, strict=True) if middle * _JUMP < highest]
    high = [part for part, middle in zip(parts, level, strict=True) if middle * _JUMP >= highest]
    return np.concatenate(low) if low else np.zeros(0, int), np.concatenate(high)
