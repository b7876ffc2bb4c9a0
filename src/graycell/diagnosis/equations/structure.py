"""structure_of: counts, ranks and surplus relations of the equations of a model, before any parameter value."""

from dataclasses import dataclass

import numpy as np

from graycell.model import CultureModel

_ZERO = 1e-9
"""A smaller coefficient is rounding in the maps between fluxes, whose entries are of the order of 1."""


@dataclass(frozen=True)
class Term:
    """A rate in a surplus relation.

    Attributes:
        reaction: its name.
        before_shift: its coefficient before a temperature shift [1].
        after_shift: its coefficient after the shift [1].
    """

    reaction: str
    before_shift: float
    after_shift: float


@dataclass(frozen=True)
class SurplusRelation:
    """An equation between kinetic rates that the balances imply: `reaction` = sum of the terms.

    >>> print(SurplusRelation("uptake", (Term("lactate", 0.5, 0.5), Term("growth", -1.0, -1.2))))
    uptake = 0.5 lactate - growth (after the shift: -1.2 growth)

    Attributes:
        reaction: the rate on the left side.
        terms: of the right side.
    """

    reaction: str
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        before = "".join(_written(term.reaction, term.before_shift, first=i == 0) for i, term in enumerate(self.terms))
        changed = [term for term in self.terms if abs(term.before_shift - term.after_shift) > _ZERO]
        after = "".join(_written(term.reaction, term.after_shift, first=i == 0) for i, term in enumerate(changed))
        return f"{self.reaction} = {before or '0'}{f' (after the shift: {after})' if after else ''}"


@dataclass(frozen=True)
class Structure:
    """Counts and ranks of a model's equations for its fluxes.

    Attributes:
        reactions: number of unknown fluxes.
        balances: number of steady-state balances.
        rank_of_balances: their rank.
        kinetic: reactions with a rate law, one equation each.
        rank: of balances and rate laws together.
        relations: what the kinetic rates would have to satisfy.
        free_without: by rate law, the number of directions of the fluxes that nothing would determine without it; 0 if
            the fluxes stay unique.
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
        """Number of equations above the rank."""
        return self.rank_of_balances + len(self.kinetic) - self.rank

    @property
    def free(self) -> int:
        """Number of directions of the fluxes that nothing determines."""
        return self.reactions - self.rank

    @property
    def apart(self) -> tuple[str, ...]:
        """Rate laws in no surplus relation, which only bounds can contradict."""
        tied = {relation.reaction for relation in self.relations}
        tied |= {term.reaction for relation in self.relations for term in relation.terms}
        return tuple(name for name in self.kinetic if name not in tied)


def structure_of(model: CultureModel) -> Structure:
    """Return the structure of a model's equations for its fluxes.

    Args:
        model: a model with a network.

    Returns:
        Counts, ranks and surplus relations.
    """
    layer = model.require_projection()
    network = layer.network
    inside = network.stoichiometry[~network.is_external]
    rows = np.eye(len(network.names))[[network.index(name) for name in layer.kinetic]]

    def rank(matrix) -> int:
        return int(np.linalg.matrix_rank(matrix))

    whole = rank(np.vstack([inside, rows]))
    without = {
        name: len(network.names) - rank(np.vstack([inside, np.delete(rows, i, axis=0)]))
        for i, name in enumerate(layer.kinetic)
    }
    maps = [np.asarray(layer.flux_map(shift).matrix)[:, : len(layer.kinetic)] for shift in (0.0, 1.0)]
    relations = []
    for name in layer.surplus:
        before, after = (flux_map[network.index(name)] for flux_map in maps)
        terms = tuple(
            Term(other, float(a), float(b))
            for other, a, b in zip(layer.kinetic, before, after, strict=True)
            if max(abs(a), abs(b)) > _ZERO
        )
        relations.append(SurplusRelation(name, terms))
    return Structure(len(network.names), inside.shape[0], rank(inside), layer.kinetic, whole, tuple(relations), without)


def _written(reaction: str, coefficient: float, first: bool) -> str:
    size = abs(coefficient)
    number = "" if abs(size - 1.0) < _ZERO else f"{size:.4g} "
    sign = ("-" if coefficient < 0.0 else "") if first else (" - " if coefficient < 0.0 else " + ")
    return f"{sign}{number}{reaction}"
