"""ModelNames: what a model calls its quantities, for the checks of runs that are meant for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graycell.runs.limits import NOT_SPECIES


@dataclass(frozen=True)
class ModelNames:
    """What a model calls its quantities, and what it needs of a run.

    Attributes:
        units: of its species by name; "" where the unit is not known.
        needed: species that need a value at time 0; None for all of them.
        others: names of its variables, inputs and observables.
    """

    units: Mapping[str, str]
    needed: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """Species that need a value at time 0."""
        return tuple(self.units) if self.needed is None else self.needed

    @property
    def known(self) -> tuple[str, ...]:
        """Every name that a run may use."""
        return tuple(dict.fromkeys([*self.units, *self.others, *NOT_SPECIES]))

    @classmethod
    def of(cls, species: "Iterable[str] | Mapping[str, str] | ModelNames | None") -> "ModelNames | None":
        """Return the names of a model that has these species, all of which need a value at time 0.

        Args:
            species: their names, or their units by name; all names of a model, or None, are returned as they are.

        Returns:
            The names; None for no model.
        """
        if species is None or isinstance(species, ModelNames):
            return species
        return cls(species if isinstance(species, Mapping) else dict.fromkeys(species, ""))
