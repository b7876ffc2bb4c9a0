"""Every deliberate error, and the sentence that it says.

A fault in the input is a `Finding`: where it is, what was found, what is needed, what to do. Faults are
collected and raised together in one `InputError`, so that a user mends a file once.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

Severity = Literal["error", "warning"]


class GraycellError(Exception):
    """Parent of every error that graycell raises on purpose."""


@dataclass(frozen=True)
class Finding:
    """One fault or remark about input.

    >>> print(Finding("run07.csv, row 14, column 'GLC [mmol/L]'", "-3.2", "concentrations are >= 0",
    ...               "leave the cell empty if no sample was taken"))
    run07.csv, row 14, column 'GLC [mmol/L]': found -3.2; concentrations are >= 0; leave the cell empty if no
    sample was taken.
    """

    place: str
    found: str
    needed: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; {self.needed}; {self.remedy}."


class InputError(GraycellError):
    """Input that cannot be used. `findings` holds every fault, not only the first."""

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class Faults:
    """Collects what is wrong with a mapping and with the file that it is for, each once.

    where: the mapping; most: how many errors, and how many remarks, are listed.
    """

    def __init__(self, where: str, most: int):
        self.where, self.most = where, most
        self._findings: dict[Finding, None] = {}
        self._count: Counter[str] = Counter()

    @property
    def findings(self) -> list[Finding]:
        """All that was noted, in its order."""
        return list(self._findings)

    @property
    def is_full(self) -> bool:
        """Whether no more errors are listed."""
        return self._count["error"] > self.most

    @property
    def are_errors(self) -> bool:
        """Whether any of them is an error, and not a remark."""
        return self._count["error"] > 0

    def of_mapping(self, what: str, found: str, needed: str, remedy: str, severity: Severity = "error") -> None:
        """Note what is wrong with a word of the mapping."""
        self.of_file(f"{self.where}, {what}", found, needed, remedy, severity)

    def of_file(self, place: str, found: str, needed: str, remedy: str, severity: Severity = "error") -> None:
        """Note what is wrong at a place of the file; after the most of them, only that there are more."""
        finding = Finding(place, found, needed, remedy, severity)
        if self._count[severity] == self.most:
            finding = Finding(place, "more like these", f"{self.most} are listed", "mend those first", severity)
        if self._count[severity] <= self.most and finding not in self._findings:
            self._findings[finding] = None
            self._count[severity] += 1


class ModelError(GraycellError):
    """A model that contradicts itself, or a name that it does not know."""


class SimulationError(GraycellError):
    """A simulation that did not reach its end. The message carries the remedy of its status."""


class FitError(GraycellError):
    """A fit that cannot start or cannot be resumed."""


_OF_A_RUN = re.compile(r"run '(.*?)'(?=,|$)")
_MOST_NAMED = 3
_MOST_KNOWN = 60
"""Known names that are listed; a model has fewer parameters."""


def gathered(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with those that say the same of several runs as one.

    >>> of = [Finding(f"run '{name}', VCD", "no value", "it is needed", "add it") for name in "abcde"]
    >>> print(*gathered(of))
    runs 'a', 'b', 'c' and 2 more, VCD: found no value; it is needed; add it.
    """
    groups: dict[object, list[Finding]] = {}
    for one in findings:
        match = _OF_A_RUN.match(one.place)
        key = (one.place[match.end() :], one.found, one.needed, one.remedy, one.severity) if match else one
        groups.setdefault(key, []).append(one)
    said = []
    for first, *others in groups.values():
        match = _OF_A_RUN.match(first.place)
        if match and others:
            names = [match[1] for match in map(_OF_A_RUN.match, (one.place for one in (first, *others))) if match]
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            listed = ", ".join(f"'{name}'" for name in names[:_MOST_NAMED])
            first = replace(first, place=f"runs {listed}{more}{first.place[match.end() :]}")
        said.append(first)
    return said


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that names the known name nearest to `name`, for the end of an error.

    >>> nearest("GLUC", ["GLC", "LAC"])
    "did you mean 'GLC'? Known: GLC, LAC"
    """
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean '{close[0]}'? " if close else ""
    more = f" and {len(known) - _MOST_KNOWN} more" if len(known) > _MOST_KNOWN else ""
    return f"{hint}Known: {', '.join(known[:_MOST_KNOWN])}{more}"
