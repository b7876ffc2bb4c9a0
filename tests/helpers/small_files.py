"""Small files in the layouts that people have, and the glucose of the runs in them."""

import struct

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


def xls(path, rows):
    """Write an XLS of one sheet, and return its path: no library that is still kept writes this format."""

    def record(code, data=b""):
        return struct.pack("<HH", code, len(data)) + data

    def begin(kind):
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 0, 0, 0))

    cells = b""
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if isinstance(cell, str):
                text = struct.pack("<HHHHB", i, j, 0, len(cell), 1) + cell.encode("utf-16-le")
                cells += record(0x204, text)
            elif cell is not None:
                cells += record(0x203, struct.pack("<HHHd", i, j, 0, cell))
    end, name = record(0xA), b"Sheet"
    start = len(begin(5)) + 4 + 8 + len(name) + len(end)  # of the sheet in the stream
    listed = record(0x85, struct.pack("<IHBB", start, 0, len(name), 0) + name)
    stream = begin(5) + listed + end + begin(0x10) + cells + end
    count = max(8, -(-len(stream) // 512))  # sectors; a shorter stream would be one of small sectors
    fat = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, count + 2), 0xFFFFFFFE]
    assert len(fat) <= 128, "one sector of the table is written"
    fat += [0xFFFFFFFF] * (128 - len(fat))

    def entry(title, kind, first, size, child=0xFFFFFFFF):
        text = (title + "\0").encode("utf-16-le") if title else b""
        links = struct.pack("<III", 0xFFFFFFFF, 0xFFFFFFFF, child)
        return text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1) + links + b"\0" * 36 + struct.pack(
            "<III", first, size, 0)  # fmt: skip

    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 6
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    folder = entry("Root Entry", 5, 0xFFFFFFFE, 0, 1) + entry("Workbook", 2, 2, 512 * count) + 2 * entry("", 0, 0, 0)
    path.write_bytes(header + struct.pack("<128I", *fat) + folder + stream.ljust(512 * count, b"\0"))
    return path
