"""The scores of each training of a comparison, kept on disk so that it is not done again unless something changed."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from graycell.errors import GraycellError
from graycell.inference.baselines import Candidate
from graycell.inference.checkpoint import write_whole
from graycell.inference.fitting import VERSIONS, hash_of_code, hash_of_run
from graycell.inference.splits import Split
from graycell.runs.records import CultureRun

_LARGEST = 50_000_000
"""[bytes] of a file that is read back."""
_ERRORS = ("rmse", "nrmse")


@dataclass(frozen=True)
class ErrorRow:
    """The error of a candidate in one quantity of one run.

    training_runs: how many it learned from; rmse: in `unit`; nrmse: rmse over the range of the quantity [1]; samples:
    how many counted; failure: a sentence where there is no prediction, and rmse and nrmse are infinite.
    """

    candidate: str
    split: str
    seed: int
    training_runs: int
    run: str
    quantity: str
    unit: str
    rmse: float
    nrmse: float
    samples: int
    failure: str = ""


@dataclass(frozen=True)
class Consistency:
    """How often predictions contradict what is known: `counted` faults out of `of` that were looked at, by `check`.

    failure: a sentence where nothing could be counted; check is then empty, and both numbers are 0.
    """

    candidate: str
    split: str
    seed: int
    check: str
    counted: int
    of: int
    failure: str = ""


@runtime_checkable
class Repeatable(Protocol):
    """A candidate that says all that its result depends on; without it, it is trained every time."""

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> Mapping[str, object]:
        """Return, as plain data, all that a training on these runs depends on; raises `GraycellError` as it would."""
        ...


class Trainings:
    """A folder with a file for each training that was scored; the name of a file is the hash of what it depends on.

    known: how many trainings were found there so far.
    """

    def __init__(self, folder: Path | None, ranges: Mapping[str, float]):
        self.folder, self.ranges, self.known = folder, dict(ranges), 0

    def path_of(self, candidate: Candidate, split: Split, seed: int) -> Path | None:
        """Return the file of a training, None where it cannot be told what it depends on."""
        if self.folder is None or not isinstance(candidate, Repeatable):
            return None
        try:
            own = candidate.depends_on(split.training_runs(), seed)
        except GraycellError:  # the training says what is wrong
            return None
        on = {
            "candidate": [candidate.name, own],
            "seed": seed,
            "split": [split.name, split.cut, split.viability_known],
            "runs": [[hash_of_run(run) for run in of] for of in (split.train, split.test)],
            "ranges": self.ranges,
            "code": hash_of_code(),
            "versions": {name: metadata.version(name) for name in (*VERSIONS, "scikit-learn")},
        }
        return self.folder / f"{hashlib.sha256(json.dumps(on, sort_keys=True).encode()).hexdigest()[:32]}.json"

    def read(self, path: Path | None) -> tuple[list[ErrorRow], list[Consistency]] | None:
        """Return the scores of a training, None where there is no file or none that can be read."""
        try:
            if path is None or path.stat().st_size > _LARGEST:
                return None
            data = json.loads(path.read_text(encoding="utf-8"))
            rows = [ErrorRow(**{**row, **{word: _number(row[word]) for word in _ERRORS}}) for row in data["errors"]]
            found = rows, [Consistency(**row) for row in data["consistency"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        self.known += 1
        return found

    def write(self, path: Path | None, rows: Sequence[ErrorRow], consistency: Sequence[Consistency]) -> None:
        """Keep the scores of a training, failures too: they would come again."""
        if path is None:
            return
        errors = [{**asdict(row), **{word: _told(getattr(row, word)) for word in _ERRORS}} for row in rows]
        data = {"errors": errors, "consistency": [asdict(row) for row in consistency]}
        write_whole(path, json.dumps(data, allow_nan=False))


def _told(number: float) -> float | None:
    """Return a number as JSON takes it: an infinite error is null."""
    return number if math.isfinite(number) else None


def _number(told: Any) -> float:
    return math.inf if told is None else float(told)
