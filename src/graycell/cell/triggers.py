"""Triggers: what happens in a culture when a condition becomes true, such as a shift once the cells are many enough.

Events with a known time belong to a run. A trigger belongs to a model: its time follows from the states.
"""

import equinox as eqx

from graycell.cell.rates import RateLaw


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
