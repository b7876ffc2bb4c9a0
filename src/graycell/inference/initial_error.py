"""InitialError: how far the concentrations that runs give for time 0 may be from the true ones."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from graycell.errors import Finding, InputError, nearest
from graycell.runs.records import VCD

MEASURED = "measured"
"""The word for an error that the sample at time 0 tells."""
LEAST_SD, MOST_SD = 1e-4, 1.0
"""Least and largest standard deviation [1]: an assay that knows the fourth digit, and a start that is known to a factor
of three."""


@dataclass(frozen=True)
class InitialError:
    r"""How far given initial concentrations may be from the true ones; a fit then estimates those.

    The true concentration of a species in run i is $c_i = g_i \exp(d_i)$ with the given value $g_i$ and
    $d_i \sim N(0, s)$, where s is the error of the assay. With a distribution between runs,
    $\ln c_i \sim N(m, \tau)$ besides, around a common mean m that is estimated, so that replicates share what is known
    of their inoculum. A species that is absent at time 0 stays absent; dead cells that follow from the viability at
    time 0 move with the viable ones.

    The given value is the centre, so it counts once: a sample at time 0 that it was taken from (it agrees within a
    tenth of its standard error) is no residual of the fit beside it; of the cells, neither the viable nor the total
    count. A sample at time 0 of another value than the given one is a second measurement of the start, and stays a
    residual.

    Attributes:
        assay: s, the standard deviation [1] of the natural logarithm, 0.0001 to 1: one for all species that runs give,
            or by species; or ``measured`` in place of a number, which is the standard error of the sample at time 0
            over its value, from 0.1 % to 50 %. Without such a sample the value of that run is exact. ``VCD`` is the
            species of the cells.
        between_runs: $\tau$, the standard deviation [1] of the natural logarithm between the runs, for all species with
            an error of the assay, or by species; none if left out.

    Raises:
        InputError: with every number that is none, or out of range, and every distribution between runs of a species
            without an error of the assay.

    >>> InitialError({"VCD": 0.1, "GLC": "measured"}, between_runs={"VCD": 0.05}).of_species("VCD", "BIOM")
    (0.1, 0.05)
    """

    assay: float | str | Mapping[str, float | str] = MEASURED
    between_runs: float | Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        findings = list(faults_of(self.assay, self.between_runs))
        if findings:
            raise InputError(findings)
        for name in ("assay", "between_runs"):  # no part of it is changed from outside
            given = getattr(self, name)
            object.__setattr__(self, name, dict(given) if isinstance(given, Mapping) else given)

    @classmethod
    def of(cls, given: "InitialError | float | str | Mapping[str, float | str] | None") -> "InitialError | None":
        """Return the errors that a user means.

        Args:
            given: errors; or those of the assay alone, see `InitialError.assay`; None where all values are exact.

        Returns:
            The errors; None where there are none.
        """
        if given is None or (isinstance(given, Mapping) and not given):
            return None
        return given if isinstance(given, InitialError) else cls(given)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The species that are named; None where all that runs give are meant."""
        return tuple(self.assay) if isinstance(self.assay, Mapping) else None

    def of_species(self, name: str, cells: str | None = None) -> tuple[float | str | None, float | None]:
        """Return the errors of one species.

        Args:
            name: of the species.
            cells: the species of the cells, for which VCD stands.

        Returns:
            That of the assay, and the standard deviation between runs [1]; None where there is none.
        """

        def found(given: Any) -> Any:
            if not isinstance(given, Mapping):
                return given
            return given.get(name, given.get(VCD) if name == cells else None)

        return found(self.assay), found(self.between_runs)

    def unknown_names(self, species: tuple[str, ...], cells: str | None, where: str = "initial_error") -> list[Finding]:
        """Return a fault for every name that a model does not have.

        Args:
            species: of the model.
            cells: its species of cells, for which VCD stands.
            where: the place of the setting.

        Returns:
            The faults.
        """
        known = (*species, VCD) if cells and VCD not in species else species
        return [
            Finding(where, f"'{name}'", "it is not a species of the model", nearest(name, known))
            for name in self.names or () if name not in known
        ]  # fmt: skip

    def known_to(self, species: tuple[str, ...], cells: str | None) -> "InitialError | None":
        """Return the errors of the species that a model has, for one of several models of a comparison.

        Args:
            species: of the model.
            cells: its species of cells, for which VCD stands.

        Returns:
            The errors; None where none is left.
        """
        if self.names is None:
            return self
        known = {*species, VCD} if cells else set(species)
        between = self.between_runs
        kept = {name: one for name, one in self.assay.items() if name in known}  # type: ignore[union-attr]
        if isinstance(between, Mapping):
            between = {name: one for name, one in between.items() if name in kept}
        return InitialError(kept, between) if kept else None

    def plain(self) -> dict[str, Any]:
        """Return the errors as plain data for JSON.

        Returns:
            What makes them again: ``InitialError(**plain)``.
        """
        return asdict(self)


def faults_of(
    assay: Any, between_runs: Any, where: str = "initial_error", between: str = "between_runs"
) -> Iterator[Finding]:
    """Yield what is wrong with the numbers of an `InitialError`.

    Args:
        assay: see `InitialError`.
        between_runs: see `InitialError`.
        where: the place of `assay`.
        between: the place of `between_runs`.

    Yields:
        One finding for each fault.
    """
    needed = f"a standard deviation of the logarithm from {LEAST_SD:g} to {MOST_SD:g} is needed"
    remedy = "write 0.1 for 10 %"
    for name, value in _each(assay):
        if value != MEASURED and not _is_sd(value):
            yield Finding(f"{where}{name}", _quoted(value), f"{needed}, or '{MEASURED}'", remedy)
    for name, value in _each(between_runs):
        if not _is_sd(value):
            yield Finding(f"{between}{name}", _quoted(value), needed, remedy)
    if isinstance(assay, Mapping) and isinstance(between_runs, Mapping):
        for name in between_runs:
            if name not in assay:
                yield Finding(f"{between}.{name}", f"'{name}'", "it has no error of the assay",
                              f"write one: {where} = {{ {name} = 0.1 }}")  # fmt: skip


def _each(given: Any) -> Iterator[tuple[str, Any]]:
    yield from ((f".{name}", value) for name, value in given.items()) if isinstance(given, Mapping) else [("", given)]


def _is_sd(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and LEAST_SD <= value <= MOST_SD


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value!r:.60}"
