"""recovered_law: what a fit learned of a rate law, beside the true law and the known one.

The law is evaluated over each input of its network in the range that the runs visited, with the rest of the state at
its median, and compared with the truth in all visited states. A band shows the uncertainty by linearisation; where no
sample is near, the law is an extrapolation and marked as one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.neural import NeuralRate, weights_of, with_weights
from graycell.cell.rates import Product, Ramp, RateLaw, Sum
from graycell.errors import FitError, nearest
from graycell.inference.coordinates import Coordinates
from graycell.inference.fitting import Fit
from graycell.model import CultureModel
from graycell.models.catalogue import MODELS, model_of
from graycell.simulation.simulate import Trajectory, simulate
from graycell.units import CONCENTRATION, SPECIFIC_RATE, TIME

Role = Literal["law", "factor", "summand"]

OF_DEFINITION = "unit of the definition"
"""In the place of a unit: a model knows none of its definitions."""
NORMAL_95 = 1.96
"""Standard normal quantile [1] of an interval of 95 %."""
_WIDER = 0.15
"""Part [1] of the visited range by which a curve continues at either end, to show how a law extrapolates."""
_NEAR = 0.1
"""Part [1] of the visited range within which a sample supports a law; a network of four nodes has no finer features."""
_INNER = (0.025, 0.975)
"""Quantiles [1] of the sampled states between which a law is supported: 95 % of them."""
_TIME_TOLERANCE = 1e-9  # [d] times that differ by less are equal


@dataclass(frozen=True)
class LawCurve:
    """A law over one input of its network, with everything else at the median of the visited states.

    Attributes:
        input: a species, a variable or an input, such as ``R`` or ``shift``, or ``feed`` and a species.
        input_unit: its unit.
        grid: (points,) values of the input.
        learned: (points,) the learned rate, in the unit of the law, as all rates here.
        low: (points,) lower end of its 95 % interval.
        high: (points,) upper end of its 95 % interval.
        true: (points,) the rate of the truth, NaN without one.
        known: (points,) the rate of the library's model, NaN without one.
        near: (points,) number of samples within a tenth of the visited range.
        supported: (points,) whether a sample is near, and the point is among the middle 95 % of the samples.
        samples: (samples,) values of the input when samples were taken.
        visited: least and largest value over the runs.
    """

    input: str
    input_unit: str
    grid: np.ndarray
    learned: np.ndarray
    low: np.ndarray
    high: np.ndarray
    true: np.ndarray
    known: np.ndarray
    near: np.ndarray
    supported: np.ndarray
    samples: np.ndarray
    visited: tuple[float, float]


@dataclass(frozen=True)
class RecoveredLaw:
    """What a fit learned of the rate law of a reaction.

    Attributes:
        reaction: its name, or that of a definition.
        role: whether the network is the whole ``law``, a ``factor`` or a ``summand`` of it.
        unit: of all rates, which are kinetic rates; of a definition see `OF_DEFINITION`.
        curves: one for each input of the network.
        states: (states,) visited values by input.
        learned: (states,) the learned rate there.
        true: (states,) the rate of the truth there, NaN without one.
        error: root mean square of learned - true over the range of true [1]; NaN without a truth, or if the true rate
            is constant and the learned one differs.
    """

    reaction: str
    role: Role
    unit: str
    curves: tuple[LawCurve, ...]
    states: Mapping[str, np.ndarray]
    learned: np.ndarray
    true: np.ndarray
    error: float

    def __repr__(self) -> str:
        error = f", error {self.error:.3g}" if np.isfinite(self.error) else ""
        return f"RecoveredLaw({self.reaction}: {self.role} of {', '.join(curve.input for curve in self.curves)}{error})"


def recovered_law(fit: Fit, reaction: str, truth: CultureModel | None = None, points: int = 60) -> RecoveredLaw:
    """Return what a fit learned of the rate law of a reaction.

    The band is the delta method: with J the derivative of the rate by parameters and weights, and C the covariance of
    the fit, its half width is 1.96 sqrt(J C J^T).

        law = recovered_law(fitted, "uptake", truth=true_model)
        law.error, law.curves[0].supported

    Args:
        fit: the fit.
        reaction: name of a reaction or definition whose law has a network.
        truth: the model that generated the runs, if it is known; the visited states are then those of the truth along
            the runs, and else those of the fitted model.
        points: of the curve over each input.

    Returns:
        The learned law, beside that of the truth and that of the library's model from which the fitted one was made.
        A reaction without a learned law, a truth without a species of the model, and runs without a finite state are a
        `FitError`.
    """
    return recovered_laws(fit, truth, points, reactions=[reaction])[0]


def recovered_laws(
    fit: Fit,
    truth: CultureModel | None = None,
    points: int = 60,
    *,
    reactions: Sequence[str] | None = None,
    trajectories: Sequence[Trajectory] | None = None,
) -> tuple[RecoveredLaw, ...]:
    """Return `recovered_law` for several reactions; runs are simulated once.

    Args:
        fit: the fit.
        truth: the model that generated the runs, if it is known.
        points: of the curve over each input.
        reactions: their names; None for all `learned_reactions`.
        trajectories: of the fitted model along the runs of the fit; None simulates them.

    Returns:
        The learned laws in the order of the reactions.

    Raises:
        FitError: a reaction has no learned law, there are fewer than 2 points, or the covariance does not fit the
            model.
    """
    learned = learned_reactions(fit.model)
    reactions = learned if reactions is None else reactions
    for name in reactions:
        if name not in learned:
            raise FitError(f"reaction '{name}' has no learned law in {fit.model.name}; {nearest(name, learned)}.")
    if points < 2:
        raise FitError(f"recovered law: found {points} points; a curve needs 2 or more; 60 are smooth.")
    size = len(fit.estimates) + fit.model.weight_count
    if fit.covariance.shape != (size, size):
        raise FitError(
            f"recovered law: found a covariance of {fit.covariance.shape}, but {len(fit.estimates)} parameters and "
            f"{fit.model.weight_count} weights; fit the model anew."
        )
    if not reactions:
        return ()
    if trajectories is None:
        trajectories = [simulate(fit.model_of(run.name), fit.run_of(run)) for run in fit.runs]
    sampled = _table(trajectories, samples_only=True)
    visited = _table(trajectories if truth is None else [simulate(truth, run) for run in fit.runs])
    _require_species(fit.model, visited)
    others = (truth, _known_model(fit.model))
    return tuple(_recovered(fit, name, others, points, visited, sampled) for name in reactions)


def learned_reactions(model: CultureModel) -> tuple[str, ...]:
    """Return the reactions whose rate law has a network, and the definitions that have one.

    Args:
        model: the model.

    Returns:
        Their names in the order of the laws, reactions first.
    """
    return tuple(name for name, law in _laws_of(model).items() if _networks(law))


def _laws_of(model: CultureModel) -> dict[str, RateLaw]:
    return {**model.rates, **dict(zip(model.definition_names, model.definitions, strict=True))}


def _recovered(
    fit: Fit,
    reaction: str,
    others: tuple[CultureModel | None, CultureModel | None],
    points: int,
    visited: "_Table",
    sampled: "_Table",
) -> RecoveredLaw:
    """Return a law beside those of `others`, the truth and the known model."""
    law = _laws_of(fit.model)[reaction]
    inputs = list(dict.fromkeys(name for net in _networks(law) for name in fit.model.nets[net].inputs))
    fractions = _fractions(fit.model)
    grids = {name: _grid(name in fractions, visited[name], points) for name in inputs}
    median = {name: np.full(points, np.median(column)) for name, column in visited.items()}
    along = [{**median, name: grid} for name, grid in grids.items()]
    path = {name: np.concatenate([part[name] for part in along]) for name in median}

    learned, half = _with_band(fit, reaction, path)
    true, known = (_rates(model, reaction, path) for model in others)
    parts = zip(*(np.split(rates, len(inputs)) for rates in (learned, half, true, known)), strict=True)
    curves = tuple(
        _curve(name, _unit_of(fit.model, name), grids[name], part, visited[name], sampled[name])
        for name, part in zip(inputs, parts, strict=True)
    )
    at_states, true_there = (_rates(model, reaction, visited) for model in (fit.model, others[0]))
    return RecoveredLaw(
        reaction,
        _role(law) or "factor",
        _unit_of_law(fit.model, reaction),
        curves,
        {name: visited[name] for name in inputs},
        at_states,
        true_there,
        _relative_error(at_states, true_there),
    )


def _unit_of_law(model: CultureModel, name: str) -> str:
    if name not in model.rates:
        return OF_DEFINITION
    is_specific = model.reactor.per_cell and not model.volumetric[model.reactions.index(name)]
    return SPECIFIC_RATE if is_specific else f"{CONCENTRATION}/{TIME}"


def _curve(name: str, unit: str, grid: np.ndarray, part, visited: np.ndarray, sampled: np.ndarray) -> LawCurve:
    learned, half, true, known = part
    low, high = float(np.min(visited)), float(np.max(visited))
    reach = _NEAR * (high - low) if high > low else _NEAR * _span(visited)
    near = np.sum(np.abs(sampled[None, :] - grid[:, None]) <= reach, axis=1)
    first, last = np.quantile(sampled, _INNER)
    step = 0.5 * (grid[1] - grid[0])  # a point represents the values nearest to it
    supported = (near > 0) & (grid >= first - step) & (grid <= last + step)
    return LawCurve(
        name, unit, grid, learned, learned - half, learned + half, true, known, near, supported, sampled,
        (low, high),
    )  # fmt: skip


def _fractions(model: CultureModel) -> tuple[str, ...]:
    """Return the variables that lie between 0 and 1."""
    pairs = zip(model.variable_names, model.variables, strict=True)
    return tuple(name for name, one in pairs if isinstance(getattr(one, "target", None), Ramp))


def _grid(is_fraction: bool, visited: np.ndarray, points: int) -> np.ndarray:
    more = _WIDER * _span(visited)
    low, high = max(float(np.min(visited)) - more, 0.0), max(float(np.max(visited)), 0.0) + more
    return np.linspace(low, min(high, 1.0) if is_fraction else high, points)


def _span(values: np.ndarray) -> float:
    """Return the range of an input; if it never changed, its magnitude, so that there is a curve to draw."""
    span = float(np.ptp(values))
    return span if span > 1e-6 * float(np.max(np.abs(values))) else max(float(np.max(np.abs(values))), 1.0)


def _unit_of(model: CultureModel, name: str) -> str:
    return f"{CONCENTRATION}/{TIME}" if name.startswith("feed ") else model.unit(name)


def _relative_error(learned: np.ndarray, true: np.ndarray) -> float:
    difference, width = float(np.sqrt(np.mean((learned - true) ** 2))), float(np.ptp(true))
    if width > 0.0:
        return difference / width
    return 0.0 if difference == 0.0 else float("nan")


# -------------------------------------------------------------------------------------------------------- the laws


def _networks(law: RateLaw) -> list[str]:
    """Return the names of the networks in a law."""
    parts = jax.tree.leaves(law, is_leaf=lambda part: isinstance(part, NeuralRate))
    return [part.net for part in parts if isinstance(part, NeuralRate)]


def _role(law: RateLaw) -> Role | None:
    """Return the role of a network in a law, None if there is none."""
    if isinstance(law, NeuralRate):
        return "law"
    parts: tuple[RateLaw, ...] = law.factors if isinstance(law, Product) else law.terms if isinstance(law, Sum) else ()
    here: Role = "summand" if isinstance(law, Sum) else "factor"
    for part in parts:
        role = _role(part)
        if role is not None:
            return here if role == "law" else role
    return "factor" if _networks(law) else None


def _known_model(model: CultureModel) -> CultureModel | None:
    """Return the library's model from which this one was made, None if there is none."""
    return model_of(model.name) if model.name in MODELS else None


# ------------------------------------------------------------------------------------------------------- the states

_Table = dict[str, np.ndarray]
"""(states,) values by the names of the inputs that a network can have, see `Conditions.seen`."""


def _table(trajectories: Sequence[Trajectory], samples_only: bool = False) -> _Table:
    """Return the finite states of trajectories: all points, or those at which a sample was taken."""
    parts = []
    for trajectory in trajectories:
        columns = dict(zip(trajectory.model.species, trajectory.concentrations.T, strict=True))
        names = (*trajectory.model.variable_names, *trajectory.model.input_names)
        columns |= {name: np.asarray(trajectory[name]) for name in names}
        fed = zip(trajectory.model.species, np.asarray(trajectory.fed).T, strict=True)
        columns |= {f"feed {name}": series for name, series in fed}
        rows = np.arange(len(trajectory.time))
        if samples_only:  # a sample is taken before an event of the same time
            rows = np.minimum(
                np.searchsorted(trajectory.time, trajectory.measured_time - _TIME_TOLERANCE), len(trajectory.time) - 1
            )
        parts.append({name: column[rows] for name, column in columns.items()})
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    finite = np.all([np.isfinite(column) for column in table.values()], axis=0) if table else np.zeros(0, bool)
    if not np.any(finite):
        what = "finite state at which a sample was taken" if samples_only else "finite state"
        raise FitError(f"recovered law: found no {what}; simulate a run of the fit and see its status and samples.")
    return {name: column[finite] for name, column in table.items()}


def _require_species(model: CultureModel, table: _Table) -> None:
    for name in model.species:
        if name not in table:
            raise FitError(
                f"recovered law: the visited states have no '{name}', which {model.name} needs; give a truth that has "
                "the species of the fitted model, or none."
            )


def _arrays(model: CultureModel, table: _Table) -> tuple[Array, ...]:
    """Return states as `CultureModel.conditions` takes them: concentrations, variables, inputs, feed."""
    _require_species(model, table)
    concentrations = np.stack([table[name] for name in model.species], axis=1)
    fed = np.stack([table[f"feed {name}"] for name in model.species], axis=1)
    count = len(concentrations)
    variables = [
        table.get(name, np.full(count, variable.initial))
        for name, variable in zip(model.variable_names, model.variables, strict=True)
    ]
    inputs = [
        table.get(name, np.full(count, given.default or 0.0))
        for name, given in zip(model.input_names, model.inputs, strict=True)
    ]
    both = (np.stack(part, axis=1) if part else np.zeros((count, 0)) for part in (variables, inputs))
    return jnp.asarray(concentrations), *map(jnp.asarray, both), jnp.asarray(fed)  # fmt: skip


# -------------------------------------------------------------------------------------------------------- the rates


def _rates(model: CultureModel | None, reaction: str, table: _Table) -> np.ndarray:
    """Return the rates of a reaction by its law in these states; NaN if the model has no law of it."""
    if model is None or reaction not in _laws_of(model):
        return np.full(len(next(iter(table.values()))), np.nan)
    return np.asarray(_rate(model, reaction, *_arrays(model, table)))


@eqx.filter_jit
def _rate(model: CultureModel, reaction: str, *states: Array) -> Float[Array, " states"]:
    def value(*at):
        conditions = model.conditions(*at)
        return conditions.rates[reaction] if reaction in model.rates else conditions.definition(reaction)

    return jax.vmap(value)(*states)


def _with_band(fit: Fit, reaction: str, table: _Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the learned rates in these states, and half the width of their 95 % intervals."""
    described = fit.model.table
    names = tuple(row.name for row in fit.estimates)
    coordinates = Coordinates.of([described[name] for name in names])
    learned = jnp.concatenate([coordinates.centre, weights_of(fit.model.nets)])
    rate, slope = _linearised(fit.model, names, coordinates, learned, reaction, *_arrays(fit.model, table))
    return np.asarray(rate), NORMAL_95 * _standard_deviation(np.asarray(slope), fit.covariance)


@eqx.filter_jit
def _linearised(
    model: CultureModel, names: tuple[str, ...], coordinates: Coordinates, learned: Array, reaction: str, *states: Array
) -> tuple[Array, Array]:
    """Return the rates, and their derivatives (states, learned) by the scaled parameters, then the weights."""

    def rates(learned):
        values, weights = coordinates.unscaled(learned[: len(names)]), learned[len(names) :]
        moved = model.with_parameters({name: values[i] for i, name in enumerate(names)})
        moved = moved.changed(nets=with_weights(model.nets, weights))
        rate = _rate(moved, reaction, *states)
        return rate, rate

    slope, rate = jax.jacfwd(rates, has_aux=True)(learned)
    return rate, slope


def _standard_deviation(slope: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return sqrt(J C J^T) for every row of J; infinite if it depends on a parameter of infinite variance."""
    known = np.isfinite(np.diag(covariance))
    inner = slope[:, known]
    variance = np.einsum("ki,ij,kj->k", inner, covariance[np.ix_(known, known)], inner)
    open_ended = np.any(slope[:, ~known] != 0.0, axis=1)
    return np.where(open_ended, np.inf, np.sqrt(np.maximum(variance, 0.0)))  # rounding can leave a variance below 0
