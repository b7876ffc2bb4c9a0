"""Search: the minimisation of an objective in one stage, and the starts of a fit, which are tasks of the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from graycell.inference import least_squares
from graycell.inference.least_squares import Linearisation, Point
from graycell.inference.likelihood import Objective, robust_linearisation
from graycell.inference.matching import Matching, linearise_matching
from graycell.inference.results import FitSettings
from graycell.inference.stages import Stage, loop_of


class Started(NamedTuple):
    """One start of a fit.

    Attributes:
        point: state of its minimisation.
        history: its rows so far.
        finished: whether it ended.
    """

    point: Point
    history: tuple[dict, ...] = ()
    finished: bool = False


@dataclass(frozen=True)
class Search:
    """A minimisation; it can be sent to another process.

    Attributes:
        objective: of the fit.
        matching: its integral matching, if a stage uses it.
        kept: (residuals,) those that are learned from.
        held: (residuals,) those that are held out.
        settings: of the fit.
    """

    objective: Objective
    matching: Matching | None
    kept: Bool[np.ndarray, " residuals"]
    held: Bool[np.ndarray, " residuals"]
    settings: FitSettings

    def linearised(self, stage: Stage, x: Float[np.ndarray, " n"]) -> Linearisation:
        """Return residuals and their Jacobian in a stage.

        Args:
            stage: of the fit.
            x: (n,) coordinates.

        Returns:
            Those that are learned from, and the residuals that are held out.
        """
        if stage.matching and self.matching is not None:
            found = linearise_matching(self.matching, jnp.asarray(x))
        else:
            longest = float(np.max(np.asarray(self.objective.packed.end)))
            found = robust_linearisation(self.objective, x, loop_of(stage), stage.horizon * longest)
        residuals, jacobian = map(np.asarray, found)
        return Linearisation(residuals[self.kept], jacobian[self.kept], residuals[self.held])

    def cost(self, stage: Stage, x: Float[np.ndarray, " n"]) -> float:
        """Return the cost of a point in a stage.

        Args:
            stage: of the fit.
            x: (n,) coordinates.

        Returns:
            Half the sum of squares; infinite where the model cannot be simulated.
        """
        return self.linearised(stage, x).cost

    def follow(
        self,
        stage: Stage,
        point: Point,
        each: Callable[[Point, bool], None] | None = None,
        watch: "Watch | None" = None,
    ) -> Point:
        """Return where a stage ends from a point.

        Args:
            stage: of the fit.
            point: the state of the minimisation.
            each: called after every trial with the new state and whether the trial was accepted.
            watch: for early stopping.

        Returns:
            The last state; the one it began with where the model cannot be simulated there.
        """
        at, moved = self.linearised(stage, point.x), True
        patience = self.settings.patience
        while point.iteration < stage.iterations and point.stalled < patience and not (watch and watch.stops):
            if not np.isfinite(at.cost):
                break  # a drawn start that cannot be simulated; the best of all points is taken
            if moved and watch is not None:
                watch.look(point.x, at.held)
            point, tried = least_squares.step(point, at, lambda x: self.linearised(stage, x), self.settings.least_gain)
            at, moved = tried, tried is not at
            if each is not None:
                each(point, moved)
        return point


def follow_start(
    search: Search, stage: Stage, label: str, start: Started, report: Callable[[Started], None] | None = None
) -> Started:
    """Follow one start to the end of its stage: a task of the engine.

    Args:
        search: of the fit.
        stage: a short first stage.
        label: of the rows of the history.
        start: where it is.
        report: called after every trial with where it is then.

    Returns:
        Where it ended.
    """
    history = list(start.history)

    def each(point: Point, moved: bool) -> None:
        history.append(row_of(label, point, moved))
        if report is not None:
            report(Started(point, tuple(history)))

    return Started(search.follow(stage, start.point, each), tuple(history), True)


def row_of(label: str, point: Point, moved: bool) -> dict:
    """Return the row of the history of one trial, without its time.

    Args:
        label: of the stage.
        point: the state after the trial.
        moved: whether it was accepted.

    Returns:
        Plain data.
    """
    return {"stage": label, "iteration": point.iteration, "cost": point.cost, "damping": point.damping,
            "accepted": moved}  # fmt: skip


class Watch:
    """Early stopping in the last stage: the point with the lowest cost of the held-out samples, and when to stop.

    Attributes:
        best: (n,) coordinates of that point, None before the first.
        cost: of the held-out samples at the present point.
        least: cost at `best`.
        since: points since `best`.
        seen: (n,) the point that was looked at last.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best: np.ndarray | None = None
        self.cost, self.least, self.since = np.inf, np.inf, 0
        self.seen: np.ndarray | None = None

    def look(self, x: np.ndarray, held: np.ndarray) -> None:
        """Record the cost of the residuals of the held-out samples at a point.

        Args:
            x: (n,) coordinates.
            held: (k,) residuals there [standard errors].
        """
        self.cost = 0.5 * float(held @ held)
        if self.seen is not None and np.array_equal(x, self.seen):
            return
        self.seen, self.since = x, self.since + 1
        if self.cost < self.least:
            self.best, self.least, self.since = x, self.cost, 0

    @property
    def stops(self) -> bool:
        """Whether the held-out samples were predicted no better for as many points as the patience is long."""
        return self.since >= self.patience
