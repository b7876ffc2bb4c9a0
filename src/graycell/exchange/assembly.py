"""assembled: what an SBML model says -> a ModelFile, exact: amounts of species, and every symbol by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graycell.errors import Finding, InputError
from graycell.exchange.contents import Quantity, SbmlEvent, SbmlModel, SbmlReaction
from graycell.exchange.initial import UnknownValueError
from graycell.exchange.maths import chained, flat
from graycell.exchange.meaning import Meaning, depends_on, product
from graycell.exchange.names import Names
from graycell.formulas.parsing import FormulaError, parse
from graycell.formulas.tree import Name, Number, Tree, names_in, text_of
from graycell.modelfiles.checks import check
from graycell.modelfiles.content import (
    FormulaEntry,
    ModelFile,
    ReactionEntry,
    SpeciesEntry,
    TriggerEntry,
    VariableEntry,
)
from graycell.parameters import Parameter

_MOST_NAMED = 5
"""Names that a remark lists."""


@dataclass
class Imported:
    """An imported model.

    Attributes:
        file: its contents.
        amounts: formula of the amount of every species, by its id in SBML.
        values: formula of every other symbol, and of the concentration of every species.
    """

    file: ModelFile
    amounts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


def assembled(model: SbmlModel) -> Imported:
    """Return the model file of an SBML model.

    Args:
        model: what it says.

    Returns:
        The model file, and what its symbols are there.

    Raises:
        InputError: with every fault, such as a value at time 0 that is needed and not given.
    """
    names = Names([*model.quantities, *model.reactions])
    assembly = _Assembly(model, Meaning(model, names), names)
    return assembly.imported()


_DAY = "86400 second"
_ONE_LITRE = (
    "Species hold amounts, not concentrations: simulate runs with an initial volume of 1 L and without feeds.",
)


class _Assembly:
    """Builds the tables of one model file."""

    def __init__(self, model: SbmlModel, meaning: Meaning, names: Names):
        self.model, self.meaning, self.names = model, meaning, names
        self.species: dict[str, SpeciesEntry] = {}
        self.reactions: dict[str, ReactionEntry] = {}
        self.definitions: dict[str, FormulaEntry] = {}
        self.variables: dict[str, VariableEntry] = {}
        self.parameters: dict[str, Parameter] = {}
        self.triggers: dict[str, TriggerEntry] = {}
        self.trees: dict[str, Tree] = {}
        self.unknown: dict[str, UnknownValueError] = {}
        self.findings: list[Finding] = []

    def imported(self) -> Imported:
        for one in self.model.quantities.values():
            self.quantity(one)
        for reaction in self.model.reactions.values():
            self.reaction(reaction)
        for event in self.model.events:
            self.event(event)
        self.check_known()
        if self.findings:
            raise InputError(dict.fromkeys(self.findings))
        name = self.model.name or "model"
        file = ModelFile(
            name, self.model.path, self.model.about, doubts=_ONE_LITRE if self.amounts else (), checked_units=False,
            species=self.species,
            reactions=self.reactions, definitions=self.definitions, variables=self.variables,
            parameters=self.parameters, triggers=self.triggers, remarks=tuple(self.remarks()),
        )  # fmt: skip
        faults = [one for one in check(file, self.place) if one.severity == "error"]
        if faults:
            raise InputError(faults)
        return Imported(file, *self.shown())

    def place(self, keys: Iterable[str], offset: int | None = None, key: bool = False) -> str:
        """Return where a part of the model file comes from, for messages."""
        keys = tuple(keys)
        for name in keys:
            known = self.model.quantities.get(name) or self.model.reactions.get(name)
            if known is not None:
                return known.place
        return f"{self.model.path}, {'.'.join(keys)}"

    def text(self, tree: Tree, place: str) -> str:
        """Return a formula of the model file as text, which must be read back as the same formula."""
        text = text_of(tree)
        try:
            again = parse(text)
        except FormulaError as error:
            self.findings.append(Finding(place, error.found, error.needed, error.remedy))
            return "0"
        if repr(flat(again)) != repr(flat(tree)):  # numbers that are none are equal as text only
            self.findings.append(Finding(place, f"'{text}'", "a formula is needed that its text says exactly",
                                         "simplify it"))  # fmt: skip
        for name in names_in(tree):
            self.trees.setdefault(name, tree)
        return text

    def written(self, tree: Tree, place: str) -> str:
        """Return a formula of SBML as the text of one of the model file."""
        try:
            return self.text(self.meaning.written(tree), place)
        except InputError as error:
            self.findings += error.findings
            return "0"

    # ------------------------------------------------------------------------------------------------------ quantities

    def quantity(self, one: Quantity) -> None:
        role, meaning = self.meaning.roles[one.name], self.meaning
        try:
            if role == "definition":
                assert one.assigned is not None
                self.defined(one, one.assigned)
            elif role == "species":
                self.species[one.name] = SpeciesEntry(self.unit(one), self.initial(one), meaning=one.meaning)
            elif role == "variable":
                self.variable(one)
            else:
                value = meaning.start.amount(one.name) if one.kind == "species" else meaning.start.value(one.name)
                free = one.kind == "parameter" and one.start is None and 0.0 < value < float("inf")
                self.parameters[one.name] = Parameter(value, estimated=free, meaning=one.meaning, name=one.name)
        except UnknownValueError as error:
            if role == "parameter":
                self.unknown[one.name] = error  # no fault where nothing uses it
            else:
                self.findings.append(error.finding)
        except InputError as error:
            self.findings += error.findings

    @property
    def amounts(self) -> list[str]:
        """Names of the species that hold amounts, because their compartments are not always 1 L."""
        return [name for name, entry in self.species.items() if entry.unit == "1"]

    def unit(self, one: Quantity) -> str:
        """Return the unit of a species: of a concentration in a compartment of 1 L, and no unit for an amount."""
        if not self.meaning.is_one(one.compartment):
            return "1"
        return f"{one.unit or 'mmol'}/L"

    def initial(self, one: Quantity) -> float | None:
        """Return the value of a species at time 0; None where a run has to give it."""
        given = one.value is not None or one.concentration is not None or one.start is not None
        if not given and self.meaning.is_one(one.compartment):
            return None
        return self.meaning.start.amount(one.name)

    def defined(self, one: Quantity, tree: Tree) -> None:
        """Add the definitions of a symbol with an assignment rule: its value, and for a species its amount."""
        name = self.meaning.beside.get(one.name, one.name)
        self.definitions[name] = FormulaEntry(self.written(tree, one.place), meaning=one.meaning)
        if name != one.name:
            self.with_amount(one)

    def with_amount(self, one: Quantity) -> None:
        tree = product(Name(self.meaning.beside[one.name]), Name(one.compartment))
        self.definitions[one.name] = FormulaEntry(self.text(tree, one.place), meaning=f"amount of {one.id}")

    def variable(self, one: Quantity) -> None:
        meaning, name = self.meaning, self.meaning.beside.get(one.name, one.name)
        initial = (
            meaning.start.amount(one.name)
            if one.kind == "species" and name == one.name
            else meaning.start.value(one.name)
        )
        derivative = self.text(meaning.derivative(one.name), one.place)
        self.variables[name] = VariableEntry(derivative, initial=initial, meaning=one.meaning)
        if name != one.name:
            self.with_amount(one)

    # ------------------------------------------------------------------------------------------------------- reactions

    def reaction(self, one: SbmlReaction) -> None:
        """Add a reaction: as one equation, or with a definition of its rate and one equation for each species."""
        assert one.law is not None
        law = self.written(one.law, one.place)
        changes: dict[str, list[Tree]] = {}
        for species, coefficient in one.changes:
            if self.meaning.roles[species] == "species":
                factor = self.model.quantities[species].conversion
                changes.setdefault(species, []).append(product(coefficient, *((Name(factor),) if factor else ())))
        if all(isinstance(term, Number) for terms in changes.values() for term in terms):
            column = {species: sum(term.value for term in terms) for species, terms in changes.items()}  # type: ignore[union-attr]
            equation = _equation({species: value for species, value in column.items() if value != 0.0})
            if equation:
                self.reactions[one.name] = ReactionEntry(equation, law, volumetric=True, meaning=one.meaning)
                return
            changes = {}
        self.definitions[one.name] = FormulaEntry(law, meaning=one.meaning)
        for species, terms in changes.items():
            tree = chained("+", terms)
            name = self.names.new(f"{one.name}_{species}")
            rate = self.written(product(tree, Name(one.name)), one.place)
            self.reactions[name] = ReactionEntry(f"=> {species}", rate, volumetric=True, meaning=one.meaning)

    # ---------------------------------------------------------------------------------------------------------- events

    def event(self, one: SbmlEvent) -> None:
        new: dict[str, str] = {}
        for target, tree in one.assignments.items():
            quantity = self.model.quantities[target]
            self.require_one_time(one, quantity)
            name = self.meaning.beside.get(target, target)
            # the amount is that in the size before the event, also where the event sets the size
            size = Number(1.0) if name != target else self.meaning.size(quantity)
            new[name] = self.written(product(tree, size), one.place)
        priority = "" if one.priority is None else self.written(one.priority, one.place)
        self.triggers[one.name] = TriggerEntry(
            self.written(one.trigger, one.place), new, priority, one.persistent, one.initially, one.at_trigger
        )

    def require_one_time(self, event: SbmlEvent, species: Quantity) -> None:
        """Raise where the size of a compartment at the time of an assignment is not known as a formula."""
        if self.meaning.size(species) == Number(1.0) or species.name in self.meaning.beside:
            return
        inside = species.compartment
        others = [other for other in self.model.events if other is not event]
        if self.meaning.roles[inside] == "definition":
            moved = [
                name
                for other in self.model.events
                for name in other.assignments
                if depends_on(inside, name, self.model)
            ]
        else:
            moved = [inside for other in others if inside in other.assignments] if event.at_trigger else []
        if moved:
            self.findings.append(
                Finding(event.place, f"a new concentration of '{species.id}' while '{moved[0]}' may change too",
                        "the amount would depend on the order of the events", "assign an amount, or the size elsewhere")
            )  # fmt: skip

    # ------------------------------------------------------------------------------------------------------- at the end

    def check_known(self) -> None:
        """Note the parameters that formulas use and that have no value."""
        for name, error in self.unknown.items():
            if name in self.trees:
                self.findings.append(error.finding)

    def remarks(self) -> list[Finding]:
        """Return what a reader of the model file should know."""
        path, found = self.model.path, []

        def remark(said: str, needed: str, remedy: str) -> None:
            found.append(Finding(path, said, needed, remedy, "warning"))

        unit = self.model.time_unit
        if unit != _DAY:
            said = f"the time unit '{unit}'" if unit else "no unit of time"
            remark(said, "one unit of time of the file is one day here",
                   "give times of runs in that unit, as if it were days")  # fmt: skip
        if self.amounts:
            remark("amounts of species", "a species holds its amount, and has no unit",
                   "simulate runs with an initial volume of 1 L and without feeds")  # fmt: skip
        started = [one.id for one in self.model.quantities.values() if one.start is not None]
        if started:
            listed = ", ".join(started[:_MOST_NAMED]) + (", ..." if len(started) > _MOST_NAMED else "")
            remark(f"initial assignments of {listed}", "they are computed once, when the file is read",
                   "change these values too where you change what they are computed from")  # fmt: skip
        if self.model.constraints:
            remark(f"{self.model.constraints} constraints", "they are not watched", "look at the trajectory")
        renamed = {old: new for old, new in self.model.names.items() if old != new}
        if renamed:
            remark(f"names that formulas use otherwise: {', '.join(list(renamed)[:_MOST_NAMED])}",
                   "each has a '_' behind it", "use that name")  # fmt: skip
        return found

    def shown(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return formulas of amounts and of values by the ids of SBML."""
        amounts, values = {}, {}
        for one in self.model.quantities.values():
            if not one.id or one.name in self.unknown:
                continue
            if one.kind == "species":
                amounts[one.id] = one.name
                values[one.id] = text_of(self.meaning.concentration(one.name))
            else:
                values[one.id] = one.name
        values |= {id: name for id, name in self.model.names.items() if name in self.model.reactions}
        return amounts, values


def _equation(column: Mapping[str, float]) -> str:
    """Return the text of an equation; "" where nothing changes."""

    def side(sign: float) -> str:
        terms = [(abs(value), name) for name, value in column.items() if value * sign > 0.0]
        return " + ".join(name if value == 1.0 else f"{value!r} {name}" for value, name in terms)

    return f"{side(-1.0)} => {side(1.0)}".strip() if column else ""
