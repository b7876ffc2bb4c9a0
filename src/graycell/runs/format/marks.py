"""The mark that graycell leaves on the runs that it writes: a digest of the tables, the format and the version."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graycell.errors import Finding, shown
from graycell.saved import SavedFormat

MARK = ".written-by-graycell"
"""Name of the file of the mark in a folder."""
RUNS = SavedFormat("runs", 3, "write the runs anew with: graycell export", {1: dict, 2: dict}, unnumbered=1)
"""The format of the tables; 2 has the table molar_masses and 3 rules as events, which earlier ones do not need."""
_LONGEST = 10_000
"""[bytes] of a mark; longer ones are none."""
_CORE = "docProps/core.xml"
_IDENTIFIER = re.compile(r"<dc:identifier>([^<]*)</dc:identifier>")


def mark_text(digest: str) -> str:
    """Return the text of a mark.

    Args:
        digest: of the tables.

    Returns:
        The digest, the number of the format, and the version of graycell.
    """
    stamp = RUNS.stamp()
    return f"{digest} format {stamp['format']} graycell {stamp['graycell']}"


def digest_in(text: str) -> str:
    """Return the digest in a mark.

    Args:
        text: see `mark_text`.

    Returns:
        The digest; empty if there is none.
    """
    return next(iter(text.split()), "")


def mark_of(path: Path) -> str:
    """Return the mark of runs that graycell wrote.

    Args:
        path: a folder or a workbook.

    Returns:
        Its text; empty if there is none.
    """
    try:
        if path.is_dir():
            mark = path / MARK
            return mark.read_text("utf-8") if mark.is_file() and mark.stat().st_size <= _LONGEST else ""
        if path.suffix.lower() != ".xlsx":
            return ""
        with zipfile.ZipFile(path) as book:
            if _CORE not in book.namelist() or book.getinfo(_CORE).file_size > _LONGEST:
                return ""
            found = _IDENTIFIER.search(book.read(_CORE).decode("utf-8", "replace"))
            return found[1] if found else ""
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return ""


def findings_of(path: Path, place: str) -> Iterator[Finding]:
    """Yield what the mark of runs says about their format.

    Args:
        path: a folder or a workbook.
        place: for the findings.

    Yields:
        An error for a format that cannot be read, a remark for another version of graycell.
    """
    digest, *words = mark_of(path).split()[:7] or [""]
    if len(digest) != 64 or words[:1] not in ([], ["format"]):
        return  # somebody else's
    data: dict[str, Any] = {}
    for name, value in zip(words[::2], words[1::2], strict=False):
        data[name] = int(value) if re.fullmatch(r"-?\d{1,9}", value) and name == "format" else value
    parts = RUNS.parts(data)
    if parts:
        yield Finding(place, *parts)
    elif RUNS.remark(data):
        needed = f"this is graycell {RUNS.stamp()['graycell']}, which reads them as they are"
        yield Finding(place, f"runs written by graycell {shown(str(data['graycell']))}", needed, "nothing", "warning")
