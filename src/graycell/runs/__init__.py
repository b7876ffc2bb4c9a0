"""What was done to a culture and what was measured.

    files --read_runs--> CultureRun (names, internal units) --packing.pack--> arrays

`read_runs` reads CSV, XLSX and Parquet, `check_runs` lists all that is wrong with runs, and `bundled_run` returns a
published run. `graycell.runs.records` defines what a run consists of.

>>> run = bundled_run()
>>> run.measurements["GLC"].value[:2]  # mmol/L
array([69.31, 59.81])
"""

from graycell.runs.checks import check_runs
from graycell.runs.format.reading import bundled_run, read_runs, runs_from_tables
from graycell.runs.records import (
    REDOX,
    VCD,
    VIABILITY,
    Bolus,
    CellFeed,
    CultureRun,
    End,
    Event,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Measurement,
    Outflow,
    Provenance,
    Replacement,
    Sample,
    Setpoint,
    ShareBolus,
    Signal,
)

__all__ = [
    "REDOX",
    "VCD",
    "VIABILITY",
    "Bolus",
    "CellFeed",
    "CultureRun",
    "End",
    "Event",
    "Feed",
    "FeedRamp",
    "IvcdBolus",
    "LevelBolus",
    "Measurement",
    "Outflow",
    "Provenance",
    "Replacement",
    "Sample",
    "Setpoint",
    "ShareBolus",
    "Signal",
    "bundled_run",
    "check_runs",
    "read_runs",
    "runs_from_tables",
]
