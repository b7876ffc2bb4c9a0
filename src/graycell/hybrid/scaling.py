"""Scales of the inputs and outputs of neural networks, from the training runs."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.rates import Ramp, ViableCells
from graycell.cell.variables import LoopVariable, RelaxingVariable
from graycell.errors import ModelError, nearest
from graycell.hybrid.smoothing import SmoothRun
from graycell.model import CultureModel

HALF_UPTAKE = 0.02
"""Part [1] of the largest concentration at which uptake has fallen to a half: about the detection limit of an assay."""
_LOOP_SCALE, _RAMP_SCALE = (1.0, 0.5), (0.5, 0.5)
"""Centre and standard deviation [1] of a loop variable, which may not be measured, and of one between 0 and 1."""


def scales(
    model: CultureModel, inputs: Sequence[str], smooth: Sequence[SmoothRun]
) -> tuple[Float[Array, " inputs"], Float[Array, " inputs"]]:
    """Return centre and standard deviation of inputs, in their units, over the time of all runs.

    Args:
        model: gives species, variables and inputs.
        inputs: see `Conditions.seen`.
        smooth: runs along smooth curves; without any, centres are 0 and standard deviations 1.

    Returns:
        Centres and standard deviations, (inputs,) each.

    Raises:
        ModelError: for an input that is not in the model.
    """
    for name in inputs:
        known = (*model.species, *model.variable_names, *model.input_names)
        if name.removeprefix("feed ") not in known:
            raise ModelError(f"input '{name}' of a network is not known; {nearest(name.removeprefix('feed '), known)}.")
    if not smooth:
        return jnp.zeros(len(inputs)), jnp.ones(len(inputs))
    length = np.concatenate([np.repeat(np.asarray(run.length), run.volume.shape[1]) for run in smooth])
    pairs = []
    for name in inputs:
        known_scale = _known_scale(model, name)
        if known_scale is not None:
            pairs.append(known_scale)
            continue
        values = np.concatenate([_values(model, run, name).ravel() for run in smooth])
        centre = np.average(values, weights=length)
        sd = math.sqrt(np.average((values - centre) ** 2, weights=length))
        pairs.append((centre, sd if sd > 1e-9 * max(abs(centre), 1.0) else max(abs(centre), 1.0)))
    return jnp.array([pair[0] for pair in pairs]), jnp.array([pair[1] for pair in pairs])


def _known_scale(model: CultureModel, name: str) -> tuple[float, float] | None:
    if name not in model.variable_names:
        return None
    variable = model.variables[model.variable_names.index(name)]
    if isinstance(variable, LoopVariable):
        return _LOOP_SCALE
    return _RAMP_SCALE if isinstance(variable, RelaxingVariable) and isinstance(variable.target, Ramp) else None


def _values(model: CultureModel, run: SmoothRun, name: str) -> np.ndarray:
    if name in model.variable_names:
        return np.asarray(run.variables[..., model.variable_names.index(name)])
    if name in model.input_names:
        return np.asarray(run.inputs[..., model.input_names.index(name)])
    i = model.species.index(name.removeprefix("feed "))
    return np.asarray((run.fed if name.startswith("feed ") else run.concentrations)[..., i])


def sizes(model: CultureModel, smooth: Sequence[SmoothRun], balanced: bool) -> np.ndarray:
    """Return the root mean square of the rates of every species over all runs.

    Args:
        model: with `ViableCells`.
        smooth: runs along smooth curves.
        balanced: whether rates are per cell; else they are dc/dt [mmol/L/d].

    Returns:
        (species,) [mmol/(10^9 cells)/d] or [mmol/L/d].
    """
    made, time, per = [], [], []
    for run in smooth:
        lasting = np.asarray(run.length) > 0.0
        density = np.mean(_density(model, run) * np.asarray(run.volume), axis=1)
        per.append((density if balanced else np.ones_like(density))[lasting])
        made.append(np.asarray(run.net_production)[lasting])
        time.append(np.asarray(run.length)[lasting])
    rates = np.concatenate(made) / np.maximum(np.concatenate(per) * np.concatenate(time), 1e-12)[:, None]
    found = np.sqrt(np.average(rates**2, axis=0, weights=np.concatenate(time)))
    return np.where(found > 0.0, found, 1e-3)


def _density(model: CultureModel, run: SmoothRun) -> np.ndarray:
    cells = model.cells
    if not isinstance(cells, ViableCells):
        raise ModelError(f"model '{model.name}': its cells are no single species, so rates cannot be scaled by them.")
    density = np.asarray(run.concentrations[..., model.species.index(cells.species)])
    if cells.viability is not None:
        density = density * np.asarray(run.inputs[..., model.input_names.index(cells.viability)])
    return density if cells.biomass_per_cell is None else density / float(model.parameters[cells.biomass_per_cell])
