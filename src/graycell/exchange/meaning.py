"""Meaning: what the symbols of an SBML model are in a model file: which change, their formulas and their rates.

In a model file a species holds its amount, per litre of a vessel of 1 L. So the symbol of a species whose unit is a
concentration is its amount over the size of its compartment, wherever a formula uses it.
"""

from typing import Literal

from graycell.errors import Finding, InputError
from graycell.exchange.contents import Quantity, SbmlModel
from graycell.exchange.initial import InitialValues, UnknownValueError
from graycell.exchange.maths import RATE_OF, chained
from graycell.exchange.names import Names
from graycell.formulas.tree import Call, Name, Number, Tree, names_in, parts, replaced

Role = Literal["definition", "species", "variable", "parameter"]
_DEEPEST_RATE = 10
"""Rates inside rates."""
_ZERO, _ONE = Number(0.0), Number(1.0)


def product(*factors: Tree) -> Tree:
    """Return a product without the factors that are 1.

    Args:
        *factors: trees.

    Returns:
        The product.

    >>> product(Number(1.0), Name("k"))
    Name(name='k')
    """
    if any(isinstance(one, Number) and one.value == 0.0 for one in factors):
        return _ZERO
    left = [one for one in factors if one != _ONE]
    return chained("*", left) if left else _ONE


def total(terms: list[Tree]) -> Tree:
    """Return a sum without the terms that are 0.

    Args:
        terms: trees.

    Returns:
        The sum.
    """
    left = [one for one in terms if one != _ZERO]
    return chained("+", left) if left else _ZERO


class Meaning:
    """What the symbols of a model mean.

    Attributes:
        model: as it is declared.
        start: values at time 0.
        roles: of the quantities, by name: what each is in the model file.
        beside: by the name of a species whose concentration has a name of its own, that name.
    """

    def __init__(self, model: SbmlModel, names: Names):
        self.model = model
        self._depth = 0
        self.start = InitialValues(model, self.without_rates)
        self._targets = {name for event in model.events for name in event.assignments}
        self._reacting = {name for one in model.reactions.values() for name, _ in one.changes}
        self.roles: dict[str, Role] = {name: self._role(one) for name, one in model.quantities.items()}
        self.beside: dict[str, str] = {}
        for name, one in model.quantities.items():
            if self._has_concentration(one) and (
                self.roles[name] == "definition" or (one.rate is not None and self._moves(one.compartment))
            ):
                self.beside[name] = names.new(f"{name}_concentration")

    def _role(self, one: Quantity) -> Role:
        if one.assigned is not None:
            return "definition"
        if one.kind == "species" and one.name in self._reacting and not one.boundary and not one.constant:
            return "species"
        return "variable" if one.rate is not None or one.name in self._targets else "parameter"

    def _moves(self, compartment: str) -> bool:
        """Return whether the rate at which a compartment grows is not known as a formula."""
        return self.roles[compartment] == "definition"

    def is_one(self, compartment: str) -> bool:
        """Return whether a compartment has the size 1 at all times.

        Args:
            compartment: a name.

        Returns:
            Whether it does, so that an amount is a concentration.
        """
        if self.roles[compartment] != "parameter":
            return False
        try:
            return self.start.value(compartment) == 1.0
        except UnknownValueError:
            return False

    def _has_concentration(self, one: Quantity) -> bool:
        """Return whether the symbol of a quantity is a concentration that differs from its amount."""
        return one.kind == "species" and not one.substance and not self.is_one(one.compartment)

    # ---------------------------------------------------------------------------------------------------- the formulas

    def written(self, tree: Tree) -> Tree:
        """Return a formula of SBML as one of the model file.

        Args:
            tree: whose symbols mean what SBML says.

        Returns:
            The tree, with concentrations as amounts over sizes, and without derivatives.
        """
        return replaced(self.without_rates(tree), self._symbol)

    def _symbol(self, part: Tree) -> Tree | None:
        one = self.model.quantities.get(part.name) if isinstance(part, Name) else None
        return None if one is None else self.symbol(one.name)

    def symbol(self, name: str) -> Tree:
        """Return what a symbol of SBML is in the model file.

        Args:
            name: of a quantity.

        Returns:
            Its name, or an amount over a size.
        """
        one = self.model.quantities[name]
        if name in self.beside:
            return Name(self.beside[name])
        if self._has_concentration(one):
            return Call("/", (Name(name), Name(one.compartment)))
        return Name(name)

    def concentration(self, name: str) -> Tree:
        """Return the concentration of a species in the model file, whatever its symbol means.

        Args:
            name: of a species.

        Returns:
            A formula.
        """
        one = self.model.quantities[name]
        if not one.substance or self.is_one(one.compartment):
            return self.symbol(name)
        return Call("/", (Name(name), Name(one.compartment)))

    def size(self, one: Quantity) -> Tree:
        """Return what the symbol of a species is multiplied by to give its amount.

        Args:
            one: a species.

        Returns:
            1, or the name of its compartment.
        """
        return Name(one.compartment) if self._has_concentration(one) else _ONE

    def without_rates(self, tree: Tree) -> Tree:
        """Return a formula of SBML with every rateOf written out.

        Args:
            tree: of a formula.

        Returns:
            The tree.

        Raises:
            InputError: for the rate of something whose rate has no formula.
        """
        if not any(isinstance(part, Call) and part.function == RATE_OF for part in parts(tree)):
            return tree

        def change(part: Tree) -> Tree | None:
            if isinstance(part, Call) and part.function == RATE_OF:
                return self.without_rates(self.rate(part.arguments[0].name))  # type: ignore[union-attr]
            return None

        self._depth += 1
        try:
            if self._depth > _DEEPEST_RATE:
                self._refuse(f"{self.model.path}, rateOf", "a rate that needs itself", "write the rate out")
            return replaced(tree, change)
        finally:
            self._depth -= 1

    def _refuse(self, place: str, found: str, remedy: str) -> None:
        raise InputError([Finding(place, found, "the rate has no formula", remedy)])

    def rate(self, name: str) -> Tree:
        """Return the time derivative of a symbol, as a formula of SBML.

        Args:
            name: of a quantity.

        Returns:
            The tree.

        Raises:
            InputError: for a symbol whose rate has no formula.
        """
        one = self.model.quantities.get(name)
        if one is None:
            self._refuse(
                f"{self.model.path}, '{name}'", "rateOf something else than a symbol with a value", "write it out"
            )
        assert one is not None
        if one.assigned is not None:
            self._refuse(one.place, "rateOf a symbol with an assignment rule", "write the derivative out")
        if one.rate is not None:
            return one.rate
        amount = self.amount_rate(name) if self.roles[name] == "species" else _ZERO
        size = self.size(one)
        if size == _ONE:
            return amount
        growth = self.rate(one.compartment)
        diluted = product(Number(-1.0), Name(name), growth)
        return _ZERO if (both := total([amount, diluted])) == _ZERO else Call("/", (both, size))

    def amount_rate(self, name: str) -> Tree:
        """Return the time derivative of the amount of a species that reactions change, as a formula of SBML.

        Args:
            name: of a species.

        Returns:
            The tree.
        """
        factor = self.model.quantities[name].conversion
        terms = [
            product(coefficient, Name(reaction.name), *((Name(factor),) if factor else ()))
            for reaction in self.model.reactions.values()
            for species, coefficient in reaction.changes
            if species == name
        ]
        return total(terms)

    def derivative(self, name: str) -> Tree:
        """Return the derivative of a variable of the model file.

        Args:
            name: of a quantity with the role of a variable.

        Returns:
            A formula of the model file: for a species in a compartment, of its amount.
        """
        one = self.model.quantities[name]
        if one.rate is None:
            return _ZERO
        size = self.size(one)
        if size == _ONE or name in self.beside:
            return self.written(one.rate)
        grown = product(Name(name), self.rate(one.compartment))
        return self.written(total([product(one.rate, size), grown]))


def depends_on(name: str, wanted: str, model: SbmlModel) -> bool:
    """Return whether the value of an assigned symbol needs another symbol.

    Args:
        name: of a symbol.
        wanted: name of the other.
        model: that has both.

    Returns:
        Whether it does, directly or not; a symbol needs itself.
    """
    waiting, seen = [name], set()
    while waiting:
        one = waiting.pop()
        if one == wanted:
            return True
        if one in seen:
            continue
        seen.add(one)
        quantity, reaction = model.quantities.get(one), model.reactions.get(one)
        tree = quantity.assigned if quantity is not None else reaction.law if reaction is not None else None
        if tree is not None:
            waiting.extend(names_in(tree))
        if quantity is not None and quantity.kind == "species":
            waiting.append(quantity.compartment)
    return False
