"""The command that opens the app: app."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer()


@commands.command("app", rich_help_panel="This installation")
def _app(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the project; made if it is not there.")
    ] = Path("my-project"),
    port: Annotated[
        int, typer.Option(help="Port of this machine; a free one if left out.", min=0, max=65535, show_default=False)
    ] = 0,
    show: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open graycell in a browser: from files to a fit, a prediction and a plan, by mouse.

    It runs on this machine alone and needs no network. What it does it does by commands, which it shows; files, fits
    and answers are in the folder of the project. It needs the extra app: pip install 'graycell[app]'.

    Example: graycell app my-project/
    """
    from graycell.app.server import serve

    serve(folder, port, show, typer.echo)  # the address holds the token: in no log, and shown with --quiet too
