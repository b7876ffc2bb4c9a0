"""What a run would tell of the parameters of a fit: sensitivities of what is measured, and their information."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from graycell.cell.neural import with_weights
from graycell.compiling import compiled_once
from graycell.decisions.decision import Decision
from graycell.decisions.judging import SETTINGS, PlanArrays, arrays_of
from graycell.engine import current_engine
from graycell.errors import FitError
from graycell.inference.coordinates import Coordinates
from graycell.inference.results import Fit
from graycell.model import CultureModel
from graycell.packing import in_units_of
from graycell.runs.records import CultureRun, Sample
from graycell.simulation.solve import SAME_TIME, Loop, SolverSettings, integrate, segments_at
from graycell.simulation.trajectory import has_finished

_TOGETHER = 4
"""Plans in one task."""
_LEAST_ERROR = 0.01
"""[1] Least error of an assay, as a part of the largest value that was measured."""


@dataclass(frozen=True)
class Assays:
    """What will be measured of a run, and how well, as in the runs of a fit.

    Attributes:
        quantities: their names.
        relative: (quantities,) [1] error of each, as a part of the value.
        floor: (quantities,) least error of each, in the unit of the model.
        times: (n,) [d].
    """

    quantities: tuple[str, ...]
    relative: np.ndarray
    floor: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, fit: Fit, plan: CultureRun, end: float | None = None) -> "Assays":
        """Return what was measured in the runs of a fit, at the times at which a plan takes samples.

        Args:
            fit: of runs with measurements.
            plan: with its samples; without any, one a day is taken.
            end: [d] until when; that of the plan if left out.

        Returns:
            The assays.

        Raises:
            FitError: the runs of the fit have no measurements of quantities of its model.
        """
        runs, model = [in_units_of(run, fit.model) for run in fit.runs], fit.model
        names, relative, floor = [], [], []
        for name in model.quantities:
            seen = [run.measurements[name] for run in runs if name in run.measurements]
            if not seen:
                continue
            value = np.concatenate([one.value for one in seen])
            error = np.concatenate([one.standard_error for one in seen])
            largest = float(np.max(np.abs(value)))
            large = np.abs(value) > 0.3 * largest
            names.append(name)
            relative.append(float(np.median(error[large] / np.abs(value[large]))) if np.any(large) else 0.0)
            floor.append(max(float(np.min(error)), _LEAST_ERROR * largest))
        if not names:
            raise FitError("design: the runs of the fit have no measurements of quantities of its model; nothing says "
                           "what will be measured.")  # fmt: skip
        taken = sorted({float(event.time) for event in plan.events if isinstance(event, Sample) and event.time > 0.0})
        times = np.array(taken or np.arange(1.0, math.floor(plan.end if end is None else end) + 1.0))
        return cls(tuple(names), np.array(relative), np.array(floor), times)

    def sd(self, values: Float[np.ndarray, "... quantities"]) -> Float[np.ndarray, "... quantities"]:
        """Return standard errors of values.

        Args:
            values: in the units of the model.

        Returns:
            The errors, of the same shape.
        """
        return np.hypot(self.relative * values, self.floor)


class Sensitivities(NamedTuple):
    """What is predicted of plans, for draws of the parameters.

    Attributes:
        values: (plans, draws, n, quantities) at the times of the samples; NaN where a plan cannot be simulated.
        slopes: (plans, draws, n, quantities, learned) derivatives by the parameters on their own scales, and weights.
        starts: (plans, draws, n, quantities, species) derivatives by the logarithms of uncertain starts; of none where
            the fit has exact ones.
    """

    values: np.ndarray
    slopes: np.ndarray
    starts: np.ndarray


class _Asked(NamedTuple):
    """What is asked of every plan and draw.

    Attributes:
        model: of the fit.
        coordinates: of the parameters.
        names: of the parameters.
        carried: which species each uncertain start moves.
        times: (n,) [d] of the samples.
        columns: (quantities,) numbers of the quantities.
        settings: of the solver.
    """

    model: CultureModel
    coordinates: Coordinates
    names: tuple[str, ...]
    carried: Array
    times: Array
    columns: Array
    settings: SolverSettings


def sensitivities(
    fit: Fit, plan: CultureRun, decisions: Sequence[Decision], values: Float[np.ndarray, "plans decisions"],
    assays: Assays, draws: Float[np.ndarray, "draws learned"], group: str | None = None,
) -> Sensitivities:  # fmt: skip
    """Return what is predicted of plans, and its derivatives, which are exact.

    Args:
        fit: of a model.
        plan: the current plan.
        decisions: which numbers of it are chosen.
        values: of each plan, in internal units.
        assays: what is measured, and when.
        draws: parameters on their own scales, then weights of networks.
        group: of the plans, where parameters differ between groups.

    Returns:
        Values and derivatives.

    Raises:
        InputError: the plan does not fit the model.
    """
    model = fit.model_of(plan.name, group)
    table = model.table  # once: it copies every value from the device
    rows = [table[row.name] for row in fit.estimates]
    known = None if fit.initial_states is None else fit.initial_states.of_run(plan, fit.model)
    none = np.zeros((0, len(fit.model.species)))
    carried = none if known is None else np.where(np.isfinite(known.sd)[:, None], known.carried, 0.0)
    columns = jnp.array([fit.model.quantities.index(name) for name in assays.quantities])
    asked = _Asked(model, Coordinates.of(rows), tuple(row.name for row in rows), jnp.asarray(carried),
                   jnp.asarray(assays.times, jnp.float64), columns, SETTINGS)  # fmt: skip
    arrays = [arrays_of(model, plan, decisions, jnp.asarray(row, jnp.float64), assays.times)[0] for row in values]
    pairs = np.array([(i, k) for i in range(len(values)) for k in range(len(draws))])
    order = np.r_[np.arange(len(pairs)), np.zeros(-len(pairs) % _TOGETHER, int)].reshape(-1, _TOGETHER)

    def some(of: np.ndarray):
        i, k = pairs[of].T
        plans = jax.tree.map(lambda *parts: jnp.stack(parts), *(arrays[j] for j in i))
        return jax.tree.map(np.asarray, _sloped(asked, plans, jnp.asarray(draws[k])))

    found = current_engine().here.map(some, [(of,) for of in order])
    value, slope = (np.concatenate(parts)[: len(pairs)] for parts in zip(*found, strict=True))
    value, slope = (part.reshape(len(values), len(draws), *part.shape[1:]) for part in (value, slope))
    learned = draws.shape[1]
    return Sensitivities(value, slope[..., :learned], slope[..., learned:])


@compiled_once
def _sloped(asked: _Asked, plans: PlanArrays, draws: Array) -> tuple[Array, Array]:
    n, model = len(asked.names), asked.model

    def one(given: tuple[PlanArrays, Array]) -> tuple[Array, Array]:
        plan, drawn = given

        def predicted(both: Array) -> tuple[Array, Array]:
            scaled, of_nets, start = both[:n], both[n : len(drawn)], both[len(drawn) :]
            packed = replace(plan.packed, initial=plan.packed.initial * jnp.exp(start @ asked.carried))
            parameters = asked.coordinates.unscaled(scaled)
            changed = model.with_parameters({name: parameters[i] for i, name in enumerate(asked.names)})
            changed = changed.changed(nets=with_weights(changed.nets, of_nets))
            path = integrate(changed, packed, Loop(), asked.settings)
            finished = has_finished(path)
            value = path.predicted[segments_at(packed.end, asked.times)][:, asked.columns]
            # nothing is measured after the harvest
            value = jnp.where((asked.times <= plan.end + SAME_TIME)[:, None], value, 0.0)
            value = jnp.where(finished, value, jnp.nan)
            return value, value

        begun = jnp.concatenate([drawn, jnp.zeros(asked.carried.shape[0])])
        slope, value = jax.jacfwd(predicted, has_aux=True)(begun)
        return value, slope

    return lax.map(one, (plans, draws))


def information_of(found: Sensitivities, assays: Assays, start_sd: np.ndarray) -> np.ndarray:
    """Return the Fisher information of each plan, in each draw.

    Args:
        found: values and derivatives.
        assays: what is measured, and how well.
        start_sd: (species,) [1] errors of uncertain starts; what they let the samples vary tells nothing.

    Returns:
        (plans, draws, learned, learned); NaN where a plan cannot be simulated.
    """
    error = assays.sd(found.values)
    plans, draws, times, quantities = found.values.shape
    slopes, starts = ((part / error[..., None]).reshape(plans, draws, times * quantities, part.shape[-1])
                      for part in (found.slopes, found.starts))  # fmt: skip
    whole = np.swapaxes(slopes, 2, 3) @ slopes
    if not len(start_sd):
        return whole
    starts = starts * start_sd
    # the inverse of 1 + A A^T is 1 - A (1 + A^T A)^-1 A^T
    cross = np.swapaxes(starts, 2, 3) @ slopes
    inner = np.eye(len(start_sd)) + np.swapaxes(starts, 2, 3) @ starts
    finite = np.all(np.isfinite(inner), axis=(2, 3))
    solved = np.full_like(cross, np.nan)
    solved[finite] = np.linalg.solve(inner[finite], cross[finite])
    return whole - np.swapaxes(cross, 2, 3) @ solved
