"""Trainings: the scores of each training of a comparison on disk, so that it is repeated only if something changed."""

import hashlib
import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from graycell.comparison.protocols import Candidate, Repeatable
from graycell.comparison.splits import Split
from graycell.errors import GraycellError
from graycell.inference.checkpoint import LARGEST
from graycell.provenance import code_of, content_of, hash_of_run
from graycell.saved import SavedFormat
from graycell.storage import require_place, write_whole
from graycell.versions import VERSIONS, hash_of_code, where_it_ran

_TRAININGS = SavedFormat("training", 2, "delete it", unnumbered=1)


@dataclass(frozen=True)
class ErrorRow:
    """The error of a candidate in one quantity of one run.

    Attributes:
        candidate: its name.
        split: name of the split.
        seed: of the training.
        training_runs: number of training runs.
        run: name of the predicted run.
        quantity: its name.
        unit: of the quantity.
        rmse: root mean square error in `unit`; infinite if there is no prediction.
        nrmse: rmse over the range of the quantity [1].
        samples: number of samples that count.
        failure: why there is no prediction; empty if there is one.
        predicted: (samples,) what was predicted of the samples that count, in `unit`; empty if nothing was.
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
    predicted: tuple[float, ...] = ()


@dataclass(frozen=True)
class Consistency:
    """How often predictions contradict what is known.

    Attributes:
        candidate: its name.
        split: name of the split.
        seed: of the training.
        check: its name; empty after a failure.
        counted: number of faults.
        of: number of places that were checked.
        failure: why nothing could be counted; empty if something was.
    """

    candidate: str
    split: str
    seed: int
    check: str
    counted: int
    of: int
    failure: str = ""


class Trainings:
    """A folder with a file for each training; the file name is the hash of everything that the training depends on.

    Attributes:
        folder: None keeps nothing.
        ranges: of each scored quantity, in its unit.
        reused: number of trainings that were read from the folder so far.

    Raises:
        OutputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path | None, ranges: Mapping[str, float]):
        self.folder, self.ranges, self.reused = folder, dict(ranges), 0
        self._counting = threading.Lock()
        if folder is not None:
            require_place(folder)  # now, and not after an hour of training

    def path_of(self, candidate: Candidate, split: Split, seed: int) -> Path | None:
        """Return the file of a training.

        Args:
            candidate: what is trained.
            split: which runs it is trained on.
            seed: of the training.

        Returns:
            The path; None if nothing is kept, or if the candidate does not state what it depends on.
        """
        kind = type(candidate)
        states_it_itself = kind.__module__.split(".")[0] == "graycell" or "depends_on" in vars(kind)
        if self.folder is None or not isinstance(candidate, Repeatable) or not states_it_itself:
            return None
        try:
            depends_on = candidate.depends_on(split.training_runs(), seed)
        except GraycellError:  # the training will raise it again
            return None
        on = [candidate.name, code_of(kind), content_of(depends_on), seed, split.name, split.cut, split.viability_known,
              [hash_of_run(run) for run in (*split.train, *split.test)], len(split.train), sorted(self.ranges),
              hash_of_code(), where_it_ran((*VERSIONS, "scikit-learn"))]  # fmt: skip
        return self.folder / f"{hashlib.sha256(json.dumps(on).encode()).hexdigest()[:32]}.json"

    def read(self, path: Path | None) -> tuple[list[ErrorRow], list[Consistency]] | None:
        """Read the scores of a training.

        Args:
            path: of `path_of`.

        Returns:
            The scores; None if there is no file, or none that can be read.
        """
        try:
            if path is None or path.stat().st_size > LARGEST:
                return None
            data = json.loads(path.read_text(encoding="utf-8"))
            if _TRAININGS.fault(data):
                return None  # it is trained anew
            rows = [self._row(row) for row in data["errors"]]
            found = rows, [Consistency(**row) for row in data["consistency"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        with self._counting:
            self.reused += 1
        return found

    def _row(self, stored: dict) -> ErrorRow:
        rmse = math.inf if stored["rmse"] is None else float(stored["rmse"])
        predicted = tuple(map(float, stored["predicted"]))
        return ErrorRow(**{**stored, "rmse": rmse, "nrmse": rmse / self.ranges[stored["quantity"]],
                           "predicted": predicted})  # fmt: skip

    def write(self, path: Path | None, rows: Sequence[ErrorRow], consistency: Sequence[Consistency]) -> None:
        """Write the scores of a training, also of one that failed, because it would fail again.

        Args:
            path: of `path_of`; None writes nothing.
            rows: the errors; an infinite error is null.
            consistency: the counts of inconsistent predictions.
        """
        if path is None:
            return
        errors = [{**asdict(row), "rmse": row.rmse if math.isfinite(row.rmse) else None, "nrmse": None} for row in rows]
        data = {**_TRAININGS.stamp(), "errors": errors, "consistency": [asdict(row) for row in consistency]}
        write_whole(path, json.dumps(data, allow_nan=False))
