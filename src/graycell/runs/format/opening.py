"""An XLSX of anybody's making -> an open workbook, also where its colours and fonts are faulty."""

import io
import zipfile
from xml.etree import ElementTree

import openpyxl
from openpyxl import Workbook

_STYLES = "xl/styles.xml"
_NUMBERS = ("numFmts", "cellXfs")
"""The parts of the styles that say what is a date; all others are colours, fonts and lines."""


def opened(data: bytes, stored: bool) -> Workbook:
    """Return a workbook to read.

    Args:
        data: of the workbook, whose bounds were checked.
        stored: whether a formula gives the value stored with it, or else its text.

    Returns:
        The workbook.
    """
    try:
        return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=stored, keep_links=False)
    except Exception:  # noqa: BLE001, instruments write styles that openpyxl refuses in many ways
        data = _without_looks(data)
        return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=stored, keep_links=False)


def _without_looks(data: bytes) -> bytes:
    """Return the workbook with styles that hold the formats of numbers alone."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename == _STYLES:
                root = ElementTree.fromstring(content)  # with a document type it was refused before
                for child in list(root):
                    if _name(child) not in _NUMBERS:
                        root.remove(child)
                for child in root.iter():
                    if _name(child) == "xf":
                        number = child.get("numFmtId", "0")
                        child.clear()
                        child.set("numFmtId", number)
                content = ElementTree.tostring(root)
            new.writestr(part.filename, content)
    return made.getvalue()


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
