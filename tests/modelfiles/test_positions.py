"""Positions: every key and value of a TOML text is found where it is."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graycell.modelfiles.positions import Positions
from graycell.models import library_files
from graycell.models.library import model_text

TEXT = """\
# a comment = "no key"
title = "a # in a string" # and behind
a.b . "c d" = 1
[x.y]
inline = { p = [1, { q = 'two' }, [3, 4]], "r.s" = true }
list = [
  "one", # "no value"
  '''
two''',

  { three = 3 },
]
long = \"\"\"
first \\
   second \\"\\"\\" third\"\"\"\"\"
  [ z . "w" ] # heading
u = 1979-05-27 07:32:00
v = -1e-3
[[many]]
n = 1
[[many]]
n = 2
[many.inside]
k = "v"
[[many.more]]
deep.er = 5
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("title", (2, 9), (2, 1)), ("a.b.c d", (3, 15), (3, 7)), ("x.y", (4, 1), (4, 4)),
        ("x.y.inline", (5, 10), (5, 1)),
        ("x.y.inline.p.0", (5, 17), None), ("x.y.inline.p.1.q", (5, 26), (5, 22)), ("x.y.inline.p.2.1", (5, 39), None),
        ("x.y.inline.r.s", None, None), ("x.y.list.0", (7, 3), None), ("x.y.list.1", (8, 3), None),
        ("x.y.list.2.three", (11, 13), (11, 5)), ("x.y.long", (13, 8), (13, 1)), ("z.w", (16, 3), (16, 9)),
        ("z.w.u", (17, 5), (17, 1)), ("z.w.v", (18, 5), (18, 1)), ("many.0", (19, 1), (19, 3)),
        ("many.0.n", (20, 5), (20, 1)),
        ("many.1.n", (22, 5), (22, 1)), ("many.1.inside.k", (24, 5), (24, 1)),
        ("many.1.more.0.deep.er", (26, 11), (26, 6)),
    ],
)  # fmt: skip
def test_every_kind_of_key_and_value_is_found(path, value, key, newline):
    positions = Positions(TEXT.replace("\n", newline))
    if value is not None:
        assert positions.of(tuple(path.split("."))) == value
    if key is not None:
        assert positions.of(tuple(path.split(".")), key=True) == key


def test_a_key_with_dots_or_escapes_is_one_part():
    positions = Positions('"r.s".t = 1\n"\\u0061\\tb" = 2\n\'c"d\' = 3\n')
    assert positions.of(("r.s", "t")) == (1, 11)
    assert positions.of(("a\tb",)) == (2, 15)
    assert positions.of(('c"d',), key=True) == (3, 1)


def test_what_is_not_in_the_text_is_where_its_parent_is():
    positions = Positions("[a]\nb = { c = 1 }\n[d.e]\nf.g = 2\n")
    assert positions.of(("a", "b", "nothing", "deeper")) == (2, 5)
    assert positions.of(("a", "nothing")) == (1, 1)
    assert positions.of(("d", "e", "f")) == (4, 1)  # a table that only a dotted key makes
    assert positions.of(("nothing",)) == (1, 1)


SPACE = st.sampled_from(["", " ", "\t", "  "])
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), max_size=8)


def _basic(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\u0009") + '"'


def _long(text):
    return '"""\n' + text.replace("\\", "\\\\").replace('"', '\\"').replace("b", "\\\n   b") + '"""'


STRINGS = st.one_of(
    st.tuples(WORDS, st.just(_basic)), st.tuples(WORDS.map(lambda text: text + "\n" + text), st.just(_basic)),
    st.tuples(st.text("ab\n\\\" ", max_size=9), st.just(_long)),
    st.tuples(st.text("ab\\\"# ", max_size=9), st.just(lambda text: f"'{text}'")),
    st.tuples(st.text("ab\\\"#\n ", max_size=9), st.just(lambda text: f"'''\n{text}'''")),
)  # fmt: skip
SCALARS = st.sampled_from(["1", "-2.5e3", "true", "inf", "1979-05-27", "07:32:00"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(STRINGS, SPACE, st.booleans(), SCALARS), min_size=1, max_size=5),
       st.sampled_from(["\n", "\r\n"]))
def test_a_character_of_a_string_is_found_in_the_text(entries, newline):
    lines = []
    for i, ((text, write), space, in_list, scalar) in enumerate(entries):
        value = write(text)
        value = f"[{scalar},{space}{value}{space}, {{ k = {scalar} }}]" if in_list else value
        lines.append(f"k{i}{space}={space}{value}{space}# {'x' if space else '[['}")
    whole = "\n".join(lines).replace("\n", newline)
    data, positions = tomllib.loads(whole), Positions(whole)
    rows = whole.split("\n")
    for i, (_, _, in_list, _) in enumerate(entries):
        path = (f"k{i}", "1") if in_list else (f"k{i}",)
        read = data[f"k{i}"][1] if in_list else data[f"k{i}"]
        for offset, character in enumerate(read):
            line, column = positions.of(path, offset=offset)
            written = rows[line - 1][column - 1 : column]
            assert written == character or written == "\\" or character == "\n", (whole, offset)
        if in_list:
            line, column = positions.of((f"k{i}", "2", "k"), key=True)
            assert rows[line - 1][column - 1] == "k"


@pytest.mark.parametrize("name", library_files())
def test_every_value_of_a_library_file_is_where_its_text_is(name):
    text = model_text(name)
    data, positions, rows = tomllib.loads(text), Positions(text), text.split("\n")
    assert len(positions.values) > 50
    for path, (line, column) in positions.values.items():
        value = data
        for key in path:
            value = value[int(key)] if isinstance(value, list) else value[key]
        written = rows[line - 1][column - 1 :]
        first = {str: "\"'", dict: "{[", list: "["}.get(type(value))
        assert written[0] in first if first else written.startswith(("true", "false", "-", *"0123456789", "inf"))
        if path in positions.keys and not written.startswith("["):
            key_line, key_column = positions.of(path, key=True)
            assert rows[key_line - 1][key_column - 1 :].startswith(path[-1])
