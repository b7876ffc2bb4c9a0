"""sample_posterior: draws from the posterior of a fit by NUTS -> PosteriorSample, which predicts any run."""

import functools
import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from graycell.cell.neural import weights_of
from graycell.engine import Engine, current_engine, one_thread_each, using
from graycell.errors import FitError
from graycell.inference.initial_states import Beginning
from graycell.inference.prediction import Draws, Prediction, export_module, pushed
from graycell.inference.refound import Refound, refound
from graycell.inference.results import Fit
from graycell.runs.records import CultureRun
from graycell.uncertainty.density import fit_coordinates, posterior_of
from graycell.uncertainty.diagnostics import Convergence, convergence
from graycell.uncertainty.nuts import DEEPEST, Chain, chain, require_sampler

MOST_R_HAT = 1.01
"""[1] Above, chains disagree (Vehtari et al. 2021)."""
_LEAST_ESS = 100
"""Independent draws for each chain, below which R-hat and quantiles are not to be trusted (Vehtari et al. 2021)."""
_NAMED = 3
"""Unknowns that a sentence names."""


@dataclass(frozen=True)
class PosteriorSample:
    """Draws from the posterior of a fit: its likelihood, priors and bounds, without a normal approximation.

    Attributes:
        fit: that was sampled.
        names: of the unknowns: estimated parameters, then, of every run, the parameters that differ between runs and
            the uncertain initial concentrations, then common means of these, then, of every group, the parameters that
            differ between groups, then weights of networks.
        x: (chains, draws, n) coordinates of the objective of the fit, see `Coordinates`.
        diverging: (chains, draws) whether the trajectory to a draw was lost.
        steps: (chains, draws) steps of the trajectory to a draw.
        warm_up: draws of every chain that were not kept.
        seed: of the sample.
        target: share of proposals [1] that was to be accepted.
        seconds: that it took.
        evaluations: how often density and gradient were computed.
    """

    fit: Fit
    names: tuple[str, ...]
    x: Float[np.ndarray, "chains draws n"]
    diverging: Bool[np.ndarray, "chains draws"]
    steps: Int[np.ndarray, "chains draws"]
    warm_up: int
    seed: int
    target: float
    seconds: float
    evaluations: int

    def __repr__(self) -> str:
        chains, draws, _ = self.x.shape
        return f"PosteriorSample({self.fit.model.name}: {chains} chains of {draws} draws of {len(self.names)} unknowns)"

    @property
    def description(self) -> str:
        """How it was made, for a record."""
        chains, draws, _ = self.x.shape
        return (f"posterior sample of {chains} chains of {draws} draws, warm-up {self.warm_up}, target "
                f"{self.target:g}, seed {self.seed}")  # fmt: skip

    @functools.cached_property
    def _problem(self) -> Refound:
        return refound(self.fit)

    @property
    def labels(self) -> tuple[str, ...]:
        """The unknowns of the fit, which `names` are."""
        return self._problem.labels

    @functools.cached_property
    def values(self) -> Float[np.ndarray, "chains draws n"]:
        """The draws as a reader knows them: parameters, also of runs, and initial concentrations in internal units."""
        objective = self._problem.objective
        scaled, effects, common, groups, weights = self._parts(self.x)
        unscaled = jax.vmap(jax.vmap(objective.coordinates.unscaled))
        chosen, states, grouped = list(objective.per_run), self.fit.initial_states, list(objective.groups.per_group)
        own, of_groups = np.zeros_like(effects), np.zeros_like(groups)
        for j in range(groups.shape[-2]):
            moved = np.array(scaled)
            moved[..., grouped] += groups[..., j, :]
            of_groups[..., j, :] = np.asarray(unscaled(jnp.asarray(moved)))[..., grouped]
        for i in range(len(self.fit.runs)):
            moved = np.array(scaled)
            moved[..., chosen] += effects[..., i, : len(chosen)]
            if grouped:
                moved[..., grouped] += groups[..., objective.groups.number_of(i), :]
            own[..., i, : len(chosen)] = np.asarray(unscaled(jnp.asarray(moved)))[..., chosen]
        if states is not None:
            own[..., len(chosen) :] = states.given * np.exp(effects[..., len(chosen) :])
            common = np.exp(common + np.asarray(objective.initial.centre)[0])
        flat, of_groups = (part.reshape(*part.shape[:2], -1) for part in (own, of_groups))
        return np.concatenate([np.asarray(unscaled(jnp.asarray(scaled))), flat, common, of_groups, weights], axis=2)

    def _parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the parts of draws.

        Parameters on their own scales, effects of runs (..., runs, effects), common means, effects of groups
        (..., groups, per_group), weights of networks.
        """
        objective = self._problem.objective
        n, runs, effects = len(objective.names), objective.run_count, objective.effects
        ends = np.cumsum([n, runs * effects, len(objective.initial.common), objective.groups.size])
        parameters, own, common, groups, weights = np.split(x, ends, axis=-1)
        coordinates = objective.coordinates
        width = np.asarray(coordinates.upper - coordinates.lower)
        scaled = np.asarray(coordinates.lower) + width / (1.0 + np.exp(-parameters))
        groups = groups.reshape(*groups.shape[:-1], *objective.groups.shape)
        return scaled, own.reshape(*own.shape[:-1], runs, effects), common, groups, weights

    @functools.cached_property
    def convergence(self) -> Convergence:
        """R-hat and effective sample sizes of the unknowns."""
        return convergence(self.values)

    def remarks(self) -> list[str]:
        """Return a sentence for everything that a reader of the sample should know.

        Returns:
            Where it did not converge, how many trajectories were lost, and how many were cut; possibly none.
        """
        (chains, draws, _), found, said = self.x.shape, self.convergence, []
        wrong = np.flatnonzero(found.r_hat > MOST_R_HAT)
        more = "take more draws, and a longer warm-up"
        if len(wrong):
            worst = wrong[np.argsort(-found.r_hat[wrong])]
            named = ", ".join(f"{self.names[i]} {found.r_hat[i]:.3f}" for i in worst[:_NAMED])
            named += ", ..." if len(wrong) > _NAMED else ""
            said.append(f"The chains did not converge: R-hat is above {MOST_R_HAT:g} for {len(wrong)} of "
                        f"{len(self.names)} unknowns ({named}); {more}.")  # fmt: skip
        ess = np.fmin(found.ess_bulk, found.ess_tail)
        least = int(np.nanargmin(ess)) if np.any(np.isfinite(ess)) else 0
        if ess[least] < _LEAST_ESS * chains:
            said.append(f"The draws of {self.names[least]} are worth {ess[least]:.0f} independent ones, and "
                        f"{_LEAST_ESS * chains} are needed for its quantiles: {more}.")  # fmt: skip
        if np.any(self.diverging):
            said.append(f"{int(np.sum(self.diverging))} of {chains * draws} trajectories were lost, where the density "
                        "changes too quickly or a run cannot be simulated: the sample may miss a part of the "
                        f"posterior; sample with a target above {self.target:g}.")  # fmt: skip
        cut = int(np.sum(self.steps >= 2 ** DEEPEST[1] - 1))
        if cut:
            said.append(f"{cut} of {chains * draws} trajectories were cut at {2 ** DEEPEST[1] - 1} steps: neighbouring "
                        f"draws are alike; {more}.")  # fmt: skip
        return said

    def predict(
        self,
        run: CultureRun,
        draws: int = 200,
        *,
        seed: int = 0,
        times: Any = None,
        group: str | None = None,
        **options: Any,
    ) -> Prediction:
        """Return a distribution of trajectories of a run, from draws of this sample.

        Args:
            run: to predict; measurements are not needed.
            draws: how many of the draws, evenly over all chains.
            seed: of what a new run adds: its own parameters and its initial state.
            times: [d] within the run; evenly over it if left out.
            group: of a new run, see `inference.prediction.predict`.
            **options: see `inference.prediction.pushed`.

        Returns:
            The prediction.

        Raises:
            FitError: for more draws than there are, or where no draw can be simulated, and for a group that the run
                cannot have.
            InputError: where the run does not fit the model.
            ModelError: for a time outside of the run.
        """
        most = self.x.shape[0] * self.x.shape[1]
        if not 1 <= draws <= most:
            raise FitError(f"predict: found {draws} draws; the sample has {most}; ask for 1 to {most}, or sample more.")
        group = self.fit.group_of(run.name, group)
        return pushed(self.fit, run, lambda known: self._drawn(run, draws, seed, known, group), draws, seed, times,
                      group=group, **options)  # fmt: skip

    def _drawn(self, run: CultureRun, draws: int, seed: int, known: Beginning | None, group: str | None) -> Draws:
        """Return draws for one run: as the run itself was sampled, or as a new one would differ from the others."""
        fit, objective, random = self.fit, self._problem.objective, np.random.default_rng(seed)
        flat = self.x.reshape(-1, self.x.shape[2])
        chosen = np.linspace(0, len(flat) - 1, draws).round().astype(int)
        scaled, effects, common, groups, weights = self._parts(flat[chosen])
        names, per_run = [one.name for one in fit.runs], list(objective.per_run)
        lower, upper = (np.asarray(end) for end in (objective.coordinates.lower, objective.coordinates.upper))
        if fit.group_effects is not None:
            scaled = self._of_group(scaled, groups, group, lower, upper, random)
        if per_run:
            if run.name in fit.per_run:
                scaled[:, per_run] += effects[:, names.index(run.name), : len(per_run)]
            else:
                sd = np.asarray(objective.between_runs_sd)
                apart = scaled[:, per_run] + sd * random.standard_normal((draws, len(per_run)))
                scaled[:, per_run] = np.clip(apart, lower[per_run], upper[per_run])  # as `Fit.predict` does
        best = fit.model_of(run.name, group)
        values = np.asarray(jax.vmap(objective.coordinates.unscaled)(jnp.asarray(scaled)))
        estimate = [float(best.parameters[name]) for name in objective.names]
        of_nets = np.asarray(weights_of(fit.model.nets))
        initial, states = None, fit.initial_states
        if states is not None and known is not None:
            if known.number is not None:
                moved = effects[:, known.number, len(per_run) :] - states.deviation[known.number]
            else:
                moved = common + np.asarray(objective.initial.centre)[0] - states.common_mean
            apart = states.drawn(known, fit.model, moved, random)
            initial = np.concatenate([states.best(known, fit.model)[None, :], apart])
        return Draws(tuple(objective.names), jnp.asarray(np.vstack([estimate, values]).reshape(draws + 1, -1)),
                     jnp.asarray(np.vstack([of_nets, weights])), initial)  # fmt: skip

    def _of_group(
        self, scaled: np.ndarray, groups: np.ndarray, group: str | None, lower: np.ndarray, upper: np.ndarray,
        random: np.random.Generator,
    ) -> np.ndarray:  # fmt: skip
        """Return parameters with the effects of a group: its own, or new ones for a group that was not seen."""
        prior, known = self._problem.objective.groups, self.fit.group_effects
        moved, chosen = np.array(scaled), list(prior.per_group)
        if known is not None and group in known.names:
            moved[:, chosen] += groups[:, known.names.index(group)]
        else:
            apart = moved[:, chosen] + np.asarray(prior.sd) * random.standard_normal((len(moved), len(chosen)))
            moved[:, chosen] = np.clip(apart, lower[chosen], upper[chosen])
        return moved

    def to_frame(self) -> Any:
        """Return the draws as a pandas DataFrame.

        Returns:
            Chain, draw, the unknowns in internal units, and whether the trajectory to the draw was lost.
        """
        # reporting is above this package, so it is imported when a table is made
        return importlib.import_module("graycell.reporting.posteriors").draws_frame(self)

    def summary(self) -> Any:
        """Return means, quantiles and convergence of the unknowns as a pandas DataFrame.

        Returns:
            A row for each unknown, in internal units.
        """
        return importlib.import_module("graycell.reporting.posteriors").summary_frame(self)

    def to_arviz(self) -> Any:
        """Return the draws as ArviZ InferenceData; needs the extra ``export``.

        Returns:
            The groups ``posterior``, one variable an unknown in internal units, and ``sample_stats``.

        Raises:
            FitError: where ArviZ is not installed.
        """
        draws = {name: self.values[:, :, i] for i, name in enumerate(self.names)}
        arviz = export_module("arviz", "to_arviz")
        return arviz.from_dict(draws, sample_stats={"diverging": self.diverging, "n_steps": self.steps})


def sample_posterior(
    fit: Fit,
    *,
    draws: int = 500,
    warm_up: int = 300,
    chains: int = 4,
    seed: int = 0,
    target: float = 0.8,
    progress: Callable[[float, str], None] | None = None,
    engine: Engine | None = None,
) -> PosteriorSample:
    """Return draws from the posterior of a fit by NUTS, for models of up to some 60 unknowns.

    The density is that of the fit: its likelihood, with values below detection limits, its priors within their bounds,
    and the random effects of runs. Chains start at draws of a normal distribution around the estimates, in whose
    coordinates they move.

    Args:
        fit: any fit whose model can be simulated at its estimates.
        draws: of every chain, after the warm-up.
        warm_up: draws of every chain in which the sampler adapts.
        chains: that are tasks of the engine.
        seed: the same one gives the same draws.
        target: share of proposals [1] that is accepted; nearer to 1, steps are shorter, and fewer are lost.
        progress: called with the part done [1] and words, in any thread.
        engine: the present one if left out; threads of this process.

    Returns:
        The sample; `PosteriorSample.remarks` says where it did not converge.

    Raises:
        FitError: where numpyro is not installed, a number makes no sense, or the model cannot be simulated.
        InputError: where a run does not fit the model.
    """
    require_sampler()
    for name, value, least in (("draws", draws, 4), ("warm_up", warm_up, 20), ("chains", chains, 1)):
        if value < least:
            raise FitError(f"sample_posterior: found {name}={value}; at least {least} are needed; 500 draws, a warm-up "
                           "of 300 and 4 chains are usual.")  # fmt: skip
    if not 0.5 <= target < 1.0:
        raise FitError(f"sample_posterior: found target={target:g}; it is a share from 0.5 to below 1; 0.8 is usual.")
    began, problem = time.perf_counter(), refound(fit)
    done, changing = [0] * chains, threading.Lock()

    def report(number: int, made: int) -> None:
        with changing:
            done[number] = made
            whole = sum(done) / (chains * (warm_up + draws))
            if progress is not None:
                progress(whole, "warm-up" if min(done) < warm_up else f"{max(min(done) - warm_up, 0)} draws a chain")

    with using(engine), one_thread_each():
        posterior = posterior_of(problem)
        tasks = [(posterior, draws, warm_up, (seed, i), target, functools.partial(report, i)) for i in range(chains)]
        found: list[Chain] = current_engine().here.map(chain, tasks)
    y = np.asarray(posterior.centre) + np.stack([one.z for one in found]) @ np.asarray(posterior.factor).T
    x = fit_coordinates(problem.objective, y)
    return PosteriorSample(
        fit, problem.labels, x, np.stack([one.diverging for one in found]), np.stack([one.steps for one in found]),
        warm_up, seed, target, time.perf_counter() - began, sum(one.evaluations for one in found),
    )  # fmt: skip
