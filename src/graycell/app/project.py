"""A project: a folder with everything that the app knows."""

import re
from dataclasses import dataclass
from pathlib import Path

from graycell.errors import GraycellError
from graycell.runs import read_runs
from graycell.runs.format.writing import write_runs
from graycell.runs.records import CultureRun

UPLOADS, MAPPING, RUNS, FITS, PLAN, DECISIONS, RESULTS, WORK = (
    "uploads", "mapping.toml", "runs", "fits", "plan", "decisions.toml", "results", "work"
)  # fmt: skip
"""What a project holds: files as they came, how they are read, runs, fits, the plan, what is chosen of it, answers, and
the processes that made them."""
ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".parquet", ".json", ".xml", ".toml")
"""Of files that are taken."""
LARGEST_FILE, LARGEST_UPLOADS = 50 * 2**20, 500 * 2**20
"""[bytes] Of one file, and of all of a project."""
_LONGEST = 80
"""Characters of a name."""


@dataclass(frozen=True)
class Project:
    """A folder of a study.

    Attributes:
        folder: made if it is not there.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).resolve())
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, *parts: str) -> Path:
        """Return a path within the project.

        Args:
            *parts: of the path.

        Returns:
            The path.

        Raises:
            GraycellError: it would lead out of the project.
        """
        found = self.folder.joinpath(*parts).resolve()
        if not found.is_relative_to(self.folder):
            raise GraycellError(f"'{'/'.join(parts)}' is not within the project {self.folder.name}.")
        return found

    def uploads(self) -> list[Path]:
        """Return the files that were dropped.

        Returns:
            Their paths, by name.
        """
        return sorted(self.path(UPLOADS).glob("*")) if self.path(UPLOADS).is_dir() else []

    def place_for(self, name: str, size: int) -> Path:
        """Return where a file that is dropped goes.

        Args:
            name: as the browser says it.
            size: [bytes]

        Returns:
            The path, within the project.

        Raises:
            GraycellError: for a kind of file that is not read, or one that is too large.
        """
        clean = re.sub(r"[^\w. ()+-]", "_", Path(name.replace("\\", "/")).name).strip(". ")
        if not clean.lower().endswith(ENDINGS):
            raise GraycellError(f"'{name[:_LONGEST]}' was not taken: files that end in {', '.join(ENDINGS)} are read.")
        there = sum(path.stat().st_size for path in self.uploads() if path.name != clean)
        if size > LARGEST_FILE or there + size > LARGEST_UPLOADS:
            raise GraycellError(f"'{clean[:_LONGEST]}' was not taken: a file has at most {LARGEST_FILE / 2**20:.0f} "
                                f"MiB, all of a project {LARGEST_UPLOADS / 2**20:.0f} MiB.")  # fmt: skip
        self.path(UPLOADS).mkdir(exist_ok=True)
        stem, ending = clean[: -len(Path(clean).suffix)][:_LONGEST], Path(clean).suffix
        return self.path(UPLOADS, stem + ending)

    def runs(self) -> list[CultureRun]:
        """Return the runs of the project.

        Returns:
            The runs; none before any were read.

        Raises:
            InputError: with every fault of their tables.
        """
        return read_runs(self.path(RUNS)) if self.path(RUNS).is_dir() else []

    def fits(self) -> list[str]:
        """Return the fits that are finished.

        Returns:
            Their names, by name.
        """
        return sorted(path.parent.name for path in self.path(FITS).glob("*/fit.json"))

    def plan(self) -> CultureRun | None:
        """Return the plan.

        Returns:
            The run; None before there is one.

        Raises:
            InputError: with every fault of its tables.
        """
        return read_runs(self.path(PLAN))[0] if self.path(PLAN).is_dir() else None

    def save_plan(self, plan: CultureRun) -> None:
        """Write the plan in the place of the present one.

        Args:
            plan: a run without later measurements.

        Raises:
            InputError: the folder of the plan has files that graycell did not write.
            OutputError: it cannot be written to.
        """
        write_runs([plan], self.path(PLAN))
