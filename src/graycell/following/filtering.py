"""filtered: a running culture at every value of its signals, by the extended Kalman filter of cuthbert.

The state is what is in the vessel, and the parameters, as far as the fit leaves them open. Between two values the
culture is simulated, and the error of the model in the runs of its fit is added as noise, so that the filter follows
a culture which does what the model does not know. Each value then counts by its error. A value that comes late belongs
to an earlier time: the filter goes back to it, and on from there.

S. Sarkka, "Bayesian Filtering and Smoothing", Cambridge University Press (2013), 5.2.
"""

import hashlib
import importlib
import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from graycell.cell.neural import with_weights
from graycell.compiling import compiled_once
from graycell.errors import FitError
from graycell.inference.conditioning import Prior
from graycell.inference.coordinates import Coordinates
from graycell.inference.initial_error import InitialError
from graycell.inference.results import Fit
from graycell.model import CultureModel, CultureState
from graycell.packing import PackedRun, in_units_of, pack
from graycell.reactor import Flows, Interventions
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SolverSettings, integrate
from graycell.simulation.trajectory import has_finished

_SETTINGS = SolverSettings(rtol=1e-4, atol=1e-5, derivative_rtol=math.inf, adjoint=diffrax.ForwardMode())
_TOGETHER = 16
"""Steps in one call: few enough to be quick at every value, and enough to hide the time of a call."""


_LEAST = 0.01
"""[1] Part of its largest amount below which the noise of a species does not become smaller."""


@dataclass(frozen=True)
class Filtered:
    """A running culture as it was known at every value that was measured of it.

    Attributes:
        run: the culture, with its samples and the values of its signals.
        time: (n,) [d] of values and events.
        names: quantities, as `CultureModel.quantities`.
        units: of each.
        mean: (n, quantities) with all values until then.
        sd: (n, quantities) standard deviations.
    """

    run: CultureRun
    time: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    _inputs: np.ndarray = field(repr=False)
    _rows: "_Rows" = field(repr=False)

    def at(self, time: float) -> dict[str, tuple[float, float]]:
        """Return what was known at a time, with the last value until then.

        Args:
            time: [d]

        Returns:
            Mean and standard deviation by quantity, in the unit of each.
        """
        row = max(int(np.searchsorted(self.time, time + 1e-9, side="right")) - 1, 0)
        return {name: (float(self.mean[row, j]), float(self.sd[row, j])) for j, name in enumerate(self.names)}


class _Rows(NamedTuple):
    """The filter after each step, and at the beginning.

    Attributes:
        state: (n, states) its mean.
        root: (n, states, states) of its covariance.
        mean: (n, quantities)
        sd: (n, quantities)
    """

    state: np.ndarray
    root: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


class _Step(NamedTuple):
    """Two segments: the events before a step, in no time, and the time until the next value; and the value.

    Attributes:
        start: (2,) [d]
        end: (2,) [d]
        setpoints: (2, inputs)
        flows: of both.
        interventions: at their ends.
        value: (quantities,) NaN where nothing was measured, or a value below a detection limit, which is left out.
        error: (quantities,)
    """

    start: Any
    end: Any
    setpoints: Any
    flows: Flows
    interventions: Interventions
    value: Any
    error: Any


class _Asked(NamedTuple):
    """What is the same in all steps.

    Attributes:
        model: of the culture.
        packed: the culture; what belongs to segments is that of its beginning.
        names: of the parameters.
        coordinates: of the parameters.
        mean: (learned,) parameters on their own scales, and weights.
        spread: (learned, open) root of their covariance.
        start: (species,) mean deviations of initial concentrations.
        start_sd: (species,)
        carried: (species, species of the model) which of them each deviation moves.
        noise: (species of the model,) [1] of amounts, relative to them, in the square root of a day.
        least: (species of the model,) amounts below which noise does not become smaller.
        settings: of the solver.
    """

    model: CultureModel
    packed: PackedRun
    names: tuple[str, ...]
    coordinates: Coordinates
    mean: Array
    spread: Array
    start: Array
    start_sd: Array
    carried: Array
    noise: Array
    least: Array
    settings: SolverSettings


def filtered(
    fit: Fit,
    run: CultureRun,
    *,
    group: str | None = None,
    initial_error: InitialError | float | None = None,
    before: Filtered | None = None,
    settings: SolverSettings = _SETTINGS,
) -> Filtered:
    """Return a running culture as it was known at every value that was measured of it.

    Args:
        fit: of other cultures, with a covariance.
        run: the culture: its samples, what was done, and the values of its signals, see `with_signals`. Values below a
            detection limit are left out.
        group: of the culture, where parameters differ between groups.
        initial_error: of its initial concentrations, see `conditioned`.
        before: of the same culture with fewer values; what did not change is not computed again.
        settings: of the solver.

    Returns:
        The culture.

    Raises:
        FitError: cuthbert is not installed, the fit knows the culture already or has no covariance, a step could not be
            simulated, or the culture has what a filter does not follow: triggers, or boluses per IVCD.
        InputError: the culture does not fit the model.
    """
    _cuthbert("")
    asked, packed = _asked(fit, run, fit.group_of(run.name, group), initial_error, settings)
    steps = _steps_of(packed)
    inputs, kept = _inputs_of(packed, steps, asked), 0
    if before is not None and before._inputs.shape[1] == inputs.shape[1]:
        most = min(len(inputs), len(before._inputs))
        now, then = inputs[:most], before._inputs[:most]
        same = np.all((now == then) | (np.isnan(now) & np.isnan(then)), axis=1)
        kept = most if np.all(same) else int(np.argmin(same))
    if before is not None and kept:
        parts = [_Rows(*(part[:kept] for part in before._rows))]
    else:
        kept, parts = 1, [_Rows(*(np.asarray(part)[None] for part in _first(asked, _step(steps, 0))))]
    for first in range(kept - 1, len(inputs) - 1, _TOGETHER):
        here = parts[-1]
        count = min(_TOGETHER, len(inputs) - 1 - first)
        chosen = np.minimum(first + 1 + np.arange(_TOGETHER), len(inputs) - 1)  # what is beyond the last is thrown away
        found = _advanced(asked, _step(steps, chosen), jnp.asarray(here.state[-1]), jnp.asarray(here.root[-1]))
        parts.append(_Rows(*(np.asarray(part)[:count] for part in found)))
        lost = ~np.all(np.isfinite(parts[-1].mean), axis=1)
        if np.any(lost):
            day = float(np.asarray(steps.end)[first + 1 + int(np.argmax(lost)), 1])
            raise FitError(f"run '{run.name}': the model could not be simulated with what the filter knew near day "
                           f"{day:.4g}; follow the culture by its samples, without a filter.")  # fmt: skip
    rows = _Rows(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    names = asked.model.quantities
    units = tuple(asked.model.unit(name) for name in names)
    return Filtered(run, np.asarray(steps.end)[:, 1], names, units, rows.mean, rows.sd, inputs, rows)


def _cuthbert(part: str) -> Any:
    """Return a part of cuthbert, of the extra ``following``."""
    try:
        return importlib.import_module(f"cuthbert{part}")
    except ImportError as error:
        raise FitError("filtered: it needs the package cuthbert; install it with: pip install "
                       "'graycell[following]'.") from error  # fmt: skip


def _asked(
    fit: Fit, run: CultureRun, group: str | None, initial_error: InitialError | float | None, settings: SolverSettings
) -> tuple[_Asked, PackedRun]:
    """Return what is the same in all steps, and the culture up to its last value."""
    prior = Prior.of(fit, run, group, initial_error)
    model, learned = prior.model, prior.learned
    packed = pack(run.ended_at(max(run.last_sample, 0.0)), model)
    if model.triggers or packed.counts_cells:
        found = "a trigger" if model.triggers else "a bolus per IVCD"
        raise FitError(f"run '{run.name}': found {found}, which a filter does not follow; follow the culture by its "
                       "samples, without a filter.")  # fmt: skip
    covariance = prior.spread @ prior.spread.T
    size, vectors = np.linalg.eigh(covariance[:learned, :learned])
    there = size > 1e-15 * np.max(size, initial=0.0)
    spread = (vectors * np.sqrt(np.maximum(size, 0.0)))[:, there]
    model_errors, runs = fit.model_errors, [in_units_of(one, model) for one in fit.runs]
    days = math.sqrt(float(np.mean([one.end for one in runs])))  # over a culture it adds up to the error of the model
    noise = np.array([model_errors[name] / days for name in model.species])
    path = simulate(fit.model_of(runs[0].name), fit.run_of(fit.runs[0]))
    largest = [max([float(np.nanmax(np.abs(np.asarray(path[name])))),
                    *(float(np.max(one.measurements[name].value)) for one in runs if name in one.measurements)])
               for name in model.species]  # fmt: skip
    first = _of_segments(packed, _step(_steps_of(packed), 0))
    start_sd = np.sqrt(np.maximum(np.diag(covariance)[learned:], 0.0))
    return _Asked(
        model, first, prior.names, prior.coordinates, jnp.asarray(prior.mean[:learned]), jnp.asarray(spread),
        jnp.asarray(prior.mean[learned:]), jnp.asarray(start_sd), jnp.asarray(prior.carried), jnp.asarray(noise),
        jnp.asarray(_LEAST * np.array(largest)), settings,
    ), packed  # fmt: skip


def _steps_of(packed: PackedRun) -> _Step:
    """Return all steps with a leading axis; the first is the beginning of the culture, which takes no time."""
    count = int(np.sum(np.asarray(packed.end) > np.asarray(packed.start))) + _instants(packed)
    number = np.arange(count)
    pairs = np.stack([np.maximum(number - 1, 0), number], axis=1)

    def both(leaf: Any) -> np.ndarray:
        return np.asarray(leaf)[pairs]

    end, value = both(packed.end), np.where(np.asarray(packed.below) > 0.0, np.nan, packed.measured)
    start = both(packed.start)
    start[:, 0] = end[:, 0]
    return _Step(start, end, both(packed.setpoints), jax.tree.map(both, packed.flows),
                 jax.tree.map(both, packed.interventions), value[:count], np.asarray(packed.standard_error)[:count])


def _instants(packed: PackedRun) -> int:
    """Return how many segments take no time before the last one that takes some, the beginning among them."""
    length = np.asarray(packed.end) - np.asarray(packed.start)
    last = int(np.max(np.flatnonzero(length > 0.0), initial=0))
    return int(np.sum(length[: last + 1] <= 0.0))


def _step(steps: _Step, chosen: Any) -> _Step:
    """Return one step, or several with a leading axis."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[chosen]), steps)


def _inputs_of(packed: PackedRun, steps: _Step, asked: "_Asked") -> np.ndarray:
    """Return all that each step depends on, (steps, numbers); what is measured as an input is seen at its ends."""
    count = len(steps.value)
    rows = [np.asarray(leaf, float).reshape(count, -1) for leaf in jax.tree.leaves(steps)]
    for of in (steps.start[:, 1], 0.5 * (steps.start[:, 1] + steps.end[:, 1]), steps.end[:, 1]):
        rows.append(np.asarray(jax.vmap(packed.curves)(jnp.asarray(of))).reshape(count, -1))
    # what is the same in all steps, as one number
    parts = (packed.media, packed.initial, packed.initial_variables, asked.mean, asked.spread, asked.start,
             asked.start_sd, asked.carried, asked.noise, asked.least)  # fmt: skip
    digest = hashlib.sha256(b"".join(np.asarray(part, float).tobytes() for part in parts)).digest()
    return np.hstack([*rows, np.full((count, 1), float(int.from_bytes(digest[:6], "big")))])


def _of_segments(packed: PackedRun, step: _Step, only_the_last: bool = False) -> PackedRun:
    """Return a culture of the segments of one step; of the last at its end, in no time."""
    part = slice(1, 2) if only_the_last else slice(0, 2)

    def some(leaf: Any) -> Array:
        return jnp.asarray(leaf)[part]

    nothing = jnp.full((2, packed.measured.shape[1]), jnp.nan)
    return replace(
        packed, start=some(step.end if only_the_last else step.start), end=some(step.end),
        setpoints=some(step.setpoints), flows=jax.tree.map(some, step.flows),
        interventions=jax.tree.map(some, step.interventions), measured=some(nothing),
        standard_error=some(jnp.full_like(nothing, jnp.inf)), below=some(jnp.zeros_like(nothing)),
    )  # fmt: skip


def _model_at(asked: _Asked, x: Array) -> CultureModel:
    """Return the model at open parameters (open,), in standard deviations of what the fit knows."""
    learned, n = asked.mean + asked.spread @ x, len(asked.names)
    scaled = jnp.clip(learned[:n], asked.coordinates.lower, asked.coordinates.upper)
    values = asked.coordinates.unscaled(scaled)
    changed = asked.model.with_parameters({name: values[i] for i, name in enumerate(asked.names)})
    return changed.changed(nets=with_weights(changed.nets, learned[n:]))


def _joined(x: Array, state: CultureState) -> Array:
    return jnp.concatenate([x, state.amounts, state.volume[None], state.variables])


def _parted(asked: _Asked, z: Array) -> tuple[Array, CultureState]:
    """Return the open parameters, and the vessel, which holds nothing below 0; derivatives go on there."""
    k, s = asked.spread.shape[1], len(asked.model.species)
    amounts = z[k : k + s] + lax.stop_gradient(jnp.maximum(-z[k : k + s], 0.0))
    return z[:k], CultureState(amounts, z[k + s], z[k + s + 1 :])


def _moved(asked: _Asked, z: Array, step: _Step) -> Array:
    """Return the state at the end of a step, before what is done then."""
    x, state = _parted(asked, z)
    path = integrate(_model_at(asked, x), _of_segments(asked.packed, step), Loop(), asked.settings, 1, state)
    finished = has_finished(path)
    return jnp.where(finished, _joined(x, jax.tree.map(lambda leaf: leaf[-1, -1], path.states)), jnp.nan)


def _quantities(asked: _Asked, z: Array, step: _Step) -> Array:
    """Return all quantities at the end of a step."""
    x, state = _parted(asked, z)
    at = _of_segments(asked.packed, step, only_the_last=True)
    return integrate(_model_at(asked, x), at, Loop(), asked.settings, 1, state).predicted[-1]


def _seen(asked: _Asked, z: Array, root: Array, step: _Step) -> tuple[Array, Array]:
    """Return means and standard deviations of all quantities."""

    def of(z):
        value = _quantities(asked, z, step)
        return value, value

    slope, value = jax.jacfwd(of, has_aux=True)(z)
    return value, jnp.sqrt(jnp.sum((slope @ root) ** 2, axis=1))


@compiled_once
def _first(asked: _Asked, step: _Step) -> tuple[Array, Array, Array, Array]:
    """Return the filter at the beginning, and what is known then."""
    k = asked.spread.shape[1]

    def begun(unknown):
        initial = asked.packed.initial * jnp.exp((asked.start + asked.start_sd * unknown[k:]) @ asked.carried)
        packed = replace(_of_segments(asked.packed, step, only_the_last=True), initial=initial)
        path = integrate(_model_at(asked, unknown[:k]), packed, Loop(), asked.settings)
        z = _joined(unknown[:k], jax.tree.map(lambda leaf: leaf[-1, -1], path.states))
        return z, z

    root, z = jax.jacfwd(begun, has_aux=True)(jnp.zeros(k + len(asked.start)))
    # a square root of the covariance: columns of 0 change nothing, and more columns than rows become as many
    root = jnp.hstack([root, jnp.zeros((len(z), len(z)))])
    root = jnp.linalg.qr(root.T, mode="r").T[:, : len(z)]
    return z, root, *_seen(asked, z, root, step)


@compiled_once
def _advanced(asked: _Asked, steps: _Step, state: Array, root: Array) -> tuple[Array, Array, Array, Array]:
    """Return the filter after each of some steps, and what is known then."""
    k, s = asked.spread.shape[1], len(asked.model.species)

    def dynamics(before, step: _Step):
        length = jnp.maximum(step.end[1] - step.start[1], 0.0)
        sizes = jnp.hypot(before.mean[k : k + s], asked.least)
        sd = jnp.zeros(len(state)).at[k : k + s].set(asked.noise * sizes * jnp.sqrt(length))
        return (lambda z: (_moved(asked, z, step), jnp.diag(sd))), before.mean

    def observation(predicted, step: _Step):
        measured = jnp.isfinite(step.error) & jnp.isfinite(step.value)
        error = jnp.diag(jnp.where(measured, step.error, 1.0))
        value = jnp.where(measured, step.value, jnp.nan)
        return (lambda z: (_quantities(asked, z, step), error)), predicted.mean, value

    kalman = _cuthbert(".gaussian.moments").build_filter(state, root, dynamics, observation)
    with jax.numpy_rank_promotion("allow"):  # cuthbert is written so
        found = _cuthbert("").filter(kalman, steps, kalman.init_prepare())
    mean, chol = found.mean[1:], found.chol_cov[1:]
    return mean, chol, *lax.map(lambda of: _seen(asked, *of), (mean, chol, steps))
