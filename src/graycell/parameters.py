"""The parameter table: value, unit, bounds, prior, whether it is estimated, and where it comes from."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from graycell.errors import ModelError, nearest


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Fields:
        name: the field's name, such as ``Km1``.
        value: in `unit`, a coherent unit of day, litre, mmol and 10^9 cells.
        lower, upper: bounds in the same unit; on a log scale both are > 0.
        log_scale: fit the logarithm of the value.
        prior_sd: standard deviation of the prior around `value`, in the natural logarithm of the value on a
            log scale, else in `unit`; infinite for no prior.
        estimated: whether `fit` may change it.
        between_runs_sd: standard deviation of the parameter between runs, on the same scale as `prior_sd`. Above 0
            every run of a fit has its own value, drawn to the shared one by that much; 0 for one value of all runs.
        meaning, source: words for the report, and who to cite.

    Raises `ModelError` where the bounds do not enclose the value, or cannot be fitted between.
    """

    name: str
    value: float
    unit: str
    lower: float
    upper: float
    log_scale: bool = True
    prior_sd: float = math.inf
    estimated: bool = True
    between_runs_sd: float = 0.0
    meaning: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.lower <= self.value <= self.upper:
            raise ModelError(
                f"parameter {self.name}: found {self.value:g} with bounds {self.lower:g} to {self.upper:g}; "
                "the bounds must enclose the value; change one of them."
            )
        if self.estimated and not (math.isfinite(self.upper - self.lower) and self.lower < self.upper):
            raise ModelError(
                f"parameter {self.name}: found the bounds {self.lower:g} to {self.upper:g}; an estimated parameter "
                "needs finite bounds with room between; set them, or set estimated=False."
            )
        if not self.prior_sd > 0.0:
            raise ModelError(
                f"parameter {self.name}: found a prior of standard deviation {self.prior_sd:g}; it must be > 0; "
                "use math.inf for no prior, or estimated=False."
            )
        if not 0.0 <= self.between_runs_sd < math.inf:
            raise ModelError(
                f"parameter {self.name}: found a standard deviation between runs of {self.between_runs_sd:g}; it must "
                "be finite and >= 0; use 0 for one value of all runs."
            )
        if self.log_scale and self.lower <= 0.0:
            raise ModelError(
                f"parameter {self.name}: found the lower bound {self.lower:g} on a log scale; it must be > 0; "
                "raise it or set log_scale=False."
            )


@dataclass(frozen=True)
class ParameterTable:
    """The parameters of a model, in order. Immutable: `with_values` and `with_changes` return a new table.

    >>> table = ParameterTable((Parameter("Km1", 10.0, "mmol/L", 1.0, 100.0),))
    >>> table.with_values({"Km1": 12.0})["Km1"].value
    12.0
    """

    rows: tuple[Parameter, ...]

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
        return tuple(row.name for row in self.rows)

    @property
    def estimated(self) -> tuple[Parameter, ...]:
        """The rows that `fit` may change."""
        return tuple(row for row in self.rows if row.estimated)

    def values(self) -> dict[str, float]:
        """Return the value of every parameter by name, each in its internal unit."""
        return {row.name: row.value for row in self.rows}

    def with_values(self, values: Mapping[str, float]) -> "ParameterTable":
        """Return the table with other values; an unknown name raises `ModelError`."""
        for name in values:
            self[name]
        return ParameterTable(tuple(replace(row, value=float(values.get(row.name, row.value))) for row in self.rows))

    def with_changes(self, name: str, **changes) -> "ParameterTable":
        """Return the table with other fields of one parameter, such as ``lower=1.0, estimated=False``."""
        changed = replace(self[name], **changes)
        return ParameterTable(tuple(changed if row.name == name else row for row in self.rows))

    def with_fixed(self, names: Iterable[str]) -> "ParameterTable":
        """Return the table in which `fit` may not change the parameters of these names."""
        fixed = {self[name].name for name in names}
        return ParameterTable(tuple(replace(row, estimated=False) if row.name in fixed else row for row in self.rows))
