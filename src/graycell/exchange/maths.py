"""Maths: MathML of an SBML model -> trees, with the functions that the model defines written out."""

from collections.abc import Mapping, Sequence
from typing import Any

from graycell.errors import nearest
from graycell.formulas.parsing import DEEPEST, FormulaError, tree_of
from graycell.formulas.tree import Call, Name, Number, Tree, parts, with_names

RATE_OF = "rateOf"
"""Function of SBML: the time derivative of a symbol. It is in trees of SBML only, and written out in a model file."""
LARGEST_FORMULA = 20_000
"""Numbers, names and calls of a formula once its functions are written out; functions of functions grow fast."""
_CHAINS = ("+", "*", "&&", "||")
"""Operators of any number of arguments."""
_ARGUMENT = "@"
"""Stands before the name of an argument inside a function, so that it is no symbol of the model."""


class Maths:
    """Reads the formulas of one model.

    Attributes:
        names: from an id of the model to its name in the model file.
        functions: `libsbml.FunctionDefinition` by id.
    """

    def __init__(self, names: Mapping[str, str], functions: Mapping[str, Any]):
        self.names, self.functions = names, functions
        self._bodies: dict[str, tuple[tuple[str, ...], Tree]] = {}
        self._open: set[str] = set()

    def tree(self, node: Any, local: Mapping[str, str] | None = None) -> Tree:
        """Return a formula as a tree of symbols of the model.

        Args:
            node: a `libsbml.ASTNode`.
            local: names of local parameters by id, which come before those of the model.

        Returns:
            The tree; a symbol is named as in the model file and means what SBML says.

        Raises:
            FormulaError: for what is not supported, an unknown name, or a formula that is too large.
        """
        names = {**self.names, **(local or {})}

        def name_of(text: str) -> Name:
            if text not in names:
                raise FormulaError(f"'{text}'", "a formula uses symbols of the model", nearest(text, names))
            return Name(names[text])

        return self._tree(node, name_of)

    def _tree(self, node: Any, name_of: Any) -> Tree:
        import libsbml

        def special(part: Any, depth: int) -> Tree | None:
            kind = part.getType()
            if kind == libsbml.AST_NAME:
                return name_of(part.getName() or "")
            if kind == libsbml.AST_RATIONAL and part.getDenominator() == 0:
                raise FormulaError("a number divided by 0", "a number is needed", "write infinity, or correct it")
            if kind in (libsbml.AST_PLUS, libsbml.AST_TIMES) and part.getNumChildren() > 1:
                terms = [tree_of(one, depth + 1, special) for one in _terms(part, kind)]
                return Call("+" if kind == libsbml.AST_PLUS else "*", tuple(terms))
            if kind == libsbml.AST_FUNCTION_RATE_OF:
                return self._rate_of(part, name_of)
            if kind == libsbml.AST_FUNCTION_DELAY:
                raise FormulaError("delay", "the past of a symbol is not kept", "use a chain of states in its place")
            if kind != libsbml.AST_FUNCTION or part.getName() not in self.functions:
                return None
            given = [tree_of(part.getChild(i), depth + 1, special) for i in range(part.getNumChildren())]
            return self._called(part.getName(), given)

        return _folded(_bounded(tree_of(node, 0, special)))

    def _rate_of(self, node: Any, name_of: Any) -> Tree:
        import libsbml

        if node.getNumChildren() != 1 or node.getChild(0).getType() != libsbml.AST_NAME:
            raise FormulaError(
                "rateOf of an expression", "rateOf takes one symbol", "define the expression by a rate rule"
            )
        return Call(RATE_OF, (name_of(node.getChild(0).getName() or ""),))

    def _called(self, name: str, given: list[Tree]) -> Tree:
        """Return a function of the model with its arguments in place."""
        arguments, body = self._body(name)
        if len(arguments) != len(given):
            raise FormulaError(
                f"{len(given)} arguments of '{name}'", f"it takes {len(arguments)}", "correct their number"
            )
        used = [part.name for part in parts(body) if isinstance(part, Name)]
        sizes = {_ARGUMENT + one: _size(tree) for one, tree in zip(arguments, given, strict=True)}
        if sum(sizes.get(one, 1) for one in used) > LARGEST_FORMULA:
            raise _too_large()
        trees = {_ARGUMENT + one: tree for one, tree in zip(arguments, given, strict=True)}
        return _bounded(_derivatives(with_names(body, trees)))

    def _body(self, name: str) -> tuple[tuple[str, ...], Tree]:
        """Return the arguments and the body of a function of the model."""
        if name in self._open:
            raise FormulaError(f"the function '{name}' inside itself", "a function cannot need itself", "write it out")
        if name not in self._bodies:
            given = self.functions[name]
            if not given.isSetMath() or given.getBody() is None:
                raise FormulaError(f"the function '{name}' without a formula", "its value is not defined", "define it")
            arguments = tuple(given.getArgument(i).getName() or "" for i in range(given.getNumArguments()))

            def name_of(text: str) -> Name:
                if text not in arguments:
                    raise FormulaError(f"'{text}' inside '{name}'", "a function uses its arguments only",
                                       nearest(text, arguments))  # fmt: skip
                return Name(_ARGUMENT + text)

            self._open.add(name)
            try:
                self._bodies[name] = arguments, self._tree(given.getBody(), name_of)
            finally:
                self._open.discard(name)
        return self._bodies[name]


def _terms(node: Any, kind: int) -> list[Any]:
    """Return the terms of a sum or product; some tools write those of many terms as sums inside sums."""
    terms = []
    while node.getType() == kind and node.getNumChildren() > 1:
        terms += [node.getChild(i) for i in reversed(range(1, node.getNumChildren()))]
        node = node.getChild(0)
    return [node, *reversed(terms)]


def _too_large() -> FormulaError:
    found = "a formula that grows too large once its functions are written out"
    return FormulaError(found, f"at most {LARGEST_FORMULA} parts are read", "define parts of it by assignment rules")


def _size(tree: Tree) -> int:
    count = 0
    for _ in parts(tree):
        count += 1
        if count > LARGEST_FORMULA:
            break
    return count


def _bounded(tree: Tree) -> Tree:
    """Return a tree that is neither too large nor too deep."""
    waiting, count = [(tree, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        count += 1
        if count > LARGEST_FORMULA:
            raise _too_large()
        if depth > DEEPEST:
            raise FormulaError(f"more than {DEEPEST} levels", "a formula is at most that deep",
                               "define parts of it by assignment rules")  # fmt: skip
        if isinstance(one, Call):
            waiting.extend((part, depth + 1) for part in one.arguments)
    return tree


def _derivatives(tree: Tree) -> Tree:
    """Raise where an argument made rateOf one of an expression."""
    for part in parts(tree):
        if isinstance(part, Call) and part.function == RATE_OF and not isinstance(part.arguments[0], Name):
            raise FormulaError(
                "rateOf of an expression", "rateOf takes one symbol", "define the expression by a rate rule"
            )
    return tree


_EMPTY: dict[str, Tree] = {
    "+": Number(0.0),
    "*": Number(1.0),
    "&&": Name("true"),
    "||": Name("false"),
    "xor": Name("false"),
}
"""Values of operators without arguments, which MathML allows."""


def chained(function: str, given: Sequence[Tree]) -> Tree:
    """Return a sum or product as one call, as the grammar of formulas reads it: a + b + c.

    Args:
        function: an operator of any number of arguments.
        given: its arguments, at least one.

    Returns:
        The call; the argument where there is one alone.
    """
    if len(given) == 1:
        return given[0]
    first = given[0]
    before = (
        first.arguments
        if isinstance(first, Call) and first.function == function and len(first.arguments) > 1
        else (first,)
    )
    return Call(function, (*before, *given[1:]))


def _folded(tree: Tree) -> Tree:
    """Return a tree as the grammar of formulas has it: chains as one call, and no operators without arguments."""
    if not isinstance(tree, Call):
        return tree
    if not tree.arguments and tree.function in _EMPTY:
        return _EMPTY[tree.function]
    given = tuple(_folded(part) for part in tree.arguments)
    return chained(tree.function, given) if tree.function in _CHAINS and len(given) > 1 else Call(tree.function, given)


def flat(tree: Tree) -> Tree:
    """Return a tree with chains of one operator as one call, for a comparison.

    Args:
        tree: of a formula.

    Returns:
        The tree; nothing else is changed.

    >>> flat(Call("+", (Call("+", (Name("a"), Name("b"))), Name("c")))).arguments
    (Name(name='a'), Name(name='b'), Name(name='c'))
    """
    if not isinstance(tree, Call):
        return tree
    given = [flat(part) for part in tree.arguments]
    if tree.function in _CHAINS and len(given) > 1:
        joined: list[Tree] = []
        for part in given:
            inner = isinstance(part, Call) and part.function == tree.function and len(part.arguments) > 1
            joined.extend(part.arguments if inner else (part,))  # type: ignore[union-attr]
        given = joined
    return Call(tree.function, tuple(given))
