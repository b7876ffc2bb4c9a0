r"""Flux allocation: from the rates that the rate laws wish to the fluxes that the balances allow.

Rate laws give wished rates w for some reactions, the kinetic ones K; the steady state of the inside is exact. Both
together are overdetermined, so the fluxes v are the nearest allowed ones,

    minimise  sum_{i in K} (v_i - w_i)^2 / spread_i    subject to  S_int v = 0,  lower <= v <= upper.

The network's constant part is prepared once: `basis` reactions span the null space of S_int, every other flux is a
fixed combination of theirs, and each kinetic reaction that is not needed in the basis leaves one *surplus
relation* between wished rates. The programme then has as many unknowns as there are kinetic reactions, and as many
equalities as there are surplus relations. Where the kinetic reactions do not determine all fluxes, further
reactions are added to the basis with a reference rate of 0 and a small weight: of all fluxes that serve the rate
laws equally, the one with the least unmeasured flux is returned, and the status says so.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple, cast

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Bool, Float, Int

from graycell.cell import qp
from graycell.cell.network import MetabolicNetwork
from graycell.errors import ModelError


class FluxStatus(enum.IntEnum):
    """How a flux allocation ended. `remedy` is the sentence for the user."""

    solved = 0
    not_unique = 1
    infeasible = 2
    not_converged = 3
    not_finite = 4

    @property
    def remedy(self) -> str:
        return _REMEDIES[self]

    @property
    def usable(self) -> bool:
        return self in (FluxStatus.solved, FluxStatus.not_unique)


_REMEDIES = {
    FluxStatus.solved: "The fluxes are the nearest to the wished rates.",
    FluxStatus.not_unique: "The rate laws do not determine every flux: of the equally good ones, the smallest was "
    "taken. Give a rate law to one of FluxAllocation.reference_reactions to decide.",
    FluxStatus.infeasible: "No flux meets both the bounds and the steady state. Loosen the bounds of the network; "
    "FluxSolution.violation says by how much they are missed.",
    FluxStatus.not_converged: "The active-set search ran out of steps. Check that weights and rates are of "
    "reasonable size.",
    FluxStatus.not_finite: "A wished rate or weight is not finite. Check concentrations and parameters.",
}


class FluxSolution(NamedTuple):
    """Fluxes and how they came about.

    fluxes: (reactions,) [mmol/(10^9 cells)/d].
    conflict: (kinetic,) [1] how far the balances pull each kinetic flux from its rate law,
        (v - w)/sqrt(spread): with relative weights the relative change.
    active: (bounds,) which of `FluxAllocation.bound_names` hold with equality.
    violation: [mmol/(10^9 cells)/d] largest amount by which a bound or balance is missed.
    status: a `FluxStatus`.
    """

    fluxes: Float[Array, " reactions"]
    conflict: Float[Array, " kinetic"]
    active: Bool[Array, " bounds"]
    violation: Float[Array, ""]
    status: Int[Array, ""]


class PublishedWeights(eqx.Module):
    """Weights 1/w^2; a flux with w = 0 is left out (Nolan & Lee 2011; singular where a rate crosses zero)."""

    def spread(self, wished: Float[Array, " kinetic"]) -> Float[Array, " kinetic"]:
        """Return the inverse weight of each kinetic flux [(mmol/(10^9 cells)/d)^2]."""
        square = wished**2
        largest = jnp.max(square) + 1e-300
        return jnp.where(square == 0.0, _LEFT_OUT * largest, jnp.maximum(square, _STIFFEST * largest))


class SoftWeights(eqx.Module):
    """Weights 1/(w^2 + e^2): relative above the rate `softening` e [mmol/(10^9 cells)/d], absolute below it.

    >>> print(SoftWeights(0.05).spread(jnp.array([0.0, 1.0])))
    [0.0025 1.0025]
    """

    softening: float = 0.05

    def spread(self, wished: Float[Array, " kinetic"]) -> Float[Array, " kinetic"]:
        """Return the inverse weight of each kinetic flux [(mmol/(10^9 cells)/d)^2]."""
        return wished**2 + self.softening**2


_LEFT_OUT = 1e12
"""Inverse weight of a flux that is left out, times the largest other: it moves 10^12 times as easily."""
_STIFFEST = 1e-14
"""Least inverse weight, relative to the largest: 7 decades of wished rates, where the roots that the solver works
with still leave half of float64's digits. A rate that is smaller is held to what is wished as if it were this large."""
_REFERENCE_WEIGHT = 1e-6
"""Weight [(mmol/(10^9 cells)/d)^-2] that holds an unmeasured direction to its reference rate of 0: small against
the 1e-1 and more of a kinetic flux, large against rounding."""


class FluxAllocation(eqx.Module):
    """The prepared layer; call it with wished rates.

    Fields:
        kinetic: reactions that have a rate law, in the order of the wished rates.
        basis: reactions whose fluxes span the null space of the inside.
        reference_reactions: reactions without a rate law that had to be added to the basis.
        surplus: kinetic reactions outside the basis; each gives one surplus relation.
        bound_names: reactions of the bounds, in the order of `FluxSolution.active`.
        weights: `SoftWeights` or `PublishedWeights`.

    >>> from graycell.cell.network import MetabolicNetwork, Reaction
    >>> network = MetabolicNetwork.from_reactions([Reaction("v1", "A_ext => A"), Reaction("v2", "A => B_ext")])
    >>> layer = prepare(network, ["v1", "v2"], SoftWeights(0.0))
    >>> print(layer(jnp.array([1.0, 2.0])).fluxes)
    [1.2 1.2]
    """

    kinetic: tuple[str, ...] = eqx.field(static=True)
    basis: tuple[str, ...] = eqx.field(static=True)
    reference_reactions: tuple[str, ...] = eqx.field(static=True)
    surplus: tuple[str, ...] = eqx.field(static=True)
    bound_names: tuple[str, ...] = eqx.field(static=True)
    weights: PublishedWeights | SoftWeights
    warm_map: Float[Array, "reactions unknowns"]
    shifted: tuple[int, ...] = eqx.field(static=True)
    shift_response: Float[Array, "reactions shifted"]
    surplus_index: tuple[int, ...] = eqx.field(static=True)
    lower_index: tuple[int, ...] = eqx.field(static=True)
    upper_index: tuple[int, ...] = eqx.field(static=True)
    bounds: Float[Array, " bounds"]

    def flux_map(self, cold: Float[Array, ""] | float = 0.0) -> Float[Array, "reactions unknowns"]:
        r"""Return the matrix from the unknowns (kinetic rates, then reference rates) to all fluxes [1].

        `cold` in 0..1 weighs the cold stoichiometry. With F(cold) = F + cold Z E^T, where only the columns E
        change, the inverse is a rank-|E| update of the warm one (Woodbury), so nothing is factorised here.
        """
        if not self.shifted:
            return self.warm_map
        shifted = np.array(self.shifted)
        coupling = jnp.eye(len(shifted)) + cold * self.shift_response[shifted]
        return self.warm_map - cold * self.shift_response @ _solve_unrolled(coupling, self.warm_map[shifted])

    def __call__(self, wished: Float[Array, " kinetic"], cold: Float[Array, ""] | float = 0.0) -> FluxSolution:
        """Return the allowed fluxes nearest to `wished` [mmol/(10^9 cells)/d]. Never raises, never NaN."""
        spread = self.weights.spread(wished)
        finite = jnp.all(jnp.isfinite(wished)) & jnp.all(jnp.isfinite(spread)) & jnp.isfinite(cold)
        wished = jnp.where(finite, wished, 0.0)
        spread = jnp.where(finite, spread, 1.0)
        extra = len(self.reference_reactions)
        target = jnp.concatenate([wished, jnp.zeros(extra)])
        spread = jnp.concatenate([spread, jnp.full(extra, 1.0 / _REFERENCE_WEIGHT)])

        flux_map = self.flux_map(jnp.where(finite, cold, 0.0))
        selected = jnp.eye(target.shape[0])[np.array([self.kinetic.index(name) for name in self.surplus], int)]
        rows = jnp.concatenate(
            [
                flux_map[np.array(self.surplus_index, int)] - selected,
                flux_map[np.array(self.lower_index, int)],
                -flux_map[np.array(self.upper_index, int)],
            ]
        )
        offset = jnp.concatenate([jnp.zeros(len(self.surplus)), self.bounds])
        answer = qp.least_distance(target, spread, rows, offset, equalities=len(self.surplus))

        fluxes = flux_map @ answer.point
        count = len(self.kinetic)
        conflict = (answer.point[:count] - wished) / jnp.sqrt(jnp.maximum(spread[:count], 1e-300))
        good = FluxStatus.not_unique if self.reference_reactions else FluxStatus.solved
        status = jnp.select(
            [~finite, answer.status == qp.SOLVED, answer.status == qp.INFEASIBLE],
            [FluxStatus.not_finite, good, FluxStatus.infeasible],
            FluxStatus.not_converged,
        )
        return FluxSolution(fluxes, conflict, answer.active[len(self.surplus) :], answer.violation, status)


def prepare(
    network: MetabolicNetwork, kinetic: Sequence[str], weights: PublishedWeights | SoftWeights | None = None
) -> FluxAllocation:
    """Prepare the flux allocation of a network whose `kinetic` reactions have rate laws.

    Raises `ModelError` where a name is unknown or stands twice, or the inside allows no flux at all.
    """
    for name in kinetic:
        if list(kinetic).count(name) > 1:
            raise ModelError(f"reaction '{name}' has {list(kinetic).count(name)} rate laws; add them up with Sum.")
    kinetic_index = [network.index(name) for name in kinetic]
    inside = ~network.is_external
    warm, cold = network.stoichiometry[inside], network.cold_stoichiometry[inside]
    null_space = scipy.linalg.null_space(warm)
    size = null_space.shape[1]
    if size == 0:
        raise ModelError("the balances of the inside allow no flux; every internal species needs a way in and out.")

    chosen = _independent(null_space, kinetic_index, [])
    others = [j for j in range(len(network.names)) if j not in kinetic_index]
    basis = chosen + _independent(null_space, others, chosen)
    reference = [j for j in basis if j not in kinetic_index]
    unknowns = [*kinetic_index, *reference]
    surplus = [j for j in kinetic_index if j not in basis]

    to_basis = np.linalg.solve(null_space[basis].T, null_space.T).T
    to_basis[np.abs(to_basis) < 1e-13] = 0.0
    select_basis = np.zeros((size, len(unknowns)))
    select_basis[range(size), [unknowns.index(j) for j in basis]] = 1.0

    shifted = [j for j in range(len(network.names)) if np.any(warm[:, j] != cold[:, j])]
    response = np.zeros((len(network.names), len(shifted)))
    if shifted:
        # the full system: balances of the inside, then the basis fluxes; a shift changes columns of the first
        system = np.vstack([warm, np.eye(len(network.names))[basis]])
        change = np.vstack([cold - warm, np.zeros((size, len(network.names)))])[:, shifted]
        response = np.linalg.lstsq(system, change, rcond=None)[0]
    lower = [j for j in range(len(network.names)) if np.isfinite(network.lower[j])]
    upper = [j for j in range(len(network.names)) if np.isfinite(network.upper[j])]
    names = network.names
    return FluxAllocation(
        kinetic=tuple(kinetic),
        basis=tuple(names[j] for j in basis),
        reference_reactions=tuple(names[j] for j in reference),
        surplus=tuple(names[j] for j in surplus),
        bound_names=tuple(names[j] for j in lower + upper),
        weights=SoftWeights() if weights is None else weights,
        warm_map=jnp.asarray(to_basis @ select_basis),
        shifted=tuple(shifted),
        shift_response=jnp.asarray(response),
        surplus_index=tuple(surplus),
        lower_index=tuple(lower),
        upper_index=tuple(upper),
        bounds=jnp.asarray(np.concatenate([network.lower[lower], -network.upper[upper]])),
    )


def _independent(null_space: np.ndarray, candidates: Sequence[int], given: Sequence[int]) -> list[int]:
    """Return the candidates whose null-space rows add to the rank of the given ones, best conditioned first."""
    rows = null_space[list(candidates)]
    if given:
        span = np.linalg.qr(null_space[list(given)].T)[0]
        rows = rows - rows @ span @ span.T
    if not len(rows):
        return []
    triangle, order = cast(tuple[np.ndarray, np.ndarray], scipy.linalg.qr(rows.T, mode="r", pivoting=True))
    rank = int(np.sum(np.abs(np.diag(triangle)) > 1e-10))
    return [candidates[int(j)] for j in order[:rank]]


def _solve_unrolled(matrix: Float[Array, "k k"], right: Float[Array, "k n"]) -> Float[Array, "k n"]:
    """Solve a tiny system by elimination without pivoting, in operations that map over a batch.

    The matrix is the identity plus a shift of a few columns, whose leading minors stay away from zero.
    """
    size = matrix.shape[0]
    for k in range(size):
        pivot_row, pivot_right = matrix[k] / matrix[k, k], right[k] / matrix[k, k]
        factor = matrix[:, k].at[k].set(0.0)
        matrix = (matrix - factor[:, None] * pivot_row[None]).at[k].set(pivot_row)
        right = (right - factor[:, None] * pivot_right[None]).at[k].set(pivot_right)
    return right
