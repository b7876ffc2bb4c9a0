"""parse: a formula in the infix text of SBML Level 3 -> a tree.

libsbml reads the text into a tree of its own, which is copied; nothing is evaluated. Text and trees are bounded.
"""

import functools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from graycell.errors import ModelError, nearest, shown
from graycell.formulas.functions import FUNCTIONS, OPERATORS
from graycell.formulas.tree import TIME, Call, Name, Number, Tree

LONGEST = 10_000
"""Characters of a formula; the longest rate laws of published models have a few hundred."""
DEEPEST = 100
"""Levels of brackets, and of a tree: what reads trees calls itself for every level."""
_ONE_PARSER = threading.Lock()
"""The parser of libsbml keeps its state, and its last error, for the whole process."""
MOST_ARGUMENTS = 1000
"""Terms of a sum, or arguments of any function: libsbml counts its list from the beginning for each."""
_COMPARED = ("==", "!=", "<>", "<", ">", "<=", ">=")
_LONGEST_FOUND = 200
"""Characters of what was found that a message shows."""


class FormulaError(ModelError):
    """A formula that cannot be read.

    Attributes:
        found: what is there.
        needed: what should be there.
        remedy: what to do.
        column: of the fault in the text, from 1.
        function: the function that is at fault, "" for none.
    """

    def __init__(self, found: str, needed: str, remedy: str, column: int = 1, function: str = ""):
        self.found, self.needed, self.remedy, self.column, self.function = found, needed, remedy, column, function
        super().__init__(f"formula, character {column}: found {shown(found, _LONGEST_FOUND)}; {needed}; {remedy}.")


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Tree:
    """Return the tree of a formula.

    Args:
        text: in the infix syntax of SBML Level 3: ``mu_max * GLC / (K + GLC)``, ``piecewise(a, x < 1, b)``.

    Returns:
        The tree.

    Raises:
        FormulaError: for text that is no formula, is too long or too deep, or calls an unknown function.

    >>> parse("2 * x")
    Call(function='*', arguments=(Number(value=2.0), Name(name='x')))
    """
    _require_bounded(text)
    _require_unambiguous(text)
    import libsbml  # slow to import, and needed only where a model has formulas

    with _ONE_PARSER:
        parsed, fault = libsbml.parseL3FormulaWithSettings(text, _settings()), libsbml.getLastParseL3Error()
    if parsed is None:
        raise _syntax_error(text, fault)
    try:
        return tree_of(parsed)
    except FormulaError as error:  # a tree does not know where in the text it was
        raise FormulaError(error.found, error.needed, error.remedy, _column_of(text, error.function)) from None


@functools.cache
def _settings() -> Any:
    import libsbml

    settings = libsbml.L3ParserSettings()
    settings.setParseLog(libsbml.L3P_PARSE_LOG_AS_ERROR)  # to some it is the natural logarithm
    settings.setParseUnits(libsbml.L3P_NO_UNITS)
    settings.setParseModuloL3v2(libsbml.L3P_MODULO_IS_REM)  # written out, a % b % c % ... doubles with each sign
    settings.setParseModuloL3v2(True)  # a % b as rem(a, b); else a and b are copied, and a chain of % doubles each time
    return settings


def _require_bounded(text: str) -> None:
    if len(text) > LONGEST:
        raise FormulaError(f"{len(text)} characters", f"at most {LONGEST} are read", "define parts of it by name")
    depth = 0
    for column, character in enumerate(text, 1):
        depth += (character == "(") - (character == ")")
        if depth > DEEPEST:
            raise FormulaError(f"more than {DEEPEST} levels of brackets", "a formula is at most that deep",
                               "define parts of it by name", column)  # fmt: skip
    strange = re.search(r"[^ -~\t\n]", text)
    if strange is not None:
        raise FormulaError(f"'{strange[0]}'", "a formula has letters, digits and operators of ASCII",
                           "write it in other letters", strange.start() + 1)  # fmt: skip
    # a chain of signs is as deep as it is long, and libsbml calls itself for each
    signs = 0
    for column, character in enumerate(text, 1):
        signs = signs + 1 if character in "-!^" else signs if character.isspace() else 0
        if signs > DEEPEST:
            raise FormulaError(f"more than {DEEPEST} signs in a row", "a formula is at most that deep",
                               "leave them out", column)  # fmt: skip


def _require_unambiguous(text: str) -> None:
    """Raise where libsbml reads something else than it seems: && and || as of one level, (a < b) < c as a chain."""
    levels: list[_Level] = [_Level("")]
    before = ""  # "compared" behind brackets that hold a comparison alone, "name" behind what brackets belong to
    for token in re.finditer(r"[A-Za-z_]\w*|&&|\|\||[=!<>]=|<>|[^\s]", text):
        one, column, level = token[0], token.start() + 1, levels[-1]
        if one in _COMPARED:
            if before == "compared":
                raise FormulaError("a comparison of a comparison", "it would be read as a chain",
                                   "write it as eq(a < b, c), with eq, neq, lt, gt, leq or geq", column)  # fmt: skip
            level.compared = True
        elif one in ("&&", "||"):
            if level.logical not in ("", one):
                raise FormulaError(f"'{one}' beside '{level.logical}'", "which one goes first is not agreed on",
                                   "put brackets around one of them", column)  # fmt: skip
            level.logical = one
        elif one == "(":
            levels.append(_Level(before))
        elif one == ",":
            level.compared, level.logical = False, ""
        elif one == ")" and len(levels) > 1:
            levels.pop()
            alone = before == "compared" and level.inside
            is_bracket = level.before != "name" and not level.logical
            before = "compared" if is_bracket and (level.compared or alone) else ""
            levels[-1].inside = level.before == "("
            continue
        before = "name" if re.match(r"[A-Za-z_!]", one) else one if one == "(" else ""


@dataclass
class _Level:
    """What was met between two brackets, since the last comma.

    Attributes:
        before: what is before the opening bracket.
        compared: whether there is a comparison.
        logical: && or ||, if there is one.
        inside: whether the bracket that closed last was the first thing.
    """

    before: str
    compared: bool = False
    logical: str = ""
    inside: bool = False


def _syntax_error(text: str, message: str) -> FormulaError:
    position = message.rpartition("at position ")[2].split(":")[0] if "at position " in message else "1"
    column = int(position) if position.isdigit() else 1
    if not text.strip():
        return FormulaError("nothing", "a formula is needed", "write one, such as 'mu * GLC'")
    if "disallowed entirely as being ambiguous" in message:
        return FormulaError("log of one argument", "to some it is the natural, to others the decimal logarithm",
                            "write ln(x) or log10(x)", _column_of(text, "log"))  # fmt: skip
    if "argument" in message:
        called = next((one for one in _calls(text) if one.end == column), None)
        if called is not None:
            return _wrong_arguments(called.function, called.arguments, column=called.start + 1)
    token = next((one for one in re.finditer(r"[\w.]+|\S", text) if one.end() >= column), None)
    if "unexpected end of string" in message or token is None:
        return FormulaError("the end of the formula", "something is missing there, such as a closing bracket",
                            "write it as in 'mu_max * GLC / (K + GLC)'", column)  # fmt: skip
    column, found = token.start() + 1, f"'{text[token.start() : token.start() + 20]}'"
    if "associate units" in message:
        return FormulaError(found, "a number in a formula has no unit, and is below 1e308",
                            "write a parameter with its unit", column)  # fmt: skip
    return FormulaError(found, "this is no formula here", "write it as in 'mu_max * GLC / (K + GLC)'", column)


class _Called(NamedTuple):
    """A call in the text of a formula.

    Attributes:
        function: its name.
        start: of the name, from 0.
        end: after the closing bracket.
        arguments: how many.
    """

    function: str
    start: int
    end: int
    arguments: int


def _calls(text: str) -> Iterator[_Called]:
    """Yield the calls of functions in a text, as their brackets close; brackets alone have the name ""."""
    open_brackets: list[tuple[str, int, int, int]] = []
    for match in re.finditer(r"([A-Za-z_]\w*)?\s*\(|[),]", text):
        if match[0].endswith("("):
            open_brackets.append((match[1] or "", match.start(), match.end(), 1))
        elif open_brackets:
            function, start, first, count = open_brackets.pop()
            if match[0] == ",":
                open_brackets.append((function, start, first, count + 1))
            else:
                empty = not text[first : match.start()].strip()
                yield _Called(function, start, match.end(), 0 if empty else count)


def _column_of(text: str, function: str) -> int:
    """Return the column, from 1, of a function that is not known or has a wrong number of arguments."""
    if function == "/":
        found = re.search(r"\(\s*-?\d+/-?0+\s*\)", text)
        return found.start() + 1 if found else 1
    calls = [one for one in _calls(text) if one.function == function]
    fewest, most = FUNCTIONS[function].arguments if function in FUNCTIONS else (1, 0)
    wrong = [one for one in calls if not fewest <= one.arguments <= (most or one.arguments)]
    return min((one.start for one in wrong or calls), default=0) + 1


def _wrong_arguments(name: str, count: int, column: int = 1) -> FormulaError:
    known = FUNCTIONS.get(name)
    wanted, usage = "another number of arguments", "change the number of arguments"
    if known is not None:
        fewest, most = known.arguments
        wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}" if most else f"at least {fewest}"
        usage = f"write it as {known.usage}" if known.usage else usage
    found = f"{count} argument{'' if count == 1 else 's'} of '{name}'"
    return FormulaError(found, f"it takes {wanted}", usage, column, name)


def tree_of(node: Any, depth: int = 0, special: Callable[[Any, int], Tree | None] | None = None) -> Tree:
    """Return a tree of libsbml as one of graycell.

    Args:
        node: a `libsbml.ASTNode`.
        depth: of the node below the formula's beginning.
        special: from a node and its depth to the tree that it stands for; None for the usual one.

    Returns:
        The tree.

    Raises:
        FormulaError: for an unknown function, and for a tree that is too deep.
    """
    import libsbml

    if depth > DEEPEST:
        raise FormulaError(f"more than {DEEPEST} levels", "a formula is at most that deep",
                           "define parts of it by name")  # fmt: skip
    known = None if special is None else special(node, depth)
    if known is not None:
        return known
    kind = node.getType()
    name = _kinds().get(kind, "")
    if not name:
        if kind == libsbml.AST_NAME:
            return Name(node.getName())
        if kind == libsbml.AST_INTEGER:
            return Number(float(node.getInteger()))
        if kind == libsbml.AST_REAL_E:  # the product that getReal computes may be off by its last digit
            return Number(float(f"{node.getMantissa()!r}e{node.getExponent()}"))
        if kind == libsbml.AST_RATIONAL:
            if node.getDenominator() == 0:
                raise FormulaError("a number divided by 0", "a number is needed", "correct it", function="/")
            return Number(node.getNumerator() / node.getDenominator())
        if kind == libsbml.AST_REAL:
            return Number(float(node.getReal()))
        if kind in _fixed_names():
            return Name(_fixed_names()[kind])
        name = str(node.getName() or "an unknown construct")
    if node.getNumChildren() > MOST_ARGUMENTS:
        raise FormulaError(f"{node.getNumChildren()} arguments of '{name}'", f"at most {MOST_ARGUMENTS} are read",
                           "define parts of it by name", function=name)  # fmt: skip
    return _call(name, [tree_of(node.getChild(i), depth + 1, special) for i in range(node.getNumChildren())])


@functools.cache
def _fixed_names() -> dict[int, str]:
    """Return the names that the grammar fixes, by kind of node of libsbml."""
    import libsbml as sbml

    return {sbml.AST_NAME_TIME: TIME, sbml.AST_NAME_AVOGADRO: "avogadro", sbml.AST_CONSTANT_E: "exponentiale",
            sbml.AST_CONSTANT_PI: "pi", sbml.AST_CONSTANT_TRUE: "true", sbml.AST_CONSTANT_FALSE: "false"}  # fmt: skip


def _call(name: str, arguments: list[Tree]) -> Tree:
    """Return a call with the number of arguments that its function takes."""
    if name == "root" and len(arguments) == 1:
        arguments = [Number(2.0), *arguments]
    if name == "log" and len(arguments) == 1:
        arguments = [Number(10.0), *arguments]
    if name == "-" and len(arguments) == 1 and isinstance(arguments[0], Number):
        return Number(-arguments[0].value)
    if name not in FUNCTIONS:
        if name in _INSTEAD:
            raise FormulaError(f"'{name}'", "it is not supported in a formula", _INSTEAD[name], function=name)
        near = nearest(name, [one for one in FUNCTIONS if one not in OPERATORS])
        raise FormulaError(f"'{name}'", "no function of this name is known", near, function=name)
    fewest, most = FUNCTIONS[name].arguments
    if not fewest <= len(arguments) <= (most or len(arguments)):
        raise _wrong_arguments(name, len(arguments))
    return Call(name, tuple(arguments))


_INSTEAD = {
    "delay": "use a state variable that follows the quantity",
    "rateOf": "write the rate itself",
    "lambda": "use a function of the list in the documentation",
}


@functools.cache
def _kinds() -> dict[int, str]:
    """Return the name of the operator or function of each kind of node of libsbml."""
    import libsbml as sbml

    named = {
        sbml.AST_PLUS: "+", sbml.AST_MINUS: "-", sbml.AST_TIMES: "*", sbml.AST_DIVIDE: "/", sbml.AST_POWER: "^",
        sbml.AST_FUNCTION_POWER: "^", sbml.AST_RELATIONAL_EQ: "==", sbml.AST_RELATIONAL_NEQ: "!=",
        sbml.AST_RELATIONAL_LT: "<", sbml.AST_RELATIONAL_GT: ">", sbml.AST_RELATIONAL_LEQ: "<=",
        sbml.AST_RELATIONAL_GEQ: ">=", sbml.AST_LOGICAL_AND: "&&", sbml.AST_LOGICAL_OR: "||", sbml.AST_LOGICAL_NOT: "!",
        sbml.AST_LOGICAL_XOR: "xor", sbml.AST_LOGICAL_IMPLIES: "implies", sbml.AST_FUNCTION_PIECEWISE: "piecewise",
        sbml.AST_FUNCTION_ABS: "abs", sbml.AST_FUNCTION_CEILING: "ceil", sbml.AST_FUNCTION_FLOOR: "floor",
        sbml.AST_FUNCTION_EXP: "exp", sbml.AST_FUNCTION_FACTORIAL: "factorial", sbml.AST_FUNCTION_LN: "ln",
        sbml.AST_FUNCTION_LOG: "log", sbml.AST_FUNCTION_ROOT: "root", sbml.AST_FUNCTION_MAX: "max",
        sbml.AST_FUNCTION_MIN: "min", sbml.AST_FUNCTION_REM: "rem", sbml.AST_FUNCTION_QUOTIENT: "quotient",
        sbml.AST_FUNCTION_RATE_OF: "rateOf", sbml.AST_FUNCTION_DELAY: "delay", sbml.AST_LAMBDA: "lambda",
    }  # fmt: skip
    for name in ("sin", "cos", "tan", "sec", "csc", "cot"):
        for before in ("", "arc"):
            for after in ("", "h"):
                named[getattr(sbml, f"AST_FUNCTION_{before}{name}{after}".upper())] = f"{before}{name}{after}"
    return named
