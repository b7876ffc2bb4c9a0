"""The wheel and the sdist: built, installed into empty environments, and used up to the first figure.

    python packaging/wheel_test.py        needs the package build, and a network or an index for the dependencies

What a fresh user has: no checkout on the path, no extra, a home without a cache.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST_FIGURE = """
import graycell as gc
path = gc.simulate(gc.nolan_lee(), gc.bundled_run())
figure = path.plot()
figure.write_html("first.html", include_plotlyjs=True)
print(gc.__file__)
"""
MOST = 60.0
"""[s] From an empty environment to the first figure."""


def run(*words: str, **more) -> str:
    """Run a command; return what it printed."""
    done = subprocess.run(words, text=True, capture_output=True, check=False, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Build both, look at what they hold, install each, and draw the first figure with it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "build", "--outdir", str(place / "dist"), str(ROOT))
        [wheel], [sdist] = place.glob("dist/*.whl"), place.glob("dist/*.tar.gz")
        with zipfile.ZipFile(wheel) as held:
            names = held.namelist()
        assert any(name.startswith("graycell/runs/bundled/") for name in names), "the bundled run is not in the wheel"
        assert not [name for name in names if name.startswith(("tests/", "docs/", "studies/"))]
        with tarfile.open(sdist) as held:
            assert any(name.endswith("/LICENSE") for name in held.getnames())
        for file in (wheel, sdist):
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB", flush=True)
            bare = {name: value for name, value in os.environ.items()
                    if not name.startswith(("PYTHON", "GRAYCELL", "VIRTUAL_ENV", "JAX", "XLA"))}  # fmt: skip
            env = {**bare, "HOME": str(place), "XDG_CACHE_HOME": str(place / f"cache-{file.suffix}")}
            environment = place / f"env-{file.suffix}"
            begun = time.monotonic()
            run(sys.executable, "-m", "venv", str(environment))
            python = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
            run(python, "-m", "pip", "install", "-q", str(file), env=bare)
            installed = time.monotonic() - begun
            where = run(python, "-c", FIRST_FIGURE, cwd=place, env=env)
            seconds = time.monotonic() - begun
            assert str(environment) in where, where
            assert (place / "first.html").stat().st_size > 1e5
            said = run(python, "-m", "graycell.cli", "doctor", cwd=place, env=env)
            assert "as it should be" in said, said
            print(f"  installed in {installed:.0f} s, first figure after {seconds:.0f} s"
                  f"{'' if seconds <= MOST else f', more than {MOST:.0f} s'}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
