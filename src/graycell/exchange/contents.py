"""SbmlModel: what an SBML model says, as data: symbols with their rules, reactions and events, with formulas as trees.

A symbol in these formulas means what SBML says: that of a species is its concentration, unless `substance` is set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from graycell.formulas.tree import Tree

Kind = Literal["compartment", "species", "parameter", "stoichiometry"]


@dataclass
class Quantity:
    """Something that has a value and an id.

    Attributes:
        name: in the model file.
        id: in the SBML model.
        kind: what it is.
        place: for messages.
        value: its initial size, value, stoichiometry, or amount of a species; None if it is not given.
        concentration: initial concentration of a species; None if it is not given.
        compartment: name of the compartment of a species.
        substance: whether the symbol of a species is its amount and not its concentration.
        constant: whether nothing may change it.
        boundary: whether reactions leave a species as it is.
        conversion: name of the parameter that converts extents of reactions into amounts of a species, or "".
        start: initial assignment.
        assigned: assignment rule.
        rate: rate rule.
        unit: of the amount of a species, such as mmol; "" where the model declares none that graycell has.
        meaning: in words.
    """

    name: str
    id: str
    kind: Kind
    place: str
    value: float | None = None
    concentration: float | None = None
    compartment: str = ""
    substance: bool = True
    constant: bool = False
    boundary: bool = False
    conversion: str = ""
    start: Tree | None = None
    assigned: Tree | None = None
    rate: Tree | None = None
    unit: str = ""
    meaning: str = ""


@dataclass
class SbmlReaction:
    """A reaction of an SBML model.

    Attributes:
        name: in the model file.
        place: for messages.
        changes: pairs of the name of a species and its coefficient, which is negative for a reactant.
        law: amount per time; None if it is not given.
        meaning: in words.
    """

    name: str
    place: str
    changes: list[tuple[str, Tree]]
    law: Tree | None
    meaning: str = ""


@dataclass
class SbmlEvent:
    """An event of an SBML model.

    Attributes:
        name: in the model file.
        place: for messages.
        trigger: its condition.
        assignments: new values by the name of a symbol.
        priority: None for none.
        persistent: see `modelfiles.content.TriggerEntry`.
        initially: see `modelfiles.content.TriggerEntry`.
        at_trigger: see `modelfiles.content.TriggerEntry`.
    """

    name: str
    place: str
    trigger: Tree
    assignments: Mapping[str, Tree]
    priority: Tree | None
    persistent: bool
    initially: bool
    at_trigger: bool


@dataclass
class SbmlModel:
    """An SBML model.

    Attributes:
        name: of the model.
        about: its title.
        path: of the file, for messages.
        time_unit: of the model, in words; "" if it does not say.
        quantities: by name.
        reactions: by name.
        events: in their order.
        constraints: how many conditions the model says are always true.
        names: from ids to names.
    """

    name: str
    about: str
    path: str
    time_unit: str = ""
    quantities: dict[str, Quantity] = field(default_factory=dict)
    reactions: dict[str, SbmlReaction] = field(default_factory=dict)
    events: list[SbmlEvent] = field(default_factory=list)
    constraints: int = 0
    names: dict[str, str] = field(default_factory=dict)
