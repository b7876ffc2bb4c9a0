"""Other solvers on the same problems. Each function prepares a call that takes nothing and returns all fluxes.

The unknowns are the rates z of the basis, the coordinates of the null space of the balances (10 of them), with
fluxes = F z:

    minimise  sum_K ((F z)_i - w_i)^2/variance_i    subject to  (F z)_j >= 0.

A peer that is not installed raises ImportError; see `common.attempt`.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from problems import FullSpace, Problems

QPAX_STEPS = 15
"""With a tolerance of 1e-6 the fluxes of qpax miss by up to 5e-3. With 1e-8 they are right to 1e-12 after 15 steps, but
its test is not met before the usual 30; the limit saves it the second half."""
OSQP = {"eps_abs": 1e-8, "eps_rel": 1e-8, "polishing": True, "max_iter": 100_000, "verbose": False}


@contextmanager
def _silent() -> Iterator[None]:
    """Drop what a C library prints: OSQP's polishing prints although it was asked not to."""
    libc, kept, nowhere = ctypes.CDLL(None), os.dup(1), os.open(os.devnull, os.O_WRONLY)
    libc.fflush(None)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def reduced(problems: Problems) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return Hessians, linear terms and bound rows of min z'Hz/2 - l'z, G z >= 0, and the maps to fluxes."""
    rows, bounds = problems.maps[:, problems.kinetic], problems.maps[:, problems.lower]
    weighted = rows / problems.variance[:, :, None]
    hessian = np.swapaxes(weighted, 1, 2) @ rows
    return hessian, np.einsum("nki,nk->ni", weighted, problems.kinetic_rates), bounds, problems.maps


def qpax(problems: Problems, steps: int = QPAX_STEPS, tolerance: float = 1e-8) -> Callable:
    from qpax import solve_qp

    layer, kinetic, lower = problems.layer, np.array(problems.kinetic), np.array(problems.lower)
    base = np.array([layer.kinetic.index(name) for name in layer.basis])
    no_rows, no_right, zero = jnp.zeros((0, len(base))), jnp.zeros(0), jnp.zeros(len(lower))

    @jax.jit
    @jax.vmap
    def solve(kinetic_rates, shift):
        full = layer.flux_map(shift).matrix[:, base]
        rows = full[kinetic]
        weighted = rows / layer.weights.variance(kinetic_rates)[:, None]
        options = {"solver_tol": tolerance, "max_iter": steps}
        z = solve_qp(weighted.T @ rows, -weighted.T @ kinetic_rates, no_rows, no_right, -full[lower], zero, **options)[
            0
        ]
        return full @ z

    kinetic_rates, shift = jnp.asarray(problems.kinetic_rates), jnp.asarray(problems.shift)
    return lambda: solve(kinetic_rates, shift)


def quadprog_loop(problems: Problems) -> Callable:
    """As one writes it: for each problem form the Hessian, solve, and return to fluxes."""
    from quadprog import solve_qp

    maps, kinetic, lower, zero = problems.maps, problems.kinetic, problems.lower, np.zeros(len(problems.lower))

    def solve():
        out = []
        for full, kinetic_rates, variance in zip(maps, problems.kinetic_rates, problems.variance, strict=True):
            rows = full[kinetic]
            weighted = rows / variance[:, None]
            out.append(full @ solve_qp(weighted.T @ rows, weighted.T @ kinetic_rates, full[lower].T, zero)[0])
        return np.stack(out)

    return solve


def quadprog_alone(problems: Problems) -> Callable:
    """Only the calls of quadprog: what they take is formed beforehand, and fluxes are not counted."""
    from quadprog import solve_qp

    hessian, linear, bounds, maps = reduced(problems)
    taken = [(h, a, np.asfortranarray(g.T)) for h, a, g in zip(hessian, linear, bounds, strict=True)]
    zero = np.zeros(bounds.shape[1])
    found: list[np.ndarray] = []

    def solve():
        found[:] = [solve_qp(*terms, zero)[0] for terms in taken]
        return found

    solve.fluxes = lambda: np.einsum("nij,nj->ni", maps, np.stack(found))  # type: ignore[attr-defined]
    return solve


def clarabel_loop(problems: Problems) -> Callable:
    import clarabel

    hessian, linear, bounds, maps = reduced(problems)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    zero = np.zeros(bounds.shape[1])

    def solve():
        out = []
        for h, a, g, full in zip(hessian, linear, bounds, maps, strict=True):
            cones = [clarabel.NonnegativeConeT(len(zero))]
            solver = clarabel.DefaultSolver(sp.csc_matrix(np.triu(h)), -a, sp.csc_matrix(-g), zero, cones, settings)
            out.append(full @ np.array(solver.solve().x))
        return np.stack(out)

    return solve


def osqp_loop(problems: Problems) -> Callable:
    """OSQP, set up once, with new values for every problem."""
    import osqp

    hessian, linear, bounds, maps = reduced(problems)
    size, count = hessian.shape[1], bounds.shape[1]
    upper = [(i, j) for j in range(size) for i in range(j + 1)]  # upper triangle, by columns
    row, column = (np.array(part) for part in zip(*upper, strict=True))
    starts = np.cumsum(np.r_[0, np.arange(1, size + 1)])
    solver = osqp.OSQP()
    first = sp.csc_matrix((hessian[0][row, column], row, starts), shape=(size, size))
    every = sp.csc_matrix((bounds[0].T.ravel(), np.tile(np.arange(count), size), count * np.arange(size + 1)))
    solver.setup(first, -linear[0], every, np.zeros(count), np.full(count, np.inf), **OSQP)

    def solve():
        out = []
        with _silent():
            for h, a, g, full in zip(hessian, linear, bounds, maps, strict=True):
                solver.update(Px=h[row, column], q=-a, Ax=g.T.ravel())
                out.append(full @ solver.solve().x)
        return np.stack(out)

    return solve


def cvxpylayers_moreau(problems: Problems) -> Callable:
    import cvxpy as cp
    import moreau  # noqa: F401  named here because cvxpylayers fails later, and less clearly
    from cvxpylayers.jax import CvxpyLayer

    maps, root = problems.maps, np.sqrt(problems.variance)
    size = maps.shape[2]
    z = cp.Variable(size)
    rows, kinetic_rates = cp.Parameter((root.shape[1], size)), cp.Parameter(root.shape[1])
    bounds = cp.Parameter((len(problems.lower), size))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(rows @ z - kinetic_rates)), [bounds @ z >= 0])
    layer = CvxpyLayer(
        problem, [rows, kinetic_rates, bounds], [z], solver="MOREAU", solver_args={"solver": "active_set"}
    )
    given = (maps[:, problems.kinetic] / root[:, :, None], problems.kinetic_rates / root, maps[:, problems.lower])
    given = tuple(jnp.asarray(part) for part in given)
    solve = jax.jit(lambda full, *parameters: jnp.einsum("nij,nj->ni", full, layer(*parameters)[0]))
    return lambda: solve(jnp.asarray(maps), *given)


def moreau_alone(problems: Problems) -> Callable:
    """The compiled solver of that backend without cvxpy around it: a batch of matrices goes straight into it."""
    import moreau

    hessian, linear, bounds, maps = reduced(problems)
    n, count, size = bounds.shape
    settings = moreau.Settings(device="cpu", batch_size=n, solver="active_set")
    solver = moreau.CompiledSolver(
        n=size,
        m=count,
        P_row_offsets=size * np.arange(size + 1),
        P_col_indices=np.tile(np.arange(size), size),
        A_row_offsets=size * np.arange(count + 1),
        A_col_indices=np.tile(np.arange(size), count),
        cones=moreau.Cones(num_nonneg_cones=count),
        settings=settings,
    )
    right = np.zeros((n, count))

    def solve():
        solver.setup(hessian.reshape(n, -1), -bounds.reshape(n, -1))
        return np.einsum("nij,nj->ni", maps, np.asarray(solver.solve(-linear, right).x))

    return solve


def qpth(problems: Problems) -> Callable:
    """Optional, and not of the extra `bench`: a plain install of PyTorch draws gigabytes."""
    import torch
    from qpth.qp import QPFunction

    hessian, linear, bounds, maps = (torch.from_numpy(part) for part in reduced(problems))
    nothing, zero = torch.empty(0, dtype=torch.float64), torch.zeros(bounds.shape[:2], dtype=torch.float64)
    layer = QPFunction(verbose=-1, eps=1e-12, maxIter=30)

    def solve():
        with torch.no_grad():
            z = layer(hessian, -linear, -bounds, zero, nothing, nothing)
        return torch.einsum("nij,nj->ni", maps, z).numpy()

    return solve


def _full_space(problems: FullSpace) -> tuple:
    """Return rows and their limits over all fluxes and the components along the undetermined directions.

    The components keep the matrices sparse. Also return what makes the diagonal and the linear term of one problem.
    """
    network, directions = problems.layer.network, problems.directions
    reactions, extra = directions.shape
    balances = sp.csc_matrix(network.stoichiometry[list(problems.layer.balances)])
    blocks = [[balances, sp.csc_matrix((balances.shape[0], extra))], [sp.identity(reactions), None]]
    if extra:
        blocks.insert(1, [sp.csc_matrix(directions.T), -sp.identity(extra)])
    none = np.zeros(balances.shape[0] + extra)
    pulled = problems.weight * (np.asarray(problems.layer.reference) @ directions)

    def terms(kinetic_rates, variance):
        weight, linear = np.zeros(reactions + extra), np.zeros(reactions + extra)
        weight[problems.kinetic], weight[reactions:] = 1.0 / variance, problems.weight
        linear[problems.kinetic], linear[reactions:] = -kinetic_rates / variance, -pulled
        return weight, linear

    return sp.bmat(blocks, format="csc"), np.r_[none, network.lower], np.r_[none, network.upper], terms


def _diagonal(weight: np.ndarray) -> sp.csc_matrix:
    indices = np.arange(len(weight))
    return sp.csc_matrix((weight, indices, np.arange(len(weight) + 1)))


def osqp_full_space(problems: FullSpace) -> Callable:
    """OSQP, set up once. A problem that it does not solve is nan in what `fluxes` returns."""
    import osqp

    rows, lower, upper, terms = _full_space(problems)
    reactions, found = problems.directions.shape[0], []
    weight, linear = terms(problems.kinetic_rates[0], problems.variance[0])
    solver = osqp.OSQP()
    solver.setup(_diagonal(weight), linear, rows, lower, upper, **OSQP)

    def solve():
        found.clear()
        with _silent():
            for kinetic_rates, variance in zip(problems.kinetic_rates, problems.variance, strict=True):
                weight, linear = terms(kinetic_rates, variance)
                solver.update(Px=weight, q=linear)
                answer = solver.solve()
                solved = answer.info.status_val == osqp.SolverStatus.OSQP_SOLVED
                found.append(answer.x[:reactions] if solved else np.full(reactions, np.nan))
        return np.stack(found)

    return solve


def clarabel_full_space(problems: FullSpace) -> Callable:
    """Clarabel, a solver of its own for every problem."""
    import clarabel

    rows, lower, upper, terms = _full_space(problems)
    equal = lower == upper
    low, high = np.isfinite(lower) & ~equal, np.isfinite(upper) & ~equal
    every = sp.vstack([rows[equal], -rows[low], rows[high]], format="csc")
    right = np.r_[lower[equal], -lower[low], upper[high]]
    cones = [clarabel.ZeroConeT(int(equal.sum())), clarabel.NonnegativeConeT(int(low.sum() + high.sum()))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12

    def solve():
        out = []
        for kinetic_rates, variance in zip(problems.kinetic_rates, problems.variance, strict=True):
            weight, linear = terms(kinetic_rates, variance)
            solver = clarabel.DefaultSolver(_diagonal(weight), linear, every, right, cones, settings)
            out.append(np.array(solver.solve().x)[: problems.directions.shape[0]])
        return np.stack(out)

    return solve
