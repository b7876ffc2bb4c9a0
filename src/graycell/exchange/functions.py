"""Function definitions of SBML for the functions of culture kinetics, which SBML does not have."""

from graycell.formulas.functions import CULTURE_FUNCTIONS, GAS_CONSTANT, ZERO_CELSIUS
from graycell.formulas.tree import Call, Tree

DEFINITIONS: dict[tuple[str, int], tuple[str, tuple[str, ...], str]] = {
    ("monod", 2): ("monod", ("c", "K"), "c / (K + c)"),
    ("inhibition", 2): ("inhibition", ("c", "K"), "1 / (1 + c / K)"),
    ("inhibition", 3): ("inhibition_hill", ("c", "K", "n"), "1 / (1 + (c / K)^n)"),
    ("hill", 3): ("hill", ("c", "K", "n"), "(c / K)^n / (1 + (c / K)^n)"),
    ("haldane", 3): ("haldane", ("c", "K", "Ki"), "c / (K + c + c * c / Ki)"),
    ("gaussian", 3): ("gaussian", ("x", "optimum", "width"), "exp(-(((x - optimum) / width)^2))"),
    ("sigmoid", 1): ("sigmoid", ("x",), "1 / (1 + exp(-x))"),
    ("arrhenius", 3): ("arrhenius", ("T", "E", "Tref"),
                       f"exp(E / {GAS_CONSTANT!r} * (1 / (Tref + {ZERO_CELSIUS!r}) - 1 / (T + {ZERO_CELSIUS!r})))"),
    ("kelvin", 1): ("kelvin", ("T",), f"T + {ZERO_CELSIUS!r}"),
}  # fmt: skip
"""By function and number of arguments: id in SBML, arguments, and formula."""


def called(tree: Tree, used: dict[str, tuple[tuple[str, ...], str]]) -> Tree:
    """Return a formula in which the functions of culture kinetics are called by their ids in SBML.

    Args:
        tree: of a formula.
        used: arguments and formulas by id; those that the formula calls are added.

    Returns:
        The tree.
    """
    if not isinstance(tree, Call):
        return tree
    given = tuple(called(part, used) for part in tree.arguments)
    if tree.function not in CULTURE_FUNCTIONS:
        return Call(tree.function, given)
    name, arguments, formula = DEFINITIONS[tree.function, len(given)]
    used[name] = arguments, formula
    return Call(name, given)
