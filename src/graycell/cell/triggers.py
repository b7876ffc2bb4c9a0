"""Triggers: what happens in a culture when a condition becomes true, such as a shift once the cells are many enough.

Events with a known time belong to a run. A trigger belongs to a model: its time follows from the states.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from graycell.cell.building import value_of
from graycell.cell.conditions import Conditions
from graycell.cell.rates import RateLaw
from graycell.errors import ModelError, nearest


class Trigger(eqx.Module):
    """New values of species and variables, set when a condition changes from false to true.

    The rules are those of events of SBML Level 3: of triggers that fire together, the one with the highest priority is
    first, and each sees what the ones before it did.

    Attributes:
        when: law of the condition: true where it is not 0.
        targets: names of species and variables.
        values: laws of the new values of the targets, in their units.
        priority: law [1]; of triggers without one, the first in the model goes first. None for no priority.
        persistent: whether it happens although the condition became false before its turn.
        initially: value of the condition before time 0; if false, the trigger may fire at time 0.
        at_trigger: whether new values are computed when the condition becomes true, and not when its turn comes.
    """

    when: RateLaw
    targets: tuple[str, ...] = eqx.field(static=True)
    values: tuple[RateLaw, ...]
    priority: RateLaw | None = None
    persistent: bool = eqx.field(static=True, default=True)
    initially: bool = eqx.field(static=True, default=True)
    at_trigger: bool = eqx.field(static=True, default=True)


class Triggered(NamedTuple):
    """The triggers of a model at one operating point.

    Attributes:
        true: (triggers,) whether the condition holds.
        values: (triggers, targets) what each would set, NaN for what it leaves alone.
        priority: (triggers,) [1].
    """

    true: Bool[Array, " triggers"]
    values: Float[Array, "triggers targets"]
    priority: Float[Array, " triggers"]


_LAST = -1e300
"""Priority of a trigger without one."""


def triggered(triggers: Mapping[str, Trigger], targets: Sequence[str], at: Conditions) -> Triggered:
    """Return the conditions of triggers, and what each would set.

    Args:
        triggers: by name, at least one.
        targets: names of all species and variables.
        at: the operating point.

    Returns:
        See `Triggered`.
    """
    values = jnp.full((len(triggers), len(targets)), jnp.nan)
    true, priority = [], []
    for i, (name, trigger) in enumerate(triggers.items()):
        place = f"trigger '{name}'"
        for target, law in zip(trigger.targets, trigger.values, strict=True):
            values = values.at[i, targets.index(target)].set(value_of(law, at, place))
        true.append(value_of(trigger.when, at, place) != 0.0)
        priority.append(jnp.asarray(_LAST) if trigger.priority is None else value_of(trigger.priority, at, place))
    return Triggered(jnp.stack(true), values, jnp.stack(priority))


def check_targets(triggers: Mapping[str, Trigger], targets: Sequence[str]) -> None:
    """Check that triggers set what a model has.

    Args:
        triggers: by name.
        targets: names of all species and variables.

    Raises:
        ModelError: for a target that is neither.
    """
    for name, trigger in triggers.items():
        for target in trigger.targets:
            if target not in targets:
                near = nearest(target, targets)
                raise ModelError(f"trigger '{name}' sets '{target}', which is no species and no variable; {near}.")
