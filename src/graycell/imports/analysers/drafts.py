"""A table of samples -> the draft of its mapping: which column is what, and a ? for what the files do not tell."""

import json
import re
from pathlib import Path

from graycell.errors import shown
from graycell.imports.analysers.tidying import DAY, MEASURED, SAMPLE, SIDE, Tidy
from graycell.imports.sides import AFTER, BEFORE
from graycell.imports.vocabulary import bare, quantity_of, unit_of_heading
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CONCENTRATION, MASS_CONCENTRATION

_ANTIBODY = 150000.0
"""[g/mol] An IgG with its glycans."""
_CONCENTRATIONS = (CONCENTRATION, MASS_CONCENTRATION)
_MOST_NAMES = 3


def draft_of(tidy: Tidy, paths: list[Path]) -> str:
    """Return the draft of a mapping.

    Args:
        tidy: the samples.
        paths: of their files.

    Returns:
        TOML; a ``?`` in it is for the user to replace.
    """
    names = ", ".join(shown(path.name) for path in paths)
    run, time = tidy.told
    open_ends = "" if all(tidy.told) else " Where a ? is left, the file does not say it."
    lines = [
        f"# A draft of the mapping of {names} ({', '.join(tidy.instruments)}).{open_ends}",
        "analyser = true                        # the columns are those of the table of samples",
    ]
    if run:
        lines.append(f"run = {_quoted(run)}")
    else:
        at = tidy.table.headings.index(SAMPLE)
        typed = [shown(row[at]) for row in tidy.table.rows[:_MOST_NAMES]]
        listed = ", ".join(dict.fromkeys(typed))
        said = f'the samples are {listed} ...; if these are the vessels: "{SAMPLE}"'
        lines.append(f'run = "?"                              # {said}')
    if time == DAY:
        lines.append(f"time = {_quoted(time)}")
    elif time:
        lines.append(f'time = {{ column = {_quoted(time)}, unit = "date" }}')
    elif MEASURED in tidy.table.headings:
        lines.append(f'time = {{ column = "?", unit = "date" }}  # "{MEASURED}" has empty cells')
    else:
        lines.append('time = "?"                             # the files have no dates')
    lines += ['replicates = "mean"'] if tidy.replicates else []
    lines += ["", "[measured]"]
    used, others, known = list[tuple[str, str]](), list[tuple[str, str]](), set[str]()
    for heading in tidy.table.headings:
        word, unit = bare(heading), unit_of_heading(heading)
        name = word if word in MOLAR_MASS else quantity_of(heading)
        column, among = _quoted(heading), used
        if name == "ANTI" and unit == MASS_CONCENTRATION:
            column = f"{{ column = {column}, molar_mass = {_ANTIBODY} }}  # g/mol; this is that of an IgG"
        elif name not in (VCD, TCD, VIABILITY) and not (name in MOLAR_MASS and unit in _CONCENTRATIONS):
            name, among = word, others
        # of a quantity in two units the first column counts
        if heading.isprintable() and name not in known and (among is used or unit == CONCENTRATION):
            known.add(name)
            key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
            among.append((heading, f"{key} = {column}"))
    if not used:  # a file of ions has nothing else
        used, others = others, []
    lines += [line for _, line in used] or ['# VCD = "?"                            # no column of a known quantity']
    lines += [f"# {line}" for _, line in others]
    at = tidy.table.headings.index(SIDE) if SIDE in tidy.table.headings else None
    sides = set() if at is None else {row[at] for row in tidy.table.rows}
    if {BEFORE, AFTER} <= sides:
        lines += ["", "[rows]", f"column = {_quoted(SIDE)}", f"before = {_quoted(BEFORE)}", f"after = {_quoted(AFTER)}"]
    read = {heading for heading, _ in [*used, *others]} | {SAMPLE, SIDE, *tidy.told}
    left = [shown(heading) for heading in tidy.table.headings if heading not in read]
    return "\n".join([*lines, *(["", f"# not used: {', '.join(left)}"] if left else [])]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
