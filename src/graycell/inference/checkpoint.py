"""The state of a fit on disk: plain JSON, written whole or not at all."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graycell.errors import FitError
from graycell.inference.least_squares import Point
from graycell.saved import SavedFormat
from graycell.storage import write_whole

FILE = "checkpoint.json"
CHECKPOINTS = SavedFormat("checkpoint", 1, "delete it to start anew", unnumbered=1)
LARGEST = 50_000_000
"""[bytes] Larger files are not read."""


class Saved(NamedTuple):
    """State of a fit.

    Attributes:
        attempt: index of the present start or stage.
        point: state of the minimisation in it.
        reached: (n,) each, the points at which earlier attempts ended.
        history: rows so far.
        seconds: spent so far [s].
        watch: for early stopping: the point with the lowest cost of the held-out samples (None before the first), that
            cost, and the number of points since.
    """

    attempt: int
    point: Point
    reached: tuple[np.ndarray, ...]
    history: tuple[dict, ...]
    seconds: float
    watch: tuple[np.ndarray | None, float, int] = (None, np.inf, 0)


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
        "point": _plain(saved.point),
        "reached": [[float(value) for value in x] for x in saved.reached],
        "history": list(saved.history),
        "seconds": saved.seconds,
        "watch": [None if saved.watch[0] is None else saved.watch[0].tolist(), *saved.watch[1:]],
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
                _point(data["point"]),
                tuple(np.array(x, dtype=float) for x in data["reached"]),
                tuple(data["history"]),
                float(data["seconds"]),
                _watch(*data["watch"]),
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
