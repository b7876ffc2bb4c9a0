"""ModelFile: the contents of a model file, as data; `reading` makes it, `building` turns it into a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graycell.errors import Finding
from graycell.parameters import Parameter

ROLES = ("viable cells", "dead cells", "lysed cells", "total cells", "product", "substrate", "by-product")
"""What a species is to the culture. Viable cells are what specific rates are per."""


@dataclass(frozen=True)
class SpeciesEntry:
    """A species of a model file.

    Attributes:
        unit: of its concentration.
        initial: concentration at time 0 where a run does not give it; None if a run must give it.
        role: one of `ROLES`, or "".
        formula: chemical, such as ``C6H12O6``, or "".
        charge: of the molecule [1]; None if it is not known.
        retained: see `cell.variables.Species`.
        molar_mass: [g/mol] or None.
        meaning: in words.
    """

    unit: str = "mmol/L"
    initial: float | None = None
    role: str = ""
    formula: str = ""
    charge: float | None = None
    retained: bool | None = None
    molar_mass: float | None = None
    meaning: str = ""


@dataclass(frozen=True)
class ReactionEntry:
    """A reaction of a model file.

    Attributes:
        equation: see `cell.network.parse_equation`.
        rate: formula, or "" for a reaction of the network without a rate law or one that is learned whole.
        volumetric: whether the rate is per litre of culture and not per cell.
        law: how its rate is learned, as the fields of `hybrid.NeuralRateSpec`; None if it is not.
        shifted: equation after a full shift, for the network, or "".
        lower, upper: bounds of the flux, for the network; None for those of the arrow.
        meaning: in words.
    """

    equation: str
    rate: str = ""
    volumetric: bool = False
    law: Mapping[str, Any] | None = None
    shifted: str = ""
    lower: float | None = None
    upper: float | None = None
    meaning: str = ""


@dataclass(frozen=True)
class FormulaEntry:
    """A definition or an observable of a model file.

    Attributes:
        formula: its text.
        unit: of its value; "" where the formula decides.
        law: how it is learned, see `ReactionEntry`.
        meaning: in words.
    """

    formula: str
    unit: str = ""
    law: Mapping[str, Any] | None = None
    meaning: str = ""


@dataclass(frozen=True)
class VariableEntry:
    """A variable of a model file: one of a derivative, a target with a rate, and a loop.

    Attributes:
        derivative: formula of d/dt.
        target: formula of the value that the variable relaxes to.
        rate: formula of the rate at which it relaxes.
        loop: formula of the target of a loop variable.
        closure: ``dynamic`` or ``algebraic``.
        turnover_time: name of a parameter.
        initial: value at time 0 where a run does not give it.
        unit: of its value.
        meaning: in words.
    """

    derivative: str = ""
    target: str = ""
    rate: str = ""
    loop: str = ""
    closure: str = "dynamic"
    turnover_time: str = ""
    initial: float = 0.0
    unit: str = "1"
    meaning: str = ""


@dataclass(frozen=True)
class InputEntry:
    """An input of a model file.

    Attributes:
        unit: of its value.
        default: value where a run does not give it; None if it must.
        meaning: in words.
    """

    unit: str = "1"
    default: float | None = None
    meaning: str = ""


@dataclass(frozen=True)
class TriggerEntry:
    """Something that happens when a condition becomes true, see `cell.triggers.Trigger`.

    Attributes:
        when: formula of the condition.
        set: formulas of new values, by species or variable.
        priority: formula, or "".
        persistent: whether it happens although the condition became false before its turn.
        initially: value of the condition before time 0.
        at_trigger: whether the new values are those of the time at which the condition became true.
    """

    when: str
    set: Mapping[str, str]
    priority: str = ""
    persistent: bool = True
    initially: bool = True
    at_trigger: bool = True


@dataclass(frozen=True)
class ProjectionEntry:
    """The flux projection of a model file, see `model.CultureModel`.

    Attributes:
        weights: ``soft`` or ``published``.
        softening: [mmol/(10^9 cells)/d] of soft weights.
        reference: fluxes by reaction.
        gases: external species of the gas phase.
        clearance: name of a parameter, or "".
        shift: name of the variable that weighs the shifted stoichiometry, or "".
    """

    weights: str = "soft"
    softening: float = 0.05
    reference: Mapping[str, float] = field(default_factory=dict)
    gases: tuple[str, ...] = ()
    clearance: str = ""
    shift: str = ""


@dataclass(frozen=True)
class ModelFile:
    """The contents of a model file.

    Attributes:
        name: of the model.
        path: of the file, or "".
        about: what the model is, in a sentence.
        source: who to cite.
        doubts: what is uncertain about it.
        checked_units: whether units are checked through all formulas; without it, numbers are used as they stand.
        species, reactions, network, definitions, variables, inputs, observables, parameters, triggers: by name.
        sets: other values of parameters, in their units, by the name of the set.
        projection: of the network.
        cells: formula of the viable cell density; or a table, see `cell.rates.ViableCells`; None for the species with
            the role of viable cells.
        remarks: findings that are no errors.
    """

    name: str
    path: str = ""
    about: str = ""
    source: str = ""
    doubts: tuple[str, ...] = ()
    checked_units: bool = True
    species: Mapping[str, SpeciesEntry] = field(default_factory=dict)
    reactions: Mapping[str, ReactionEntry] = field(default_factory=dict)
    network: Mapping[str, ReactionEntry] = field(default_factory=dict)
    definitions: Mapping[str, FormulaEntry] = field(default_factory=dict)
    variables: Mapping[str, VariableEntry] = field(default_factory=dict)
    inputs: Mapping[str, InputEntry] = field(default_factory=dict)
    observables: Mapping[str, FormulaEntry] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    triggers: Mapping[str, TriggerEntry] = field(default_factory=dict)
    sets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    projection: ProjectionEntry = field(default_factory=ProjectionEntry)
    cells: str | Mapping[str, str] | None = None
    remarks: tuple[Finding, ...] = ()

    def role(self, role: str) -> str | None:
        """Return the first species with a role; None where no species has it.

        Args:
            role: one of `ROLES`.

        Returns:
            Its name.
        """
        return next((name for name, entry in self.species.items() if entry.role == role), None)

    @property
    def laws(self) -> dict[str, Mapping[str, Any]]:
        """How reactions and definitions are learned, by name; empty for a model without learned laws."""
        tables = (self.network, self.reactions, self.definitions)
        return {name: entry.law for table in tables for name, entry in table.items() if entry.law is not None}
