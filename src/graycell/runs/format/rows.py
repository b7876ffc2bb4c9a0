"""The rows of a table whose times can be used."""

from collections.abc import Iterable

from graycell.errors import Finding
from graycell.runs.format.tables import Typed


def rising_rows(table: Typed, rows: Iterable[int], findings: list[Finding], *, strictly: bool = True) -> list[int]:
    """Return the rows whose time can be used: times rise, or do not fall if not `strictly`.

    Args:
        table: with a column of times.
        rows: numbers of rows, such as those of a run.
        findings: takes every fault.
        strictly: whether two rows may not have the same time.

    Returns:
        The numbers of the usable rows.
    """
    usable: list[int] = []
    last = None
    for row in rows:
        if table.is_blank(row) or "time" not in table.numbers:
            continue
        time = table.number(row, "time")
        place = table.place(row, "time")
        if time is None:
            if not table.is_faulty(row, "time"):
                findings.append(Finding(place, "an empty cell", "every row has a time", "write the time"))
        elif last is not None and (time <= last if strictly else time < last):
            needed = "times rise within a run" if strictly else "events are in the order of time"
            remedy = "sort the rows, and join rows of the same time" if strictly else "sort the rows"
            findings.append(Finding(place, f"{time:.6g} d after {last:.6g} d", needed, remedy))
        else:
            usable.append(row)
            last = time
    return usable
