"""The prepared flux projection: a layer that is called with kinetic rates. `graycell.cell.flux` explains the method."""

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from graycell.cell.network import MetabolicNetwork
from graycell.cell.solution import FluxSolution, FluxStatus
from graycell.cell.weights import LEAST_VARIANCE, PublishedWeights, SoftWeights
from graycell.errors import ModelError
from graycell.numerics import programme as qp
from graycell.numerics.dense import orthonormal, rank, solve_dense, solve_unrolled

_REFERENCE_WHERE_SMOOTH = 1e-6
"""Weight of the reference beside a barrier, as a part of the smallest weight of a kinetic rate."""
_FEW_RELATIONS = 8
"""Surplus relations up to which the kinetic rates are the unknowns; see `FluxProjection._programme`."""
_NO_BOUND = -1e30
"""Value of a lower bound of -inf that is given at run time."""
_SLACK_MARGIN = 1e-9
"""Part of the largest bound that excludes a flux of 0, which relaxed bounds get on top of their slack, against
rounding."""


class FluxProjection(eqx.Module):
    """The prepared layer; `graycell.cell.flux.prepare` makes it. Layers with equal content are equal.

    Attributes:
        network: Names of reactions and of the internal species, bounds.
        kinetic: Reactions that have a rate law, in the order of the kinetic rates.
        basis: Kinetic reactions that determine the others, and with the undetermined directions all fluxes.
        surplus: Kinetic reactions outside the basis; each gives one surplus relation.
        undetermined: Reactions whose fluxes the kinetic ones do not determine.
        bound_names: Reactions of the bounds, lower ones first, in the order of `FluxSolution.active`.
        weights: Rule of the weights.
        reference: Fluxes [mmol/(10^9 cells)/d] that decide along the undetermined directions.
        directions: The undetermined directions, orthonormal [1].
        unshifted_map: Map from kinetic rates and directions to all fluxes before a temperature shift [1].
        shift_response: Change of the fluxes with each shifted column [1].
        shifted_columns: Reactions whose stoichiometry the temperature shift changes.
        balances: Rows of the network that are independent balances.
        lower_index: Reactions with a lower bound.
        upper_index: Reactions with an upper bound.

    >>> from graycell.cell.flux import prepare
    >>> network = MetabolicNetwork.from_reactions({"v1": "A_ext => A", "v2": "A => B_ext"})
    >>> print(prepare(network, ["v1", "v2"], SoftWeights(0.0))(jnp.array([1.0, 2.0])).fluxes)
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
    unshifted_map: Float[Array, "reactions unknowns"]
    shift_response: Float[Array, "reactions shifted"]
    shifted_columns: tuple[int, ...] = eqx.field(static=True)
    balances: tuple[int, ...] = eqx.field(static=True)
    lower_index: tuple[int, ...] = eqx.field(static=True)
    upper_index: tuple[int, ...] = eqx.field(static=True)

    def __repr__(self) -> str:
        return (
            f"FluxProjection({len(self.network.names)} reactions, {len(self.kinetic)} kinetic, "
            f"{len(self.surplus)} surplus relations, {self.directions.shape[1]} undetermined directions, "
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
        stoichiometry: Float[Array | np.ndarray, "species reactions"],
        shifted: Float[Array | np.ndarray, "species reactions"] | None = None,
    ) -> "FluxProjection":
        """Replace the stoichiometric coefficients; they may be traced and differentiated.

        Only the balances that were independent are held, and with the new coefficients they must still be
        independent. One system of the size of the network is solved: do it once per set of coefficients, not inside
        an ODE.

        Args:
            stoichiometry: Coefficients before a temperature shift [1], in the shape of those of the network.
            shifted: Coefficients after it [1]; by default their difference from `stoichiometry` is that of the network.

        Returns:
            The projection with these coefficients.
        """
        rows = np.array(self.balances, int)
        difference = (self.network.shifted_stoichiometry - self.network.stoichiometry)[rows]
        inside = jnp.asarray(stoichiometry, float)[rows]
        change = jnp.asarray(difference) if shifted is None else jnp.asarray(shifted)[rows] - inside
        selected = np.eye(len(self.network.names))[[self.network.index(name) for name in self.basis]]
        unshifted_map, response = basis_map(
            inside,
            change[:, np.array(self.shifted_columns, int)],
            selected,
            self.directions,
            self.network.stoichiometry[rows],
        )
        return replace(self, unshifted_map=unshifted_map @ self.selection_of_unknowns, shift_response=response)

    @property
    def selection_of_unknowns(self) -> Float[np.ndarray, "basis_and_directions unknowns"]:
        """Matrix that selects basis and directions from the unknowns, which are kinetic rates, then directions."""
        extra = self.directions.shape[1]
        picked = [self.kinetic.index(name) for name in self.basis]
        return np.eye(len(self.kinetic) + extra)[[*picked, *range(len(self.kinetic), len(self.kinetic) + extra)]]

    def flux_map(self, shift: Float[Array, ""] | float = 0.0) -> qp.Rows:
        r"""Compute the map from the unknowns (kinetic rates, then undetermined directions) to all fluxes.

        With F(shift) = F + shift Z E^T, where only the columns E change, the inverse is a rank-|E| update of the
        unshifted one (Woodbury), so nothing is factorised here.

        Args:
            shift: Weight of the shifted stoichiometry, 0 before and 1 after a temperature shift [1].

        Returns:
            The map [1].
        """
        if not self.shifted_columns:
            return qp.Rows.of(self.unshifted_map)
        columns = np.array(self.shifted_columns)
        coupling = jnp.eye(len(columns), dtype=self.unshifted_map.dtype) + shift * self.shift_response[columns]
        right = solve_unrolled(coupling, shift * self.unshifted_map[columns])
        return qp.Rows(self.unshifted_map, -self.shift_response, right)

    def __call__(
        self,
        kinetic_rates: Float[Array | np.ndarray, " kinetic"],
        shift: Float[Array, ""] | float = 0.0,
        *,
        variance: Float[Array | np.ndarray, " kinetic"] | None = None,
        lower: Float[Array | np.ndarray, " reactions"] | None = None,
        upper: Float[Array | np.ndarray, " reactions"] | None = None,
        smoothing: float | Float[Array, ""] = 0.0,
        rest_allowed: bool = False,
        may_leave_out: bool = False,
    ) -> FluxSolution:
        """Find the allowed fluxes nearest to kinetic rates; of these, the nearest to the reference.

        No number raises, and the result is finite.

        Args:
            kinetic_rates: Kinetic rates w [mmol/(10^9 cells)/d].
            shift: Weight of the shifted stoichiometry, 0 before and 1 after a temperature shift [1].
            variance: Inverse weights [(mmol/(10^9 cells)/d)^2] in place of those of `weights`.
            lower: Lower bounds [mmol/(10^9 cells)/d] in place of those of the network; they may be traced. Only
                reactions that have a lower bound in the network get one.
            upper: Upper bounds, in the same way.
            smoothing: Weight of a logarithmic barrier [1], which rounds off the kinks at the bounds: the flux keeps a
                distance of about sqrt(smoothing * variance) from an active bound.
            rest_allowed: Whether the given bounds always allow zero flux, lower <= 0 <= upper, so that they cannot
                contradict the balances.
            may_leave_out: Whether a variance may be infinite, which leaves its rate out. What it alone determined is
                then the reference's. The programme has more unknowns; without it an infinite variance is not finite.

        Returns:
            The solution.

        Raises:
            ModelError: If there is not one number for each rate or reaction, or a bound for a reaction that has none.
        """
        exact = isinstance(smoothing, float | int) and smoothing == 0.0
        kinetic_rates = self._numbers("kinetic rates", kinetic_rates, self.kinetic)
        self._require_bounds("lower", lower, self.lower_index)
        self._require_bounds("upper", upper, self.upper_index)
        variance, lower, upper = (
            None if part is None else self._numbers(title, part, names)
            for title, part, names in (
                ("variance", variance, self.kinetic),
                ("lower bounds", lower, self.network.names),
                ("upper bounds", upper, self.network.names),
            )
        )
        rounded = None if exact else jnp.asarray(smoothing, float)
        flags = rest_allowed, may_leave_out
        return _project(self, kinetic_rates, jnp.asarray(shift, float), variance, lower, upper, rounded, *flags)

    @staticmethod
    def _numbers(title: str, given, names: tuple[str, ...]) -> Array:
        """Return one floating-point number for each name."""
        try:
            array = jnp.asarray(given)
            array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)
        except (TypeError, ValueError):
            raise ModelError(f"{title}: found {given!r}; numbers are needed, one for each of {len(names)}.") from None
        if array.shape != (len(names),):
            few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(
                f"{title}: found an array of shape {array.shape}; ({len(names)},) is needed, in the order {few}."
            )
        return array

    def _require_bounds(self, title: str, given, index: tuple[int, ...]) -> None:
        """Refuse bounds that would be ignored, as far as they are plain numbers."""
        names = self.network.names
        if given is None or isinstance(given, Tracer) or np.shape(given) != (len(names),):
            return
        without = np.isfinite(np.asarray(given, float))
        without[list(index)] = False
        if np.any(without):
            name = names[int(np.argmax(without))]
            raise ModelError(
                f"{title}: reaction '{name}' has no {title} bound in the network, so the layer has no place for one; "
                f"prepare the layer with network.with_bounds('{name}', ...)."
            )

    def _solve(
        self, kinetic_rates, shift, variance, lower, upper, smoothing, rest_allowed, may_leave_out
    ) -> FluxSolution:
        layer = _cast(self, kinetic_rates.dtype)
        variance = self.weights.variance(kinetic_rates) if variance is None else variance
        offset, may_contradict = layer._offset(lower, upper, rest_allowed)
        left_out = jnp.isposinf(variance) if may_leave_out else jnp.zeros(variance.shape, bool)
        finite = jnp.all(jnp.isfinite(kinetic_rates)) & jnp.isfinite(shift)
        finite = finite & jnp.all(left_out | (jnp.isfinite(variance) & (variance >= 0.0)))
        finite = finite & ~jnp.any(jnp.isnan(offset) | (offset == jnp.inf))
        if smoothing is not None:
            finite = finite & (smoothing >= 0.0) & jnp.isfinite(smoothing)
            smoothing = jnp.where(finite, smoothing, 1.0)
        offset = jnp.where(jnp.isfinite(offset), offset, _NO_BOUND)
        kinetic_rates, variance = jnp.where(finite, kinetic_rates, 0.0), jnp.where(finite, variance, 1.0)
        variance = jnp.where(left_out, 0.0, variance)  # a rate that is left out moves nothing
        shift = jnp.where(finite, shift, 0.0).astype(kinetic_rates.dtype)
        good = FluxStatus.not_unique if self.undetermined else FluxStatus.solved
        if not (self.surplus or self.bound_names or may_leave_out):  # nothing contradicts the kinetic rates
            target = jnp.concatenate([kinetic_rates, layer.reference @ layer.directions])
            fluxes, none = layer.flux_map(shift).times(target), jnp.zeros_like(offset)
            status = jnp.where(finite, good, FluxStatus.not_finite)
            return FluxSolution(
                fluxes, jnp.zeros_like(kinetic_rates), none > 0.0, none, jnp.zeros((), kinetic_rates.dtype), status
            )
        flux_map = layer.flux_map(shift)
        if may_leave_out:
            programme, unique = layer._programme_of_fluxes(kinetic_rates, variance, ~left_out, flux_map, offset)
            good = jnp.where(unique, FluxStatus.solved, FluxStatus.not_unique)
        else:
            programme = layer._programme(kinetic_rates, variance, flux_map, offset)
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
            jnp.where(left_out, 0.0, (kinetic - kinetic_rates) / jnp.sqrt(jnp.where(variance > 0.0, variance, 1.0))),
            answer.active[programme.equalities :],
            bound_slack,
            jnp.max(missed, initial=0.0),
            status,
        )

    def _offset(self, lower, upper, rest_allowed) -> tuple[Array, bool]:
        """Return the right side of the bounds, and whether bounds and balances may contradict each other."""
        given = (lower is not None or upper is not None) and not rest_allowed
        lower = self.network.lower if lower is None else lower
        upper = self.network.upper if upper is None else upper
        dtype = self.unshifted_map.dtype
        parts = (jnp.asarray(lower, dtype)[np.array(self.lower_index, int)],)
        parts += (-jnp.asarray(upper, dtype)[np.array(self.upper_index, int)],)
        still = bool(np.all(self.network.lower <= 0.0) and np.all(self.network.upper >= 0.0))  # zero flux is allowed
        return jnp.concatenate(parts), given or not still

    def _programme(self, kinetic_rates, variance, flux_map: qp.Rows, offset) -> "_Programme":
        """Return the least-distance programme of kinetic rates.

        With few surplus relations, its unknowns are the kinetic rates and the relations are equalities: little has
        to be eliminated. With many, the unknowns are coordinates of the null space, orthonormal in the weighted
        kinetic rates.
        """
        extra, dtype = self.directions.shape[1], kinetic_rates.dtype
        target = jnp.concatenate([kinetic_rates, self.reference @ self.directions])
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
            variance = jnp.concatenate([variance, jnp.ones(extra, dtype)])
            return _Programme(target, variance, rows, offset, count, flux_map, in_basis, extra)
        whole, rank = flux_map.matrix[:, in_basis], len(self.basis)
        kinetic = whole[np.array([self.network.index(name) for name in self.kinetic], int), :rank]
        root = jnp.sqrt(jnp.maximum(variance, LEAST_VARIANCE * jnp.max(variance)))
        columns, into = orthonormal(kinetic / root[:, None])
        into = jax.scipy.linalg.block_diag(into, jnp.eye(extra, dtype=dtype))
        return _Programme(
            jnp.concatenate([(kinetic_rates / root) @ columns, target[len(self.kinetic) :]]),
            jnp.ones(len(picked), dtype),
            qp.Rows.of(bounds.matrix[:, in_basis] @ into),
            offset,
            0,
            qp.Rows.of(whole @ into),
            np.arange(len(picked)),
            extra,
        )

    def _programme_of_fluxes(self, kinetic_rates, variance, used, flux_map: qp.Rows, offset):
        """Return the programme in which any rate may be left out, and whether the used rates determine all fluxes.

        Its unknowns are the kinetic rates and, without weight, coordinates of all fluxes, orthonormal; an equality
        connects each rate that is used with its flux.
        """
        dtype, count = kinetic_rates.dtype, len(self.kinetic)
        picked = [*(self.kinetic.index(name) for name in self.basis), *range(count, count + self.directions.shape[1])]
        space = orthonormal(flux_map.matrix[:, np.array(picked, int)])[0]
        used = used.astype(dtype)
        kinetic = used[:, None] * space[np.array([self.network.index(name) for name in self.kinetic], int)]
        sign = np.repeat([1.0, -1.0], [len(self.lower_index), len(self.upper_index)])[:, None]
        bounds = jnp.asarray(sign, dtype) * space[np.array([*self.lower_index, *self.upper_index], int)]
        size = len(picked)
        rows = jnp.block([[jnp.diag(used), -kinetic], [jnp.zeros((len(self.bound_names), count), dtype), bounds]])
        programme = _Programme(
            jnp.concatenate([kinetic_rates, self.reference @ space]),
            jnp.concatenate([variance, jnp.ones(size, dtype)]),
            qp.Rows.of(rows),
            jnp.concatenate([jnp.zeros(count, dtype), offset]),
            count,
            qp.Rows.of(jnp.concatenate([jnp.zeros((len(self.network.names), count), dtype), space], axis=1)),
            np.arange(count, count + size),
            size,
        )
        return programme, rank(jax.lax.stop_gradient(kinetic)) == size

    def explain(self, solution: FluxSolution) -> str:
        """Describe how a projection ended.

        Args:
            solution: A solution of this layer, not of a batch.

        Returns:
            Its status and remedy; if it is infeasible, also the bounds that were relaxed.
        """
        status = FluxStatus(int(solution.status))
        sentence = f"{status.name}: {status.remedy}"
        bound_slack = np.asarray(solution.bound_slack)
        relaxed = [
            f"{name} {'>=' if i < len(self.lower_index) else '<='} its bound, by {bound_slack[i]:.3g}"
            for i, name in enumerate(self.bound_names)
            if bound_slack[i] > 1e-6 * max(float(np.max(bound_slack)), 1e-30)
        ]
        return f"{sentence} Relaxed: {'; '.join(relaxed)}." if status is FluxStatus.infeasible else sentence


@eqx.filter_jit
def _project(layer: FluxProjection, *given) -> FluxSolution:
    """Compile one call, so that calls outside of compiled code are not traced again."""
    return layer._solve(*given)


class _Programme(NamedTuple):
    """The least-distance programme of one projection.

    The first five as in `qp.least_distance`; to_fluxes: from the unknowns to all fluxes; determining: unknowns that
    determine the others by the equalities; free: unknowns without weight, the last ones.
    """

    target: Array
    variance: Array
    rows: qp.Rows
    offset: Array
    equalities: int
    to_fluxes: qp.Rows
    determining: np.ndarray
    free: int

    def solve(self) -> qp.LeastDistance:
        return qp.least_distance(*self[:5], multipliers=False, free=self.free)

    def relaxed(self, answer: qp.LeastDistance) -> tuple[qp.LeastDistance, Array]:
        """Relax the bounds where they contradict the balances; return the solution and the slack of each bound.

        Problems without a contradiction become trivial ones, which cost a test each.
        """
        stuck = answer.status == qp.INFEASIBLE
        bounds = self.rows.take(range(self.equalities, self.offset.shape[0]))
        asked = self.offset[self.equalities :]
        # a bound that is far from everything cannot bind; its value would only cost digits
        size = jnp.max(jnp.where(asked > 0.5 * _NO_BOUND, jnp.abs(asked), 0.0), initial=0.0)
        size = size + jnp.max(jnp.abs(self.target))
        margin = _SLACK_MARGIN * jnp.max(asked, initial=0.0)
        asked = jnp.where(stuck, jnp.maximum(asked, -1e3 * size), 0.0)
        bound_slack = qp.least_slack(bounds.matrix[:, self.determining], asked)
        relaxed = self.offset.at[self.equalities :].add(-bound_slack - margin)
        trivial = self._replace(target=jnp.where(stuck, self.target, 0.0), offset=jnp.where(stuck, relaxed, 0.0))
        again = trivial.solve()
        pick = lambda new, old: None if new is None else jnp.where(stuck, new, old)  # noqa: E731
        return jax.tree.map(pick, again, answer), bound_slack

    def smooth(self, point, bound_slack, smoothing):
        offset = self.offset.at[self.equalities :].add(-bound_slack)
        variance = self.variance
        if self.free:  # a barrier needs some weight everywhere
            weighed = variance[: -self.free]
            largest = jnp.max(weighed, initial=0.0)
            loose = jnp.where(largest > 0.0, largest, 1.0) / _REFERENCE_WHERE_SMOOTH
            variance = jnp.concatenate([weighed, jnp.broadcast_to(loose, (self.free,))])
        return qp.smooth_distance(point, self.target, variance, self.rows, offset, self.equalities, smoothing)


def _cast(layer: FluxProjection, dtype) -> FluxProjection:
    """Return the projection in another precision; nothing happens in the usual one."""
    if layer.unshifted_map.dtype == dtype:
        return layer
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, layer)


def basis_map(
    stoichiometry: Float[Array | np.ndarray, "balances reactions"],
    change: Float[Array | np.ndarray, "balances shifted"],
    selected: Float[np.ndarray, "basis reactions"],
    directions: Float[Array | np.ndarray, "reactions k"],
    usual: Float[np.ndarray, "balances reactions"],
) -> tuple[Array, Array] | tuple[np.ndarray, np.ndarray]:
    """Compute the map from basis and directions to all fluxes, and the response to a change of columns.

    Args:
        stoichiometry: Independent balances [1]; numpy, or traced coefficients near the `usual` ones.
        change: Change of the shifted columns by a full temperature shift [1].
        selected: Rows of the identity that select the basis.
        directions: The undetermined directions [1].
        usual: Independent balances of the network [1].

    Returns:
        The map, (reactions, basis and directions), and the response, (reactions, shifted), as arrays of the kind of
        `stoichiometry` [1].
    """
    rank, reactions = stoichiometry.shape
    fixed = np.concatenate([selected, np.asarray(directions).T])
    below = np.zeros((reactions - rank, change.shape[1]))
    unit = np.eye(reactions)[:, rank:]
    if isinstance(stoichiometry, np.ndarray):
        right = np.hstack([unit, np.vstack([change, below])])
        solution = np.linalg.solve(np.concatenate([stoichiometry, fixed]), right)
        return solution[:, : reactions - rank], solution[:, reactions - rank :]
    system = jnp.concatenate([stoichiometry, fixed])
    # multiplied by the inverse at the `usual` coefficients, the system is near the identity and needs no pivoting
    near = jnp.asarray(np.linalg.inv(np.concatenate([usual, fixed])))
    right = jnp.concatenate([unit, jnp.concatenate([change, below])], axis=1)
    solution = jax.lax.custom_linear_solve(
        lambda x: system @ x,
        right,
        lambda _, b: solve_dense(near @ system, near @ b),
        lambda _, b: near.T @ solve_dense((near @ system).T, b),
    )
    return solution[:, : reactions - rank], solution[:, reactions - rank :]
