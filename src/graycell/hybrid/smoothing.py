"""smooth_run: smooth curves of the net production of the cells, through the samples of a run.

Feeds and samples leave jumps in concentrations but not in net production, so net production is smoothed. Such curves
give the scales of the inputs and outputs of a neural network, and integral matching, the first stage of its fit, uses
them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator, make_smoothing_spline

from graycell.cell.rates import ViableCells
from graycell.errors import Finding, InputError
from graycell.model import CultureModel, Surroundings
from graycell.packing import PackedRun, pack
from graycell.reactor import Flows, intervene
from graycell.runs.records import VCD, CellFeed, CultureRun, IvcdBolus
from graycell.runs.value_checks import event_place

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(3)
NODES, NODE_WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _NODE_WEIGHTS
"""Gauss-Legendre nodes and weights on 0..1: three integrate a polynomial of degree 5 exactly."""
_FEW_POINTS = 6
"""With fewer points, the start included, a curve goes through all of them; with more, cross-validation chooses the
smoothing."""


class SmoothRun(eqx.Module):
    """A run along smooth curves, at the nodes of every segment; stack several with a leading axis.

    Amounts and volumes are per litre of initial volume.

    Attributes:
        length: (segments,) [d].
        concentrations: (segments, nodes, species) in the unit of each.
        volume: (segments, nodes) [1].
        variables: (segments, nodes, variables): loop variables as measured, others relaxing to their targets.
        inputs: (segments, nodes, inputs).
        at_end: (segments, species) amounts at the end of each segment.
        end_volume: (segments,) [1] at the end of each segment.
        end_inputs: (segments, inputs) at the end of each segment.
        end_variables: (segments, variables) at the end of each segment.
        fed: (segments, nodes, species) inflow per volume [mmol/L/d].
        net_production: (segments, species) [mmol/L] by the cells in each segment.
    """

    length: Float[Array, " segments"]
    concentrations: Float[Array, "segments nodes species"]
    volume: Float[Array, "segments nodes"]
    variables: Float[Array, "segments nodes variables"]
    inputs: Float[Array, "segments nodes inputs"]
    at_end: Float[Array, "segments species"]
    end_volume: Float[Array, " segments"]
    end_inputs: Float[Array, "segments inputs"]
    end_variables: Float[Array, "segments variables"]
    fed: Float[Array, "segments nodes species"]
    net_production: Float[Array, "segments species"]


def smooth_run(model: CultureModel, run: CultureRun) -> SmoothRun:
    """Return a run along smooth curves, for the species of a model.

    The net production of a species is 0 where it was not measured, and after its last sample. The biomass follows the
    viable cell density where it was not measured itself.

    Args:
        model: gives species, variables and inputs.
        run: with samples.

    Returns:
        The smooth run.

    Raises:
        InputError: for a feed per cell and a bolus per IVCD, whose volumes are known along a trajectory alone.
    """
    rates = "a feed per cell", "smooth curves need the rates that the pump gave", "write them as feeds, in L/d"
    volumes = "a bolus per IVCD", "smooth curves need the volumes that were given", "write them as boluses, in L"
    findings = [Finding(event_place(run, event), *(rates if isinstance(event, CellFeed) else volumes))
                for event in run.events if isinstance(event, CellFeed | IvcdBolus)]  # fmt: skip
    if findings:
        raise InputError(findings)
    packed = pack(run, model)
    arrays = jax.tree.map(np.asarray, packed)
    curves: list[Callable[[float], float]] = [_nothing] * len(model.species)
    given = jax.tree.map(np.array, _given(model, packed))
    for i, points in enumerate(_production_at_samples(model, arrays, given.end_inputs)):
        curves[i] = _curve(*points)
    length, sweep = arrays.end - arrays.start, _Sweep(arrays)
    at_nodes, at_end, end_volume, net_production = [], [], [], []
    for k, (start, end) in enumerate(zip(arrays.start, arrays.end, strict=True)):
        before = np.array([curve(start) for curve in curves])
        points = [sweep.after(k, share, np.array([curve(start + share * (end - start)) for curve in curves]) - before)
                  for share in (*NODES, 1.0)]  # fmt: skip
        at_nodes.append(points[:-1])
        at_end.append(points[-1][0])
        end_volume.append(points[-1][1])
        net_production.append(np.array([curve(end) for curve in curves]) - before)
        sweep.act(k, *points[-1])
    amounts = np.array([[amount for amount, _ in nodes] for nodes in at_nodes])
    volume = np.array([[size for _, size in nodes] for nodes in at_nodes])
    return SmoothRun(
        length=jnp.asarray(length),
        concentrations=jnp.asarray(np.maximum(amounts / volume[:, :, None], 0.0)),
        volume=jnp.asarray(volume),
        variables=jnp.asarray(given.variables),
        inputs=jnp.asarray(given.inputs),
        at_end=jnp.asarray(np.array(at_end)),
        end_volume=jnp.asarray(np.array(end_volume)),
        end_inputs=jnp.asarray(given.end_inputs),
        end_variables=jnp.asarray(given.end_variables),
        fed=jnp.asarray(_feeds_at_nodes(arrays) @ arrays.media / volume[:, :, None]),
        net_production=jnp.asarray(np.array(net_production)),
    )


class _Given(NamedTuple):
    """What a run gives along its segments, at the nodes and at the end of each; shapes as in `SmoothRun`."""

    inputs: Array
    end_inputs: Array
    variables: Array
    end_variables: Array


@eqx.filter_jit
def _given(model: CultureModel, packed: PackedRun) -> _Given:
    """Return inputs and variables: loops as measured, those that relax exactly, others at their first value."""
    shares = jnp.asarray((*NODES, 1.0))
    length = packed.end - packed.start
    times = packed.start[:, None] + length[:, None] * shares[None, :]
    inputs = jax.vmap(jax.vmap(packed.inputs_at, (0, None)))(times, packed.setpoints)
    none = Flows(jnp.zeros(1), jnp.zeros(()), jnp.zeros(()))

    def segment(now: Array, of: tuple[Array, Array]) -> tuple[Array, Array]:
        end_inputs, duration = of

        def after(share: Array) -> Array:
            return model.relaxed(now, Surroundings(end_inputs, none, packed.media, elapsed=share * duration))

        at = jax.vmap(after)(shares)
        return at[-1], at

    first = model.begin(packed.initial_variables, packed.inputs_at(jnp.zeros(()), packed.first_setpoints))
    variables = jax.lax.scan(segment, first, (inputs[:, -1], length))[1]
    if model.loops:
        at = np.array([model.variable_names.index(name) for name in model.loops])
        variables = variables.at[..., at].set(jax.vmap(jax.vmap(packed.loops_at))(times))
    return _Given(inputs[:, :-1], inputs[:, -1], variables[:, :-1], variables[:, -1])


def _feeds_at_nodes(packed: PackedRun) -> np.ndarray:
    """Return the flow of every medium [1/d] at the nodes of every segment, (segments, nodes or 1, media)."""
    feed, slope = np.asarray(packed.flows.feed)[:, None], packed.flows.slope
    if slope is None:
        return feed
    elapsed = np.asarray(NODES)[None] * np.asarray(packed.end - packed.start)[:, None]
    return feed + np.asarray(slope)[:, None] * elapsed[..., None]


_after_interventions = jax.jit(intervene)


class _Sweep:
    """A vessel that is gone through from segment to segment: amounts and volume at the beginning of the present one.

    Amounts [mmol/L] and volume [1] are per litre of initial volume.
    """

    def __init__(self, packed: PackedRun):
        self.packed, self.volume = packed, 1.0
        self.amounts = np.asarray(packed.initial)

    def after(self, k: int, share: float, made: np.ndarray) -> tuple[np.ndarray, float]:
        """Return amounts and volume after this share of segment k, in which the cells have produced `made`."""
        flows, time = self.packed.flows, share * (self.packed.end[k] - self.packed.start[k])
        out = flows.bleed[k] + flows.harvest[k]
        lost = self.amounts / self.volume * out * time  # retained cells are lost here too: the curves only give a start
        feed = flows.feed[k] if flows.slope is None else flows.feed[k] + 0.5 * time * flows.slope[k]
        volume = self.volume + (np.sum(feed) - out) * time
        return np.asarray(self.amounts + made + feed @ self.packed.media * time - lost), float(volume)

    def act(self, k: int, amounts: np.ndarray, volume: float) -> None:
        """Go on from these amounts and volume at the end of segment k, after its interventions."""
        done = jax.tree.map(lambda leaf: leaf[k], self.packed.interventions)
        after = _after_interventions(amounts, volume, done, self.packed.media, self.packed.supplied)
        self.amounts, self.volume = np.asarray(after[0]), float(after[1])


def _nothing(time: float, /) -> float:
    """Return the net production of a species that was not measured by a time [d]: 0 mmol/L."""
    return 0.0


def _production_at_samples(
    model: CultureModel, packed: PackedRun, end_inputs: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the times of the samples of every species, its net production by then, and the standard error of that.

    [d], [mmol/L], [mmol/L], per litre of initial volume; beginning with 0 at time 0.
    """
    measured, error = np.array(packed.measured), np.array(packed.standard_error)
    _fill_biomass(model, measured, error, end_inputs)
    n = len(model.species)
    points: list[list[tuple[float, float, float]]] = [[(0.0, 0.0, np.nan)] for _ in range(n)]
    sweep, total = _Sweep(packed), np.zeros(n)
    for k, time in enumerate(packed.end):
        amounts, volume = sweep.after(k, 1.0, np.zeros(n))
        here = np.isfinite(error[k, :n])
        found = np.where(here, volume * np.nan_to_num(measured[k, :n]), amounts)
        total = total + found - amounts
        for i in np.flatnonzero(here & (time > 0.0)):
            points[i].append((float(time), float(total[i]), float(volume * error[k, i])))
        sweep.act(k, found, volume)
    columns = [np.array(rows).T for rows in points]
    return [(time, value, sd) for time, value, sd in columns]


def _fill_biomass(model: CultureModel, measured: np.ndarray, error: np.ndarray, end_inputs: np.ndarray) -> None:
    """Fill in the species that counts cells from the viable cell density where it was not measured itself."""
    cells = model.cells
    if not isinstance(cells, ViableCells) or VCD not in model.observable_names:
        return
    biomass, density = model.quantities.index(cells.species), model.quantities.index(VCD)
    per_density = np.ones(len(measured))
    if cells.biomass_per_cell is not None:
        per_density = per_density * float(model.parameters[cells.biomass_per_cell])
    if cells.viability is not None:
        per_density = per_density / np.maximum(end_inputs[:, model.input_names.index(cells.viability)], 0.05)
    taken = ~np.isfinite(error[:, biomass]) & np.isfinite(error[:, density])
    measured[taken, biomass] = (measured[:, density] * per_density)[taken]
    error[taken, biomass] = (error[:, density] * per_density)[taken]


def _curve(time: np.ndarray, value: np.ndarray, error: np.ndarray) -> Callable[[float], float]:
    """Return a smooth curve through (time, value) with these errors; 0 without a sample."""
    if len(time) < 2:
        return _nothing
    if len(time) < _FEW_POINTS:
        return _held_after(time[-1], PchipInterpolator(time, value))
    # the first point is known: its error is a tenth of the smallest error of a sample
    weight = 1.0 / np.r_[0.1 * np.nanmin(error), error[1:]] ** 2
    return _held_after(time[-1], make_smoothing_spline(time, value, w=weight / np.max(weight)))


def _held_after(last: float, curve: Callable[[float], float]) -> Callable[[float], float]:
    """Return the curve, constant after its last sample, because an extrapolated cubic diverges within days."""
    return lambda time: curve(min(time, last))


def stack_smooth(runs: Sequence[SmoothRun]) -> SmoothRun:
    """Return smooth runs as one with a leading axis, padded to the largest number of segments.

    Args:
        runs: of one model, at least one.

    Returns:
        The smooth runs.
    """
    longest = max(run.length.shape[0] for run in runs)

    def pad(leaf: Array) -> Array:
        more = longest - leaf.shape[0]
        return jnp.concatenate([leaf, jnp.repeat(leaf[-1:], more, axis=0)]) if more else leaf

    def padded(run: SmoothRun) -> SmoothRun:
        longer = jax.tree.map(pad, run)
        kept = jnp.arange(longest) < run.length.shape[0]  # a padded segment has length 0 and no net production
        return replace(
            longer,
            length=jnp.where(kept, longer.length, 0.0),
            net_production=jnp.where(kept[:, None], longer.net_production, 0.0),
        )

    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(padded(run) for run in runs))
