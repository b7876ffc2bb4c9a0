"""Which public names lack a docstring, or a section of it.

    .venv/bin/python tests/helpers/docstrings.py src/graycell/balances

A function needs `Args:` if it takes anything, `Returns:` or `Yields:` if it gives anything back, `Raises:` if its body
raises anything but `NotImplementedError`; a class with fields needs `Attributes:`. Properties need a docstring alone.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

EXEMPT = {"__init__", "__post_init__", "__repr__", "__eq__", "__hash__", "__len__", "__iter__", "__str__"}


def faults_of(path: Path) -> Iterator[str]:
    """Yield a line for every public name of a file whose docstring lacks something."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not ast.get_docstring(tree) and path.name != "__init__.py":
        yield f"{path}:1: the module has no docstring"
    yield from _of_body(path, tree.body, "")


def _of_body(path: Path, body: list, prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _of_class(path, node, prefix)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(node):
            yield from _of_function(path, node, prefix)


def _is_public(node) -> bool:
    if node.name in EXEMPT or (node.name.startswith("__") and node.name != "__call__"):
        return False
    return not node.name.startswith("_") or node.name == "__call__"


def _of_class(path: Path, node: ast.ClassDef, prefix: str) -> Iterator[str]:
    text = ast.get_docstring(node) or ""
    place = f"{path}:{node.lineno}: {prefix}{node.name}"
    if not text:
        yield f"{place} has no docstring"
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
              and not one.target.id.startswith("_") and "ClassVar" not in ast.unparse(one.annotation)]  # fmt: skip
    if text and fields and "Attributes:" not in text:
        yield f"{place} has no section Attributes"
    yield from _of_body(path, node.body, f"{prefix}{node.name}.")


def _of_function(path: Path, node, prefix: str) -> Iterator[str]:
    names = {getattr(one, "id", getattr(one, "attr", "")) for one in node.decorator_list}
    if names & {"overload", "override"}:
        return
    place = f"{path}:{node.lineno}: {prefix}{node.name}"
    text = ast.get_docstring(node) or ""
    if not text:
        if node.name != "__call__":  # a law's call is told by its class
            yield f"{place} has no docstring"
        return
    if names & {"property", "cached_property"} or (node.name == "__call__" and prefix and "Args:" not in text):
        return
    taken = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    taken = [one for one in taken if one not in ("self", "cls") and not one.startswith("_")]
    if taken and "Args:" not in text:
        yield f"{place} has no section Args"
    gives = node.returns is not None and ast.unparse(node.returns) not in ("None", "NoReturn")
    if gives and not any(word in text for word in ("Returns:", "Yields:")):
        yield f"{place} has no section Returns"
    missing = [one for one in taken if "Args:" in text and f"{one}:" not in text and f"{one}," not in text
               and f"{one} (" not in text]  # fmt: skip
    if missing:
        yield f"{place} does not describe {', '.join(missing)}"
    if _raises(node) and "Raises:" not in text:
        yield f"{place} has no section Raises"


def _raises(node) -> bool:
    return any(isinstance(one, ast.Raise) and one.exc is not None and "NotImplementedError" not in ast.unparse(one.exc)
               for one in ast.walk(node))  # fmt: skip


def main(paths: list[str]) -> int:
    """Print what lacks under the paths and return 1 if anything does."""
    files = [file for path in map(Path, paths) for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    found = [line for file in files for line in faults_of(file)]
    sys.stdout.write("".join(f"{line}\n" for line in found) + f"{len(found)} faults in {len(files)} files\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src"]))
