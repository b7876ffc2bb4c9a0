"""How fast and how exact is the flux projection? Against other solvers, a reference in extended precision, and a floor.

Four parts, float64 unless a row says otherwise, all in one process. Times of one part are taken in turns, compile time
and run time apart; run times are medians.

1. 4096 problems of the published network (Nolan & Lee 2011) around the bundled run: forward, with a reverse and with
   a forward derivative, and the same problems with other solvers. "difference" is the largest difference from the
   fluxes of the layer, relative to the largest flux of a problem; "kinetic" is that of the kinetic fluxes alone. Slow
   solvers get fewer problems; the row says so.
2. 100 000 problems, real and adversarial: every status, and the largest relative difference from a reference in
   extended precision that is proved to be the optimum (see proof.py).
   Then 100 000 problems on small random networks with bounds, at rates of 1e-6 to 1e6, against the solution in rational
   numbers (see exact.py): where rates leave fluxes open, they are the reference's, and nothing else is.
3. E. coli core, 95 reactions: against OSQP and Clarabel on the same problem in the space of all fluxes. With 22 of
   them kinetic the others have two levels here and a weight of 1e-6 there, so the difference is theirs.
4. The floor: operations and bytes that the forward pass needs, over the peak rates measured in the same run.

    python benchmarks/flux_layer.py --out results/bench
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import common
import jax
import jax.numpy as jnp
import numpy as np
import peers
import problems as make
import proof
import small_networks
from common import Target

from graycell.cell.flux import FluxStatus

BATCH, FEWER, ECOLI, ECOLI_FEWER = 4096, 512, 1024, 32
SHARE = 1000  # of the accuracy test, in problems per hundredth
SEED = 1
WELL_POSED = 1e8
"""A problem is well-posed where the variances, the condition of the active rows (in rates over sqrt(variance)), and the
largest kinetic rate over the largest flux all stay within 8 orders. A coefficient that is rounded by 1e-16 moves a flux
by 1e-16 times the range of the variances, so beyond it no float64 answer has 8 digits."""
PACKAGES = ("graycell", "jax", "jaxlib", "numpy", "scipy", "quadprog", "qpax", "osqp", "clarabel", "cvxpy",
            "cvxpylayers", "moreau", "qpth", "torch", "cobra")  # fmt: skip


def difference(fluxes, expected) -> np.ndarray:
    """Return the largest difference of each problem, relative to its largest flux; nan where there is no answer."""
    fluxes, expected = np.asarray(fluxes), np.asarray(expected)[: len(fluxes)]
    return np.max(np.abs(fluxes - expected), axis=1) / np.max(np.abs(expected), axis=1)


def layer_calls(problems: make.Problems) -> dict[str, Callable]:
    """Return the calls of the layer on a batch: forward, with derivatives, and in float32."""
    random = np.random.default_rng(SEED)
    kinetic_rates, shift = jnp.asarray(problems.kinetic_rates), jnp.asarray(problems.shift)
    push = jnp.asarray(random.standard_normal(kinetic_rates.shape))
    pull = jnp.asarray(random.standard_normal((len(problems), len(problems.layer.network.names))))
    forward = jax.jit(jax.vmap(lambda w, c: problems.layer(w, c).fluxes))

    @jax.jit
    def reverse(kinetic_rates, shift, pull):
        fluxes, back = jax.vjp(lambda w: forward(w, shift), kinetic_rates)
        return fluxes, back(pull)[0]

    @jax.jit
    def tangent(kinetic_rates, shift, push):
        return jax.jvp(lambda w: forward(w, shift), (kinetic_rates,), (push,))

    single = kinetic_rates.astype(jnp.float32), shift.astype(jnp.float32)
    return {
        "graycell": lambda: forward(kinetic_rates, shift),
        "graycell, value and reverse": lambda: reverse(kinetic_rates, shift, pull),
        "graycell, value and tangent": lambda: tangent(kinetic_rates, shift, push),
        "graycell, float32": lambda: forward(*single),
    }


PEERS: dict[str, tuple[Callable, int]] = {
    f"qpax, {peers.QPAX_STEPS} steps": (peers.qpax, BATCH),
    "qpax, tolerance 1e-6": (lambda p: peers.qpax(p, 30, 1e-6), BATCH),
    "quadprog loop": (peers.quadprog_loop, BATCH),
    "quadprog, its calls alone": (peers.quadprog_alone, BATCH),
    "moreau alone": (peers.moreau_alone, BATCH),
    "cvxpylayers with moreau": (peers.cvxpylayers_moreau, BATCH),
    "Clarabel loop": (peers.clarabel_loop, FEWER),
    "OSQP loop": (peers.osqp_loop, FEWER),
    "qpth": (peers.qpth, FEWER),
}


def fluxes_of(call: Callable) -> np.ndarray:
    """Return the fluxes that a call answers, (n, reactions)."""
    answer = call()
    answer = call.fluxes() if hasattr(call, "fluxes") else answer
    return np.asarray(answer[0] if isinstance(answer, tuple) else answer)


def rows_of(calls: dict, counts: dict, failures: dict, kinetic: list[int], repeats: int) -> list[dict]:
    """Time calls in turns; return a row for each; for a call that failed, the row has the reason."""
    timings = common.measure(calls, repeats)
    expected = fluxes_of(calls["graycell"])
    rows = []
    for name, call in calls.items():
        answer = fluxes_of(call)
        size = np.max(np.abs(expected[: len(answer)]), axis=1, keepdims=True)
        near = np.abs(answer - expected[: len(answer)])[:, kinetic] / size
        far, each = difference(answer, expected), 1e6 * timings[name].run_s / counts[name]
        rows.append({"work": name, "problems": counts[name], "us_per_problem": each,
                     "largest_difference": float(np.nanmax(far)), "unanswered": int(np.sum(np.isnan(far))),
                     "median_difference": float(np.nanmedian(far)),
                     "largest_kinetic_difference": float(np.nanmax(near)), **asdict(timings[name])})  # fmt: skip
    return rows + [{"work": name, "note": reason} for name, reason in failures.items()]


def prepared(candidates: dict, counts: dict) -> tuple[dict, dict]:
    """Return the calls that work, and why the others do not; each was called once, which compiles it."""
    calls, failures = {}, {}
    for name, prepare in candidates.items():
        call, reason = common.attempt(prepare)
        if call is None:
            failures[name] = reason
            counts.pop(name)
        else:
            calls[name] = call
    return calls, failures


def print_rows(title: str, rows: list[dict], base: float) -> None:
    table = []
    for row in rows:
        if "us_per_problem" not in row:
            table.append((row["work"], *7 * [""], row["note"]))
            continue
        note = f"{row['unanswered']} without an answer" if row["unanswered"] else ""
        table.append((row["work"], str(row["problems"]), f"{row['compile_s']:.1f}", f"{row['us_per_problem']:.2f}",
                      f"{row['us_per_problem'] / base:.2f}", f"{row['median_difference']:.0e}",
                      f"{row['largest_difference']:.1e}", f"{row['largest_kinetic_difference']:.1e}",
                      note))  # fmt: skip
    columns = ("work", "problems", "compile [s]", "each [us]", "over graycell", "median diff.", "largest", "kinetic",
               "note")  # fmt: skip
    common.print_table(title, columns, table)


def compare(problems: make.Problems, repeats: int) -> list[dict]:
    """Part 1: the layer and its peers on one batch."""
    own = layer_calls(problems)
    candidates = {name: (lambda call=call: call) for name, call in own.items()}
    candidates |= {name: (lambda f=f, n=n: f(problems.first(n))) for name, (f, n) in PEERS.items()}
    counts = dict.fromkeys(own, BATCH) | {name: n for name, (_, n) in PEERS.items()}
    return timed_rows(candidates, counts, problems.kinetic, repeats)


def timed_rows(candidates: dict, counts: dict, kinetic: list[int], repeats: int) -> list[dict]:
    """Try every candidate, then time those that work. The try is the first call, which compiles."""
    first: dict[str, float] = {}

    def watched(name, prepare):
        def tried():
            call = prepare()
            first[name] = common.seconds(call)
            return call

        return tried

    calls, failures = prepared({name: watched(name, p) for name, p in candidates.items()}, counts)
    rows = rows_of(calls, counts, failures, kinetic, repeats)
    for row in rows:
        if "run_s" in row:
            row["compile_s"] = max(first[row["work"]] - row["run_s"], 0.0)
    return rows


def latencies(problems: make.Problems, repeats: int) -> list[dict]:
    """Return what one call takes with 1 and with 64 problems."""
    rows = []
    for count in (1, 64):
        call = layer_calls(problems.first(count))["graycell"]
        timing = common.measure({"call": call}, 10 * repeats)["call"]
        rows.append({"problems": count, "us_per_call": 1e6 * timing.run_s, **asdict(timing)})
    return rows


# ---------------------------------------------------------------------------------------------- accuracy


def accuracy(layer, kinetic_rates, shift, share: int) -> list[dict]:
    """Part 2: statuses and the difference from the reference, by family of problems."""
    families = make.families(layer, kinetic_rates, shift, share, SEED)
    answers = make.solutions(families)
    return [accuracy_row(name, problems, answers[name]) for name, problems in families.items()]


def accuracy_row(name: str, problems: make.Problems, answer) -> dict:
    first = proof.solve(problems, answer.active)
    exact = proof.repaired(problems, answer.active)
    other, unproved = ~first.certified & exact.certified, ~exact.certified
    far = difference(answer.fluxes, exact.fluxes).astype(float)
    stretch = np.max(problems.variance, axis=1) / np.min(problems.variance, axis=1)
    size = np.max(np.abs(problems.kinetic_rates), axis=1) / np.max(np.abs(exact.fluxes), axis=1).astype(float)
    well_posed = (stretch <= WELL_POSED) & (exact.condition <= WELL_POSED) & (size <= WELL_POSED)
    nearly = exact.violation <= proof.SLIGHT
    second = against_quadprog(problems.some(unproved), answer.fluxes[unproved])
    statuses = {status.name: int(np.sum(answer.status == status)) for status in FluxStatus}
    return {
        "family": name,
        "problems": len(problems),
        "statuses": statuses,
        "without_status": len(problems) - sum(statuses.values()),
        "nan": int(np.sum(np.any(np.isnan(answer.fluxes), axis=1))),
        "most_active_bounds": int(np.max(np.sum(answer.active, axis=1))),
        "well_posed": int(np.sum(well_posed)),
        "difference_well_posed": largest(far[nearly & well_posed]),
        "difference_all": largest(far[nearly]),
        "proved_with_the_bounds_found": int(np.sum(first.certified)),
        "proved_with_other_bounds": int(np.sum(other)),
        "other_bounds_missed_by": largest(first.violation[other]),
        "other_bounds_difference": largest(far[other]),
        "proved_nearly": int(np.sum(nearly & unproved)),
        "proved_nearly_violation": largest(exact.violation[nearly & unproved]),
        "proved_nearly_difference": largest(far[nearly & unproved]),
        "unproved": int(np.sum(~nearly)),
        "unproved_well_posed": int(np.sum(~nearly & well_posed)),
        "unproved_violation": largest(exact.violation[~nearly]),
        "unproved_difference": largest(far[~nearly]),
        "nearly_or_unproved_quadprog_answered": int(np.sum(np.isfinite(second))),
        "nearly_or_unproved_difference_from_quadprog": largest(second[np.isfinite(second)]),
        "nearly_or_unproved_median_difference_from_quadprog": float(np.median(second)) if len(second) else 0.0,
        "largest_range_of_variances": largest(stretch),
        "largest_condition": largest(exact.condition[exact.certified]),
    }


def largest(values: np.ndarray) -> float:
    return float(np.max(values, initial=0.0))


def against_quadprog(problems: make.Problems, fluxes: np.ndarray) -> np.ndarray:
    """Return the difference from quadprog of each problem; nan where quadprog finds nothing or is missing."""
    try:
        from quadprog import solve_qp
    except ImportError:
        return np.full(len(problems), np.nan)
    found = np.full(fluxes.shape, np.nan)
    for k, (hessian, linear, bounds, full) in enumerate(zip(*peers.reduced(problems), strict=True)):
        try:
            found[k] = full @ solve_qp(hessian, linear, bounds.T, np.zeros(len(bounds)))[0]
        except ValueError:  # its Hessian has no Cholesky factor in float64
            continue
    return difference(fluxes, found)


def print_accuracy(rows: list[dict]) -> None:
    table = []
    for row in rows:
        statuses = ", ".join(f"{n} {name}" for name, n in row["statuses"].items() if n)
        other = f"{row['proved_with_other_bounds']} ({row['other_bounds_missed_by']:.0e})"
        nearly = f"{row['proved_nearly']} ({row['proved_nearly_violation']:.0e})"
        unproved = f"{row['unproved']} ({row['unproved_violation']:.0e})" if row["unproved"] else "0"
        table.append((row["family"], statuses, str(row["nan"]), str(row["well_posed"]),
                      f"{row['difference_well_posed']:.1e}", f"{row['difference_all']:.1e}", other, nearly,
                      f"{row['nearly_or_unproved_difference_from_quadprog']:.0e}", unproved))  # fmt: skip
    columns = ("problems", "status", "nan", "well-posed", "largest difference there", "of all", "other bounds",
               "nearly proved", "quadprog", "not proved")  # fmt: skip
    total = sum(row["problems"] for row in rows)
    common.print_table(f"2. {total} problems against a proved optimum in extended precision", columns, table)
    common.CONSOLE.print(
        f"Well-posed: variances, condition of the active rows, and kinetic rates over fluxes within {WELL_POSED:.0e}. "
        f"Proved: every bound and every sign is met to {proof.CERTAIN:.0e}, nearly: to {proof.SLIGHT:.0e}. Other "
        "bounds: the proof needs other active bounds than those found; in brackets by how much these miss it. "
        "quadprog: largest difference from it where the proof is not whole."
    )


# ---------------------------------------------------------------------------------------------- E. coli, floor


def ecoli(repeats: int) -> dict[str, list[dict]]:
    """Part 3: E. coli core, by the number of kinetic reactions."""
    found = {}
    for title, problems in make.ecoli_core(ECOLI, SEED).items():
        solve = jax.jit(jax.vmap(lambda w, layer=problems.layer: layer(w).fluxes))
        kinetic_rates = jnp.asarray(problems.kinetic_rates)
        fewer = problems.first(ECOLI_FEWER)
        candidates = {
            "graycell": lambda solve=solve, kinetic_rates=kinetic_rates: lambda: solve(kinetic_rates),
            "OSQP loop": lambda fewer=fewer: peers.osqp_full_space(fewer),
            "Clarabel loop": lambda fewer=fewer: peers.clarabel_full_space(fewer),
        }
        counts = {"graycell": ECOLI, "OSQP loop": ECOLI_FEWER, "Clarabel loop": ECOLI_FEWER}
        found[title] = timed_rows(candidates, counts, problems.kinetic, repeats)
    return found


def operations(layer, active: np.ndarray) -> tuple[float, float]:
    """Return the floating point operations that a forward pass needs: without active bounds, and for them on average.

    Counted by hand, as XLA counts the body of a loop once. With n unknowns, e equalities, r reactions, b bounds, and
    k columns that the temperature changes, per problem: variances and roots 4n; the k x k system with n right sides
    k^2 (n + k); e rows, their rank-k term and their scaling e n (2k + 2); meeting them, one after the other: 4n for
    each pair and each right side, e (e + 1)/2 * 4n + e 4n; fluxes 2 r n + 2 k (n + r); the test of b bounds, which are
    fluxes, b. A bound more: its row n (2k + 2), two projections on s rows 8 s n, an update of their dual basis 4 s n
    and of the point 4n, and fluxes again.
    """
    n, e = len(layer.kinetic), len(layer.surplus)
    r, b, k = len(layer.network.names), len(layer.bound_names), len(layer.shifted_columns)
    fluxes = 2 * r * n + 2 * k * (n + r) + b
    first = 4 * n + k**2 * (n + k) + e * n * (2 * k + 2) + 2 * e * (e + 1) * n + 4 * e * n + fluxes
    counts = np.sum(active, axis=1)
    each = [sum(n * (2 * k + 2) + 12 * (e + j) * n + 4 * n + fluxes for j in range(c)) for c in counts]
    return float(first), float(np.mean(each))


def peaks(repeats: int) -> tuple[float, float]:
    """Return operations per second of a float64 matrix product, and bytes per second of a copy, read and written."""
    size, length = 1536, 2**24
    matrix, source, place = jnp.ones((size, size)), np.ones(length), np.zeros(length)
    product = jax.jit(jnp.matmul)
    # numpy copies into memory that it has; a copy by JAX would measure how fast the system gives new pages
    calls = {"product": lambda: product(matrix, matrix), "copy": lambda: np.copyto(place, source)}
    timings = common.measure(calls, repeats)
    return 2.0 * size**3 / timings["product"].run_s, 16.0 * length / timings["copy"].run_s


def floor(problems: make.Problems, us_per_problem: float, repeats: int) -> dict:
    """Part 4: how far the forward pass is from what the machine can do at best."""
    layer = problems.layer
    equalities, active = operations(layer, make.solutions({"": problems})[""].active)
    rate, bandwidth = peaks(repeats)
    bytes_each = 8 * (len(layer.kinetic) + 1 + len(layer.network.names))  # kinetic rates and shift in, fluxes out
    arithmetic, memory = 1e6 * (equalities + active) / rate, 1e6 * bytes_each / bandwidth
    return {
        "operations_equalities": equalities,
        "operations_active_bounds": active,
        "peak_operations_per_s": rate,
        "bytes_per_problem": bytes_each,
        "bandwidth_bytes_per_s": bandwidth,
        "arithmetic_floor_us": arithmetic,
        "memory_floor_us": memory,
        "measured_us": us_per_problem,
        "measured_over_arithmetic_floor": us_per_problem / arithmetic,
        "measured_over_memory_floor": us_per_problem / memory,
    }


def print_floor(found: dict) -> None:
    rows = [
        ("arithmetic", f"{found['operations_equalities'] + found['operations_active_bounds']:.0f} operations",
         f"{found['peak_operations_per_s'] / 1e9:.1f} Gflop/s", f"{found['arithmetic_floor_us']:.3f}",
         f"{found['measured_over_arithmetic_floor']:.1f}"),
        ("memory", f"{found['bytes_per_problem']} bytes", f"{found['bandwidth_bytes_per_s'] / 1e9:.1f} GB/s",
         f"{found['memory_floor_us']:.3f}", f"{found['measured_over_memory_floor']:.1f}"),
    ]  # fmt: skip
    common.print_table("4. The floor", ("what", "needed", "peak, measured", "floor [us]", "measured over floor"), rows)


def targets(rows: list[dict], exact: list[dict], few: list[dict], core: dict[str, list[dict]]) -> list[Target]:
    """Return what the project wants of the layer."""

    def each(rows, name):
        return next((row["us_per_problem"] for row in rows if row["work"] == name and "run_s" in row), np.nan)

    def over(name):
        return each(rows, name) / each(rows, "graycell")

    found = [
        Target("qpax over graycell", ">=", 40.0, over(f"qpax, {peers.QPAX_STEPS} steps")),
        Target("quadprog loop over graycell", ">=", 30.0, over("quadprog loop")),
        Target("value and reverse over forward", "<=", 3.0, over("graycell, value and reverse")),
        Target("largest difference, well-posed", "<=", 1e-8, max(r["difference_well_posed"] for r in exact)),
        Target("well-posed problems without a proof", "<=", 0.0, float(sum(r["unproved_well_posed"] for r in exact))),
        Target("small networks, well-posed and wrong", "<=", 0.0, float(sum(r["wrong_well_posed"] for r in few))),
        Target("problems with nan", "<=", 0.0, float(sum(r["nan"] for r in [*exact, *few]))),
        Target("problems without a status", "<=", 0.0, float(sum(r["without_status"] for r in exact))),
    ]
    for title, part in core.items():
        ratio = each(part, "OSQP loop") / each(part, "graycell")
        found.append(Target(f"E. coli core, {title}: OSQP over graycell", ">=", 5.0, ratio))
    return found


def main() -> None:
    """Measure, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--share", type=int, default=SHARE, help="a hundredth of the problems of the accuracy test")
    options = parser.parse_args()

    before = common.machine()
    layer, kinetic_rates, shift = make.trajectory_rates()
    problems = make.around(layer, kinetic_rates, shift, BATCH, np.random.default_rng(SEED))
    rows = compare(problems, options.repeats)
    base = rows[0]["us_per_problem"]
    print_rows(f"1. {BATCH} problems of the published network", rows, base)
    calls = latencies(problems, options.repeats)
    for row in calls:
        common.CONSOLE.print(f"One call with {row['problems']} problems: {row['us_per_call']:.0f} us")
    ground = floor(problems, base, options.repeats)

    exact = accuracy(layer, kinetic_rates, shift, options.share)
    print_accuracy(exact)
    few = small_networks.accuracy(options.share, SEED, WELL_POSED)
    small_networks.print_accuracy(few, WELL_POSED)
    core: dict[str, list[dict]] = {}
    try:
        core = ecoli(min(options.repeats, 3))
    except ImportError as error:
        common.CONSOLE.print(f"3. E. coli core: not installed ({error.name})")
    for title, part in core.items():
        print_rows(f"3. E. coli core, {title}", part, part[0]["us_per_problem"])
    print_floor(ground)

    wanted = targets(rows, exact, few, core)
    common.print_targets(wanted)
    result = {
        "machine": {"before": before, "after": common.machine()},
        "versions": common.versions(PACKAGES),
        "seed": SEED,
        "batch": rows,
        "latency": calls,
        "accuracy": {"well_posed_limit": WELL_POSED, "proved_to": proof.CERTAIN, "families": exact, "small": few},
        "ecoli_core": core,
        "floor": ground,
    }
    common.write(options.out, "flux_layer", result, wanted)


if __name__ == "__main__":
    main()
