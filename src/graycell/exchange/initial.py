"""InitialValues: the values of the symbols of an SBML model at time 0, before any event, each after what it needs."""

import math
from collections.abc import Callable

import numpy as np

from graycell.errors import Finding
from graycell.exchange.contents import Quantity, SbmlModel
from graycell.formulas.functions import number
from graycell.formulas.tree import CONSTANTS, TIME, Name, Number, Tree, names_in, replaced
from graycell.formulas.values import value_of


class UnknownValueError(Exception):
    """A value that the model does not give.

    Attributes:
        place: of what has no value.
        found: what is wrong with it.
    """

    def __init__(self, place: str, found: str):
        self.place, self.found = place, found
        super().__init__(f"{place}: {found}")

    @property
    def finding(self) -> Finding:
        """The fault as a finding."""
        return Finding(self.place, self.found, "a value at time 0 is needed", "give it, or an initial assignment")


class InitialValues:
    """The values of the symbols of a model at time 0.

    Attributes:
        model: as it is declared.
        without_rates: from a formula to one in which every rateOf is written out.
    """

    def __init__(self, model: SbmlModel, without_rates: Callable[[Tree], Tree]):
        self.model, self.without_rates = model, without_rates
        self._known: dict[str, float] = {}

    def value(self, name: str) -> float:
        """Return the value of a symbol.

        Args:
            name: of a quantity or reaction.

        Returns:
            The value; that of a species is a concentration or an amount, as formulas use it.

        Raises:
            UnknownValueError: where the model does not give it.
        """
        # not by recursion: chains of rules may be long
        path = {} if name in self._known else {name: iter(self._needs(name))}
        while path:
            last = next(reversed(path))
            needed = next((one for one in path[last] if one not in self._known), None)
            if needed is None:
                self._known[last] = self._value(last)
                del path[last]
            elif needed in path:
                known = self.model.quantities.get(needed) or self.model.reactions[needed]
                circle = [*list(path)[list(path).index(needed) :], needed]
                raise UnknownValueError(known.place, f"a circle: {' needs '.join(circle)}")
            else:
                path[needed] = iter(self._needs(needed))
        return self._known[name]

    def _needs(self, name: str) -> tuple[str, ...]:
        """Return what the value of a symbol is computed from."""
        one, tree = self.model.quantities.get(name), self._formula(name)
        if tree is not None:
            return tuple(one for one in names_in(self.without_rates(tree)) if one != TIME)
        if one is None or one.kind != "species" or self._is_point(one):
            return ()
        return (one.compartment,) if (one.concentration is None) != one.substance else ()

    def _formula(self, name: str) -> Tree | None:
        """Return the formula of the value of a symbol; None where it is a number."""
        reaction = self.model.reactions.get(name)
        if reaction is not None:
            return reaction.law
        one = self.model.quantities[name]
        return one.assigned if one.assigned is not None else one.start

    def _is_point(self, one: Quantity) -> bool:
        return self.model.quantities[one.compartment].substance

    def _value(self, name: str) -> float:
        tree = self._formula(name)
        if tree is not None:
            return self.computed(tree)
        one = self.model.quantities[name]
        if one.kind == "species" and one.concentration is not None:
            sized = one.substance and not self._is_point(one)
            return one.concentration * (self._known[one.compartment] if sized else 1.0)
        if one.value is None or (math.isnan(one.value) and one.kind != "parameter"):
            raise UnknownValueError(one.place, "no value")
        if one.kind == "species" and not one.substance:
            with np.errstate(all="ignore"):
                return float(np.float64(one.value) / self._known[one.compartment])
        return one.value

    def amount(self, name: str) -> float:
        """Return the amount of a species.

        Args:
            name: of a species.

        Returns:
            The amount.

        Raises:
            UnknownValueError: where the model does not give it.
        """
        one = self.model.quantities[name]
        given = one.value is not None and one.concentration is None and self._formula(name) is None
        if given and one.value is not None:
            if math.isnan(one.value):
                raise UnknownValueError(one.place, "no value")
            return one.value
        return self.value(name) * (1.0 if one.substance else self.value(one.compartment))

    def computed(self, tree: Tree) -> float:
        """Return the value of a formula of SBML.

        Args:
            tree: of the formula.

        Returns:
            The value.

        Raises:
            UnknownValueError: where it needs a value that the model does not give.
        """
        tree = replaced(self.without_rates(tree), _as_array)
        with np.errstate(all="ignore"):
            return float(number(np, value_of(tree, self._looked_up)))

    def _looked_up(self, name: str) -> float:
        return np.float64(0.0 if name == TIME else self.value(name))


def _as_array(part: Tree) -> Tree | None:
    """Return numbers and constants as those of numpy, which divides by 0 without an exception."""
    if isinstance(part, Number):
        return Number(np.float64(part.value))
    return Number(np.float64(CONSTANTS[part.name])) if isinstance(part, Name) and part.name in CONSTANTS else None
