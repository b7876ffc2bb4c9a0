"""Docstrings are complete, functions and files are short."""

import ast
from pathlib import Path

import docstrings
import pytest

FILES = sorted(Path(docstrings.__file__).parents[2].joinpath("src", "graycell").rglob("*.py"))
LONGEST_FUNCTION, LONGEST_FILE = 90, 500


def functions_of(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_every_public_name_has_a_docstring_with_its_sections():
    assert [fault for path in FILES for fault in docstrings.faults_of(path)] == []


def test_no_function_is_longer_than_90_lines():
    lengths = {f"{path.name}, {node.name}": node.end_lineno - node.lineno + 1
               for path in FILES for node in functions_of(path)}  # fmt: skip
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_a_file_past_500_lines_says_why():
    silent = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        reason = "Past 500 lines:" in (ast.get_docstring(ast.parse(text)) or "")
        if len(text.splitlines()) > LONGEST_FILE and not reason:
            silent.append(path.name)
    assert silent == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('"""m."""\ndef f(x): pass', "f has no docstring"),
        ('"""m."""\ndef f(x) -> int:\n    """Return."""', "f has no section Args"),
        ('"""m."""\nclass C:\n    """C."""\n    x: int', "C has no section Attributes"),
        ('"""m."""\ndef f():\n    """Do."""\n    raise ValueError', "f has no section Raises"),
    ],
)
def test_a_missing_section_is_found(tmp_path, source, fault):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert fault in "\n".join(docstrings.faults_of(path))
