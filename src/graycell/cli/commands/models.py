"""Commands about models: models, import-model, export-model."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer()
_PANEL = "Models"


@commands.command("models", rich_help_panel=_PANEL)
def _models(
    name: Annotated[str | None, typer.Argument(metavar="MODEL", help="Show this one alone, with its doubts.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the model to this .toml file, as a beginning of your own.")
    ] = None,
) -> None:
    """List the models of the library: their states, what they need of a run, and their source.

    Example: graycell models

    A copy to change: graycell models xing-2010 --out my-model.toml
    """
    from graycell.cli import models as bodies

    bodies._models(name, out)


@commands.command("import-model", rich_help_panel=_PANEL)
def _import_model(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="An SBML (.xml) or Antimony (.ant) file.")],
    out: Annotated[Path | None, typer.Option(help="The model file; default: the name of FILE with .toml.")] = None,
) -> None:
    """Convert an SBML or Antimony model to a model file.

    What graycell cannot represent exactly is refused by name, and nothing is written.

    Example: graycell import-model model.xml --out model.toml
    """
    from graycell.cli import models as bodies

    bodies._import_model(source, out)


@commands.command("export-model", rich_help_panel=_PANEL)
def _export_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or a model of the library.")],
    out: Annotated[Path, typer.Option(help="The SBML file, .xml.")],
) -> None:
    """Write a model as SBML Level 3, for other tools.

    Laws that are learned and models with a flux projection cannot be written in SBML and are refused.

    Example: graycell export-model xing-2010 --out xing.xml
    """
    from graycell.cli import models as bodies

    bodies._export_model(model, out)
