"""The cases of tests/reference/cho_models: a run for each, and which column is which quantity of the model."""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graycell.runs import CultureRun, End, Feed, Replacement, Setpoint

FOLDER = Path(__file__).parents[1] / "reference" / "cho_models"
COLUMNS = {
    "Xv_1e9_cells_per_L": "VCD", "Xd_1e9_cells_per_L": "dead", "Xl_1e9_cells_per_L": "lysed",
    "Xt_1e9_cells_per_L": "TCD", "X_V_cells": "VCD", "X_D_cells": "dead", "X_T_cells": "TCD",
    "Glc_mM": "GLC", "Gln_mM": "GLN", "Lac_mM": "LAC", "NH3_mM": "NH3",
    "mAb_mg_per_L": "ANTI", "product_mg_per_L": "ANTI", "P_over_1000": "ANTI",
}  # fmt: skip
"""Columns of the tables, and the quantities of the models; the volume stands apart."""
REPLACED = 0.02
"""[1] A feed without volume: this part of GLC and GLN is replaced by what it was, as the table says, and the feed."""


@dataclass(frozen=True)
class Case:
    """One trajectory of a table.

    model: name of the model. parameters: name of its set. key: of the rows, their first cell; None for all rows.
    feeds: (time [h], rate [L/h]). medium: by species. temperatures: (time [h], degC), from 0 on. pH: None for a model
    without. boluses: (time [h], mmol/L more of glucose), without volume; glutamine gets a tenth of it.
    without: quantities that the reference leaves out, as 0.
    """

    model: str
    key: str | None
    parameters: str = ""
    feeds: tuple[tuple[float, float], ...] = ()
    medium: tuple[tuple[str, float], ...] = ()
    temperatures: tuple[tuple[float, float], ...] = ()
    pH: float | None = None
    boluses: tuple[tuple[float, float], ...] = ()
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.model} {self.key or ''}".strip()

    @functools.cached_property
    def rows(self) -> list[dict[str, str]]:
        """The rows of the table."""
        lines = (FOLDER / f"{self.model}.csv").read_text(encoding="utf-8").splitlines()
        first = lines[0].split(",")[0]
        return [row for row in csv.DictReader(lines) if self.key is None or row[first] == self.key]

    @functools.cached_property
    def time(self) -> np.ndarray:
        """Times of the rows [d]."""
        return np.array([float(row["time_d"]) for row in self.rows])

    @functools.cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Values by quantity of the model."""
        scale = {name: 1e-9 if name.endswith("_cells") else 1.0 for name in COLUMNS}
        return {
            quantity: scale[name] * np.array([float(row[name]) for row in self.rows])
            for name, quantity in COLUMNS.items() if name in self.rows[0] and quantity not in self.without
        }  # fmt: skip

    @functools.cached_property
    def volume(self) -> np.ndarray | None:
        """Volumes of the rows [L]; None for a model without a volume."""
        return np.array([float(row["V_L"]) for row in self.rows]) if "V_L" in self.rows[0] else None

    @functools.cached_property
    def run(self) -> CultureRun:
        """The run."""
        volume = 1.0 if self.volume is None else float(self.volume[0])
        initial = {name: float(values[0]) for name, values in self.columns.items() if name != "TCD"}
        events = [Feed(time / 24.0, "feed", 24.0 * rate) for time, rate in self.feeds]
        media = {"feed": dict(self.medium)} if self.medium else {}
        for time, glucose in self.boluses:
            fed, before = {"GLC": glucose, "GLN": 0.1 * glucose}, int(np.argmin(np.abs(self.time - time / 24.0)))
            media[f"{time} h"] = {name: more / REPLACED + self.columns[name][before] for name, more in fed.items()}
            events.append(Replacement(time / 24.0, f"{time} h", REPLACED))
        events += [Setpoint(time / 24.0, value) for time, value in self.temperatures]
        if self.pH is not None:
            events.append(Setpoint(0.0, self.pH, "pH"))
        events.append(End(float(self.time[-1])))
        events.sort(key=lambda event: event.time)
        return CultureRun(str(self), volume, initial, events=tuple(events), media=media)


_XING = {"feeds": ((48, 0.002), (72, 0.004), (96, 0.007), (120, 0.011), (144, 0.015)),
         "medium": (("GLC", 200.0), ("GLN", 25.0))}  # fmt: skip
_DE_TREMBLAY = {"feeds": tuple((24 * day, rate / 24) for day, rate in ((2, 0.05), (4, 0.15), (6, 0.2), (8, 0.1))),
                "medium": (("GLC", 25.0), ("GLN", 4.0))}  # fmt: skip
_MOELLER = (("GLC", 150.0), ("GLN", 10.0))
CASES = (
    Case("amribt-2013", "A", feeds=((52, 0.0012), (64, 0.002), (78, 0.004), (92, 0.008), (106, 0.012)),
         medium=(("GLC", 15.0), ("GLN", 4.0))),
    Case("amribt-2013", "B", "lysis", feeds=((35, 0.1 / 24),), medium=(("GLC", 15.0), ("GLN", 9.3))),
    Case("craven-2013", "A_alpha1_MBR", temperatures=((0, 36.0),), pH=7.2, boluses=((70, 15), (140, 20), (210, 10))),
    Case("craven-2013", "B_alpha17_PILOT", "alpha-17-pilot", temperatures=((0, 35.0),), pH=7.1,
         boluses=((70, 20), (140, 20), (210, 10))),
    Case("craven-2013", "C_beta17_MTP", "beta-17-mtp", temperatures=((0, 37.0),), pH=7.4, boluses=((140, 50),)),
    Case("de-tremblay-1992", "literal", **_DE_TREMBLAY),
    Case("de-tremblay-1992", "normalised", "normalised", **_DE_TREMBLAY),
    Case("kontoravdi-2010", None, feeds=((36, 0.002), (72, 0.005), (120, 0.0)), medium=(("GLC", 200.0), ("GLN", 40.0))),
    Case("moeller-2020", "A", feeds=((0, 0.003),), medium=_MOELLER, temperatures=((0, 36.4),), pH=7.0),
    Case("moeller-2020", "B", feeds=((72, 0.0012), (120, 0.004), (216, 0.003)), medium=_MOELLER,
         temperatures=((0, 37.0), (120, 33.0)), pH=7.1),
    Case("xing-2010", "A_xing_gross_growth", without=("ANTI",), **_XING),
    Case("xing-2010", "B_kornecki_strube_net_growth", "kornecki-strube-net", **_XING),
    Case("xing-2010", "C_kornecki_strube_gross_growth", "kornecki-strube", **_XING),
)  # fmt: skip
