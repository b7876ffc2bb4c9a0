r"""Flux projection: from the rates that the rate laws wish to the fluxes that the balances allow.

Rate laws give kinetic rates w for some reactions, the kinetic ones K; the steady state of the inside is exact. Both
together are overdetermined, so the fluxes v are the nearest allowed ones,

    minimise  sum_{i in K} (v_i - w_i)^2 / spread_i    subject to  S_int v = 0,  lower <= v <= upper.

The network's constant part is prepared once: `basis` reactions span what the kinetic ones determine of the null
space of S_int, and each kinetic reaction that is not needed in the basis leaves one *surplus relation* between
kinetic rates. The programme then has as many unknowns as there are kinetic reactions, and as many equalities as
there are surplus relations.

Awkward cases have a rule and a status. Where the kinetic reactions do not determine all fluxes, the rest are
*unmeasured directions*, orthonormal vectors of the null space in which no kinetic flux changes: along them the
fluxes stay as near as possible to a reference, with the weight `REFERENCE_WEIGHT`, which makes the answer unique and
smooth. Where no flux meets both bounds and steady state, the bounds are loosened by the least sum of squares.

`project_fluxes` is the short way for one call; docs/flux-layer.md is the page about it.

Past 500 lines: how the constant part is prepared decides how a problem is solved, so both are read together.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Bool, Float, Int

from graycell.cell.network import MetabolicNetwork
from graycell.errors import ModelError
from graycell.numerics import dense
from graycell.numerics import programme as qp


class FluxStatus(enum.IntEnum):
    """How a flux projection ended. `remedy` is the sentence for the user."""

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
    FluxStatus.solved: "The fluxes are the nearest to the kinetic rates.",
    FluxStatus.not_unique: "The rate laws do not determine every flux: of the equally good ones, the nearest to the "
    "reference was taken. Give a rate law to one of FluxProjection.undetermined to decide.",
    FluxStatus.infeasible: "No flux meets both the bounds and the steady state. Loosen the bounds of the network; "
    "FluxSolution.bound_slack says which ones carry it, and by how much each has to give.",
    FluxStatus.not_converged: "The active-set search ran out of steps, or the allowed fluxes have no inside where "
    "smoothing needs one. Check that weights and rates are of reasonable size.",
    FluxStatus.not_finite: "A kinetic rate, a weight or a bound is not finite. Check concentrations and parameters.",
}


class FluxSolution(NamedTuple):
    """Fluxes and how they came about.

    fluxes: (reactions,) [mmol/(10^9 cells)/d].
    conflict: (kinetic,) [1] how far the balances pull each kinetic flux from its rate law,
        (v - w)/sqrt(spread): with relative weights the relative change.
    active: (bounds,) which of `FluxProjection.bound_names` hold with equality.
    bound_slack: (bounds,) [mmol/(10^9 cells)/d] by how much each bound had to give; 0 unless the status is infeasible.
    violation: [mmol/(10^9 cells)/d] largest amount by which a bound is missed.
    status: a `FluxStatus`.
    """

    fluxes: Float[Array, " reactions"]
    conflict: Float[Array, " kinetic"]
    active: Bool[Array, " bounds"]
    bound_slack: Float[Array, " bounds"]
    violation: Float[Array, ""]
    status: Int[Array, ""]


class PublishedWeights(eqx.Module):
    """Weights 1/w^2; a flux with w = 0 is left out (Nolan & Lee 2011; singular where a rate crosses zero)."""

    def spread(self, kinetic_rates: Float[Array, " kinetic"]) -> Float[Array, " kinetic"]:
        """Return the inverse weight of each kinetic flux [(mmol/(10^9 cells)/d)^2]."""
        square = kinetic_rates**2
        largest = jnp.max(square) + 1e-300
        return jnp.where(square == 0.0, _LEFT_OUT * largest, jnp.maximum(square, _STIFFEST * largest))


class SoftWeights(eqx.Module):
    """Weights 1/(w^2 + e^2): relative above the rate `softening` e [mmol/(10^9 cells)/d], absolute below it.

    >>> print(SoftWeights(0.05).spread(jnp.array([0.0, 1.0])))
    [0.0025 1.0025]
    """

    softening: float = 0.05

    def spread(self, kinetic_rates: Float[Array, " kinetic"]) -> Float[Array, " kinetic"]:
        """Return the inverse weight of each kinetic flux [(mmol/(10^9 cells)/d)^2]."""
        return kinetic_rates**2 + self.softening**2


_LEFT_OUT = 1e12
"""Inverse weight of a flux that is left out, times the largest other: it moves 10^12 times as easily."""
_STIFFEST = 1e-14
"""Least inverse weight, relative to the largest: 7 decades of kinetic rates, where the roots that the solver works
with still leave half of float64's digits. A rate that is smaller is held to what is kinetic_rates as if it were this large."""
REFERENCE_WEIGHT = 1e-6
"""Weight [(mmol/(10^9 cells)/d)^-2] that holds the unmeasured directions to their reference: small against the 1e-1
and more of a kinetic flux, large against rounding."""
_FEW_RELATIONS = 8
"""Surplus relations up to which the kinetic rates are the unknowns; see `FluxProjection._programme`."""
_NO_BOUND = -1e30
"""Stands for a lower bound of -inf where a bound is given at run time."""
_LOOSENED = 1e-9
"""Part of the largest kinetic rate that counts as slack, and that loosened bounds get on top against rounding."""


class FluxProjection(eqx.Module):
    """The prepared layer; call it with kinetic rates.

    Fields:
        network: names of reactions and of the species inside, bounds.
        kinetic: reactions that have a rate law, in the order of the kinetic rates.
        basis: kinetic reactions that determine the others, and with the unmeasured directions all fluxes.
        surplus: kinetic reactions outside the basis; each gives one surplus relation.
        undetermined: reactions whose fluxes the kinetic ones do not determine.
        directions: (reactions, k) the unmeasured directions, orthonormal.
        bound_names: reactions of the bounds, lower ones first, in the order of `FluxSolution.active`.
        weights: `SoftWeights` or `PublishedWeights`.
        reference: (reactions,) [mmol/(10^9 cells)/d] fluxes that decide along the unmeasured directions.

    >>> from graycell.cell.network import MetabolicNetwork, Reaction
    >>> network = MetabolicNetwork.from_reactions([Reaction("v1", "A_ext => A"), Reaction("v2", "A => B_ext")])
    >>> layer = prepare(network, ["v1", "v2"], SoftWeights(0.0))
    >>> print(layer(jnp.array([1.0, 2.0])).fluxes)
    [1.2 1.2]
    """

    network: MetabolicNetwork = eqx.field(static=True)
    kinetic: tuple[str, ...] = eqx.field(static=True)
    basis: tuple[str, ...] = eqx.field(static=True)
    surplus: tuple[str, ...] = eqx.field(static=True)
    undetermined: tuple[str, ...] = eqx.field(static=True)
    bound_names: tuple[str, ...] = eqx.field(static=True)
    weights: PublishedWeights | SoftWeights
    reference: Float[Array, " reactions"]
    directions: Float[Array, "reactions k"]
    warm_map: Float[Array, "reactions unknowns"]
    shift_response: Float[Array, "reactions shifted"]
    shifted: tuple[int, ...] = eqx.field(static=True)
    balances: tuple[int, ...] = eqx.field(static=True)
    lower_index: tuple[int, ...] = eqx.field(static=True)
    upper_index: tuple[int, ...] = eqx.field(static=True)

    def __repr__(self) -> str:
        return (
            f"FluxProjection({len(self.network.names)} reactions, {len(self.kinetic)} kinetic, "
            f"{len(self.surplus)} surplus relations, {self.directions.shape[1]} unmeasured directions, "
            f"{len(self.bound_names)} bounds)"
        )

    def _content(self) -> tuple:
        leaves, structure = jax.tree.flatten(self)
        arrays = [np.asarray(leaf) + 0.0 for leaf in leaves]  # -0.0 becomes 0.0: equal numbers have equal bytes
        return (structure, *((array.dtype.str, array.shape, array.tobytes()) for array in arrays))

    def __hash__(self) -> int:
        return hash(self._content())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self._content() == other._content() if isinstance(other, FluxProjection) else NotImplemented

    def with_stoichiometry(
        self,
        warm: Float[Array, "species reactions"],
        cold: Float[Array, "species reactions"] | None = None,
    ) -> "FluxProjection":
        """Return the layer with other stoichiometric coefficients, which may be traced and differentiated.

        `warm` and `cold` have the shape of the network's stoichiometry; without `cold`, the cold coefficients keep
        their difference from the warm ones. The new coefficients must leave the balances that were independent
        independent, and only they are held. One system of the size of the network is solved: do it once per set of
        coefficients, not inside an ODE.
        """
        rows = np.array(self.balances, int)
        difference = (self.network.cold_stoichiometry - self.network.stoichiometry)[rows]
        inside = jnp.asarray(warm, float)[rows]
        change = jnp.asarray(difference) if cold is None else jnp.asarray(cold)[rows] - inside
        warm_map, response = _maps(
            inside,
            change[:, np.array(self.shifted, int)],
            self._selected_basis,
            self.directions,
            self.network.stoichiometry[rows],
        )
        unknowns = self._unknown_basis
        return replace(self, warm_map=warm_map @ unknowns, shift_response=response)

    @property
    def _selected_basis(self) -> np.ndarray:
        return np.eye(len(self.network.names))[[self.network.index(name) for name in self.basis]]

    @property
    def _unknown_basis(self) -> np.ndarray:
        """Matrix that picks the basis and the directions out of the unknowns."""
        extra = self.directions.shape[1]
        picked = [self.kinetic.index(name) for name in self.basis]
        return np.eye(len(self.kinetic) + extra)[[*picked, *range(len(self.kinetic), len(self.kinetic) + extra)]]

    def flux_map(self, cold: Float[Array, ""] | float = 0.0) -> qp.Rows:
        r"""Return the map from the unknowns (kinetic rates, then unmeasured directions) to all fluxes [1].

        `cold` in 0..1 weighs the cold stoichiometry. With F(cold) = F + cold Z E^T, where only the columns E
        change, the inverse is a rank-|E| update of the warm one (Woodbury), so nothing is factorised here.
        """
        if not self.shifted:
            return qp.Rows.of(self.warm_map)
        shifted = np.array(self.shifted)
        coupling = jnp.eye(len(shifted), dtype=self.warm_map.dtype) + cold * self.shift_response[shifted]
        return qp.Rows(self.warm_map, -self.shift_response, dense.solve_unrolled(coupling, cold * self.warm_map[shifted]))

    def __call__(
        self,
        kinetic_rates: Float[Array, " kinetic"],
        cold: Float[Array, ""] | float = 0.0,
        *,
        spread: Float[Array, " kinetic"] | None = None,
        lower: Float[Array, " reactions"] | None = None,
        upper: Float[Array, " reactions"] | None = None,
        smoothing: float | Float[Array, ""] = 0.0,
        rest_allowed: bool = False,
    ) -> FluxSolution:
        """Return the allowed fluxes nearest to `kinetic_rates` [mmol/(10^9 cells)/d]. Never raises, never NaN.

        `spread` [(mmol/(10^9 cells)/d)^2] replaces the inverse weights that `weights` gives. `lower` and `upper`
        [mmol/(10^9 cells)/d] replace the values of the bounds that the network has; they may be traced, and a
        reaction without a bound gets none. `smoothing` [1] > 0 rounds off the kinks at the bounds: of every active
        bound the flux keeps a distance of about sqrt(smoothing * spread); see `qp.smooth_distance`. `rest_allowed`: the
        given bounds always allow the cell to rest, lower <= 0 <= upper, so that they cannot contradict each other.
        """
        exact = isinstance(smoothing, float | int) and smoothing == 0.0
        kinetic_rates = jnp.asarray(kinetic_rates)
        given = (None if part is None else jnp.asarray(part) for part in (spread, lower, upper))
        return _allocate(
            self, kinetic_rates, jnp.asarray(cold), *given, None if exact else jnp.asarray(smoothing), rest_allowed
        )

    def _solve(self, kinetic_rates, cold, spread, lower, upper, smoothing, rest_allowed) -> FluxSolution:
        layer = _cast(self, kinetic_rates.dtype)
        spread = self.weights.spread(kinetic_rates) if spread is None else spread
        offset, may_contradict = layer._offset(lower, upper, rest_allowed)
        finite = jnp.all(jnp.isfinite(kinetic_rates)) & jnp.all(jnp.isfinite(spread)) & jnp.isfinite(cold)
        finite = finite & ~jnp.any(jnp.isnan(offset) | (offset == jnp.inf))
        offset = jnp.where(jnp.isfinite(offset), offset, _NO_BOUND)
        kinetic_rates, spread = jnp.where(finite, kinetic_rates, 0.0), jnp.where(finite, spread, 1.0)
        cold = jnp.where(finite, cold, 0.0).astype(kinetic_rates.dtype)
        good = FluxStatus.not_unique if self.undetermined else FluxStatus.solved
        if not (self.surplus or self.bound_names):  # nothing contradicts the kinetic rates
            target = jnp.concatenate([kinetic_rates, layer.reference @ layer.directions])
            fluxes, none = layer.flux_map(cold).times(target), jnp.zeros_like(offset)
            status = jnp.where(finite, good, FluxStatus.not_finite)
            return FluxSolution(
                fluxes, jnp.zeros_like(kinetic_rates), none > 0.0, none, jnp.zeros((), kinetic_rates.dtype), status
            )
        programme = layer._programme(kinetic_rates, spread, layer.flux_map(cold), offset)
        answer = programme.solve()
        bound_slack, infeasible = jnp.zeros_like(offset), answer.status == qp.INFEASIBLE
        if may_contradict:
            answer, bound_slack = programme.relaxed(answer)
        point, status = answer.point, answer.status
        if smoothing is not None:
            point, converged = programme.smooth(point, bound_slack, smoothing)
            status = jnp.where((status == qp.SOLVED) & ~converged, qp.NOT_CONVERGED, status)

        fluxes = programme.to_fluxes.times(point)
        kinetic = fluxes[np.array([self.network.index(name) for name in self.kinetic], int)]
        missed = jax.lax.stop_gradient(offset - programme.rows.times(point)[programme.equalities :])
        status = jnp.select(
            [~finite, infeasible, status == qp.SOLVED],
            [FluxStatus.not_finite, FluxStatus.infeasible, good],
            FluxStatus.not_converged,
        )
        return FluxSolution(
            fluxes,
            (kinetic - kinetic_rates) / jnp.sqrt(jnp.maximum(spread, 1e-30)),
            answer.active[programme.equalities :],
            bound_slack,
            jnp.max(missed, initial=0.0),
            status,
        )

    def _offset(self, lower, upper, rest_allowed) -> tuple[Array, bool]:
        """Return the right side of the bounds, and whether they may leave no flux at all."""
        given = (lower is not None or upper is not None) and not rest_allowed
        lower = self.network.lower if lower is None else lower
        upper = self.network.upper if upper is None else upper
        dtype = self.warm_map.dtype
        parts = (jnp.asarray(lower, dtype)[np.array(self.lower_index, int)],)
        parts += (-jnp.asarray(upper, dtype)[np.array(self.upper_index, int)],)
        still = bool(np.all(self.network.lower <= 0.0) and np.all(self.network.upper >= 0.0))  # no flux is a flux
        return jnp.concatenate(parts), given or not still

    def _programme(self, kinetic_rates, spread, flux_map: qp.Rows, offset) -> "_Programme":
        """Return the least-distance programme of kinetic rates.

        With few surplus relations its unknowns are the kinetic rates, and the relations are equalities: little is
        to be eliminated. With many, its unknowns are as many as the null space has dimensions, made orthonormal
        in the weighted kinetic rates.
        """
        extra, dtype = self.directions.shape[1], kinetic_rates.dtype
        target = jnp.concatenate([kinetic_rates, self.reference @ self.directions])
        spread = jnp.concatenate([spread, jnp.full(extra, 1.0 / REFERENCE_WEIGHT, dtype)])
        sign = np.repeat([1.0, -1.0], [len(self.lower_index), len(self.upper_index)])[:, None]
        bounds = flux_map.take([*self.lower_index, *self.upper_index])
        bounds = qp.Rows(jnp.asarray(sign, dtype) * bounds.base, jnp.asarray(sign, dtype) * bounds.left, bounds.right)
        picked = [*(self.kinetic.index(name) for name in self.basis), *range(len(self.kinetic), target.shape[0])]
        in_basis, count = np.array(picked, int), len(self.surplus)
        if count <= _FEW_RELATIONS:
            relations = flux_map.take([self.network.index(name) for name in self.surplus])
            selected = np.zeros((count, target.shape[0]))
            selected[range(count), [self.kinetic.index(name) for name in self.surplus]] = 1.0
            rows = qp.Rows(
                jnp.concatenate([relations.base - jnp.asarray(selected, dtype), bounds.base]),
                jnp.concatenate([relations.left, bounds.left]),
                flux_map.right,
            )
            offset = jnp.concatenate([jnp.zeros(count, dtype), offset])
            return _Programme(target, spread, rows, offset, count, flux_map, in_basis)
        whole = flux_map.matrix[:, in_basis]
        kinetic = whole[np.array([self.network.index(name) for name in self.kinetic], int)]
        measured = jnp.concatenate([kinetic, jnp.eye(len(picked), dtype=dtype)[len(self.basis) :]])
        root = jnp.sqrt(jnp.maximum(spread, _STIFFEST * jnp.max(spread)))
        columns, into = dense.orthonormal(measured / root[:, None])
        return _Programme(
            (target / root) @ columns,
            jnp.ones(len(picked), dtype),
            qp.Rows.of(bounds.matrix[:, in_basis] @ into),
            offset,
            0,
            qp.Rows.of(whole @ into),
            np.arange(len(picked)),
        )

    def explain(self, solution: FluxSolution) -> str:
        """Return a sentence about a solution: its status and remedy, and the bounds that carry an infeasibility."""
        status = FluxStatus(int(solution.status))
        sentence = f"{status.name}: {status.remedy}"
        bound_slack = np.asarray(solution.bound_slack)
        carried = [
            f"{name} {'>=' if i < len(self.lower_index) else '<='} its bound, by {bound_slack[i]:.3g}"
            for i, name in enumerate(self.bound_names)
            if bound_slack[i] > 1e-6 * max(float(np.max(bound_slack)), 1e-30)
        ]
        return f"{sentence} Loosened: {'; '.join(carried)}." if status is FluxStatus.infeasible else sentence


@eqx.filter_jit
def _allocate(layer: FluxProjection, *given) -> FluxSolution:
    """Compile one call, so that calls outside of compiled code do not trace anew."""
    return layer._solve(*given)


class _Programme(NamedTuple):
    """The least-distance programme of one projection.

    The first five as in `qp.least_distance`; to_fluxes: from the unknowns to all fluxes; free: unknowns that fix the
    others by the equalities.
    """

    target: Array
    spread: Array
    rows: qp.Rows
    offset: Array
    equalities: int
    to_fluxes: qp.Rows
    free: np.ndarray

    def solve(self) -> qp.LeastDistance:
        return qp.least_distance(*self[:5], multipliers=False)

    def relaxed(self, answer: qp.LeastDistance) -> tuple[qp.LeastDistance, Array]:
        """Where bounds and balances contradict each other, loosen the bounds; return the solution and by how much.

        Problems without a contradiction go through as trivial ones, which cost a test each.
        """
        stuck = answer.status == qp.INFEASIBLE
        scale = 1e-3 + jnp.max(jnp.abs(self.target))
        bounds = self.rows.take(range(self.equalities, self.offset.shape[0]))
        asked = self.offset[self.equalities :]
        # a bound that is far from everything asks for nothing; its value would only cost digits
        size = jnp.max(jnp.where(asked > 0.5 * _NO_BOUND, jnp.abs(asked), 0.0)) + scale
        asked = jnp.where(stuck, jnp.maximum(asked, -1e3 * size), 0.0)
        bound_slack = qp.least_slack(bounds.matrix[:, self.free], asked)
        relaxed = self.offset.at[self.equalities :].add(-bound_slack - _LOOSENED * scale)
        trivial = self._replace(target=jnp.where(stuck, self.target, 0.0), offset=jnp.where(stuck, relaxed, 0.0))
        again = trivial.solve()
        pick = lambda new, old: None if new is None else jnp.where(stuck, new, old)  # noqa: E731
        return jax.tree.map(pick, again, answer), bound_slack

    def smooth(self, point, bound_slack, smoothing):
        offset = self.offset.at[self.equalities :].add(-bound_slack)
        return qp.smooth_distance(point, self.target, self.spread, self.rows, offset, self.equalities, smoothing)


def _cast(layer: FluxProjection, dtype) -> FluxProjection:
    """Return the layer in another precision; nothing happens in the usual one."""
    if layer.warm_map.dtype == dtype:
        return layer
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, layer)


def prepare(
    network: MetabolicNetwork,
    kinetic: Sequence[str],
    weights: PublishedWeights | SoftWeights | None = None,
    reference: Mapping[str, float] | None = None,
) -> FluxProjection:
    """Prepare the flux projection of a network whose `kinetic` reactions have rate laws.

    `reference` [mmol/(10^9 cells)/d] are the fluxes, by name and 0 where not named, that decide where the kinetic
    reactions do not. Raises `ModelError` where a name is unknown or stands twice, or the inside allows no flux.
    """
    for name in kinetic:
        if list(kinetic).count(name) > 1:
            raise ModelError(f"reaction '{name}' has {list(kinetic).count(name)} rate laws; add them up with Sum.")
    kinetic_index = [network.index(name) for name in kinetic]
    names, inside = network.names, ~network.is_external
    balances = np.flatnonzero(inside)
    warm = network.stoichiometry[balances]
    balances = balances[_independent(warm, range(len(balances)))]
    warm, cold = network.stoichiometry[balances], network.cold_stoichiometry[balances]
    null_space = scipy.linalg.null_space(warm)
    if null_space.shape[1] == 0:
        raise ModelError("the balances of the inside allow no flux; every internal species needs a way in and out.")

    basis = [kinetic_index[j] for j in _independent(null_space[kinetic_index], range(len(kinetic_index)))]
    surplus = [j for j in kinetic_index if j not in basis]
    # what the kinetic fluxes leave open: the part of the null space in which none of them changes
    directions = null_space @ scipy.linalg.null_space(null_space[basis]) if basis else null_space
    directions[np.abs(directions) < 1e-13] = 0.0
    undetermined = [name for name, row in zip(names, directions, strict=True) if np.any(row != 0.0)]

    shifted = [j for j in range(len(names)) if np.any(warm[:, j] != cold[:, j])]
    selected = np.eye(len(names))[basis]
    basis_map, response = _maps(warm, (cold - warm)[:, shifted], selected, directions, warm)
    basis_map[np.abs(basis_map) < 1e-13] = 0.0
    lower = [j for j in range(len(names)) if np.isfinite(network.lower[j])]
    upper = [j for j in range(len(names)) if np.isfinite(network.upper[j])]
    start = np.zeros(len(names))
    for name, value in (reference or {}).items():
        start[network.index(name)] = value
    layer = FluxProjection(
        network=network,
        kinetic=tuple(kinetic),
        basis=tuple(names[j] for j in basis),
        surplus=tuple(names[j] for j in surplus),
        undetermined=tuple(undetermined),
        bound_names=tuple(names[j] for j in lower + upper),
        weights=SoftWeights() if weights is None else weights,
        reference=jnp.asarray(start),
        directions=jnp.asarray(directions),
        warm_map=jnp.asarray(basis_map),
        shift_response=jnp.asarray(response),
        shifted=tuple(shifted),
        balances=tuple(int(j) for j in balances),
        lower_index=tuple(lower),
        upper_index=tuple(upper),
    )
    return replace(layer, warm_map=layer.warm_map @ layer._unknown_basis)


def project_fluxes(
    network: MetabolicNetwork,
    kinetic_rates: Mapping[str, Float[Array, ""] | float],
    weights: Mapping[str, Float[Array, ""] | float] | PublishedWeights | SoftWeights | None = None,
    *,
    lower: Float[Array, " reactions"] | None = None,
    upper: Float[Array, " reactions"] | None = None,
    stoichiometry: Float[Array, "species reactions"] | None = None,
    reference: Mapping[str, float] | None = None,
    smoothing: float | Float[Array, ""] = 0.0,
) -> FluxSolution:
    """Return the fluxes of a network that are nearest to kinetic rates, by the name of the reaction.

    The shortest way to the layer: the network is prepared at the first call and kept. Rates, weights, bounds and
    stoichiometry may be traced: differentiate with `jax.grad`, solve many with `jax.vmap`. Any consistent unit of
    rate will do.

    `weights` are 1/rate^2, by name (0 leaves a reaction out, inf holds it), or a rule such as `SoftWeights`, the
    default. `lower`, `upper`: see `FluxProjection.__call__`; `stoichiometry`: see
    `FluxProjection.with_stoichiometry`; `reference` are plain numbers.
    Raises `ModelError` where a name is unknown; trouble with numbers is `FluxSolution.status`.

    >>> from graycell.cell.network import MetabolicNetwork, Reaction
    >>> network = MetabolicNetwork.from_reactions([Reaction("in", "A_ext => A"), Reaction("out", "A => B_ext")])
    >>> print(project_fluxes(network, {"in": 1.0, "out": 2.0}, {"in": 1.0, "out": 3.0}).fluxes)
    [1.75 1.75]
    """
    kinetic = tuple(kinetic_rates)
    rule = weights if isinstance(weights, PublishedWeights | SoftWeights) else None
    layer = _prepared(network, kinetic, tuple(sorted((reference or {}).items())))
    layer = layer if rule is None else replace(layer, weights=rule)
    if stoichiometry is not None:
        layer = layer.with_stoichiometry(stoichiometry)
    rates, spread = jnp.stack([jnp.asarray(kinetic_rates[name], float) for name in kinetic]), None
    if weights is not None and rule is None:
        by_name = cast(Mapping, weights)
        unknown = [name for name in by_name if name not in kinetic]
        missing = [name for name in kinetic if name not in by_name]
        if unknown or missing:
            raise ModelError(
                f"weights: '{(unknown or missing)[0]}' has {'no kinetic rate' if unknown else 'no weight'}; give every "
                "kinetic rate one weight."
            )
        weight = jnp.stack([jnp.asarray(by_name[name], float) for name in kinetic])
        free = weight <= 0.0
        stiff = 1.0 / jnp.where(free, 1.0, weight)
        spread = jnp.where(free, _LEFT_OUT * jnp.max(jnp.where(free, 0.0, stiff), initial=1e-300), stiff)
    return layer(rates, lower=lower, upper=upper, spread=spread, smoothing=smoothing)


@lru_cache(maxsize=32)
def _prepared(network: MetabolicNetwork, kinetic: tuple[str, ...], reference: tuple) -> FluxProjection:
    with jax.ensure_compile_time_eval():  # what is kept is no part of the caller's trace
        return prepare(network, kinetic, reference=dict(reference))


def _maps(warm, change, selected, directions, usual: np.ndarray):
    """Return the map from basis and directions to all fluxes, and the response to a change of columns.

    In the array types of `warm` and `change`: numpy, or traced coefficients, which are near the `usual` ones.
    """
    rank, reactions = warm.shape
    fixed = np.concatenate([selected, np.asarray(directions).T])
    below = np.zeros((reactions - rank, change.shape[1]))
    unit = np.eye(reactions)[:, rank:]
    if isinstance(warm, np.ndarray):
        solution = np.linalg.solve(np.concatenate([warm, fixed]), np.hstack([unit, np.vstack([change, below])]))
        return solution[:, : reactions - rank], solution[:, reactions - rank :]
    system = jnp.concatenate([warm, fixed])
    # multiplied by the inverse at the `usual` coefficients, the system is near the identity and needs no pivoting
    near = jnp.asarray(np.linalg.inv(np.concatenate([usual, fixed])))
    right = jnp.concatenate([unit, jnp.concatenate([change, below])], axis=1)
    solution = jax.lax.custom_linear_solve(
        lambda x: system @ x,
        right,
        lambda _, b: dense.solve_dense(near @ system, near @ b),
        lambda _, b: near.T @ dense.solve_dense((near @ system).T, b),
    )
    return solution[:, : reactions - rank], solution[:, reactions - rank :]


def _independent(rows: np.ndarray, candidates: Sequence[int]) -> list[int]:
    """Return the candidates whose rows are independent, best conditioned first."""
    rows = rows[list(candidates)]
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
    a = [[matrix[i, j] for j in range(size)] for i in range(size)]
    b = [right[i] for i in range(size)]
    for k in range(size):
        pivot = [a[k][j] / a[k][k] for j in range(size)]
        scaled = b[k] / a[k][k]
        others = [i for i in range(size) if i != k]
        for i in others:
            factor = a[i][k]
            a[i] = [a[i][j] - factor * pivot[j] for j in range(size)]
            b[i] = b[i] - factor * scaled
        a[k], b[k] = pivot, scaled
    return jnp.stack(b)
