import sys

import pytest

from graycell.errors import InputError
from graycell.exchange import read_antimony
from graycell.exchange.antimony import LARGEST, sbml_of

pytest.importorskip("antimony")
MODEL = """
model decay
  compartment C = 2;
  species S in C, P in C;
  S -> P; k * S;  // first order
  S = 10; P = 0; k = 0.5;
  at (time > 2): S = 3;
end
"""


@pytest.fixture
def antimony_file(tmp_path):
    def write(text):
        path = tmp_path / "model.ant"
        path.write_text(text)
        return path

    return write


def refusal(text):
    with pytest.raises(InputError) as caught:
        sbml_of(text)
    return str(caught.value)


def test_antimony_is_read(antimony_file):
    file = read_antimony(antimony_file(MODEL))
    assert file.name == "decay"
    assert file.species["S"].initial == 20.0
    assert next(iter(file.reactions.values())).rate == "k * (S / C)"
    assert next(iter(file.triggers.values())).set == {"S": "3 * C"}


def test_one_file_does_not_know_the_file_before(antimony_file):
    read_antimony(antimony_file("model other\n x = 1\nend"))
    file = read_antimony(antimony_file("model another\n y = 2\nend"))
    assert list(file.parameters) == ["y"]


@pytest.mark.parametrize("text", ['import "other.ant"', 'IMPORT\n"other.ant"', 'model m\nend\nimport/* */"other.ant"'])
def test_other_files_are_not_opened(text):
    assert "a file is read alone" in refusal(text)


def test_an_error_is_told_with_its_line():
    assert "line 2" in refusal("model m\n S -> ; k*(\nend")


@pytest.mark.parametrize("sign", ["^", "-", "/", "!", "% "])
def test_what_would_make_antimony_call_itself_without_end_is_refused(sign):
    assert "in a line" in refusal("x := " + f"a{sign}" * 5000 + "a")


@pytest.mark.parametrize("joint", ["\\\n", "/*\n*/", "/*\n"])
def test_lines_that_go_on_count_as_one(joint):
    assert "in a line" in refusal("x := " + f"a^{joint}" * 5000 + "a")


def test_deep_brackets_are_refused():
    assert "levels of brackets" in refusal("x := " + "(" * 200 + "a" + ")" * 200)


def test_a_large_file_is_refused(antimony_file):
    with pytest.raises(InputError, match=f"more than {LARGEST} bytes"):
        read_antimony(antimony_file(" " * (LARGEST + 1)))


def test_another_encoding_is_refused(tmp_path):
    path = tmp_path / "model.ant"
    path.write_bytes(b"model m // \xe9\nend")
    with pytest.raises(InputError, match="another encoding than UTF-8"):
        read_antimony(path)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "antimony", None)
    assert "pip install 'graycell[antimony]'" in refusal(MODEL)
