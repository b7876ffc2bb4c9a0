"""The result of a flux projection: fluxes, and a status with a remedy."""

import enum
from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Int


class FluxStatus(enum.IntEnum):
    """How a flux projection ended."""

    solved = 0
    not_unique = 1
    infeasible = 2
    not_converged = 3
    not_finite = 4

    @property
    def remedy(self) -> str:
        """A sentence that says what the status means and what to do."""
        return _REMEDIES[self]

    @property
    def usable(self) -> bool:
        """Whether the fluxes meet the balances and the bounds."""
        return self in (FluxStatus.solved, FluxStatus.not_unique)


_REMEDIES = {
    FluxStatus.solved: "The fluxes are the nearest to the kinetic rates.",
    FluxStatus.not_unique: "The rate laws do not determine every flux: of the equally good ones, the nearest to the "
    "reference was taken. Give a rate law to one of FluxProjection.undetermined to decide.",
    FluxStatus.infeasible: "No flux meets the bounds, the rates of infinite weight and the steady state. Relax the "
    "bounds of the network; FluxSolution.bound_slack says which bounds are involved, and by how much each has to give.",
    FluxStatus.not_converged: "The active-set search ran out of steps, or the allowed fluxes have no inside where "
    "smoothing needs one. Check that weights and rates are of reasonable size.",
    FluxStatus.not_finite: "A kinetic rate or a weight is not a finite number, a weight is negative, or a bound is not "
    "a number or infinite on the wrong side. Check concentrations and parameters.",
}


class FluxSolution(NamedTuple):
    """Fluxes of a projection and how they were found.

    Attributes:
        fluxes: Fluxes v [mmol/(10^9 cells)/d].
        conflict: How far the balances pull each kinetic flux from its rate law, (v - w)/sqrt(variance) [1]; with
            relative weights this is the relative change.
        active: Which of `FluxProjection.bound_names` hold with equality.
        bound_slack: By how much each bound was relaxed [mmol/(10^9 cells)/d]; 0 unless the status is infeasible.
        violation: Largest violation of a bound [mmol/(10^9 cells)/d].
        status: A `FluxStatus`.
    """

    fluxes: Float[Array, " reactions"]
    conflict: Float[Array, " kinetic"]
    active: Bool[Array, " bounds"]
    bound_slack: Float[Array, " bounds"]
    violation: Float[Array, ""]
    status: Int[Array, ""]
