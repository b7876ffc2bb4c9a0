"""Prediction: a distribution of trajectories of one run, from the posterior of a fit."""

import importlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from graycell.cell.neural import weights_of, with_weights
from graycell.compiling import compiled_once
from graycell.engine import current_engine, require_memory
from graycell.errors import FitError, ModelError, nearest
from graycell.inference.coordinates import Coordinates
from graycell.inference.initial_states import Beginning
from graycell.model import CultureModel
from graycell.packing import PackedRun, held_inputs, pack, unused_viability
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import times_within
from graycell.simulation.solve import Loop, SimulationStatus, SolverSettings, integrate, segments_at
from graycell.simulation.trajectory import status_of
from graycell.views import Tabled

if TYPE_CHECKING:
    from graycell.inference.results import Fit

POINTS = 101
"""Number of times of a prediction where none are given."""
_SETTINGS = SolverSettings(rtol=1e-5, atol=1e-6, derivative_rtol=math.inf)
"""Of the solver: its error is far below the width of a posterior."""
_EXTRA = "it needs the package {package}; install it with: pip install 'graycell[{extra}]'."


@dataclass(frozen=True)
class Prediction(Tabled):
    """A run, simulated for draws of the parameters and weights of a fit.

    The draws of `Fit.predict` come from the normal distribution around the estimates (its covariance comes from the
    curvature of the cost), clipped to the bounds; what is not drawn, as the estimate itself, is not clipped. Those of
    `PosteriorSample.predict` come from the posterior itself. They hold the uncertainty
    of the estimates, not that of the model, and no assay error. Where a fit estimated initial concentrations, the draws
    begin apart: in a run of the fit around its estimated start, together with the parameters; in a new run around the
    given one, with the error of its assay and, where there is one, the distribution between runs.

    Attributes:
        model: with the estimates.
        run: the predicted run.
        time: (n,) [d].
        names: quantities, as `CultureModel.quantities`.
        values: (draws, n, quantities) in the unit of each; NaN from where a draw could not be simulated.
        best: (n, quantities) at the estimates.
        failed: number of draws that did not reach the end.
        seed: of the draws.
        group: of the run, where the fit has parameters that differ between groups.
        warnings: sentences on what the draws do not know of the run, such as its group.
    """

    model: CultureModel
    run: CultureRun
    time: Float[np.ndarray, " n"]
    names: tuple[str, ...]
    values: Float[np.ndarray, "draws n quantities"]
    best: Float[np.ndarray, "n quantities"]
    failed: int
    seed: int
    group: str | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"Prediction(run '{self.run.name}', {len(self.values)} draws, {len(self.time)} times{failed})"

    def __getitem__(self, quantity: str) -> Float[np.ndarray, "draws n"]:
        return self.values[:, :, self._column(quantity)]

    def _column(self, quantity: str) -> int:
        if quantity not in self.names:
            raise ModelError(f"quantity '{quantity}' is not in the model; {nearest(quantity, self.names)}.")
        return self.names.index(quantity)

    def remarks(self) -> list[str]:
        """Return a sentence for everything that a reader of the prediction should know.

        Returns:
            Sentences, such as one for an input that is held long after its last value; possibly none.
        """
        found = list(self.warnings)
        found += [str(one) for one in (*unused_viability(self.run, self.model), *held_inputs(self.run, self.model))]
        if self.failed:
            found.append(f"{self.failed} of {len(self.values)} draws did not reach the end, and are left out there.")
        return found

    def interval(self, quantity: str, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of a central interval of a quantity over time.

        Args:
            quantity: its name.
            level: [1] share of the draws between the ends.

        Returns:
            Low and high, (n,) each, in the unit of the quantity.

        Raises:
            ModelError: for an unknown quantity.
        """
        tail = 0.5 * (1.0 - level)
        low, high = np.nanquantile(self[quantity], (tail, 1.0 - tail), axis=0)
        return low, high

    def to_xarray(self) -> Any:
        """Return the draws as an xarray Dataset with the dimensions draw and time; needs the extra ``export``.

        Returns:
            The Dataset; units are attributes.

        Raises:
            FitError: where xarray is not installed.
        """
        xarray = export_module("xarray", "to_xarray")
        dims, coordinates = ("draw", "time"), {"draw": np.arange(len(self.values)), "time": self.time}
        data = {name: (dims, self[name], {"units": self.model.unit(name)}) for name in self.names}
        return xarray.Dataset(data, coordinates, {"run": self.run.name, "model": self.model.name, "seed": self.seed})

    def plot(self, quantity: str, level: float = 0.9, units: Any = "laboratory") -> Any:
        """Return a plotly figure of a quantity: estimate, band and measurements.

        Args:
            quantity: its name.
            level: [1] of the band.
            units: see `graycell.DisplayUnits`; a setting such as "internal" or "ANTI=mg/L" will do.

        Returns:
            The figure.

        Raises:
            ModelError: for an unknown quantity.
        """
        self._column(quantity)
        # reporting is above this package, so it is imported when a figure is made
        return importlib.import_module("graycell.reporting.predictions").band(self, quantity, level, units)


def predict(
    fit: "Fit",
    run: CultureRun,
    draws: int = 200,
    *,
    seed: int = 0,
    times: Sequence[float] | Real[np.ndarray, " n"] | None = None,
    settings: SolverSettings = _SETTINGS,
    group: str | None = None,
) -> Prediction:
    """Return a distribution of trajectories of a run.

    Args:
        fit: a fit.
        run: to predict; measurements are not needed.
        draws: how many.
        seed: of the draws.
        times: [d] within the run; evenly over it if left out.
        settings: of the solver.
        group: of a new run, where parameters differ between groups; without one, or in one that the fit never saw, they
            are drawn with the standard deviation between groups, and the prediction has a warning.

    Returns:
        The prediction.

    Raises:
        FitError: where there is nothing to draw from, no covariance, or no draw can be simulated, and for a group that
            the run cannot have.
        InputError: where the run does not fit the model.
        ModelError: for a time outside of the run.
        MemoryLimitError: where the draws need more memory than there is.
    """
    if draws < 1:
        raise FitError(f"predict: found {draws} draws; at least 1 is needed; 200 are usual.")
    group = fit.group_of(run.name, group)

    def drawn_for(known: Beginning | None) -> Draws:
        return drawn_for_run(fit, draws, seed, run.name, known, group)

    return pushed(fit, run, drawn_for, draws, seed, times, settings, group)


def pushed(
    fit: "Fit",
    run: CultureRun,
    drawn_for: Callable[[Beginning | None], "Draws"],
    draws: int,
    seed: int,
    times: Sequence[float] | Real[np.ndarray, " n"] | None = None,
    settings: SolverSettings = _SETTINGS,
    group: str | None = None,
) -> Prediction:
    """Return a distribution of trajectories of a run, from draws of parameters.

    Args:
        fit: that the draws are of.
        run: to predict.
        drawn_for: gives the draws for what is known of the initial state of the run, None where it is exact.
        draws: how many it gives.
        seed: of the draws.
        times: [d] within the run; evenly over it if left out.
        settings: of the solver.
        group: of the run, see `Fit.group_of`.

    Returns:
        The prediction.

    Raises:
        FitError: where no draw can be simulated.
        InputError: where the run does not fit the model.
        ModelError: for a time outside of the run.
        MemoryLimitError: where the draws need more memory than there is.
    """
    wanted = times_within(np.linspace(0.0, run.end, POINTS) if times is None else times, run, "times")
    times, model = np.array(wanted, float), fit.model_of(run.name, group)
    each = 8 * len(times) * len(model.quantities)
    require_memory(_COPIES * each * (draws + 1), f"predict, {draws} draws at {len(times)} times",
                   "ask for fewer draws or times")  # fmt: skip
    packed = pack(run, model, save_at=wanted)
    rows = segments_at(np.asarray(packed.end), times)
    known = None if fit.initial_states is None else fit.initial_states.of_run(run, fit.model)
    drawn = drawn_for(known)
    if known is not None:
        begun = np.asarray(packed.initial) * np.exp(drawn.initial @ known.carried)
        drawn = drawn._replace(initial=jnp.asarray(begun))
    found, status = _simulated(model, packed, rows, drawn, settings)
    found = np.where((status == SimulationStatus.finished)[:, None, None], found, np.nan)
    failed = int(np.sum(status[1:] != SimulationStatus.finished))
    if failed == draws:
        raise FitError("predict: no draw could be simulated; simulate the fitted model and see its status.")
    unseen = "" if fit.group_effects is None else fit.group_effects.unseen(run.name, group)
    return Prediction(model, run, times, model.quantities, found[1:], found[0], failed, seed, group,
                      (unseen,) if unseen else ())  # fmt: skip


class Draws(NamedTuple):
    """What is drawn for one run; the first row is the estimate.

    Attributes:
        names: of the parameters.
        values: (1 + draws, parameters) in internal units.
        weights: (1 + draws, weights) of the networks.
        initial: (1 + draws, uncertain species) deviations of initial concentrations [1], then (1 + draws, species)
            concentrations; None where they are exact.
    """

    names: tuple[str, ...]
    values: Array
    weights: Array
    initial: Any = None


def drawn_for_run(
    fit: "Fit", draws: int, seed: int, run: str | None, known: Beginning | None = None, group: str | None = None
) -> Draws:
    """Return draws of parameters and weights, and of the initial state of a run where something is known of it.

    A parameter that differs between runs keeps its value in a run of the fit, and is drawn anew for another run. One
    that differs between groups is drawn around the estimate of the group, and anew for a group that was not seen. The
    draws for no run are those of the shared values.

    Args:
        fit: with a covariance.
        draws: how many, beside the estimate.
        seed: of the draws.
        run: name of the run; None for none.
        known: of its initial state; None where that is exact.
        group: of the run; None for none.

    Returns:
        The draws, of the initial state as deviations.

    Raises:
        FitError: the covariance could not be computed.
    """
    if not fit.has_covariance:
        raise FitError(
            f"fit of {fit.model.name}: found no covariance, which could not be computed, and draws need one; simulate "
            "the fitted model instead, or fit again from other starting values."
        )
    table, states, effects = fit.model_of(run or "", group).table, fit.initial_states, fit.group_effects
    rows = [table[row.name] for row in fit.estimates]
    coordinates, n = Coordinates.of(rows), len(rows)
    covariance, unknown = np.array(fit.covariance), ~np.isfinite(np.diag(fit.covariance))
    learned = len(covariance)
    # parameters that the data do not determine are drawn from the prior; without one they keep the estimate
    prior = np.r_[np.asarray(coordinates.prior_sd), np.ones(learned - n)]
    covariance[unknown], covariance[:, unknown] = 0.0, 0.0
    covariance[unknown, unknown] = np.where(np.isfinite(prior[unknown]), prior[unknown], 0.0) ** 2
    between = np.array([row.between_runs_sd for row in rows])
    told, own = ~unknown, {}
    if effects is not None:
        covariance = effects.with_groups(covariance, told)
        told = np.r_[told, np.ones(len(covariance) - learned, bool)]
        if group in effects.names:
            places = [[row.name for row in rows].index(name) for name in effects.parameters]
            own = dict(zip(places, (learned + effects.columns(group)).tolist(), strict=True))
    shared = len(covariance)
    if states is not None and known is not None:
        fixed = [[i, own[i]] if i in own else [i] for i in np.flatnonzero(between > 0.0).tolist()]
        covariance = states.joint(known, covariance, told, fixed)
    size, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    random = np.random.default_rng(seed)
    moved = (random.standard_normal((draws, len(size))) * np.sqrt(np.maximum(size, 0.0))) @ vectors.T
    of_run = np.array([run is not None and row.name in fit.per_run.get(run, {}) for row in rows], bool)
    parameters = moved[:, :n] + (between * random.standard_normal((draws, n)) if run is not None else 0.0)
    if own:
        parameters[:, list(own)] += moved[:, list(own.values())]
    elif effects is not None and run is not None:
        parameters += np.array([row.between_groups_sd for row in rows]) * random.standard_normal((draws, n))
    parameters = np.where(of_run, 0.0, parameters)
    centre, lower, upper = map(np.asarray, (coordinates.centre, coordinates.lower, coordinates.upper))
    if own:  # the value of one group may lie beyond the bounds of the shared one
        lower, upper = np.minimum(lower, centre), np.maximum(upper, centre)
    steps = np.concatenate([np.zeros((1, n)), parameters])
    # what is not drawn is not clipped: the value of one run may lie beyond the bounds of the shared one
    scaled = np.where(steps == 0.0, centre, np.clip(centre + steps, lower, upper))
    values = jax.vmap(coordinates.unscaled)(jnp.asarray(scaled))
    weights = weights_of(fit.model.nets) if fit.model.nets else jnp.zeros(0)
    weights = weights[None, :] + jnp.concatenate([jnp.zeros((1, weights.size)), moved[:, n:learned]])
    initial = None
    if states is not None and known is not None:
        apart = states.drawn(known, fit.model, moved[:, shared:], random)
        initial = np.concatenate([states.best(known, fit.model)[None, :], apart])
    return Draws(tuple(row.name for row in rows), values, weights, initial)


def _simulated(model: CultureModel, packed: PackedRun, rows, drawn, settings) -> tuple[np.ndarray, np.ndarray]:
    """Return the quantities (1 + draws, n, quantities) and the status of every draw; some draws are one task."""
    count = len(drawn.values)
    # all tasks have one shape, so that one function is compiled, whatever the number of draws
    order = np.r_[np.arange(count), np.zeros(-count % _TOGETHER, int)].reshape(-1, _TOGETHER)

    def some(chosen: np.ndarray):
        initial = None if drawn.initial is None else drawn.initial[chosen]
        each = drawn.values[chosen], drawn.weights[chosen], initial
        parts = model, packed, rows, drawn.names, *each, settings
        return jax.tree.map(np.asarray, _simulate_draws(*parts))

    found = current_engine().here.map(some, [(chosen,) for chosen in order])
    quantities, status = (np.concatenate(parts)[:count] for parts in zip(*found, strict=True))
    return quantities, status


_COPIES = 3
"""The draws of tasks, of all together, and of those that did not finish."""
_TOGETHER = 8
"""Draws in one task: enough to hide the time of a call, and few enough to fill the cores."""


@compiled_once
def _simulate_draws(model: CultureModel, packed: PackedRun, rows, names, values, weights, initial, settings):
    def simulated(drawn):
        parameters, of_nets, start = drawn
        begun = packed if start is None else replace(packed, initial=start)
        changed = model.with_parameters({name: parameters[i] for i, name in enumerate(names)})
        path = integrate(changed.changed(nets=with_weights(changed.nets, of_nets)), begun, Loop(), settings)
        amounts, failed = path.states.amounts[:, -1], jnp.any(path.failed != 0)
        return path.predicted[rows], status_of(amounts, path.variables, path.flux_status, path.loop_status, failed)

    # one draw after the other: mapped together, every draw would wait for the one with the most steps
    return lax.map(simulated, (values, weights, initial))


def export_module(package: str, wanted: str) -> Any:
    """Return a package of the extra ``export``.

    Args:
        package: its name.
        wanted: the method that needs it, for the message.

    Returns:
        The module.

    Raises:
        FitError: where it is not installed.
    """
    try:
        with warnings.catch_warnings():  # ArviZ tells of its own plans, once a day, when it is imported
            warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)
            return importlib.import_module(package)
    except ImportError as error:
        raise FitError(f"{wanted}: {_EXTRA.format(package=package, extra='export')}") from error


def to_arviz(fit: "Fit", draws: int, seed: int) -> Any:
    """Return draws of the estimates as ArviZ InferenceData, see `Fit.to_arviz`.

    Args:
        fit: a fit.
        draws: how many.
        seed: of the draws.

    Returns:
        The InferenceData.

    Raises:
        FitError: where ArviZ is not installed.
    """
    arviz = export_module("arviz", "to_arviz")
    drawn = drawn_for_run(fit, draws, seed, None)
    posterior = {name: np.asarray(drawn.values)[None, 1:, i] for i, name in enumerate(drawn.names)}
    return arviz.from_dict(posterior)
