"""The study behind docs/inconsistency.md: where the equations of the CHO model disagree, and what resolves it.

    python studies/inconsistency.py            compute docs/inconsistency.json, draw the figures, write the tables
    python studies/inconsistency.py --draw     figures and tables alone, from docs/inconsistency.json

The tables are Markdown, in results/inconsistency/tables.md; docs/inconsistency.md is kept by hand and copies them.
tests/studies/test_inconsistency.py computes most of its claims anew.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import cast

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from inconsistency_tables import tables
from plain_tables import write
from rich.console import Console
from rich.progress import Progress

import graycell as gc
from graycell.cell.closures import Algebraic, Dynamic, Lagged
from graycell.diagnosis.equations import answers, conflicts, operating_points, structure_of
from graycell.inference.stages import CLOSED, OPEN_AND_CLOSE
from graycell.model import CultureState, Surroundings
from graycell.packing import pack
from graycell.provenance import provenance_of
from graycell.runs.records import REDOX
from graycell.simulation.branches import OperatingPoints, fixed_points, response

ROOT = Path(__file__).parent.parent
DATA, TABLES = ROOT / "docs" / "inconsistency.json", ROOT / "results" / "inconsistency" / "tables.md"
STEPS = (0.1, 0.05, 0.025, 0.0125, 0.00625)
DAYS = (0.0, 2.0, 3.2, 4.0, 6.0, 8.0)
GRID = np.linspace(0.0, 7.0, 351)
JUMP_DAY = 6.0
TAUS = (0.04, 0.02, 0.01, 0.005)
WINDOW = (0.5, 2.5)
"""Interval [d] without events, for the order of convergence."""
ORDER_STEPS = (0.008, 0.004, 0.002, 0.001)
ORDER_METHODS = {"Heun": diffrax.Heun(), "Bosh3": diffrax.Bosh3()}
WELL_POSED = {"dynamic": Dynamic(), "algebraic": Algebraic()}
SAMPLES = ("LAC", "GLC")


def lagged(parameters: str, step: float) -> gc.Trajectory:
    """Simulate the published scheme."""
    model = gc.nolan_lee(closure=Lagged(step), parameters=parameters)
    return gc.simulate(model, gc.published_feed(gc.bundled_run()))


def end(trajectory: gc.Trajectory, species: str) -> float:
    return float(trajectory.concentrations[-1, trajectory.model.species.index(species)])


def equations() -> dict:
    """Return the numbers of equations of both networks."""
    found = {}
    for name in ("nolan-lee", "nolan-lee-extended"):
        of = structure_of(gc.model_of(name))
        found[name] = {
            "reactions": of.reactions, "balances": of.rank_of_balances, "laws": len(of.kinetic), "rank": of.rank,
            "surplus": of.surplus, "relations": [str(relation) for relation in of.relations],
            "not unique without": [law for law, free in of.free_without.items() if free],
        }  # fmt: skip
    return found


def step_dependence() -> dict:
    """Return the results of the published scheme with refit parameters and smaller and smaller steps."""
    rows = [lagged("refit", step) for step in STEPS]
    fitted = gc.scores(rows[STEPS.index(0.05)])
    return {
        "step": STEPS,
        "refit": {"mean NRMSE": gc.mean_nrmse(fitted), **{f"NRMSE {score.quantity}": score.nrmse for score in fitted}},
        "LAC": [end(path, "LAC") for path in rows],
        "ANTI": [end(path, "ANTI") for path in rows],
        "R": [float(path.loop_value[-1]) for path in rows],
        "paths": [{"time": path.time.tolist(), "R": path.loop_value.tolist()} for path in rows],
    }


def maps() -> dict:
    """Return the map R -> R' and its fixed points at states of the published scheme.

    Once with the weights and switches of that scheme, once with soft weights and smooth switches.
    """
    path = lagged("refit", 0.05)
    rows = [int(np.argmin(np.abs(path.time - day))) for day in DAYS]
    here = OperatingPoints.of(path, rows)
    found: dict = {"day": DAYS, "R": GRID.tolist(), "lagged R": path.loop_value[rows].tolist()}
    for name, model in (("published", path.model), ("soft", gc.nolan_lee(parameters="refit"))):
        points = fixed_points(model, here)
        ratio = response(model, here.take(np.repeat(np.arange(len(DAYS)), len(GRID))), np.tile(GRID, len(DAYS)))[0]
        found[name] = {
            "ratio": ratio.reshape(len(DAYS), -1).tolist(),
            "points": [points.loop_value[points.point == k].tolist() for k in range(len(DAYS))],
            "slopes": [points.slope[points.point == k].tolist() for k in range(len(DAYS))],
            "lagging stays": [points.stable_if_lagged[points.point == k].tolist() for k in range(len(DAYS))],
        }
    return found


def closures() -> dict:
    """Return R over time and the final lactate by each closure, with refit parameters."""
    run = gc.bundled_run()
    paths = {"lagged, step 0.05 d": lagged("refit", 0.05)}
    for name, closure in (("dynamic, tau 0.1 d", Dynamic()), ("algebraic", Algebraic())):
        paths[name] = gc.simulate(gc.nolan_lee(closure=closure, parameters="refit"), run).require_finished()
    measured = run.measurements[REDOX]
    return {
        "measured": {"time": measured.time.tolist(), "R": measured.value.tolist(),
                     "error": measured.standard_error.tolist(), "LAC": run.measurements["LAC"].value.tolist()},
        "paths": {name: {"time": path.time.tolist(), "R": path.loop_value.tolist(), "LAC": end(path, "LAC"),
                         "jumps": len(path.jumps)} for name, path in paths.items()},
    }  # fmt: skip


def jump_of_v1() -> dict:
    """Return v1 around R = 1, where the kinetic rate of v2 crosses zero, with published and with soft weights."""
    path = lagged("refit", 0.05)
    row = int(np.argmin(np.abs(path.time - JUMP_DAY)))
    near = np.logspace(-8.0, -2.0, 13)
    redox = 1.0 + np.r_[-near[::-1], 0.0, near]
    found: dict = {"day": JUMP_DAY, "R": redox.tolist()}
    # both with smooth switches, so that only the weights can jump
    for name, weights in (("1/w^2", gc.PublishedWeights()), ("soft", gc.SoftWeights())):
        model = gc.nolan_lee(parameters="refit", weights=weights)
        c, shift = jnp.asarray(path.concentrations[row]), path["shift"][row]
        fluxes = jax.vmap(lambda r, model=model, c=c, shift=shift: model.evaluate(c, {"R": r, "shift": shift}).fluxes)
        found[name] = np.asarray(fluxes(jnp.asarray(redox))[:, model.reactions.index("v1")]).tolist()
    return found


def tolerances() -> dict:
    """Return how the end of the run by the well-posed closures changes with the tolerance."""
    model, run = gc.nolan_lee(), gc.bundled_run()
    found = {}
    for name, closure in WELL_POSED.items():
        of = answers(model, run, closure)
        found[name] = {"rtol": of.values[:-1].tolist(), "change": of.change.tolist()}
    return found


def orders() -> dict:
    """Return the error at the end of an interval without events, by the fixed step of Runge-Kutta methods."""
    run = gc.bundled_run()
    found: dict = {"step": ORDER_STEPS}
    for name, closure in WELL_POSED.items():
        model = gc.nolan_lee(closure=closure)
        before = gc.simulate(model, run)
        packed, start = pack(run, model), operating_points(before, [WINDOW[0]])
        first = CultureState(jnp.asarray(start.concentrations[0]), jnp.ones(()), jnp.asarray(start.variables[0]))
        flows, setpoints = jax.tree.map(lambda leaf: leaf[0], packed.flows), packed.first_setpoints

        def slope(time, state, _, model=model, packed=packed, flows=flows, setpoints=setpoints):
            return model.derivative(state, Surroundings(packed.inputs_at(time, setpoints), flows, packed.media))

        exact = _window(slope, first, diffrax.Tsit5(), diffrax.PIDController(rtol=1e-12, atol=1e-13))(ORDER_STEPS[-1])
        found[name] = {}
        for title, method in ORDER_METHODS.items():
            last = _window(slope, first, method, diffrax.ConstantStepSize())
            errors = [np.max(np.abs(last(step) - exact) / np.max(np.abs(exact))) for step in ORDER_STEPS]
            found[name][title] = [float(error) for error in errors]
    return found


def _window(slope: Callable, first: CultureState, method, controller) -> Callable:
    """Return a compiled function from a (first) step [d] to the amounts at the end of the interval."""

    def last(step):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(slope), method, *WINDOW, step, first, max_steps=20_000, stepsize_controller=controller
        )
        return cast(CultureState, solution.ys).amounts[0]

    return jax.jit(last)


def limit_of_tau() -> dict:
    """Return the largest difference of dynamic and algebraic closure at the samples, by the turnover time."""
    run, model = gc.bundled_run(), gc.nolan_lee()
    limit = gc.simulate(model.with_closure(Algebraic()), run)
    top = np.max(np.abs(limit.predicted), axis=0)
    compared = [i for i, name in enumerate(model.quantities) if name not in model.variable_names]
    settings = gc.SolverSettings(rtol=1e-7, atol=1e-8)
    found = []
    for tau in TAUS:
        path = gc.simulate(model.with_parameters({"tau": tau}), run, settings)
        found.append(float(np.max(np.abs(path.predicted - limit.predicted)[:, compared] / top[compared])))
    return {"tau": TAUS, "difference": found, "jumps": len(limit.jumps)}


def fits(report: Callable[[str], None]) -> dict:
    """Fit the bundled run with the extended network by several recipes."""
    run, extended = gc.bundled_run(), gc.nolan_lee(extended=True)
    fixed = extended.with_table(
        replace(extended.table, rows=tuple(
            replace(row, value=1.0, estimated=False) if row.name == "R_switch" else row for row in extended.table.rows
        ))
    )  # fmt: skip
    recipes = {
        "loop closed from the start": (extended, CLOSED),
        "opened, then closed; R_switch held at 1": (fixed, OPEN_AND_CLOSE),
        "opened, then closed (default)": (extended, OPEN_AND_CLOSE),
    }
    found = {}
    for name, (model, stages) in recipes.items():
        report(name)
        fitted = gc.fit(model, [run], gc.FitSettings(stages=stages, starts=1))
        path = gc.simulate(fitted.model, run).require_finished()
        few = gc.SolverSettings(most_steps=500)
        algebraic = gc.simulate(fitted.model.with_closure(Algebraic()), run, few)
        rows, limit = gc.scores(path), gc.scores(algebraic)
        of = {row.quantity: row.nrmse for row in rows}
        every = np.linspace(0.0, run.end, 81)
        points = fixed_points(fitted.model, operating_points(path, every))
        stages_seen = list(dict.fromkeys(row["stage"] for row in fitted.history))
        found[name] = {
            "mean NRMSE": gc.mean_nrmse(rows), **{f"NRMSE {quantity}": of[quantity] for quantity in SAMPLES},
            "R at samples": path.at_samples(REDOX).tolist(), "LAC at samples": path.at_samples("LAC").tolist(),
            "R_switch": float(fitted.model.parameters["R_switch"]), "cost": fitted.cost, "converged": fitted.converged,
            "stages": {stage: min(row["cost"] for row in fitted.history if row["stage"] == stage)
                       for stage in stages_seen},
            "most conflict": conflicts(path)[0].reaction,
            "path": {"time": path.time.tolist(), "R": path.loop_value.tolist(), "R'": path.loop_target.tolist()},
            "tau": float(fitted.model.parameters["tau"]),
            "algebraic": {"mean NRMSE": gc.mean_nrmse(limit), "NRMSE LAC": {r.quantity: r.nrmse for r in limit}["LAC"],
                          "status": algebraic.status.name, "R at samples": algebraic.at_samples(REDOX).tolist(),
                          "jumps": [asdict_of(jump) for jump in algebraic.jumps]},
            "branches": {"time": every[points.point].tolist(), "R": points.loop_value.tolist(),
                         "slope": points.slope.tolist()},
        }  # fmt: skip
    return found


def asdict_of(jump) -> dict:
    return {name: float(value) for name, value in jump._asdict().items()}


def compute() -> dict:
    """Return every number of the study."""
    parts: dict[str, Callable] = {
        "equations": equations, "steps": step_dependence, "maps": maps, "closures": closures, "v1": jump_of_v1,
        "tolerances": tolerances, "orders": orders, "tau": limit_of_tau,
    }  # fmt: skip
    results: dict = {}
    with Progress() as bar:
        task = bar.add_task("study", total=len(parts) + 3)
        for name, part in parts.items():
            bar.update(task, description=name)
            results[name] = part()
            bar.advance(task)

        def report(name: str) -> None:
            bar.update(task, description=f"fit: {name}", advance=1)

        results["fits"] = fits(report)
    settings = {"steps": STEPS, "days": DAYS, "taus": TAUS, "fit": asdict(gc.FitSettings(starts=1))}
    results["provenance"] = provenance_of(gc.nolan_lee(extended=True), [gc.bundled_run()], settings)
    results["provenance"]["versions"]["matplotlib"] = metadata.version("matplotlib")
    return results


def _json(results: dict) -> str:
    """Return JSON with numbers to nine digits, and null for what is not finite."""

    def plain(value):
        if isinstance(value, dict):
            return {str(key): plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        if isinstance(value, float):
            return float(f"{value:.9g}") if np.isfinite(value) else None
        return value

    return json.dumps(plain(results), separators=(",", ":"), allow_nan=False)


def main() -> None:
    """Compute if asked to, draw the figures and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="from docs/inconsistency.json, without computing")
    options = parser.parse_args()
    if not options.draw:
        DATA.write_text(_json(compute()), encoding="utf-8")
    results = json.loads(DATA.read_text(encoding="utf-8"))
    write(tables(results), TABLES)
    from inconsistency_figures import draw  # matplotlib is not needed to compute

    draw(results, DATA.parent / "images")
    Console().print(f"Written: {DATA}, {TABLES} and the figures in {DATA.parent / 'images'}")


if __name__ == "__main__":
    main()
