"""How fast is a trajectory, and its derivatives? graycell against a loop of existing tools, on the same work.

The work: the bundled run (ten days, seven boluses, a temperature shift) with the extended network, the published
parameters and the dynamic closure. Derivatives are of all estimated parameters: in reverse mode of one number, a sum of
squares over the predictions, and in forward mode of all predictions. The peer: scipy's LSODA on the same balances,
whose right-hand side calls the same rate laws through a compiled function and quadprog for the flux projection, as
one would write it with these tools. Both are held to the same tolerance of a step, and the largest difference of their
results is printed. Compile time and run time stand apart; run times are medians. Of many trajectories, some are mapped
together by `jax.vmap`, and these chunks are tasks of the engine.

    python benchmarks/trajectory.py --out results/bench
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import common
import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from common import Target
from scipy.integrate import solve_ivp

import graycell as gc
from graycell.compiling import compiled_once
from graycell.engine import current_engine
from graycell.models.nolan_lee import COLD, WARM
from graycell.packing import pack
from graycell.reactor import intervene
from graycell.simulation.solve import Loop, SolverSettings, integrate

RTOL, ATOL = 1e-6, 1e-7  # of a step, for both sides
SETTINGS = SolverSettings(rtol=100 * RTOL, atol=100 * ATOL)  # graycell holds a step to a hundredth of these
BATCH, CHUNK = 256, 64
PACKAGES = ("graycell", "jax", "jaxlib", "diffrax", "equinox", "numpy", "scipy", "quadprog")


def peer_simulation(model, packed) -> np.ndarray:
    """Simulate with scipy and quadprog; return species and R at the ends of the segments, see `Path.predicted`."""
    import quadprog

    flux_maps: dict[float, np.ndarray] = {}
    lower = np.flatnonzero(model.network.lower == 0.0)
    base = [model.kinetic.index(name) for name in model.projection.basis]

    @jax.jit
    def kinetic_rates(c, redox, shift):
        return model.kinetic_rates(c, {"R": redox, "shift": shift})

    viable, warm = model.input_names.index("viability"), packed.first_setpoints
    compiled_map, viability = (
        jax.jit(lambda shift: model.projection.flux_map(shift).matrix),
        jax.jit(lambda t: packed.inputs_at(t, warm)[viable]),
    )
    exchange, ratio = np.asarray(model.exchange), model.variables[model.variable_names.index("R")].target
    production, consumption = np.zeros(len(model.reactions)), np.zeros(len(model.reactions))
    for column, terms in ((production, ratio.made), (consumption, ratio.used)):
        for name, coefficient in terms:
            column[model.reactions.index(name)] = coefficient
    kinetic = [model.network.index(name) for name in model.kinetic]
    tau, shift_rate = float(model.parameters["tau"]), float(model.parameters["shift_rate"])
    per_cell, biomass = float(model.parameters["biomass_per_cell"]), model.species.index("BIOM")

    def project(w, shift):
        if shift not in flux_maps:  # constant but for the hours after the shift
            flux_maps[shift] = np.asarray(compiled_map(shift))[:, base]
        full = flux_maps[shift]
        weight = 1.0 / (w**2 + model.projection.weights.softening**2)
        rows = full[kinetic]
        hessian, linear = (rows * weight[:, None]).T @ rows, (rows * weight[:, None]).T @ w
        return full @ quadprog.solve_qp(hessian, linear, full[lower].T, np.zeros(len(lower)))[0]

    first = model.begin(packed.initial_variables, packed.inputs_at(jnp.zeros(()), warm))
    redox, shift = (float(first[model.variable_names.index(name)]) for name in ("R", "shift"))
    state, out = np.r_[np.asarray(packed.initial), 1.0, redox], []
    temperature = np.asarray(packed.setpoints)[:, model.input_names.index("temperature")]
    for k in range(packed.end.shape[0]):
        start, end, target = float(packed.start[k]), float(packed.end[k]), (WARM - temperature[k]) / (WARM - COLD)

        def shift_at(t, target=target, shift=shift, start=start):
            return target + (shift - target) * np.exp(-shift_rate * (t - start))

        def slope(t, y, shift_at=shift_at):
            c = y[:-2] / y[-2]
            v = project(np.asarray(kinetic_rates(c, y[-1], shift_at(t))), shift_at(t))
            density = float(viability(t)) * c[biomass] / per_cell
            back = min(production @ v / max(consumption @ v, 1e-12), ratio.ceiling)
            return np.r_[y[-2] * density * (exchange @ v), 0.0, (back - y[-1]) / tau]

        if end > start:
            state = solve_ivp(slope, (start, end), state, method="LSODA", rtol=RTOL, atol=ATOL).y[:, -1]
        shift = shift_at(end)
        out.append(np.r_[state[:-2] / state[-2], state[-1]])
        done = jax.tree.map(lambda part, k=k: part[k], packed.interventions)
        amounts, volume = intervene(jnp.asarray(state[:-2]), state[-2], done, packed.media, packed.supplied)
        state = np.r_[np.asarray(amounts), float(volume), state[-1]]
    return np.stack(out)


def graycell_calls() -> tuple[dict[str, Callable], Callable[[], np.ndarray], list[int]]:
    """Return the calls to be timed by their names, the peer's, and the columns of ours that the peer has too."""
    model = gc.nolan_lee(extended=True)
    names = [row.name for row in model.table.estimated]
    packed = pack(gc.bundled_run(), model)
    forward_mode = replace(SETTINGS, adjoint=diffrax.ForwardMode())  # the default is for reverse mode

    def at(factors, settings=SETTINGS):
        changed = model.with_parameters({name: model.parameters[name] * factors[i] for i, name in enumerate(names)})
        return integrate(changed, packed, Loop(), settings).predicted

    def loss(factors, settings=SETTINGS):
        found = at(factors, settings)
        return jnp.sum((found / (1.0 + jnp.abs(jax.lax.stop_gradient(found)))) ** 2)

    one = jnp.ones(len(names))
    many = jnp.asarray(np.random.default_rng(0).uniform(0.95, 1.05, (BATCH, len(names))))
    chunks, engine = [(many[i : i + CHUNK],) for i in range(0, BATCH, CHUNK)], current_engine()
    single, batch = eqx.filter_jit(at), compiled_once(jax.vmap(at))
    gradient = eqx.filter_jit(jax.value_and_grad(loss))
    of_diffrax = replace(SETTINGS, adjoint=diffrax.RecursiveCheckpointAdjoint())
    by_diffrax = eqx.filter_jit(lambda factors: at(factors, of_diffrax))
    whole_loop = eqx.filter_jit(jax.value_and_grad(lambda factors: loss(factors, of_diffrax)))
    jacobian = eqx.filter_jit(jax.jacfwd(lambda factors: at(factors, forward_mode)))
    calls = {
        "one trajectory": lambda: single(one),
        f"{BATCH} in chunks of {CHUNK} on all cores, each": lambda: engine.map(batch, chunks),
        f"value and reverse gradient, {len(names)} parameters": lambda: gradient(one),
        f"trajectory and {len(names)} sensitivities": lambda: jacobian(one),
        "one trajectory, solved by diffrax": lambda: by_diffrax(one),
        "the gradient by diffrax's own adjoint": lambda: whole_loop(one),
    }
    compared = [model.quantities.index(name) for name in (*model.species, "R")]
    return calls, lambda: peer_simulation(model, packed), compared


def targets(rows: list[dict]) -> list[Target]:
    """Return what the project wants of a trajectory."""
    *ours, _, _ = rows  # the last two are there to compare with
    single, batch, gradient, _ = ours
    found = [
        Target("one trajectory [ms]", "<=", 15.0, 1e3 * single["run_s"]),
        Target(f"{BATCH} in chunks on all cores, each [ms]", "<=", 1.5, 1e3 * batch["run_s"]),
        Target("value and gradient over one trajectory", "<=", 4.0, gradient["run_s"] / single["run_s"]),
    ]
    return found + [Target(f"compile: {row['work']} [s]", "<=", 6.0, row["compile_s"]) for row in ours]


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    before = common.machine()
    calls, simulate, compared = graycell_calls()
    timings = common.measure(calls, options.repeats)
    rows = []
    for name, timing in timings.items():
        each = BATCH if name.endswith("each") else 1
        rows.append({"work": name, **asdict(timing), "run_s": timing.run_s / each})
    wanted = targets(rows)
    peer, reason = common.attempt(lambda: simulate)
    difference = None
    if peer is not None:
        timing = common.measure({"peer": peer}, 2)["peer"]
        ours, theirs = np.asarray(calls["one trajectory"]())[:, compared], peer()
        difference = float(np.max(np.abs(ours - theirs) / np.max(np.abs(theirs), axis=0)))
        rows.append({"work": "scipy LSODA + quadprog, one trajectory", **asdict(timing)})

    single = rows[0]["run_s"]
    table = [
        (row["work"], f"{row['compile_s']:.1f}", f"{1e3 * row['run_s']:.2f}", f"{row['run_s'] / single:.2f}", "")
        for row in rows
    ]
    if peer is None:
        rows.append({"work": "scipy LSODA + quadprog, one trajectory", "note": reason})
        table.append((rows[-1]["work"], "", "", "", reason))
    common.print_table("A ten-day fed batch", ("work", "compile [s]", "run [ms]", "over one", "note"), table)
    if difference is not None:
        common.CONSOLE.print(f"Largest difference from the peer: {difference:.1e} of the largest value.")
    common.print_targets(wanted)
    result = {
        "machine": {"before": before, "after": common.machine()},
        "versions": common.versions(PACKAGES),
        "rtol_of_a_step": RTOL,
        "largest_difference_relative_to_the_largest_value": difference,
        "rows": rows,
    }
    common.write(options.out, "trajectory", result, wanted)


if __name__ == "__main__":
    main()
