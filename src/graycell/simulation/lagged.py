"""The published scheme of Nolan & Lee (2011), for reproduction only: fixed steps and a lagged redox ratio.

Classical Runge-Kutta steps at constant volume. Each stage uses the R' of the stage before, so the result depends on the
step. The paper leaves details open; the ones here reproduce the figures of the public refit (Cui et al., Comput. Chem.
Eng. 183 (2024) 108594), see tests/reference: the temperature shift acts from the first step that starts after it, the
feed at the end of the step that starts at its time, and concentrations may fall below 0.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from graycell.cell.closures import Lagged
from graycell.cell.rates import Conditions, Named
from graycell.cell.variables import LoopVariable, RelaxingVariable
from graycell.errors import ModelError
from graycell.model import CultureModel, Evaluation
from graycell.packing import PackedRun
from graycell.runs.records import CultureRun, End, Replacement, Setpoint

_WEIGHTS = np.array([1.0, 2.0, 2.0, 1.0]) / 6.0
"""Of the four stages of a Runge-Kutta step."""
_STEPS_MULTIPLE = 400
"""Paths are padded to a multiple of this many steps: ten days with steps of 0.1, 0.05 and 0.025 d compile once."""


class LaggedPath(NamedTuple):
    """States at time 0 and after every step.

    Attributes:
        time: (n,) [d].
        concentrations: (n, species) [mmol/L].
        variables: (n, variables) the redox ratio R and the temperature shift.
        inputs: (n, inputs).
        cells: what the model computes there.
    """

    time: Float[Array, " n"]
    concentrations: Float[Array, "n species"]
    variables: Float[Array, "n variables"]
    inputs: Float[Array, "n inputs"]
    cells: Evaluation


def integrate(model: CultureModel, run: CultureRun, packed: PackedRun) -> LaggedPath:
    """Return the path of a run.

    Args:
        model: with one loop, closed by `Lagged`, and one variable that relaxes to a temperature shift.
        run: with no events but the replacement feed and one temperature shift.
        packed: the run as arrays.

    Returns:
        States after every step.

    Raises:
        ModelError: for a model or event that the scheme cannot represent.
    """
    loop, shift = _variables(model)
    step = model.variables[loop].closure.step  # type: ignore[attr-defined]
    targets = jax.vmap(lambda inputs: _target(model, shift, inputs))(packed.setpoints)
    shift_target = np.asarray(targets)
    _require_published(run, step, shift_target)
    count = round(run.end / step)
    # padded, so that runs and steps of a kind share a compiled function
    starts = np.arange(-(-count // _STEPS_MULTIPLE) * _STEPS_MULTIPLE) * step
    replacement = np.zeros((len(starts), packed.media.shape[0]))
    for k, time in enumerate(np.asarray(packed.end)):
        # the published code feeds at the end of the step that starts at the time of the feed
        here = np.isclose(starts, time, rtol=0.0, atol=1e-9)
        replacement[here] += np.asarray(packed.interventions.replacement[k])
    shifted_from = np.asarray(packed.start)[shift_target == 1.0]
    begins = shifted_from[0] if len(shifted_from) else np.inf
    # the step is traced, and the model one for all steps
    same = model.with_closure(Lagged(1.0))
    starts, step, replacement, begins = map(jnp.asarray, (starts, step, replacement, begins))
    path = _step_through(same, packed, starts, step, replacement, begins, loop, shift)
    return jax.tree.map(lambda leaf: leaf[: count + 1], path)


def _variables(model: CultureModel) -> tuple[int, int]:
    loops = [i for i, one in enumerate(model.variables) if isinstance(one, LoopVariable)]
    shifts = [i for i, one in enumerate(model.variables) if isinstance(one, RelaxingVariable)]
    if len(loops) != 1 or len(shifts) != 1 or len(model.variables) != 2:
        raise ModelError(
            f"model '{model.name}': the lagged scheme knows one loop and one temperature shift; use Dynamic."
        )
    return loops[0], shifts[0]


def _target(model: CultureModel, shift: int, inputs: Array) -> Array:
    at = Conditions({}, {}, Named(model.input_names, inputs), model.parameters)
    return model.variables[shift].target(at)  # type: ignore[attr-defined]


def _require_published(run: CultureRun, step: float, shift_target: np.ndarray) -> None:
    faults = []
    if not all(isinstance(event, Replacement | Setpoint | End) for event in run.events):
        faults.append("it knows the replacement feed and a set-point alone, see graycell.published_feed")
    one_shift = set(shift_target) <= {0.0, 1.0} and shift_target[0] == 0.0 and np.all(np.diff(shift_target) >= 0.0)
    if not one_shift:
        faults.append("it knows one shift, from the warm to the cold temperature")
    times = [run.end, *(event.time for event in run.events)]
    if any(abs(time / step - round(time / step)) > 1e-6 for time in times):
        faults.append(f"every event and the end lie on its grid, and a step of {step:g} d misses some")
    if faults:
        raise ModelError(f"run '{run.name}': the lagged scheme cannot do this: {'; '.join(faults)}. Or use Dynamic.")


@eqx.filter_jit
def _step_through(model: CultureModel, packed: PackedRun, starts, step, replacement, begins, loop: int, shift: int):
    rate = model.variables[shift].rate(Conditions({}, parameters=model.parameters))  # type: ignore[attr-defined]

    def inputs_at(time):
        return packed.inputs_at(time, packed.first_setpoints)

    def variables_of(redox, shifted):
        return jnp.zeros(2).at[loop].set(redox).at[shift].set(shifted)

    def one_step(carry, now):
        c, redox = carry
        start, replaced = now
        is_shifted = jnp.where(start > begins + 1e-9, 1.0, 0.0)

        def shift_at(time):
            return is_shifted * (1.0 - jnp.exp(-rate * jnp.maximum(time - begins, 0.0)))

        def slope(time, c, redox):
            cell = model.evaluate(c, variables_of(redox, shift_at(time)), inputs_at(time))
            return model.production(cell), cell.targets[0]

        def stage(before, share):
            k, r = before
            now = slope(start + share * step, c + share * step * k, r)
            return now, now

        # one stage after the other in a loop: written out, the flux projection would be compiled four times
        _, (k, r) = lax.scan(stage, (jnp.zeros_like(c), redox), jnp.array([0.0, 0.5, 0.5, 1.0]))
        c = c + step * (_WEIGHTS @ k)
        _, redox = slope(start + step, c, _WEIGHTS @ r)
        kept = 1.0 - replaced @ packed.supplied
        c = kept * c + replaced @ (packed.supplied * packed.media)
        return (c, redox), (c, variables_of(redox, shift_at(start + step)))

    begun = model.begin(packed.initial_variables, inputs_at(jnp.zeros(())))
    _, (c, variables) = lax.scan(one_step, (packed.initial, begun[loop]), (starts, replacement))
    time = jnp.concatenate([jnp.zeros(1), starts + step])
    c, variables = jnp.concatenate([packed.initial[None], c]), jnp.concatenate([begun[None], variables])
    inputs = jax.vmap(inputs_at)(time)
    cells = lax.map(lambda at: model.evaluate(*at), (c, variables, inputs))
    return LaggedPath(time, c, variables, inputs, cells)
