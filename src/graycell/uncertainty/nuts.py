"""NUTS on a posterior: the chains of numpyro's sampler, in parts that are compiled once for all chains and data.

M. D. Hoffman, A. Gelman, "The No-U-Turn Sampler", J. Mach. Learn. Res. 15 (2014) 1593-1623.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from graycell.compiling import compiled_once
from graycell.errors import FitError
from graycell.uncertainty.density import Posterior

TOGETHER = 20
"""Draws in one call of a compiled function: between two calls a chain reports, and Ctrl-C can stop it."""
DEEPEST = 5, 8
"""Doublings of a trajectory at most, in the warm-up and after it: 31 and 255 steps. In good coordinates 2 to 4 are
usual; when the warm-up begins, steps may be far too short, and long trajectories of them would take most time."""
_FIRST_STEP = 0.3
"""[1] Of the sampler, in coordinates whose deviation is 1; the first draws adapt it."""
_TRIES = 12
"""Of a start that cannot be simulated; each is half as far from the mode."""
_EXTRA = "sampling needs the package numpyro; install it with: pip install 'graycell[sampling]'."


class Chain(NamedTuple):
    """The draws of one chain after its warm-up.

    Attributes:
        z: (draws, n) coordinates of the posterior [1].
        diverging: (draws,) whether the trajectory to a draw was lost.
        steps: (draws,) steps of the trajectory.
        evaluations: how often the density was computed, warm-up included.
    """

    z: Float[np.ndarray, "draws n"]
    diverging: Bool[np.ndarray, " draws"]
    steps: Int[np.ndarray, " draws"]
    evaluations: int


def require_sampler() -> Any:
    """Return numpyro's module of NUTS.

    Returns:
        The module.

    Raises:
        FitError: where numpyro is not installed.
    """
    try:
        return importlib.import_module("numpyro.infer.hmc")
    except ImportError as error:
        raise FitError(_EXTRA) from error


def _kernel(posterior: Posterior, warm_up: int, target: float):
    """Return the functions of numpyro's sampler: state from a start, and the next state."""

    @jax.custom_vjp
    def cost(z):
        return posterior.cost_and_gradient(z)[0]

    cost.defvjp(posterior.cost_and_gradient, lambda gradient, above: (above * gradient,))
    begin, advance = require_sampler().hmc(lambda z: cost(z), algo="NUTS")

    def begun(z, value, gradient, key):
        start = importlib.import_module("numpyro.infer.util").ParamInfo(z, value, gradient)
        return begin(start, warm_up, _FIRST_STEP, target_accept_prob=target, max_tree_depth=DEEPEST, rng_key=key)

    return begun, advance


@contextlib.contextmanager
def _usual_promotion() -> Iterator[None]:
    """Let numpyro mix types and ranks of arrays, which JAX may have been told to refuse."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


@compiled_once
def _at(posterior: Posterior, z: Array) -> tuple[Array, Array]:
    return posterior.cost_and_gradient(z)


@compiled_once
def _begun(posterior: Posterior, z: Array, value: Array, gradient: Array, key: Array, warm_up: int, target: float):
    return _kernel(posterior, warm_up, target)[0](z, value, gradient, key)


@compiled_once
def _advanced(posterior: Posterior, state: Any, count: Array, warm_up: int, target: float):
    """Return the state after some draws, and what each of up to `TOGETHER` of them was."""
    begun, advance = _kernel(posterior, warm_up, target)
    # numpyro's functions learn their settings from the first call of the one; nothing of it is computed
    begun(state.z, state.potential_energy, state.z_grad, state.rng_key)
    size = state.z.shape[0]
    kept = jnp.zeros((TOGETHER, size)), jnp.zeros(TOGETHER, bool), jnp.zeros(TOGETHER, int)

    def one(i, carried):
        state, (z, diverging, steps) = carried
        state = advance(state)
        return state, (z.at[i].set(state.z), diverging.at[i].set(state.diverging), steps.at[i].set(state.num_steps))

    return lax.fori_loop(0, count, one, (state, kept))


def chain(
    posterior: Posterior,
    draws: int,
    warm_up: int,
    seed: tuple[int, int],
    target: float,
    report: Callable[[int], None],
) -> Chain:
    """Return one chain; a task of the engine.

    Args:
        posterior: to draw from.
        draws: kept.
        warm_up: draws before them, in which the steps and the scales of the coordinates are adapted.
        seed: of the sample, and number of the chain.
        target: share of proposals [1] that is accepted; nearer to 1, steps are shorter.
        report: called with the number of draws made so far, warm-up included.

    Returns:
        The chain.

    Raises:
        FitError: where no start can be simulated.
    """
    random = np.random.default_rng(seed)
    with _usual_promotion():
        z, value, gradient = _start(posterior, random)
        key = jax.random.PRNGKey(int(random.integers(2**31)))
        state = _begun(posterior, z, value, gradient, key, warm_up, target)
        parts, done, evaluations = [], 0, 0
        while done < warm_up + draws:
            # the two parts of a chain do not meet in one call, so that every call is of one of them
            count = min(TOGETHER, (warm_up if done < warm_up else warm_up + draws) - done)
            state, found = _advanced(posterior, state, jnp.asarray(count), warm_up, target)
            z, diverging, steps = (np.asarray(part)[:count] for part in found)
            evaluations += int(np.sum(steps))
            if done >= warm_up:
                parts.append((z, diverging, steps))
            done += count
            report(done)
    z, diverging, steps = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Chain(z, diverging, steps, evaluations)


def _start(posterior: Posterior, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return a draw of the Laplace approximation that can be simulated, with its cost and gradient."""
    z = random.standard_normal(posterior.centre.shape[0])
    for _ in range(_TRIES):
        value, gradient = _at(posterior, jnp.asarray(z))
        if np.isfinite(float(value)):
            return jnp.asarray(z), value, gradient
        z = 0.5 * z
    raise FitError("sampling: found no start near the estimates at which every run can be simulated; simulate the "
                   "fitted model and see its status.")  # fmt: skip
