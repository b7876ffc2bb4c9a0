"""The state of a fit on disk: plain JSON, written whole or not at all."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graycell.errors import FitError
from graycell.inference.least_squares import Point
from graycell.inference.search import Started
from graycell.saved import SavedFormat
from graycell.storage import write_whole

FILE = "checkpoint.json"
CHECKPOINTS = SavedFormat("checkpoint", 2, "delete it to start anew", unnumbered=1)
UNWATCHED = (None, np.inf, 0)
"""`Saved.watch` before the first point."""
LARGEST = 50_000_000
"""[bytes] Larger files are not read."""


class Saved(NamedTuple):
    """State of a fit.

    Attributes:
        attempt: index of the present stage.
        point: state of the minimisation in it; None while the starts are followed.
        reached: (n,) each, the points at which starts and earlier stages ended.
        history: rows so far.
        seconds: spent so far [s].
        watch: for early stopping: the point with the lowest cost of the held-out samples (None before the first), that
            cost, and the number of points since.
        starts: where each of them is, while they are followed.
    """

    attempt: int
    point: Point | None
    reached: tuple[np.ndarray, ...]
    history: tuple[dict, ...]
    seconds: float
    watch: tuple[np.ndarray | None, float, int] = UNWATCHED
    starts: tuple[Started, ...] = ()


def save(folder: Path, fingerprint: dict, saved: Saved) -> None:
    """Write the state of a fit.

    Args:
        folder: that has it.
        fingerprint: what the result depends on; another fit has another one.
        saved: the state.
    """
    data = {
        **CHECKPOINTS.stamp(),
        "fingerprint": fingerprint,
        "attempt": saved.attempt,
        "point": None if saved.point is None else _plain(saved.point),
        "reached": [[float(value) for value in x] for x in saved.reached],
        "history": list(saved.history),
        "seconds": saved.seconds,
        "watch": [None if saved.watch[0] is None else saved.watch[0].tolist(), *saved.watch[1:]],
        "starts": [{**start._asdict(), "point": _plain(start.point)} for start in saved.starts],
    }
    write_whole(folder / FILE, json.dumps(data))


def load(folder: Path, fingerprint: dict) -> Saved | None:
    """Read the state of a fit.

    Args:
        folder: see `save`.
        fingerprint: of the fit that is to be resumed.

    Returns:
        The state; None if there is none.

    Raises:
        FitError: if it belongs to another fit or cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes")
        data = json.loads(path.read_text(encoding="utf-8"))
        fault = CHECKPOINTS.fault(data)
        if fault:
            raise FitError(f"{path}: {fault}.")
        differing = [key for key, value in fingerprint.items() if data["fingerprint"].get(key) != value]
        if not differing:
            return Saved(
                int(data["attempt"]),
                None if data["point"] is None else _point(data["point"]),
                tuple(np.array(x, dtype=float) for x in data["reached"]),
                tuple(data["history"]),
                float(data["seconds"]),
                _watch(*data["watch"]),
                tuple(map(_started, data["starts"])),
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FitError(f"{path}: found no readable checkpoint ({error}); delete it to start anew.") from error
    raise FitError(
        f"{path}: found the checkpoint of a fit with other {', '.join(differing)}; a fit resumes only as it began; "
        "delete the file to start anew, or use another folder."
    )


def _plain(point: Point) -> dict:
    return {**point._asdict(), "x": [float(value) for value in point.x], "damping": float(point.damping),
            "cost": float(point.cost)}  # fmt: skip


def _point(data: dict) -> Point:
    return Point(**{**data, "x": np.array(data["x"], dtype=float)})


def _watch(best: list[float] | None, least: float, since: int) -> tuple[np.ndarray | None, float, int]:
    return None if best is None else np.array(best, dtype=float), float(least), int(since)


def _started(data: dict) -> Started:
    return Started(_point(data["point"]), tuple(data["history"]), bool(data["finished"]))
