"""The parameter table: value, unit, bounds, prior, whether it is estimated, and where it comes from."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graycell.errors import ModelError, nearest

_ROOM = 20.0
"""Factor [1] between a positive value and its default bounds: enzyme parameters of one cell line vary by less."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Nothing is checked until the parameter is estimated, so a model may be simulated at any value; see `faults`.

    Attributes:
        value: in `unit`, a coherent unit of day, litre, mmol and 10^9 cells.
        unit: such as ``mmol/L``.
        lower, upper: bounds of a fit, in the same unit; from a twentieth to twenty times a positive value if left out.
        log_scale: fit the logarithm of the value; by default where the value and the bounds are positive.
        prior_sd: standard deviation of the prior around `value`, in the natural logarithm of the value on a log scale,
            else in `unit`; infinite for no prior.
        estimated: whether a fit may change it.
        between_runs_sd: standard deviation of the parameter between runs, on the same scale as `prior_sd`. Above 0
            every run of a fit has its own value, a random effect around the shared one; 0 for one value of all runs.
        between_groups_sd: the same between groups of runs, such as clones: every group has its own value.
        between_runs_estimated, between_groups_estimated: whether a fit estimates these standard deviations too; it
            begins at the given ones.
        meaning, source: words for the report, and who to cite.
        name: of the field, such as ``Km1``; a table gives it.

    >>> Parameter(2.0, "mmol/(1e9 cells)/d").upper
    40.0
    """

    value: float
    unit: str = "1"
    lower: float | None = None
    upper: float | None = None
    log_scale: bool | None = None
    prior_sd: float = math.inf
    estimated: bool = True
    between_runs_sd: float = 0.0
    meaning: str = ""
    source: str = ""
    name: str = ""
    between_groups_sd: float = 0.0
    between_runs_estimated: bool = False
    between_groups_estimated: bool = False

    def __post_init__(self) -> None:
        positive = self.value > 0.0
        if self.lower is None:
            object.__setattr__(self, "lower", self.value / _ROOM if positive else -math.inf)
        if self.upper is None:
            object.__setattr__(self, "upper", self.value * _ROOM if positive else math.inf)
        if self.log_scale is None:
            object.__setattr__(self, "log_scale", bool(positive and self.lower > 0.0))  # type: ignore[operator]

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of a fit, in `unit`."""
        return float(self.lower), float(self.upper)  # type: ignore[arg-type]

    def faults(self) -> list[str]:
        """Return what keeps a fit from estimating the parameter, as sentences.

        Returns:
            One sentence a fault; an empty list where the parameter can be estimated or need not be.
        """
        if not self.estimated:
            return []
        low, high = self.bounds
        place, found = f"parameter {self.name}: ", []
        if not low <= self.value <= high:
            found.append(
                f"found {self.value:g} with bounds {low:g} to {high:g}; the bounds must enclose the value; change one "
                "of them"
            )
        if not (math.isfinite(high - low) and low < high):
            found.append(
                f"found the bounds {low:g} to {high:g}; an estimated parameter needs finite bounds with room between; "
                "set them, or set estimated=False"
            )
        if not self.prior_sd > 0.0:
            found.append(
                f"found a prior of standard deviation {self.prior_sd:g}; it must be > 0; use math.inf for no prior, or "
                "estimated=False"
            )
        for of, sd, learned in (("runs", self.between_runs_sd, self.between_runs_estimated),
                                ("groups", self.between_groups_sd, self.between_groups_estimated)):  # fmt: skip
            if not 0.0 <= sd < math.inf:
                found.append(
                    f"found a standard deviation between {of} of {sd:g}; it must be finite and >= 0; use 0 for one "
                    f"value of all {of}"
                )
            elif learned and not sd:
                found.append(
                    f"found a standard deviation between {of} that is estimated from 0 on; it must be > 0; write "
                    f"between_{of}_sd=0.2, or between_{of}_estimated=False"
                )
        if self.log_scale and low <= 0.0:
            found.append(
                f"found the lower bound {low:g} on a log scale; it must be > 0; raise it or set log_scale=False"
            )
        return [f"{place}{sentence}." for sentence in found]


@dataclass(frozen=True)
class ParameterTable:
    """The parameters of a model, in order. Immutable: `with_values` and `with_changes` return a new table.

    Attributes:
        rows: the parameters, each with its name.

    >>> table = ParameterTable.of({"Km1": Parameter(10.0, "mmol/L", 1.0, 100.0)})
    >>> table.with_values({"Km1": 12.0})["Km1"].value
    12.0
    """

    rows: tuple[Parameter, ...]

    @classmethod
    def of(cls, parameters: "Mapping[str, Parameter | float] | ParameterTable") -> "ParameterTable":
        """Return a table from parameters by name; a plain number is a dimensionless one that is not estimated.

        Args:
            parameters: by name, or a table, which is returned as it is.

        Returns:
            The table, in the order of the mapping.
        """
        if isinstance(parameters, ParameterTable):
            return parameters
        return cls(
            tuple(
                replace(row, name=name) if isinstance(row, Parameter) else Parameter(row, estimated=False, name=name)
                for name, row in parameters.items()
            )
        )

    def __repr__(self) -> str:
        return f"ParameterTable({len(self.rows)} parameters, {len(self.estimated)} estimated)"

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Parameter:
        for row in self.rows:
            if row.name == name:
                return row
        raise ModelError(f"parameter '{name}' is not in the model; {nearest(name, self.names)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, in order."""
        return tuple(row.name for row in self.rows)

    @property
    def estimated(self) -> tuple[Parameter, ...]:
        """The rows that a fit may change."""
        return tuple(row for row in self.rows if row.estimated)

    def values(self) -> dict[str, float]:
        """Return the value of every parameter by name, each in its internal unit.

        Returns:
            Values by name.
        """
        return {row.name: row.value for row in self.rows}

    def with_values(self, values: Mapping[str, float]) -> "ParameterTable":
        """Return the table with other values.

        Args:
            values: by name, in internal units.

        Returns:
            The changed table.

        Raises:
            ModelError: for an unknown name.
        """
        for name in values:
            self[name]
        return ParameterTable(tuple(replace(row, value=float(values.get(row.name, row.value))) for row in self.rows))

    def with_changes(self, name: str, **changes: Any) -> "ParameterTable":
        """Return the table with other fields of one parameter, such as ``lower=1.0, estimated=False``.

        Args:
            name: of the parameter.
            **changes: fields of `Parameter`.

        Returns:
            The changed table.

        Raises:
            ModelError: for an unknown name.
        """
        changed = replace(self[name], **changes)
        return ParameterTable(tuple(changed if row.name == name else row for row in self.rows))

    def with_fixed(self, names: Iterable[str]) -> "ParameterTable":
        """Return the table in which a fit may not change the parameters of these names.

        Args:
            names: of parameters.

        Returns:
            The changed table.

        Raises:
            ModelError: for an unknown name.
        """
        fixed = {self[name].name for name in names}
        return ParameterTable(tuple(replace(row, estimated=False) if row.name in fixed else row for row in self.rows))

    def require_estimable(self) -> "ParameterTable":
        """Return the table if a fit can estimate what is to be estimated.

        Returns:
            The table itself.

        Raises:
            ModelError: with every fault of every parameter.
        """
        faults = [fault for row in self.rows for fault in row.faults()]
        if faults:
            raise ModelError("\n".join(faults))
        return self
