"""Whether a table or a figure in other units holds the same numbers as in internal units."""

import re
from functools import partial

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from graycell.units import convert_amount, converts, parse_heading

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_NAMES = ("quantity", "species", "of", "formed per GLC consumed", "input")
"""Columns that name the quantity of a row."""
TOLERANCE = 1e-12
"""[1] Two conversions, there and back, round four times."""


def quantity_of(head: str, row: pd.Series, molar_masses) -> str:
    """Return the quantity whose molar mass converts a number: that of its row, or one that its head names."""
    for column in _NAMES:
        if column in row.index:
            return str(row[column])
    name = parse_heading(head)[0]
    return next((word for word in (name, name.split(" ")[-1]) if word in molar_masses), "")


def assert_same_frame(shown: pd.DataFrame, internal: pd.DataFrame, molar_masses, tolerance: float = TOLERANCE) -> int:
    """Convert every number back and compare it; return how many columns or cells had another unit."""
    assert len(shown.columns) == len(internal.columns)
    assert len(shown) == len(internal)
    changed, floor = 0, 1e-300 if tolerance == TOLERANCE else 1e-14  # JSON has 15 decimals
    for j, head in enumerate(internal.columns):
        new, old = shown.iloc[:, j], internal.iloc[:, j]
        if not is_numeric_dtype(old) or is_bool_dtype(old):
            if not str(head).startswith("unit") and "changes sign" not in head:
                one, other = (column.astype(object).where(column.notna(), "").astype(str) for column in (new, old))
                assert one.tolist() == other.tolist(), head
            continue
        (name, unit), (_, wanted) = parse_heading(str(shown.columns[j])), parse_heading(str(head))
        alike: dict[tuple, list[int]] = {}  # rows of one quantity in one unit
        of_rows = [column for column in (*_NAMES, "unit", "unit of net production") if column in internal]
        keys = zip(*(shown[column] for column in of_rows), *(internal[column] for column in of_rows), strict=True)
        for i, key in enumerate(keys if of_rows else [()] * len(old)):
            alike.setdefault(key, []).append(i)
        for rows in alike.values():
            here, there = _units(rows[0], str(head), unit, wanted, shown, internal)
            of = quantity_of(str(head), internal.iloc[rows[0]], molar_masses)
            is_difference = "difference" in name or "error" in name or "RMSE" in name or "range" in name
            value = _back(new.to_numpy(float)[rows], here, there, molar_masses, of, is_difference)
            np.testing.assert_allclose(value, old.to_numpy(float)[rows], rtol=tolerance, atol=floor,
                                       err_msg=f"{head}, {of}")  # fmt: skip
            changed += here != there
    return changed


def _units(i, head, unit, wanted, shown, internal):
    """Return the unit of a cell in both frames: of its head, or of the column that holds it."""
    if head == "net production" and "unit of net production" in internal:
        return shown["unit of net production"].iloc[i], internal["unit of net production"].iloc[i]
    if unit not in (None, "unit"):
        return unit, wanted
    if "unit" in internal and (unit == "unit" or head in _IN_UNIT):
        return shown["unit"].iloc[i], internal["unit"].iloc[i]
    return "1", "1"


_IN_UNIT = ("rate", "standard error", "begin", "fed", "taken out", "net production", "found", "yield")


def _back(value, unit, internal, molar_masses, quantity, is_difference):
    if unit == internal:
        return value
    if internal in ("mmol/mmol", "g/mmol"):
        return _yield_back(value, unit, internal, molar_masses, quantity)
    mass = molar_masses.get(quantity)
    zero = convert_amount(0.0, unit, internal, mass) if is_difference else 0.0
    return convert_amount(value, unit, internal, mass) - zero


def _yield_back(value, unit, internal, molar_masses, quantity):
    above, below = unit.split("/")
    up, down = internal.split("/")
    made = convert_amount(1.0, above, up, molar_masses.get(quantity))
    return value * made / convert_amount(1.0, below, down, molar_masses["GLC"])


def assert_same_figure(shown, internal, quantities, units, molar_masses, times: str) -> int:
    """Compare all traces of a figure with panels: x as times, y and its errors by the unit in the title of the panel.

    quantities: by panel; units: internal ones by panel. Returns how many traces had another unit.
    """
    titles = [annotation.text for annotation in shown.layout.annotations]
    changed = 0
    assert len(shown.data) == len(internal.data)
    for new, old in zip(shown.data, internal.data, strict=True):
        if old.x is None or old.x[0] is None:
            continue
        panel = int((old.yaxis or "y")[1:] or 1) - 1
        unit = unit_in(titles[panel]) or unit_in(_axis_title(shown, panel))
        wanted, mass = units[panel], molar_masses.get(quantities[panel])
        x, y = np.asarray(new.x, float), np.asarray(new.y, float)
        np.testing.assert_allclose(convert_amount(x, times, "d"), np.asarray(old.x, float), rtol=TOLERANCE)
        same = partial(_same, unit=unit, internal=wanted, molar_mass=mass)
        np.testing.assert_allclose(same(y), np.asarray(old.y, float), rtol=TOLERANCE, err_msg=titles[panel])
        if old.error_y.array is not None:
            zero = same(0.0)
            error = np.asarray(new.error_y.array, float)
            np.testing.assert_allclose(same(error) - zero, np.asarray(old.error_y.array, float), rtol=1e-9 if zero
                                       else TOLERANCE)  # fmt: skip
        ranges = [getattr(figure.layout, "yaxis" + ("" if panel == 0 else str(panel + 1))).range
                  for figure in (shown, internal)]  # fmt: skip
        if ranges[1] is not None and same(0.0) == 0.0:
            np.testing.assert_allclose(same(np.asarray(ranges[0], float)), ranges[1], rtol=1e-9, atol=1e-300)
        changed += unit != wanted
    return changed


def _same(values, *, unit: str, internal: str, molar_mass: float | None):
    return values if unit == internal else convert_amount(values, unit, internal, molar_mass)


def _axis_title(figure, panel: int) -> str:
    axes = [getattr(figure.layout, "yaxis" + ("" if i == 0 else str(i + 1))) for i in (panel, 0)]
    return next((f"[{axis.title.text}]" for axis in axes if axis.title.text), "[1]")


def unit_in(title: str) -> str:
    """Return the unit of a title with superscripts, "" if it has none."""
    found = re.search(r"\[([^\[\]]*)\]$", title)
    text = re.sub(r"10([⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda part: "1e" + part[1].translate(_RAISED), found[1] if found else "")
    assert not text or converts(text, text), title
    return text
