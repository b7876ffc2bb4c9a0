"""Followed: what is known of a running culture now, its forecast, and the best rest of its plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graycell.decisions.optimum import Optimum
from graycell.inference.prediction import Prediction
from graycell.inference.results import Fit
from graycell.packing import in_units_of
from graycell.provenance import hash_of_run
from graycell.runs.records import CultureRun, Measurement
from graycell.saved import SavedFormat
from graycell.versions import VERSIONS, hash_of_code, where_it_ran
from graycell.views import Viewed

FOLLOWED = SavedFormat("followed culture", 1, "follow it anew with: graycell follow", unnumbered=None)
"""The format of `follow.json`."""
_FAR = 2.0
"""[standard deviations] A parameter that moved farther is named."""
_MOST_NAMED = 5


class StateNow(NamedTuple):
    """What is known of one quantity now.

    Attributes:
        quantity: its name.
        unit: of the model.
        estimate: with all samples so far.
        low: 5 % quantile of the culture.
        high: 95 % quantile.
        without: the estimate without samples after time 0.
        measured: its last sample; NaN without one.
        measured_on: [d] of that; NaN without one.
    """

    quantity: str
    unit: str
    estimate: float
    low: float
    high: float
    without: float
    measured: float
    measured_on: float


@dataclass(frozen=True)
class Followed(Viewed):
    """What is known of a running culture.

    Attributes:
        fit: what was known without it.
        known: a fit of the culture alone, see `conditioned`; it predicts and optimises as any fit does.
        run: the culture with the samples that were used, signals among them.
        now: [d]
        forecast: of the whole culture, with all samples so far.
        without: the same without samples after time 0.
        best: the rest of the plan that is best; None where nothing is chosen.
        left_out: values of decisions that can no longer be taken, by name.
        seed: of the draws.
    """

    fit: Fit
    known: Fit
    run: CultureRun
    now: float
    forecast: Prediction
    without: Prediction
    best: Optimum | None
    left_out: Mapping[str, float]
    seed: int

    def __repr__(self) -> str:
        return f"Followed('{self.run.name}', day {self.now:g}, {self.samples} samples)"

    @property
    def samples(self) -> int:
        """Number of values after time 0 that were used."""
        return sum(int(np.sum(series.time > 0.0)) for series in self._used)

    @property
    def _used(self) -> list[Measurement]:
        """The series of quantities of the model, in its units."""
        run, model = in_units_of(self.run, self.known.model), self.known.model
        return [series for name, series in run.measurements.items() if name in model.quantities]

    @property
    def names(self) -> tuple[str, ...]:
        """Quantities that a reader cares for: species, and what was measured."""
        model, seen = self.known.model, {name for run in (self.run, *self.fit.runs) for name in run.measurements}
        return tuple(name for name in self.forecast.names if name in model.species or name in seen)

    def state(self) -> list[StateNow]:
        """Return what is known of every quantity now.

        Returns:
            One row for each of `names`.
        """
        at, found = int(np.argmin(np.abs(self.forecast.time - self.now))), []
        used = {series.quantity: series for series in self._used}
        for name in self.names:
            j, series = self.forecast.names.index(name), used.get(name)
            low, high = (float(side[at]) for side in self.forecast.interval(name))
            value, day = (float(series.value[-1]), float(series.time[-1])) if series is not None and len(series.time) \
                else (np.nan, np.nan)  # fmt: skip
            found.append(StateNow(name, self.known.model.unit(name), float(self.forecast.best[at, j]), low, high,
                                  float(self.without.best[at, j]), value, day))  # fmt: skip
        return found

    def moved(self) -> list[tuple[str, float]]:
        """Return which parameters of this culture are not those of the fit.

        Returns:
            Names and by how many standard deviations of what was known they moved, the farthest first; those beyond 2.
        """
        found = []
        for before, after in zip(self.fit.estimates, self.known.estimates, strict=True):
            row = self.known.model.table[after.name]
            own = self.fit.own_values(self.run.name, self.without.group).get(before.name, before.value)
            if row.log_scale:
                apart, sd = float(np.log(after.value / own)), after.relative_error
            else:
                apart, sd = after.value - own, after.standard_error
            known = sd / after.sd_ratio if after.sd_ratio > 0.0 else np.inf
            if known > 0.0 and abs(apart) > _FAR * known:
                found.append((after.name, apart / known))
        return sorted(found, key=lambda pair: -abs(pair[1]))

    def sentences(self) -> list[str]:
        """Return what a reader should know first.

        Returns:
            Sentences.
        """
        quantities = sum(1 for series in self._used if np.any(series.time > 0.0))
        found = [f"Day {self.now:.4g} of {self.run.end:.4g}: {self.samples} values of {quantities} "
                 f"{'quantity' if quantities == 1 else 'quantities'} so far."]  # fmt: skip
        if self.known.agreement is not None:
            found += [f"In this culture: {one[0].lower()}{one[1:]}" for one in self.known.agreement.remarks()]
        moved = self.moved()
        if moved:
            named = ", ".join(f"{name} ({by:+.1f})" for name, by in moved[:_MOST_NAMED])
            more = f", and {len(moved) - _MOST_NAMED} more" if len(moved) > _MOST_NAMED else ""
            found.append(f"This culture is not like those of the fit: in standard deviations, {named}{more}.")
        if self.known.initial_states is not None:
            found += self.known.initial_states.far()
        found += self.forecast.remarks()
        if not self.known.converged:
            found.append("The search did not converge: the numbers are those of the best that was found.")
        if self.left_out:
            found.append(f"Nothing is left to choose of {', '.join(self.left_out)}.")
        if self.best is not None:
            found += self.best.sentences()
        return found

    def plain(self) -> dict[str, Any]:
        """Return the advice, and what it depends on, as plain data for JSON.

        Returns:
            Dictionaries, lists, numbers and texts; values in internal units, days among them.
        """
        return {
            **FOLLOWED.stamp(),
            "run": {"name": self.run.name, "sha256": hash_of_run(self.run)}, "now": self.now, "values": self.samples,
            "model": self.known.model.name, "learned from": {run.name: hash_of_run(run) for run in self.fit.runs},
            "state": [{"quantity": one.quantity, "unit": one.unit, "estimate": one.estimate, "low": one.low,
                       "high": one.high, "without samples": one.without} for one in self.state()],
            "parameters": {one.name: {"value": one.value, "unit": one.unit, "standard error": one.standard_error,
                                      "in the fit": one.start} for one in self.known.estimates},
            "sentences": self.sentences(), "no longer chosen": dict(self.left_out),
            "advice": None if self.best is None else self.best.plain(),
            "seed": self.seed, "code": hash_of_code(), **where_it_ran(VERSIONS),
        }  # fmt: skip
