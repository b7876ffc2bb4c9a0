"""sbml_text: a ModelFile -> the text of SBML, Level 3 Version 2, of a culture of constant volume."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from graycell.cell.network import parse_equation
from graycell.errors import Finding, InputError, ModelError, nearest
from graycell.exchange.functions import called
from graycell.exchange.maths import flat
from graycell.exchange.names import Names
from graycell.exchange.units import SbmlUnits
from graycell.formulas.parsing import parse, tree_of
from graycell.formulas.tree import Call, Name, Number, Tree, names_in, text_of, with_names
from graycell.modelfiles.checks import formulas_of
from graycell.modelfiles.content import ModelFile
from graycell.modelfiles.units import molar_mass_of

_NOTHING: Mapping[str, float] = {}


def sbml_text(file: ModelFile, initial: Mapping[str, float] = _NOTHING) -> str:
    """Return a model as SBML of Level 3 Version 2: a culture of 1 L, without feeds and samples.

    Numbers are in the coherent units of formulas: day, litre, mmol, mg and 10^9 cells. A species is a concentration in
    the compartment of 1 L. A specific rate is multiplied by the viable cells. Inputs keep their defaults. What a run
    must give (a species without an initial value, an input without a default) has no value, unless `initial` gives it.
    Sets of parameters, bounds, priors and roles are not written.

    Args:
        file: a model file without errors.
        initial: values at time 0 of species, variables and inputs, in the units of the model file.

    Returns:
        The text.

    Raises:
        InputError: for learned laws, a flux projection and algebraic loops, which SBML core cannot say.
        ModelError: for an initial value of something else.
    """
    _require_plain(file)
    known = [*file.species, *file.variables, *file.inputs]
    for name in initial:
        if name not in known:
            raise ModelError(
                f"sbml_text: '{name}' is no species, variable or input of '{file.name}'; {nearest(name, known)}."
            )
    return _Writer(file, initial).text()


def _require_plain(file: ModelFile) -> None:
    """Raise where the model has a part that SBML core cannot say."""
    place, findings = file.path or f"model '{file.name}'", []

    def refuse(found: str, needed: str, remedy: str) -> None:
        findings.append(Finding(place, found, needed, remedy))

    if file.laws:
        refuse(f"learned laws of {', '.join(file.laws)}", "SBML has formulas only, and no networks",
               "export a model with rate laws")  # fmt: skip
    if file.network:
        refuse("a network with a flux projection", "SBML core has rates only, and no balances inside a cell",
               "export the network alone to SBML with fbc by another tool")  # fmt: skip
    for name, entry in file.variables.items():
        if entry.loop and entry.closure != "dynamic":
            refuse(f"the algebraic loop '{name}'", "SBML core has no such equation that tools agree on",
                   "write closure = 'dynamic'")  # fmt: skip
    if findings:
        raise InputError(findings)


class _Writer:
    """Writes one model."""

    def __init__(self, file: ModelFile, initial: Mapping[str, float]):
        import libsbml

        self.file, self.initial = file, initial
        self.document = libsbml.SBMLDocument(3, 2)
        self.model = self.document.createModel()
        self.units = SbmlUnits(self.model, file.checked_units)
        tables = (
            file.species,
            file.reactions,
            file.definitions,
            file.variables,
            file.inputs,
            file.observables,
            file.parameters,
        )
        names = Names(name for table in tables for name in table)
        self.culture = names.new("culture")
        used = {name for _, text in formulas_of(file) for name in names_in(parse(text))}
        self.rates = {name: names.new(f"{name}_rate") for name in file.reactions if name in used}
        self.functions: dict[str, tuple[tuple[str, ...], str]] = {}
        self.rules: list[tuple[str, Tree, bool]] = []
        self.starts: list[tuple[str, Tree]] = []
        self.names = names

    def text(self) -> str:
        """Return the model as text."""
        import libsbml

        model, file = self.model, self.file
        model.setId(_identifier(file.name))
        model.setName(file.name)
        self.notes()
        compartment = model.createCompartment()
        compartment.setId(self.culture)
        compartment.setConstant(True)
        compartment.setSize(1.0)
        compartment.setSpatialDimensions(3)
        if file.checked_units:
            model.setTimeUnits(self.units.id("d"))
            model.setVolumeUnits("litre")
            model.setSubstanceUnits(self.units.id("mmol"))
            model.setExtentUnits(self.units.id("mmol"))
        for name in file.species:
            self.species(name)
        self.parameters()
        self.reactions()
        self.variables()
        self.observables()
        for name, tree, is_rate in self.rules:
            rule = model.createRateRule() if is_rate else model.createAssignmentRule()
            rule.setVariable(name)
            rule.setMath(self.maths(tree))
        for name, tree in self.starts:
            start = model.createInitialAssignment()
            start.setSymbol(name)
            start.setMath(self.maths(tree))
        for name in file.triggers:
            self.trigger(name)
        for name, (arguments, formula) in self.functions.items():
            function = model.createFunctionDefinition()
            function.setId(name)
            function.setMath(_ast(f"lambda({', '.join(arguments)}, {formula})"))
        return libsbml.writeSBMLToString(self.document)

    def notes(self) -> None:
        file = self.file
        words = [part for part in (file.about, file.source and f"Source: {file.source}", *file.doubts) if part]
        if words:
            printable = ["".join(one for one in part if one.isprintable()) for part in words]
            body = "".join(f"<p>{escape(part)}</p>" for part in printable)
            self.model.setNotes(f'<body xmlns="http://www.w3.org/1999/xhtml">{body}</body>')

    def maths(self, tree: Tree) -> Any:
        """Return a formula of the model file as a tree of libsbml, which must mean the same."""
        tree = called(with_names(tree, {old: Name(new) for old, new in self.rates.items()}), self.functions)
        found = _ast(text_of(tree))
        functions = self.functions

        def special(node: Any, depth: int) -> Tree | None:
            if node.getName() not in functions or not node.isFunction():
                return None
            return Call(
                node.getName(),
                tuple(tree_of(node.getChild(i), depth + 1, special) for i in range(node.getNumChildren())),
            )

        if repr(flat(tree_of(found, 0, special))) != repr(flat(tree)):
            raise ModelError(f"model '{self.file.name}': the formula {text_of(tree)} cannot be written in SBML.")
        return found

    # ------------------------------------------------------------------------------------------------------ the symbols

    def species(self, name: str) -> None:
        entry, element = self.file.species[name], self.model.createSpecies()
        element.setId(name)
        element.setCompartment(self.culture)
        element.setHasOnlySubstanceUnits(False)
        element.setBoundaryCondition(False)
        element.setConstant(False)
        if entry.meaning:
            element.setName(entry.meaning)
        if unit := self.units.substance(entry.unit):
            element.setSubstanceUnits(unit)
        value = self.initial.get(name, entry.initial)
        if value is not None:
            element.setInitialConcentration(value * self.units.factor(entry.unit))

    def parameter(self, name: str, value: float | None, unit: str, constant: bool, meaning: str = "") -> None:
        element = self.model.createParameter()
        element.setId(name)
        element.setConstant(constant)
        if value is not None:
            element.setValue(value)
        if unit:
            element.setUnits(unit)
        if meaning:
            element.setName(meaning)

    def parameters(self) -> None:
        """Write parameters and inputs, which are constant, and definitions."""
        file, units = self.file, self.units
        for name, row in file.parameters.items():
            self.parameter(name, row.value * units.factor(row.unit), units.id(row.unit), True, row.meaning)
        for name, entry in file.inputs.items():
            value = self.initial.get(name, entry.default)
            scaled = None if value is None else value * units.factor(entry.unit)
            self.parameter(name, scaled, units.id(entry.unit), False, entry.meaning)
        for name, entry in file.definitions.items():
            self.parameter(name, None, units.id(entry.unit) if entry.unit else "", False, entry.meaning)
            self.rules.append((name, parse(entry.formula), False))

    def reactions(self) -> None:
        """Write reactions; a rate that formulas use is a parameter of its own, because SBML has it per vessel."""
        for name, entry in self.file.reactions.items():
            column = {one.removesuffix("_ext"): value for one, value in parse_equation(entry.equation).items()}
            element = self.model.createReaction()
            element.setId(name)
            element.setReversible("<=>" in entry.equation)
            if entry.meaning:
                element.setName(entry.meaning)
            for species, coefficient in column.items():
                if coefficient == 0.0:
                    continue
                reference = element.createProduct() if coefficient > 0.0 else element.createReactant()
                reference.setSpecies(species)
                reference.setStoichiometry(abs(coefficient))
                reference.setConstant(True)
            element.createKineticLaw().setMath(self.maths(self.law(name)))
            for species in self.species_in(name):
                if species not in column:
                    element.createModifier().setSpecies(species)

    def law(self, name: str) -> Tree:
        """Return the kinetic law of a reaction, per vessel; a rate that other formulas use is a parameter beside it."""
        entry = self.file.reactions[name]
        rate = parse(entry.rate)
        if name in self.rates:
            self.parameter(self.rates[name], None, "", False, f"rate of {name}")
            self.rules.append((self.rates[name], rate, False))
            rate = Name(name)  # `maths` puts the parameter in its place
        if not entry.volumetric:
            rate = Call("*", (rate, self.cells()))
        return Call("*", (Name(self.culture), rate))

    def species_in(self, name: str) -> list[str]:
        """Return the species that the kinetic law of a reaction names."""
        entry = self.file.reactions[name]
        names = () if name in self.rates else names_in(parse(entry.rate))
        cells = () if entry.volumetric else names_in(self.cells())
        return [one for one in dict.fromkeys((*names, *cells)) if one in self.file.species]

    def cells(self) -> Tree:
        """Return the formula of the viable cell density."""
        cells = self.file.cells
        if isinstance(cells, str):
            return parse(cells)
        if cells is None:
            viable = self.file.role("viable cells") or ("VCD" if "VCD" in self.file.species else None)
            if viable is None:
                raise ModelError(
                    f"model '{self.file.name}' has rates per cell and no species with the role of viable cells."
                )
            return Name(viable)
        tree: Tree = Name(cells["species"])
        if cells.get("viability") and not self.file.role("dead cells"):  # with dead cells the model computes it
            tree = Call("*", (Name(cells["viability"]), tree))
        return Call("/", (tree, Name(cells["biomass_per_cell"]))) if cells.get("biomass_per_cell") else tree

    def variables(self) -> None:
        for name, entry in self.file.variables.items():
            given = self.initial.get(name)
            initial = (entry.initial if given is None else given) * self.units.factor(entry.unit)
            derivative = parse(entry.derivative) if entry.derivative else _relaxation(entry, name)
            self.parameter(name, initial, self.units.id(entry.unit), False, entry.meaning)
            self.rules.append((name, derivative, True))
            if entry.target and given is None:  # it starts where it would come to rest
                self.starts.append((name, parse(entry.target)))

    def observables(self) -> None:
        for name, entry in self.file.observables.items():
            tree, factor = parse(entry.formula), 1.0
            if entry.unit and self.file.checked_units:
                factor = 1.0 / self.units.factor(entry.unit)
                if isinstance(tree, Name):
                    factor *= molar_mass_of(self.file, tree.name, entry.unit) or 1.0
            self.parameter(name, None, "", False, f"{entry.meaning} [{entry.unit}]" if entry.unit else entry.meaning)
            self.rules.append((name, tree if factor == 1.0 else Call("*", (Number(factor), tree)), False))

    def trigger(self, name: str) -> None:
        entry, event = self.file.triggers[name], self.model.createEvent()
        event.setId(self.names.new(_identifier(name)))
        event.setUseValuesFromTriggerTime(entry.at_trigger)
        trigger = event.createTrigger()
        trigger.setPersistent(entry.persistent)
        trigger.setInitialValue(entry.initially)
        trigger.setMath(self.maths(parse(entry.when)))
        if entry.priority:
            event.createPriority().setMath(self.maths(parse(entry.priority)))
        for target, formula in entry.set.items():
            assignment = event.createEventAssignment()
            assignment.setVariable(target)
            assignment.setMath(self.maths(parse(formula)))


def _relaxation(entry: Any, name: str) -> Tree:
    """Return the derivative of a variable that relaxes to a target, or of a loop."""
    gap = Call("-", (parse(entry.target or entry.loop), Name(name)))
    if entry.target:
        return Call("*", (parse(entry.rate), gap))
    return Call("/", (gap, Name(entry.turnover_time)))


def _ast(text: str) -> Any:
    """Return the tree of libsbml of a formula."""
    import libsbml

    settings = libsbml.L3ParserSettings()
    settings.setParseUnits(libsbml.L3P_NO_UNITS)
    settings.setParseModuloL3v2(libsbml.L3P_MODULO_IS_REM)
    found = libsbml.parseL3FormulaWithSettings(text, settings)
    if found is None:
        raise ModelError(f"the formula {text} cannot be written in SBML: {libsbml.getLastParseL3Error()}")
    return found


def _identifier(name: str) -> str:
    """Return a name as an id of SBML: letters, digits and _, not beginning with a digit."""
    text = "".join(one if one.isascii() and (one.isalnum() or one == "_") else "_" for one in name)
    return text if text[:1].isalpha() or text[:1] == "_" else f"_{text}"
