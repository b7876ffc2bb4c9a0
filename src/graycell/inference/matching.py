r"""Where a fit of learned laws begins: integral matching, without a single solution of the ODE.

The measured concentrations of a run are made smooth curves of what the cells turned over, so that feeds and samples
leave no jumps in them. Along these curves the rates of the model are evaluated, all times at once, and integrated from
sample to sample: what should have been measured if the rates had seen the smooth curves. The residuals are those of the
full fit, so a good start of the one is a good start of the other; but they are nearly linear in the outputs of a
network, cost as much as one evaluation of the rates, and map over many starts.

The integral form, in place of derivatives of the smooth curves, is the one of Dattner & Klaassen (Electron. J. Stat. 9
(2015) 1939-1973): integrals of noise are small, its derivatives are not.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from graycell.hybrid.smoothing import NODE_WEIGHTS, SmoothRun
from graycell.inference.likelihood import Objective
from graycell.model import CultureModel
from graycell.packing import PackedRun


class Matching(eqx.Module):
    """The residuals of an `Objective`, with the rates seeing smooth curves in place of the trajectory."""

    objective: Objective
    smooth: SmoothRun

    def residuals(self, x: Float[Array, " n"]) -> Float[Array, " residuals"]:
        """Return all residuals [standard errors], in the order of `Objective.residuals`."""
        objective = self.objective
        deviations = objective.parts(x)[1]
        predicted = jax.vmap(lambda own, packed, smooth: _matched(objective.with_coordinates(x, own), packed, smooth))(
            deviations, objective.packed, self.smooth
        )
        return objective.misfits(x, predicted, jnp.ones_like(objective.packed.end, bool)[..., None])


def _matched(model: CultureModel, packed: PackedRun, smooth: SmoothRun) -> Float[Array, "segments quantities"]:
    """Return what would be measured at the end of every segment if the rates had seen the smooth curves.

    In the units of `CultureModel.quantities`; loop variables are the measured ones.
    """

    def turnover(concentrations, volume, variables, inputs, flows):
        """Return what the cells turn over at one time [mmol/L/d]: the derivative less what flows."""
        fed = flows.feed @ packed.media
        production = model.production(model.evaluate(concentrations, variables, inputs, fed=fed / volume))
        amounts = concentrations * volume
        change = model.reactor.derivative(amounts, volume, production, flows, packed.media)[0]
        return change - fed + concentrations * (flows.bleed + flows.harvest)

    nodes = (smooth.concentrations, smooth.volume, smooth.variables, smooth.inputs)
    rates = jax.vmap(lambda at, flows: jax.vmap(lambda *node: turnover(*node, flows=flows))(*at))(nodes, packed.flows)
    made = smooth.length[:, None] * jnp.einsum("n,snk->sk", jnp.asarray(NODE_WEIGHTS), rates)
    amounts = smooth.at_end + jnp.cumsum(made - smooth.net_production, axis=0)
    concentrations = amounts / smooth.end_volume[:, None]
    observables = jax.vmap(lambda c, x, u: model.evaluate(c, x, u).observables)(
        concentrations, smooth.end_variables, smooth.end_inputs
    )
    return jnp.concatenate([concentrations, observables, smooth.end_variables], axis=1)


@eqx.filter_jit
def matching_residuals(matching: Matching, x: Array) -> Array:
    """Return `Matching.residuals`, compiled."""
    return matching.residuals(x)


@eqx.filter_jit
def linearise_matching(matching: Matching, x: Array) -> tuple[Array, Array]:
    """Return the residuals of integral matching and their Jacobian, compiled."""

    def twice(x):
        value = matching.residuals(x)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jacobian


CHUNK = 100
"""Iterations of Adam that are compiled together; between two chunks progress is told."""


@eqx.filter_jit
def adam_chunk(matching: Matching, state, weights: Array, learning_rate: float):
    """Return (x, state of Adam) after `CHUNK` iterations, and the costs (starts, iterations), of all starts at once."""
    adam = optax.adam(learning_rate)

    def cost(x):
        return 0.5 * jnp.sum(weights * matching.residuals(x) ** 2)

    def one(state):
        def iteration(state, _):
            x, moments = state
            value, slope = jax.value_and_grad(cost)(x)
            slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
            update, moments = adam.update(slope, moments)
            return (optax.apply_updates(x, update), moments), value

        return lax.scan(iteration, state, length=CHUNK)

    return jax.vmap(one)(state)


def adam(
    matching: Matching,
    starts: Float[np.ndarray, "starts n"],
    weights: Float[np.ndarray, " residuals"],
    iterations: int,
    tell: Callable[[int, float], None],
    learning_rate: float = 0.02,
) -> Float[np.ndarray, "starts n"]:
    """Return where Adam comes to from every start, best first; `weights` [1] are 0 for residuals that are held out.

    `iterations` are rounded up to a multiple of `CHUNK`; `tell` gets their number and the least cost after each chunk.
    """
    x = jnp.asarray(starts)
    state = (x, jax.vmap(optax.adam(learning_rate).init)(x))
    costs = np.full(len(starts), np.inf)
    for done in range(0, iterations, CHUNK):
        state, told = adam_chunk(matching, state, jnp.asarray(weights), learning_rate)
        costs = np.asarray(told)[:, -1]
        tell(done + CHUNK, float(np.nanmin(costs)))
    return np.asarray(state[0])[np.argsort(np.where(np.isfinite(costs), costs, np.inf))]
