"""export_of: a file of an analyser -> its samples; which analyser wrote it shows in the content, not in the name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from graycell.errors import Finding, InputError
from graycell.imports.analysers.asm import is_asm, read_asm
from graycell.imports.analysers.chemistry import is_cedex, is_nova, read_cedex, read_nova
from graycell.imports.analysers.contents import Content, content_of
from graycell.imports.analysers.counters import (
    BLU,
    HIRES,
    NC_VIEW,
    is_nucleoview,
    is_xr,
    read_nucleoview,
    read_xr,
)
from graycell.imports.analysers.samples import Export
from graycell.runs.format.files import UnreadableError, place_of


@dataclass(frozen=True)
class Analyser:
    """An analyser, or another format of its results.

    Attributes:
        name: as messages give it.
        wrote: whether it wrote a file.
        read: reads a file.
    """

    name: str
    wrote: Callable[[Content], bool]
    read: Callable[[Content], Export]


ANALYSERS = (
    Analyser("Allotrope ASM", is_asm, read_asm),
    Analyser("Vi-CELL XR", is_xr, read_xr),
    Analyser(BLU.instrument, BLU.wrote, BLU.read),
    Analyser(HIRES.instrument, HIRES.wrote, HIRES.read),
    Analyser("Cedex Bio HT", is_cedex, read_cedex),
    Analyser("Nova BioProfile FLEX2", is_nova, read_nova),
    Analyser(NC_VIEW.instrument, NC_VIEW.wrote, NC_VIEW.read),
    Analyser("NucleoView", is_nucleoview, read_nucleoview),
)
"""Every analyser whose files are read; the first that wrote a file reads it."""


def export_of(path: str | Path) -> Export | None:
    """Return the samples in a file of an analyser.

    Args:
        path: of the file: text, XLSX, XLS or JSON.

    Returns:
        The samples, with what is odd; None if none of `ANALYSERS` wrote the file.

    Raises:
        InputError: one of them wrote the file, and it holds no sample.
    """
    path = Path(path)
    try:
        content = content_of(path)
    except UnreadableError:
        return None
    analyser = next((known for known in ANALYSERS if known.wrote(content)), None)
    if analyser is None:
        return None
    export = analyser.read(content)
    if not any(sample.readings for sample in export.samples):
        needed, remedy = "samples with values are needed", "look at what was exported"
        place = place_of(path)
        raise InputError([*export.remarks, Finding(place, f"no sample of {analyser.name}", needed, remedy)])
    return replace(export, file=path.name, sha256=content.sha256)
