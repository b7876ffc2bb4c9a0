"""sbml_model: a document of libsbml -> SbmlModel, with every fault of its declarations at once."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from graycell.errors import Finding, InputError, nearest
from graycell.exchange.contents import Quantity, SbmlEvent, SbmlModel, SbmlReaction
from graycell.exchange.maths import Maths
from graycell.exchange.names import Names, usable
from graycell.exchange.units import substance_unit
from graycell.formulas.parsing import FormulaError
from graycell.formulas.tree import Call, Name, Number, Tree, names_in

_MOST_FAULTS = 50
"""Faults that are listed; with more, the file is not read on."""


def sbml_model(document: Any, path: str) -> SbmlModel:
    """Return what an SBML model says.

    Args:
        document: a `libsbml.SBMLDocument` of Level 2 or 3.
        path: of the file, for messages.

    Returns:
        Its contents.

    Raises:
        InputError: with every fault, and everything that is not supported.
    """
    reader = _Reader(document.getModel(), path)
    model = reader.read()
    if reader.findings:
        raise InputError(reader.findings)
    return model


class _Reader:
    """Reads one model of libsbml and collects what is wrong with it."""

    def __init__(self, model: Any, path: str):
        self.model, self.path = model, path
        self.level, self.version = model.getLevel(), model.getVersion()
        self.findings: list[Finding] = []
        ids = [one.getId() for one in self._named() if one.isSetId()]
        self.taken = Names(name for name in ids if usable(name))
        names = {name: name if usable(name) else self.taken.new(name) for name in dict.fromkeys(ids)}
        functions = {one.getId(): one for one in model.getListOfFunctionDefinitions()}
        for name, count in Counter(ids).items():
            if count > 1:
                self.fault(
                    f"{path}, '{name}'", f"{count} elements with this id", "an id stands for one thing", "rename one"
                )
        self.maths = Maths(names, functions)
        self.found = SbmlModel(model.getId() or model.getName(), model.getName(), path, self._time_unit(), names=names)

    def _named(self) -> Iterator[Any]:
        """Yield the elements whose ids may stand in formulas."""
        model = self.model
        for elements in (model.getListOfCompartments(), model.getListOfSpecies(), model.getListOfParameters()):
            yield from elements
        for reaction in model.getListOfReactions():
            yield reaction
            for reference in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
                if reference.isSetId():
                    yield reference

    def _time_unit(self) -> str:
        """Return the unit of time of the model in words."""
        import libsbml

        named = self.model.getTimeUnits() if self.level > 2 else "time"
        unit = self.model.getUnitDefinition(named) if named else None
        if unit is not None and unit.getNumUnits() == 1:
            only = unit.getUnit(0)
            factor = only.getMultiplier() * 10.0 ** only.getScale()
            return f"{factor:g} {libsbml.UnitKind_toString(only.getKind())}"
        return "" if named == "time" else named

    def place(self, element: Any, what: str = "") -> str:
        """Return where an element is, for messages."""
        name = what or f"{element.getElementName()} '{element.getId()}'"
        return f"{self.path}, line {element.getLine()}, {name}" if element.getLine() else f"{self.path}, {name}"

    def fault(self, place: str, found: str, needed: str, remedy: str) -> None:
        self.findings.append(Finding(place, found, needed, remedy))
        if len(self.findings) >= _MOST_FAULTS:
            raise InputError(self.findings)

    def tree(self, element: Any, place: str, local: Mapping[str, str] | None = None) -> Tree | None:
        """Return the formula of an element; None where it has none, or cannot be read, which is noted."""
        if element is None or not element.isSetMath():
            return None
        try:
            return self.maths.tree(element.getMath(), local)
        except FormulaError as error:
            self.fault(place, error.found, error.needed, error.remedy)
            return Number(math.nan)

    # ------------------------------------------------------------------------------------------------------ the parts

    def read(self) -> SbmlModel:
        """Return the whole model."""
        for element in self.model.getListOfCompartments():
            self.compartment(element)
        for element in self.model.getListOfSpecies():
            self.species(element)
        for element in self.model.getListOfParameters():
            self.parameter(element)
        for element in self.model.getListOfReactions():
            self.reaction(element)
        for element in self.model.getListOfInitialAssignments():
            self.start(element)
        for element in self.model.getListOfRules():
            self.rule(element)
        for element in self.model.getListOfEvents():
            self.event(element)
        self.found.constraints = self.model.getNumConstraints()
        self.check()
        return self.found

    def name(self, sbml_id: str) -> str:
        return self.found.names.get(sbml_id, sbml_id)

    def add(self, element: Any, kind: Any, **given: Any) -> Quantity:
        name = self.name(element.getId())
        one = Quantity(name, element.getId(), kind, self.place(element), meaning=element.getName(), **given)
        self.found.quantities[name] = one
        return one

    def compartment(self, element: Any) -> None:
        size = element.getSize() if element.isSetSize() else None
        ruled = self.model.getRule(element.getId()) or self.model.getInitialAssignment(element.getId())
        one = self.add(element, "compartment", value=size, constant=element.getConstant())
        # species of a point without a size have amounts only
        one.substance = element.getSpatialDimensionsAsDouble() == 0.0 and size is None and ruled is None

    def species(self, element: Any) -> None:
        place = self.place(element)
        inside = self.name(element.getCompartment())
        compartment = self.found.quantities.get(inside)
        if compartment is None or compartment.kind != "compartment":
            known = [name for name, one in self.found.quantities.items() if one.kind == "compartment"]
            found = f"the compartment '{element.getCompartment()}'"
            self.fault(place, found, "it is not in the model", nearest(inside, known))
        factor = ""
        if self.level > 2:
            factor = element.getConversionFactor() or self.model.getConversionFactor()
        if factor and factor not in {one.getId() for one in self.model.getListOfParameters()}:
            self.fault(place, f"the conversion factor '{factor}'", "a parameter of the model is needed", "declare it")
        self.add(
            element, "species", value=element.getInitialAmount() if element.isSetInitialAmount() else None,
            concentration=element.getInitialConcentration() if element.isSetInitialConcentration() else None,
            compartment=inside, constant=element.getConstant(), boundary=element.getBoundaryCondition(),
            substance=element.getHasOnlySubstanceUnits() or (compartment is not None and compartment.substance),
            conversion=self.name(factor) if factor else "", unit=substance_unit(self.model, element),
        )  # fmt: skip

    def parameter(self, element: Any) -> None:
        self.add(element, "parameter", value=element.getValue() if element.isSetValue() else None,
                 constant=element.getConstant())  # fmt: skip

    def reaction(self, element: Any) -> None:
        place, name = self.place(element), self.name(element.getId())
        if element.isSetFast() and element.getFast():
            self.fault(place, "a fast reaction", "its species would be at equilibrium at every time",
                       "give it a rate law, or lump its species")  # fmt: skip
        changes = []
        for sign, references in ((-1.0, element.getListOfReactants()), (1.0, element.getListOfProducts())):
            for reference in references:
                coefficient = self.stoichiometry(reference, place)
                species = self.name(reference.getSpecies())
                if species not in self.found.quantities or self.found.quantities[species].kind != "species":
                    self.fault(place, f"'{reference.getSpecies()}'", "it is no species of the model", "declare it")
                elif isinstance(coefficient, Number):
                    changes.append((species, Number(sign * coefficient.value)))
                else:
                    changes.append((species, coefficient if sign > 0.0 else Call("-", (coefficient,))))
        self.found.reactions[name] = SbmlReaction(
            name, place, changes, self.law(element, name, place), element.getName()
        )

    def stoichiometry(self, reference: Any, place: str) -> Tree:
        """Return the coefficient of a species, without a sign; its own symbol where it has an id."""
        element = f"stoichiometry of '{reference.getSpecies()}'"
        value: float | None = reference.getStoichiometry() if self.level < 3 or reference.isSetStoichiometry() else None
        if self.level < 3 and reference.isSetStoichiometryMath():
            found = self.tree(reference.getStoichiometryMath(), f"{place}, {element}")
            if found is None:
                self.fault(place, f"no formula in the {element}", "a number or a formula is needed", "write it")
            if reference.isSetId() and found is not None:
                one = self.add(reference, "stoichiometry")
                one.assigned = found
            return found or Number(1.0)
        if reference.isSetId():
            self.add(reference, "stoichiometry", value=value, constant=self.level > 2 and reference.getConstant())
            return Name(self.name(reference.getId()))
        if value is None or not math.isfinite(value):
            self.fault(place, f"no {element}", "a number is needed", "write it")
        return Number(value if value is not None else 1.0)

    def law(self, reaction: Any, name: str, place: str) -> Tree | None:
        """Return the kinetic law of a reaction; its local parameters become parameters of the model."""
        if not reaction.isSetKineticLaw():
            return None
        given, local = reaction.getKineticLaw(), {}
        for element in given.getListOfLocalParameters() if self.level > 2 else given.getListOfParameters():
            known = self.taken.new(f"{name}_{element.getId()}")
            value = element.getValue() if element.isSetValue() else None
            self.found.quantities[known] = Quantity(known, "", "parameter", f"{place}, {element.getElementName()} "
                                                    f"'{element.getId()}'", value, constant=True,
                                                    meaning=element.getName())  # fmt: skip
            local[element.getId()] = known
        return self.tree(given, f"{place}, kinetic law", local)

    def symbol(self, sbml_id: str, place: str) -> Quantity | None:
        one = self.found.quantities.get(self.name(sbml_id))
        if one is None:
            self.fault(place, f"'{sbml_id}'", "a symbol of the model is needed", nearest(sbml_id, self.found.names))
        return one

    def start(self, element: Any) -> None:
        place = self.place(element, f"initial assignment of '{element.getSymbol()}'")
        one, tree = self.symbol(element.getSymbol(), place), self.tree(element, place)
        if one is not None and tree is not None:
            one.start = tree

    def rule(self, element: Any) -> None:
        if element.isAlgebraic():
            if element.isSetMath():
                place, needed = (
                    self.place(element, "algebraic rule"),
                    "a rule gives one symbol its value or rate",
                )
                self.fault(place, "an algebraic rule", needed, "solve it for one symbol")
            return
        kind = "assignment rule" if element.isAssignment() else "rate rule"
        place = self.place(element, f"{kind} of '{element.getVariable()}'")
        one, tree = self.symbol(element.getVariable(), place), self.tree(element, place)
        if one is None or tree is None:
            return  # a rule without a formula says nothing
        if one.assigned is not None or one.rate is not None:
            self.fault(place, "a second rule", "a symbol has one rule", "leave one out")
        if element.isAssignment():
            one.assigned = tree
        else:
            one.rate = tree

    def event(self, element: Any) -> None:
        number = len(self.found.events) + 1
        name = element.getId() or f"event_{number}"
        place = self.place(element, f"event '{name}'")
        if element.isSetDelay() and element.getDelay().isSetMath():
            self.fault(f"{place}, delay", "an event with a delay", "what waits for its time is not kept",
                       "let a variable run as a clock, and trigger on it")  # fmt: skip
            return
        given = element.getTrigger()
        trigger = self.tree(given, f"{place}, trigger")
        priority = self.tree(element.getPriority(), f"{place}, priority") if element.isSetPriority() else None
        sets = {}
        for assignment in element.getListOfEventAssignments():
            where = f"{place}, '{assignment.getVariable()}'"
            one, tree = self.symbol(assignment.getVariable(), where), self.tree(assignment, where)
            if one is not None and tree is not None:
                if one.name in sets:
                    self.fault(where, "a second value", "an event gives a symbol one value", "leave one out")
                sets[one.name] = tree
        if trigger is None or not sets:
            return  # it never happens, or changes nothing
        new = self.level > 2
        self.found.events.append(
            SbmlEvent(
                name, place, trigger, sets, priority, persistent=not new or given.getPersistent(),
                initially=not new or given.getInitialValue(),
                at_trigger=(self.level, self.version) < (2, 4) or element.getUseValuesFromTriggerTime(),
            )
        )  # fmt: skip

    # ----------------------------------------------------------------------------------------------------- the checks

    def check(self) -> None:
        """Note what contradicts itself."""
        used = {name for one in self.found.reactions.values() for name, _ in one.changes}
        targets = {name for event in self.found.events for name in event.assignments}
        for name, one in self.found.quantities.items():
            ruled = one.assigned is not None or one.rate is not None
            if one.constant and (ruled or name in targets):
                self.fault(one.place, "constant, and changed by a rule or an event", "a constant does not change",
                           "write constant='false'")  # fmt: skip
            if one.assigned is not None and (one.start is not None or name in targets):
                self.fault(one.place, "an assignment rule, and another value", "the rule gives its value at all times",
                           "leave the initial or event assignment out")  # fmt: skip
            if one.kind == "species" and name in used and not one.boundary and (ruled or one.constant):
                self.fault(one.place, "changed by a reaction, and by a rule or constant", "one of them decides",
                           "write boundaryCondition='true'")  # fmt: skip
            factor = self.found.quantities.get(one.conversion)
            if one.conversion and (factor is None or not factor.constant):
                self.fault(one.place, f"the conversion factor '{one.conversion}'", "a constant parameter is needed",
                           "write constant='true'")  # fmt: skip
        for one in self.found.reactions.values():
            if one.law is None:
                self.fault(one.place, "no kinetic law", "the rate of every reaction is needed", "write its kinetic law")
        for one in self.found.quantities.values():
            for tree in (one.start, one.assigned):
                if tree is not None and one.name in names_in(tree):
                    self.fault(
                        one.place, "its own value in its formula", "a symbol cannot need itself", "correct the formula"
                    )
