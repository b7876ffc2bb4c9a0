"""Samples of posteriors and ensembles on disk: one JSON file beside tables for people, read with the fit it is of."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from graycell.cell.neural import weights_of
from graycell.errors import FitError
from graycell.inference.results import Fit
from graycell.saved import SavedFormat
from graycell.storage import write_whole
from graycell.uncertainty.ensemble import Ensemble
from graycell.uncertainty.posterior import PosteriorSample
from graycell.versions import VERSIONS, hash_of_code, where_it_ran

FILE, ENSEMBLE_FILE = "sample.json", "ensemble.json"
_LARGEST = 500_000_000


def _without_groups(data: dict[str, Any]) -> dict[str, Any]:
    """Return an ensemble of format 1, whose fit had no groups, in format 2."""
    members, parameters = data["values"]["shape"]
    return {**data, "per_group": {"shape": [members, 0, parameters], "values": []}}


SAMPLES = SavedFormat("posterior sample", 1, "make it anew with: graycell sample")
ENSEMBLES = SavedFormat("ensemble", 2, "make it anew with: graycell ensemble", {1: _without_groups})
"""The format of the file; 2 has the values in groups of runs."""
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
        data = _read(path, fit, SAMPLES)
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
    except _UNREADABLE as error:
        raise FitError(f"{path}: found no readable sample ({error}); {SAMPLES.remake}.") from error


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _read(path: Path, fit: Fit, kind: SavedFormat) -> dict[str, Any]:
    """Return the contents of a file of a fit; an error of `_UNREADABLE` where it cannot be read."""
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path.stat().st_size} bytes, at most {_LARGEST} are read")
    data = json.loads(path.read_text(encoding="utf-8"))
    fault = kind.fault(data)
    if fault:
        raise FitError(f"{path}: {fault}.")
    data, known = kind.migrated(data), _fit_of(fit)
    other = [name for name in known if data["fit"].get(name) != known[name]]
    if other:
        raise FitError(f"{path}: found the {kind.kind} of a fit with other {', '.join(other)}; it belongs to one fit; "
                       f"give the folder of that fit, or {kind.remake}.")  # fmt: skip
    return data


_ARRAYS = ("values", "weights", "per_run", "initial", "per_group")


def save_ensemble(ensemble: Ensemble, folder: str | Path) -> Path:
    """Write an ensemble with its seed, versions and the hashes of its fit.

    Args:
        ensemble: any.
        folder: that exists or is made.

    Returns:
        Path of the file.
    """
    arrays = {name: np.asarray(getattr(ensemble, name)) for name in _ARRAYS}
    data = {
        **ENSEMBLES.stamp(), "fit": _fit_of(ensemble.fit), "names": list(ensemble.names),
        # NaN is no JSON, and an empty array tells no shape
        **{name: {"shape": of.shape, "values": [None if np.isnan(one) else one for one in of.ravel().tolist()]}
           for name, of in arrays.items()},
        "resampled": ensemble.resampled, "seed": ensemble.seed, "seconds": ensemble.seconds,
        "failures": list(ensemble.failures), "remarks": ensemble.remarks(), "code": hash_of_code(),
        **where_it_ran(VERSIONS),
    }  # fmt: skip
    path = Path(folder) / ENSEMBLE_FILE
    write_whole(path, json.dumps(data))
    return path


def load_ensemble(folder: str | Path, fit: Fit) -> Ensemble:
    """Read an ensemble.

    Args:
        folder: see `save_ensemble`.
        fit: that was repeated.

    Returns:
        The ensemble, as it was saved.

    Raises:
        FitError: where there is none, it cannot be read, or it is of another fit.
    """
    path = Path(folder) / ENSEMBLE_FILE
    if not path.is_file():
        raise FitError(f"{path}: found no ensemble; make one with: graycell ensemble FIT --out {folder}.")
    try:
        data = _read(path, fit, ENSEMBLES)
        values, weights, per_run, initial, per_group = (
            np.array([np.nan if one is None else one for one in data[name]["values"]], float).reshape(
                [int(size) for size in data[name]["shape"]]
            )
            for name in _ARRAYS
        )
        names, runs = tuple(map(str, data["names"])), len(fit.runs)
        species = 0 if fit.initial_states is None else fit.initial_states.deviation.shape[1]
        if names != tuple(row.name for row in fit.estimates):
            raise ValueError("its parameters are not those of the fit")
        count = len(values)
        if values.shape != (count, len(names)) or per_run.shape != (count, runs, len(names)) or not count:
            raise ValueError("its arrays do not fit each other")
        if per_group.shape != (count, len(fit.per_group), len(names)):
            raise ValueError("its groups are not those of the fit")
        if initial.shape != (count, runs, species) or weights.shape != (count, len(weights_of(fit.model.nets))):
            raise ValueError("its arrays do not fit the fit")
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(weights))):
            raise ValueError("a member that is not finite")
        if data["resampled"] not in ("runs", "errors"):
            raise ValueError(f"resampled is {data['resampled']!r:.40}")
        return Ensemble(fit, names, values, weights, per_run, initial, per_group, data["resampled"], int(data["seed"]),
                        tuple(map(str, data["failures"])), float(data["seconds"]))  # fmt: skip
    except _UNREADABLE as error:
        raise FitError(f"{path}: found no readable ensemble ({error}); {ENSEMBLES.remake}.") from error
