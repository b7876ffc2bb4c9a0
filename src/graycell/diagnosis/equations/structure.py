"""What the equations of a model demand of each other, before any number: counts, ranks, surplus relations."""

from dataclasses import dataclass

import numpy as np

from graycell.model import CultureModel

_ZERO = 1e-9
"""A coefficient below is rounding of the maps between fluxes, whose entries are of the order of 1."""


@dataclass(frozen=True)
class Term:
    """A rate in a surplus relation, with its coefficients [1] at the warm and at the cold temperature."""

    reaction: str
    warm: float
    cold: float


@dataclass(frozen=True)
class SurplusRelation:
    """An equation between kinetic rates that the balances imply: `reaction` = sum of the terms.

    >>> print(SurplusRelation("v1", (Term("v2", 0.5, 0.5), Term("v3", -1.0, -1.2))))
    v1 = 0.5 v2 - v3 (cold: -1.2 v3)
    """

    reaction: str
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        warm = "".join(_written(term.reaction, term.warm, first=i == 0) for i, term in enumerate(self.terms))
        changed = [term for term in self.terms if abs(term.warm - term.cold) > _ZERO]
        cold = "".join(_written(term.reaction, term.cold, first=i == 0) for i, term in enumerate(changed))
        return f"{self.reaction} = {warm or '0'}{f' (cold: {cold})' if cold else ''}"


@dataclass(frozen=True)
class Structure:
    """Counts and ranks of a model's equations for its fluxes.

    reactions: unknowns; balances: equations of the steady state, and their rank; kinetic: rate laws, one equation each;
    rank: of balances and rate laws together; surplus: equations above that rank; relations: what the kinetic rates would
    have to satisfy; free_without: by rate law, how many directions of the fluxes nothing would determine if it were
    dropped (0: the fluxes stay unique); apart: rate laws in no surplus relation, which bounds alone can contradict.
    """

    reactions: int
    balances: int
    rank_of_balances: int
    kinetic: tuple[str, ...]
    rank: int
    relations: tuple[SurplusRelation, ...]
    free_without: dict[str, int]

    @property
    def surplus(self) -> int:
        return self.rank_of_balances + len(self.kinetic) - self.rank

    @property
    def free(self) -> int:
        """Directions of the fluxes that nothing determines."""
        return self.reactions - self.rank

    @property
    def apart(self) -> tuple[str, ...]:
        tied = {relation.reaction for relation in self.relations}
        tied |= {term.reaction for relation in self.relations for term in relation.terms}
        return tuple(name for name in self.kinetic if name not in tied)


def structure_of(model: CultureModel) -> Structure:
    """Return the structure of a model's equations."""
    network, layer = model.network, model.projection
    inside = network.stoichiometry[~network.is_external]
    rows = np.eye(len(network.names))[[network.index(name) for name in layer.kinetic]]

    def rank(matrix) -> int:
        return int(np.linalg.matrix_rank(matrix))

    whole = rank(np.vstack([inside, rows]))
    without = {
        name: len(network.names) - rank(np.vstack([inside, np.delete(rows, i, axis=0)]))
        for i, name in enumerate(layer.kinetic)
    }
    maps = [np.asarray(layer.flux_map(cold).matrix)[:, : len(layer.kinetic)] for cold in (0.0, 1.0)]
    relations = []
    for name in layer.surplus:
        warm, cold = (one[network.index(name)] for one in maps)
        terms = tuple(
            Term(other, float(a), float(b))
            for other, a, b in zip(layer.kinetic, warm, cold, strict=True)
            if max(abs(a), abs(b)) > _ZERO
        )
        relations.append(SurplusRelation(name, terms))
    return Structure(len(network.names), inside.shape[0], rank(inside), layer.kinetic, whole, tuple(relations), without)


def _written(reaction: str, coefficient: float, first: bool) -> str:
    size = abs(coefficient)
    number = "" if abs(size - 1.0) < _ZERO else f"{size:.4g} "
    sign = ("-" if coefficient < 0.0 else "") if first else (" - " if coefficient < 0.0 else " + ")
    return f"{sign}{number}{reaction}"
