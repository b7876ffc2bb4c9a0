"""The scores of each training of a comparison, kept on disk so that it is not done again unless something changed."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from graycell.comparison.baselines import Candidate
from graycell.comparison.splits import Split
from graycell.errors import FitError, GraycellError
from graycell.inference.checkpoint import LARGEST
from graycell.provenance import VERSIONS, code_of, content_of, hash_of_code, hash_of_run, where_it_ran
from graycell.runs.records import CultureRun
from graycell.storage import write_whole


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
    """A candidate that says all that its result depends on; without it, it is trained every time.

    A class of your own defines the method itself: an inherited one does not know what its class does otherwise.
    """

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> Mapping[str, object]:
        """Return all that a training on these runs depends on; raises `GraycellError` as it would."""
        ...


class Trainings:
    """A folder with a file for each training that was scored; the name of a file is the hash of what it depends on.

    ranges: of each quantity that is scored, in its unit; reused: how many trainings were found there so far. Raises
    `FitError` where there can be no such folder.
    """

    def __init__(self, folder: Path | None, ranges: Mapping[str, float]):
        self.folder, self.ranges, self.reused = folder, dict(ranges), 0
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)  # now, not after an hour of work
        except OSError as error:
            raise FitError(
                f"{folder}: found {error.strerror}; a folder to write in is needed; name another."
            ) from error

    def path_of(self, candidate: Candidate, split: Split, seed: int) -> Path | None:
        """Return the file of a training, None where it cannot be told what it depends on."""
        kind = type(candidate)
        own = kind.__module__.split(".")[0] == "graycell" or "depends_on" in vars(kind)
        if self.folder is None or not isinstance(candidate, Repeatable) or not own:
            return None
        try:
            told = candidate.depends_on(split.training_runs(), seed)
        except GraycellError:  # the training says what is wrong
            return None
        on = [candidate.name, code_of(kind), content_of(told), seed, split.name, split.cut, split.viability_known,
              [hash_of_run(run) for run in (*split.train, *split.test)], len(split.train), sorted(self.ranges),
              hash_of_code(), where_it_ran((*VERSIONS, "scikit-learn"))]  # fmt: skip
        return self.folder / f"{hashlib.sha256(json.dumps(on).encode()).hexdigest()[:32]}.json"

    def read(self, path: Path | None) -> tuple[list[ErrorRow], list[Consistency]] | None:
        """Return the scores of a training, None where there is no file or none that can be read."""
        try:
            if path is None or path.stat().st_size > LARGEST:
                return None
            data = json.loads(path.read_text(encoding="utf-8"))
            rows = [self._row(row) for row in data["errors"]]
            found = rows, [Consistency(**row) for row in data["consistency"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        self.reused += 1
        return found

    def _row(self, told: dict) -> ErrorRow:
        rmse = math.inf if told["rmse"] is None else float(told["rmse"])
        return ErrorRow(**{**told, "rmse": rmse, "nrmse": rmse / self.ranges[told["quantity"]]})

    def write(self, path: Path | None, rows: Sequence[ErrorRow], consistency: Sequence[Consistency]) -> None:
        """Keep the scores of a training, failures too: they would come again. An infinite error is null."""
        if path is None:
            return
        errors = [{**asdict(row), "rmse": row.rmse if math.isfinite(row.rmse) else None, "nrmse": None} for row in rows]
        data = {"errors": errors, "consistency": [asdict(row) for row in consistency]}
        write_whole(path, json.dumps(data, allow_nan=False))
