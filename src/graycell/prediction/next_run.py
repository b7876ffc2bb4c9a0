"""NextRun: the prediction of a run, with its bands, weights and warnings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from graycell.comparison.bands import possible
from graycell.comparison.residuals import Conditioned
from graycell.errors import ModelError, nearest
from graycell.inference.prediction import export_module
from graycell.prediction.novelty import Novelty
from graycell.provenance import hash_of_run
from graycell.runs.records import CultureRun
from graycell.saved import SavedFormat
from graycell.versions import hash_of_code, where_it_ran
from graycell.views import Viewed

Band = Literal["measurement", "model"]
"""A band of the next measurement, assay and differences between samples included, or of the culture itself."""
PREDICTIONS = SavedFormat("prediction", 1, "predict anew with: graycell predict", unnumbered=None)
"""The format of `prediction.json`."""


@dataclass(frozen=True)
class LeftOutScore:
    """How one training run was predicted from the others, in one quantity.

    Attributes:
        run: its name.
        quantity: its name.
        samples: number of samples after time 0.
        nrmse: [1] root mean square error over the measured range, by candidate; the mixture under its own name.
        held: number of samples inside of the 90 % band of a measurement, of weights and sizes from the other runs.
    """

    run: str
    quantity: str
    samples: int
    nrmse: Mapping[str, float]
    held: int


@dataclass(frozen=True)
class NextRun(Viewed):
    """The prediction of a run.

    Attributes:
        plan: the run that is predicted, with its samples so far.
        runs: training runs.
        time: (n,) [d].
        names: quantities.
        units: of each, by name.
        estimate: (n, quantities) the mixture, moved by the samples so far.
        model_sd: (n, quantities) of the culture around the estimate.
        measurement_sd: (n, quantities) of the next measurement.
        degrees: [1] of freedom of both.
        whole_run: (2, n, quantities) ends of the band of a whole run, in all quantities and at all samples together;
            None once samples of the run are known.
        certified: [1] part of new runs that such a band holds at least, if they are drawn as the training runs were.
        candidates: names, in the order of the weights.
        weights: (candidates, quantities) [1] mean over the plan; outside of what was learned they differ from those
            inside.
        by_candidate: (candidates, n, quantities) what each predicts; NaN where it predicts nothing.
        scores: of the training runs, each left out in turn.
        novelties: what of the plan leaves what was learned.
        widening: (n,) [1] by which the bands are wider for that.
        warnings: sentences for a reader of the prediction.
        seed: of the trainings and draws.
        process: of the residuals, conditioned on the samples so far.
        sizes: (n, quantities) of residuals, calibrated, without the widening.
        run_out: substrates that run out though no training run was without them, each with the time [d].
        reserves: (n,) of every substrate that no training run was without: what balances leave of it, less what counts
            as empty, as a part of its largest value [1]; below 0 it has run out.
    """

    plan: CultureRun
    runs: tuple[CultureRun, ...]
    time: np.ndarray
    names: tuple[str, ...]
    units: Mapping[str, str]
    estimate: np.ndarray
    model_sd: np.ndarray
    measurement_sd: np.ndarray
    degrees: float
    whole_run: np.ndarray | None
    certified: float
    candidates: tuple[str, ...]
    weights: np.ndarray
    by_candidate: np.ndarray
    scores: tuple[LeftOutScore, ...]
    novelties: tuple[Novelty, ...]
    widening: np.ndarray
    warnings: tuple[str, ...]
    seed: int
    process: Conditioned = field(repr=False)
    sizes: np.ndarray = field(repr=False)
    run_out: Mapping[str, float] = field(default_factory=dict)
    reserves: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return (f"NextRun('{self.plan.name}' from {len(self.runs)} runs: {len(self.names)} quantities, "
                f"{len(self.time)} times, {len(self.warnings)} warnings)")  # fmt: skip

    def column(self, quantity: str) -> int:
        """Return the number of a quantity.

        Args:
            quantity: its name.

        Returns:
            Its place in `names`.

        Raises:
            ModelError: it is not predicted.
        """
        if quantity not in self.names:
            raise ModelError(f"quantity '{quantity}' is not predicted; {nearest(quantity, self.names)}.")
        return self.names.index(quantity)

    def interval(self, quantity: str, level: float = 0.9, of: Band = "measurement") -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of a central interval over time.

        Args:
            quantity: its name.
            level: [1] of the interval.
            of: the next measurement, or the culture itself.

        Returns:
            Low and high, (n,) each, in the unit of the quantity; never below 0 where no run was.

        Raises:
            ModelError: the quantity is not predicted.
        """
        j = self.column(quantity)
        half = self.process.process.quantile(level) * (self.measurement_sd if of == "measurement" else self.model_sd)
        low, high = self.estimate[:, j] - half[:, j], self.estimate[:, j] + half[:, j]
        return self._possible(quantity, low), self._possible(quantity, high)

    def draws(
        self, count: int = 200, seed: int | None = None, *, of: Band = "model", times: np.ndarray | None = None
    ) -> np.ndarray:
        """Return possible courses of all quantities together.

        Args:
            count: number of draws.
            seed: of the draws; that of the prediction if left out.
            of: the culture itself, without assay error, or measurements of it.
            times: (n,) [d] ascending, within those of the prediction, between which it is interpolated; its own if
                left out.

        Returns:
            (count, n, quantities) in the unit of each.
        """
        random = np.random.default_rng(self.seed if seed is None else seed)
        time = self.time if times is None else np.asarray(times, float)
        estimate, sizes = (np.stack([np.interp(time, self.time, column) for column in of_all.T], axis=1)
                           for of_all in (self.estimate, self.sizes * self.widening[:, None]))  # fmt: skip
        moved = self.process.draws(time, count, random, of == "measurement")
        centre = np.stack([self.process.mean_and_variance(name, time)[0] for name in self.names], axis=1)
        found = estimate + (moved - centre) * sizes
        return np.stack([self._possible(name, found[:, :, j]) for j, name in enumerate(self.names)], axis=2)

    def to_xarray(self, draws: int = 200, seed: int | None = None) -> Any:
        """Return the draws as an xarray Dataset with the dimensions draw and time; needs the extra ``export``.

        Args:
            draws: how many, see `draws`.
            seed: of the draws; that of the prediction if left out.

        Returns:
            The Dataset; units are attributes.

        Raises:
            FitError: where xarray is not installed.
        """
        xarray = export_module("xarray", "to_xarray")
        found, dims = self.draws(draws, seed), ("draw", "time")
        data = {name: (dims, found[:, :, j], {"units": self.units[name]}) for j, name in enumerate(self.names)}
        return xarray.Dataset(data, {"draw": np.arange(draws), "time": self.time}, self._attributes(seed))

    def to_arviz(self, draws: int = 200, seed: int | None = None) -> Any:
        """Return the draws, and the samples so far, as ArviZ InferenceData; needs the extra ``export``.

        Args:
            draws: how many, see `draws`.
            seed: of the draws; that of the prediction if left out.

        Returns:
            The group ``predictions``: courses of the culture over the time of the prediction. Where the plan has
            samples after time 0 and within those times, also ``observed_data``, with these, and
            ``posterior_predictive``, of the same shapes: what would be measured then. Units are attributes, and each
            quantity has a time of its own there.

        Raises:
            FitError: where ArviZ is not installed.
        """
        arviz = export_module("arviz", "to_arviz")
        found = self.draws(draws, seed)
        groups: dict[str, Any] = {
            "predictions": {name: found[None, :, :, j] for j, name in enumerate(self.names)},
            "pred_dims": {name: ["time"] for name in self.names}, "pred_coords": {"time": self.time},
        }  # fmt: skip
        later = {name: (series.time > 0.0) & (series.time >= self.time[0]) & (series.time <= self.time[-1])
                 for name, series in self.plan.measurements.items() if name in self.names}  # fmt: skip
        seen = {name: self.plan.measurements[name] for name, chosen in later.items() if np.any(chosen)}
        if seen:
            time = {name: series.time[later[name]] for name, series in seen.items()}
            every = np.unique(np.concatenate(list(time.values())))
            measured = self.draws(draws, seed, of="measurement", times=every)
            groups |= {
                "posterior_predictive": {name: measured[None, :, np.searchsorted(every, at), self.column(name)]
                                         for name, at in time.items()},
                "observed_data": {name: series.value[later[name]] for name, series in seen.items()},
                "dims": {name: [f"time of {name}"] for name in time},
                "coords": {f"time of {name}": at for name, at in time.items()},
            }  # fmt: skip
        data = arviz.from_dict(**groups, attrs=self._attributes(seed))
        for group in data.groups():
            for name in data[group].data_vars:
                data[group][name].attrs["units"] = self.units[name]
        return data

    def _attributes(self, seed: int | None) -> dict[str, Any]:
        """Return what a file of another tool says of its origin."""
        return {"run": self.plan.name, "training_runs": len(self.runs), "seed": self.seed if seed is None else seed}

    def _possible(self, quantity: str, values: np.ndarray) -> np.ndarray:
        return possible(self.runs, quantity, values)

    def held(self) -> tuple[int, int]:
        """Return how often the 90 % band of a measurement held where a training run was left out.

        Returns:
            The number of samples inside of it, and of all.
        """
        return sum(score.held for score in self.scores), sum(score.samples for score in self.scores)

    def errors(self) -> dict[str, tuple[float, float]]:
        """Return the mean error of every candidate, and of the mixture, where a training run was left out.

        Returns:
            By name, the smallest first: NRMSE [1] of the candidate, the mean over the quantities that it predicts, then
            over runs; and that of the mixture in the same quantities.
        """
        found = {}
        for name in (MIXTURE, *self.candidates):
            pairs: dict[str, list[tuple[float, float]]] = {}
            for score in self.scores:
                if np.isfinite(score.nrmse[name]):
                    pairs.setdefault(score.run, []).append((score.nrmse[name], score.nrmse[MIXTURE]))
            if pairs:
                own, mixture = np.mean([np.mean(of, axis=0) for of in pairs.values()], axis=0)
                found[name] = (float(own), float(mixture))
        return dict(sorted(found.items(), key=lambda pair: pair[1][0] / max(pair[1][1], 1e-12)))

    def plain(self) -> dict[str, Any]:
        """Return what the prediction depends on, and what is said of it, as plain data for JSON.

        Returns:
            Dictionaries, lists, numbers and texts.
        """
        held, samples = self.held()
        return {
            **PREDICTIONS.stamp(),
            "plan": {"name": self.plan.name, "sha256": hash_of_run(self.plan)},
            "training runs": {run.name: hash_of_run(run) for run in self.runs},
            "seed": self.seed,
            "weights": {name: dict(zip(self.candidates, map(float, self.weights[:, j]), strict=True))
                        for j, name in enumerate(self.names)},
            "errors of runs left out, NRMSE": {name: {"own": own, MIXTURE: mixture}
                                               for name, (own, mixture) in self.errors().items()},
            "90 % bands of runs left out": {"held": held, "samples": samples},
            "whole-run band": {"certified": self.certified if self.whole_run is not None else None},
            "warnings": list(self.warnings),
            "code": hash_of_code(),
            **where_it_ran(("graycell", "jax", "numpy", "scipy", "scikit-learn")),
        }  # fmt: skip


MIXTURE = "graycell predict"
"""Name of the mixture among the candidates."""
