"""Every deliberate error, and the sentence that it says.

A fault in the input is a `Finding`: where it is, what was found, what is needed, what to do. Faults are
collected and raised together in one `InputError`, so that a user mends a file once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


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
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; {self.needed}; {self.remedy}."


class InputError(GraycellError):
    """Input that cannot be used. `findings` holds every fault, not only the first."""

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class ModelError(GraycellError):
    """A model that contradicts itself, or a name that it does not know."""


class SimulationError(GraycellError):
    """A simulation that did not reach its end. The message carries the remedy of its status."""


class FitError(GraycellError):
    """A fit that cannot start or cannot be resumed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that names the known name nearest to `name`, for the end of an error.

    >>> nearest("GLUC", ["GLC", "LAC"])
    "did you mean 'GLC'? Known: GLC, LAC"
    """
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}Known: {', '.join(known)}"
