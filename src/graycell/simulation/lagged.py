"""The published scheme of Nolan & Lee (2011), for reproduction only: fixed steps and a lagged redox ratio.

Classical Runge-Kutta steps at constant volume. Each stage uses the R' of the stage before, so that the answer depends
on the step. The text of the paper leaves details open; those here are the ones that meet the figures of the public
refit (Cui et al., Comput. Chem. Eng. 183 (2024) 108594), see tests/reference.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from graycell.errors import ModelError
from graycell.model import CultureModel
from graycell.packing import PackedRun
from graycell.runs.records import CultureRun, End, Replacement, Setpoint

_STEPS_MULTIPLE = 400
"""Paths are padded to a multiple of this many steps: ten days with steps of 0.1, 0.05 and 0.025 d compile once."""


class LaggedPath(NamedTuple):
    """States at time 0 and after every step.

    time: (n,) [d]; concentrations: (n, species) [mmol/L]; redox: (n,) R [1]; cold, cold_stoichiometry: (n,) weights
    [1] of the parameters and of the stoichiometry, which switches whole.
    """

    time: Float[Array, " n"]
    concentrations: Float[Array, "n species"]
    redox: Float[Array, " n"]
    cold: Float[Array, " n"]
    cold_stoichiometry: Float[Array, " n"]


def integrate(model: CultureModel, run: CultureRun, packed: PackedRun, step: float) -> LaggedPath:
    """Return the path of a run with steps of `step` [d]; raises `ModelError` for what the scheme does not know."""
    _require_published(run, step, np.asarray(packed.cold_target))
    count = round(run.end / step)
    # padded, so that runs and steps of a kind share a compiled function
    starts = np.arange(-(-count // _STEPS_MULTIPLE) * _STEPS_MULTIPLE) * step
    replacement = np.zeros((len(starts), packed.media.shape[0]))
    for k, time in enumerate(np.asarray(packed.end)):
        # the published code feeds at the end of the step that starts at the time of the feed
        here = np.isclose(starts, time, rtol=0.0, atol=1e-9)
        replacement[here] += np.asarray(packed.interventions.replacement[k])
    cold_from = np.asarray(packed.start)[np.asarray(packed.cold_target) == 1.0]
    shift = jnp.asarray(cold_from[0] if len(cold_from) else np.inf)
    path = _step_through(model, packed, jnp.asarray(starts), jnp.asarray(step), jnp.asarray(replacement), shift)
    return jax.tree.map(lambda leaf: leaf[: count + 1], path)


def _require_published(run: CultureRun, step: float, cold_target: np.ndarray) -> None:
    faults = []
    if not all(isinstance(event, Replacement | Setpoint | End) for event in run.events):
        faults.append("it knows the replacement feed and a set-point alone, see graycell.published_feed")
    one_shift = set(cold_target) <= {0.0, 1.0} and cold_target[0] == 0.0 and np.all(np.diff(cold_target) >= 0.0)
    if not one_shift:
        faults.append("it knows one shift, from the warm to the cold temperature")
    times = [run.end, *(event.time for event in run.events)]
    if any(abs(time / step - round(time / step)) > 1e-6 for time in times):
        faults.append(f"every event and the end lie on its grid, and a step of {step:g} d misses some")
    if faults:
        raise ModelError(f"run '{run.name}': the lagged scheme cannot do this: {'; '.join(faults)}. Or use Dynamic.")


@eqx.filter_jit
def _step_through(model: CultureModel, packed: PackedRun, starts, step, replacement, shift):
    shift_rate = model.parameters[model.shift_rate]

    def one_step(carry, now):
        c, redox = carry
        start, replaced = now
        # the cold branch is on from the first step that starts after the shift; the stoichiometry switches whole
        is_cold = jnp.where(start > shift + 1e-9, 1.0, 0.0)

        def cold_at(time):
            return is_cold * (1.0 - jnp.exp(-shift_rate * jnp.maximum(time - shift, 0.0)))

        def slope(time, c, redox):
            cell = model.evaluate(c, redox, cold_at(time), is_cold)
            density = model.viable_cell_density(c, packed.viability(time))
            return density * (model.exchange @ cell.solution.fluxes), cell.ratio

        k1, r1 = slope(start, c, redox)
        k2, r2 = slope(start + step / 2, c + step / 2 * k1, r1)
        k3, r3 = slope(start + step / 2, c + step / 2 * k2, r2)
        k4, r4 = slope(start + step, c + step * k3, r3)
        c = jnp.maximum(c + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4), 0.0)
        _, redox = slope(start + step, c, (r1 + 2 * r2 + 2 * r3 + r4) / 6)
        kept = 1.0 - replaced @ packed.supplied
        c = kept * c + replaced @ (packed.supplied * packed.media)
        return (c, redox), (c, redox, cold_at(start + step))

    first = (packed.initial, packed.initial_redox)
    _, (c, redox, cold) = lax.scan(one_step, first, (starts, replacement))
    return LaggedPath(
        jnp.concatenate([jnp.zeros(1), starts + step]),
        jnp.concatenate([packed.initial[None], c]),
        jnp.concatenate([packed.initial_redox[None], redox]),
        jnp.concatenate([jnp.zeros(1), cold]),
        jnp.concatenate([jnp.zeros(1), jnp.where(starts > shift + 1e-9, 1.0, 0.0)]),
    )
