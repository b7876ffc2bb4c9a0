"""What cells ate against what they made, where a wrong unit of a whole column shows in every run.

A unit that is wrong in all runs leaves all runs alike. But no culture makes a tenth of the usual lactate of its glucose
and would make the usual one in another unit; nor do cells grow from nearly nothing. A check asks for both: the amount
is implausible as it is, and ordinary once the unit is changed. The ranges are wide limits of this project for animal
cells. Outliers are reported by `outliers`; here the values that their neighbours let expect take their place, so that
one count ten times too large is not reported a second time, as a unit.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from graycell.balances.mass_balances import Balance, MassBalances
from graycell.balances.outliers import without_strays
from graycell.errors import Finding
from graycell.runs.records import VCD, CultureRun
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import MASS_CONCENTRATION

_GROWN = 1.0
"""[10^9 cells/L] Fewer new cells leave the amounts to the assay errors."""
_EATEN = 3.0
"""[mmol/L] of glucose; the same."""
_ANIMAL_CELLS = 300.0
"""[10^9 cells/L] More are microbes, see `runs.ranges`."""
_PRODUCTS = ("anti", "antibody", "igg", "igg1", "mab", "product", "titer", "titre")
"""Names of products in small letters, whose mass concentrations are compared with the cells."""
_MOST_PRODUCT = 0.3
"""[g/(10^9 cells)/d], so 300 pg/cell/d: three times what the best cell lines secrete."""


class _Ratio(NamedTuple):
    """A ratio of two amounts and the ranges that it has.

    quantity: whose unit is in doubt; implausible: range of the ratio in which no culture is; ordinary: range of most.
    """

    quantity: str
    words: str
    implausible: tuple[float, float]
    ordinary: tuple[float, float]


_LACTATE = _Ratio("LAC", "lactate made of a glucose in the time in which lactate rises", (0.0, 0.3), (0.2, 2.5))
_MUCH_LACTATE = _Ratio("LAC", _LACTATE.words, (2.8, np.inf), _LACTATE.ordinary)
_AMMONIA = _Ratio("NH3", "ammonia made of a glucose", (0.6, np.inf), (0.01, 0.4))
_EATEN_GLUCOSE = _Ratio("GLC", "mmol glucose eaten for 10^9 new cells", (0.0, 0.8), (1.0, 30.0))
_MOST_GLUCOSE = _Ratio("GLC", "mmol/L glucose at most where cells grew", (0.0, 8.0), (12.0, 150.0))
_MOST_AMMONIA = _Ratio("NH3", "mmol/L ammonia at most where cells grew", (0.0, 0.25), (0.4, 40.0))
_LITTLE_LACTATE, _LOW_YIELD = 4.0, 0.15
"""[mmol/L] and lactate of a glucose [1]: a yield is in doubt if it, or the most lactate that there is, is that low."""
_MUCH_AMMONIA = 25.0
"""[mmol/L] A yield of ammonia is in doubt only if there is more."""


def what_is_made_is_in_proportion_to_what_is_eaten(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """Lactate and ammonia are in proportion to glucose, glucose to new cells, and product to cells.

    Args:
        runs: the runs.

    Yields:
        A warning for each quantity, with all runs in which it looks like one in another unit.
    """
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    ratios = {
        _LACTATE: _lactate_of_glucose,
        _MUCH_LACTATE: _lactate_of_glucose,
        _AMMONIA: _ammonia_of_glucose,
        _EATEN_GLUCOSE: _glucose_of_cells,
        _MOST_GLUCOSE: partial(_most, "GLC"),
        _MOST_AMMONIA: partial(_most, "NH3"),
    }
    for run in map(without_strays, runs):
        if VCD in run.measurements and np.max(run.measurements[VCD].value, initial=0.0) > _ANIMAL_CELLS:
            continue
        for ratio, of in ratios.items():
            value = of(run)
            unit = _unit_in_doubt(ratio, value) if value is not None else ""
            if value is not None and unit:
                found.setdefault((ratio.quantity, f"{ratio.words}|{unit}"), []).append((run.name, value))
        for name, value in _product_rates(run):
            unit = "mg/L" if value < 1e3 * _MOST_PRODUCT else "ug/mL or mg/L"
            found.setdefault((name, f"g product of 10^9 cells and day|{unit}"), []).append((run.name, value))
    for (quantity, words), rows in found.items():
        what, unit = words.split("|")
        values = [value for _, value in rows]
        span = f"{min(values):.2g}" if len(rows) == 1 else f"{min(values):.2g} to {max(values):.2g}"
        yield Finding(
            f"{_named([name for name, _ in rows])}, {quantity}", f"{span} {what}",
            f"that is ordinary if {quantity} is in {unit}, and as it is no culture of animal cells",
            "look at the units of both, and at the composition of feeds", "warning",
        )  # fmt: skip


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"run{'s' if len(names) > 1 else ''} {', '.join(repr(name) for name in names[:3])}{more}"


def _unit_in_doubt(ratio: _Ratio, value: float) -> str:
    """Return the unit in which the ratio would be ordinary; "" if it is plausible as it is, or in no unit."""
    low, high = ratio.implausible
    if not low < value < high:
        return ""
    mass = MOLAR_MASS[ratio.quantity]
    for unit, factor in (("g/L", 1e3 / mass), ("mg/L", 1.0 / mass), ("mg/dL", 10.0 / mass), ("mol/L", 1e3),
                         ("umol/L", 1e-3)):  # fmt: skip
        if ratio.ordinary[0] < value * factor < ratio.ordinary[1]:
            return unit
    return ""


def _lactate_of_glucose(run: CultureRun) -> float | None:
    """Return the lactate made per glucose eaten up to the highest amount of lactate; None if too little is known."""
    if "GLC" not in run.measurements or "LAC" not in run.measurements:
        return None
    lactate = _known(run, "LAC")
    if not lactate:
        return None
    made = np.cumsum([balance.net_production for balance in lactate])
    until = lactate[int(np.argmax(made))].end
    eaten = _eaten(run, lactate[0].start, until)
    if not eaten or not float(np.max(made)) > 0.0:
        return None
    made_of_one = float(np.max(made)) / eaten
    is_little = float(np.max(run.measurements["LAC"].value)) < _LITTLE_LACTATE
    return made_of_one if made_of_one < _LOW_YIELD or made_of_one > _LACTATE.implausible[1] or is_little else None


def _ammonia_of_glucose(run: CultureRun) -> float | None:
    """Return the ammonia made per glucose eaten over the run; None if too little is known."""
    if "GLC" not in run.measurements or "NH3" not in run.measurements:
        return None
    ammonia = _known(run, "NH3")
    eaten = _eaten(run, ammonia[0].start, ammonia[-1].end) if ammonia else None
    made = sum(balance.net_production for balance in ammonia)
    is_much = float(np.max(run.measurements["NH3"].value)) > _MUCH_AMMONIA
    return made / eaten if eaten and made > 0.0 and is_much else None


def _glucose_of_cells(run: CultureRun) -> float | None:
    """Return the glucose eaten per new viable cell up to the most cells; None if too little is known."""
    if "GLC" not in run.measurements or VCD not in run.measurements:
        return None
    cells = MassBalances(run).balances(VCD)
    if not cells:
        return None
    made = np.cumsum([balance.net_production for balance in cells])
    last = int(np.argmax(made))
    glucose = [one for one in _known(run, "GLC") if one.start >= cells[0].start and one.end <= cells[last].end]
    grown = sum(one.net_production for one in cells[: last + 1] if not glucose or one.end <= glucose[-1].end)
    eaten = -sum(balance.net_production for balance in glucose)
    volume = cells[last].end_volume
    return eaten / grown if glucose and grown > _GROWN * volume and eaten > 0.0 else None


def _most(name: str, run: CultureRun) -> float | None:
    """Return the highest value of a solute in a run in which cells grew; None if they did not."""
    if name not in run.measurements or VCD not in run.measurements or name not in run.initial:
        return None
    cells = run.measurements[VCD].value
    values = run.measurements[name].value
    grew = len(cells) > 1 and float(np.max(cells) - cells[0]) > _GROWN
    return max(float(np.max(values)), float(run.initial[name])) if grew and len(values) > 1 else None


def _product_rates(run: CultureRun) -> Iterator[tuple[str, float]]:
    """Yield products that are secreted faster than any cell does, with their rate [g/(10^9 cells)/d]."""
    if VCD not in run.measurements:
        return
    cells = run.measurements[VCD]
    for name, series in run.measurements.items():
        if name.lower() not in _PRODUCTS or series.unit != MASS_CONCENTRATION or len(series.time) < 2:
            continue
        begin, end = max(series.time[0], cells.time[0]), min(series.time[-1], cells.time[-1])
        times = np.unique(np.r_[begin, cells.time[(cells.time > begin) & (cells.time < end)], end])
        integral = float(np.trapezoid(np.interp(times, cells.time, cells.value), times)) if end > begin else 0.0
        made = float(series.value[-1] - series.value[0])
        if integral > 1.0 and made / integral > _MOST_PRODUCT:
            yield name, made / integral


def _eaten(run: CultureRun, start: float, end: float) -> float | None:
    """Return the glucose eaten in a time [mmol]; None if it is little."""
    balances = [one for one in _known(run, "GLC") if one.start >= start and one.end <= end]
    eaten = -sum(balance.net_production for balance in balances)
    return eaten if balances and eaten > _EATEN * balances[-1].end_volume else None


def _known(run: CultureRun, quantity: str) -> list[Balance]:
    return [balance for balance in MassBalances(run).balances(quantity) if balance.is_known]
