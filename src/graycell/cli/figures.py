"""figures: the figures of a page as files."""

from pathlib import Path

from graycell.cli.sentences import say
from graycell.errors import Finding, InputError, nearest
from graycell.storage import require_place


def _figures(page: Path, names: list[str], out: Path | None, kind: str, width: int, height: int | None,
             scale: float) -> None:  # fmt: skip
    from graycell.reporting.figure_files import figures_of, write_figures

    figures = figures_of(page)
    missing = [Finding(str(page), f"no figure '{name}'", "names of its figures are needed", nearest(name, figures))
               for name in names if name not in figures]  # fmt: skip
    if missing:
        raise InputError(missing)
    folder = out or page.parent / "figures"
    require_place(folder)
    chosen = {name: figures[name] for name in names or figures}
    for path in write_figures(chosen, folder, kind, width, height, scale):
        say(f"Figure: {path}")
