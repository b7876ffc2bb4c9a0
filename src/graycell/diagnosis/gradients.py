"""check_gradients: every derivative that a fit will use, against central differences.

The derivatives are the columns of the Jacobian of `likelihood.linearise`, in the coordinates of the fit. A central
difference cannot see more than the solver resolves, so both are taken with a much tighter tolerance than a fit needs:
the audit says whether the derivatives are right, not how coarsely a fit solves them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.neural import weight_labels, weights_of
from graycell.errors import FitError
from graycell.inference.fitting import objective_for, require_simulated
from graycell.inference.likelihood import WHOLE, Objective, linearise, residuals
from graycell.model import CultureModel
from graycell.models import nolan_lee
from graycell.parameters import Parameter
from graycell.provenance import provenance_of
from graycell.runs import CultureRun, bundled_run
from graycell.simulation.solve import Loop, SolverSettings


class Verdict(StrEnum):
    """What the comparison of a derivative with differences says. `remedy` is the sentence for the user."""

    agrees = "agrees"
    kink = "kink"
    flat = "flat"
    disagrees = "disagrees"
    not_finite = "not finite"

    @property
    def remedy(self) -> str:
        return {
            "agrees": "The derivative is that of central differences.",
            "kink": "The differences to either side disagree, and the derivative lies between them: the trajectory "
            "has a kink here, as where a bound becomes active. A fit can use it; it may take more iterations.",
            "flat": "No residual changes by as much as a thousandth of its standard error when the coordinate moves "
            "by 1: the runs say nothing about the parameter. Fix it, or give it a prior.",
            "disagrees": "The derivative is not that of the differences. Look for a rule of differentiation written by "
            "hand, a stop_gradient, or a rounding or table look-up in the rate laws that use the parameter.",
            "not finite": "The derivative or the simulations beside it are not finite. Look for a root, logarithm or "
            "quotient at 0 in the rate laws. One such place can spoil the derivatives by every parameter: audit them "
            "one at a time to find it.",
        }[self.value]

    @property
    def passes(self) -> bool:
        """Whether a fit can use the derivative."""
        return self not in (Verdict.disagrees, Verdict.not_finite)


@dataclass(frozen=True)
class DerivativeCheck:
    """One derivative: d(residuals)/d(coordinate) of one parameter.

    error: the largest difference from the central difference, over `size` [1]; size: the largest derivative
    [standard errors per unit of the coordinate], by either way; run, quantity, time [d]: the sample where the error is
    largest; step: of the coordinate [1], with which the differences agree best. Where it is not finite, error and
    size are NaN and the sample is the first that is not.
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

    runs: their names; checks: one a parameter, in the order that was asked for; tolerance: the relative error [1]
    that is allowed; provenance: everything needed to repeat the audit, as plain data.
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
        """The checks, those that do not pass first, then by falling error."""

        def place(check: DerivativeCheck) -> tuple:
            known = np.isfinite(check.error)
            return _GRAVITY.index(check.verdict), bool(known), -check.error if known else 0.0

        return tuple(sorted(self.checks, key=place))

    def summary(self) -> str:
        """Return one sentence: how many derivatives have which verdict, and the largest error of those that agree."""
        counts = {verdict: sum(check.verdict is verdict for check in self.checks) for verdict in reversed(_GRAVITY)}
        told = ", ".join(f"{verdict.value} {count}" for verdict, count in counts.items() if count)
        errors = [check.error for check in self.checks if check.verdict is Verdict.agrees]
        worst = f"; largest relative error of those that agree {max(errors):.1e}" if errors else ""
        return f"{len(self.checks)} derivatives against central differences: {told}{worst}"

    def plain(self) -> dict:
        """Return the audit as plain data for JSON, worst first: what was found, and what it depends on."""
        checks = [asdict(check) for check in self.worst_first]
        known = [
            {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in check.items()}
            for check in checks
        ]
        return {"summary": self.summary(), "passed": self.passed, "checks": known, "provenance": self.provenance}


_GRAVITY = (Verdict.not_finite, Verdict.disagrees, Verdict.kink, Verdict.flat, Verdict.agrees)

TOLERANCE = 1e-5
"""Relative error [1] that is allowed: between the truncation of a central difference and the noise of the solver."""
STEPS = (1e-3, 1e-4, 1e-5)
"""Steps of the coordinates [1]. The error of a central difference grows as the square of the step, the noise of the
solver as its inverse; with the tolerance `RTOL` one of three decades has room between them."""
RTOL = 1e-12
"""Relative tolerance of the trajectory in an audit. A step of the solver across a kink of the rates leaves an error of
the order of the root of the tolerance in the derivative: 6e-5 at 1e-10, 2e-6 at 1e-12 for the bundled run."""
_MOST_STEPS = 1_000_000

_FLAT = 1e-3
"""[standard errors per unit of a coordinate] A unit of a coordinate takes a parameter from a quarter of its range to
half of it; what moves a residual by less than this, a fit cannot see."""
_NOISE = 10.0
"""Two ways to the same simulation differ by rounding and its effect on the steps; the largest over all simulations is
taken as so many times the one that was seen."""
_MOST_NOISE = 1e-3
"""The relative error [1] up to which noise excuses a difference."""
_FEW = 64
"""Up to so many simulations are made one by one, with the function that the fit uses; more are mapped together, which
is ten times faster and takes longer to compile."""


class _Differences(NamedTuple):
    """Simulations beside a point: residuals there (measured,), above and below (steps, measured)."""

    here: np.ndarray
    above: np.ndarray
    below: np.ndarray


def check_gradients(
    model: CultureModel | None = None,
    runs: Sequence[CultureRun] | CultureRun | None = None,
    parameters: Sequence[str] | None = None,
    *,
    tolerance: float = TOLERANCE,
    steps: Sequence[float] = STEPS,
    rtol: float = RTOL,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
    progress: Callable[[float, str], None] | None = None,
) -> GradientCheck:
    """Compare every derivative that a fit of `model` to `runs` uses with central differences.

    The derivatives are those of the residuals of all measured values [standard errors] by the coordinates of the
    fit (the logit of the place between the bounds; the weights of networks as they are) at the values of `model.table`,
    by the same functions. Priors are left out: theirs are known. Of the `steps` [1] the one that agrees best is taken.
    The noise of the solver excuses an error of up to a thousandth where a derivative is small; `DerivativeCheck.error`
    shows it.

    model, runs: `nolan_lee(extended=True)` and the bundled run if left out. parameters: names, of a weight as
    ``v17.output[0]``; all estimated ones and all weights if left out. tolerance: relative error [1] that is allowed,
    of the largest derivative of a parameter. rtol: of the trajectory, see `SolverSettings`. loop: how far the redox
    loop is open; the last stage of a fit is the closed loop. progress: is told the part done [1] and a word for where
    it is.

    Raises `ModelError` for a parameter that the model has not, `FitError` where `fit` would, for steps that are not
    between 0 and 1, or where the model cannot be simulated at its parameters; `InputError` where a run does not fit
    the model.
    """
    model = nolan_lee(extended=True) if model is None else model
    runs = [bundled_run()] if runs is None else [runs] if isinstance(runs, CultureRun) else list(runs)
    names = None if parameters is None else tuple(dict.fromkeys(parameters))
    of_nets = set() if names is None else set(names).intersection(weight_labels(model.nets))
    rows = model.table.estimated if names is None else _rows(model, [one for one in names if one not in of_nets])
    steps = sorted(steps, reverse=True)
    if not steps or not all(0.0 < step < 1.0 for step in steps):
        raise FitError(f"found the steps {steps}; a difference needs some between 0 and 1; leave them out for {STEPS}.")
    tell = progress or (lambda done, what: None)
    solver = SolverSettings(rtol=rtol, atol=rtol / 10.0, most_steps=_MOST_STEPS, adjoint=diffrax.ForwardMode())
    objective = objective_for(model, runs, rows, solver)
    measured = np.flatnonzero(np.isfinite(np.asarray(objective.packed.standard_error)))
    if not measured.size:
        raise FitError(
            f"runs {', '.join(run.name for run in runs)}: found no measured value that the model predicts; a fit and "
            f"its derivatives need some; measure any of {', '.join(model.quantities)}."
        )
    loop = Loop(*(jnp.asarray(value, jnp.float64) for value in loop))
    x = objective.join(objective.coordinates.of_scaled(objective.coordinates.centre), weights_of(model.nets))
    labels = objective.labels([run.name for run in runs])
    # with names given, these alone
    chosen = list(range(len(labels))) if names is None else [labels.index(name) for name in names]

    tell(0.0, "compiling the derivatives")
    value, jacobian = map(np.asarray, linearise(objective, x, loop))
    require_simulated(value)
    moves = np.concatenate([sign * step * np.eye(len(x))[chosen] for step in steps for sign in (1.0, -1.0)])
    beside = _simulated(objective, np.asarray(x) + np.vstack([np.zeros(len(x)), moves]), loop, tell)[:, measured]
    # (steps, signs, coordinates, measured)
    sides = beside[1:].reshape(len(steps), 2, len(chosen), len(measured))
    here = beside[0]
    noise = _NOISE * max(float(np.max(np.abs(here - value[measured]), initial=0.0)), np.finfo(float).eps)
    checks = []
    for k, i in enumerate(chosen):
        differences = _Differences(here, sides[:, 0, k], sides[:, 1, k])
        verdict, error, size, worst, step = _judge(jacobian[measured, i], differences, steps, tolerance, noise)
        run, quantity, time = _sample(model, runs, objective, measured, worst)
        checks.append(DerivativeCheck(labels[i], verdict, error, size, run, quantity, time, step))
    tell(1.0, "done")
    settings = {"tolerance": tolerance, "steps": list(steps), "rtol": rtol, "loop": [float(value) for value in loop]}
    settings["parameters"] = [labels[i] for i in chosen]
    return GradientCheck(
        tuple(run.name for run in runs), tuple(checks), tolerance, provenance_of(model, runs, settings)
    )


def _rows(model: CultureModel, names: Sequence[str]) -> tuple[Parameter, ...]:
    # estimated, so that bounds between which nothing can be estimated are told
    return tuple(replace(model.table[name], estimated=True) for name in dict.fromkeys(names))


@eqx.filter_jit
def _residuals_together(objective: Objective, xs: Float[Array, "points n"], loop: Loop) -> Array:
    return jax.vmap(lambda x: objective.residuals(x, loop, jnp.asarray(WHOLE)))(xs)


def _simulated(objective: Objective, xs: np.ndarray, loop: Loop, tell: Callable[[float, str], None]) -> np.ndarray:
    """Return the residuals at many points, (points, residuals)."""
    tell(0.3, "compiling the simulations")
    together = 1 if len(xs) * objective.packed.start.shape[0] <= _FEW else _FEW
    # one shape, so that one function is compiled
    padded = np.concatenate([xs, np.broadcast_to(xs[:1], (-len(xs) % together, xs.shape[1]))])
    found = []
    for first in range(0, len(padded), together):
        chunk = jnp.asarray(padded[first : first + together])
        if together == 1:
            found.append(np.asarray(residuals(objective, chunk[0], loop))[None])
        else:
            found.append(np.asarray(_residuals_together(objective, chunk, loop)))
        tell(0.5 + 0.5 * (first + together) / len(padded), f"{min(first + together, len(xs))} of {len(xs)} simulations")
    return np.concatenate(found)[: len(xs)]


def _judge(
    exact: np.ndarray, differences: _Differences, steps: Sequence[float], tolerance: float, noise: float
) -> tuple[Verdict, float, float, int, float]:
    """Return verdict, relative error [1], size, the row of the largest error, and the step of one derivative.

    exact: (measured,); steps: falling; noise: of a residual [standard errors], which excuses what the longest step,
    where it weighs least, cannot tell from it.
    """
    here, above, below = differences
    usable = np.all(np.isfinite(above) & np.isfinite(below), axis=1)
    if not (np.all(np.isfinite(exact)) and np.any(usable)):
        return Verdict.not_finite, math.nan, math.nan, int(np.argmin(np.isfinite(exact))), float(steps[0])
    h, above, below = np.asarray(steps)[usable, None], above[usable], below[usable]
    central = (above - below) / (2.0 * h)
    off = np.abs(central - exact)
    best = int(np.argmin(np.max(off, axis=1)))
    worst, step = int(np.argmax(off[best])), float(h[best, 0])
    size = float(max(np.max(np.abs(exact)), np.max(np.abs(central[best]))))
    error = float(off[best, worst]) / size if size > 0.0 else 0.0
    if size <= _FLAT:
        verdict = Verdict.flat
    elif error <= tolerance + min(noise / (h[0, 0] * size), _MOST_NOISE):
        verdict = Verdict.agrees
    elif _is_kink(exact, (above - here) / h, (here - below) / h, tolerance * size + noise / h[:, 0]):
        verdict = Verdict.kink
    else:
        verdict = Verdict.disagrees
    return verdict, error, size, worst, step


def _is_kink(exact: np.ndarray, ahead: np.ndarray, behind: np.ndarray, resolved: np.ndarray) -> bool:
    """Return whether the one-sided differences, (steps, measured), disagree at a point, with `exact` between them.

    resolved: (steps,) what differences of each step can tell apart. On a smooth curve the gap between the two sides
    shrinks as the step, a hundredfold from the first to the last; at a kink it stays.
    """
    gap = np.max(np.abs(ahead - behind), axis=1)
    seen = np.flatnonzero(gap > 10.0 * resolved)
    if not seen.size or seen[-1] == 0 or gap[seen[-1]] < 0.3 * gap[0]:
        return False
    last = seen[-1]
    low, high = np.minimum(ahead[last], behind[last]), np.maximum(ahead[last], behind[last])
    slack = 0.1 * gap[last]
    return bool(np.all((low - slack <= exact) & (exact <= high + slack)))


def _sample(
    model: CultureModel, runs: Sequence[CultureRun], objective: Objective, measured: np.ndarray, row: int
) -> tuple[str, str, float]:
    """Return run, quantity and time [d] of one measured residual."""
    packed = objective.packed
    run, segment, quantity = np.unravel_index(measured[row], packed.standard_error.shape)
    return runs[run].name, model.quantities[quantity], float(packed.end[run, segment])
