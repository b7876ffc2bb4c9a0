"""The objective of a fit and the point at which it ended, found again from its result; nothing else was saved."""

from dataclasses import replace
from typing import NamedTuple

import diffrax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from graycell.cell.neural import weights_of
from graycell.inference.fitting import objective_for
from graycell.inference.likelihood import Objective
from graycell.inference.results import Fit
from graycell.inference.stages import loop_of, recipe_for
from graycell.simulation.solve import Loop, SolverSettings


class Refound(NamedTuple):
    """The problem of a fit, at its result.

    Attributes:
        objective: of the fit; samples that were held out count in it, as they do in the covariance of a fit.
        x: (n,) coordinates of the estimates.
        loop: how far the loops are open in the last stage.
        labels: a name for every coordinate.
    """

    objective: Objective
    x: Float[np.ndarray, " n"]
    loop: Loop
    labels: tuple[str, ...]


def refound(fit: Fit) -> Refound:
    """Return the objective of a fit and its coordinates there.

    Args:
        fit: any fit.

    Returns:
        Both; an estimate at a bound is just inside of it.

    Raises:
        InputError: where a run does not fit the model any more.
    """
    settings, model, states = fit.settings, fit.model, fit.initial_states
    solver = SolverSettings(rtol=settings.rtol, atol=settings.atol, adjoint=diffrax.ForwardMode())
    # the prior of a parameter is around the value at which the fit started
    rows = [replace(model.table[row.name], value=row.start) for row in fit.estimates]
    errors = None if states is None else states.error
    objective = objective_for(model, fit.runs, rows, solver, settings.regularisation, errors, fit.groups)
    coordinates, names = objective.coordinates, [objective.names[i] for i in objective.per_run]

    def scaled(values: dict[str, float]) -> np.ndarray:
        found = np.array([values[row.name] for row in fit.estimates])
        log = np.asarray(coordinates.log_scale)
        return np.where(log, np.log(np.where(log, found, 1.0)), found)

    shared = {row.name: row.value for row in fit.estimates}
    centre, chosen, found = scaled(shared), list(objective.per_run), fit.group_effects
    effects, of_groups = np.zeros((len(fit.runs), objective.effects)), np.zeros((0, 0))
    if found is not None:
        of_groups = found.deviation
    for i, run in enumerate(fit.runs):
        own, of_group = {**shared, **{name: fit.per_run[run.name][name] for name in names}}, np.zeros(len(centre))
        if found is not None:
            of_group[list(objective.groups.per_group)] = of_groups[objective.groups.number_of(i)]
        effects[i, : len(chosen)] = (scaled(own) - centre - of_group)[chosen]
    common = np.zeros(len(objective.initial.common))
    if states is not None:
        effects[:, len(chosen) :] = states.deviation
        common = states.common_mean - np.asarray(objective.initial.centre)[0]
    weights = np.asarray(weights_of(model.nets))
    first = np.asarray(coordinates.of_scaled(jnp.asarray(centre)))
    x = np.concatenate([first, effects.ravel(), common, of_groups.ravel(), weights])
    stages = [stage for stage in settings.stages or recipe_for(model, fit.runs) if not stage.matching]
    loop = loop_of(stages[-1]) if stages else Loop(jnp.zeros(()), jnp.zeros(()))
    labels = objective.labels([run.name for run in fit.runs], () if found is None else found.names)
    return Refound(objective, x, loop, tuple(labels))
