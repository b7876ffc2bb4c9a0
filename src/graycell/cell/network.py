"""The metabolic network: reactions between named species, some of them balanced inside the cell."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from graycell.errors import ModelError, nearest

EXTERNAL_SUFFIX = "_ext"
"""A species whose name ends so is in the medium; every other one is balanced inside the cell."""

# a species name has no "+": it would be two species without the spaces between
_TERM = re.compile(r"^(?:(?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s+)?(?P<species>\S+)$")


@dataclass(frozen=True)
class Reaction:
    """One reaction: ``Reaction("v20", "ATP + GLC_ext => G6P", "glucose uptake")``.

    `equation` uses ``=>`` for an irreversible and ``<=>`` for a reversible reaction.
    `cold_equation` is the equation after a full temperature shift, where that changes the stoichiometry.
    """

    name: str
    equation: str
    label: str = ""
    cold_equation: str | None = None

    @property
    def reversible(self) -> bool:
        return "<=>" in self.equation


def parse_equation(equation: str) -> dict[str, float]:
    """Return the net stoichiometric coefficient of each species, negative on the left side.

    Raises `ModelError` if the equation cannot be read.

    >>> parse_equation("NADH_mito + 0.5 O2 => 2.5 ATP")
    {'NADH_mito': -1.0, 'O2': -0.5, 'ATP': 2.5}
    """
    sides = re.split(r"<=>|=>", equation)
    if len(sides) != 2:
        raise ModelError(f"equation '{equation}': one arrow, => or <=>, is needed between two sides.")
    coefficients: dict[str, float] = {}
    for sign, side in zip((-1.0, 1.0), sides, strict=True):
        for term in (term.strip() for term in side.split(" + ")):
            if not term:
                continue
            match = _TERM.match(term)
            if match is None or "+" in match["species"]:
                raise ModelError(f"equation '{equation}': '{term}' cannot be read; write it like 2.5 ATP.")
            amount = sign * float(match["number"] or 1.0)
            coefficients[match["species"]] = coefficients.get(match["species"], 0.0) + amount
    return coefficients


@dataclass(frozen=True, eq=False)  # arrays do not compare; the identity serves as hash when compiled
class MetabolicNetwork:
    """Reactions and their stoichiometry, in species x reactions.

    Rows of species that end in ``_ext`` are external and exchange with the reactor; the others are at steady
    state. At a temperature between warm (weight 0) and cold (weight 1) the coefficients are mixed linearly.

    >>> network = MetabolicNetwork.from_reactions([Reaction("v1", "A_ext => A"), Reaction("v2", "A => B_ext")])
    >>> network.internal, network.external
    (('A',), ('A_ext', 'B_ext'))
    >>> network.stoichiometry.shape
    (3, 2)
    """

    reactions: tuple[Reaction, ...]
    species: tuple[str, ...]
    stoichiometry: Float[np.ndarray, "species reactions"]
    cold_stoichiometry: Float[np.ndarray, "species reactions"]
    lower: Float[np.ndarray, " reactions"]
    upper: Float[np.ndarray, " reactions"]

    def __repr__(self) -> str:
        return f"MetabolicNetwork({len(self.names)} reactions, {len(self.species)} species)"

    @classmethod
    def from_reactions(cls, reactions: Sequence[Reaction]) -> "MetabolicNetwork":
        """Build a network. Irreversible reactions get the bounds 0 to inf, reversible ones none.

        Raises `ModelError` where a name stands twice or an equation cannot be read.
        """
        names = [reaction.name for reaction in reactions]
        for name in names:
            if names.count(name) > 1:
                raise ModelError(f"reaction '{name}' stands {names.count(name)} times; names must be unique.")
        warm = [parse_equation(reaction.equation) for reaction in reactions]
        cold = [parse_equation(reaction.cold_equation or reaction.equation) for reaction in reactions]
        species = tuple(dict.fromkeys(name for column in warm + cold for name in column))
        return cls(
            tuple(reactions),
            species,
            _matrix(species, warm),
            _matrix(species, cold),
            np.array([-np.inf if reaction.reversible else 0.0 for reaction in reactions]),
            np.full(len(reactions), np.inf),
        )

    @classmethod
    def from_table(
        cls,
        species: Sequence[str],
        reactions: Sequence[str],
        stoichiometry: Float[np.ndarray, "species reactions"],
        lower: Float[np.ndarray, " reactions"] | None = None,
        upper: Float[np.ndarray, " reactions"] | None = None,
        no_bound: float = np.inf,
    ) -> "MetabolicNetwork":
        """Build a network from a stoichiometric table, as a spreadsheet, a DataFrame or another tool holds it.

        Species are balanced unless their name ends in ``_ext``. Without `lower` and `upper` no flux is bounded. A
        bound of the size `no_bound` or more counts as none: COBRA models write 1000 there.
        Raises `ModelError` with every fault of the table.

        >>> network = MetabolicNetwork.from_table(["A"], ["in", "out"], [[1, -1]], [0, -1000], no_bound=1000)
        >>> network.reactions[1].equation, network.lower
        ('A <=> ', array([  0., -inf]))
        """
        matrix, count = np.asarray(stoichiometry, float), len(reactions)
        low = np.full(count, -np.inf) if lower is None else np.asarray(lower, float)
        high = np.full(count, np.inf) if upper is None else np.asarray(upper, float)
        faults = [f"{kind} '{name}' stands twice" for kind, names in (("species", species), ("reaction", reactions))
                  for name in dict.fromkeys(names) if list(names).count(name) > 1]  # fmt: skip
        if matrix.shape != (len(species), count):
            faults.append(f"the table has the shape {matrix.shape}, {(len(species), count)} is needed")
        elif not np.all(np.isfinite(matrix)):
            row, column = np.argwhere(~np.isfinite(matrix))[0]
            faults.append(f"the coefficient of '{species[row]}' in '{reactions[column]}' is {matrix[row, column]}")
        if low.shape != (count,) or high.shape != (count,):
            faults.append(f"there are {low.size} lower and {high.size} upper bounds, {count} are needed")
        else:
            faults += [
                f"the bounds of '{name}' are {a:g} and {b:g}"
                for name, a, b in zip(reactions, low, high, strict=True)
                if not a <= b
            ]
        if faults:
            raise ModelError(f"stoichiometric table: {'; '.join(faults)}. Correct the table.")
        low, high = np.where(low <= -no_bound, -np.inf, low), np.where(high >= no_bound, np.inf, high)
        written = tuple(
            Reaction(name, _equation(species, column, reversible=low[j] < 0.0))
            for j, (name, column) in enumerate(zip(reactions, matrix.T, strict=True))
        )
        return cls(written, tuple(species), matrix, matrix.copy(), low, high)

    def with_reactions(self, reactions: Sequence[Reaction]) -> "MetabolicNetwork":
        """Return the network with more reactions at its end; bounds of the present ones stay."""
        longer = self.from_reactions(self.reactions + tuple(reactions))
        longer.lower[: len(self.reactions)] = self.lower
        longer.upper[: len(self.reactions)] = self.upper
        return longer

    def with_bounds(self, name: str, lower: float = -np.inf, upper: float = np.inf) -> "MetabolicNetwork":
        """Return the network with other bounds [mmol/(10^9 cells)/d] of one reaction."""
        index = self.index(name)
        low, high = self.lower.copy(), self.upper.copy()
        low[index], high[index] = lower, upper
        return replace(self, lower=low, upper=high)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(reaction.name for reaction in self.reactions)

    def index(self, name: str) -> int:
        """Return the column of a reaction; an unknown name raises `ModelError`."""
        if name not in self.names:
            raise ModelError(f"reaction '{name}' is not in the network; {nearest(name, self.names)}.")
        return self.names.index(name)

    @property
    def is_external(self) -> Bool[np.ndarray, " species"]:
        return np.array([name.endswith(EXTERNAL_SUFFIX) for name in self.species])

    @property
    def internal(self) -> tuple[str, ...]:
        return tuple(name for name in self.species if not name.endswith(EXTERNAL_SUFFIX))

    @property
    def external(self) -> tuple[str, ...]:
        return tuple(name for name in self.species if name.endswith(EXTERNAL_SUFFIX))

    def rows(self, species: Sequence[str]) -> Float[np.ndarray, "species reactions"]:
        """Return the (warm) stoichiometric rows of the named species."""
        missing = [name for name in species if name not in self.species]
        if missing:
            raise ModelError(f"species '{missing[0]}' is not in the network; {nearest(missing[0], self.species)}.")
        return self.stoichiometry[[self.species.index(name) for name in species]]


def _equation(species: Sequence[str], column: np.ndarray, reversible: bool) -> str:
    sides = (
        " + ".join(
            f"{abs(c):.12g} {name}" if abs(c) != 1.0 else name
            for name, c in zip(species, column, strict=True)
            if sign * c > 0.0
        )
        for sign in (-1.0, 1.0)
    )
    return (" <=> " if reversible else " => ").join(sides)


def _matrix(species: Sequence[str], columns: Sequence[Mapping[str, float]]) -> np.ndarray:
    matrix = np.zeros((len(species), len(columns)))
    for j, column in enumerate(columns):
        for name, coefficient in column.items():
            matrix[species.index(name), j] = coefficient
    return matrix
