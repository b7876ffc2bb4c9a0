"""remark: what is strange in a model file: what nothing uses or makes, and rates that outlast their substrate."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from graycell.formulas.functions import number
from graycell.formulas.parsing import LONGEST
from graycell.formulas.tree import TIME, Tree, names_in
from graycell.formulas.values import value_of
from graycell.modelfiles.checked import Checked, Keys, bare, dependencies, formulas_of, in_order, known_names
from graycell.modelfiles.content import ModelFile
from graycell.names import resembling
from graycell.runs.records import VIABILITY

_VANISHING = 1e-9
"""[1] A rate counts as gone where it is this small beside the rate with its substrate."""
_POINTS = 3
"""Random operating points at which a rate must not vanish for a remark: at one, it may rest by chance."""
_AT_ONCE = 64
"""Species that are set to 0 together, each in a row of its own."""
_MOST_COMPARED = 1000
"""Names among which a misspelt one is looked for."""
_ALIKE = 0.6
"""[1] Resemblance from which an unknown name may be a misspelt one."""
_NAME = re.compile(r"[A-Za-z_]\w*")
_MADE = ("product", "by-product", "dead cells", "lysed cells", "total cells", "viable cells")
"""Roles of species that a culture makes."""


def remark(checked: Checked) -> None:
    """Add remarks to what was found.

    Args:
        checked: a model file after all checks.
    """
    if checked.unread or checked.wrong:
        return  # what was not read may use and make what seems to be alone
    used = _used(checked)
    _unused(checked, used)
    _counted_twice(checked)
    reactions = [(table, name) for table in ("reactions", "network") for name in getattr(checked.file, table)]
    if all(keys in checked.columns for keys in reactions):
        _unmade(checked, used)
    if checked.is_sound:
        _lasting(checked)


def _used(checked: Checked) -> set[str]:
    """Return the names that something uses."""
    file, used = checked.file, set()
    known = list(known_names(file))
    for keys, text in formulas_of(file):
        names = names_in(checked.trees[keys]) if keys in checked.trees else _NAME.findall(text[:LONGEST])
        used.update(names)
        if len(known) <= _MOST_COMPARED:
            # a misspelt name was to be this one: that it has no use would be a second report of one fault
            used.update(resembling(name, known, _ALIKE) for name in names if name not in known)
    if isinstance(file.cells, Mapping):
        used.update(file.cells.values())
    used.update(entry.turnover_time for entry in file.variables.values())
    used.update((file.projection.clearance, file.projection.shift))
    for law in file.laws.values():
        used.update(name.removeprefix("feed ") for name in law.get("inputs", ()))
    return used


def _unused(checked: Checked, used: set[str]) -> None:
    for table, what in (("parameters", "parameter"), ("definitions", "definition"), ("inputs", "input")):
        for name in getattr(checked.file, table):
            if name not in used and name not in checked.file.laws:
                checked.fault((table, name), "no formula that uses it", f"every {what} has a use",
                              "use it, or leave it out", key=True, warning=True)  # fmt: skip


def _counted_twice(checked: Checked) -> None:
    """Report an input viability of a model that computes the viability from its dead cells."""
    file = checked.file
    if VIABILITY in file.inputs and file.role("dead cells") and (file.role("viable cells") or file.cells):
        checked.fault(("inputs", VIABILITY), "viability as an input, and dead cells in the model, which computes it",
                      "a measured viability is compared with the model and does not act on it, or dead cells would "
                      "count twice", "leave the input out", key=True, warning=True)  # fmt: skip


def _unmade(checked: Checked, used: set[str]) -> None:
    """Report species that nothing changes or makes."""
    file, made, lost = checked.file, set(), set()
    for (table, name), column in checked.columns.items():
        both_ways = "<=>" in getattr(file, table)[name].equation
        made |= {bare(one) for one, coefficient in column.items() if coefficient > 0.0 or both_ways}
        lost |= {bare(one) for one, coefficient in column.items() if coefficient < 0.0 or both_ways}
    made |= {target for entry in file.triggers.values() for target in entry.set}
    for name, entry in file.species.items():
        if name not in made and name not in lost and name not in used:
            checked.fault(("species", name), "no reaction that changes it", "a species of a model takes part in it",
                          "write its reaction, or leave it out", key=True, warning=True)  # fmt: skip
        elif name not in made and (entry.role in _MADE or (name in lost and entry.initial == 0.0)):
            checked.fault(("species", name), "no reaction that makes it", "it is used up, or is a product",
                          "write the reaction that makes it", key=True, warning=True)  # fmt: skip


def _lasting(checked: Checked) -> None:
    """Report rates that are no numbers, and those that do not fall to 0 with a species that they use up."""
    file, cells = checked.file, checked.file.role("viable cells")
    eaten: dict[str, list[str]] = {}
    for (table, name), column in checked.columns.items():
        if table == "network" or not file.reactions[name].rate or file.reactions[name].law is not None:
            continue
        for species, coefficient in column.items():
            if coefficient < 0.0 and (species != cells or file.reactions[name].volumetric):
                eaten.setdefault(species, []).append(name)
    order, names = in_order(dependencies(file, checked.trees))[0], list(eaten)
    if file.checked_units:
        for name, values in _rates(file, checked.trees, order, ()).items():
            if name in file.reactions and not np.any(np.isfinite(values)):
                checked.fault(("reactions", name, "rate"), "a rate that is no number", "a rate is finite",
                              "look for a division by 0, or the root or logarithm of a number below 0")  # fmt: skip
    for first in range(0, len(names), _AT_ONCE):
        gone = names[first : first + _AT_ONCE]
        rates = _rates(file, checked.trees, order, gone)
        for row, species in enumerate(gone, 1):
            for name in eaten[species]:
                usual = np.maximum(np.abs(rates[name][0]), 1e-12)
                if np.all(np.abs(rates[name][row]) > _VANISHING * usual):
                    checked.fault(("reactions", name, "rate"), f"a rate that does not vanish with '{species}'",
                                  f"without a limit {species} falls below 0 once it has run out",
                                  f"multiply it by monod({species}, ...), or min(1, {species}/...)",
                                  warning=True)  # fmt: skip


def _rates(
    file: ModelFile, trees: Mapping[Keys, Tree], order: Sequence[str], gone: Sequence[str]
) -> dict[str, Float[np.ndarray, "rows points"]]:
    """Return all rates at random operating points; in row k + 1, species k of `gone` is 0.

    Args:
        file: a model file without errors.
        trees: of its formulas.
        order: of definitions and reactions.
        gone: species.
    """
    random, shape = np.random.default_rng(0), (1 + len(gone), _POINTS)
    values = {name: np.full(shape, row.value) for name, row in file.parameters.items()}
    values |= {name: np.full(shape, entry.initial + 0.1) for name, entry in file.variables.items()}
    values[TIME] = np.ones(shape)
    for table, most in ((file.species, 5.0), (file.inputs, 2.0)):
        for name in table:
            values[name] = np.broadcast_to(random.uniform(0.5, most, _POINTS), shape).copy()
    values |= {name: np.full(shape, entry.default) for name, entry in file.inputs.items() if entry.default is not None}
    for row, name in enumerate(gone, 1):
        values[name][row] = 0.0
    for name in order:
        table, word = ("definitions", "formula") if name in file.definitions else ("network", "rate")
        tree = trees.get(("reactions", name, "rate") if name in file.reactions else (table, name, word))
        found = 1.0 if tree is None else number(np, value_of(tree, values.__getitem__))
        values[name] = np.broadcast_to(np.asarray(found, float), shape)
    return values
