"""UnitChecks: units through every formula of a model file."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from graycell.errors import GraycellError
from graycell.formulas.tree import TIME, Name, Tree
from graycell.formulas.units import Unit, times, unit_of
from graycell.modelfiles.checked import dependencies, in_order
from graycell.modelfiles.content import ModelFile
from graycell.runs.solutes import molar_mass
from graycell.units import base_unit, coherent_factor, dimensions, unit_text

if TYPE_CHECKING:
    from graycell.modelfiles.checked import Checked

_DAY = base_unit("d")
_LITRE = base_unit("L")
_CELLS = base_unit("1e9 cells")
_KELVIN = base_unit("K")
_TOKEN = re.compile(r"[A-Za-z_]\w*|[0-9.]+(?:[eE][+-]?[0-9]+)?|[^\s()]")
"""A name, a number or an operator of a formula; brackets are left out, because a tree has none."""


class UnitChecks:
    """Units of the names of one model file; `run` adds its findings to those of the check."""

    def __init__(self, checked: "Checked"):
        self.checked, self.file = checked, checked.file
        self._known: dict[str, Unit] = {TIME: _DAY}

    def run(self) -> None:
        """Check the units of all entries, then those of all formulas."""
        for table in ("species", "parameters", "inputs", "variables"):
            for name, entry in getattr(self.file, table).items():
                self._known[name] = self._written((table, name, "unit"), entry.unit)
        for name, entry in self.file.inputs.items():
            if self._known[name] == _KELVIN:
                self.checked.fault(("inputs", name, "unit"), f"'{entry.unit}'", "runs give temperatures in degC",
                                   "write unit = 'degC', and kelvin(...) in formulas")  # fmt: skip
                self._known[name] = None
        self._known.update(dict.fromkeys(self.checked.ambiguous))
        for name, entry in self.file.observables.items():
            self._written(("observables", name, "unit"), entry.unit or "1")
        cells = self._cells()
        for table in ("reactions", "network"):
            for name in getattr(self.file, table):
                self._known.setdefault(name, self._rate_unit(table, name, cells))
        order = in_order(dependencies(self.file, self.checked.trees))[0]
        for name in dict.fromkeys((*order, *self.file.definitions)):  # those of a circle come last
            if name in self.file.definitions:
                self._define(name)
        for keys, tree in self.checked.trees.items():
            if keys[0] != "definitions":
                self._formula(keys, tree, self._wanted(keys, tree))
        self._used_as_they_are()

    def _used_as_they_are(self) -> None:
        """Report parameters outside of formulas, where nothing converts them, in another unit than is needed."""
        cells = self.file.cells if isinstance(self.file.cells, Mapping) else {}
        named = [(("projection", "clearance"), self.file.projection.clearance, "L/(1e9 cells)/d"),
                 (("cells", "biomass_per_cell"), cells.get("biomass_per_cell", ""), "mmol/(1e9 cells)")]  # fmt: skip
        named += [(("variables", name, "turnover_time"), entry.turnover_time, "d")
                  for name, entry in self.file.variables.items()]  # fmt: skip
        for keys, name, unit in named:
            row = self.file.parameters.get(name)
            if row is None or self._known.get(name) is None:
                continue
            if self._known[name] != dimensions(unit) or coherent_factor(row.unit) != 1.0:
                self.checked.fault(keys, f"'{name}' in {row.unit}", f"it must be in {unit}", "convert its value")

    def unit(self, name: str) -> Unit:
        """Return the unit of a name in a formula, None where it is not known.

        Args:
            name: in any formula.

        Returns:
            Its dimensions.
        """
        return self._known.get(name)

    def _define(self, name: str) -> None:
        entry, keys = self.file.definitions[name], ("definitions", name, "formula")
        given = self._written(("definitions", name, "unit"), entry.unit) if entry.unit else None
        tree = self.checked.trees.get(keys)
        found = self._formula(keys, tree, given) if tree is not None else given
        self._known.setdefault(name, given if given is not None else found)

    def _written(self, keys: tuple[str, ...], unit: str) -> Unit:
        if keys in self.checked.wrong or keys[:2] in self.checked.wrong:
            return None
        try:
            if "degF" not in unit and unit != "pH":  # which would be a picohenry
                return dimensions(unit)
        except GraycellError:
            pass
        fit = "pH has no unit: write '1'" if unit == "pH" else "write it like mmol/L, 1/h, degC or 1e6 cells/mL"
        self.checked.fault(keys, f"'{unit}'", "this unit cannot be read", fit)
        return None

    def _cells(self) -> Unit:
        """Return the unit of the number of cells that specific rates are per."""
        if isinstance(self.file.cells, str):
            tree = self.checked.trees.get(("cells",))
            return times((unit_of(tree, self.unit)[0], 1), (_LITRE, 1)) if tree is not None else None
        if self.file.cells is not None:
            return _CELLS
        viable = self.file.role("viable cells") or ("VCD" if "VCD" in self.file.species else None)
        return times((self._known[viable], 1), (_LITRE, 1)) if viable else _CELLS

    def _rate_unit(self, table: str, name: str, cells: Unit) -> Unit:
        """Return the unit of the rate of a reaction: that of its species, if all have the same one."""
        column = self.checked.columns.get((table, name))
        if column is None:
            return None
        if table == "network":
            return times((dimensions("mmol"), 1), (cells, -1), (_DAY, -1))
        known = [one for one in column if self._known.get(one) is not None]
        amounts = {times((self._known[one], 1), (_LITRE, 1)) for one in known}
        if len({coherent_factor(self.file.species[one].unit) for one in known}) > 1:
            units = " and ".join(dict.fromkeys(self.file.species[one].unit for one in known))
            self.checked.fault((table, name, "equation"), f"species in {units}", "coefficients would hide the factor",
                               "give all in one unit, or in mmol/L, mg/L and 1e9 cells/L")  # fmt: skip
        if len(amounts) != 1:
            return None  # species in different units: the coefficients convert, and the rate is that of one of them
        per = () if self.file.reactions[name].volumetric else cells
        amount = amounts.pop()
        if self.file.reactions[name].volumetric:
            return times((amount, 1), (_LITRE, -1), (_DAY, -1))
        return times((amount, 1), (per, -1), (_DAY, -1))

    def _wanted(self, keys: tuple[str, ...], tree: Tree) -> Unit:
        table, name, word = (*keys, "", "")[:3]
        if table in ("reactions", "network"):
            return self._known.get(name)
        if table == "variables":
            unit = self._known.get(name)
            return {"derivative": times((unit, 1), (_DAY, -1)), "rate": times((_DAY, -1))}.get(word, unit)
        if table == "observables":
            entry = self.file.observables[name]
            if isinstance(tree, Name) and molar_mass_of(self.file, tree.name, entry.unit) is not None:
                return self._known.get(tree.name)
            try:
                return dimensions(entry.unit) if entry.unit else None
            except GraycellError:
                return None
        if table == "triggers" and word == "set":
            return self._known.get(keys[3])
        return None

    def _formula(self, keys: tuple[str, ...], tree: Tree, wanted: Unit) -> Unit:
        found, faults = unit_of(tree, self.unit)
        for fault in faults:
            self.checked.fault(keys, f"{fault.found} in '{fault.part}'", fault.needed,
                               "correct the formula, or the unit of one of its names",
                               offset=self._offset(keys, fault.part))  # fmt: skip
        if wanted is not None and found is not None and found != wanted:
            self.checked.fault(keys, f"a formula in {unit_text(found)}", f"{unit_text(wanted)} is needed here",
                               "correct the formula, or the unit of one of its names", offset=0)  # fmt: skip
        return found

    def _offset(self, keys: tuple[str, ...], part: str) -> int:
        """Return where a part of a formula begins in its text, 0 where it cannot be found."""
        tokens = list(_TOKEN.finditer(text_at(self.file, keys)))
        written, wanted = [token[0] for token in tokens], _TOKEN.findall(part)
        for i in range(len(written) - len(wanted) + 1):
            if written[i : i + len(wanted)] == wanted:
                return tokens[i].start()
        # it is written in another way, such as sqrt(x) for root(2, x)
        first = next((one for one in wanted if one[0].isalpha() and one in written), None)
        return tokens[written.index(first)].start() if first is not None else 0


def text_at(file: ModelFile, keys: tuple[str, ...]) -> str:
    """Return the text of a formula.

    Args:
        file: a model file.
        keys: to the formula, see `checks.formulas_of`.

    Returns:
        The text.
    """
    if keys == ("cells",):
        return str(file.cells)
    entry = getattr(file, keys[0])[keys[1]]
    value = getattr(entry, keys[2])
    return value[keys[3]] if len(keys) > 3 else value


def molar_mass_of(file: ModelFile, species: str, unit: str) -> float | None:
    """Return the molar mass of a species whose observable is a mass while the species is an amount.

    Args:
        file: a model file.
        species: a name.
        unit: of the observable.

    Returns:
        [g/mol]; None where no molar mass is needed, or none is known.
    """
    entry = file.species.get(species)
    try:
        masses = times((dimensions(unit or "1"), 1), (dimensions("mg"), -1))
        amounts = None if entry is None else times((dimensions(entry.unit), 1), (dimensions("mmol"), -1))
    except GraycellError:
        return None
    if entry is None or masses != amounts:
        return None
    return entry.molar_mass or (molar_mass(entry.formula) if entry.formula else None)
