"""Cultures that run out of substrates: whether they are simulated to their end, and how right their derivatives are.

Random batches and fed-batches run out of one to four substrates. Each is simulated with the usual tolerance; stops, the
mass balance and the lowest concentration are counted. Then derivatives of the final concentrations by the logarithms of
a few random parameters are compared with central differences, solved much more precisely: with the tolerance of a fit,
the usual one and a small one, and left as the steps of the trajectory make them. An error is relative to the largest
derivative; what differs by more than a ten-thousandth has the verdict of `graycell check-gradients`.

    python benchmarks/depletion.py --runs 200 --out results/bench
"""

import argparse
import math
import statistics
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import common
import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from common import Target

import graycell as gc
from graycell.diagnosis.differences import Differences, Verdict, judge
from graycell.engine import current_engine
from graycell.inference import FitSettings
from graycell.model import CultureModel
from graycell.packing import PackedRun, pack
from graycell.simulation.solve import SolverSettings, integrate

MODELS = ("nolan-lee-limited", "nolan-lee-extended-limited")
SUBSTRATES = ("GLC", "ASN", "SER", "CYSTINE", "ASP", "GLN", "GLU")
PARAMETERS = 3
"""Random parameters of each run."""
WITHIN = 1e-4
STEPS = (1e-4, 1e-5)
"""Of the logarithm of a parameter, for central differences."""
ASSAY = 0.01
"""[1] Part of the largest concentration of a species that counts as the standard error of its final one."""
TIMED = 5
"""Runs whose Jacobian is timed."""
PLAIN = SolverSettings(derivative_rtol=math.inf)
PRECISE = SolverSettings(rtol=1e-10, atol=1e-11, derivative_rtol=1e-8, most_steps=100_000)
FIT = FitSettings()
WAYS = {
    "of a fit, as the steps make them": SolverSettings(rtol=FIT.rtol, atol=FIT.atol, derivative_rtol=math.inf),
    "of a fit": SolverSettings(rtol=FIT.rtol, atol=FIT.atol),
    "usual, as the steps make them": PLAIN,
    "usual": SolverSettings(),
    "rtol 1e-8": SolverSettings(rtol=1e-8, atol=1e-9),
}


def random_run(seed: int) -> gc.CultureRun:
    """Return a batch or fed-batch that runs out of one to four substrates."""
    base, random = gc.bundled_run(), np.random.default_rng(seed)
    initial, end = dict(base.initial), float(random.uniform(5.0, 10.0))
    for name in random.choice(SUBSTRATES, random.integers(1, 5), replace=False):
        initial[name] *= float(10.0 ** random.uniform(-2.5, -0.3))
    initial["BIOM"] *= float(10.0 ** random.uniform(-0.3, 1.2))
    initial["R"] = float(random.uniform(0.5, 7.0))
    events: list = [gc.Setpoint(float(random.uniform(1.0, 4.0)), 31.0)] if random.uniform() < 0.5 else []
    if kind := random.integers(3):
        medium, volume = "feed", base.initial_volume
        bolus = gc.Bolus(float(random.uniform(0.5, 4.5)), medium, float(volume * random.uniform(0.002, 0.05)))
        events += [bolus] * int(kind)
        events += [gc.Feed(1.0, medium, float(volume * 0.01)), gc.Feed(2.5, medium, 0.0)] if kind == 2 else []
    events = sorted(events, key=lambda event: event.time)
    return replace(base, name=f"{seed}", initial=initial, events=tuple(events), measurements={}, end=end)


def packed(run: gc.CultureRun, model: CultureModel) -> PackedRun:
    """Return a run in the one shape of all random runs, so that each model is compiled once."""
    return pack(run, model, segments=8, points=110, media=1)


@eqx.filter_jit
def simulated(model: CultureModel, packed: PackedRun):
    """Return the path of a run with the usual tolerance."""
    return integrate(model, packed, points=3, settings=PLAIN)


def below_zero(path) -> float:
    """Return the lowest concentration of a path over the largest of its species [1]."""
    c = np.asarray(path.states.amounts / path.states.volume[..., None])
    return float(np.min(c / np.maximum(np.max(np.abs(c), axis=(0, 1)), 1e-3)))


@cache
def conserved(name: str) -> np.ndarray:
    """Return combinations of species that no allowed flux of a model changes, at any temperature."""
    model = gc.model_of(name)
    maps = [np.asarray(model.exchange @ model.projection.flux_map(cold).matrix) for cold in (0.0, 0.3, 1.0)]
    return scipy.linalg.null_space(np.hstack(maps).T).T


def mass_error(run: gc.CultureRun, model: CultureModel, path) -> float:
    """Return the largest error of what the cells conserve, over what there is of it [1]."""
    fed = sum(event.volume for event in run.events if isinstance(event, gc.Bolus))
    rates = [event for event in run.events if isinstance(event, gc.Feed)]
    fed += rates[0].rate * (rates[1].time - rates[0].time) if rates else 0.0
    medium = np.array([run.media["feed"].get(name, 0.0) for name in model.species])
    expected = np.array([run.initial[name] for name in model.species]) * run.initial_volume + fed * medium
    found, total = np.asarray(path.states.amounts[-1, -1]) * run.initial_volume, conserved(model.name)
    return float(np.max(np.abs(total @ (found - expected)) / (np.abs(total) @ np.abs(expected))))


@eqx.filter_jit
def final(model: CultureModel, packed: PackedRun, settings: SolverSettings, moves: dict) -> jax.Array:
    """Return the final concentrations with parameters p exp(move)."""
    moved = model.changed(parameters={name: p * jnp.exp(moves[name]) for name, p in model.parameters.items()})
    states = integrate(moved, packed, settings=settings).states
    return states.amounts[-1, -1] / states.volume[-1, -1]


@eqx.filter_jit
def jacobian(model: CultureModel, packed: PackedRun, settings: SolverSettings) -> dict:
    """Return the derivatives of the final concentrations by the logarithm of every parameter, by name."""
    forward = replace(settings, adjoint=diffrax.ForwardMode())
    none = dict.fromkeys(model.parameters, jnp.zeros(()))
    return jax.jacfwd(lambda moves: final(model, packed, forward, moves))(none)


def estimated(model: CultureModel) -> list[str]:
    """Return the names of the parameters that a fit would estimate."""
    return [row.name for row in model.table.rows if row.estimated]


def differences(model: CultureModel, packed: PackedRun, name: str) -> Differences:
    """Return the final concentrations at and beside the value of a parameter, solved precisely."""

    def at(move: float) -> np.ndarray:
        moves = dict.fromkeys(model.parameters, 0.0) | {name: move}
        return np.asarray(final(model, packed, PRECISE, {key: jnp.asarray(value) for key, value in moves.items()}))

    return Differences(at(0.0), np.array([at(step) for step in STEPS]), np.array([at(-step) for step in STEPS]))


def compared(model: CultureModel, seed: int) -> tuple[bool, float, float, dict]:
    """Return whether a run stops, its error of mass, its lowest concentration, and judgements by way."""
    run = random_run(seed)
    given = packed(run, model)
    path = simulated(model, given)
    c = np.asarray(path.states.amounts / path.states.volume[..., None])
    error = ASSAY * np.maximum(np.max(np.abs(c), axis=(0, 1)), 1e-3)
    rows: dict = {way: [] for way in WAYS}
    exact = {way: jacobian(model, given, settings) for way, settings in WAYS.items()}
    for name in np.random.default_rng(seed).choice(estimated(model), PARAMETERS, replace=False):
        beside = Differences(*(part / error for part in differences(model, given, name)))
        for way, found in exact.items():
            rows[way].append(judge(np.asarray(found[name]) / error, beside, STEPS, WITHIN, 0.0))
    stopped = bool(np.any(path.failed) or np.any(path.flux_status))
    return stopped, mass_error(run, model, path), below_zero(path), rows


def of_model(name: str, runs: int, repeats: int) -> dict:
    """Return the counts, errors and times of one model."""
    model = gc.model_of(name)
    given = [packed(random_run(seed), model) for seed in range(TIMED)]
    calls = {
        way: lambda settings=settings: [jacobian(model, one, settings) for one in given]
        for way, settings in WAYS.items()
    }
    timings = common.measure(calls, repeats)
    found = current_engine().here.map(partial(compared, model), [(seed,) for seed in range(runs)])
    stopped, mass, lowest, rows = zip(*found, strict=True)
    ways = {}
    for way in WAYS:
        seen = [row for of_run in rows for row in of_run[way] if row.verdict is not Verdict.flat]
        errors = [row.error for row in seen]
        ways[way] = {
            "compared": len(seen),
            "within": sum(row.verdict is Verdict.agrees for row in seen) / len(seen),
            "kinks": sum(row.verdict is Verdict.kink for row in seen),
            "disagree": sum(row.verdict in (Verdict.disagrees, Verdict.not_finite) for row in seen),
            "median": statistics.median(errors),
            "largest": max(errors),
            "jacobian_s": timings[way].run_s / TIMED,
        }
    return {"runs": runs, "stops": sum(stopped), "mass": max(mass), "lowest": min(lowest), "ways": ways}


def main() -> None:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8, help="random runs of each model (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="folder of the result")
    parser.add_argument("--repeats", type=int, default=5, help="of each time (default: %(default)s)")
    options = parser.parse_args()
    found = {name: of_model(name, options.runs, options.repeats) for name in MODELS}
    rows, targets = [], []
    for name, one in found.items():
        for way, of in one["ways"].items():
            share, errors = f"{of['within']:.1%} of {of['compared']}", f"{of['median']:.1e}"
            largest, took = f"{of['largest']:.1e}", f"{1e3 * of['jacobian_s']:.0f}"
            rows.append((name, way, share, errors, largest, f"{of['kinks']}", f"{of['disagree']}", took))
        usual, small = one["ways"]["usual"], one["ways"]["rtol 1e-8"]
        targets += [
            Target(f"{name}: runs that stop, of {one['runs']}", "<=", 0, one["stops"]),
            Target(f"{name}: error of mass", "<=", 1e-9, one["mass"]),
            Target(f"{name}: lowest concentration over the largest", ">=", -1e-9, one["lowest"]),
            Target(f"{name}: derivatives within 1e-4 of differences, usual", ">=", 0.95, usual["within"]),
            Target(f"{name}: the same with rtol 1e-8", ">=", 0.95, small["within"]),
        ]
    columns = ("model", "tolerance", "within 1e-4", "median error", "largest", "kinks", "disagree", "Jacobian [ms]")
    common.print_table("Derivatives of the final concentrations where substrates run out", columns, rows)
    common.print_targets(targets)
    packages = ("graycell", "jax", "jaxlib", "diffrax", "equinox")
    result = {"machine": common.machine(), "versions": common.versions(packages), "models": found}
    common.write(options.out, "depletion", result, targets)


if __name__ == "__main__":
    main()
