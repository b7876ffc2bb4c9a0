"""How fast is a simulation? graycell against a loop of existing tools, on the same work in the same process.

The work: the bundled run (ten days, seven boluses, a temperature shift) with the extended network, the published
parameters and the dynamic closure. The peer: scipy's LSODA on the same balances, whose right-hand side calls the same
rate laws through a compiled function and quadprog for the flux allocation, as one would write it with these tools.
Both are held to the same tolerance of a step, and the largest difference of their results is printed. Compile time
and run time stand apart; run times are medians.

    python benchmarks/simulation.py --out results/bench
"""

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import quadprog
from rich.console import Console
from rich.table import Table
from scipy.integrate import solve_ivp

import graycell as gc
from graycell.cell.rates import Conditions
from graycell.reactor import Interventions, intervene
from graycell.simulation import Loop, SolverSettings, integrate, lean, pack_for, predictions

RTOL, ATOL = 1e-6, 1e-7  # of a step, for both sides
SETTINGS = SolverSettings(rtol=100 * RTOL, atol=100 * ATOL)  # graycell holds a step to a hundredth of these
BATCH = 64


def timed(call, repeats: int) -> tuple[float, float]:
    """Return (first call, median of the others) [s]; the first one compiles."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - began)
    return seconds[0], statistics.median(seconds[1:])


def peer_simulation(model, packed) -> np.ndarray:
    """Simulate with scipy and quadprog; return predictions at the ends of the segments, as `predictions` does."""
    flux_maps: dict[float, np.ndarray] = {}
    lower = np.flatnonzero(model.network.lower == 0.0)
    base = [model.kinetic.index(name) for name in model.allocation.basis]

    @jax.jit
    def wished(c, redox, cold):
        at = Conditions({name: c[i] for i, name in enumerate(model.species)}, redox, cold, model.parameters, {})
        for reaction, law in model.rates:
            at = at._replace(rates={**at.rates, reaction: law(at)})
        return jnp.stack([at.rates[name] for name in model.kinetic])

    compiled_map, viability = (
        jax.jit(lambda cold: model.allocation.flux_map(cold).matrix),
        jax.jit(lambda t: packed.viability(t)),
    )
    exchange, ratio = np.asarray(model.exchange), model.ratio
    production, consumption = np.asarray(ratio.production), np.asarray(ratio.consumption)
    kinetic = [model.network.index(name) for name in model.kinetic]
    tau, shift_rate = float(model.parameters["tau"]), float(model.parameters["shift_rate"])
    per_cell, biomass = float(model.parameters["biomass_per_cell"]), model.species.index("BIOM")

    def allocate(w, cold):
        if cold not in flux_maps:  # constant but for the hours after the shift
            flux_maps[cold] = np.asarray(compiled_map(cold))[:, base]
        full = flux_maps[cold]
        weight = 1.0 / (w**2 + model.allocation.weights.softening**2)
        rows = full[kinetic]
        hessian, linear = (rows * weight[:, None]).T @ rows, (rows * weight[:, None]).T @ w
        return full @ quadprog.solve_qp(hessian, linear, full[lower].T, np.zeros(len(lower)))[0]

    state = np.r_[np.asarray(packed.initial), 1.0, float(packed.initial_redox)]
    cold, out = float(packed.initial_cold), []
    for k in range(packed.end.shape[0]):
        start, end, target = float(packed.start[k]), float(packed.end[k]), float(packed.cold_target[k])

        def cold_at(t, target=target, cold=cold, start=start):
            return target + (cold - target) * np.exp(-shift_rate * (t - start))

        def slope(t, y, cold_at=cold_at):
            c = y[:-2] / y[-2]
            v = allocate(np.asarray(wished(c, y[-1], cold_at(t))), cold_at(t))
            density = float(viability(t)) * c[biomass] / per_cell
            back = min(production @ v / max(consumption @ v, 1e-12), ratio.ceiling)
            return np.r_[y[-2] * density * (exchange @ v), 0.0, (back - y[-1]) / tau]

        if end > start:
            state = solve_ivp(slope, (start, end), state, method="LSODA", rtol=RTOL, atol=ATOL).y[:, -1]
        cold = cold_at(end)
        out.append(np.r_[state[:-2] / state[-2], state[-1]])
        done = Interventions(*(part[k] for part in packed.interventions))
        amounts, volume = intervene(jnp.asarray(state[:-2]), state[-2], done, packed.media, packed.supplied)
        state = np.r_[np.asarray(amounts), float(volume), state[-1]]
    return np.stack(out)


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    model = lean(gc.nolan_lee(extended=True))
    packed = pack_for(model, gc.bundled_run())
    names = [row.name for row in gc.nolan_lee(extended=True).table.estimated]
    forward = replace(SETTINGS, adjoint=diffrax.ForwardMode())

    def run(model, settings):
        return predictions(model, integrate(model, packed, Loop(), settings))

    def at(factors, settings):
        changed = {name: model.parameters[name] * factors[i] for i, name in enumerate(names)}
        return run(replace(model, parameters={**model.parameters, **changed}), settings)

    single = eqx.filter_jit(lambda factors: at(factors, SETTINGS))
    batch = eqx.filter_jit(jax.vmap(lambda factors: at(factors, SETTINGS)))
    jacobian = eqx.filter_jit(jax.jacfwd(lambda factors: at(factors, forward)))
    one = jnp.ones(len(names))
    many = jnp.asarray(np.random.default_rng(0).uniform(0.95, 1.05, (BATCH, len(names))))

    _, peer = timed(lambda: peer_simulation(model, packed), max(options.repeats // 2, 2))
    rows = []
    for name, call, count in (
        ("graycell, one trajectory", lambda: single(one), 1),
        (f"graycell, {BATCH} trajectories in one vmap, each", lambda: batch(many), BATCH),
        (f"graycell, trajectory and {len(names)} sensitivities", lambda: jacobian(one), 1),
    ):
        compiling, running = timed(call, options.repeats)
        rows.append({"work": name, "compile_s": compiling - running, "run_s": running / count})
    ours, theirs = np.asarray(single(one))[:, [*range(13), 14]], peer_simulation(model, packed)
    difference = float(np.max(np.abs(ours - theirs) / np.max(np.abs(theirs), axis=0)))
    rows.append({"work": "scipy LSODA + quadprog, one trajectory", "compile_s": 0.0, "run_s": peer})
    result = {
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "devices": [str(device) for device in jax.devices()],
        "versions": {name: metadata.version(name) for name in ("graycell", "jax", "diffrax", "scipy", "quadprog")},
        "rtol_of_a_step": RTOL,
        "largest_difference_relative_to_the_largest_value": difference,
        "rows": rows,
        "peer_over_graycell_single": peer / rows[0]["run_s"],
        "peer_over_graycell_in_batch": peer / rows[1]["run_s"],
        "sensitivities_over_single": rows[2]["run_s"] / rows[0]["run_s"],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "simulation.json"
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")

    table = Table("work", "compile [s]", "run [ms]", "peer / this")
    for row in rows:
        table.add_row(row["work"], f"{row['compile_s']:.1f}", f"{1e3 * row['run_s']:.1f}", f"{peer / row['run_s']:.1f}")
    Console().print(table)
    print(f"Largest difference between the two: {difference:.1e} of the largest value. Written to {path}")


if __name__ == "__main__":
    main()
