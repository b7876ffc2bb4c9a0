"""A table of samples -> the draft of its mapping: which column is what, and a ? for what the files do not tell."""

import json
import re
from pathlib import Path

from graycell.errors import shown
from graycell.imports.analysers.tidying import DAY, MEASURED, SAMPLE, Tidy
from graycell.imports.vocabulary import bare, quantity_of, unit_of_heading
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CONCENTRATION, MASS_CONCENTRATION

_ANTIBODY = 150000.0
"""[g/mol] An IgG with its glycans."""
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
        known = [shown(row[at]) for row in tidy.table.rows[:_MOST_NAMES]]
        listed = ", ".join(dict.fromkeys(known))
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
    used, others = [], []
    for heading in tidy.table.headings:
        quantity, unit = quantity_of(heading), unit_of_heading(heading)
        name = bare(heading) if bare(heading) in MOLAR_MASS else quantity
        if name in (VCD, TCD, VIABILITY) or (name in MOLAR_MASS and unit in (CONCENTRATION, MASS_CONCENTRATION)):
            used.append((heading, f"{name} = {_quoted(heading)}"))
        elif name == "ANTI" and unit == MASS_CONCENTRATION:
            column = f"{{ column = {_quoted(heading)}, molar_mass = {_ANTIBODY} }}"
            used.append((heading, f"ANTI = {column}  # g/mol; this is that of an IgG"))
        elif unit == CONCENTRATION:
            key = bare(heading) if re.fullmatch(r"[A-Za-z0-9_-]+", bare(heading)) else _quoted(bare(heading))
            others.append((heading, f"{key} = {_quoted(heading)}"))
    if not used:  # a file of ions has nothing else
        used, others = others, []
    lines += [line for _, line in used] or ['# VCD = "?"                            # no column of a known quantity']
    lines += [f"# {line}" for _, line in others]
    read = {heading for heading, _ in [*used, *others]} | {SAMPLE, *tidy.told}
    left = [shown(heading) for heading in tidy.table.headings if heading not in read]
    return "\n".join([*lines, *(["", f"# not used: {', '.join(left)}"] if left else [])]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
