"""Preparation of the flux projection: everything that depends on the network alone is computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import jax.numpy as jnp
import numpy as np
import scipy.linalg

from graycell.cell.network import MetabolicNetwork
from graycell.cell.projection import FluxProjection, basis_map
from graycell.cell.weights import PublishedWeights, SoftWeights
from graycell.errors import ModelError

_ROUNDING = 1e-13
"""Entries of orthonormal vectors and of flux maps below this are rounding; coefficients of a network are near 1."""


def prepare(
    network: MetabolicNetwork,
    kinetic: Sequence[str],
    weights: PublishedWeights | SoftWeights | None = None,
    reference: Mapping[str, float] | None = None,
) -> FluxProjection:
    """Prepare the flux projection of a network.

    Args:
        network: The network.
        kinetic: Names of the reactions that have a rate law, in the order of the kinetic rates.
        weights: Rule of the weights; `SoftWeights()` by default.
        reference: Fluxes [mmol/(10^9 cells)/d] that decide along the undetermined directions, by name; 0 for a
            reaction that is not named.

    Returns:
        The projection, ready to be called with kinetic rates.

    Raises:
        ModelError: If there is no reaction or no rate law, if a name is unknown or occurs twice, or if the balances
            allow no flux, or if a bound or the reference is not a number or infinite on the wrong side.
    """
    names = network.names
    if not names or not len(kinetic):
        lacking = "the network has no reactions" if not names else "no reaction has a rate law"
        raise ModelError(f"flux projection: {lacking}; at least one reaction with a rate law is needed.")
    for name in kinetic:
        if list(kinetic).count(name) > 1:
            raise ModelError(f"reaction '{name}' has {list(kinetic).count(name)} rate laws; add them up with Sum.")
    kinetic_index = [network.index(name) for name in kinetic]
    network.require_bounds()
    balances = np.flatnonzero(~network.is_external)
    balances = balances[_independent(network.stoichiometry[balances], range(len(balances)))]
    usual, shifted = network.stoichiometry[balances], network.shifted_stoichiometry[balances]
    null_space = scipy.linalg.null_space(usual) if len(balances) else np.eye(len(names))
    if null_space.shape[1] == 0:
        raise ModelError("the balances of the inside allow no flux; every internal species needs a way in and out.")

    basis = [kinetic_index[j] for j in _independent(null_space[kinetic_index], range(len(kinetic_index)))]
    surplus = [j for j in kinetic_index if j not in basis]
    # undetermined by the kinetic fluxes: the part of the null space in which none of them changes
    directions = null_space @ scipy.linalg.null_space(null_space[basis]) if basis else null_space
    directions[np.abs(directions) < _ROUNDING] = 0.0
    undetermined = [name for name, row in zip(names, directions, strict=True) if np.any(row != 0.0)]

    shifted_columns = [j for j in range(len(names)) if np.any(usual[:, j] != shifted[:, j])]
    selected = np.eye(len(names))[basis]
    unshifted_map, response = basis_map(usual, (shifted - usual)[:, shifted_columns], selected, directions, usual)
    unshifted_map[np.abs(unshifted_map) < _ROUNDING] = 0.0
    lower = [j for j in range(len(names)) if np.isfinite(network.lower[j])]
    upper = [j for j in range(len(names)) if np.isfinite(network.upper[j])]
    start = np.zeros(len(names))
    for name, value in (reference or {}).items():
        start[network.index(name)] = value
        if not np.isfinite(value):
            raise ModelError(f"reference of '{name}': found {value}; a finite flux is needed.")
    projection = FluxProjection(
        network=network,
        kinetic=tuple(kinetic),
        basis=tuple(names[j] for j in basis),
        surplus=tuple(names[j] for j in surplus),
        undetermined=tuple(undetermined),
        bound_names=tuple(names[j] for j in lower + upper),
        weights=SoftWeights() if weights is None else weights,
        reference=jnp.asarray(start),
        directions=jnp.asarray(directions),
        unshifted_map=jnp.asarray(unshifted_map),
        shift_response=jnp.asarray(response),
        shifted_columns=tuple(shifted_columns),
        balances=tuple(int(j) for j in balances),
        lower_index=tuple(lower),
        upper_index=tuple(upper),
    )
    return replace(projection, unshifted_map=projection.unshifted_map @ projection.selection_of_unknowns)


def _independent(rows: np.ndarray, candidates: Sequence[int]) -> list[int]:
    """Return the candidates whose rows are independent, best conditioned first."""
    rows = rows[list(candidates)]
    if not len(rows):
        return []
    triangle, order = cast(tuple[np.ndarray, np.ndarray], scipy.linalg.qr(rows.T, mode="r", pivoting=True))
    rank = int(np.sum(np.abs(np.diag(triangle)) > 1e-10))
    return [candidates[int(j)] for j in order[:rank]]
