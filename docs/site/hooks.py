"""The pages of the site that follow from the code, and those of the root; called by mkdocs.

Commands, messages and public names are taken from the program, so their pages are as true as it is.
"""

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File, Files

import graycell
from graycell.saved import SavedFormat

ROOT = Path(__file__).parents[2]
OF_ROOT = {"README": "index", "ARCHITECTURE": "architecture", "VISION": "vision", "CHANGELOG": "changelog",
           "CONTRIBUTING": "contributing"}  # fmt: skip
"""Pages of the root, and what they are called on the site."""
ROOMS = {
    "runs": "Runs", "balances": "What samples say without a model", "imports": "Files of any layout",
    "model": "Models", "models": "The library", "parameters": "Parameters", "cell": "The cell", "formulas": "Formulas",
    "modelfiles": "Model files", "exchange": "SBML and Antimony", "hybrid": "Learned laws",
    "simulation": "Simulation", "insilico": "In-silico runs", "inference": "Fits", "uncertainty": "How sure a fit is",
    "prediction": "The next run", "decisions": "Decisions", "campaigns": "Campaigns",
    "following": "Running cultures", "comparison": "Comparison", "diagnosis": "Diagnosis", "study": "Studies",
    "reporting": "Tables, figures and reports", "citations": "What to cite",
    "engine": "Cores and machines", "errors": "Errors",
}  # fmt: skip
"""Rooms of public names, in the order of the page, and their headings."""


def on_config(config: Any) -> Any:
    """Put the pages of the public names into the menu, below that of all of them.

    Args:
        config: of mkdocs.

    Returns:
        It.
    """
    [reference] = [part["Reference"] for part in config.nav if "Reference" in part]
    rooms = [{heading: f"reference/{room}.md"} for room, heading in ROOMS.items()]
    reference[-1] = {"Python": ["reference/python.md", *rooms]}
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made.

    Args:
        files: pages of the folder docs.
        config: of mkdocs.

    Returns:
        All pages.
    """
    pages = {f"{name}.md": (ROOT / f"{of}.md").read_text(encoding="utf-8") for of, name in OF_ROOT.items()}
    pages |= {"reference/commands.md": commands(), "reference/messages.md": messages(), **python()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to where a page is on the site.

    Args:
        markdown: of a page.
        page: the page.

    Returns:
        Its text with other links; files that are not on the site are named without one.
    """
    for of, name in OF_ROOT.items():
        markdown = re.sub(rf"\]\((\.\./)?{of}\.md", f"]({name}.md", markdown)
    markdown = markdown.replace("](docs/", "](")
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)?(?:LICENSE|CITATION\.cff|examples/[^)]*)\)", r"`\1`", markdown)


def public_names() -> dict[str, list[tuple[str, str]]]:
    """Return the public names.

    Returns:
        By the room: the name, and the path where it is found.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    stub = ast.parse((ROOT / "src/graycell/__init__.pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                value = getattr(graycell, one.name)
                module = getattr(value, "__module__", None)
                # functions and classes are described where they are defined, other values where they are imported
                is_there = module and module.startswith("graycell") and hasattr(value, "__qualname__")
                place = module if is_there else f"graycell.{node.module}"
                found.setdefault(node.module.split(".")[0], []).append((one.name, f"{place}.{one.name}"))
    return found


def python() -> dict[str, str]:
    """Return the pages of the public names: one of all names, and one for each room.

    Returns:
        Markdown, for mkdocstrings, by the path of the page.
    """
    names, pages = public_names(), {}
    whole = ["# Python", "All names that `import graycell as gc` gives. Units are days, litres, mmol and 10⁹ cells "
             "unless a description says otherwise; tables and figures have [those of a laboratory](../units.md)."]
    if set(names) != set(ROOMS):
        raise ValueError(f"docs/site/hooks.py: rooms and their headings differ: {set(names) ^ set(ROOMS)}")
    for room, heading in ROOMS.items():
        rows = []
        for name, path in names[room]:
            value = getattr(graycell, name)
            said = (value.__doc__ or "").strip().split("\n\n")[0] if hasattr(value, "__qualname__") else ""
            rows.append(f"| [`{name}`][{path}] | {_plain(said)} |")
        whole += [f"## {heading}", "| name | |\n|---|---|\n" + "\n".join(rows)]
        described = "\n\n".join(f"::: {path}" for _, path in names[room])
        pages[f"reference/{room}.md"] = f"# {heading}\n\n{described}\n"
    return {"reference/python.md": "\n\n".join(whole) + "\n", **pages}


def commands() -> str:
    """Return the page of the commands.

    Returns:
        Markdown: what each does, its arguments and its options.
    """
    from graycell.cli import app

    parts = ["# Commands", "`graycell COMMAND --help` says the same in the terminal."]
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if command.hidden:
            continue
        context = typer.Context(command, info_name=f"graycell {name}")
        parts += [f"## graycell {name}", _plain(command.help or ""),
                  f"```\n{' '.join(command.get_usage(context).split()).removeprefix('Usage: ')}\n```"]  # fmt: skip
        rows = [_row(one) for one in command.params if not getattr(one, "hidden", False)]
        if rows:
            parts.append("| | |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _row(one: Any) -> str:
    """Return the row of an argument or option."""
    is_option = one.param_type_name == "option"
    words = ", ".join(f"`{opt}`" for opt in (*one.opts, *one.secondary_opts)) if is_option \
        else f"`{one.metavar or one.name.upper()}`"
    said = _plain(getattr(one, "help", None) or "")
    default = one.default() if callable(one.default) else one.default
    shown = getattr(one, "show_default", True) and default not in (None, False, "", ()) and not one.required
    return f"| {words} | {said}{f' Default: `{default}`.' if shown else ''} |".replace("\n", " ")


def _plain(text: str) -> str:
    """Return a help text in which nothing is markup of Markdown."""
    return re.sub(r"([|<>\[\]*_])", r"\\\1", " ".join(text.split()))


def messages() -> str:
    """Return the page of statuses, exit codes and formats of files.

    Returns:
        Markdown.
    """
    from graycell.cli import exit_codes

    parts = ["# Messages and files", "Faults of files name the place, what was found, what is needed, and what to do; "
             "all of them are said at once. A simulation, a flux projection and a loop end with one of these:"]
    for kind in (graycell.SimulationStatus, graycell.FluxStatus, graycell.LoopStatus):
        lines = "\n".join(f"| `{one.name}` | {one.remedy} |" for one in kind)
        parts += [f"## {kind.__name__}", f"| status | what to do |\n|---|---|\n{lines}"]
    codes = {0: "success", exit_codes.FAULTS: "faulty input, an impossible request, or a wrong derivative",
             2: "a command that was written wrongly", exit_codes.UNFINISHED: "a simulation or fit did not finish",
             exit_codes.INTERRUPTED: "stopped by Ctrl-C"}  # fmt: skip
    parts += ["## Exit codes", "| code | |\n|---|---|\n" + "\n".join(f"| {k} | {text} |" for k, text in codes.items())]
    rows = "\n".join(f"| {one.kind} | {one.number} | {one.remake} |" for one in _formats())
    parts += ["## Formats of files", "Every file that graycell writes for itself has the number of its format, which "
              "is checked when it is read; older numbers are read as long as nothing is lost by it. A file of a newer "
              "number is refused.", f"| file | format | if it cannot be read |\n|---|---|---|\n{rows}"]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _formats() -> list[SavedFormat]:
    """Return the formats of all saved files."""
    found: dict[str, SavedFormat] = {}
    for module in pkgutil.walk_packages(graycell.__path__, "graycell."):
        if not module.name.endswith("__main__") and not module.name.startswith("graycell.app"):  # of another extra
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, SavedFormat):
                    found[value.kind] = value
    return [found[name] for name in sorted(found)]
