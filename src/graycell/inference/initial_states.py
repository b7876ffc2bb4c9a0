"""InitialStates: the initial concentrations that a fit found, and those of a run that is predicted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from graycell.inference.initial_error import InitialError
from graycell.inference.initial_prior import carried_by, given_start
from graycell.model import CultureModel
from graycell.packing import in_units_of
from graycell.packing.names import with_measured_start
from graycell.runs.records import CultureRun

FAR = 2.0
"""[prior standard deviations] A deviation beyond it is told."""


@dataclass(frozen=True)
class InitialStates:
    """The initial concentrations that a fit estimated.

    Per run there are effects in this order: deviations of the parameters that differ between runs, deviations of the
    initial concentrations, and the common means.

    Attributes:
        error: of the given values.
        runs: names of the runs.
        species: names of the uncertain species.
        given: (runs, species) given concentrations, in the unit of the model; 0 where absent.
        prior_sd: (runs, species) [1] error of the assay, on the logarithmic scale; NaN where a value is exact or
            absent.
        deviation: (runs, species) [1] natural logarithm of the estimate over the given value.
        common: names of the species with a distribution between runs.
        common_mean: (common,) natural logarithm of the common mean, in the unit of the model.
        cross: (runs, effects, shared) covariance of the effects of a run with the parameters and weights, in the order
            of `Fit.covariance`, and the deviations of groups.
        within: (runs, effects, effects) covariance of the effects of a run.
    """

    error: InitialError
    runs: tuple[str, ...]
    species: tuple[str, ...]
    given: Float[np.ndarray, "runs species"]
    prior_sd: Float[np.ndarray, "runs species"]
    deviation: Float[np.ndarray, "runs species"]
    common: tuple[str, ...]
    common_mean: Float[np.ndarray, " common"]
    cross: Float[np.ndarray, "runs effects shared"]
    within: Float[np.ndarray, "runs effects effects"]

    @property
    def sd(self) -> Float[np.ndarray, "runs species"]:
        """Posterior standard deviations of `deviation` [1]; NaN where the covariance could not be computed."""
        return np.sqrt(np.maximum(np.diagonal(self.within, axis1=1, axis2=2)[:, self._places], 0.0))

    @property
    def _places(self) -> slice:
        """The deviations of initial concentrations among the effects of a run."""
        end = self.within.shape[1] - len(self.common)
        return slice(end - len(self.species), end)

    def concentrations(self) -> dict[str, dict[str, float]]:
        """Return the estimates.

        Returns:
            By run and species, in the unit of the model; without what is exact or absent.
        """
        estimated = self.given * np.exp(self.deviation)
        known = np.isfinite(self.prior_sd)
        return {
            run: {name: float(estimated[i, k]) for k, name in enumerate(self.species) if known[i, k]}
            for i, run in enumerate(self.runs)
        }

    def rows(self) -> list[tuple[str, str, float, float, float, float, float]]:
        """Return what is known of every uncertain initial concentration.

        Returns:
            Run, species, given value and estimate in the unit of the model; error of the assay, that of the estimate
            and deviation on the logarithmic scale [1].
        """
        sd = self.sd
        return [
            (self.runs[i], self.species[k], float(self.given[i, k]),
             float(self.given[i, k] * np.exp(self.deviation[i, k])), float(self.prior_sd[i, k]), float(sd[i, k]),
             float(self.deviation[i, k]))
            for i, k in np.argwhere(np.isfinite(self.prior_sd))
        ]  # fmt: skip

    def far(self) -> list[str]:
        """Return a sentence for every estimate that is far from the given value.

        Returns:
            Those more than `FAR` standard deviations of the assay away, the farthest first.
        """
        apart = np.nan_to_num(self.deviation / self.prior_sd)
        found = sorted(((abs(apart[i, k]), i, k) for i, k in np.argwhere(np.abs(apart) > FAR)), reverse=True)
        return [
            f"Run '{self.runs[i]}': {self.species[k]} at time 0 is estimated "
            f"{100.0 * math.expm1(self.deviation[i, k]):+.1f} % from the given value, {size:.1f} standard deviations "
            "of its assay: see whether the sample at time 0, its error or the model is wrong."
            for size, i, k in found
        ]

    def of_run(self, run: CultureRun, model: CultureModel) -> "Beginning":
        """Return what is known of the initial state of a run.

        Args:
            run: one of the fit, if its name and given values are; else a new one.
            model: of the fit.

        Returns:
            Given values, errors, and the number of the run in the fit.
        """
        base = with_measured_start(in_units_of(run, model), model)
        given = given_start(self.error, base, model, self.species)
        number = self.runs.index(run.name) if run.name in self.runs else None
        if number is not None and not np.allclose(given.values, self.given[number], rtol=1e-9, atol=0.0):
            number = None  # another start under the old name
        if number is not None:
            sd = self.prior_sd[number]
        else:
            # a plan has no sample at time 0: its error will be like those of the runs
            missing = (given.values > 0.0) & np.isnan(given.sd) & np.any(np.isfinite(self.prior_sd), axis=0)
            usual = [float(np.median(known[np.isfinite(known)])) if there else np.nan
                     for known, there in zip(self.prior_sd.T, missing, strict=True)]  # fmt: skip
            sd = np.where(missing, usual, given.sd)
        return Beginning(given.values, sd, carried_by(base, model, self.species, sd), number)

    def estimated(self, run: CultureRun, model: CultureModel) -> CultureRun:
        """Return a run with its estimated initial concentrations.

        Args:
            run: one of the fit, or a new one.
            model: of the fit.

        Returns:
            The run; a new one begins as it says, drawn to the common mean where there is a distribution between runs.
        """
        known = self.of_run(run, model)
        deviation = self.best(known, model)
        moved = {name: (value, d) for name, value, d in zip(self.species, known.given, deviation, strict=True) if d}
        if any(name not in run.initial for name in moved):
            run = with_measured_start(in_units_of(run, model), model)
        values = {name: run.initial.get(name, value) * math.exp(d) for name, (value, d) in moved.items()}
        return replace(run, initial={**run.initial, **values}) if values else run

    def best(self, known: "Beginning", model: CultureModel) -> Float[np.ndarray, " species"]:
        """Return the best deviations of a run.

        Args:
            known: of its initial state.
            model: of the fit.

        Returns:
            (species,) [1].
        """
        if known.number is not None:
            return np.where(np.isfinite(known.sd), self.deviation[known.number], 0.0)
        return self.of_new(known, model)[0]

    def of_new(
        self, known: "Beginning", model: CultureModel
    ) -> tuple[Float[np.ndarray, " species"], Float[np.ndarray, " species"]]:
        """Return what is known of the deviations of a new run, at the common means.

        Args:
            known: of its initial state.
            model: of the fit.

        Returns:
            Means and standard deviations [1]; 0 where a value is exact or absent.
        """
        centre, sd = self._of_new(known, model, self.common_mean[None, :])
        return centre[0], sd

    def _of_new(
        self, known: "Beginning", model: CultureModel, common_mean: Float[np.ndarray, "draws common"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return means (draws, species) and standard deviations (species,) of the deviations of a new run.

        Its given value is one measurement, the distribution between runs the other.
        """
        uncertain = np.isfinite(known.sd)
        centre, sd = np.zeros((len(common_mean), len(self.species))), np.where(uncertain, known.sd, 0.0)
        for k, name in enumerate(self.common):
            i = self.species.index(name)
            tau = self.error.of_species(name, model.biomass)[1]
            if uncertain[i] and tau is not None:
                share = sd[i] ** 2 / (sd[i] ** 2 + tau**2)
                centre[:, i] = share * (common_mean[:, k] - np.log(known.given[i]))
                sd[i] *= np.sqrt(1.0 - share)
        return centre, sd

    def joint(
        self,
        known: "Beginning",
        covariance: Float[np.ndarray, "shared shared"],
        told: Bool[np.ndarray, " shared"],
        fixed: Sequence[Sequence[int]],
    ) -> Float[np.ndarray, "n n"]:
        """Return the covariance of parameters, weights, and what else has to be drawn for a run.

        Args:
            known: of its initial state.
            covariance: of parameters and weights, and the deviations of groups, finite.
            told: whether the data determine each of them; else it is drawn from its prior alone.
            fixed: for each parameter that differs between runs its place, and that of the deviation of its group: in a
                run of the fit it keeps the value that it has there, and the rest is conditional on it.

        Returns:
            The covariance, to which a run of the fit adds its deviations, and a new one the common means.
        """
        n, effects = len(covariance), self.within.shape[1]
        number = known.number if known.number is not None else 0
        cross = np.where(told, self.cross[number], 0.0)
        everything = np.block([[covariance, cross.T], [cross, self.within[number]]])
        if known.number is None:
            kept = np.r_[np.arange(n), np.arange(n + effects - len(self.common), n + effects)]
            return everything[np.ix_(kept, kept)]
        value = np.zeros((len(fixed), n + effects))
        for row, (i, places) in zip(value, enumerate(fixed), strict=True):
            row[[*places, n + i]] = 1.0
        gain = everything @ value.T @ np.linalg.pinv(value @ everything @ value.T)
        everything = everything - gain @ value @ everything
        kept = np.r_[np.arange(n), n + np.arange(effects)[self._places]]
        return everything[np.ix_(kept, kept)]

    def drawn(
        self,
        known: "Beginning",
        model: CultureModel,
        moved: Float[np.ndarray, "draws added"],
        random: np.random.Generator,
    ) -> Float[np.ndarray, "draws species"]:
        """Return deviations of a run for draws.

        Args:
            known: of its initial state.
            model: of the fit.
            moved: what `joint` added, drawn around 0.
            random: for what a new run adds.

        Returns:
            (draws, species) [1].
        """
        if known.number is not None:
            return np.where(np.isfinite(known.sd), self.deviation[known.number] + moved, 0.0)
        centre, sd = self._of_new(known, model, self.common_mean + moved)
        return centre + sd * random.standard_normal(centre.shape)

    def plain(self) -> dict[str, Any]:
        """Return everything as plain data for JSON.

        Returns:
            What `from_plain` reads.
        """
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        lists = {name: list(getattr(self, name)) for name in ("runs", "species", "common")}
        return {"error": self.error.plain(), **lists, **arrays}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "InitialStates":
        """Return what `plain` wrote.

        Args:
            data: plain data.

        Returns:
            The initial states.

        Raises:
            ValueError: where arrays do not fit each other.
        """
        runs, species, common = (tuple(map(str, data[name])) for name in ("runs", "species", "common"))
        two = (len(runs), len(species))
        within = np.array(data["within"], float)
        shared = np.array(data["cross"], float).shape[-1] if len(runs) else 0
        shapes = {"given": two, "prior_sd": two, "deviation": two, "common_mean": (len(common),),
                  "cross": (len(runs), within.shape[-1], shared), "within": within.shape}  # fmt: skip
        arrays = {name: np.array(data[name], float).reshape(shape) for name, shape in shapes.items()}
        return cls(InitialError(**data["error"]), runs, species, common=common, **arrays)


_ARRAYS = ("given", "prior_sd", "deviation", "common_mean", "cross", "within")


class Beginning(NamedTuple):
    """What is known of the initial state of one run.

    Attributes:
        given: (species,) given concentrations in the unit of the model; 0 where absent.
        sd: (species,) [1] error of the assay on the logarithmic scale; NaN where a value is exact or absent.
        carried: (species, species of the model), see `InitialPrior`.
        number: of the run in the fit; None for a new one.
    """

    given: Float[np.ndarray, " species"]
    sd: Float[np.ndarray, " species"]
    carried: Float[np.ndarray, "species all"]
    number: int | None
