"""DisplayUnits: the units of all tables and figures; Shown: these units for some runs and models, and all conversions.

Everything is computed and saved in internal units. What a person reads is in those of a laboratory, unless another unit
is chosen: one setting, which every table, every figure and every command takes.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from graycell.errors import Finding, InputError, nearest, shown
from graycell.runs.records import CultureRun
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    DIMENSIONLESS,
    MASS_CONCENTRATION,
    MASS_RATE,
    SPECIFIC_RATE,
    TIME,
    VOLUME,
    UnitError,
    convert_amount,
    converts,
    is_readable,
    pretty_unit,
)

if TYPE_CHECKING:  # tables of runs need no JAX
    from graycell.model import CultureModel

INTERNAL, LABORATORY = "internal", "laboratory"
"""Words for the two sets of units."""
_INTERNAL_UNITS = {
    "time": TIME, "volume": VOLUME, "cells": CELL_DENSITY, "count": "1e9 cells", "concentration": CONCENTRATION,
    "mass_concentration": MASS_CONCENTRATION, "amount": "mmol", "mass": "g", "rate": SPECIFIC_RATE,
    "mass_rate": MASS_RATE, "production": "mmol/L/d", "mass_production": "g/L/d", "growth": "1/d",
}  # fmt: skip
"""An internal unit of each kind of number."""
KINDS = tuple(kind.replace("_", "-") for kind in _INTERNAL_UNITS)
"""Kinds of numbers that have a unit in `DisplayUnits`."""
_AS_MASS = {"concentration": "mass_concentration", "amount": "mass", "rate": "mass_rate",
            "production": "mass_production"}  # fmt: skip
_AS_AMOUNT = {mass: amount for amount, mass in _AS_MASS.items()}
_OF_SOLUTES = {*_AS_MASS, *_AS_AMOUNT} - {"concentration", "mass_concentration"}
"""Kinds of what is computed of a concentration; a unit of a quantity is that of its concentration."""
_LONGEST = 2000
"""Characters of a setting."""


@dataclass(frozen=True)
class DisplayUnits:
    """The units of tables and figures, by default those of a laboratory.

    What was measured as a mass (a titer in mg/L), and the product of a model, is shown as a mass where its molar mass
    is known, with its rates and amounts. A unit that is None stays what it is: an internal one, or that of a model.
    Parameters keep their own units.

    Attributes:
        time: of times and durations.
        volume: of the vessel.
        cells: of cell densities.
        count: of cells in a vessel.
        concentration: of what is shown as an amount.
        mass_concentration: of what is shown as a mass, such as a titer.
        amount: of balances.
        mass: of balances of what is shown as a mass.
        rate: specific rates, and fluxes.
        mass_rate: specific rates of what is shown as a mass.
        production: rates per volume.
        mass_production: rates per volume of what is shown as a mass.
        growth: of growth and death.
        own: units of single quantities by name, such as {"ANTI": "mg/L", "GLC": "g/L"}; one that is given as a mass has
            its rates and amounts as masses too.

    Raises:
        InputError: for all units that cannot be read or do not measure what they are for.

    >>> DisplayUnits(time="h").time, DisplayUnits.of("ANTI=mg/L, time=h").own["ANTI"]
    ('h', 'mg/L')
    """

    time: str | None = TIME
    volume: str | None = VOLUME
    cells: str | None = "1e6 cells/mL"
    count: str | None = "1e9 cells"
    concentration: str | None = CONCENTRATION
    mass_concentration: str | None = MASS_CONCENTRATION
    amount: str | None = "mmol"
    mass: str | None = "g"
    rate: str | None = "pmol/cell/d"
    mass_rate: str | None = "pg/cell/d"
    production: str | None = "mmol/L/d"
    mass_production: str | None = "g/L/d"
    growth: str | None = "1/d"
    own: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        object.__setattr__(self, "own", MappingProxyType(dict(self.own)))
        findings = [
            _unit_fault(kind, unit, internal)
            for kind, internal in _INTERNAL_UNITS.items()
            if (unit := getattr(self, kind)) is not None and not converts(internal, unit)
        ]
        findings += [_unit_fault(name, unit, "") for name, unit in self.own.items() if not is_readable(unit)]
        if findings:
            raise InputError(findings)

    @classmethod
    def internal(cls) -> "DisplayUnits":
        """Return internal units: tables and figures show the numbers as they are computed and saved.

        Returns:
            The units.

        >>> DisplayUnits.internal() == DisplayUnits.of("internal")
        True
        """
        return replace(cls(), **dict.fromkeys(_INTERNAL_UNITS))

    @classmethod
    def of(cls, setting: "DisplayUnits | str") -> "DisplayUnits":
        """Return the units that a setting names.

        Args:
            setting: ``laboratory`` or ``internal``, or such a word and single units, or single units, with commas
                between them: ``ANTI=mg/L, time=h``. Names are those of the attributes or of quantities.

        Returns:
            The units; what is given as units already, as it is.

        Raises:
            InputError: with all faults of the setting.

        >>> DisplayUnits.of("internal, cells=1e5 cells/mL").cells
        '1e5 cells/mL'
        """
        if isinstance(setting, DisplayUnits):
            return setting
        findings: list[Finding] = []
        units, kinds, own = cls(), dict[str, str](), dict[str, str]()
        if len(setting) > _LONGEST:
            raise InputError([Finding("units", f"{len(setting)} characters", f"at most {_LONGEST} are read",
                                      "give fewer units")])  # fmt: skip
        for position, entry in enumerate(part.strip() for part in setting.split(",")):
            name, sign, unit = (part.strip() for part in entry.partition("="))
            if not sign and position == 0 and name in ("", INTERNAL, LABORATORY):
                units = cls.internal() if name == INTERNAL else units
                continue
            kind = name.lower().replace("-", "_").replace(" ", "_")
            if not sign or not name or not unit:
                hint = nearest(name, (LABORATORY, INTERNAL)) if name else "leave it out"
                example = f"{INTERNAL}, {LABORATORY} or NAME=UNIT is needed, such as ANTI=mg/L"
                findings.append(Finding("units", f"'{shown(entry)}'", example, hint))
            elif name in own or kind in kinds:
                findings.append(Finding(f"units, {name}", "a second unit", "each has one", "remove one"))
            elif kind in _INTERNAL_UNITS:
                kinds[kind] = unit
                if not converts(_INTERNAL_UNITS[kind], unit):
                    findings.append(_unit_fault(name, unit, _INTERNAL_UNITS[kind]))
            else:
                own[name] = unit
                if not is_readable(unit):
                    findings.append(_unit_fault(name, unit, ""))
        if findings:
            raise InputError(findings)
        return replace(units, **kinds, own=own)


def _unit_fault(name: str, unit: str, internal: str) -> Finding:
    """Return the finding of a unit that cannot be read, or does not fit its kind of number."""
    if not is_readable(unit):
        return Finding(f"units, {name}", f"the unit '{unit:.40}'", "it cannot be read",
                       f"write it like {internal or 'mmol/L or 1e6 cells/mL'}")  # fmt: skip
    return Finding(f"units, {name}", f"the unit '{unit}'", f"a unit of {internal} is needed",
                   "write one that converts to it")  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """Units of tables and figures of some runs and models; no other part of graycell converts what it shows.

    Attributes:
        units: that were chosen.
        molar_masses: [g/mol] by quantity, where they are known.
        as_mass: quantities that are shown as masses.
    """

    units: DisplayUnits
    molar_masses: Mapping[str, float] = field(default_factory=dict)
    as_mass: frozenset[str] = frozenset()

    def unit(self, unit: str, quantity: str = "") -> str:
        """Return the unit in which numbers are shown.

        Args:
            unit: of the numbers.
            quantity: that they are of, such as ANTI, also for its rate or its amount; "" for none.

        Returns:
            The unit.

        >>> Shown(DisplayUnits()).unit("1e9 cells/L"), Shown(DisplayUnits()).unit("degC")
        ('1e6 cells/mL', 'degC')
        >>> Shown(DisplayUnits(), {"ANTI": 150e3}, frozenset({"ANTI"})).unit("mmol/(1e9 cells)/d", "ANTI")
        'pg/cell/d'
        """
        own, mass = self.units.own.get(quantity), self.molar_masses.get(quantity)
        if own is not None and _fits(unit, own, mass):
            return own
        kind = _kind_of(unit)
        if kind is None:
            return unit
        is_mass = quantity in self.as_mass if own is None else converts(own, MASS_CONCENTRATION)
        if mass and is_mass:
            mass_kind = _AS_MASS.get(kind, kind)
            kind = mass_kind if getattr(self.units, mass_kind) else kind
        elif mass and own is not None and converts(own, CONCENTRATION) and kind in _AS_AMOUNT:
            kind = _AS_AMOUNT[kind]
        return getattr(self.units, kind) or unit

    def values(self, values: Any, unit: str, quantity: str = "") -> Any:
        """Return numbers in the unit in which they are shown.

        Args:
            values: a number or an array.
            unit: of the values.
            quantity: see `unit`.

        Returns:
            The values.

        >>> Shown(DisplayUnits(), {"ANTI": 150e3}, frozenset({"ANTI"})).values(0.01, "mmol/L", "ANTI")  # g/L
        1.5
        """
        wanted = self.unit(unit, quantity)
        return values if wanted == unit else convert_amount(values, unit, wanted, self.molar_masses.get(quantity))

    def differences(self, values: Any, unit: str, quantity: str = "") -> Any:
        """Return differences, such as standard errors, in the unit in which numbers are shown.

        Args:
            values: a number or an array.
            unit: of the values; an offset such as that of degC does not apply.
            quantity: see `unit`.

        Returns:
            The differences.
        """
        zero = self.values(0.0, unit, quantity)
        return self.values(values, unit, quantity) - zero if zero else self.values(values, unit, quantity)

    def text(self, unit: str, quantity: str = "") -> str:
        """Return a unit as figures and pages show it.

        Args:
            unit: of the numbers.
            quantity: see `unit`.

        Returns:
            The unit with superscripts.
        """
        return pretty_unit(self.unit(unit, quantity))

    def column(self, name: str, unit: str, values: Any, quantity: str | None = None) -> dict[str, Any]:
        """Return a column of a table.

        Args:
            name: of the column.
            unit: of the values.
            values: of the column.
            quantity: see `unit`; None for that of the name.

        Returns:
            The values by the head, such as ``GLC [mmol/L]``.

        >>> Shown(DisplayUnits(time="h")).column("from", "d", 2.0)
        {'from [h]': 48.0}
        """
        quantity = name if quantity is None else quantity
        return {f"{name} [{self.unit(unit, quantity)}]": self.values(values, unit, quantity)}

    def times(self, values: Any, name: str = "time") -> dict[str, Any]:
        """Return a column of times.

        Args:
            values: [d].
            name: of the column.

        Returns:
            The values by the head, such as ``time [d]``.
        """
        return self.column(name, TIME, values, "")


Units = DisplayUnits | Shown | str
"""What tables and figures take: units, a setting as `DisplayUnits.of` reads it, or what `shown_in` returned."""


def shown_in(units: Units, runs: Iterable[CultureRun] = (), models: Iterable["CultureModel"] = ()) -> Shown:
    """Return units of tables and figures for some runs and models, which know molar masses.

    Args:
        units: that were chosen; what is returned by this function, as it is.
        runs: that are shown.
        models: that are shown.

    Returns:
        The units with what is known of the quantities.

    Raises:
        InputError: for every unit of a single quantity that does not fit it, and for the faults of a setting.
    """
    if isinstance(units, Shown):
        return units
    units, runs, models = DisplayUnits.of(units), list(runs), list(models)
    masses, as_mass, otherwise = dict(MOLAR_MASS), set[str](), set[str]()
    for model in models:
        from graycell.packing import counts_otherwise, molar_mass_of  # with JAX, which a run does not need

        # what is shown with a model is in what it counts, such as residues of an antibody
        otherwise |= {name for name in model.species for run in runs if counts_otherwise(model, name, run)}
        for name, species in zip(model.species, model.species_specs, strict=True):
            mass = molar_mass_of(model, name)
            masses |= {name: mass} if mass else {}
            as_mass |= {name} if mass and species.product else set()
    measured: dict[str, set[float]] = {}
    for run in runs:
        for name, mass in run.molar_masses.items():
            measured.setdefault(name, set()).add(masses[name] if name in otherwise else mass)
    for name, found in measured.items():
        if len(found) == 1:
            masses[name] = next(iter(found))
            as_mass.add(name)
        else:  # one number cannot be in grams of two molar masses
            masses.pop(name, None)
            as_mass.discard(name)
    _require_fitting(units, units_of(runs, models), masses)
    return Shown(units, masses, frozenset(as_mass))


def units_of(runs: Iterable[CultureRun], models: Iterable["CultureModel"] = ()) -> dict[str, str]:
    """Return the unit of every quantity that tables and figures of runs and models may show.

    Args:
        runs: that are shown.
        models: that are shown.

    Returns:
        Units by the name of the quantity.
    """
    found: dict[str, str] = {}
    for model in models:
        found |= {name: model.unit(name) for name in (*model.quantities, *model.input_names)}
    for run in runs:
        for name, series in (*run.measurements.items(), *run.signals.items()):
            found.setdefault(name, series.unit or CONCENTRATION)
    return found


def _require_fitting(units: DisplayUnits, known: Mapping[str, str], masses: Mapping[str, float]) -> None:
    """Raise `InputError` for every own unit that does not fit its quantity."""
    findings = []
    for name, unit in units.own.items():
        if name not in known or _fits(known[name], unit, masses.get(name)):
            continue
        of_both = {CONCENTRATION, MASS_CONCENTRATION}
        lacks = all(any(converts(one, of) for of in of_both) for one in (unit, known[name]))
        is_both = name in masses and any(converts(known[name], of) for of in of_both)
        needed = f"{name} is in {f'{CONCENTRATION} or {MASS_CONCENTRATION}' if is_both else known[name]}"
        needed += ", and its molar mass is not known" if lacks else ""
        kind = _kind_of(unit)
        if lacks:
            remedy = "give its molar mass: in the mapping of the import, or in the table molar_masses of the run"
        elif kind in _OF_SOLUTES and any(converts(known[name], of) for of in of_both):
            setting = f"{kind.replace('_', '-')}={unit}"
            remedy = f"write a unit of its concentration; rates and amounts have theirs: {setting}"
        else:
            remedy = "write a unit that converts to it"
        findings.append(Finding(f"units, {name}", f"the unit '{unit}'", needed, remedy))
    if findings:
        raise InputError(findings)


@functools.lru_cache(maxsize=4096)
def _kind_of(unit: str) -> str | None:
    """Return which kind of number a unit measures; None for one that is shown as it is."""
    if unit == DIMENSIONLESS:
        return None
    return next((kind for kind, internal in _INTERNAL_UNITS.items() if converts(unit, internal)), None)


@functools.lru_cache(maxsize=4096)
def _fits(unit: str, other: str, molar_mass: float | None) -> bool:
    """Return whether one unit converts to another, with a molar mass where it is known."""
    if converts(unit, other):
        return True
    try:
        convert_amount(1.0, unit, other, molar_mass)
    except UnitError:
        return False
    return True
