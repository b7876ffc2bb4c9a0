"""needs_of: what a run must measure so that a model can be fitted to it."""

from collections.abc import Sequence

from graycell.modelfiles.content import ModelFile
from graycell.runs.records import VCD, CultureRun

_FREE_ROLES = ("dead cells", "lysed cells", "total cells", "product")
"""Roles of species that a model computes if nobody measured them: they act on nothing, or begin at 0."""


def needs_of(file: ModelFile) -> tuple[str, ...]:
    """Return the species and inputs that a run must measure or give.

    Args:
        file: a model file.

    Returns:
        Species without a value at time 0, substrates, by-products and viable cells, then inputs without a default.
    """
    gases = file.projection.gases
    species = [
        name for name, entry in file.species.items()
        if name not in gases and (entry.initial is None or entry.role not in _FREE_ROLES)
    ]  # fmt: skip
    external = {one.removesuffix("_ext") for entry in file.network.values() for one in entry.equation.split()
                if one.endswith("_ext")}  # fmt: skip
    species += sorted(external - set(species) - set(file.species) - set(gases))
    return (*species, *(name for name, entry in file.inputs.items() if entry.default is None))


def lacks(file: ModelFile, run: CultureRun) -> tuple[str, ...]:
    """Return what a model needs and a run did not measure.

    Args:
        file: a model file.
        run: any run.

    Returns:
        Names.
    """
    return tuple(name for name in needs_of(file) if name not in _known(run))


def _known(run: CultureRun) -> Sequence[str]:
    known = [*run.measurements, *run.signals]
    return [*known, *(name for name in run.initial if name != VCD)]


__all__ = ["lacks", "needs_of"]
