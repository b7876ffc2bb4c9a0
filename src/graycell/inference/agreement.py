"""Agreement: whether a fitted model contradicts its data, by the size and by the signs of its residuals.

If model and assay errors are right, squares of residuals, in standard errors, are 1 in the mean (chi-square), and
their signs change from one sample to the next in half of all cases (Wald & Wolfowitz 1940, Annals of Mathematical
Statistics 11, 147, with the median known to be 0, so that a series of one sign counts as the strongest evidence and
not as none). Both are counted over all quantities and runs. Estimated parameters make residuals smaller and let
their signs change more often, which makes both tests less eager; values at a detection limit make the first one more
so, because of values below it only those count that the model contradicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr, chdtrc

_CHANCE = 1e-3
"""[1] Probability below which chance is no explanation."""
_LARGE = 1.25
"""[1] Least chi-square a value that is reported: assay errors are rarely known to a tenth, their squares to a fifth."""
_SELDOM = 0.4
"""[1] Largest part of changing signs that is reported: what the model lacks then has half the variance of the noise."""
_SMALL = 0.25
"""[1] Chi-square a value below which signs are not looked at: residuals are then within half an assay error."""
_ABOVE_LIMIT = float(np.sqrt(2.0 * np.log(2.0)))
"""[standard errors] Residual of a value below a detection limit, of a prediction at the limit."""
_NAMED = 3
"""Quantities in the sentence."""


@dataclass(frozen=True)
class QuantityAgreement:
    """How a fitted model agrees with one quantity of all runs.

    Attributes:
        values: number of measured values after time 0; those below a detection limit only where the model is above it.
        chi_square: sum of the squares of their residuals in standard errors [1].
        changes: number of changes of sign between neighbours in time.
        pairs: number of neighbours.
    """

    values: int
    chi_square: float
    changes: int
    pairs: int


@dataclass(frozen=True)
class Agreement:
    """How a fitted model agrees with its data.

    Attributes:
        quantities: by name.
    """

    quantities: Mapping[str, QuantityAgreement]

    @property
    def values(self) -> int:
        """Number of measured values."""
        return sum(one.values for one in self.quantities.values())

    @property
    def chi_square(self) -> float:
        """Chi-square a value [1]; about 1 is expected."""
        return sum(one.chi_square for one in self.quantities.values()) / max(self.values, 1)

    @property
    def changes(self) -> int:
        """Number of changes of sign."""
        return sum(one.changes for one in self.quantities.values())

    @property
    def pairs(self) -> int:
        """Number of neighbours in time; in half of them the sign is expected to change."""
        return sum(one.pairs for one in self.quantities.values())

    @property
    def too_large(self) -> bool:
        """Whether residuals are larger than the errors of the assays explain."""
        return self.chi_square > _LARGE and float(chdtrc(self.values, self.chi_square * self.values)) < _CHANCE

    @property
    def too_steady(self) -> bool:
        """Whether residuals keep their sign longer than chance explains."""
        seldom = self.pairs > 0 and self.changes <= _SELDOM * self.pairs
        return seldom and self.chi_square > _SMALL and float(bdtr(self.changes, self.pairs, 0.5)) < _CHANCE

    def remarks(self) -> list[str]:
        """Return what a reader of the fit, and of its predictions, should know.

        Returns:
            A sentence where the model contradicts its data; else none.
        """
        of, said = self.quantities, []
        if self.too_large:
            each = {name: one.chi_square / one.values for name, one in of.items() if one.values}
            worst = sorted((name for name in each if each[name] > _LARGE), key=lambda name: -each[name])[:_NAMED]
            named = ", ".join(f"{name} ({each[name]:.3g})" for name in worst)
            said.append(f"chi-square of {self.chi_square:.3g} a value over {self.values} values (about 1 expected), "
                        f"most in {named}")  # fmt: skip
        if self.too_steady:
            share = {name: one.changes / one.pairs for name, one in of.items() if one.pairs}
            worst = sorted((name for name in share if share[name] <= _SELDOM), key=lambda name: share[name])[:_NAMED]
            named = ", ".join(f"{name} ({of[name].changes} of {of[name].pairs})" for name in worst)
            said.append(f"residuals that change sign {self.changes} times between {self.pairs} neighbours in time "
                        f"(about {self.pairs / 2:.0f} expected), fewest in {named}")  # fmt: skip
        if not said:
            return []
        return [f"The model contradicts its data: {'; and '.join(said)}. Its bands hold only what the model knows: "
                "errors of prediction are larger."]  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """Return the agreement as plain data.

        Returns:
            The fields of each quantity by its name.
        """
        return {name: asdict(one) for name, one in self.quantities.items()}

    @classmethod
    def from_plain(cls, data: Mapping[str, Mapping[str, Any]]) -> "Agreement":
        """Return the agreement that was saved.

        Args:
            data: see `plain`.

        Returns:
            The agreement.
        """
        return cls({str(name): QuantityAgreement(int(one["values"]), float(one["chi_square"]), int(one["changes"]),
                                                 int(one["pairs"])) for name, one in data.items()})  # fmt: skip


def agreement_of(
    names: Sequence[str], time: np.ndarray, residuals: np.ndarray, measured: np.ndarray, below: np.ndarray
) -> Agreement:
    """Return how a model agrees with its data.

    Args:
        names: of the quantities.
        time: (runs, times) [d].
        residuals: (runs, times, quantities) predicted - measured in standard errors; of values below a detection limit
            as in `Objective.misfits`.
        measured: (runs, times, quantities) of bool, whether there is a value.
        below: (runs, times, quantities) of bool, whether it is a detection limit.

    Returns:
        The agreement, of the quantities that were measured after time 0.
    """
    # a sample at time 0 is often the start of the simulation itself; and a limit that holds says nothing of the size
    counts = measured & (time[..., None] > 0.0) & (~below | (residuals > _ABOVE_LIMIT))
    found = {}
    for j, name in enumerate(names):
        if not np.any(counts[:, :, j]):
            continue
        changes, pairs, square = 0, 0, 0.0
        for of, at, chosen in zip(residuals[:, :, j], time, counts[:, :, j], strict=True):
            ordered = of[chosen][np.argsort(at[chosen], kind="stable")]
            square += float(ordered @ ordered)
            signs = np.sign(ordered)
            signs = signs[signs != 0.0]
            changes, pairs = changes + int(np.sum(signs[1:] != signs[:-1])), pairs + max(len(signs) - 1, 0)
        found[name] = QuantityAgreement(int(np.sum(counts[:, :, j])), square, changes, pairs)
    return Agreement(found)
