"""A sample of a posterior on disk: one JSON file beside tables for people, read again with the fit that it is of."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from graycell.errors import FitError
from graycell.inference.results import Fit
from graycell.saved import SavedFormat
from graycell.storage import write_whole
from graycell.uncertainty.posterior import PosteriorSample
from graycell.versions import VERSIONS, hash_of_code, where_it_ran

FILE = "sample.json"
_LARGEST = 500_000_000
SAMPLES = SavedFormat("posterior sample", 1, "make it anew with: graycell sample")
_NUMBERS = {"warm_up": int, "seed": int, "target": float, "seconds": float, "evaluations": int}


def _fit_of(fit: Fit) -> dict[str, Any]:
    """Return what tells one fit from another: what it depends on, and its estimates."""
    made = {name: value for name, value in fit.provenance.items() if name not in ("versions", "python", "machine")}
    return json.loads(json.dumps({**made, "estimates": {row.name: row.value for row in fit.estimates}}))


def save_sample(sample: PosteriorSample, folder: str | Path) -> Path:
    """Write a sample with its seed, versions and the hashes of its fit.

    Args:
        sample: any.
        folder: that exists or is made.

    Returns:
        Path of the file.
    """
    data = {
        **SAMPLES.stamp(), **{name: getattr(sample, name) for name in _NUMBERS}, "fit": _fit_of(sample.fit),
        "names": list(sample.names), "remarks": sample.remarks(), "x": sample.x.tolist(),
        "diverging": sample.diverging.tolist(), "steps": sample.steps.tolist(), "code": hash_of_code(),
        **where_it_ran((*VERSIONS, "numpyro")),
    }  # fmt: skip
    path = Path(folder) / FILE
    write_whole(path, json.dumps(data))
    return path


def load_sample(folder: str | Path, fit: Fit) -> PosteriorSample:
    """Read a sample.

    Args:
        folder: see `save_sample`.
        fit: that was sampled.

    Returns:
        The sample, as it was saved.

    Raises:
        FitError: where there is none, it cannot be read, or it is of another fit.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise FitError(f"{path}: found no posterior sample; make one with: graycell sample FIT --out {folder}.")
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes, at most {_LARGEST} are read")
        data = json.loads(path.read_text(encoding="utf-8"))
        fault = SAMPLES.fault(data)
        if fault:
            raise FitError(f"{path}: {fault}.")
        data, known = SAMPLES.migrated(data), _fit_of(fit)
        other = [name for name in known if data["fit"].get(name) != known[name]]
        if other:
            raise FitError(f"{path}: found a sample of a fit with other {', '.join(other)}; a sample belongs to one "
                           "fit; give the folder of that fit, or sample this one with: graycell sample.")  # fmt: skip
        x = np.array(data["x"], float)
        flags, steps = np.array(data["diverging"], bool), np.array(data["steps"], int)
        names = tuple(map(str, data["names"]))
        if x.ndim != 3 or x.shape[2] != len(names) or not flags.shape == steps.shape == x.shape[:2] or not x.size:
            raise ValueError("its arrays do not fit each other")
        if not np.all(np.isfinite(x)):
            raise ValueError("a draw that is not finite")
        sample = PosteriorSample(fit, names, x, flags, steps,
                                 **{name: kind(data[name]) for name, kind in _NUMBERS.items()})  # fmt: skip
        if sample.names != sample.labels:
            raise ValueError("its unknowns are not those of the fit")
        return sample
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FitError(f"{path}: found no readable sample ({error}); {SAMPLES.remake}.") from error
