"""Every deliberate error, and the sentence that it prints.

A fault in the input is a `Finding`: where it is, what was found, what is needed, what to do. Faults are
collected and raised together in one `InputError`, so that a user can correct a file in one go.

A finding may quote a file that nobody has looked at yet. Callers write foreign text between single quotes as it is;
when a finding is printed, control characters are escaped and long quotes are shortened.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from graycell.names import resembling

Severity = Literal["error", "warning"]

_LONGEST_QUOTE = 60
"""Characters of foreign text that are printed."""
_LONGEST_FIELD = 500
"""Printed characters of the place, of what was found and of what is needed; foreign text may hold quotes of its own."""
_LONGEST_REMEDY = 5000
"""Printed characters of a remedy, which may list the known names."""
_LONGEST_KEPT = 1000
"""Characters of a field from which a finding keeps the beginnings of its quotes only: a cell may hold megabytes."""
_MOST_KNOWN = 60
"""Known names that are listed; a model has fewer parameters."""
_MOST_NAMED = 3
"""Runs that are named where a finding holds for several."""

_AMBIGUOUS = {
    "met": ("methionine", "methanol"), "gly": ("glycine", "glycerol"), "glu": ("glutamate", "glucose"),
    "lac": ("lactate", "lactose"), "pro": ("proline", "a protein"),
}  # fmt: skip
"""What such a name means here, and elsewhere."""

_QUOTE = re.compile(r"(?P<opens>(?<![^\s(\[{=,])'(?=\S))|'(?![^\s,;:.?)\]}])")
"""A quote before or after a word; an apostrophe within one is none."""
_OF_A_RUN = re.compile(r"run '(.*?)'(?=,|$)")
_OF_A_ROW = re.compile(r", row (\d+)(?: \(column [A-Z]+\))?(?=, column |$)")
_MOST_FOUND = 3
"""Different things found in several rows that are quoted."""


class GraycellError(Exception):
    """Parent of every error that graycell raises on purpose."""


class ModelError(GraycellError):
    """A model that contradicts itself, or a name that it does not know."""


class SimulationError(GraycellError):
    """A simulation that did not reach its end. The message carries the remedy of its status."""


class OutputError(GraycellError, OSError):
    """A place that cannot be written to."""


class FitError(GraycellError):
    """A fit that cannot start or cannot be resumed."""


def shown(text: str, longest: int = _LONGEST_QUOTE) -> str:
    r"""Return foreign text as it may be printed: short, and with control characters escaped.

    Args:
        text: from a file, its name, or a mapping.
        longest: characters that are kept before the text is cut.

    Returns:
        The text; "..." marks where it was cut.

    >>> shown("1 \x1b[2J")
    '1 \\x1b[2J'
    """
    text = text if len(text) <= longest else text[:longest] + "..."
    return text if text.isprintable() else repr(text)[1:-1]


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield a text in pieces, and whether each is foreign text between single quotes, which may hold quotes itself."""
    at = depth = 0
    for quote in _QUOTE.finditer(text):
        if depth == 0 and quote["opens"]:
            yield text[at : quote.end()], False
            at, depth = quote.end(), 1
        elif depth > 0:
            depth += 1 if quote["opens"] else -1
            if depth == 0:
                yield text[at : quote.start()], True
                at = quote.start()
    yield text[at:], depth > 0


def _kept(text: str) -> str:
    """Return a field of a finding without the far ends of long quotes."""
    if len(text) <= _LONGEST_KEPT:
        return text
    short = "".join(piece[: 2 * _LONGEST_QUOTE] if quoted else piece for piece, quoted in _pieces(text))
    return short[: 2 * _LONGEST_REMEDY]


def _printed(text: str, longest: int) -> str:
    """Return a field of a finding as it may be printed: quotes are `shown`, and the whole is bounded."""
    printed = "".join(shown(piece) if quoted else shown(piece, longest) for piece, quoted in _pieces(text))
    return printed if len(printed) <= longest else printed[:longest] + "..."


@dataclass(frozen=True)
class Finding:
    r"""One fault or remark about input.

    Attributes:
        place: where it is, such as the file, the row and the column.
        found: what is there. Foreign text is between single quotes, as it is: printing makes it safe.
        needed: what should be there.
        remedy: what to do.
        severity: "error" for what cannot be used, "warning" for a remark.

    >>> print(Finding("run07.csv, row 14, column 'GLC [mmol/L]'", "-3.2", "concentrations are >= 0",
    ...               "leave the cell empty if no sample was taken"))
    run07.csv, row 14, column 'GLC [mmol/L]': found -3.2; concentrations are >= 0; leave the cell empty if no
    sample was taken.
    >>> print(Finding("run07.csv", "'\x1b[2J'", "a number is needed", "write one"))
    run07.csv: found '\x1b[2J'; a number is needed; write one.
    """

    place: str
    found: str
    needed: str
    remedy: str
    severity: Severity = "error"

    def __post_init__(self) -> None:
        for name in ("place", "found", "needed", "remedy"):
            object.__setattr__(self, name, _kept(getattr(self, name)))

    def __str__(self) -> str:
        place, found, needed = (_printed(text, _LONGEST_FIELD) for text in (self.place, self.found, self.needed))
        return f"{place}: found {found}; {needed}; {_printed(self.remedy, _LONGEST_REMEDY)}."


class InputError(GraycellError):
    """Input that cannot be used; it says once what holds for several runs.

    Attributes:
        findings: every fault, not only the first.
    """

    findings: tuple[Finding, ...]

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in gathered(self.findings)))


class Faults:
    """Collects the faults of a mapping and of the file that it is for, each once."""

    def __init__(self, where: str, most: int, known: Iterable[Finding] = ()):
        """Begin a collection.

        Args:
            where: the name of the mapping.
            most: how many errors, and how many remarks, are listed.
            known: findings that were made before.
        """
        self.where, self.most = where, most
        self._findings: dict[Finding, None] = dict.fromkeys(known)
        self._count: Counter[str] = Counter(finding.severity for finding in self._findings)

    @property
    def findings(self) -> list[Finding]:
        """All findings in the order in which they were noted."""
        return list(self._findings)

    @property
    def is_full(self) -> bool:
        """Whether no more errors are listed."""
        return self._count["error"] > self.most

    @property
    def errors(self) -> int:
        """How many of the findings are errors and not remarks."""
        return self._count["error"]

    def of_mapping(self, what: str, found: str, needed: str, remedy: str, severity: Severity = "error") -> None:
        """Note a fault in the mapping.

        Args:
            what: the key of the mapping, such as "[measured] GLC".
            found: see `Finding`.
            needed: see `Finding`.
            remedy: see `Finding`.
            severity: see `Finding`.
        """
        self.of_file(f"{self.where}, {what}", found, needed, remedy, severity)

    def of_file(self, place: str, found: str, needed: str, remedy: str, severity: Severity = "error") -> None:
        """Note a fault at a place of the file; beyond the most that are listed, note only that there are more.

        Args:
            place: see `Finding`.
            found: see `Finding`.
            needed: see `Finding`.
            remedy: see `Finding`.
            severity: see `Finding`.
        """
        finding = Finding(place, found, needed, remedy, severity)
        if finding in self._findings or self._count[severity] > self.most:
            return
        if self._count[severity] == self.most:
            finding = Finding(place, "more like these", f"{self.most} are listed", "correct those first", severity)
        self._findings[finding] = None
        self._count[severity] += 1


def gathered(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings in which those that say the same about several runs, or about several rows of a table, are one.

    Args:
        findings: any number of findings.

    Returns:
        As many or fewer findings, in the order of their first; of several rows the numbers are listed or counted.

    >>> several = [Finding(f"run '{name}', VCD", "no value", "it is needed", "add it") for name in "abcde"]
    >>> print(*gathered(several))
    runs 'a', 'b', 'c' and 2 more, VCD: found no value; it is needed; add it.
    >>> print(*gathered(Finding(f"a.csv, row {row}, column 'VCD'", "'x'", "a number is needed", "write it")
    ...                 for row in (4, 7)))
    a.csv, rows 4 and 7, column 'VCD': found 'x'; a number is needed; write it.
    """
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        run = _OF_A_RUN.match(finding.place)
        # the same finding of every run, whatever its name
        key = replace(finding, place=f"run{finding.place[run.end() :]}") if run else finding
        groups.setdefault(key, []).append(finding)
    of_rows: dict[object, list[Finding]] = {}
    for finding in map(_joined, groups.values()):
        row = _OF_A_ROW.search(finding.place)
        place = _OF_A_ROW.sub(", row", finding.place, count=1)
        key = replace(finding, place=place, found="") if row else finding
        of_rows.setdefault(key, []).append(finding)
    return [_of_rows(group) for group in of_rows.values()]


def _joined(findings: list[Finding]) -> Finding:
    """Return one finding for those that say the same about several runs."""
    first = findings[0]
    runs = [run for finding in findings if (run := _OF_A_RUN.match(finding.place))]
    if len(runs) < 2:
        return first
    listed = ", ".join(f"'{run[1]}'" for run in runs[:_MOST_NAMED])
    more = f" and {len(runs) - _MOST_NAMED} more" if len(runs) > _MOST_NAMED else ""
    return replace(first, place=f"runs {listed}{more}{first.place[runs[0].end() :]}")


def _of_rows(findings: list[Finding]) -> Finding:
    """Return one finding for those that say the same about several rows of a table."""
    first, numbers = findings[0], [row[1] for finding in findings if (row := _OF_A_ROW.search(finding.place))]
    if len(numbers) < 2:
        return first
    listed = f"{', '.join(numbers[:_MOST_NAMED])} and {len(numbers) - _MOST_NAMED} more"
    if len(numbers) <= _MOST_NAMED:
        listed = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    found = list(dict.fromkeys(finding.found for finding in findings))
    others = f" and {len(found) - _MOST_FOUND} others" if len(found) > _MOST_FOUND else ""
    place = _OF_A_ROW.sub(f", rows {listed}", first.place, count=1)
    return replace(first, place=place, found=", ".join(found[:_MOST_FOUND]) + others)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that suggests the known name nearest to `name`, for the end of an error.

    Args:
        name: the unknown name.
        known: the names that there are, of which at most 60 are listed.

    Returns:
        The suggestion, where one is near and does not mean something else, and the known names.

    >>> nearest("GLUC", ["GLC", "LAC"])
    "did you mean 'GLC'? Known: GLC, LAC"
    """
    names = [shown(text) for text in known]
    if not names:
        return "there is none yet; add it"
    close = resembling(shown(name), names)
    hint = f"did you mean '{close}'? " if close else ""
    if close and name != close and name.lower() == close.lower() and name.lower() in _AMBIGUOUS:
        here, elsewhere = _AMBIGUOUS[name.lower()]
        hint = f"'{close}' is {here}; is '{name}' that, or {elsewhere}? "
    more = f" and {len(names) - _MOST_KNOWN} more" if len(names) > _MOST_KNOWN else ""
    return f"{hint}Known: {', '.join(names[:_MOST_KNOWN])}{more}"
