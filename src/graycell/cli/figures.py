"""figures: the figures of a page as files."""

from pathlib import Path

import typer

from graycell.cli.exit_codes import FAULTS
from graycell.cli.sentences import print_error, say
from graycell.storage import require_place


def _figures(page: Path, names: list[str], out: Path | None, kind: str, width: int, height: int | None,
             scale: float) -> None:  # fmt: skip
    from graycell.reporting.figure_files import figures_of, write_figures

    folder = out or page.parent / "figures"
    require_place(folder)
    figures = figures_of(page)
    missing = [name for name in names if name not in figures]
    if missing:
        print_error(f"{page}: found no figure called {', '.join(missing)}; it has: {', '.join(figures)}.")
        raise typer.Exit(FAULTS)
    chosen = {name: figures[name] for name in names or figures}
    for path in write_figures(chosen, folder, kind, width, height, scale):
        say(f"Figure: {path}")
