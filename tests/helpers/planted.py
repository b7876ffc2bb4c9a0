"""Faults that a scientist makes, each planted in a sound run, and words of the sentence that must report it.

    .venv/bin/python tests/helpers/planted.py --out results/planted

writes every faulty run into a folder of its own, for `graycell check`.
"""

import argparse
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from graycell.runs import Bolus, Measurement, Sample, Signal, bundled_run
from graycell.runs.format.writing import write_runs
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CELL_DENSITY, CONCENTRATION, DIMENSIONLESS, VOLUME

SOUND = bundled_run()


def with_series(run, name, change):
    """The run with other values of a quantity; `change` takes its values."""
    series = run.measurements[name]
    value = np.asarray(change(series.value.copy()), float)
    return replace(run, measurements={**run.measurements, name: replace(series, value=value)})


def in_another_unit(run, name, factor):
    """The run with a quantity, and its errors, times a factor."""
    series = run.measurements[name]
    scaled = replace(series, value=factor * series.value, standard_error=factor * series.standard_error)
    return replace(run, measurements={**run.measurements, name: scaled})


def with_new(run, name, value):
    times = run.measurements["GLC"].time
    value = np.broadcast_to(np.asarray(value, float), times.shape)
    unit = {TCD: CELL_DENSITY, VIABILITY: DIMENSIONLESS}.get(name, CONCENTRATION)
    series = Measurement(name, unit, times, value.copy(), np.full(len(times), 0.02 * np.max(value)))
    initial = run.initial if name in (TCD, VIABILITY) else {**run.initial, name: float(value[0])}
    return replace(run, initial=initial, measurements={**run.measurements, name: series})


def scattered(number):
    """A parallel of the run: each value off by its assay error."""
    random = np.random.default_rng(number)

    def measured_again(series):
        return replace(
            series, value=np.abs(series.value + series.standard_error * random.standard_normal(len(series.time)))
        )

    measurements = {name: measured_again(series) for name, series in SOUND.measurements.items()}
    return replace(SOUND, name=f"parallel-{number}", measurements=measurements)


def last(values, factor):
    values[-1] *= factor
    return values


def held(values, count=6):
    values[2 : 2 + count] = values[2]
    return values


def interpolated(values):
    """The inner six values on a line over the times of the run."""
    times = SOUND.measurements["GLC"].time
    values[2:8] = np.interp(times[2:8], times[[1, 8]], values[[1, 8]])
    return values


def with_events(*more):
    return replace(SOUND, events=tuple(sorted((*SOUND.events, *more), key=lambda event: event.time)))


def thousandfold(event):
    return replace(event, volume=1e3 * event.volume) if isinstance(event, Bolus) else event


BOLUS = next(event for event in SOUND.events if isinstance(event, Bolus))
GLC, ASP, GLY = (SOUND.measurements[name].value for name in ("GLC", "ASP", "GLY"))
RISING = np.linspace(0.0, 1.0, len(GLC))
WRITTEN_DOWN = Signal("volume", VOLUME, np.array([2.0, 9.0]), np.array([1.0, 1.1]))
UP, LIKE, UNIT = "more than was there and fed", "in one proportion", "times those of the other runs"
PLANTED = {
    "cells double in hours": (with_series(SOUND, VCD, lambda v: last(v, 10.0)), "cells that double in"),
    "a dilution was not counted": (with_series(SOUND, VCD, lambda v: np.r_[v[:5], 9.0 * v[5], v[6:]]), "double in"),
    "glucose rises without a feed": (with_series(SOUND, "GLC", lambda v: last(v, 2.5)), UP),
    "an essential amino acid appears": (with_new(SOUND, "LEU", 2.0 + 20.0 * RISING), UP),
    "carbon was never fed": (with_series(SOUND, "LAC", lambda v: v + 400.0 * RISING), "of carbon that was never fed"),
    "more than two lactate of a glucose": (with_series(SOUND, "LAC", lambda v: v + 400.0 * RISING), "of a glucose"),
    "nitrogen was never fed": (
        with_series(with_new(with_new(SOUND, "ILE", 1.0), "VAL", 1.0), "NH3", lambda v: v + 300.0 * RISING),
        "of nitrogen that was never fed"),
    "cells are in a smaller unit": (in_another_unit(SOUND, VCD, 0.01), "taken up"),
    "product disappears": (with_series(SOUND, "ANTI", lambda v: last(v, 0.3)), "of product gone"),
    "viable and total cells are swapped": (
        with_new(SOUND, TCD, 0.6 * SOUND.measurements[VCD].value), "viable cells are a part"),
    "viability is not that of the counts": (
        with_new(with_new(SOUND, TCD, SOUND.measurements[VCD].value / 0.9), VIABILITY, 0.5), "VCD over TCD is"),
    "a value was copied down": (with_series(SOUND, "GLU", held), "equal values in a row"),
    "values were interpolated": (with_series(SOUND, "ASP", interpolated), "on one straight line"),
    "a column was copied": (with_series(SOUND, "GLU", lambda _: ASP), LIKE),
    "a column was copied and converted": (with_series(SOUND, "SER", lambda _: 0.105 * GLY), LIKE),
    "boluses are in mL": (replace(SOUND, events=tuple(map(thousandfold, SOUND.events))), "a fed batch is not fed"),
    "a bolus is written twice": (with_events(BOLUS), "the same bolus twice"),
    "a sample is as large as the vessel": (with_events(Sample(4.5, 0.5 * SOUND.initial_volume)), "a sample is a small"),
    "a volume does not close": (
        replace(SOUND, signals={**SOUND.signals, "volume": WRITTEN_DOWN}),
        "a volume closes within"),
    "a feed has no composition": (replace(SOUND, media={name: {} for name in SOUND.media}), "nothing in it"),
}  # fmt: skip


def among_parallels(name, factor):
    """Three parallels of the run, and a fourth whose values of a quantity are in another unit."""
    return [*map(scattered, (1, 2, 3)), in_another_unit(scattered(4), name, factor)]


SETS = {
    "a run under another name": (
        [SOUND, replace(scattered(1), name="other", measurements=SOUND.measurements)], "the same values of"),
    "a column of another run": (
        [SOUND, with_series(scattered(1), "GLC", lambda _: GLC)], "the same values of GLC, and others of"),
    "glucose of a run in g/L": (among_parallels("GLC", MOLAR_MASS["GLC"] / 1e3), "near the 0.18 between g/L"),
    "lactate of a run in mol/L": (among_parallels("LAC", 1e-3), UNIT),
    "titer of a run in another unit": (among_parallels("ANTI", 1e-3), UNIT),
    "alanine of a run in mg/dL": (among_parallels("ALA", MOLAR_MASS["ALA"] / 10.0), "mg/dL and mmol/L"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/planted"))
    out = parser.parse_args().out
    for name, (runs, _) in {**{name: ([run], said) for name, (run, said) in PLANTED.items()}, **SETS}.items():
        write_runs(runs, out / re.sub(r"\W+", "-", name))


if __name__ == "__main__":
    main()
