"""A fit on disk: one JSON file, complete, so that it can be reported, repeated or continued elsewhere."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from graycell.cell.neural import weights_of, with_weights
from graycell.errors import FitError, ModelError
from graycell.inference import checkpoint
from graycell.inference.agreement import Agreement
from graycell.inference.group_effects import GroupEffects
from graycell.inference.initial_states import InitialStates
from graycell.inference.results import Estimate, Fit, FitSettings, FitStatus
from graycell.inference.stages import Stage
from graycell.model import CultureModel
from graycell.models import MODELS, model_of
from graycell.models.plain import model_from_plain, model_to_plain
from graycell.parameters import Parameter, ParameterTable
from graycell.provenance import describe, hash_of_run
from graycell.runs import records
from graycell.runs.records import CultureRun, Measurement, Provenance, Signal
from graycell.saved import SavedFormat
from graycell.storage import write_whole

FILE = "fit.json"
_LARGEST = 100_000_000


def _from_recipe(data: dict[str, Any]) -> dict[str, Any]:
    """Return a fit of format 1, which named the model of the library that it was made of, in format 2.

    Models with learned laws are left to `load_fit(folder, model=...)`; their weights had another form.
    """
    base = data.get("recipe", {}).get("base", data["model"])
    if data.get("networks"):
        raise FitError(f"found a fit of format 1 with learned laws of {base}; this version cannot read them; fit anew.")
    return {
        **{name: value for name, value in data.items() if name not in ("recipe", "networks", "own")},
        "definition": model_to_plain(model_of(base)) if base in MODELS else None,
        "weights": [],
        "per_run": data.get("own", {}),
    }


FITS = SavedFormat("fit", 4, "make it anew with: graycell fit", {1: _from_recipe, 2: dict, 3: dict})
"""The format of the file; 2 holds the model itself and not a recipe; 3 may have initial states that were estimated, and
rules among the events of its runs; 4 may have groups of runs with own parameters."""


def save_fit(fit: Fit, folder: str | Path) -> Path:
    """Write a fit, with its runs, and remove the checkpoint of it.

    Args:
        fit: any fit.
        folder: that exists or is made.

    Returns:
        Path of the file.
    """
    data = {
        **FITS.stamp(),
        "model": fit.model.name,
        "definition": _definition(fit.model),
        "parameters": [asdict(row) for row in fit.model.table],
        "weights": weights_of(fit.model.nets).tolist() if fit.model.nets else [],
        "estimates": [asdict(estimate) for estimate in fit.estimates],
        "covariance": fit.covariance.tolist(),
        "cost": fit.cost,
        "converged": fit.converged,
        "status": None if fit.status is None else fit.status.name,
        "settings": asdict(fit.settings),
        "history": list(fit.history),
        "per_run": fit.per_run,
        "initial_states": None if fit.initial_states is None else fit.initial_states.plain(),
        "agreement": None if fit.agreement is None else fit.agreement.plain(),
        "groups": None if fit.group_effects is None else fit.group_effects.plain(),
        "provenance": fit.provenance,
        "runs": [_run_to_plain(run) for run in fit.runs],
    }
    path = Path(folder) / FILE
    write_whole(path, json.dumps(data, indent=1))
    (Path(folder) / checkpoint.FILE).unlink(missing_ok=True)
    return path


def require_no_other_fit(folder: str | Path, runs: Sequence[CultureRun], model: CultureModel | None = None) -> None:
    """Check, before a fit, that its folder does not hold the result of another model or of other runs.

    Args:
        folder: where the fit will be saved.
        runs: that will be fitted to.
        model: that will be fitted; None where it is not chosen yet.

    Raises:
        FitError: where a result would be lost.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        data = json.loads(path.read_text(encoding="utf-8"))
        name, made, known = data["model"], data["provenance"], data["provenance"]["runs"]
        if model is not None and name == model.name:
            others = [key for key, value in describe(model).items() if made.get(key) != value]
            name = f"{name} with other {', '.join(others)}" if others else name
        same = known == {run.name: hash_of_run(run) for run in runs}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        name, known, same = "a file that is no fit", {}, False
    if same and (model is None or name == model.name):
        return
    listed = ", ".join(list(known)[:3]) + (" and more" if len(known) > 3 else "")
    raise FitError(
        f"{path}: found the result of {name}{f' and the runs {listed}' if listed else ''}; the fit of another model, "
        "or to other runs, would replace it; name another folder with --out, or move this one away."
    )


def load_fit(folder: str | Path, model: CultureModel | None = None) -> Fit:
    """Read a fit.

    Args:
        folder: see `save_fit`.
        model: for a fit whose rate laws are not part of graycell; else the model is built from the file.

    Returns:
        The fit, as it was saved.

    Raises:
        FitError: where there is no fit, it cannot be read, or it was made with another model.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise FitError(f"{path}: found no fit; make one with: graycell fit RUN --out {folder}.")
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes, at most {_LARGEST} are read")
        data = json.loads(path.read_text(encoding="utf-8"))
        fault = FITS.fault(data)
        if fault:
            raise FitError(f"{path}: {fault}.")
        remark, data = FITS.remark(data), FITS.migrated(data)
        if remark:  # what a fit says of its version is in what it depends on
            data["provenance"].setdefault("versions", {})["graycell"] = data["graycell"]
        stages = data["settings"].pop("stages")
        settings = FitSettings(
            **data["settings"], stages=None if stages is None else tuple(Stage(**stage) for stage in stages)
        )
        table = ParameterTable(tuple(Parameter(**row) for row in data["parameters"]))
        base = _model_of(data, model, path)
        base = base.with_table(table)
        if base.nets:
            base = base.changed(nets=with_weights(base.nets, jnp.asarray(data["weights"], jnp.float64)))
        _require_same(base, data["provenance"], path)
        covariance = np.array(data["covariance"], float)
        return Fit(
            base,
            tuple(_run_from_plain(run) for run in data["runs"]),
            tuple(Estimate(**estimate) for estimate in data["estimates"]),
            covariance.reshape(len(covariance), len(covariance)),  # (0, 0), not (0,), where nothing was learned
            float(data["cost"]),
            bool(data["converged"]),
            settings,
            tuple(data["history"]),
            data["provenance"],
            data.get("per_run", {}),
            FitStatus[data["status"]] if data.get("status") else None,
            InitialStates.from_plain(data["initial_states"]) if data.get("initial_states") else None,
            Agreement.from_plain(data["agreement"]) if data.get("agreement") else None,
            GroupEffects.from_plain(data["groups"]) if data.get("groups") else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelError) as error:
        raise FitError(f"{path}: found no readable fit ({error}); make it anew with: graycell fit.") from error


def _definition(model: CultureModel) -> dict[str, Any] | None:
    """Return the model as plain data; None where its laws are not part of graycell."""
    try:
        return model_to_plain(model)
    except ModelError:
        return None


def _model_of(data: dict[str, Any], model: CultureModel | None, path: Path) -> CultureModel:
    if model is not None:
        return model
    if data["definition"] is None:
        raise FitError(
            f"{path}: found a fit of '{data['model']}', whose laws are not part of graycell; give the model: "
            "load_fit(folder, model=...)."
        )
    return model_from_plain(data["definition"])


def _require_same(model: CultureModel, provenance: dict[str, Any], path: Path) -> None:
    described = describe(model)
    differing = [name for name, value in described.items() if provenance.get(name) != value]
    if differing:
        raise FitError(
            f"{path}: found a fit of a model with other {', '.join(differing)} than '{model.name}' of the library; "
            "a fit is read with the model that it was made with; give it: load_fit(folder, model=...)."
        )


def _run_to_plain(run: CultureRun) -> dict[str, Any]:
    def series(one) -> dict[str, Any]:
        return {
            item.name: value.tolist() if hasattr(value := getattr(one, item.name), "tolist") else value
            for item in fields(one)
        }

    return {
        "name": run.name,
        "initial_volume": float(run.initial_volume),
        "initial": {name: float(value) for name, value in run.initial.items()},
        "initial_temperature": float(run.initial_temperature),
        "end": float(run.end),
        "media": {name: {species: float(value) for species, value in medium.items()}
                  for name, medium in run.media.items()},
        "measurements": [series(one) for one in run.measurements.values()],
        "signals": [series(one) for one in run.signals.values()],
        "events": [_event_to_plain(event) for event in run.events],
        "provenance": asdict(run.provenance),
        "units": dict(run.units),
        "molar_masses": {name: float(mass) for name, mass in run.molar_masses.items()},
    }  # fmt: skip


def _event_to_plain(event: records.Event) -> dict[str, Any]:
    """Return an event with plain numbers, where those of a run may be of numpy or JAX."""

    def plain(name: str, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return bool(value) if name == "retains_cells" else float(value)

    given = {item.name: plain(item.name, getattr(event, item.name)) for item in fields(event)}
    return {"event": type(event).__name__, **given}


_EVENTS = {kind.__name__: kind for kind in records.Event.__args__}


def _run_from_plain(data: dict[str, Any]) -> CultureRun:
    def series(kind, one: dict[str, Any]):
        return kind(**{key: np.array(value) if isinstance(value, list) else value for key, value in one.items()})

    measurements = [series(Measurement, one) for one in data["measurements"]]
    signals = [series(Signal, one) for one in data["signals"]]
    provenance = {**data["provenance"], "files": tuple(data["provenance"]["files"])}
    return CultureRun(
        name=data["name"],
        initial_volume=data["initial_volume"],
        initial=data["initial"],
        measurements={one.quantity: one for one in measurements},
        events=tuple(_EVENTS[event.pop("event")](**event) for event in data["events"]),
        media=data["media"],
        signals={one.quantity: one for one in signals},
        initial_temperature=data["initial_temperature"],
        end=data["end"],
        provenance=Provenance(**provenance),
        units=data.get("units", {}),
        molar_masses=data.get("molar_masses", {}),
    )
