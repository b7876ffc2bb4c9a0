"""The command that says what to cite: cite."""

from typing import Annotated

import typer

commands = typer.Typer()


@commands.command("cite", rich_help_panel="Models")
def _cite(
    what: Annotated[
        str | None,
        typer.Argument(metavar="WHAT", help="The folder of a fit, a model file, or a model of the library; default: "
                       "graycell alone.", show_default=False),
    ] = None,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print entries for BibTeX.")] = False,
) -> None:
    """List the papers and programs on which a result rests, and the sources that its model names.

    Of a fit, what was made of it counts too: draws of its posterior and its ensemble, where its folder holds them.

    Example: graycell cite my-fit/

    For BibTeX: graycell cite my-fit/ --bibtex > graycell.bib
    """  # fmt: skip
    from graycell.cli import citing as bodies

    bodies._cite(what, bibtex)
