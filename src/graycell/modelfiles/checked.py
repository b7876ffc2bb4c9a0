"""Checked: a model file while it is checked, its formulas, and in which order they need each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graycell.cell.network import EXTERNAL_SUFFIX
from graycell.errors import Faults
from graycell.formulas.tree import TIME, Tree, names_in
from graycell.modelfiles.content import ModelFile

Keys = tuple[str, ...]
Place = Callable[..., str]
MOST_FAULTS = 100
"""Errors, and remarks, that are listed: nobody corrects more in one go."""


class TooManyFaultsError(Exception):
    """More errors than are listed; the check of a file ends."""


@dataclass
class Checked:
    """A model file while it is checked.

    Attributes:
        file: its contents.
        place: from keys to a place for messages; `offset` counts characters of the text of the value.
        faults: what was found so far.
        unread: names of entries that cannot be read; what uses them is not at fault.
        wrong: keys of values that were reported already; what follows from them is no fault.
        trees: of the formulas that can be read, by keys.
        columns: coefficients of the equations that can be read, by keys.
        faulty: table and name of the entries with an error.
        ambiguous: names that stand for two things.
    """

    file: ModelFile
    place: Place
    faults: Faults
    unread: frozenset[str] = frozenset()
    wrong: frozenset[Keys] = frozenset()
    trees: dict[Keys, Tree] = field(default_factory=dict)
    columns: dict[Keys, dict[str, float]] = field(default_factory=dict)
    faulty: set[Keys] = field(default_factory=set)
    ambiguous: set[str] = field(default_factory=set)

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

        Raises:
            TooManyFaultsError: for one error more than are listed.
        """
        if not warning:
            self.faulty.add(keys[:2])
        elif keys[:2] in self.faulty:
            return  # a remark on what is at fault may follow from it
        place = self.place(keys, offset=offset, key=key)
        self.faults.of_file(place, found, needed, remedy, "warning" if warning else "error")
        if self.faults.is_full:
            raise TooManyFaultsError

    @property
    def is_sound(self) -> bool:
        """Whether no error was found so far."""
        return not self.faults.errors and not self.unread and not self.wrong


def formulas_of(file: ModelFile) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and the text of every formula of a model file.

    Args:
        file: its contents.

    Yields:
        Keys and text.
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


def bare(species: str) -> str:
    """Return the name of a species of the liquid in the network without its suffix.

    Args:
        species: in an equation.

    Returns:
        Its name in the liquid.
    """
    return species.removesuffix(EXTERNAL_SUFFIX)


def dependencies(file: ModelFile, trees: Mapping[Keys, Tree]) -> dict[str, tuple[str, ...]]:
    """Return which definitions and reactions each definition and reaction uses directly.

    Args:
        file: its contents.
        trees: of its formulas, by keys; one that is not there uses nothing.

    Returns:
        Names by name.
    """
    places = [(name, ("definitions", name, "formula")) for name in file.definitions]
    places += [(name, (table, name, "rate")) for table in ("network", "reactions") for name in getattr(file, table)]
    found = {name: names_in(trees[keys]) if keys in trees else () for name, keys in places}
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
