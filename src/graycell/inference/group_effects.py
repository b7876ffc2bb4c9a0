"""Groups of runs, such as clones or scales: their random effects in the objective of a fit, and what a fit found.

A parameter that differs between groups has a value of its own in each of them, a random effect around the shared one on
the parameter's own scale. Runs of one group share the effect, so it is an unknown beside those of single runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from graycell.errors import FitError
from graycell.parameters import Parameter
from graycell.runs.records import CultureRun

_NAMED = 5
"""Runs or groups that a sentence names."""


class GroupPrior(eqx.Module):
    """The random effects of groups of runs in the objective of a fit.

    Attributes:
        sd: (per_group,) standard deviations between groups, on the parameters' own scales.
        membership: (runs, groups) [1] 1 where a run is in a group, else 0.
        per_group: indices of the parameters that differ between groups.
    """

    sd: Float[Array, " per_group"]
    membership: Float[Array, "runs groups"]
    per_group: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, rows: Sequence[Parameter], runs: Sequence[str], groups: Mapping[str, str] | None) -> "GroupPrior":
        """Return the random effects of groups.

        Args:
            rows: the estimated parameters.
            runs: names of the runs.
            groups: group of each run by its name; of no meaning where no parameter differs between groups.

        Returns:
            The prior; of no effects where no parameter differs between groups.

        Raises:
            FitError: where a parameter differs between groups and a run is in none.
        """
        per_group = tuple(i for i, row in enumerate(rows) if row.between_groups_sd > 0.0)
        if not per_group:
            return cls(jnp.zeros(0), jnp.zeros((len(runs), 0)), ())
        groups = groups or {}
        require_groups([rows[i].name for i in per_group], runs, groups)
        names = groups_in_order(runs, groups)
        membership = np.array([[float(groups[run] == name) for name in names] for run in runs])
        return cls(jnp.array([rows[i].between_groups_sd for i in per_group], jnp.float64), jnp.asarray(membership),
                   per_group)  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """Number of groups, and of the parameters that differ between them."""
        return self.membership.shape[1], len(self.per_group)

    @property
    def size(self) -> int:
        """How many effects there are."""
        return self.membership.shape[1] * len(self.per_group)

    def of_one_run(self) -> "GroupPrior":
        """Return the effects of the group of one run alone; they are of one shape for all runs.

        Returns:
            The prior of one run in one group, or of no effects.
        """
        return GroupPrior(self.sd, jnp.ones((1, min(self.membership.shape[1], 1))), self.per_group)

    def number_of(self, i: int) -> int:
        """Return the number of the group of a run.

        Args:
            i: number of the run.

        Returns:
            The place of its group; 0 where there are none.
        """
        return int(np.argmax(np.asarray(self.membership)[i])) if self.per_group else 0

    def of_runs(self, effects: Float[Array, "groups per_group"]) -> Float[Array, "runs per_group"]:
        """Return the effect of its group for each run.

        Args:
            effects: of all groups, on the parameters' own scales.

        Returns:
            (runs, per_group)
        """
        return self.membership @ effects


def groups_in_order(runs: Sequence[str], groups: Mapping[str, str]) -> tuple[str, ...]:
    """Return the groups of runs in the order of their first runs, which is that of their effects.

    Args:
        runs: names of the runs.
        groups: group of each run by its name.

    Returns:
        Names of groups.
    """
    return tuple(dict.fromkeys(groups[run] for run in runs))


def grouped_parameters(table: Iterable[Parameter]) -> tuple[str, ...]:
    """Return the parameters that differ between groups.

    Args:
        table: parameters of a model.

    Returns:
        Names of the estimated ones with a standard deviation between groups.
    """
    return tuple(row.name for row in table if row.estimated and row.between_groups_sd > 0.0)


def groups_of(runs: Sequence[CultureRun], groups: Mapping[str, str | int] | None) -> dict[str, str]:
    """Return the groups of some runs.

    Args:
        runs: of a fit.
        groups: group of each run by its name, and perhaps of other runs.

    Returns:
        Those of the runs that are in one, in their order.
    """
    given = [(run.name, (groups or {}).get(run.name)) for run in runs]
    return {name: str(group) for name, group in given if group not in (None, "")}


def require_groups(parameters: Sequence[str], runs: Sequence[str], groups: Mapping[str, str | int]) -> None:
    """Check that every run is in a group.

    Args:
        parameters: names of those that differ between groups.
        runs: names of the runs.
        groups: group of each run by its name.

    Raises:
        FitError: where a run is in none.
    """
    without = [run for run in runs if groups.get(run) in (None, "")]
    if without:
        named = ", ".join(f"'{run}'" for run in without[:_NAMED]) + (", ..." if len(without) > _NAMED else "")
        raise FitError(
            f"groups: found {len(without)} of {len(runs)} runs in none ({named}); {', '.join(parameters)} "
            f"{'differs' if len(parameters) == 1 else 'differ'} between groups, so every run needs one; name it in "
            "[groups] of a study, in the table of --groups, or in Problem(..., groups={'run': 'group'})."
        )


@dataclass(frozen=True)
class GroupEffects:
    """What a fit found of groups of runs.

    Attributes:
        of_run: group of each run of the fit, by its name.
        names: of the groups.
        parameters: names of those that differ between groups.
        sd: (per_group,) standard deviations between groups, on the parameters' own scales.
        deviation: (groups, per_group) from the shared values, on the parameters' own scales.
        values: (groups, per_group) in internal units.
        cross: (groups * per_group, shared) covariance of the deviations with the parameters and weights, in the order
            of `Fit.covariance`.
        within: (groups * per_group, groups * per_group) covariance of the deviations.
    """

    of_run: Mapping[str, str]
    names: tuple[str, ...]
    parameters: tuple[str, ...]
    sd: Float[np.ndarray, " per_group"]
    deviation: Float[np.ndarray, "groups per_group"]
    values: Float[np.ndarray, "groups per_group"]
    cross: Float[np.ndarray, "effects shared"]
    within: Float[np.ndarray, "effects effects"]

    def values_of(self, group: str | None) -> dict[str, float]:
        """Return the own values of a group.

        Args:
            group: its name; None for a run without one.

        Returns:
            Values [internal units] by parameter; none of a group that the fit did not see.
        """
        if group not in self.names:
            return {}
        return dict(zip(self.parameters, map(float, self.values[self.names.index(group)]), strict=True))

    def columns(self, group: str) -> np.ndarray:
        """Return where the deviations of a group are among those of all groups.

        Args:
            group: one of the fit.

        Returns:
            (per_group,) indices.
        """
        return self.names.index(group) * len(self.parameters) + np.arange(len(self.parameters))

    def with_groups(
        self, covariance: Float[np.ndarray, "shared shared"], told: Bool[np.ndarray, " shared"]
    ) -> Float[np.ndarray, "all all"]:
        """Return the covariance of the parameters, the weights, and the deviations of all groups.

        Args:
            covariance: of parameters and weights, finite.
            told: whether the data determine each of them; else it is drawn from its prior alone.

        Returns:
            The larger covariance.
        """
        cross = np.where(told[None, :], self.cross, 0.0)
        return np.block([[covariance, cross.T], [cross, self.within]])

    def errors(self, covariance: Float[np.ndarray, "shared shared"], places: Sequence[int]) -> np.ndarray:
        """Return the standard deviations of the own values.

        Args:
            covariance: of parameters and weights, see `Fit.covariance`.
            places: of the parameters that differ between groups among the estimates.

        Returns:
            (groups, per_group) on the parameters' own scales; NaN where the covariance could not be computed.
        """
        found = np.empty(self.deviation.shape)
        for k, place in enumerate(places):
            for j in range(len(self.names)):
                effect = j * len(places) + k
                variance = covariance[place, place] + 2.0 * self.cross[effect, place] + self.within[effect, effect]
                found[j, k] = np.sqrt(np.maximum(variance, 0.0))
        return found

    def unseen(self, run: str, group: str | None) -> str:
        """Return a warning for a run that is predicted without the estimates of its group.

        Args:
            run: its name.
            group: its group; None where it has none.

        Returns:
            The sentence; empty for a group of the fit.
        """
        if group in self.names:
            return ""
        seen = ", ".join(self.names[:_NAMED]) + (", ..." if len(self.names) > _NAMED else "")
        what = f"is of the group '{group}', which was never seen" if group else "is in no group"
        named = f"{', '.join(self.parameters)} {'is' if len(self.parameters) == 1 else 'are'}"
        return f"Run '{run}' {what} (seen: {seen}): {named} drawn with the standard deviation between groups."

    def plain(self) -> dict[str, Any]:
        """Return everything as plain data for JSON.

        Returns:
            What `from_plain` reads.
        """
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {"of_run": dict(self.of_run), "names": list(self.names), "parameters": list(self.parameters), **arrays}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "GroupEffects":
        """Return what `plain` wrote.

        Args:
            data: plain data.

        Returns:
            The effects.

        Raises:
            ValueError: where arrays do not fit each other, or a run is in a group that has no effects.
        """
        names, parameters = (tuple(map(str, data[name])) for name in ("names", "parameters"))
        of_run = {str(run): str(group) for run, group in data["of_run"].items()}
        if not set(of_run.values()) <= set(names):
            raise ValueError("a run is in a group without effects")
        each, count = (len(names), len(parameters)), len(names) * len(parameters)
        shapes = {"sd": (len(parameters),), "deviation": each, "values": each, "cross": (count, -1),
                  "within": (count, count)}  # fmt: skip
        arrays = {name: np.array(data[name], float).reshape(shape) for name, shape in shapes.items()}
        return cls(of_run, names, parameters, **arrays)


_ARRAYS = ("sd", "deviation", "values", "cross", "within")
