"""doctor: what graycell runs on, and whether it computes what it should."""

import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import typer

from graycell.cli.exit_codes import FAULTS
from graycell.cli.sentences import print_error, say
from graycell.compiling import cache_folder
from graycell.versions import VERSIONS

_PARTS = {
    "numpyro": ("sampling", "draws from a posterior"), "cuthbert": ("following", "the Kalman filter"),
    "xarray": ("export", "predictions as xarray"), "arviz": ("export", "predictions as InferenceData"),
    "pyarrow": ("parquet", "Parquet files"), "antimony": ("antimony", "models in Antimony"),
    "distributed": ("dask", "many machines by Dask"), "nicegui": ("app", "the app in a browser"),
    "kaleido": ("figures", "figures as files"),
}  # fmt: skip
"""Packages, the extra that installs each, and what it is for."""
_ANSWER = 0.576
"""[1] Mean NRMSE of the published model in the bundled run; tests/test_readme.py has it too."""


def _doctor() -> None:
    for line in (*_machine(), *_cache(), *_optional()):
        say(line)
    begun = time.monotonic()
    from graycell.models import nolan_lee  # with JAX
    from graycell.runs import bundled_run
    from graycell.simulation import mean_nrmse, scores, simulate

    say(f"Devices: {_devices()}.")
    path = simulate(nolan_lee(), bundled_run())
    found = mean_nrmse(scores(path)) if path.status == 0 else float("nan")
    seconds = time.monotonic() - begun
    if abs(found - _ANSWER) < 5e-4:
        say(f"Self-test: the bundled run is simulated as it should be (mean NRMSE {found:.3f}), in {seconds:.1f} s "
            "with the imports.")  # fmt: skip
        return
    print_error(f"Self-test: the mean NRMSE of the bundled run is {found:.4g} ({path.status.name}) and should be "
                f"{_ANSWER}: do not trust results of this installation. Install graycell anew into an empty "
                "environment; if that does not help, report a fault with this output.")  # fmt: skip
    raise typer.Exit(FAULTS)


def _machine() -> list[str]:
    """Return versions and processors."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [f"Versions: {versions}.",
            f"Python {platform.python_version()} at {sys.executable}; {platform.system()} {platform.release()} "
            f"{platform.machine()}; {cores} cores."]  # fmt: skip


def _cache() -> list[str]:
    """Return where compiled programs are kept."""
    folder = cache_folder()
    if folder is None:
        return ["Compiled programs are not kept: every command compiles anew."]
    sizes = [path.stat().st_size for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    at = folder
    while not _is_there(at) and at != at.parent:
        at = at.parent
    if not os.access(at, os.W_OK):
        return [f"Compiled programs cannot be kept in {folder}: it cannot be written to. Name another folder by the "
                "variable GRAYCELL_CACHE."]  # fmt: skip
    size = f"{sum(sizes) / 1e6:.0f} MB in {len(sizes)} files"
    return [f"Compiled programs: {_places(folder)}, {size}; the folder may be deleted."]


def _places(folder: Path) -> str:
    return str(folder) if _is_there(folder) else f"{folder} (not made yet)"


def _is_there(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:  # within a folder that may not be looked into
        return False


def _optional() -> list[str]:
    """Return which optional parts are there."""
    there, missing = [], []
    for name, (extra, purpose) in _PARTS.items():
        try:
            there.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(f"{name} ({purpose}: pip install 'graycell[{extra}]')")
    found = [f"Optional parts: {', '.join(there) or 'none'}."]
    return [*found, f"Not installed: {', '.join(missing)}."] if missing else found


def _devices() -> str:
    import jax

    return ", ".join(f"{one.platform} {one.device_kind}" for one in jax.devices())
