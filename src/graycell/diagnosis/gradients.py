"""check_gradients: compare every derivative that a fit uses with central differences.

The derivatives are the columns of the Jacobian of `likelihood.linearise`, in the coordinates of the fit. A central
difference is no more precise than the solver, so both are computed with a much smaller tolerance than a fit needs: the
result says whether the derivatives are right, not how precisely a fit solves them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.neural import weight_labels, weights_of
from graycell.compiling import compiled_once
from graycell.diagnosis.differences import Differences, Verdict, judge
from graycell.engine import current_engine
from graycell.errors import FitError
from graycell.inference.fitting import objective_for
from graycell.inference.likelihood import WHOLE, Objective, linearise, residuals
from graycell.inference.outcome import require_simulated
from graycell.model import CultureModel
from graycell.parameters import Parameter, ParameterTable
from graycell.provenance import provenance_of
from graycell.runs.records import CultureRun
from graycell.saved import SavedFormat
from graycell.simulation.solve import Loop, SolverSettings


@dataclass(frozen=True)
class DerivativeCheck:
    """The check of one derivative, d(residuals)/d(coordinate of a parameter).

    Attributes:
        name: of the parameter, or of a weight as ``uptake.output[0]``.
        verdict: the result.
        error: largest difference from the central difference, over `size` [1]; NaN if something is not finite.
        size: largest derivative by either way [standard errors per unit of the coordinate]; NaN like `error`.
        run: name of the run with the largest error, or with the first value that is not finite.
        quantity: its quantity.
        time: of its sample [d].
        step: of the coordinate, the one whose differences agree best [1].
    """

    name: str
    verdict: Verdict
    error: float
    size: float
    run: str
    quantity: str
    time: float
    step: float


@dataclass(frozen=True)
class GradientCheck:
    """The result of `check_gradients`.

    Attributes:
        runs: their names.
        checks: one for each parameter, in the order of the request.
        tolerance: accepted relative error [1].
        provenance: everything needed to repeat the check, as plain data.
    """

    runs: tuple[str, ...]
    checks: tuple[DerivativeCheck, ...]
    tolerance: float
    provenance: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"GradientCheck({self.summary()})"

    @property
    def passed(self) -> bool:
        """Whether a fit can use every derivative."""
        return all(check.verdict.passes for check in self.checks)

    @property
    def worst_first(self) -> tuple[DerivativeCheck, ...]:
        """The checks, those that do not pass first, then by descending error."""

        def rank(check: DerivativeCheck) -> tuple:
            known = np.isfinite(check.error)
            return _SEVERITY.index(check.verdict), bool(known), -check.error if known else 0.0

        return tuple(sorted(self.checks, key=rank))

    def summary(self) -> str:
        """Summarise the checks in one sentence.

        Returns:
            The number of derivatives with each verdict, and the largest error of those that agree.
        """
        counts = {verdict: sum(check.verdict is verdict for check in self.checks) for verdict in reversed(_SEVERITY)}
        verdicts = ", ".join(f"{verdict.value} {count}" for verdict, count in counts.items() if count)
        errors = [check.error for check in self.checks if check.verdict is Verdict.agrees]
        worst = f"; largest relative error of those that agree {max(errors):.1e}" if errors else ""
        return f"{len(self.checks)} derivatives against central differences: {verdicts}{worst}"

    def plain(self) -> dict:
        """Return the checks as plain data for JSON, the worst first, with everything they depend on.

        Returns:
            Dictionaries, lists, numbers and texts; NaN is null.
        """
        checks = [asdict(check) for check in self.worst_first]
        known = [
            {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in check.items()}
            for check in checks
        ]
        found = {"summary": self.summary(), "passed": self.passed, "checks": known, "provenance": self.provenance}
        return {**_CHECKS.stamp(), **found}


_CHECKS = SavedFormat("gradient check", 1, "check anew with: graycell check-gradients", unnumbered=1)
_SEVERITY = (Verdict.not_finite, Verdict.disagrees, Verdict.kink, Verdict.flat, Verdict.agrees)

TOLERANCE = 1e-5
"""Accepted relative error [1]: between the truncation of a central difference and the noise of the solver."""
STEPS = (1e-3, 1e-4, 1e-5)
"""Steps of the coordinates [1]. The error of a central difference grows as the square of the step, the noise of the
solver as its inverse; with the tolerance `RTOL` one of three decades has room between them."""
RTOL = 1e-12
"""Relative tolerance of the trajectory."""
DERIVATIVE_RTOL = 1e-7
"""Relative tolerance of its derivatives: a step across a kink of the rates would spoil them, see `SolverSettings`."""
_MOST_STEPS = 1_000_000
_NOISE = 10.0
"""Two ways to the same simulation differ by rounding and its effect on the steps; the largest such difference over all
simulations is estimated as this multiple of the one that was observed."""
_FEW = 64
"""Up to this number, simulations run one by one with the function that the fit uses; more are vectorised, which is ten
times faster and takes longer to compile."""


def check_gradients(
    model: CultureModel,
    runs: Sequence[CultureRun] | CultureRun,
    parameters: Sequence[str] | None = None,
    *,
    tolerance: float = TOLERANCE,
    steps: Sequence[float] = STEPS,
    rtol: float = RTOL,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
    progress: Callable[[float, str], None] | None = None,
) -> GradientCheck:
    """Compare every derivative that a fit of a model to runs uses with central differences.

    The derivatives are those of the residuals of all measured values [standard errors] by the coordinates of the fit
    (the logit of the position between the bounds; weights of networks as they are) at the values of `model.table`,
    computed by the functions that the fit uses. Priors are left out, because their derivatives are known. Of the steps
    the one that agrees best counts. The noise of the solver excuses an error of up to a thousandth where a derivative
    is small; `DerivativeCheck.error` shows it.

    Args:
        model: the model.
        runs: one run or several.
        parameters: names, of a weight as ``uptake.output[0]``; None for all estimated parameters and all weights.
        tolerance: accepted relative error [1], relative to the largest derivative of a parameter.
        steps: of the coordinates, between 0 and 1 [1].
        rtol: relative tolerance of the trajectory [1], see `SolverSettings`.
        loop: how far the loops are open; the last stage of a fit is the closed loop.
        progress: called with the part done [1] and a description.

    Returns:
        One check for each parameter.

    Raises:
        FitError: steps outside of 0 to 1, no measured value, or as `fit` would raise. A parameter that is not in the
            model is a `ModelError`, a run that does not fit the model an `InputError`.
    """
    runs = [runs] if isinstance(runs, CultureRun) else list(runs)
    steps = sorted(steps, reverse=True)
    if not steps or not all(0.0 < step < 1.0 for step in steps):
        raise FitError(f"found the steps {steps}; a difference needs some between 0 and 1; leave them out for {STEPS}.")
    names = None if parameters is None else tuple(dict.fromkeys(parameters))
    report = progress or (lambda done, what: None)
    objective = _objective(model, runs, names, rtol)
    measured = np.flatnonzero(np.isfinite(np.asarray(objective.packed.standard_error)))
    loop = Loop(*(jnp.asarray(value, jnp.float64) for value in loop))
    x = objective.join(objective.coordinates.of_scaled(objective.coordinates.centre), weights_of(model.nets))
    labels = objective.labels([run.name for run in runs], tuple(run.name for run in runs))
    chosen = list(range(len(labels))) if names is None else [labels.index(name) for name in names]

    report(0.0, "compiling the derivatives")
    value, jacobian = linearise(objective, np.asarray(x), loop)
    require_simulated(value)
    moves = np.concatenate([sign * step * np.eye(len(x))[chosen] for step in steps for sign in (1.0, -1.0)])
    points = np.asarray(x) + np.vstack([np.zeros(len(x)), moves])
    here, *beside = _simulated(objective, points, loop, report)[:, measured]
    sides = np.reshape(beside, (len(steps), 2, len(chosen), len(measured)))  # above and below
    noise = _NOISE * max(float(np.max(np.abs(here - value[measured]), initial=0.0)), np.finfo(float).eps)
    checks = []
    for k, i in enumerate(chosen):
        found = judge(jacobian[measured, i], Differences(here, sides[:, 0, k], sides[:, 1, k]), steps, tolerance, noise)
        sample = _sample(model, runs, objective, measured, found.row)
        checks.append(DerivativeCheck(labels[i], found.verdict, found.error, found.size, *sample, found.step))
    report(1.0, "done")
    settings = {"tolerance": tolerance, "steps": list(steps), "rtol": rtol, "loop": [float(value) for value in loop]}
    settings["derivative_rtol"] = DERIVATIVE_RTOL
    settings["parameters"] = [labels[i] for i in chosen]
    return GradientCheck(
        tuple(run.name for run in runs), tuple(checks), tolerance, provenance_of(model, runs, settings)
    )


def _objective(model: CultureModel, runs: Sequence[CultureRun], names: Sequence[str] | None, rtol: float) -> Objective:
    """Return the objective of a fit of the named parameters, solved with a small tolerance."""
    if names is None:
        rows: tuple[Parameter, ...] = model.table.estimated
    else:
        weights = set(weight_labels(model.nets))
        # marked as estimated, so that bounds without room between them are reported
        rows = tuple(replace(model.table[name], estimated=True) for name in names if name not in weights)
    solver = SolverSettings(
        rtol=rtol,
        atol=rtol / 10.0,
        most_steps=_MOST_STEPS,
        derivative_rtol=DERIVATIVE_RTOL,
        adjoint=diffrax.ForwardMode(),
    )
    # where parameters differ between groups, every run is one, because the derivatives by a group are those of its runs
    groups = {run.name: run.name for run in runs}
    return objective_for(model, runs, ParameterTable(rows).require_estimable().rows, solver, groups=groups)


@compiled_once
def _residuals_together(objective: Objective, xs: Float[Array, "points n"], loop: Loop) -> Array:
    return jax.vmap(lambda x: objective.residuals(x, loop, jnp.asarray(WHOLE)))(xs)


def _simulated(objective: Objective, xs: np.ndarray, loop: Loop, report: Callable[[float, str], None]) -> np.ndarray:
    """Return the residuals at many points, (points, residuals)."""
    report(0.3, "compiling the simulations")
    together = 1 if len(xs) * objective.packed.start.shape[0] <= _FEW else _FEW
    # all parts have one shape, so that one function is compiled
    padded = np.concatenate([xs, np.broadcast_to(xs[:1], (-len(xs) % together, xs.shape[1]))])
    finished = 0

    def count(*_: object) -> None:
        nonlocal finished
        finished = min(finished + together, len(xs))
        report(0.5 + 0.5 * finished / len(xs), f"{finished} of {len(xs)} simulations")

    def some(chunk: np.ndarray) -> np.ndarray:
        if together == 1:
            return residuals(objective, chunk[0], loop)[None]
        return np.asarray(_residuals_together(objective, jnp.asarray(chunk), loop))

    chunks = [(padded[first : first + together],) for first in range(0, len(padded), together)]
    return np.concatenate(current_engine().here.map(some, chunks, count))[: len(xs)]


def _sample(
    model: CultureModel, runs: Sequence[CultureRun], objective: Objective, measured: np.ndarray, row: int
) -> tuple[str, str, float]:
    """Return run, quantity and time [d] of one measured residual."""
    packed = objective.packed
    run, segment, quantity = np.unravel_index(measured[row], packed.standard_error.shape)
    return runs[run].name, model.quantities[quantity], float(packed.end[run, segment])
