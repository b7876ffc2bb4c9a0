r"""The least-distance programme: the nearest point to a target that meets linear equalities and inequalities.

    minimise  sum_i (z_i - target_i)^2 / variance_i
    subject to  rows[j] z  = offset[j]   for the first `equalities` rows,
                rows[j] z >= offset[j]   for the others.

The objective is weighted least squares with the weight 1/variance, so an infinite weight is the number variance = 0.
The solution is exact, differentiable, and fast over a batch.

**Method** (`active_set`). The dual active-set method of Goldfarb & Idnani (Math. Program. 27 (1983) 1-33) in the
coordinates (z - target)/sqrt(variance). There the objective is a plain norm, and weights that span 12 orders of
magnitude enter by their roots only. The method keeps the dual basis of the active rows (vectors d_j in the span of
the active rows, with d_i . n_j = 1 if i = j, else 0) in place of a triangular factor, so a row enters or leaves by a
rank-one update of one array, without LAPACK.

**Two levels** (`levels`). Some coordinates may have no weight at all: of the points nearest in the others, the one
nearest in these is the solution. The method takes the limit of a weight that goes to 0 in its formulas.

**Batches** (`batches`). Three passes solve a batch; each takes the problems that the pass before could not finish,
gathered into blocks that fit into the cache, with the batch as the last axis. The first pass meets the equalities
alone; the second adds up to three inequalities, the one with the largest violation first; the third runs the whole
method, in which rows may leave again. All three end with the same test: every row is met and every multiplier has
the right sign. This proves the optimum of a convex programme.

**Derivatives** (`derivative`). On its active set the solution solves the linear equations

    z - variance * (rows^T m) = target,      rows[j] z = offset[j] (j active),      m_j = 0 (j not active).

`jax.lax.custom_linear_solve` differentiates them in both modes and to any order; the dual basis at the end of the
search is the inverse. At a kink, where a row is met with a zero multiplier, the row counts as not active: the
derivative is the one-sided one from the side on which the row does not bind.

**Smoothing** (`barrier`). A logarithmic barrier in place of the inequalities makes the solution smooth at the kinks.
"""

from graycell.numerics.programme.barrier import smooth_distance
from graycell.numerics.programme.problem import INFEASIBLE, NOT_CONVERGED, SOLVED, LeastDistance, Rows
from graycell.numerics.programme.solve import least_distance, least_slack

__all__ = [
    "INFEASIBLE",
    "NOT_CONVERGED",
    "SOLVED",
    "LeastDistance",
    "Rows",
    "least_distance",
    "least_slack",
    "smooth_distance",
]
