"""Small files in the layouts that people have, and the glucose of the runs in them."""

import openpyxl

DAY = {"column": "Day", "unit": "d"}
GLC = {"GLC": {"column": "Glc", "unit": "mM"}}


def book(path, sheets):
    """Write a workbook of rows by sheet, and return its path."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def series_of(runs, quantity="GLC"):
    """Return a quantity [mmol/L] by run and time [d]."""
    series = {run.name: run.measurements[quantity] for run in runs}
    return {
        name: dict(zip(values.time.tolist(), values.value.tolist(), strict=True)) for name, values in series.items()
    }
