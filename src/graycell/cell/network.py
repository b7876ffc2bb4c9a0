"""The metabolic network: reactions between named species, of which those inside the cell are at steady state."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Real

from graycell.errors import ModelError, nearest

EXTERNAL_SUFFIX = "_ext"
"""A species whose name ends in this is in the medium; every other species is balanced inside the cell."""

# a species name has no "+": it would be two species without the spaces between
_TERM = re.compile(r"^(?:(?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s+)?(?P<species>\S+)$")


@dataclass(frozen=True)
class Reaction:
    """One reaction, for example ``Reaction("v20", "ATP + GLC_ext => G6P", "glucose uptake")``.

    Attributes:
        name: Unique name of the reaction.
        equation: Reaction equation, with ``=>`` if the reaction is irreversible and ``<=>`` if it is reversible.
        label: Description for reports.
        shifted_equation: Equation after a full temperature shift; None if the shift does not change it.
    """

    name: str
    equation: str
    label: str = ""
    shifted_equation: str | None = None

    @property
    def reversible(self) -> bool:
        """Whether the flux may be negative."""
        return "<=>" in self.equation


def parse_equation(equation: str) -> dict[str, float]:
    """Parse the equation of a reaction.

    Args:
        equation: Two sides with one arrow, ``=>`` or ``<=>``, between them; terms are separated by `` + ``.

    Returns:
        The net stoichiometric coefficient of each species, negative if it is consumed.

    Raises:
        ModelError: If the equation cannot be read.

    >>> parse_equation("NADH_mito + 0.5 O2 => 2.5 ATP")
    {'NADH_mito': -1.0, 'O2': -0.5, 'ATP': 2.5}
    """
    sides = re.split(r"<=>|=>", equation) if isinstance(equation, str) else []
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


@dataclass(frozen=True, eq=False)
class MetabolicNetwork:
    """Reactions, their stoichiometry and their bounds.

    Species whose name ends in ``_ext`` are external and exchange with the reactor; the others are internal and at
    steady state. Between the temperatures before and after a shift, stoichiometric coefficients are interpolated
    linearly. Networks with equal content are equal and have the same hash, so a function that is compiled for one of
    them is not compiled again for another. The arrays are copied and read-only.

    Attributes:
        reactions: Reactions, in the order of the columns.
        species: Names of the species, in the order of the rows.
        stoichiometry: Stoichiometric coefficients [1].
        shifted_stoichiometry: Stoichiometric coefficients after a full temperature shift [1].
        lower: Lower bound of each flux [mmol/(10^9 cells)/d]; -inf if there is none.
        upper: Upper bound of each flux [mmol/(10^9 cells)/d]; inf if there is none.

    >>> network = MetabolicNetwork.from_reactions({"v1": "A_ext => A", "v2": "A => B_ext"})
    >>> network.internal, network.external
    (('A',), ('A_ext', 'B_ext'))
    >>> network.stoichiometry.shape
    (3, 2)
    """

    reactions: tuple[Reaction, ...]
    species: tuple[str, ...]
    stoichiometry: Float[np.ndarray, "species reactions"]
    shifted_stoichiometry: Float[np.ndarray, "species reactions"]
    lower: Float[np.ndarray, " reactions"]
    upper: Float[np.ndarray, " reactions"]

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            array = np.array(getattr(self, name), float) + 0.0  # -0.0 becomes 0.0: equal numbers have equal bytes
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        return f"MetabolicNetwork({len(self.names)} reactions, {len(self.species)} species)"

    @cached_property
    def _content(self) -> tuple:
        return (self.reactions, self.species, *(getattr(self, name).tobytes() for name in _ARRAYS))

    @cached_property
    def _hash(self) -> int:
        return hash(self._content)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, MetabolicNetwork):
            return NotImplemented
        return self._hash == other._hash and self._content == other._content

    def __reduce__(self) -> tuple:
        # the hash of a string differs between processes, so what is cached must not be pickled
        return MetabolicNetwork, tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def from_reactions(cls, reactions: Sequence[Reaction] | Mapping[str, str | Reaction]) -> "MetabolicNetwork":
        """Build a network from reactions.

        Args:
            reactions: Reactions, or the equation or `Reaction` of each reaction by name. Irreversible reactions get
                the bounds 0 and inf, reversible ones none.

        Returns:
            The network.

        Raises:
            ModelError: If a name occurs twice or an equation cannot be read.

        >>> MetabolicNetwork.from_reactions({"in": "A_ext => A", "out": "A <=> B_ext"}).lower
        array([  0., -inf])
        """
        reactions = _named(reactions) if isinstance(reactions, Mapping) else tuple(reactions)
        for reaction in reactions:
            if not isinstance(reaction, Reaction):
                raise ModelError(f"network: found {reaction!r}; a Reaction is needed; give equations by name.")
        names = [reaction.name for reaction in reactions]
        for name in names:
            if names.count(name) > 1:
                raise ModelError(f"reaction '{name}' occurs {names.count(name)} times; names must be unique.")
        usual = [parse_equation(reaction.equation) for reaction in reactions]
        shifted = [parse_equation(reaction.shifted_equation or reaction.equation) for reaction in reactions]
        species = tuple(dict.fromkeys(name for column in usual + shifted for name in column))
        return cls(
            reactions,
            species,
            _matrix(species, usual),
            _matrix(species, shifted),
            np.array([-np.inf if reaction.reversible else 0.0 for reaction in reactions]),
            np.full(len(reactions), np.inf),
        )

    @classmethod
    def from_table(
        cls,
        species: Sequence[str],
        reactions: Sequence[str],
        stoichiometry: Real[np.ndarray, "species reactions"] | Sequence[Sequence[float]],
        lower: Real[np.ndarray, " reactions"] | Sequence[float] | None = None,
        upper: Real[np.ndarray, " reactions"] | Sequence[float] | None = None,
        no_bound: float = np.inf,
    ) -> "MetabolicNetwork":
        """Build a network from a stoichiometric table, such as that of a spreadsheet or of another tool.

        Args:
            species: Names of the rows. A species is internal unless its name ends in ``_ext``.
            reactions: Names of the columns.
            stoichiometry: Stoichiometric coefficients [1].
            lower: Lower bounds of the fluxes [mmol/(10^9 cells)/d]; none by default.
            upper: Upper bounds of the fluxes [mmol/(10^9 cells)/d]; none by default.
            no_bound: A bound of this size or more counts as none [mmol/(10^9 cells)/d]; 1000 in COBRA models.

        Returns:
            The network.

        Raises:
            ModelError: If the table has faults; the message names all of them.

        >>> network = MetabolicNetwork.from_table(["A"], ["in", "out"], [[1, -1]], [0, -1000], no_bound=1000)
        >>> network.reactions[1].equation, network.lower
        ('A <=> ', array([  0., -inf]))
        """
        matrix, count = np.asarray(stoichiometry, float), len(reactions)
        low = np.full(count, -np.inf) if lower is None else np.asarray(lower, float)
        high = np.full(count, np.inf) if upper is None else np.asarray(upper, float)
        faults = _faults(species, reactions, matrix, low, high)
        if faults:
            raise ModelError(f"stoichiometric table: {'; '.join(faults)}. Correct the table.")
        low, high = np.where(low <= -no_bound, -np.inf, low), np.where(high >= no_bound, np.inf, high)
        written = tuple(
            Reaction(name, _equation(species, column, reversible=bool(low[j] < 0.0)))
            for j, (name, column) in enumerate(zip(reactions, matrix.T, strict=True))
        )
        return cls(written, tuple(species), matrix, matrix, low, high)

    def with_reactions(self, reactions: Sequence[Reaction] | Mapping[str, str | Reaction]) -> "MetabolicNetwork":
        """Add reactions at the end of the network.

        Args:
            reactions: The new reactions; see `from_reactions`.

        Returns:
            The larger network; the present reactions keep their bounds.

        Raises:
            ModelError: If a name occurs twice or an equation cannot be read.
        """
        added = _named(reactions) if isinstance(reactions, Mapping) else tuple(reactions)
        larger, present = self.from_reactions(self.reactions + added), len(self.reactions)
        return replace(
            larger,
            lower=np.concatenate([self.lower, larger.lower[present:]]),
            upper=np.concatenate([self.upper, larger.upper[present:]]),
        )

    def with_bounds(self, name: str, lower: float = -np.inf, upper: float = np.inf) -> "MetabolicNetwork":
        """Replace the bounds of one reaction.

        Args:
            name: Name of the reaction.
            lower: Lower bound [mmol/(10^9 cells)/d].
            upper: Upper bound [mmol/(10^9 cells)/d].

        Returns:
            The network with these bounds.

        Raises:
            ModelError: If the network has no such reaction, or a bound is not a number or infinite on the wrong side.
        """
        index = self.index(name)
        low, high = self.lower.copy(), self.upper.copy()
        try:
            low[index], high[index] = lower, upper
        except (TypeError, ValueError):
            raise ModelError(f"bounds of '{name}': found {lower!r} and {upper!r}; numbers are needed.") from None
        if fault := _bound_fault(name, low[index], high[index]):
            raise ModelError(fault)
        return replace(self, lower=low, upper=high)

    def require_bounds(self) -> None:
        """Check that no bound is nan or infinite on the side where no flux meets it.

        Raises:
            ModelError: If one is; the message names all of them.
        """
        every = zip(self.names, self.lower, self.upper, strict=True)
        faults = [fault for name, low, high in every if (fault := _bound_fault(name, low, high))]
        if faults:
            raise ModelError(" ".join(faults))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the reactions."""
        return tuple(reaction.name for reaction in self.reactions)

    def index(self, name: str) -> int:
        """Look up the column of a reaction.

        Args:
            name: Name of the reaction.

        Returns:
            Its column.

        Raises:
            ModelError: If the network has no such reaction.
        """
        if name not in self.names:
            raise ModelError(f"reaction '{name}' is not in the network; {nearest(str(name), self.names)}.")
        return self.names.index(name)

    @property
    def is_external(self) -> Bool[np.ndarray, " species"]:
        """Whether each species is in the medium."""
        return np.array([name.endswith(EXTERNAL_SUFFIX) for name in self.species], bool)

    @property
    def internal(self) -> tuple[str, ...]:
        """Names of the species that are at steady state inside the cell."""
        return tuple(name for name in self.species if not name.endswith(EXTERNAL_SUFFIX))

    @property
    def external(self) -> tuple[str, ...]:
        """Names of the species in the medium."""
        return tuple(name for name in self.species if name.endswith(EXTERNAL_SUFFIX))

    def rows(self, species: Sequence[str]) -> Float[np.ndarray, "species reactions"]:
        """Select rows of the stoichiometry before the temperature shift.

        Args:
            species: Names of the species.

        Returns:
            Their stoichiometric coefficients [1].

        Raises:
            ModelError: If the network has no such species.
        """
        missing = [name for name in species if name not in self.species]
        if missing:
            raise ModelError(f"species '{missing[0]}' is not in the network; {nearest(missing[0], self.species)}.")
        return self.stoichiometry[[self.species.index(name) for name in species]]


_ARRAYS = ("stoichiometry", "shifted_stoichiometry", "lower", "upper")
"""Fields of a network that are arrays."""


def _bound_fault(name: str, low: float, high: float) -> str:
    """Return what is wrong with a pair of bounds, '' if nothing; that they contradict each other is a status."""
    if low < np.inf and high > -np.inf:
        return ""
    needed = "a lower bound is a number or -inf, an upper one a number or inf"
    return f"bounds of '{name}': found {low:g} and {high:g}; {needed}."


def _named(reactions: Mapping[str, str | Reaction]) -> tuple[Reaction, ...]:
    """Return the reactions of a mapping from names to equations or reactions."""
    found = []
    for name, reaction in reactions.items():
        reaction = Reaction(name, reaction) if isinstance(reaction, str) else reaction
        if not isinstance(reaction, Reaction):
            raise ModelError(f"reaction '{name}': found {reaction!r}; an equation or a Reaction is needed.")
        if reaction.name != name:
            raise ModelError(f"reaction '{name}': its Reaction has the name '{reaction.name}'; give both one name.")
        found.append(reaction)
    return tuple(found)


def _faults(species, reactions, matrix: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[str]:
    """Return every fault of a stoichiometric table."""
    count = len(reactions)
    faults = [
        f"{kind} '{name}' occurs twice"
        for kind, names in (("species", species), ("reaction", reactions))
        for name in dict.fromkeys(names)
        if list(names).count(name) > 1
    ]
    if matrix.shape != (len(species), count):
        faults.append(f"the table has the shape {matrix.shape}, {(len(species), count)} is needed")
    elif not np.all(np.isfinite(matrix)):
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        faults.append(f"the coefficient of '{species[row]}' in '{reactions[column]}' is {matrix[row, column]}")
    if low.shape != (count,) or high.shape != (count,):
        return [*faults, f"there are {low.size} lower and {high.size} upper bounds, {count} are needed"]
    return faults + [
        f"the bounds of '{name}' are {a:g} and {b:g}"
        for name, a, b in zip(reactions, low, high, strict=True)
        if not a <= b or _bound_fault(name, a, b)
    ]


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
