"""How long the import and the checks of a thousand runs take.

The work: a CSV file of 1000 in-silico runs, 15 samples of 30 quantities each, with feeds and samples. It is read by a
mapping, and all checks are asked. No other tool does this; beside it stands `pandas.read_csv`, which reads the same
file into one table and is the floor of any import. Times are medians, of the whole and by part.

    python benchmarks/thousand_runs.py --out results/bench
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import common
import numpy as np
import pandas as pd
from common import Target

from graycell.balances.plausibility import implausible
from graycell.imports.importing import import_runs
from graycell.runs.checks import check_runs
from graycell.runs.solutes import FORMULAS

RUNS, SAMPLES, SEED = 1000, 15, 0
CELLS = {"VCD": "VCD (1e6 cells/mL)", "TCD": "TCD (1e6 cells/mL)", "viability": "Viability (%)"}
SPECIES = [*FORMULAS, "ANTI", "PYR", "CIT"]
PACKAGES = ("graycell", "numpy", "pandas")


def table() -> pd.DataFrame:
    """Return the samples of all runs: logistic growth, glucose fed and used up, all with an error of 3 %."""
    random = np.random.default_rng(SEED)

    def scattered(value: np.ndarray) -> np.ndarray:
        return np.abs(value * (1.0 + 0.03 * random.standard_normal(value.shape)))

    day = np.arange(SAMPLES) + np.where(np.arange(SAMPLES) > 0, random.uniform(-0.05, 0.05, (RUNS, SAMPLES)), 0.0)
    cells = 0.4 * np.exp(0.6 * day) / (1.0 + 0.4 * np.exp(0.6 * day) / 15.0)
    alive = 0.98 - 0.01 * day
    columns = {
        "Run": np.repeat([f"run{i:04d}" for i in range(RUNS)], SAMPLES), "Time (h)": 24.0 * day,
        CELLS["VCD"]: scattered(cells), CELLS["TCD"]: scattered(cells / alive), CELLS["viability"]: 100.0 * alive,
        "Feed (mL)": np.where(np.arange(SAMPLES) % 3 == 2, 20.0, 0.0) + 0.0 * day, "Sample (mL)": 1.5 + 0.0 * day,
    }  # fmt: skip
    for name in SPECIES:
        rising = name in ("LAC", "NH3", "ALA", "GLY", "ANTI")
        columns[f"{name} (mM)"] = scattered(
            0.5 + 0.4 * day if rising else (30.0 if name == "GLC" else 3.0) - 0.15 * day
        )
    return pd.DataFrame({head: np.ravel(values) for head, values in columns.items()})


MAPPING = {
    "run": "Run", "time": "Time (h)", "taken": "before", "start": {"volume": "2 L"},
    "sample": {"volume": "Sample (mL)"}, "measured": {**CELLS, **{name: f"{name} (mM)" for name in SPECIES}},
    "feeds": {"F1": {"volume": "Feed (mL)", "media": {"GLC": "150 mmol/L"}}},
}  # fmt: skip


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    before = common.machine()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        table().to_csv(path, index=False)
        runs = import_runs(path, MAPPING)
        calls = {
            "import": lambda: len(import_runs(path, MAPPING)),
            "checks": lambda: len([*check_runs(runs), *implausible(runs)]),
            "pandas.read_csv": lambda: len(pd.read_csv(path)),
        }
        timings = common.measure(calls, options.repeats)
        findings = [*check_runs(runs), *implausible(runs)]
    both = timings["import"].run_s + timings["checks"].run_s
    quantities = len(MAPPING["measured"])
    rows = [{"work": name, **asdict(timing)} for name, timing in timings.items()]
    floor = timings["pandas.read_csv"].run_s
    printed = [(row["work"], f"{row['run_s']:.2f}", f"{row['run_s'] / floor:.0f}", "") for row in rows]
    title = f"{len(runs)} runs, {SAMPLES} samples, {quantities} quantities"
    common.print_table(title, ("work", "run [s]", "over read_csv", "note"), printed)
    common.CONSOLE.print(
        f"{len(findings)} findings, {sum(finding.severity == 'error' for finding in findings)} of them errors."
    )
    wanted = [Target("import and checks [s]", "<=", 20.0, both)]
    common.print_targets(wanted)
    result = {"machine": {"before": before, "after": common.machine()}, "versions": common.versions(PACKAGES),
              "seed": SEED, "runs": len(runs), "samples": SAMPLES, "quantities": quantities, "rows": rows}  # fmt: skip
    common.write(options.out, "thousand_runs", result, wanted)


if __name__ == "__main__":
    main()
