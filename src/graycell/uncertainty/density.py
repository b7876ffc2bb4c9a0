"""The posterior density of a fit, in coordinates in which it is nearly a normal distribution; sampling starts there.

Half the sum of squared residuals of a fit is minus the logarithm of the density of its parameters on their own scales:
residuals of measurements, priors, random effects of runs. A sampler needs unbounded coordinates. The logit of a fit
bends the whole range between two bounds, and with it every ridge of the density; `_within` is a line but for the
neighbourhood of the bounds, which bend the density anyway. The logarithm of its derivative is a sum of squares too, so
that the methods of a fit find the mode and the curvature of the whole.
"""

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from graycell.engine import current_engine
from graycell.errors import FitError
from graycell.inference.least_squares import Linearisation, Point, step
from graycell.inference.likelihood import WHOLE, Objective, robust_linearisation
from graycell.inference.refound import Refound
from graycell.simulation.solve import Loop

_SHARPNESS = 40.0
"""[1] Inverse of the part of the range between two bounds in which a coordinate bends."""
_ITERATIONS, _PATIENCE, _LEAST_GAIN = 40, 3, 1e-6
"""Of the search for the mode, from the estimates of a fit: they are near, the bounds alone count more."""
_ROUNDS, _PAIRS, _KEPT, _MOST = 10, 8, 0.5, 10.0
"""Of the search for the nearest normal distribution: rounds, pairs of points in each, the share [1] of the last
curvature that is kept, and the most [1] that the curvature at one point may be of it, because a point on a cliff of the
density would else outweigh all others."""


class Posterior(eqx.Module):
    """A posterior density in coordinates z that make it nearly a standard normal distribution.

    Attributes:
        objective: of the fit.
        loop: how far its loops are open.
        centre: (n,) of the nearest normal distribution, in unbounded coordinates y.
        factor: (n, n) y = centre + factor z.
    """

    objective: Objective
    loop: Loop
    centre: Float[Array, " n"]
    factor: Float[Array, "n n"]

    def unbounded(self, z: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return unbounded coordinates.

        Args:
            z: (n,) [1].

        Returns:
            (n,) parameters on their own scales, bent at their bounds; effects, means and weights as they are.
        """
        return self.centre + jnp.sum(self.factor * z[None, :], axis=1)

    def cost_and_gradient(self, z: Float[Array, " n"]) -> tuple[Array, Float[Array, " n"]]:
        """Return minus the logarithm of the density, up to a constant, and its gradient.

        Args:
            z: (n,) [1].

        Returns:
            The value, infinite where a run cannot be simulated, and (n,); a derivative that a law has not is 0, which
            costs a sampler time and not correctness.
        """
        value, gradient = cost_and_gradient(self.objective, self.unbounded(z), self.loop)
        gradient = jnp.sum(self.factor * gradient[:, None], axis=0)
        known = jnp.isfinite(value)
        return jnp.where(known, value, jnp.inf), jnp.where(known & jnp.isfinite(gradient), gradient, 0.0)


class _Within(NamedTuple):
    """Parameters between their bounds at unbounded coordinates y.

    Attributes:
        x: (p,) coordinates of the fit.
        slope: (p,) dx/dy.
        cost: (p,) -log of the derivative of the parameters on their own scales by y.
        cost_slope: (p,) its derivative by y.
    """

    x: Array
    slope: Array
    cost: Array
    cost_slope: Array


def _within(objective: Objective, y: Float[Array, " p"]) -> _Within:
    """Return the parameters at unbounded coordinates: a line between the bounds, and bent within a 40th of the range.

    The place is (softplus(k u) - softplus(k (u - 1)))/k, where u is the place of y; as place and 1 - place have
    logarithms that are exact near either bound, so has the logit.
    """
    lower, width = objective.coordinates.lower, objective.coordinates.upper - objective.coordinates.lower
    k, u = _SHARPNESS, (y - lower) / width
    place = _softplus_between(k * u)
    other = _softplus_between(k * (1.0 - u))  # 1 - place: the curve is symmetric
    rate = jax.nn.sigmoid(k * u) * jax.nn.sigmoid(k * (1.0 - u)) * -jnp.expm1(-k)
    cost = jax.nn.softplus(-k * u) + jax.nn.softplus(-k * (1.0 - u))
    cost_slope = (jax.nn.sigmoid(-k * (1.0 - u)) - jax.nn.sigmoid(-k * u)) * k / width
    return _Within(jnp.log(place) - jnp.log(other), rate / (place * other * width), cost, cost_slope)


def _softplus_between(a: Array) -> Array:
    """Return (softplus(a) - softplus(a - k))/k without cancellation."""
    # log((1 + e^a)/(1 + e^(a - k))) = log1p((e^a - e^(a - k))/(1 + e^(a - k)))
    share = -jnp.expm1(-_SHARPNESS)
    near = jnp.log1p(jnp.exp(jnp.minimum(a, _LARGE)) * share / (1.0 + jnp.exp(jnp.minimum(a, _LARGE) - _SHARPNESS)))
    return jnp.maximum(near, _TINY) / _SHARPNESS


_LARGE, _TINY = 600.0, 1e-280
"""Ends of what floats hold: a coordinate so far outside is at its bound."""


def cost_and_gradient(objective: Objective, y: Float[Array, " n"], loop: Loop) -> tuple[Array, Float[Array, " n"]]:
    """Return minus the logarithm of the posterior density in unbounded coordinates, up to a constant; pure.

    The gradient is that of forward sensitivities, which compile sooner than the reverse and are as fast for as many
    unknowns as are sampled; each run has those by its own coordinates alone.

    Args:
        objective: of a fit.
        y: (n,) unbounded coordinates.
        loop: how far the loops are open.

    Returns:
        Value and gradient (n,), NaN where a run cannot be simulated.
    """
    runs, count, p = objective.run_count, objective.measured_count, len(objective.names)
    own = jnp.asarray(np.stack([objective.coordinates_of_run(i, 0) for i in range(runs)]))
    if objective.groups.size:  # which group a run is in may be traced
        first, (_, each) = objective.first_of_groups, objective.groups.shape
        there = (own >= first) & (own < first + each)
        own = own + jnp.where(there, each * jnp.argmax(objective.groups.membership, axis=1)[:, None], 0)
    within = _within(objective, y[:p])
    x = jnp.concatenate([within.x, y[p:]])

    def of_run(run):
        packed, initial, where = run
        alone = jax.tree.map(lambda leaf: leaf[None], (packed, initial))
        alone = replace(objective, packed=alone[0], initial=alone[1], groups=objective.groups.of_one_run())

        def twice(here):
            misfit = alone.residuals(here, loop, jnp.asarray(WHOLE))[:count]
            cost = 0.5 * jnp.sum(misfit**2)
            return cost, cost

        gradient, cost = jax.jacfwd(twice, has_aux=True)(x[where])
        return cost, jnp.zeros_like(x).at[where].add(gradient)

    costs, gradients = lax.map(of_run, (objective.packed, objective.initial, own))
    prior, slope = jax.value_and_grad(lambda x: _prior_cost(objective, x))(x)
    gradient = jnp.sum(gradients, axis=0) + slope
    inner = gradient[:p] * within.slope + within.cost_slope
    return jnp.sum(costs) + prior + jnp.sum(within.cost), jnp.concatenate([inner, gradient[p:]])


def _prior_cost(objective: Objective, x: Array) -> Array:
    """Return half the sum of squares of the residuals of priors."""
    measured = objective.packed.measured
    nothing = jnp.zeros((*measured.shape[:2], 1), bool)
    priors = objective.misfits(x, jnp.zeros_like(measured), nothing)[objective.run_count * objective.measured_count :]
    return 0.5 * jnp.sum(priors**2)


def fit_coordinates(objective: Objective, y: Float[np.ndarray, "*draws n"]) -> Float[np.ndarray, "*draws n"]:
    """Return the coordinates of the fit at unbounded coordinates.

    Args:
        objective: of the fit.
        y: (..., n).

    Returns:
        (..., n)
    """
    p = len(objective.names)
    flat = jnp.asarray(y[..., :p].reshape(-1, p))
    x = np.asarray(jax.vmap(lambda row: _within(objective, row).x)(flat))
    return np.concatenate([x.reshape(y[..., :p].shape), y[..., p:]], axis=-1)


def linearised(problem: Refound, y: Float[np.ndarray, " n"]) -> Linearisation:
    """Return the residuals of a posterior and their Jacobian: those of the fit, then one for the bounds of a parameter.

    Args:
        problem: of a fit.
        y: (n,) unbounded coordinates.

    Returns:
        Residuals, whose halved squares add up to minus the logarithm of the density, and their Jacobian.
    """
    objective, p = problem.objective, len(problem.objective.names)
    within = [np.asarray(part) for part in _within(objective, jnp.asarray(y[:p]))]
    x, slope, cost, cost_slope = within
    value, jacobian = robust_linearisation(objective, np.r_[x, y[p:]], problem.loop)
    jacobian = jacobian * np.r_[slope, np.ones(len(y) - p)]
    root = np.sqrt(2.0 * np.maximum(cost, _TINY))
    rows = np.zeros((p, len(y)))
    rows[np.arange(p), np.arange(p)] = cost_slope / root
    return Linearisation(np.r_[value, root], np.vstack([jacobian, rows]))


def posterior_of(problem: Refound) -> Posterior:
    """Return the posterior of a fit, in coordinates of the normal distribution that is nearest to it.

    Args:
        problem: of the fit.

    Returns:
        The posterior.

    Raises:
        FitError: where the model cannot be simulated at its estimates.
    """
    objective, p = problem.objective, len(problem.objective.names)
    scaled = np.asarray(objective.coordinates.scaled(jnp.asarray(problem.x[:p])))
    point = Point(np.r_[scaled, problem.x[p:]])
    at = linearised(problem, point.x)
    if not np.all(np.isfinite(at.residuals)):
        raise FitError("the model cannot be simulated at its estimates, so nothing can be sampled around them; "
                       "simulate it and see its status, or fit it from other values.")  # fmt: skip
    while np.isfinite(at.cost) and point.iteration < _ITERATIONS and point.stalled < _PATIENCE:
        point, at = step(point, at, lambda y: linearised(problem, y), _LEAST_GAIN)
    # at the mode the bounds have no curvature; a parameter that nothing else determines is uniform between them
    width = np.asarray(objective.coordinates.upper - objective.coordinates.lower)
    known = np.nan_to_num(np.where(np.all(np.isfinite(at.jacobian), axis=0)[None, :], at.jacobian, 0.0))
    centre, precision = point.x, known.T @ known + np.diag(np.r_[12.0 / width**2, np.zeros(len(point.x) - p)])
    random = np.random.default_rng(0)
    for _ in range(_ROUNDS):
        centre, precision = _nearer(problem, centre, precision, random)
    return Posterior(objective, problem.loop, jnp.asarray(centre), jnp.asarray(_root(precision)))


def _nearer(
    problem: Refound, centre: np.ndarray, precision: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and precision of the normal distribution that is nearer to the posterior than a given one.

    The curvature at the mode says little of a density whose ridges bend. Its average over the distribution itself is
    that of the nearest normal distribution, and the mean of the gradient says where its centre is: M. Opper and
    C. Archambeau, "The variational Gaussian approximation revisited", Neural Comput. 21 (2009) 786-792.
    """
    root = _root(precision)
    half = random.standard_normal((_PAIRS, len(centre)))
    found = current_engine().here.map(lambda z: linearised(problem, centre + root @ z), [(z,) for z in (*half, *-half)])
    curvature, gradient, count = np.zeros_like(precision), np.zeros_like(centre), 0
    for at in found:
        if not np.isfinite(at.cost):
            continue
        seen = at.jacobian @ root
        _, size, directions = np.linalg.svd(seen, full_matrices=False)
        curvature += (directions.T * np.minimum(size**2, _MOST)) @ directions
        gradient += np.clip(seen.T @ at.residuals, -_MOST, _MOST)
        count += 1
    if not count:
        return centre, precision * _MOST  # too wide by far
    inner = _KEPT * np.eye(len(centre)) + (1.0 - _KEPT) * curvature / count
    back = np.linalg.inv(root)
    moved = centre - (1.0 - _KEPT) * root @ np.linalg.solve(inner, gradient / count)
    return moved, back.T @ inner @ back


def _root(precision: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Return a root of the inverse of a precision, along its principal directions."""
    size, directions = np.linalg.eigh(0.5 * (precision + precision.T))
    return directions / np.sqrt(np.maximum(size, 1e-12 * np.max(size)))[None, :]
