"""Names of a model file for the ids of an SBML model: an id that means something else in a formula gets a "_"."""

from collections.abc import Iterable

from graycell.cell.network import EXTERNAL_SUFFIX
from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.parsing import FormulaError, parse
from graycell.formulas.tree import CONSTANTS, TIME, Name

_TAKEN = {*CONSTANTS, TIME, *FUNCTIONS, "BIOM", "viability", "biomass_per_cell"}
"""Names of the grammar, and those that a culture model understands by itself."""


def usable(name: str) -> bool:
    """Return whether a name means nothing else in a model file.

    Args:
        name: an identifier.

    Returns:
        Whether it can be used as it is.

    >>> usable("k1"), usable("time"), usable("INF")
    (True, False, False)
    """
    if name in _TAKEN or name.endswith(EXTERNAL_SUFFIX):
        return False
    try:
        return parse(name) == Name(name)  # INF and Pi are numbers to the grammar
    except FormulaError:
        return False


class Names:
    """Hands out names, each once.

    Attributes:
        taken: names that are in use.
    """

    def __init__(self, taken: Iterable[str] = ()):
        self.taken = set(taken)

    def new(self, wanted: str) -> str:
        """Return a name that is free.

        Args:
            wanted: an identifier.

        Returns:
            It, or with as many "_" behind as make it free.
        """
        name = wanted
        while name in self.taken or not usable(name):
            name += "_"
        self.taken.add(name)
        return name
