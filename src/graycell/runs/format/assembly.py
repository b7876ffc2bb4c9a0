"""Tables -> runs: which row belongs to which run, and what a row means.

Whatever cannot be used is left out and noted as a `Finding`, so that the rest can still be checked; a caller
that needs complete runs raises the findings.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from graycell.errors import Finding, nearest
from graycell.runs.format.events import check_events, events_of
from graycell.runs.format.kinds import KINDS
from graycell.runs.format.rows import rising_rows
from graycell.runs.format.tables import (
    ABSENT,
    IT_IS_REQUIRED,
    MixedTable,
    Typed,
    in_internal_unit,
    typed,
)
from graycell.runs.limits import LIMITS, MEASURED, NOT_SPECIES
from graycell.runs.records import (
    REDOX,
    VCD,
    AnyBolus,
    AnyFeed,
    CultureRun,
    End,
    Measurement,
    Outflow,
    Provenance,
    Sample,
    Signal,
)
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CELL_DENSITY, CONCENTRATION, MASS_CONCENTRATION, UnitError, convert, parse_heading

DEFAULT_RELATIVE_ERROR = 0.05
"""Assay error [1] of a quantity that the table assay_error does not list: common for cell counts and HPLC."""
DEFAULT_ABSOLUTE_ERROR = 0.02
"""Absolute assay error as a part [1] of the largest value of the series, so that a value of 0 is not exact."""
A_RUN_HAS_MEASUREMENTS = "a run has measurements"
NOMINAL_VOLUME = 1.0
"""[L] Initial volume of a run that gives none. It has no effect unless events have volumes."""
NOMINAL_TEMPERATURE = 37.0
"""[degC] Initial temperature of a run that gives none: that of nearly every culture of mammalian cells."""


def assemble(
    tables: Mapping[str, MixedTable], name: str, provenance: Provenance, unreadable: Collection[str] = ()
) -> tuple[list[CultureRun], list[Finding]]:
    """Return the runs that the tables hold, and every fault in them.

    Args:
        tables: by name, see `KINDS`.
        name: of the only run, if no column `run` gives names.
        provenance: of the files.
        unreadable: names of tables that are there but cannot be read, which has been reported.

    Returns:
        The runs, of which one with a fault is incomplete, and the findings.
    """
    findings: list[Finding] = []
    read = dict.fromkeys(KINDS, ABSENT)
    read |= {kind: typed(tables[kind], KINDS[kind], findings) for kind in KINDS if kind in tables}
    about = _about(read["about"], findings)
    name = about.get("name") or name
    provenance = replace(provenance, citation=about.get("citation", ""), notes=about.get("notes", ""))
    if "measurements" not in tables:
        if "measurements" not in unreadable:
            findings.append(
                Finding(
                    name,
                    "no table 'measurements'",
                    IT_IS_REQUIRED,
                    "add it; graycell import converts files of another layout",
                )
            )
        return [], findings
    measurements = read["measurements"]
    of_run = _rows_by_run(measurements, name, findings)
    media = _media(read["media"], findings)
    errors = _assay_errors(read["assay_error"], measurements, findings)
    units = _units(read, findings)
    check_events(read["events"], media, read["media"], findings)
    kinds = ("initial", "events", "signals", "standard_errors", "molar_masses")
    rows = {kind: _rows(read[kind], of_run, findings) for kind in kinds}
    runs = []
    for run, samples in of_run.items():
        first, planned, known, errors_of_run, masses = (rows[kind].get(run, []) for kind in rows)
        series, at_zero = _measurements(measurements, samples, run, errors, findings)
        _own_errors(series, read["standard_errors"], errors_of_run, findings)
        initial, temperature = _initial(read["initial"], first, at_zero, run, findings)
        events = events_of(read["events"], planned, media, read["media"])
        flowing = any(isinstance(event, AnyBolus | Sample | AnyFeed | Outflow) for event in events)
        volume, nominal = _volume(read["initial"], first, flowing, run, findings)
        if len(events) < len(planned):
            volume = math.inf  # an event that could not be read does not make a sample too large as well
        notes = f"{provenance.notes} No initial volume was given; {NOMINAL_VOLUME:g} L is nominal.".strip()
        ends = [event.time for event in events if isinstance(event, End)]
        last = ends or [float(measured.time[-1]) for measured in series.values()] + [event.time for event in events]
        runs.append(
            CultureRun(
                name=run,
                initial_volume=volume,
                initial=MappingProxyType(initial),
                measurements=MappingProxyType(series),
                events=events,
                media=media,
                signals=MappingProxyType(_signals(read["signals"], known, findings)),
                initial_temperature=temperature,
                end=max(last, default=0.0),
                provenance=replace(provenance, notes=notes) if nominal else provenance,
                units=MappingProxyType(
                    {
                        name: unit
                        for name, unit in units.items()
                        if name in initial or any(name in medium for medium in media.values())
                    }
                ),
                molar_masses=MappingProxyType(_molar_masses(read["molar_masses"], masses, measurements, findings)),
            )
        )
    # a fault of what several runs share is reported once
    return runs, list(dict.fromkeys(findings))


def _units(read: Mapping[str, Typed], findings: list[Finding]) -> dict[str, str]:
    """Return the units of initial values and media; a name has one in all tables."""
    found: dict[str, tuple[str, str]] = {}
    for kind in ("measurements", "standard_errors", "initial", "media"):
        for name, limit in read[kind].limits.items():
            unit = LIMITS[limit].unit or ""
            first, table = found.setdefault(name, (unit, kind))
            if first != unit and name not in ("time", "volume"):
                place = f"{read[kind].table.place}, row 1, column '{read[kind].headings[name]}'"
                needed = f"the table {table} has {name} in a unit of {first}"
                findings.append(Finding(place, f"a unit of {unit}", needed, "write both in units that convert"))
    kept = (MASS_CONCENTRATION, CELL_DENSITY, CONCENTRATION)
    return {name: unit for name, (unit, _) in found.items() if unit in kept}


def _molar_masses(table: Typed, rows: list[int], measurements: Typed, findings: list[Finding]) -> dict[str, float]:
    """Return the molar masses [g/mol] of what was measured as a mass: in g/L here, or by the table molar_masses."""
    found = {name: MOLAR_MASS[name] for name in measurements.limits if measurements.is_mass_of_solute(name)}
    listed: set[str] = set()
    for row in rows:
        name, mass = table.word(row, "quantity"), table.number(row, "molar mass")
        place = table.place(row, "quantity")
        is_known = name in measurements.limits and name != "time"
        unit = LIMITS[measurements.limits[name]].unit if is_known else None
        if is_known and unit not in (CONCENTRATION, MASS_CONCENTRATION):
            findings.append(Finding(place, f"'{name}'", f"it is in {unit}, and what is dissolved has a molar mass",
                                    "remove the row"))  # fmt: skip
        elif not is_known and name not in measurements.rejected:
            known = [column for column in measurements.limits if column != "time"]
            findings.append(Finding(place, f"'{name}'", "a molar mass is of a measured quantity", nearest(name, known)))
        elif name in listed:
            findings.append(Finding(place, f"a second '{name}'", "it has one molar mass", "remove one row"))
        elif mass is None and not table.is_faulty(row, "molar mass"):
            place = table.place(row, "molar mass")
            findings.append(Finding(place, "an empty cell", "a row gives a molar mass", "write it, or remove the row"))
        elif mass is not None and is_known:
            found[name] = mass
        listed.add(name)
    return found


def _about(table: Typed, findings: list[Finding]) -> dict[str, str]:
    about: dict[str, str] = {}
    known = ("name", "citation", "notes")
    for row in range(len(table)):
        key = table.word(row, "key")
        if table.is_blank(row) or "key" not in table.words:
            continue
        if key not in known or key in about:
            needed = "only known keys are read" if key not in known else "a key has one row"
            hint = nearest(key, known) if key not in known else "remove one"
            findings.append(Finding(table.place(row, "key"), f"'{key}'", needed, hint))
            continue
        about[key] = table.word(row, "value")
    return about


def _rows_by_run(measurements: Typed, default: str, findings: list[Finding]) -> dict[str, list[int]]:
    """Return the rows of each run in the order of the table; all belong to `default` if no column names runs."""
    if "run" not in measurements.words:
        return {default: list(range(len(measurements)))}
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(measurements.words["run"]):
        if name:
            rows[name].append(row)
        elif not measurements.is_blank(row):
            place = measurements.place(row, "run")
            findings.append(Finding(place, "an empty cell", "every sample belongs to a run", "name the run"))
    return dict(rows)


def _rows(table: Typed, names: Collection[str], findings: list[Finding]) -> dict[str, list[int]]:
    """Return the rows of each run; a row without a run belongs to all."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row in range(len(table)):
        run = table.word(row, "run")
        if run and run not in names:
            place = table.place(row, "run")
            findings.append(Finding(place, f"'{run}'", A_RUN_HAS_MEASUREMENTS, nearest(run, names)))
        elif not table.is_blank(row):
            for name in [run] if run else names:
                rows[name].append(row)
    return rows


def _media(table: Typed, findings: list[Finding]) -> Mapping[str, Mapping[str, float]]:
    media: dict[str, Mapping[str, float]] = {}
    for row in range(len(table)):
        name = table.word(row, "medium")
        if table.is_blank(row) or "medium" not in table.words:
            continue
        if not name or name in media:
            found = f"a second '{name}'" if name else "an empty cell"
            place = table.place(row, "medium")
            findings.append(Finding(place, found, "each medium has one name", "correct the name"))
            continue
        values = {column: table.number(row, column) for column in table.numbers}
        media[name] = MappingProxyType({column: value for column, value in values.items() if value is not None})
    return MappingProxyType(media)


def _assay_errors(table: Typed, measurements: Typed, findings: list[Finding]) -> dict[str, tuple[float, float]]:
    """Return (relative [1], absolute [internal unit]) of each quantity that is listed."""
    errors: dict[str, tuple[float, float]] = {}
    for row in range(len(table)):
        if table.is_blank(row) or "quantity" not in table.words:
            continue
        quantity = table.word(row, "quantity")
        place = table.place(row, "quantity")
        if quantity in measurements.rejected:
            continue
        if quantity not in measurements.limits or quantity == "time":
            known = [column for column in measurements.limits if column != "time"]
            needed = "an error belongs to a measured quantity"
            findings.append(Finding(place, f"'{quantity}'", needed, nearest(quantity, known)))
            continue
        if quantity in errors:
            found = f"a second '{quantity}'"
            findings.append(Finding(place, found, "it has one row", "remove one row"))
            continue
        relative, absolute = table.number(row, "relative") or 0.0, table.number(row, "absolute") or 0.0
        internal_unit = _unit_of(measurements, quantity)
        unit = table.word(row, "unit")
        if absolute and not unit:
            place, needed = table.place(row, "unit"), "an absolute error needs its unit"
            findings.append(Finding(place, "an empty cell", needed, f"write one such as {internal_unit}"))
        elif absolute:
            try:
                limit = measurements.limits[quantity]
                absolute = in_internal_unit(absolute, quantity, unit, limit) if LIMITS[limit].unit else float(
                    convert(absolute, unit, internal_unit))  # fmt: skip
            except UnitError:
                place = table.place(row, "unit")
                needed = f"a unit of {internal_unit} is needed"
                remedy = "write a unit that converts to it"
                findings.append(Finding(place, f"the unit '{unit}'", needed, remedy))
        known_fault = any(table.is_faulty(row, column) for column in ("relative", "absolute"))
        if not relative and not absolute and not known_fault:
            remedy = "give a relative or an absolute error"
            findings.append(Finding(table.place(row), "no error", "an assay error is > 0", remedy))
        # a row with a fault is the row of its quantity all the same; its error is never used
        errors[quantity] = (relative, absolute) if relative or absolute else (DEFAULT_RELATIVE_ERROR, 0.0)
    return errors


def _points(table: Typed, rows: list[int], quantity: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the times [d] and values of a column where its cells are filled, and which are detection limits."""
    filled = [row for row in rows if table.number(row, quantity) is not None]
    time, value = (np.array([table.number(row, name) for row in filled], dtype=float) for name in ("time", quantity))
    below = np.array([(row, quantity) in table.below for row in filled], dtype=bool)
    for array in (time, value, below):
        array.setflags(write=False)
    return time, value, below


def _measurements(
    table: Typed,
    rows: list[int],
    run: str,
    errors: Mapping[str, tuple[float, float]],
    findings: list[Finding],
) -> tuple[dict[str, Measurement], dict[str, float] | None]:
    """Return the series of a run, and what its row at time 0 holds (None if there is no such row)."""
    rows = rising_rows(table, rows, findings)
    at_zero: dict[str, float] | None = {} if any(table.number(row, "time") == 0.0 for row in rows) else None
    series: dict[str, Measurement] = {}
    for quantity, limit in table.limits.items():
        time, value, below = _points(table, rows, quantity)
        if quantity == "time" or not len(time):
            continue
        if at_zero is not None and time[0] == 0.0 and limit in (*MEASURED, *NOT_SPECIES.values()):
            at_zero[quantity] = float(value[0])
        largest = float(np.max(np.abs(value)))
        # a series of zeros has no scale of its own; its internal unit is then the scale
        default = (DEFAULT_RELATIVE_ERROR, DEFAULT_ABSOLUTE_ERROR * (largest or 1.0))
        relative, absolute = errors.get(quantity, default)
        error = np.hypot(relative * value, absolute)
        if not np.all(error > 0.0):
            place = f"{table.table.place}, column '{table.headings[quantity]}'"
            needed = "its assay error is relative alone, and a value of 0 would be exact"
            remedy = "give an absolute error as well"
            findings.append(Finding(place, f"a value of 0 in run '{run}'", needed, remedy))
        error.setflags(write=False)
        series[quantity] = Measurement(quantity, _unit_of(table, quantity), time, value, error,
                                       below if np.any(below) else None)  # fmt: skip
    return series, at_zero


def _own_errors(series: dict[str, Measurement], table: Typed, rows: list[int], findings: list[Finding]) -> None:
    """Replace the standard error of each value that the table standard_errors has one for."""
    rows = rising_rows(table, rows, findings)
    for quantity in table.limits:
        time, value, _ = _points(table, rows, quantity)
        if quantity == "time" or not len(time):
            continue
        place = f"{table.table.place}, column '{table.headings[quantity]}'"
        of = series.get(quantity)
        missing = time if of is None else time[~np.isin(time, of.time)]
        if of is None or len(missing):
            needed = "an error belongs to a measured value"
            findings.append(Finding(place, f"an error at {missing[0]:.6g} d", needed, "remove it, or add the value"))
            continue
        if not np.all(value > 0.0):
            findings.append(Finding(place, "an error of 0", "a standard error is > 0", "write it, or leave it empty"))
            continue
        error = of.standard_error.copy()
        error[np.searchsorted(of.time, time)] = value
        error.setflags(write=False)
        series[quantity] = replace(of, standard_error=error)


def _initial(
    table: Typed, rows: list[int], at_zero: dict[str, float] | None, run: str, findings: list[Finding]
) -> tuple[dict[str, float], float]:
    """Return the initial values and temperature [degC] of a run.

    What the table does not give is taken from the samples at time 0.
    """
    sampled = (at_zero or {}).items()
    initial = {name: value for name, value in sampled if name in (VCD, REDOX) or name not in NOT_SPECIES}
    temperature = None
    if not rows and at_zero is None:
        place = f"run '{run}', initial"
        remedy = "add a row to the table initial, or a row of measurements at time 0"
        findings.append(Finding(place, "no initial values", "a run needs its state at time 0", remedy))
    if rows:
        for row in rows[1:]:
            found = f"a second row for run '{run}'"
            findings.append(Finding(table.place(row), found, "a run begins once", "remove one of the rows"))
        temperature = table.number(rows[0], "temperature")
        for name in {**table.numbers, **dict.fromkeys(table.rejected)}:
            # a faulty cell was reported; without a number here it would be reported again as missing
            value = 0.0 if table.is_faulty(rows[0], name) else table.number(rows[0], name)
            if value is not None and name not in ("volume", "temperature"):
                initial[name] = value
    return initial, NOMINAL_TEMPERATURE if temperature is None else temperature


def _volume(table: Typed, rows: list[int], flowing: bool, run: str, findings: list[Finding]) -> tuple[float, bool]:
    """Return the initial volume [L] and whether it is nominal; infinite where a fault hides it."""
    if rows:
        if table.is_faulty(rows[0], "volume"):
            return math.inf, False
        volume = table.number(rows[0], "volume")
        if volume is not None:
            return volume, False
    if not flowing:
        return NOMINAL_VOLUME, True
    place = f"run '{run}', initial" if not rows else table.place(rows[0])
    remedy = "give it in a column 'volume [L]' of the table initial"
    findings.append(Finding(place, "no initial volume", "the events of the run add or take volumes", remedy))
    return math.inf, False


def _signals(table: Typed, rows: list[int], findings: list[Finding]) -> dict[str, Signal]:
    rows = rising_rows(table, rows, findings)
    signals = {}
    for quantity in table.limits:
        time, value, _ = _points(table, rows, quantity)
        if quantity != "time" and len(time):
            signals[quantity] = Signal(quantity, _unit_of(table, quantity), time, value)
    return signals


def _unit_of(table: Typed, quantity: str) -> str:
    """Return the unit of a column: the internal one, or that of its heading where any is kept as it is."""
    return LIMITS[table.limits[quantity]].unit or parse_heading(table.headings[quantity])[1] or ""
