"""fit_ensemble: the fit made again many times, from other starts, priors and data -> Ensemble, which predicts any run.

Every member starts at values that are drawn from the priors, around which its priors then lie, with newly drawn weights
of networks, and is fitted to other data: the runs drawn with replacement (the bootstrap of Efron 1979, Annals of
Statistics 7, 1), or, where there are few runs, all of them with the errors of their assays added once more. For a model
that is linear in its parameters, with normal errors and priors, members of the second kind are draws from the posterior
(Bardsley et al. 2014, SIAM J. Sci. Comput. 36, A1895). For other models they are near to it, and they also reach minima
that the fit did not.
"""

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from graycell.cell.neural import weights_of
from graycell.engine import Engine, current_engine, using
from graycell.errors import FitError, GraycellError
from graycell.inference.coordinates import Coordinates
from graycell.inference.fitting import drawn_nets
from graycell.inference.fitting import fit as fit_again
from graycell.inference.initial_states import Beginning
from graycell.inference.prediction import Draws, Prediction, pushed
from graycell.inference.problem import Problem
from graycell.inference.results import Fit
from graycell.model import CultureModel
from graycell.runs.records import CultureRun, Measurement

Resampled = Literal["runs", "errors"]
_ENOUGH_RUNS = 5
"""[runs] From which on runs are drawn; of fewer a draw often lacks what it takes."""
_ELSEWHERE, _BY_CHANCE = 2.0, 8.0
"""Chi-square a value, beside the median of the members, above which one ended in another minimum [1]; but no less than
by so many of its own standard deviations."""
_FEW = 10
"""Members below which quantiles are not to be trusted."""


@dataclass(frozen=True)
class Ensemble:
    """Fits of one model to resampled data.

    Attributes:
        fit: that was repeated.
        names: of the estimated parameters.
        values: (members, parameters) in internal units.
        weights: (members, weights) of networks.
        per_run: (members, runs, parameters) values in the runs of the fit; NaN where a parameter does not differ
            between runs, or the member was not fitted to the run.
        initial: (members, runs, species) deviations of initial concentrations [1]; NaN likewise.
        per_group: (members, groups, parameters) values in the groups of the fit; NaN where a parameter does not differ
            between groups.
        resampled: what was drawn: runs, or errors of the assays.
        seed: of the members.
        failures: sentences for the members that were left out.
        seconds: that it took.
    """

    fit: Fit
    names: tuple[str, ...]
    values: Float[np.ndarray, "members parameters"]
    weights: Float[np.ndarray, "members weights"]
    per_run: Float[np.ndarray, "members runs parameters"]
    initial: Float[np.ndarray, "members runs species"]
    per_group: Float[np.ndarray, "members groups parameters"]
    resampled: Resampled
    seed: int
    failures: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        return f"Ensemble({self.fit.model.name}: {len(self.values)} members, {self.resampled} drawn)"

    @property
    def description(self) -> str:
        """How it was made, for a record."""
        return f"ensemble of {len(self.values)} fits, {self.resampled} drawn, seed {self.seed}"

    def remarks(self) -> list[str]:
        """Return a sentence for everything that a reader of the ensemble should know.

        Returns:
            Which members were left out and why, and that there are few; possibly none.
        """
        said = []
        if self.failures:
            reasons = "; ".join(dict.fromkeys(self.failures))
            every = len(self.values) + len(self.failures)
            said.append(f"{len(self.failures)} of {every} members were left out: {reasons}.")
        if len(self.values) < _FEW:
            said.append(f"The ensemble has {len(self.values)} members; from {_FEW} on its quantiles mean something: "
                        "ask for more.")  # fmt: skip
        return said

    def predict(
        self, run: CultureRun, *, seed: int = 0, times: Any = None, group: str | None = None, **options: Any
    ) -> Prediction:
        """Return a distribution of trajectories of a run: one of each member.

        Args:
            run: to predict; measurements are not needed.
            seed: of what a new run adds: its own parameters and its initial state.
            times: [d] within the run; evenly over it if left out.
            group: of a new run, see `inference.prediction.predict`.
            **options: see `inference.prediction.pushed`.

        Returns:
            The prediction.

        Raises:
            FitError: where no member can be simulated, and for a group that the run cannot have.
            InputError: where the run does not fit the model.
            ModelError: for a time outside of the run.
        """
        count, group = len(self.values), self.fit.group_of(run.name, group)
        return pushed(self.fit, run, lambda known: self._drawn(run, seed, known, group), count, seed, times,
                      group=group, **options)  # fmt: skip

    def _drawn(self, run: CultureRun, seed: int, known: Beginning | None, group: str | None) -> Draws:
        """Return the members as draws for one run; a parameter that differs between runs is drawn for a new one."""
        fit, random, count = self.fit, np.random.default_rng(seed), len(self.values)
        numbers = {one.name: i for i, one in enumerate(fit.runs)}
        rows = [fit.model.table[name] for name in self.names]
        coordinates, own = Coordinates.of(rows), self.values
        effects = fit.group_effects
        seen = effects is not None and group in effects.names
        if effects is not None and seen:
            there = self.per_group[:, effects.names.index(str(group))]
            own = np.where(np.isfinite(there), there, own)
        if run.name in numbers:
            there = self.per_run[:, numbers[run.name]]
            own = np.where(np.isfinite(there), there, own)
        else:
            log, between = np.asarray(coordinates.log_scale), np.array([row.between_runs_sd for row in rows])
            moved = between * random.standard_normal((count, len(rows)))
            if effects is not None and not seen:
                moved += np.array([row.between_groups_sd for row in rows]) * random.standard_normal(moved.shape)
            scaled = np.where(log, np.log(np.where(log, own, 1.0)), own)
            lower, upper = np.asarray(coordinates.lower), np.asarray(coordinates.upper)
            if seen:  # the value of a group may lie beyond the bounds of the shared one
                lower, upper = np.minimum(lower, scaled), np.maximum(upper, scaled)
            scaled = np.clip(scaled + moved, lower, upper)
            own = np.asarray(jax.vmap(coordinates.unscaled)(jnp.asarray(scaled)))
        best = fit.model_of(run.name, group)
        values = np.vstack([[float(best.parameters[name]) for name in self.names], own])
        initial, states = None, fit.initial_states
        if states is not None and known is not None:
            estimate = states.best(known, fit.model)
            apart = states.drawn(known, fit.model, np.zeros((count, 1)), random)
            if known.number is not None:
                there = self.initial[:, known.number]
                apart = np.where(np.isfinite(there), there, estimate)
            initial = np.concatenate([estimate[None, :], apart])
        weights = np.vstack([np.asarray(weights_of(fit.model.nets)), self.weights])
        return Draws(self.names, jnp.asarray(values), jnp.asarray(weights), initial)

    def to_frame(self) -> Any:
        """Return the members as a pandas DataFrame.

        Returns:
            A row for each member, a column for each parameter in its internal unit.
        """
        # reporting is above this package, so it is imported when a table is made
        return importlib.import_module("graycell.reporting.posteriors").members_frame(self)

    def summary(self) -> Any:
        """Return means and quantiles of the parameters over the members as a pandas DataFrame.

        Returns:
            A row for each parameter, in internal units.
        """
        return importlib.import_module("graycell.reporting.posteriors").members_summary(self)


class _Member(NamedTuple):
    """What is kept of the fit of a member; see `Ensemble`."""

    values: np.ndarray
    weights: np.ndarray
    per_run: np.ndarray
    initial: np.ndarray
    per_group: np.ndarray
    chi_square: float


def fit_ensemble(
    fit: Fit,
    members: int = 20,
    *,
    resampled: str | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
    engine: Engine | None = None,
) -> Ensemble:
    """Fit the model of a fit again, from other starts and priors, to resampled data.

    Args:
        fit: any fit.
        members: how many.
        resampled: what is drawn: ``runs``, or ``errors`` of the assays, which are added to the measured values; runs
            where there are five or more if left out.
        seed: of the members; the first ones do not depend on how many there are.
        progress: called with the part done [1] and words, in any thread.
        engine: where members are tasks; the present one if left out.

    Returns:
        The ensemble; `Ensemble.remarks` says which members were left out.

    Raises:
        FitError: fewer than two members were asked for, or none could be fitted.
    """
    if members < 2:
        raise FitError(f"fit_ensemble: found members={members}; at least 2 are needed; 20 or more are usual.")
    if resampled not in (None, "runs", "errors"):
        raise FitError(f"fit_ensemble: found resampled={resampled!r}; 'runs' or 'errors' is needed.")
    kind: Resampled = "errors" if resampled == "errors" or (not resampled and len(fit.runs) < _ENOUGH_RUNS) else "runs"
    if kind == "runs" and len(fit.runs) < 2:
        raise FitError("fit_ensemble: found one run, which is the same whenever it is drawn; draw 'errors'.")
    began, done, changing = time.perf_counter(), 0, threading.Lock()

    def member(number: int) -> _Member | str:
        nonlocal done
        found = _member(fit, kind, seed, number)
        with changing:
            done += 1
            if progress is not None:
                progress(done / members, f"{done} of {members} members")
        return found

    with using(engine):
        found = current_engine().here.map(member, [(number,) for number in range(members)])
    failures = [one for one in found if isinstance(one, str)]
    fitted = [one for one in found if not isinstance(one, str)]
    usual = float(np.median([one.chi_square for one in fitted])) if fitted else 0.0
    most = max(_ELSEWHERE, 1.0 + _BY_CHANCE * np.sqrt(2.0 / max(fit.agreement.values if fit.agreement else 1, 1)))
    kept = [one for one in fitted if one.chi_square <= most * usual]
    failures += ["they ended in a minimum where the model meets its data far worse"] * (len(fitted) - len(kept))
    if not kept:
        raise FitError(f"fit_ensemble: none of {members} members could be fitted: {failures[0]}.")
    values, weights, per_run, initial, per_group = (np.stack([one[i] for one in kept]) for i in range(5))
    names = tuple(row.name for row in fit.estimates)
    return Ensemble(fit, names, values, weights, per_run, initial, per_group, kind, seed, tuple(failures),
                    time.perf_counter() - began)  # fmt: skip


def _member(fit: Fit, resampled: Resampled, seed: int, number: int) -> _Member | str:
    """Return a member, or why there is none; a task of the engine."""
    random = np.random.default_rng([seed, number])
    errors = None if fit.initial_states is None else fit.initial_states.error
    if resampled == "runs":
        runs, groups = _drawn_runs(fit, random)
    else:
        runs, groups = [_with_errors(run, random) for run in fit.runs], fit.groups
    try:
        problem = Problem(_begun(fit, random), runs, initial_error=errors, groups=groups or None)
        found = fit_again(problem, settings=replace(fit.settings, seed=seed + number))
    except GraycellError as error:
        return str(error).rstrip(".")
    if found.agreement is None or not np.isfinite(found.cost):
        return "they cannot be simulated where they ended"
    names, states = [row.name for row in fit.estimates], found.initial_states
    per_run = np.full((len(fit.runs), len(names)), np.nan)
    initial = np.full((len(fit.runs), 0 if states is None else states.deviation.shape[1]), np.nan)
    places = {run.name: i for i, run in enumerate(runs)}
    for i, run in enumerate(fit.runs):
        own = found.per_run.get(run.name, {})
        per_run[i] = [own.get(name, np.nan) for name in names]
        if states is not None and run.name in places:
            initial[i] = states.deviation[places[run.name]]
    values = np.array([row.value for row in found.estimates])
    per_group = np.array([[found.per_group[group].get(name, np.nan) for name in names] for group in fit.per_group])
    return _Member(values, np.asarray(weights_of(found.model.nets)), per_run, initial,
                   per_group.reshape(len(fit.per_group), len(names)), found.agreement.chi_square)  # fmt: skip


def _begun(fit: Fit, random: np.random.Generator) -> CultureModel:
    """Return the model where a member starts: at draws from the priors, else at the estimates; with new networks."""
    rows = [replace(fit.model.table[row.name], value=row.start) for row in fit.estimates]
    coordinates = Coordinates.of(rows)
    sd, centre = np.asarray(coordinates.prior_sd), np.asarray(coordinates.centre)
    known = np.isfinite(sd)
    drawn = centre + np.where(known, sd, 0.0) * random.standard_normal(len(rows))
    drawn = np.clip(drawn, np.asarray(coordinates.lower), np.asarray(coordinates.upper))
    values = np.asarray(coordinates.unscaled(jnp.asarray(drawn)))
    found = {row.name: values[i] if known[i] else row.value for i, row in enumerate(fit.estimates)}
    return fit.model.with_parameters(found).changed(nets=drawn_nets(fit.model, random))


def _drawn_runs(fit: Fit, random: np.random.Generator) -> tuple[list[CultureRun], dict[str, str]]:
    """Return as many runs, drawn with replacement, and their groups; a run that is drawn again gets another name.

    Every group keeps its number of runs, so that no member lacks one.
    """
    runs, seen, drawn = fit.runs, dict[int, int](), list[int]()
    for group in fit.per_group or [None]:
        members = np.array([i for i, run in enumerate(runs) if fit.groups.get(run.name) == group])
        drawn += members[random.integers(0, len(members), len(members))].tolist()
    found, groups = [], {}
    for i in sorted(drawn):
        seen[i] = seen.get(i, 0) + 1
        found.append(runs[i] if seen[i] == 1 else replace(runs[i], name=f"{runs[i].name} ({seen[i]})"))
        if fit.groups:
            groups[found[-1].name] = fit.groups[runs[i].name]
    return found, groups


def _with_errors(run: CultureRun, random: np.random.Generator) -> CultureRun:
    """Return a run with errors of its assays added to what was measured; what falls below 0 is below the limit 0."""

    def moved(series: Measurement) -> Measurement:
        value = series.value + series.standard_error * random.standard_normal(len(series.value))
        below = np.zeros(len(value), bool) if series.below is None else np.array(series.below)
        value = np.where(below, series.value, value)
        fallen = (value < 0.0) & (np.min(series.value, initial=0.0) >= 0.0)
        limits = below | fallen
        return replace(series, value=np.where(fallen, 0.0, value), below=limits if np.any(limits) else None)

    return replace(run, measurements={name: moved(series) for name, series in run.measurements.items()})
