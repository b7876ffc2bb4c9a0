"""What rules gave: the flows of feeds along a trajectory, and the volumes of all media that were fed by a time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from graycell.cell.closures import LoopControl
from graycell.model import CultureModel
from graycell.packing import PackedRun


class Given(NamedTuple):
    """What was fed in a run with rules, per litre of initial volume.

    Attributes:
        bolus: (segments,) volume of the bolus by a rule at the end of each segment [1]; 0 where there is none.
        fed: (segments, points, media) volume of each medium that was fed by then, by rules or not [1].
    """

    bolus: Float[Array, " segments"]
    fed: Float[Array, "segments points media"]


def feeds_at(
    model: CultureModel,
    packed: PackedRun,
    loop: tuple[Array | float, Array | float],
    time: Float[Array, "segments points"],
    concentrations: Float[Array, "segments points species"],
    volume: Float[Array, "segments points"],
    variables: Float[Array, "segments points variables"],
    inputs: Float[Array, "segments points inputs"],
) -> Float[Array, "segments _ media"]:
    """Return the flow of every medium at points of a trajectory.

    Args:
        model: any model.
        packed: the run.
        loop: how far the loops are open, see `solve.Loop`.
        time: [d].
        concentrations: in the unit of each.
        volume: [1].
        variables: after the closures.
        inputs: in the unit of each.

    Returns:
        Flows per litre of initial volume [1/d]; of one point a segment where none changes within it.
    """
    flows = packed.flows
    if flows.slope is None and flows.per_cells is None:
        return flows.feed[:, None, :]

    def feed(start, flows, time, c, volume, variables, inputs):
        seen = model.seen(variables, LoopControl(packed.loops_at(time), *loop))
        return model.flows(flows.after(time - start), c, volume, seen, inputs).feed

    along = jax.vmap(feed, (None, None, 0, 0, 0, 0, 0))
    return jax.vmap(along)(packed.start, flows, time, concentrations, volume, variables, inputs)


def given_by_rules(
    packed: PackedRun,
    time: Float[Array, "segments points"],
    volume: Float[Array, "segments points"],
    begun: Float[Array, " segments"],
    bolus: Float[Array, "segments media"],
) -> Given:
    """Return what was fed by points of a trajectory.

    What was fed per cell is the growth of the volume that nothing else explains: so it is what the solver added, and
    not a second integral of the cells.

    Args:
        packed: the run.
        time: [d]; the last point of each segment is its end.
        volume: there [1], before the interventions at the end.
        begun: at the beginning of each segment [1].
        bolus: at its end, those of rules among them [1].

    Returns:
        See `Given`.
    """
    flows, elapsed = packed.flows, time - packed.start[:, None]
    within = flows.feed[:, None, :] * elapsed[..., None]
    if flows.slope is not None:
        within = within + flows.slope[:, None, :] * (0.5 * elapsed**2)[..., None]
    if flows.per_cells is not None:
        out = (flows.bleed + flows.harvest)[:, None] * elapsed
        by_cells = volume - begun[:, None] - jnp.sum(within, axis=2) + out
        total = jnp.sum(flows.per_cells, axis=1, keepdims=True)
        share = flows.per_cells / jnp.where(total > 0.0, total, 1.0)
        within = within + share[:, None, :] * by_cells[..., None]
    ended = jnp.cumsum(within[:, -1] + bolus, axis=0)
    before = jnp.concatenate([jnp.zeros_like(ended[:1]), ended[:-1]])
    planned = packed.interventions.bolus
    return Given(jnp.sum(bolus - planned, axis=1), before[:, None, :] + within)
