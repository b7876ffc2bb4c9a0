"""Arguments and options that several commands share, and the values that options take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PUBLISHED, EXTENDED, TRUTH = "nolan-lee", "nolan-lee-extended", "nolan-lee-extended-limited"
"""Default models: to simulate, to fit, and to generate in-silico runs with."""
LIBRARY_PARAMETERS = ("published", "refit")
"""Parameter sets of Nolan & Lee."""

RunArgument = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="Folder, XLSX or CSV; default: the bundled run.")
]
RunsArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="RUN", help="Folders, XLSX or CSV; default: the bundled run.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model file (.toml), or a model of the library, see graycell models. Left out: of the models that the "
        "measurements allow, the one that predicts runs best that it has not seen.",
    ),
]
ModelOrFitsOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model file (.toml), or a model of the library, see graycell models; default: the model of the fit in "
        f"--parameters, or {PUBLISHED}.",
    ),
]
ParametersOption = Annotated[
    str, typer.Option(help="published, another set of the model, or a folder written by graycell fit.")
]

LABORATORY = "laboratory"
"""The default of --units."""
UnitsOption = Annotated[
    str,
    typer.Option(
        "--units",
        metavar="UNITS",
        envvar="GRAYCELL_UNITS",
        help="Units of tables and figures. laboratory: 1e6 cells/mL, mmol/L, pmol/cell/d, and g/L, pg/cell/d for "
        "titers and what else was measured as a mass; internal: those of run files; or single ones, of quantities and "
        "of time, volume, cells, concentration, rate, growth ..., such as 'ANTI=mg/L, GLC=g/L, time=h'.",
    ),
]


class ClosureName(StrEnum):
    """Ways to close the loop of a model, for --closure."""

    dynamic = "dynamic"
    algebraic = "algebraic"
    lagged = "lagged"
