"""check: everything that is wrong in a model file whose words could be read; `remarks` adds what is strange."""

import re
from collections.abc import Collection, Iterable, Mapping

from graycell.cell.network import EXTERNAL_SUFFIX, parse_equation
from graycell.errors import Faults, Finding, GraycellError, ModelError, nearest
from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.parsing import FormulaError, parse
from graycell.formulas.tree import CONSTANTS, TIME, Call, Name, names_in
from graycell.modelfiles.checked import (
    MOST_FAULTS,
    Checked,
    Keys,
    Place,
    TooManyFaultsError,
    bare,
    dependencies,
    formulas_of,
    in_order,
    known_names,
)
from graycell.modelfiles.content import ROLES, ModelFile
from graycell.modelfiles.remarks import remark
from graycell.modelfiles.units import UnitChecks
from graycell.parameters import Parameter
from graycell.runs.solutes import atoms_in

LONGEST_TOGETHER = 500_000
"""Characters of all formulas of a file, which are read in a few seconds."""
_ARITHMETIC = ("+", "-", "*", "/", "^")
_PARAMETER_WORDS = (("between runs", "between_runs_sd"), ("between groups", "between_groups_sd"), ("prior", "prior_sd"),
                    ("lower bound", "lower"))  # fmt: skip
"""Words of the faults of a parameter, and which of its words is at fault."""


def check(file: ModelFile, place: Place, unread: Iterable[str] = ()) -> list[Finding]:
    """Return everything that is wrong or strange in a model file.

    Args:
        file: its contents, each of the right type.
        place: from keys to a place for messages.
        unread: names of entries that cannot be read.

    Returns:
        The findings.
    """
    faults = Faults(file.path, MOST_FAULTS)
    check_into(faults, file, place, unread)
    return faults.findings


def check_into(
    faults: Faults, file: ModelFile, place: Place, unread: Iterable[str] = (), wrong: Collection[Keys] = ()
) -> None:
    """Add everything that is wrong or strange in a model file to what was found.

    Args:
        faults: what was found so far.
        file: its contents, each of the right type.
        place: from keys to a place for messages.
        unread: names of entries that cannot be read.
        wrong: keys of values that were reported already.
    """
    checked = Checked(file, place, faults, frozenset(unread), frozenset(wrong))
    try:
        _names(checked)
        _formulas(checked)
        _equations(checked)
        _variables(checked)
        _others(checked)
        _order(checked)
        if file.checked_units:
            UnitChecks(checked).run()
        remark(checked)
    except TooManyFaultsError:
        return


def _names(checked: Checked) -> None:
    first: dict[str, str] = {}
    for table in ("species", "parameters", "definitions", "variables", "inputs", "reactions", "network", "observables"):
        for name in getattr(checked.file, table):
            if (table, name) in checked.wrong:
                continue
            if _is_taken(name):
                checked.fault((table, name), f"'{name}'", "the grammar of formulas has this name", "use another",
                              key=True)  # fmt: skip
            elif name in first:
                checked.ambiguous.add(name)
                checked.fault((table, name), f"'{name}' again", f"a name stands for one thing, here [{first[name]}]",
                              "rename one", key=True)  # fmt: skip
            elif table == "species" and name.endswith(EXTERNAL_SUFFIX):
                checked.fault((table, name), f"'{name}'", f"a species of the liquid has no {EXTERNAL_SUFFIX} here",
                              f"write {bare(name)}; in equations of [network] the suffix stays", key=True)  # fmt: skip
            first.setdefault(name, table)


def _is_taken(name: str) -> bool:
    """Return whether a name means something else in a formula, such as PI, which SBML reads as pi."""
    if name in CONSTANTS or name == TIME or name in FUNCTIONS:
        return True
    try:
        return parse(name) != Name(name)
    except FormulaError:
        return True


def _formulas(checked: Checked) -> None:
    known, length = known_names(checked.file), 0
    for keys, text in formulas_of(checked.file):
        length += len(text)
        if length > LONGEST_TOGETHER:
            checked.fault(keys, "more formulas than can be read",
                          f"at most {LONGEST_TOGETHER} characters of them are read", "split the model")  # fmt: skip
            raise TooManyFaultsError
        try:
            tree = checked.trees[keys] = parse(text)
        except FormulaError as error:
            checked.fault(keys, error.found, error.needed, error.remedy, offset=error.column - 1)
            continue
        for name in names_in(tree):
            if name not in known and name not in checked.unread:
                checked.fault(keys, f"'{name}'", "a formula uses names of the model", nearest(name, known),
                              offset=_place_of(name, text))  # fmt: skip


def _place_of(name: str, text: str) -> int:
    """Return where a name is in a formula or an equation, 0 where it is not."""
    match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return match.start() if match else 0


def _equations(checked: Checked) -> None:
    for table in ("reactions", "network"):
        for name, entry in getattr(checked.file, table).items():
            for word in ("equation", "shifted"):
                text, keys = getattr(entry, word), (table, name, word)
                if not text:
                    continue
                try:
                    column = parse_equation(text)
                except ModelError:
                    checked.fault(keys, f"'{text}'", "two sides with one arrow, => or <=>, are needed",
                                  "write it like 'GLC => 2 LAC'")  # fmt: skip
                    continue
                if word == "equation":
                    checked.columns[table, name] = column
                _species_of(checked, keys, text, column)
            said = {(table, name, "rate"), (table, name, "law")} & checked.wrong
            if table == "reactions" and not entry.rate and entry.law is None and not said:
                checked.fault((table, name), "no rate", "a reaction of the liquid needs one",
                              "write rate = '...', or law = 'black' to learn it")  # fmt: skip
    _laws(checked)
    _balances(checked)


def _species_of(checked: Checked, keys: Keys, text: str, column: Mapping[str, float]) -> None:
    """Report what an equation has and the liquid has not."""
    species, gases = checked.file.species, frozenset(checked.file.projection.gases)
    for one in column:
        if keys[0] == "network" and (not one.endswith(EXTERNAL_SUFFIX) or bare(one) in species or bare(one) in gases):
            continue
        if (keys[0] == "reactions" and one in species) or bare(one) in checked.unread:
            continue
        known = [f"{name}{EXTERNAL_SUFFIX}" for name in species] if keys[0] == "network" else species
        checked.fault(keys, f"'{one}'", "a species of the liquid is one of [species]", nearest(one, known),
                      offset=_place_of(one, text))  # fmt: skip
    if not column:
        checked.fault(keys, f"'{text}'", "a reaction changes at least one species", "name it")


def _laws(checked: Checked) -> None:
    """Report learned laws that have nothing to learn from."""
    file = checked.file
    seen = (*file.species, *file.variables, *file.inputs)
    varying = _varying(checked)
    for table in ("reactions", "network", "definitions"):
        for name, entry in getattr(file, table).items():
            law, keys = entry.law, (table, name, "law")
            if law is None:
                continue
            formula = entry.formula if table == "definitions" else entry.rate
            if any(one[:3] == keys for one in checked.wrong):
                formula = "?"  # what it lacks may be what could not be read
            if not formula and law.get("kind", "black") != "black":
                checked.fault(keys, f"{law['kind']} without a formula", "it keeps or corrects a known one",
                              "write the formula, or use law = 'black'")  # fmt: skip
            elif formula != "?" and not law.get("inputs") and law.get("kind") != "white" and name not in varying:
                checked.fault(keys, "no inputs", "nothing is known of what it depends on",
                              "write law = { kind = 'black', inputs = ['GLC', ...] }")  # fmt: skip
            for i, one in enumerate(law.get("inputs", ())):
                if one and one.removeprefix("feed ") not in seen and one not in checked.unread:
                    checked.fault((*keys, "inputs", str(i)), f"'{one}'", "a network sees species, variables and inputs",
                                  nearest(one, seen))  # fmt: skip
            eaten = law.get("consumes", "")
            if eaten and eaten not in file.species and eaten not in checked.unread:
                checked.fault((*keys, "consumes"), f"'{eaten}'", "a species is needed", nearest(eaten, file.species))


def _varying(checked: Checked) -> set[str]:
    """Return the names of formulas that depend on a species, a variable or an input."""
    file = checked.file
    uses = dependencies(file, checked.trees)
    found = {*file.species, *file.variables, *file.inputs, *checked.unread, TIME}
    order, circle = in_order(uses)
    if circle:  # which is reported; what needs it is not known
        return {*found, *uses}
    for name in order:
        table, word = ("definitions", "formula") if name in file.definitions else ("reactions", "rate")
        table = "network" if name in file.network else table
        tree = checked.trees.get((table, name, word))
        if tree is not None and found.intersection(names_in(tree)):
            found.add(name)
    return found


def _balances(checked: Checked) -> None:
    """Report reactions that make or lose an element or a charge, where all their formulas are known."""
    species = checked.file.species
    for (table, name), column in checked.columns.items():
        turn = {bare(one): coefficient for one, coefficient in column.items()}
        if min(turn.values(), default=0.0) >= 0.0 or max(turn.values(), default=0.0) <= 0.0:
            continue  # what it makes or uses besides is left out on purpose
        if not all(one in species and species[one].formula for one in turn):
            continue
        try:
            atoms = {one: atoms_in(species[one].formula) for one in turn}
        except GraycellError:
            continue  # reported with the species
        carbon = sum(coefficient * atoms[one].get("C", 0) for one, coefficient in turn.items())
        if abs(carbon) > 1e-6:
            checked.fault((table, name, "equation"), f"{carbon:+g} C a turn", "a reaction keeps its carbon",
                          "correct coefficients or formulas")  # fmt: skip
        if all(species[one].charge is not None for one in turn):
            charge = sum(coefficient * float(species[one].charge or 0.0) for one, coefficient in turn.items())
            if abs(charge) > 1e-6:
                checked.fault((table, name, "equation"), f"a charge of {charge:+g} a turn",
                              "a reaction keeps its charge", "correct coefficients or charges")  # fmt: skip


def _variables(checked: Checked) -> None:
    for name, entry in checked.file.variables.items():
        keys = ("variables", name)
        if any(one[:2] == keys for one in checked.wrong):
            continue
        kinds = [word for word in ("derivative", "target", "loop") if getattr(entry, word)]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "no law"
            checked.fault(keys, found, "a variable has one of derivative, target and loop", "write one of them")
            continue
        if kinds == ["target"] and not entry.rate:
            checked.fault(keys, "no rate", "a variable relaxes to its target at a rate [1/d]", "write rate = '...'")
        elif kinds == ["loop"] and entry.turnover_time not in (*checked.file.parameters, *checked.unread):
            checked.fault((*keys, "turnover_time"), f"'{entry.turnover_time}'",
                          "the name of a parameter in d is needed",
                          nearest(entry.turnover_time, checked.file.parameters))  # fmt: skip
        elif kinds != ["target"] and entry.rate:
            checked.fault((*keys, "rate"), "a rate without a target", "a variable relaxes to its target at a rate",
                          "write target = '...', or leave the rate out")  # fmt: skip
        if entry.closure not in ("dynamic", "algebraic"):
            checked.fault((*keys, "closure"), f"'{entry.closure}'", "a loop is closed dynamic or algebraic",
                          nearest(entry.closure, ("dynamic", "algebraic")))  # fmt: skip
        for word in ("target", "rate"):
            tree = checked.trees.get((*keys, word))
            allowed = (*checked.file.parameters, *(checked.file.inputs if word == "target" else ()))
            for one in names_in(tree) if tree is not None else ():
                if one in known_names(checked.file) and one not in allowed and kinds == ["target"]:
                    checked.fault((*keys, word), f"'{one}'", "it may use inputs and parameters only" if word == "target"
                                  else "it may use parameters only", "use derivative = '...'",
                                  offset=_place_of(one, getattr(entry, word)))  # fmt: skip


def _others(checked: Checked) -> None:
    file = checked.file
    for name, entry in file.species.items():
        if entry.role and entry.role not in ROLES:
            checked.fault(("species", name, "role"), f"'{entry.role}'", "this role is not known",
                          nearest(entry.role, ROLES))  # fmt: skip
        if entry.formula:
            try:
                atoms_in(entry.formula)
            except GraycellError:
                checked.fault(("species", name, "formula"), f"'{entry.formula}'", "a chemical formula is needed",
                              "write it like C6H12O6")  # fmt: skip
    _cells(checked)
    for name, entry in file.triggers.items():
        tree = checked.trees.get(("triggers", name, "when"))
        if isinstance(tree, Call) and tree.function in _ARITHMETIC:
            checked.fault(("triggers", name, "when"), f"'{entry.when}', a number", "a condition is needed",
                          "write it like 'GLC < GLC_low'")  # fmt: skip
            del checked.trees["triggers", name, "when"]
        for target in entry.set:
            if target not in (*file.species, *file.variables, *checked.unread):
                checked.fault(("triggers", name, "set", target), f"'{target}'", "a trigger sets species and variables",
                              nearest(target, [*file.species, *file.variables]), key=True)  # fmt: skip
    projection = file.projection
    for word, value, table in (("clearance", projection.clearance, file.parameters),
                               ("shift", projection.shift, file.variables)):  # fmt: skip
        if value and value not in table and value not in checked.unread:
            checked.fault(("projection", word), f"'{value}'", "a name of the model is needed", nearest(value, table))
    for name in projection.reference:
        if name not in file.network and name not in checked.unread:
            checked.fault(("projection", "reference", name), f"'{name}'", "a reaction of [network] is needed",
                          nearest(name, file.network), key=True)  # fmt: skip
    for row in file.parameters.values():
        _parameter(checked, row)


def _parameter(checked: Checked, row: Parameter) -> None:
    """Report what keeps a fit from estimating a parameter, one fault for each of its words."""
    if any(one[:2] == ("parameters", row.name) for one in checked.wrong):
        return
    said: set[str] = set()
    for fault in row.faults():
        sentence = fault.removeprefix(f"parameter {row.name}: ").removeprefix("found ").rstrip(".")
        found, needed, remedy = (*sentence.split("; ", 2), "", "")[:3]
        low = row.bounds[0]
        beyond = "lower" if row.value < low or low == -float("inf") else "upper"
        word = next((word for part, word in _PARAMETER_WORDS if part in found), beyond)
        if word not in said:
            said.add(word)
            remedy = remedy.replace("math.inf", "inf").replace("=False", " = false")
            checked.fault(("parameters", row.name, word), found, needed, remedy)


def _cells(checked: Checked) -> None:
    file = checked.file
    viable = [name for name, entry in file.species.items() if entry.role == "viable cells"]
    if len(viable) > 1:
        checked.fault(("species", viable[1], "role"), "a second species of viable cells", "one is per what rates are",
                      "give it another role")  # fmt: skip
    specific = [name for name, entry in file.reactions.items() if not entry.volumetric]
    said = any(entry.role and entry.role not in ROLES for entry in file.species.values())
    said = said or any(keys[:1] == ("cells",) or (keys[:1] == ("species",) and keys[2:] in ((), ("role",)))
                       for keys in checked.wrong)  # fmt: skip
    if not said and not viable and file.cells is None and (specific or file.network) and "VCD" not in file.species:
        keys = ("reactions", specific[0]) if specific else ("network",)
        checked.fault(keys, "a rate per cell and no viable cells", "the species that counts them is needed",
                      "write role = 'viable cells' in its entry, or volumetric = true here")  # fmt: skip
    if isinstance(file.cells, Mapping):
        for word, table in (("species", file.species), ("biomass_per_cell", file.parameters),
                            ("viability", file.inputs)):  # fmt: skip
            name = file.cells.get(word)
            if name and name not in table and name not in checked.unread:
                checked.fault(("cells", word), f"'{name}'", "a name of the model is needed", nearest(name, table))


def _order(checked: Checked) -> None:
    circle = in_order(dependencies(checked.file, checked.trees))[1]
    if circle:
        name, needs = circle[0], circle[1 % len(circle)]
        table = known_names(checked.file)[name]
        keys = (table, name, "formula" if table == "definitions" else "rate")
        entry = getattr(checked.file, table)[name]
        checked.fault(keys, f"a circle: {' needs '.join([*circle, name])}", "a quantity cannot need itself",
                      "make one of them a variable", offset=_place_of(needs, getattr(entry, keys[2])))  # fmt: skip
