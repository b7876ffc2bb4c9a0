"""The command that writes the figures of a page as files: figures."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer()


class FigureFormat(StrEnum):
    """Formats of figures, for --format."""

    svg = "svg"
    png = "png"
    pdf = "pdf"


@commands.command("figures", rich_help_panel="Models")
def _figures(
    page: Annotated[Path, typer.Argument(metavar="PAGE", help="An HTML page that graycell wrote.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Names of figures; default: all of the page.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the files; default: 'figures' beside the page.", show_default=False)
    ] = None,
    kind: Annotated[FigureFormat, typer.Option("--format", help="Of the files.")] = FigureFormat.svg,
    width: Annotated[int, typer.Option(help="In px.", min=200, max=10_000)] = 1280,
    height: Annotated[
        int | None,
        typer.Option(help="In px; default: as on the page. 720 fills a slide of 16:9.", min=150, max=10_000,
                     show_default=False),
    ] = None,
    scale: Annotated[float, typer.Option(help="Pixels of a PNG for each px.", min=0.1, max=10.0)] = 2.0,
) -> None:
    """Write the figures of a page as files, for slides and print.

    They are drawn as on the page, by a Chrome or Chromium of this machine. It needs the extra figures: pip install
    'graycell[figures]'.

    Example: graycell figures my-fit/report.html --format png
    """
    from graycell.cli import figures as body

    body._figures(page, names or [], out, kind.value, width, height, scale)
