"""cite: the papers and programs on which a result rests."""

from pathlib import Path
from typing import Any

import typer

from graycell.citations import citation
from graycell.cli.sentences import say


def _cite(what: str | None, bibtex: bool) -> None:
    cited = citation(*(_results_of(what) if what else ()))
    if bibtex:
        typer.echo(cited.bibtex(), nl=False)  # no line is wrapped
        return
    for line in str(cited).splitlines():
        say(line)


def _results_of(what: str) -> list[Any]:
    """Return a model, or a fit with what its folder holds."""
    if not Path(what).is_dir():
        from graycell.cell.closures import Dynamic
        from graycell.cli.given_models import model_with_parameters

        return [model_with_parameters(what, "published", Dynamic())]
    from graycell.inference import load_fit
    from graycell.uncertainty import load_ensemble, load_sample

    fit = load_fit(what)
    kinds = {"posterior": load_sample, "ensemble": load_ensemble}
    return [fit, *(load(Path(what) / name, fit) for name, load in kinds.items() if (Path(what) / name).is_dir())]
