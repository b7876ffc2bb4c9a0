"""The stages of a fit, and the recipes that put them in order."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp

from graycell.model import CultureModel
from graycell.runs.records import CultureRun
from graycell.simulation.solve import Loop


@dataclass(frozen=True)
class Stage:
    """One stage of a fit: how far the loops are open, and how many iterations it may take.

    Attributes:
        name: for reports.
        iterations: at most so many.
        gain: [1/d] rate at which loop variables, such as R, are drawn to their measured values.
        opened: 1 if the rate laws see the measured values of the loop variables, else 0.
        horizon: part [1] of the longest run that is simulated.
        matching: whether the rates see smooth curves of the samples, see `matching`; then no ODE is solved.
    """

    name: str
    iterations: int
    gain: float = 0.0
    opened: float = 0.0
    horizon: float = 1.0
    matching: bool = False


_GAINS = (30.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1)
"""[1/d] Gains of the stages that close the loops, in order."""


def _open_and_close(opened: int, nudged: int, closed: int, gains: Sequence[float] = _GAINS) -> tuple[Stage, ...]:
    """Return the stages that open the loops and close them again, with so many iterations each."""
    return (
        Stage("loop open", opened, opened=1.0),
        *(Stage(f"nudged, {gain:g}/d", nudged, gain=gain) for gain in gains),
        Stage("loop closed", closed),
    )


OPEN_AND_CLOSE = _open_and_close(120, 60, 200, sorted((*_GAINS, 1.4), reverse=True))
"""The recipe for runs that measure every loop variable, such as R. Between 2/d and 1/d the published network leaves the
branch of the bundled run. With one more stage there the fit of `make demo` ends at a lower cost; at another tolerance
it may end at a higher one."""
CLOSED = (Stage("loop closed", 300),)
"""The recipe for runs that do not, and for models without a loop."""
MATCH = (Stage("integral matching", 40, opened=1.0, matching=True),)
"""The first stage where networks are learned and the rates can be evaluated along the samples."""
GROW = (
    *(Stage(f"{100 * part:.0f} % of the time", 15, horizon=part) for part in (0.15, 0.3, 0.45, 0.6, 0.8)),
    Stage("whole runs", 150),
)
"""The recipe for networks: where a trajectory is wrong early, its later part holds no information."""
MATCH_AND_CLOSE = MATCH + _open_and_close(40, 20, 150)
"""The recipe for networks where R is measured: at first an unknown law in a closed loop sends runs to any branch."""


def recipe_for(model: CultureModel, runs: Sequence[CultureRun]) -> tuple[Stage, ...]:
    """Return the stages of a fit as chosen by default.

    Args:
        model: to be fitted.
        runs: with measurements.

    Returns:
        One of the recipes above.
    """
    seen = not model.has_loop or all(name in run.measurements for run in runs for name in model.loops)
    if model.nets:
        if model.has_loop:
            return MATCH_AND_CLOSE if seen else GROW
        return MATCH + GROW
    return OPEN_AND_CLOSE if seen and model.has_loop else CLOSED


def loop_of(stage: Stage) -> Loop:
    """Return how far the loops are open in a stage.

    Args:
        stage: of a fit.

    Returns:
        See `simulation.solve.Loop`.
    """
    return Loop(jnp.asarray(stage.gain), jnp.asarray(stage.opened))
