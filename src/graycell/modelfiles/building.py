"""definition_of: a model file -> the arguments of a culture model."""

from collections.abc import Mapping
from typing import Any

from graycell.cell.closures import Algebraic, Dynamic
from graycell.cell.flux import PublishedWeights, SoftWeights
from graycell.cell.network import MetabolicNetwork, Reaction, parse_equation
from graycell.cell.rates import Constant, RateLaw, ViableCells, Volumetric
from graycell.cell.triggers import Trigger
from graycell.cell.variables import Clock, Input, LoopVariable, RelaxingVariable, Species, StateVariable, Variable
from graycell.errors import ModelError, nearest
from graycell.formulas import Formula, parse
from graycell.formulas.tree import TIME, Name, names_in
from graycell.model import CultureModel
from graycell.modelfiles.checked import dependencies, formulas_of, in_order
from graycell.modelfiles.content import ModelFile, ReactionEntry, SpeciesEntry
from graycell.modelfiles.units import molar_mass_of
from graycell.parameters import ParameterTable
from graycell.runs.records import TCD, VIABILITY
from graycell.runs.solutes import molar_mass
from graycell.units import CELL_DENSITY, coherent_factor


def build(file: ModelFile, parameters: str = "") -> CultureModel:
    """Return the model of a file, with its learned laws left out: `hybrid.build_model` learns.

    Args:
        file: a model file without errors.
        parameters: name of one of its sets of parameters; its own values if left out.

    Returns:
        The model.

    Raises:
        ModelError: for an unknown set of parameters.
    """
    return CultureModel(**definition_of(file, parameters))


def definition_of(file: ModelFile, parameters: str = "") -> dict[str, Any]:
    """Return the arguments of `CultureModel` that make the model of a file.

    Args:
        file: a model file without errors.
        parameters: name of one of its sets of parameters.

    Returns:
        Keyword arguments.

    Raises:
        ModelError: for an unknown set of parameters.
    """
    return _Builder(file).definition(parameters)


def _species(entry: SpeciesEntry, file: ModelFile) -> Species:
    mass = entry.molar_mass or (molar_mass(entry.formula) if entry.formula else None)
    counted = file.cells.get("species") if isinstance(file.cells, Mapping) else None
    viable = file.role("viable cells") or counted
    alike = {name for name, one in file.species.items() if one.unit == entry.unit}
    known = entry.role == "dead cells" and viable in alike
    return Species(entry.unit, entry.initial, entry.retained, mass, viable if known else None,
                   entry.role == "product")  # fmt: skip


class _Builder:
    """Builds one model; `factors` bring named numbers to coherent units, where their unit is another one."""

    def __init__(self, file: ModelFile):
        self.file, self.factors = file, {}
        if file.checked_units:
            for table in (file.species, file.parameters, file.inputs, file.variables):
                for name, entry in table.items():
                    factor = coherent_factor(entry.unit)
                    if factor != 1.0:
                        self.factors[name] = factor
            for name, entry in file.reactions.items():  # a rate is in the unit of its species, also in other formulas
                species = next((one for one in parse_equation(entry.equation) if one in self.factors), None)
                if species is not None:
                    self.factors[name] = self.factors[species]

    def law(self, text: str, scale: float = 1.0) -> RateLaw:
        names = names_in(parse(text))
        return Formula(text, tuple((name, self.factors[name]) for name in names if name in self.factors), scale)

    def into(self, name: str) -> float:
        """Return the factor from a coherent number to the unit of a species or variable."""
        return 1.0 / self.factors.get(name, 1.0)

    def definition(self, parameters: str) -> dict[str, Any]:
        file = self.file
        order = in_order(dependencies(file, {keys: parse(text) for keys, text in formulas_of(file)}))[0]
        rates = {name: self._rate(name) for name in order if name not in file.definitions}
        projection = file.projection
        network = MetabolicNetwork.from_reactions([
            Reaction(name, entry.equation, entry.meaning, entry.shifted or None)
            for name, entry in file.network.items()
        ]) if file.network else None  # fmt: skip
        for name, entry in file.network.items():
            if network is not None and (entry.lower is not None or entry.upper is not None):
                i = network.index(name)
                low = float(network.lower[i]) if entry.lower is None else entry.lower
                high = float(network.upper[i]) if entry.upper is None else entry.upper
                network = network.with_bounds(name, low, high)
        soft = projection.weights == "soft"
        return {
            "name": file.name,
            "network": network,
            "reactions": {name: entry.equation for name, entry in file.reactions.items()},
            "rates": {name: law for name, law in rates.items() if law is not None},
            "definitions": {name: self.law(entry.formula) if entry.formula else Constant(1.0)
                            for name, entry in file.definitions.items()},
            "species": {name: _species(entry, file) for name, entry in file.species.items()},
            "parameters": self._table(parameters),
            "variables": self._variables(),
            "inputs": {name: Input(entry.unit, entry.default) for name, entry in file.inputs.items()},
            "observables": self._observables(),
            "triggers": {name: self._trigger(name) for name in file.triggers},
            "cells": self._cells(),
            "weights": SoftWeights(projection.softening) if soft else PublishedWeights(),
            "reference": dict(projection.reference) or None,
            "gases": projection.gases,
            "clearance": projection.clearance or None,
            "stoichiometry_weight": projection.shift or None,
        }  # fmt: skip

    def _rate(self, name: str) -> RateLaw | None:
        entry: ReactionEntry = {**self.file.network, **self.file.reactions}[name]
        if name in self.file.network:
            return self.law(entry.rate) if entry.rate else None
        # a law that is learned whole has no formula; the network takes the place of 1
        law = self.law(entry.rate, self.into(name)) if entry.rate else Constant(1.0)
        return Volumetric(law) if entry.volumetric else law

    def _table(self, chosen: str) -> ParameterTable:
        table = ParameterTable(tuple(self.file.parameters.values()))
        if chosen and chosen not in self.file.sets:
            near = nearest(chosen, self.file.sets)
            raise ModelError(f"model '{self.file.name}' has no parameter set '{chosen}'; {near}.")
        return table.with_values(self.file.sets[chosen]) if chosen else table

    def _variables(self) -> dict[str, Variable]:
        found: dict[str, Variable] = {}
        for name, entry in self.file.variables.items():
            scale = self.into(name)
            if entry.derivative:
                found[name] = StateVariable(self.law(entry.derivative, scale), entry.initial, entry.unit)
            elif entry.target:
                found[name] = RelaxingVariable(
                    self.law(entry.target, scale), self.law(entry.rate), entry.initial, entry.unit
                )
            else:
                closure = Dynamic if entry.closure == "dynamic" else Algebraic
                found[name] = LoopVariable(
                    self.law(entry.loop, scale), closure(entry.turnover_time), entry.initial, entry.unit
                )
        if any(TIME in names_in(parse(text)) for _, text in formulas_of(self.file)):
            found[TIME] = Clock()
        return found

    def _observables(self) -> dict[str, tuple[RateLaw, str]]:
        found: dict[str, tuple[RateLaw, str]] = {}
        for name, entry in self.file.observables.items():
            factor, tree = 1.0, parse(entry.formula)
            if entry.unit and self.file.checked_units:
                factor = 1.0 / coherent_factor(entry.unit)
                if isinstance(tree, Name):
                    factor *= molar_mass_of(self.file, tree.name, entry.unit) or 1.0
            found[name] = self.law(entry.formula, factor), entry.unit or "1"
        viable, dead, total = (self.file.role(role) for role in ("viable cells", "dead cells", "total cells"))
        # an input of that name does not keep the model from computing it, see `CultureModel.predicts_viability`
        computed = {*found, *self.file.species, *self.file.variables, *self.file.definitions}
        taken = {*computed, *self.file.inputs}
        if viable and total and VIABILITY not in taken:
            found[VIABILITY] = self.law(f"{viable} / {total}"), "1"
        if viable and dead:
            whole = f"{viable} + {dead}"
            if VIABILITY not in {*computed, *found}:
                found[VIABILITY] = self.law(f"{viable} / ({whole})"), "1"
            if TCD not in taken:
                found[TCD] = self.law(whole), CELL_DENSITY
        return found

    def _trigger(self, name: str) -> Trigger:
        entry = self.file.triggers[name]
        targets = tuple(entry.set)
        return Trigger(
            self.law(entry.when), targets, tuple(self.law(entry.set[one], self.into(one)) for one in targets),
            self.law(entry.priority) if entry.priority else None, entry.persistent, entry.initially, entry.at_trigger,
        )  # fmt: skip

    def _cells(self) -> RateLaw | None:
        cells = self.file.cells
        if isinstance(cells, str):
            return self.law(cells)
        if isinstance(cells, Mapping):
            return ViableCells(cells["species"], cells.get("biomass_per_cell"), cells.get("viability"))
        viable = self.file.role("viable cells")
        if viable is None:
            return None
        return self.law(viable) if viable in self.factors else ViableCells(viable)
