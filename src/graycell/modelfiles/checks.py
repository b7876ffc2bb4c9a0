"""check: everything that is wrong in a model file whose words could be read, and remarks on what is strange."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np

from graycell.cell.network import EXTERNAL_SUFFIX, parse_equation
from graycell.errors import Finding, GraycellError, ModelError, nearest
from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.parsing import LONGEST, FormulaError, parse
from graycell.formulas.tree import CONSTANTS, TIME, Tree, names_in
from graycell.formulas.values import value_of
from graycell.modelfiles.content import ROLES, ModelFile
from graycell.modelfiles.units import UnitChecks
from graycell.runs.solutes import atoms_in

Keys = tuple[str, ...]
Place = Callable[..., str]
_VANISHING = 1e-9
"""[1] A rate counts as gone where it is this small beside the rate with its substrate."""


@dataclass
class Checked:
    """A model file while it is checked.

    Attributes:
        file: its contents.
        place: from keys to a place for messages; `offset` counts characters of the text of the value.
        trees: of the formulas that can be read, by keys.
        columns: coefficients of the equations that can be read, by keys.
        findings: so far.
        unread: names of entries that cannot be read; what uses them is not at fault.
    """

    file: ModelFile
    place: Place
    unread: frozenset[str] = frozenset()
    trees: dict[Keys, Tree] = field(default_factory=dict)
    columns: dict[Keys, dict[str, float]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def fault(self, keys: Keys, found: str, needed: str, remedy: str, *, offset: int | None = None, key: bool = False,
              warning: bool = False) -> None:  # fmt: skip
        """Add a finding.

        Args:
            keys: to the value.
            found: what is there.
            needed: what should be there.
            remedy: what to do.
            offset: of the fault in the text of the value.
            key: whether the key is meant and not its value.
            warning: whether it is a remark.
        """
        severity = "warning" if warning else "error"
        self.findings.append(Finding(self.place(keys, offset=offset, key=key), found, needed, remedy, severity))


def formulas_of(file: ModelFile) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and the text of every formula of a model file.

    Args:
        file: its contents.
    """
    for name, entry in file.definitions.items():
        if entry.formula:
            yield ("definitions", name, "formula"), entry.formula
    for table in ("network", "reactions"):
        for name, entry in getattr(file, table).items():
            if entry.rate:
                yield (table, name, "rate"), entry.rate
    for name, entry in file.variables.items():
        for word in ("derivative", "target", "rate", "loop"):
            if getattr(entry, word):
                yield ("variables", name, word), getattr(entry, word)
    for name, entry in file.observables.items():
        yield ("observables", name, "formula"), entry.formula
    for name, entry in file.triggers.items():
        yield ("triggers", name, "when"), entry.when
        if entry.priority:
            yield ("triggers", name, "priority"), entry.priority
        for target, formula in entry.set.items():
            yield ("triggers", name, "set", target), formula
    if isinstance(file.cells, str):
        yield ("cells",), file.cells


def known_names(file: ModelFile) -> dict[str, str]:
    """Return the names that a formula may use, with the table of each.

    Args:
        file: its contents.

    Returns:
        Tables by name; `time` is among them.
    """
    tables = ("species", "parameters", "definitions", "variables", "inputs", "reactions", "network")
    return {TIME: "time", **{name: table for table in tables for name in getattr(file, table)}}


def check(file: ModelFile, place: Place, unread: Iterable[str] = ()) -> list[Finding]:
    """Return everything that is wrong or strange in a model file.

    Args:
        file: its contents, each of the right type.
        place: from keys to a place for messages.
        unread: names of entries that cannot be read.

    Returns:
        The findings.
    """
    checked = Checked(file, place, frozenset(unread))
    _names(checked)
    _formulas(checked)
    _equations(checked)
    _variables(checked)
    _others(checked)
    if not any(finding.severity == "error" for finding in checked.findings):
        _order(checked)
    if file.checked_units:
        UnitChecks(checked).run()
    _unused(checked)
    if not any(finding.severity == "error" for finding in checked.findings):
        _vanishing(checked)
    return checked.findings


def _names(checked: Checked) -> None:
    first: dict[str, str] = {}
    for table in ("species", "parameters", "definitions", "variables", "inputs", "reactions", "network", "observables"):
        for name in getattr(checked.file, table):
            if name in CONSTANTS or name == TIME or name in FUNCTIONS:
                checked.fault((table, name), f"'{name}'", "the grammar of formulas has this name", "use another", key=True)
            elif name in first:
                checked.fault((table, name), f"'{name}' again", f"a name stands for one thing, here [{first[name]}]",
                              "rename one", key=True)  # fmt: skip
            first.setdefault(name, table)


def _formulas(checked: Checked) -> None:
    known = known_names(checked.file)
    for keys, text in formulas_of(checked.file):
        try:
            tree = checked.trees[keys] = parse(text)
        except FormulaError as error:
            checked.fault(keys, error.found, error.needed, error.remedy, offset=error.column - 1)
            continue
        for name in names_in(tree):
            if name not in known and name not in checked.unread:
                match = re.search(rf"\b{re.escape(name)}\b", text)
                checked.fault(keys, f"'{name}'", "a formula uses names of the model",
                              nearest(name, known), offset=match.start() if match else 0)  # fmt: skip


def _equations(checked: Checked) -> None:
    file = checked.file
    gases = file.projection.gases
    for table in ("reactions", "network"):
        for name, entry in getattr(file, table).items():
            for word in ("equation", "shifted"):
                text = getattr(entry, word)
                if not text:
                    continue
                keys = (table, name, word)
                try:
                    column = parse_equation(text)
                except ModelError:
                    checked.fault(keys, f"'{text}'", "two sides with one arrow, => or <=>, are needed",
                                  "write it like 'GLC => 2 LAC'")  # fmt: skip
                    continue
                if word == "equation":
                    checked.columns[table, name] = column
                _species_of(checked, keys, text, column, table, gases)
            if table == "reactions" and not entry.rate and entry.law is None:
                checked.fault((table, name), "no rate", "a reaction of the liquid needs one",
                              "write rate = '...', or law = 'black' to learn it")  # fmt: skip
            if entry.law is not None and entry.law.get("kind", "black") == "gray" and not entry.rate:
                checked.fault((table, name, "law"), "gray without a rate", "a gray law corrects a known rate",
                              "write its rate, or use law = 'black'")  # fmt: skip
    _balances(checked)


def _species_of(checked: Checked, keys: Keys, text: str, column: Mapping[str, float], table: str, gases: Sequence[str]):
    species = checked.file.species
    for one in column:
        bare = one.removesuffix(EXTERNAL_SUFFIX)
        if table == "network" and (not one.endswith(EXTERNAL_SUFFIX) or bare in species or bare in gases):
            continue
        if (table == "reactions" and one in species) or bare in checked.unread:
            continue
        known = [*species, *(f"{name}{EXTERNAL_SUFFIX}" for name in species)] if table == "network" else species
        checked.fault(keys, f"'{one}'", "a species of the liquid is one of [species]", nearest(one, known),
                      offset=max(text.find(one), 0))  # fmt: skip
    if not column:
        checked.fault(keys, f"'{text}'", "a reaction changes at least one species", "name it")


def _balances(checked: Checked) -> None:
    """Report reactions that make or lose an element or a charge, where all their formulas are known."""
    species = checked.file.species
    for (table, name), column in checked.columns.items():
        bare = {one.removesuffix(EXTERNAL_SUFFIX): coefficient for one, coefficient in column.items()}
        if min(bare.values(), default=0.0) >= 0.0 or max(bare.values(), default=0.0) <= 0.0:
            continue  # what it makes or uses besides is left out on purpose
        if not all(one in species and species[one].formula for one in bare):
            continue
        try:
            atoms = {one: atoms_in(species[one].formula) for one in bare}
        except GraycellError:
            continue  # reported with the species
        carbon = sum(coefficient * atoms[one].get("C", 0) for one, coefficient in bare.items())
        if abs(carbon) > 1e-6:
            checked.fault((table, name, "equation"), f"{carbon:+g} C a turn", "a reaction keeps its carbon",
                          "correct coefficients or formulas")  # fmt: skip
        if all(species[one].charge is not None for one in bare):
            charge = sum(coefficient * float(species[one].charge or 0.0) for one, coefficient in bare.items())
            if abs(charge) > 1e-6:
                checked.fault((table, name, "equation"), f"a charge of {charge:+g} a turn", "a reaction keeps its charge",
                              "correct coefficients or charges")  # fmt: skip


def _variables(checked: Checked) -> None:
    for name, entry in checked.file.variables.items():
        keys = ("variables", name)
        kinds = [word for word in ("derivative", "target", "loop") if getattr(entry, word)]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "no law"
            checked.fault(keys, found, "a variable has one of derivative, target and loop", "write one of them")
        elif kinds == ["target"] and not entry.rate:
            checked.fault(keys, "no rate", "a variable relaxes to its target at a rate [1/d]", "write rate = '...'")
        elif kinds == ["loop"] and entry.turnover_time not in checked.file.parameters:
            checked.fault((*keys, "turnover_time"), f"'{entry.turnover_time}'", "the name of a parameter in d is needed",
                          nearest(entry.turnover_time, checked.file.parameters))  # fmt: skip
        if entry.closure not in ("dynamic", "algebraic"):
            checked.fault((*keys, "closure"), f"'{entry.closure}'", "a loop is closed dynamic or algebraic",
                          nearest(entry.closure, ("dynamic", "algebraic")))  # fmt: skip
        for word in ("target", "rate"):
            tree = checked.trees.get((*keys, word))
            allowed = (*checked.file.parameters, *(checked.file.inputs if word == "target" else ()))
            for one in names_in(tree) if tree is not None else ():
                if one in known_names(checked.file) and one not in allowed:
                    checked.fault((*keys, word), f"'{one}'", "it may use inputs and parameters only" if word == "target"
                                  else "it may use parameters only", "use derivative = '...'")  # fmt: skip


def _others(checked: Checked) -> None:
    file = checked.file
    for name, entry in file.species.items():
        if entry.role and entry.role not in ROLES:
            checked.fault(("species", name, "role"), f"'{entry.role}'", "this role is not known", nearest(entry.role, ROLES))
        if entry.formula:
            try:
                atoms_in(entry.formula)
            except GraycellError:
                checked.fault(("species", name, "formula"), f"'{entry.formula}'", "a chemical formula is needed",
                              "write it like C6H12O6")  # fmt: skip
    _cells(checked)
    for name, entry in file.triggers.items():
        for target in entry.set:
            if target not in file.species and target not in file.variables:
                checked.fault(("triggers", name, "set", target), f"'{target}'", "a trigger sets species and variables",
                              nearest(target, [*file.species, *file.variables]), key=True)  # fmt: skip
    projection = file.projection
    for word, value, table in (("clearance", projection.clearance, file.parameters),
                               ("shift", projection.shift, file.variables)):  # fmt: skip
        if value and value not in table:
            checked.fault(("projection", word), f"'{value}'", "a name of the model is needed", nearest(value, table))
    for name in projection.reference:
        if name not in file.network:
            checked.fault(("projection", "reference", name), f"'{name}'", "a reaction of [network] is needed",
                          nearest(name, file.network), key=True)  # fmt: skip
    for name, row in file.parameters.items():
        for fault in row.faults():
            sentence = fault.removeprefix(f"parameter {name}: found ").rstrip(".")
            found, needed, remedy = (*sentence.split("; ", 2), "", "")[:3]
            checked.fault(("parameters", name), found, needed, remedy)


def _cells(checked: Checked) -> None:
    file = checked.file
    viable = [name for name, entry in file.species.items() if entry.role == "viable cells"]
    if len(viable) > 1:
        checked.fault(("species", viable[1], "role"), "a second species of viable cells", "one is per what rates are",
                      "give it another role")  # fmt: skip
    specific = [name for name, entry in file.reactions.items() if not entry.volumetric]
    if not viable and file.cells is None and (specific or file.network) and "VCD" not in file.species:
        keys = ("reactions", specific[0]) if specific else ("network",)
        checked.fault(keys, "a rate per cell and no viable cells", "the species that counts them is needed",
                      "write role = 'viable cells' in its entry, or volumetric = true here")  # fmt: skip
    if isinstance(file.cells, Mapping):
        for word, table in (("species", file.species), ("biomass_per_cell", file.parameters), ("viability", file.inputs)):
            name = file.cells.get(word)
            if name is not None and name not in table:
                checked.fault(("cells", word), f"'{name}'", "a name of the model is needed", nearest(name, table))


def dependencies(file: ModelFile) -> dict[str, tuple[str, ...]]:
    """Return which definitions and reactions each definition and reaction uses directly.

    Args:
        file: its contents; every formula can be read.

    Returns:
        Names by name.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, entry in file.definitions.items():
        found[name] = names_in(parse(entry.formula)) if entry.formula else ()
    for table in (file.network, file.reactions):
        for name, entry in table.items():
            found[name] = names_in(parse(entry.rate)) if entry.rate else ()
    return {name: tuple(one for one in names if one in found) for name, names in found.items()}


def in_order(uses: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return names so that each comes after those that it uses.

    Args:
        uses: names by name.

    Returns:
        The names in order, and the names of one circle; the circle is empty where there is none.
    """
    order: dict[str, None] = {}
    for first in uses:
        # by hand and not by recursion: a file may chain more names than Python has levels
        stack, path = [(first, iter(uses[first]))], {first: None}
        while stack and first not in order:
            name, rest = stack[-1]
            following = next((one for one in rest if one not in order), None)
            if following is None:
                order[name] = None
                stack.pop()
                path.pop(name, None)
            elif following in path:
                circle = list(path)
                return list(order), circle[circle.index(following) :]
            else:
                path[following] = None
                stack.append((following, iter(uses[following])))
    return list(order), []


def _order(checked: Checked) -> None:
    circle = in_order(dependencies(checked.file))[1]
    if circle:
        name = circle[0]
        table = known_names(checked.file)[name]
        checked.fault((table, name), f"a circle: {' needs '.join([*circle, name])}", "a quantity cannot need itself",
                      "make one of them a variable")  # fmt: skip


def _unused(checked: Checked) -> None:
    """Report parameters, definitions and inputs that nothing uses, and species that nothing changes or makes."""
    file, used = checked.file, set()
    known = list(known_names(file))
    for keys, text in formulas_of(file):
        if keys in checked.trees:
            used.update(names_in(checked.trees[keys]))
            # a misspelt name was to be this one: that it has no use would be a second report of one fault
            used.update(*(get_close_matches(name, known, 1) for name in names_in(checked.trees[keys]) if name not in known))
        else:
            used.update(re.findall(r"[A-Za-z_]\w*", text[:LONGEST]))
    if isinstance(file.cells, Mapping):
        used.update(file.cells.values())
    used.update(entry.turnover_time for entry in file.variables.values())
    used.update((file.projection.clearance, file.projection.shift))
    for law in file.laws.values():
        inputs = law.get("inputs", ())
        used.update(inputs if isinstance(inputs, list | tuple) else ())
    for table, what in (("parameters", "parameter"), ("definitions", "definition"), ("inputs", "input")):
        for name in getattr(file, table):
            if name not in used and name not in file.laws:
                checked.fault((table, name), "no formula that uses it", f"every {what} has a use", "use it, or leave it out",
                              key=True, warning=True)  # fmt: skip
    made = {one.removesuffix(EXTERNAL_SUFFIX) for column in checked.columns.values() for one, c in column.items() if c > 0}
    lost = {one.removesuffix(EXTERNAL_SUFFIX) for column in checked.columns.values() for one, c in column.items() if c < 0}
    both = {one.removesuffix(EXTERNAL_SUFFIX) for table in ("reactions", "network") for name, entry in
            getattr(file, table).items() if "<=>" in entry.equation for one in checked.columns.get((table, name), ())}
    made, lost = made | both, lost | both
    made |= {target for entry in file.triggers.values() for target in entry.set}
    unread = any(entry.equation and (table, name) not in checked.columns for table in ("reactions", "network")
                 for name, entry in getattr(file, table).items())  # fmt: skip
    if unread or checked.unread:
        return  # an equation that cannot be read may make them
    for name, entry in file.species.items():
        is_made = entry.role in ("product", "by-product", "dead cells", "lysed cells", "total cells", "viable cells")
        if name not in made and name not in lost and name not in used:
            checked.fault(("species", name), "no reaction that changes it", "a species of a model takes part in it",
                          "write its reaction, or leave it out", key=True, warning=True)  # fmt: skip
        elif name not in made and (is_made or (name in lost and entry.initial == 0.0)):
            checked.fault(("species", name), "no reaction that makes it", "it is used up, or is a product",
                          "write the reaction that makes it", key=True, warning=True)  # fmt: skip


def _vanishing(checked: Checked) -> None:
    """Report rates that do not fall to 0 with a species that they use up."""
    file, random = checked.file, np.random.default_rng(0)
    cells = file.role("viable cells")
    for (table, name), column in checked.columns.items():
        entry = getattr(file, table)[name]
        if not entry.rate or entry.law is not None or table == "network":
            continue
        for species, coefficient in column.items():
            if coefficient >= 0.0 or (species == cells and not entry.volumetric):
                continue
            rests = []
            for _ in range(3):
                point = _point(file, random)
                usual = abs(_rate(file, name, point))
                rests.append(abs(_rate(file, name, {**point, species: 0.0})) > _VANISHING * max(usual, 1e-12))
            if all(rests):
                checked.fault((table, name, "rate"), f"a rate that does not vanish with '{species}'",
                              f"without a limit {species} falls below 0 once it has run out",
                              f"multiply it by monod({species}, ...), or min(1, {species}/...)", warning=True)  # fmt: skip


def _point(file: ModelFile, random: np.random.Generator) -> dict[str, float]:
    """Return values of everything that formulas take as given, drawn around usual ones."""
    point = {name: float(random.uniform(0.5, 5.0)) for name in file.species}
    point |= {name: row.value for name, row in file.parameters.items()}
    point |= {name: entry.initial + 0.1 for name, entry in file.variables.items()}
    defaults = {name: entry.default for name, entry in file.inputs.items()}
    point |= {name: float(random.uniform(0.5, 2.0)) if value is None else value for name, value in defaults.items()}
    return {TIME: 1.0, **point}


def _rate(file: ModelFile, name: str, point: Mapping[str, float]) -> float:
    known = dict(point)

    def look_up(one: str) -> float:
        if one not in known:
            entry = file.definitions.get(one)
            text = entry.formula if entry is not None else {**file.network, **file.reactions}[one].rate
            known[one] = float(value_of(parse(text), look_up)) if text else 1.0
        return known[one]

    with np.errstate(all="ignore"):
        return float(look_up(name))

