"""Open data sets as runs: fifty and fifty simulated cultures, and three measured ones.

The files are not part of the project: they lie in `../shared/data` beside the repository, each with its licence. The
runs are for models whose biomass species `BIOM` counts viable cells, with biomass_per_cell = 1: BIOM [mmol/L] is then
VCD [1e9 cells/L] in number, and the viability of every run is 1. VCD is measured, BIOM is not listed again.

What is known of the in-silico set (insilico-fed-batch, MIT, Tim-Lin):

* VCD [1e6 cells/mL], GLC and LAC [mmol/L], titer [mg/L]. No file names the units; with these a k_Glc of 0.04 per hour
  is 0.96 mmol/(1e9 cells)/d and a k_Prod of 1 is 24 pg/cell/d, both usual for CHO.
* No noise, no volume, no dilution: `true_rates` is the law, and glucose is fed as `Glc_feed_rate` [mmol/L/d] from
  `feed_start` to `feed_end` [d] of the table doe. So solved, the law meets every value to 0.004 mmol/L of glucose,
  0.004 of lactate, 0.0003 of VCD and 0.04 mg/L of titer; with the generator's own solver (BDF, tolerances of 1e-6) to
  0.0007, 0.0001, 0.00002 and 0.001. An early state of that generator, with feed rates per hour, is
  github.com/japolak/datahow-course-scripts, modules/emulator.py.
* The column `F:Glc` is that rate in the rows from the whole day of feed_start up to, not including, the whole day of
  feed_end. As a schedule it begins and ends up to a day early, and glucose is off by up to
  32 mmol/L; it is not used.
* Lactate is made at a constant rate whether or not there is glucose, 1.5 per glucose while there is, so carbon does not
  balance once glucose is gone (below 0.5 mmol/L in 21 runs of training and 4 of test).

What is known of the measured set (umn-fed-batch, MIT, Decision Discovery and Optimization Lab):

* Measured, then sampled, then fed. The workbook says "Concentration Before Feeding"; F02 is 0.5 % and F01 2 %, later
  3 %, of the volume after the sample to all digits; and glucose rises from day 9.0 to 9.7, on the feed of day 9.0.
* So the volumes close by themselves, 74 mL to 60.265 mL; the columns for them are empty. No base was added.
* Run 21 of "CL2" has the times of run 12 to the minute, and the volumes and feeds of all: one experiment in parallel.
  Its values differ: none of its 344 values that are not zero equals that of another run.
* F01 is listed with 0 histidine, and yet more of it is found from day 6 on; the cells cannot make it, so the list does
  not cover it, or water was lost without a record. Tyrosine and glycine are listed with 0 too and fall.
* Proline stays within 2.51 and 2.54 mmol/L although F01 brings 19 mmol/L: as if the cells used what is fed, to 1 %.
  No assay is that good; do not read a rate from it.
* Ethanolamine is 0 throughout and left out, and so are dead cells.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd

from graycell.model import CultureModel
from graycell.reactor import Reactor
from graycell.runs.format.assembly import DEFAULT_ABSOLUTE_ERROR, DEFAULT_RELATIVE_ERROR
from graycell.runs.records import (
    VCD,
    VIABILITY,
    Bolus,
    CultureRun,
    Event,
    Feed,
    Measurement,
    Outflow,
    Provenance,
    Sample,
    Signal,
)
from graycell.units import CELL_DENSITY, CONCENTRATION, DIMENSIONLESS

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
BIOMASS = "BIOM"
TITER_UNIT = "mg/L"
"""Unit of ANTI in all runs here, in place of mmol/L: one sequence is not known, the other is not real."""

INSILICO_SPECIES = (BIOMASS, "ANTI", "GLC", "LAC")
CONCENTRATE = 5000.0
"""Glucose [mmol/L] of the medium that represents the feed: `check_runs` allows no more, since it saturates there."""

TRUE_PARAMETERS: Mapping[str, float] = MappingProxyType(
    {
        "mu_g_max": 0.05,  # 1/h
        "mu_d_max": 0.025,  # 1/h
        "K_g_Glc": 1.0,  # mmol/L
        "K_I_Lac": 30.0,  # mmol/L
        "K_d_Lac": 50.0,  # mmol/L
        "k_Glc": 0.04,  # mmol/(1e9 cells)/h
        "k_Lac": 0.06,  # mmol/(1e9 cells)/h
        "k_Prod": 1.0,  # mg/(1e9 cells)/h
    }
)
"""Parameters of all in-silico runs, as both doe tables list them, with the units that they then have."""

UMN_FILE = "runs.xlsx"
_NAMES = {
    "IgG (mg/L)": "ANTI",
    "Glucose (mM)": "GLC",
    "Lactate (mM)": "LAC",
    "NH3 (mM)": "NH3",
    "Alanine (mM)": "ALA",
    "Arginine (mM)": "ARG",
    "Asparagine (mM)": "ASN",
    "Aspartate (mM)": "ASP",
    "Cystine (mM)": "CYSTINE",
    "Glutamine (mM)": "GLN",
    "Glutamate (mM)": "GLU",
    "Glycine (mM)": "GLY",
    "Histidine (mM)": "HIS",
    "Isoleucine (mM)": "ILE",
    "Leucine (mM)": "LEU",
    "Lysine (mM)": "LYS",
    "Methionine (mM)": "MET",
    "Phenylalanine (mM)": "PHE",
    "Proline (mM)": "PRO",
    "Serine (mM)": "SER",
    "Threonine (mM)": "THR",
    "Tryptophan (mM)": "TRP",
    "Tyrosine (mM)": "TYR",
    "Valine (mM)": "VAL",
}
UMN_SPECIES = (BIOMASS, *_NAMES.values())
_LITRE = 1e-3
"""[L/mL]"""
_HOURS = 24.0
"""[h/d]"""
_ALIVE = Signal(VIABILITY, DIMENSIONLESS, np.array([0.0]), np.array([1.0]))


def insilico_runs(folder: Path | str = DATA) -> tuple[list[CultureRun], list[CultureRun]]:
    """Return the 50 training and the 50 test runs: VCD [1e9 cells/L], GLC, LAC [mmol/L], ANTI [mg/L], daily to day 14.

    The values have no noise; their standard errors are the default ones, 5 % and 2 % of the largest. Test runs say
    how they were fed and no more. The feed is a medium of 5000 mmol/L glucose, and as much culture flows out through a
    filter: the volume of 1 L never changes (a plain feed would add up to 3.8 %). Through a filter that keeps the cells
    alone, as in any model, up to 3.8 % of what is dissolved is lost as well, and the true law then misses by up to 5 %
    of the largest glucose and 3 % of the rest; with `keep_solutes` nothing is lost, and the runs are exact.

    `folder` holds the folder insilico-fed-batch. Raises `FileNotFoundError` where a file is absent.

    >>> training, test = insilico_runs()  # doctest: +SKIP
    >>> training[0].events[0]  # doctest: +SKIP
    Feed(time=2.5, medium='glucose', rate=0.0025)
    """
    place = Path(folder) / "insilico-fed-batch"
    return _insilico_set(place, "train"), _insilico_set(place, "test")


def umn_runs(folder: Path | str = DATA) -> list[CultureRun]:
    """Return the three measured fed-batch runs of the workbook runs.xlsx, each of 13 samples in 9.7 d.

    VCD [1e9 cells/L], ANTI (IgG) [mg/L], GLC, LAC, NH3 and 20 amino acids, cystine among them [mmol/L], with standard
    errors of 5 % and 2 % of the largest value; volumes [L]. At one time the order is: measured, sampled, base, fed.

    `folder` holds the folder umn-fed-batch. Raises `FileNotFoundError` where the workbook is absent.

    >>> [run.name for run in umn_runs()]  # doctest: +SKIP
    ['umn-11', 'umn-12', 'umn-21']
    """
    path = _present(Path(folder) / "umn-fed-batch" / UMN_FILE)
    rows, media = _measured_rows(path), _feeds(path)
    provenance = _provenance(
        [path],
        "Decision Discovery and Optimization Lab (2024), MIT licence",
        "ANTI is IgG [mg/L]. BIOM counts viable cells, so viability is 1; dead cells are left out.",
    )
    return [_umn_run(int(number), samples, media[int(number)], provenance) for number, samples in rows.groupby("ID")]


def true_rates(concentrations: np.ndarray, parameters: Mapping[str, float] = TRUE_PARAMETERS) -> np.ndarray:
    r"""Return the specific rates behind the in-silico runs, for concentrations of `INSILICO_SPECIES` on the last axis.

    With X [1e9 cells/L], G and L [mmol/L], in hours:

    $\mu = \mu_g - \mu_d$, $\mu_g = \mu_{g,max} \frac{G}{K_g + G} \frac{K_I}{K_I + L}$,
    $\mu_d = \mu_{d,max} (1 + \frac{1}{1 + e^{-0.1 (G - 75)}}) \frac{L}{K_d + L}$,
    $q_G = -k_G \frac{G}{0.05 + G}$, $q_L = k_L$, $q_P = k_P \frac{G}{K_g + G} (1 - \mu_g / \mu_{g,max})^2$.

    The numbers 0.1 L/mmol, 75 and 0.05 mmol/L are in no table; they are those of the published generator. Returned per
    day: growth [1/d], ANTI [mg/(1e9 cells)/d], GLC and LAC [mmol/(1e9 cells)/d].

    >>> print(true_rates(np.array([1.0, 0.0, 1.0, 0.0])).round(4))
    [ 0.6     3.     -0.9143  1.44  ]
    """
    p = parameters
    glucose, lactate = concentrations[..., 2], concentrations[..., 3]
    fed = glucose / (p["K_g_Glc"] + glucose)
    growing = fed * p["K_I_Lac"] / (p["K_I_Lac"] + lactate)
    osmotic = 1.0 / (1.0 + np.exp(-0.1 * (glucose - 75.0)))
    death = p["mu_d_max"] * (1.0 + osmotic) * lactate / (p["K_d_Lac"] + lactate)
    growth = p["mu_g_max"] * growing - death
    production = p["k_Prod"] * fed * (1.0 - growing) ** 2
    uptake = p["k_Glc"] * glucose / (0.05 + glucose)
    return _HOURS * np.stack([growth, production, -uptake, p["k_Lac"] + 0.0 * glucose], axis=-1)


def keep_solutes(model: CultureModel) -> CultureModel:
    """Return the model with a filter that only water passes, so that a harvest takes volume and nothing else.

    With it the in-silico runs are what their law says: feed without dilution, dc/dt = X r + feed rate [mmol/L/d]. A
    model of dc/dt itself has no filter and stays as it is.
    """
    if not isinstance(model.reactor, Reactor):
        return model
    return eqx.tree_at(lambda it: it.reactor.retained, model, jnp.ones(len(model.species)))


def _insilico_set(place: Path, kind: str) -> list[CultureRun]:
    files = [_present(place / f"{kind}_owu.csv"), _present(place / f"{kind}_owu_doe.csv")]
    measured, plan = (pd.read_csv(file) for file in files)
    provenance = _provenance(
        files, "Tim-Lin (2025), MIT licence", "Simulated, without noise. ANTI is titer [mg/L]; the volume is nominal."
    )
    columns = {VCD: "X:VCD", "ANTI": "X:Titer", "GLC": "X:Glc", "LAC": "X:Lac"}
    runs = []
    for number, rows in measured.groupby("run"):
        # the generator's solver undershoots to -2e-7 mmol/L where glucose is gone
        series = {name: np.maximum(rows[column].to_numpy(float), 0.0) for name, column in columns.items()}
        row = plan.iloc[int(number)]
        runs.append(
            CultureRun(
                name=f"insilico-{kind}-{int(number):02d}",
                initial_volume=1.0,
                initial=_initial(series),
                measurements=_measurements(rows["time"].to_numpy(float), series),
                events=_glucose_feed(float(row["feed_start"]), float(row["feed_end"]), float(row["Glc_feed_rate"])),
                media={"glucose": {"GLC": CONCENTRATE}},
                signals={VIABILITY: _ALIVE},
                provenance=provenance,
            )
        )
    return runs


def _glucose_feed(start: float, stop: float, rate: float) -> tuple[Event, ...]:
    """Return the events that feed `rate` [mmol/L/d] of glucose to 1 L from `start` to `stop` [d]."""
    flow = rate / CONCENTRATE
    # the outflow equals the feed to the last bit: the volume is then exactly constant
    return (
        Feed(start, "glucose", flow),
        Outflow(start, flow, retains_cells=True),
        Feed(stop, "glucose", 0.0),
        Outflow(stop, 0.0, retains_cells=True),
    )


def _measured_rows(path: Path) -> pd.DataFrame:
    """Return the rows of the sheet Measured Data, with the concentrations before feeding."""
    sheet = pd.read_excel(path, sheet_name="Measured Data", header=None)
    blocks, names = sheet.iloc[0].ffill(), sheet.iloc[1].astype(str).str.strip()
    # the same names stand again under "After Feeding" and "Calculated", empty
    wanted = blocks.isin(["Experiment Data", "Feed Volume (mL)", "Concentration Before Feeding"])
    rows = sheet.loc[2:, wanted]
    rows.columns = names[wanted]
    return rows.dropna(subset=["ID"])


def _feeds(path: Path) -> dict[int, dict[str, dict[str, float]]]:
    """Return the composition [mmol/L] of each feed, by run and name; an empty cell is 0."""
    sheet = pd.read_excel(path, sheet_name="Feed Concentration", header=None)
    feeds: dict[int, dict[str, dict[str, float]]] = {}
    for column in sheet.columns[1:]:
        number, name = int(sheet.loc[1, column]), str(sheet.loc[2, column])
        listed = sheet.loc[3:].set_index(0)[column].fillna(0.0)
        # what is 0 is named all the same: listed without it, not forgotten
        composition = {_NAMES[row]: float(value) for row, value in listed.items() if row in _NAMES}
        feeds.setdefault(number, {})[name] = composition
    return feeds


def _umn_run(
    number: int, rows: pd.DataFrame, feeds: Mapping[str, Mapping[str, float]], provenance: Provenance
) -> CultureRun:
    dates = pd.to_datetime(rows.iloc[:, 0])
    time = ((dates - dates.iloc[0]).dt.total_seconds() / 86400.0).to_numpy(float)
    series = {VCD: rows["Viable Cell Concentration (10^6 cells/mL)"].to_numpy(float)}
    series |= {name: rows[column].to_numpy(float) for column, name in _NAMES.items()}
    events: list[Event] = []
    for now, (_, row) in zip(time, rows.iterrows(), strict=True):
        events.append(Sample(float(now), float(row["Sample Volume (mL)"]) * _LITRE))
        added = {"base": row["Base Added (mL)"]} | {name: row[name] for name in feeds}
        events += [Bolus(float(now), name, float(amount) * _LITRE) for name, amount in added.items() if amount > 0.0]
    return CultureRun(
        name=f"umn-{number}",
        initial_volume=float(rows["Initial Volume (mL)"].iloc[0]) * _LITRE,
        initial=_initial(series),
        measurements=_measurements(time, series),
        events=tuple(events),
        media={"base": {}, **feeds},
        signals={VIABILITY: _ALIVE},
        provenance=provenance,
    )


def _initial(series: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the first values by species; cells are biomass."""
    return {BIOMASS if name == VCD else name: float(value[0]) for name, value in series.items()}


def _measurements(time: np.ndarray, series: Mapping[str, np.ndarray]) -> dict[str, Measurement]:
    units = {VCD: CELL_DENSITY, "ANTI": TITER_UNIT}
    measured = {}
    for name, value in series.items():
        error = np.hypot(DEFAULT_RELATIVE_ERROR * value, DEFAULT_ABSOLUTE_ERROR * np.max(value))
        measured[name] = Measurement(name, units.get(name, CONCENTRATION), time, value, error)
    return measured


def _present(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; the open data lie beside the repository in ../shared/data; give their folder."
        )
    return path


def _provenance(files: Sequence[Path], citation: str, notes: str) -> Provenance:
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return Provenance(tuple(file.name for file in files), digest, citation, notes)
