"""Formulas as text: the grammar, one name for each function, and a sentence with a column for everything else."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graycell.errors import shown
from graycell.formulas import FormulaError, parse
from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.parsing import DEEPEST, LONGEST, MOST_ARGUMENTS
from graycell.formulas.tree import Call, Name, Number, names_in, text_of

a, b, c = Name("a"), Name("b"), Name("c")
LONGEST_TIME = 2.0
"""[s] For a formula of any content; most take a millisecond."""


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * c", Call("+", (a, Call("*", (b, c))))),
        ("a - b - c", Call("-", (Call("-", (a, b)), c))),
        ("a / b / c", Call("/", (Call("/", (a, b)), c))),
        ("a ^ b ^ c", Call("^", (a, Call("^", (b, c))))),
        ("-a ^ 2", Call("-", (Call("^", (a, Number(2.0))),))),
        ("2 ^ -a", Call("^", (Number(2.0), Call("-", (a,))))),
        ("a + b + c", Call("+", (a, b, c))),
        ("(a + b) * c", Call("*", (Call("+", (a, b)), c))),
        ("a < b <= c", Call("&&", (Call("<", (a, b)), Call("<=", (b, c))))),
        ("!a && b", Call("&&", (Call("!", (a,)), b))),
        ("piecewise(a, b < c, 1)", Call("piecewise", (a, Call("<", (b, c)), Number(1.0)))),
        ("a % b", Call("rem", (a, b))),
        (" a\n\t* b ", Call("*", (a, b))),
        ("1e5", Number(1e5)),
        (".5", Number(0.5)),
        ("-3", Number(-3.0)),
        ("(1/4)", Number(0.25)),
        ("9007199254740993", Number(9007199254740992.0)),
    ],
)
def test_the_grammar_is_that_of_sbml_level_3(text, tree):
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("sqrt(a)", "root(2, a)"), ("log10(a)", "log(10, a)"), ("pow(a, b)", "a^b"), ("power(a, b)", "a^b"),
        ("sqr(a)", "a^2"), ("acos(a)", "arccos(a)"), ("asinh(a)", "arcsinh(a)"), ("ceiling(a)", "ceil(a)"),
        ("plus(a, b)", "a + b"), ("divide(a, b)", "a / b"), ("and(a, b)", "a && b"), ("not(a)", "!a"),
        ("a <> b", "a != b"), ("lt(a, b)", "a < b"), ("Time", "time"), ("PI", "pi"), ("EXP(a)", "exp(a)"),
    ],
)  # fmt: skip
def test_a_function_with_several_names_has_one_in_a_tree(text, same):
    assert parse(text) == parse(same)


def test_constants_and_the_time_are_no_names_of_a_model():
    assert names_in(parse("pi * exponentiale + avogadro * k - true + x * k")) == ("k", "x")
    assert names_in(parse("time + 1")) == ("time",)


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("", 1, "nothing"),
        ("  ", 1, "nothing"),
        ("a +", 3, "the end of the formula"),
        ("mu * (GLC", 9, "the end of the formula"),
        ("mu * GLC)", 9, "')'"),
        ("mu GLC", 4, "'GLC'"),
        ("mu * * GLC", 6, "'* GLC'"),
        ("a + 5 mol", 7, "'mol'"),
        ("a + 1e400", 5, "'1e400'"),
        ("a + µ", 5, "'µ'"),
        ("a + b\0", 6, "'\\x00'"),
        ("a + b\u200b", 6, "'\\u200b'"),
        ("1 + exp(a, b)", 5, "2 arguments of 'exp'"),
        ("monod(a, b) + monod(a)", 15, "1 argument of 'monod'"),
        ("exp()", 1, "0 arguments of 'exp'"),
        ("a * Monod(b, c)", 5, "'Monod'"),
        ("a + log(b)", 5, "log of one argument"),
        ("a + (1/0)", 5, "a number divided by 0"),
        ("a && b || c", 8, "'||' beside '&&'"),
        ("(a < b) == c", 9, "a comparison of a comparison"),
        ("a = b", 5, "'b'"),
        ("a[0]", 4, "']'"),
        ("a; b", 2, "'; b'"),
    ],
)
def test_a_fault_is_reported_with_its_column(text, column, found):
    with pytest.raises(FormulaError) as raised:
        parse(text)
    assert (raised.value.column, shown(raised.value.found)) == (column, found)
    assert raised.value.needed
    assert raised.value.remedy
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "__import__(os)", "os.system('x')", "os.system(x)", "open('/etc/passwd')", "open(a)",
     "eval(a)",
     "lambda: a", "lambda(x, x)", "delay(a, 1)", "rateOf(a)", "a.__class__", "a := b", "[a for a in b]", "f'{a}'",
     "a if b else c", "exec(\"a\")", "print(a)", "normal(0, 1)", "`a`", "$a", "a@b", "{a}", "a\\b", "\"a\""],
)  # fmt: skip
def test_nothing_in_a_formula_is_executed_or_opened(text, monkeypatch):
    def touched(*_, **__):
        raise AssertionError("something was opened")

    monkeypatch.setattr("builtins.open", touched)
    with pytest.raises(FormulaError):
        parse(text)


@pytest.mark.parametrize("name", ["delay", "rateOf", "lambda"])
def test_what_sbml_knows_and_a_formula_does_not_has_another_way_out(name):
    with pytest.raises(FormulaError, match=r"it is not supported in a formula; (use|write) "):
        parse(f"{name}(x, 1)" if name != "rateOf" else "rateOf(x)")


@pytest.mark.parametrize(
    "text",
    ["(" * 10**6, "a" * 10**6, "(" * 5000 + ")" * 5000, "[" * 9000, "{" * 9000, "-" * 9000 + "a", "- " * 4000 + "a",
     "!" * 9000 + "a", "a^" * 4000 + "a", "a/" * 4000 + "a", "a-" * 4000 + "a", "a^-" * 3000 + "a", "2^-" * 3000 + "a",
     "exp(" * 150 + "a" + ")" * 150, "a+" * 4999 + "a", "a%" * 4999 + "a", "max(" + "a," * 4000 + "a)", "9" * 9999,
     "1e" + "9" * 5000, "a[" * 3000, "-" * 60 + "(" + "-" * 60 + "a)", "a<" * 4000 + "a", "é" * 9999, "\n" * 10**5,
     "piecewise(" * 150, "(" * 99 + "a" + ")" * 98],
    ids=lambda text: f"{text[:6]}..{len(text)}",
)  # fmt: skip
def test_a_hostile_formula_is_refused_at_once(text):
    began = time.perf_counter()
    with pytest.raises(FormulaError) as raised:
        parse(text)
    assert time.perf_counter() - began < LONGEST_TIME
    assert len(str(raised.value)) < 1000


def test_formulas_up_to_the_bounds_are_read():
    assert len(parse("a+" * (MOST_ARGUMENTS - 1) + "a").arguments) == MOST_ARGUMENTS
    assert parse("(" * DEEPEST + "a" + ")" * DEEPEST) == a
    assert names_in(parse("exp(" * (DEEPEST - 1) + "a" + ")" * (DEEPEST - 1))) == ("a",)
    assert parse("a" * LONGEST) == Name("a" * LONGEST)
    assert repr(parse("a%" * 50 + "a")).count("'a'") == 51  # not doubled at every step


NAMES = st.sampled_from(["a", "b", "k_1", "GLC", "_x", "time", "pi", "true", "mu"])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62).map(float)


def _calls(parts):
    def with_arguments(name):
        fewest, most = FUNCTIONS[name].arguments
        least = max(fewest, 2) if name in ("xor", "piecewise") else fewest
        return st.tuples(*[parts] * least) if most == least else st.lists(
            parts, min_size=least, max_size=min(most or 4, 4)).map(tuple)  # fmt: skip

    chosen = st.sampled_from(sorted(FUNCTIONS))
    calls = chosen.flatmap(lambda name: with_arguments(name).map(lambda given: Call(name, given)))
    # the sign of a number is part of it
    return calls.map(lambda one: one.arguments[0] if one.function == "-" and len(one.arguments) == 1
                     and isinstance(one.arguments[0], Number) else one)  # fmt: skip


TREES = st.recursive(NAMES.map(Name) | NUMBERS.map(Number), _calls, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_a_tree_written_as_text_is_read_back(tree):
    again = parse(text_of(tree))
    assert again == tree
    assert text_of(again) == text_of(tree)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1.e+-*/^()<>=!&|, %_\n"), max_size=30) | st.text(max_size=20))
def test_any_text_is_a_tree_or_a_sentence(text):
    tree = fault = None
    try:
        tree = parse(text)
    except FormulaError as error:
        fault = error
    if fault is not None:
        assert 1 <= fault.column <= len(text) + 1
        assert str(fault).isprintable()
    else:
        assert repr(parse(text_of(tree))) == repr(tree)  # a number that is none equals nothing


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"+", "-", "*", "/", "&&", "||", "!"}))
def test_a_function_says_how_it_is_used(name):
    assert FUNCTIONS[name].usage or name in ("==", "!=", "<", ">", "<=", ">=")
