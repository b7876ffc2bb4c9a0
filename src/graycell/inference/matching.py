r"""Integral matching: the first stage of a fit of networks, which solves no ODE.

Smooth curves of the net production of the cells are drawn through the samples of a run; feeds and samples leave no
jumps in them. The rates of the model are evaluated along these curves, all times at once, and integrated from sample to
sample. This gives the measurements that would follow if the rates saw the smooth curves. The residuals are those of the
full fit, so a good start for one is a good start for the other; but they are nearly linear in the outputs of a network,
cost as much as one evaluation of the rates, and can be mapped over many starts. An uncertain initial concentration is
the constant of its integrals: its deviation shifts what is predicted of it at all times.

The integral form, in place of derivatives of the smooth curves, is the one of Dattner & Klaassen (Electron. J. Stat. 9
(2015) 1939-1973): integrals of noise are small, its derivatives are not.
"""

from collections.abc import Callable
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from graycell.hybrid.smoothing import NODE_WEIGHTS, NODES, SmoothRun
from graycell.inference.initial_prior import begun
from graycell.inference.likelihood import Objective
from graycell.model import CultureModel
from graycell.packing import PackedRun


class Matching(eqx.Module):
    """The residuals of an `Objective` where the rates see smooth curves in place of the trajectory.

    Attributes:
        objective: of the full fit.
        smooth: smooth curves of its runs, with a leading axis.
    """

    objective: Objective
    smooth: SmoothRun

    def residuals(self, x: Float[Array, " n"]) -> Float[Array, " residuals"]:
        """Return all residuals, in the order of `Objective.residuals`.

        Args:
            x: (n,) coordinates, see `Objective`.

        Returns:
            (residuals,) [standard errors].
        """
        objective = self.objective

        parts, prior = objective.parts(x), objective.initial

        def predicted_of(deviations, initial, carried, of_group, packed, smooth):
            if prior.species:
                # what integrals are added to; the rates go on seeing the curves, which begin at the given values
                more = begun(packed, initial, carried).initial - packed.initial
                smooth = replace(smooth, at_end=smooth.at_end + more[None, :])
            return _matched(objective.with_coordinates(x, deviations, of_group), packed, smooth)

        effects = parts.per_run, parts.initial, prior.carried, objective.groups.of_runs(parts.per_group)
        predicted = jax.vmap(predicted_of)(*effects, objective.packed, self.smooth)
        return objective.misfits(x, predicted, jnp.ones_like(objective.packed.end, bool)[..., None])


def _matched(model: CultureModel, packed: PackedRun, smooth: SmoothRun) -> Float[Array, "segments quantities"]:
    """Return the measurements at the end of every segment that follow if the rates see the smooth curves.

    (segments, quantities) in the units of `CultureModel.quantities`; loop variables have their measured values.
    """

    def net_production(concentrations, volume, variables, inputs, flows):
        """Return the net production of the cells at one time [mmol/L/d]: the derivative without the flows."""
        fed = flows.feed @ packed.media
        production = model.production(model.evaluate(concentrations, variables, inputs, fed=fed / volume))
        amounts = concentrations * volume
        change = model.reactor.derivative(amounts, volume, production, flows, packed.media)[0]
        return change - fed + concentrations * (flows.bleed + flows.harvest)

    def at_node(flows, elapsed, *node):
        return net_production(*node, flows=flows.after(elapsed))

    nodes = (smooth.concentrations, smooth.volume, smooth.variables, smooth.inputs)
    elapsed = smooth.length[:, None] * jnp.asarray(NODES)[None]
    along = jax.vmap(at_node, (None, 0, 0, 0, 0, 0))
    rates = jax.vmap(along)(packed.flows, elapsed, *nodes)
    made = smooth.length[:, None] * jnp.einsum("n,snk->sk", jnp.asarray(NODE_WEIGHTS), rates)
    amounts = smooth.at_end + jnp.cumsum(made - smooth.net_production, axis=0)
    concentrations = amounts / smooth.end_volume[:, None]
    fed = packed.flows.after(smooth.length[:, None]).feed @ packed.media / smooth.end_volume[:, None]
    observables = jax.vmap(lambda c, x, u, fed: model.evaluate(c, x, u, fed=fed).observables)(
        concentrations, smooth.end_variables, smooth.end_inputs, fed
    )
    return jnp.concatenate([concentrations, observables, smooth.end_variables], axis=1)


@eqx.filter_jit
def linearise_matching(matching: Matching, x: Array) -> tuple[Array, Array]:
    """Return the residuals of integral matching and their Jacobian, compiled.

    Args:
        matching: of a fit.
        x: (n,) coordinates.

    Returns:
        (residuals,) [standard errors] and (residuals, n).
    """

    def twice(x):
        value = matching.residuals(x)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jacobian


CHUNK = 100
"""Iterations of Adam in one compiled call; progress is reported between two calls."""


@eqx.filter_jit
def adam_chunk(matching: Matching, state, weights: Array, learning_rate: float):
    """Make `CHUNK` iterations of Adam from all starts at once.

    Args:
        matching: of a fit.
        state: (x, state of Adam), with a leading axis of starts.
        weights: (residuals,) [1]; 0 for residuals that are held out.
        learning_rate: [1].

    Returns:
        The next state, and the costs (starts, iterations).
    """
    adam = optax.adam(learning_rate)

    def cost(x):
        return 0.5 * jnp.sum(weights * matching.residuals(x) ** 2)

    def of_start(state):
        def iteration(state, _):
            x, moments = state
            value, slope = jax.value_and_grad(cost)(x)
            slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
            with jax.numpy_dtype_promotion("standard"):  # optax raises a float to the power of an int32
                update, moments = adam.update(slope, moments)
            return (optax.apply_updates(x, update), moments), value

        return lax.scan(iteration, state, length=CHUNK)

    return jax.vmap(of_start)(state)


def adam(
    matching: Matching,
    starts: Float[np.ndarray, "starts n"],
    weights: Float[np.ndarray, " residuals"],
    iterations: int,
    report: Callable[[int, float], None],
    learning_rate: float = 0.02,
) -> Float[np.ndarray, "starts n"]:
    """Return the points that Adam reaches from every start, best first.

    Args:
        matching: of a fit.
        starts: (starts, n) coordinates.
        weights: (residuals,) [1]; 0 for residuals that are held out.
        iterations: rounded up to a multiple of `CHUNK`.
        report: called after each chunk with the number of iterations and the lowest cost.
        learning_rate: [1].

    Returns:
        (starts, n) coordinates.
    """
    x = jnp.asarray(starts)
    state = (x, jax.vmap(optax.adam(learning_rate).init)(x))
    costs = np.full(len(starts), np.inf)
    for done in range(0, iterations, CHUNK):
        state, costs_of_chunk = adam_chunk(matching, state, jnp.asarray(weights), learning_rate)
        costs = np.asarray(costs_of_chunk)[:, -1]
        report(done + CHUNK, float(np.min(np.where(np.isfinite(costs), costs, np.inf))))
    return np.asarray(state[0])[np.argsort(np.where(np.isfinite(costs), costs, np.inf))]
