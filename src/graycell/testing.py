"""Checks of your own rate laws, models and candidates, for use in your tests.

    from graycell import testing

    def test_my_law():
        testing.check_rate_law(Haldane("GLC"), parameters={"K": 1.0, "Ki": 40.0}, vanishes_without="GLC")

Each function raises `AssertionError` with a sentence that reports which condition fails and where.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from diffrax import ForwardMode

from graycell.cell.conditions import Conditions, Recorder
from graycell.cell.rates import RateLaw
from graycell.comparison.protocols import Candidate
from graycell.comparison.splits import known_of, leave_one_run_out
from graycell.model import CultureModel
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import SolverSettings

_CONCENTRATIONS = (0.0, 1e-6, 1e-3, 0.1, 1.0, 10.0, 100.0)
"""[mmol/L] From nothing to more than any medium holds."""
_STEP, _TOLERANCE = 1e-5, 1e-5
"""Relative step of central differences, and the relative error [1] that is allowed: between truncation and rounding."""
_FORWARD = SolverSettings(rtol=1e-9, atol=1e-10, adjoint=ForwardMode())
"""Tight tolerances; forward mode, as a fit uses, compiles sooner than reverse mode."""


def check_rate_law(
    law: RateLaw,
    parameters: Mapping[str, float],
    *,
    variables: Mapping[str, float] | None = None,
    inputs: Mapping[str, float] | None = None,
    rates: Mapping[str, float] | None = None,
    vanishes_without: str | Sequence[str] = (),
    non_negative: bool = True,
) -> None:
    """Check that a rate law suits a model: finite, smooth, compilable, and 0 without its substrate.

    The concentrations in the law are varied from 0 to 100 mmol/L, alone and together. Derivatives with respect to
    concentrations and parameters are compared with central differences.

    Args:
        law: a law or factor.
        parameters: values by name, in internal units; all parameters of the law.
        variables: values by name, such as ``{"R": 1.2}``.
        inputs: values by name, such as ``{"pH": 7.0}``.
        rates: values of the reactions before it by name, such as ``{"uptake": 0.8}``, for a law like `Proportional`.
        vanishes_without: species without which the rate is 0, to a millionth.
        non_negative: whether the law must never be negative.

    Raises:
        AssertionError: with a sentence for the first condition that fails.

    >>> from graycell.cell.rates import Monod, Rate
    >>> check_rate_law(Rate("q") * Monod("GLC", "K"), {"q": 2.0, "K": 0.5}, vanishes_without="GLC")
    """
    asked, needed = Recorder({}, 1.0), Recorder(_values(parameters), 1.0)
    law(Conditions(asked, _values(variables), _values(inputs), needed, _values(rates)))
    missing = [name for name in needed.asked if name not in parameters]
    assert not missing, f"the law asks for the parameters {', '.join(missing)}; give them in `parameters`."
    species = list(asked.asked)
    names = list(parameters)

    @eqx.filter_jit
    def rate(law, concentrations, values):
        c = dict(zip(species, concentrations, strict=True))
        p = dict(zip(names, values, strict=True))
        return jnp.asarray(law(Conditions(c, _values(variables), _values(inputs), p, _values(rates))), jnp.float64)

    values = jnp.array([float(parameters[name]) for name in names])
    points = [np.ones(len(species))]
    points += [np.full(len(species), size) for size in _CONCENTRATIONS]
    points += [
        np.where(np.arange(len(species)) == i, size, 1.0) for i in range(len(species)) for size in _CONCENTRATIONS
    ]
    slopes = jax.jacfwd(lambda c, p: rate(law, c, p), argnums=(0, 1))
    for point in points:
        where = ", ".join(f"{name} = {value:g}" for name, value in zip(species, point, strict=True))
        found = float(rate(law, jnp.asarray(point), values))
        assert np.isfinite(found), f"the rate is {found} at {where}; look for a quotient, root or logarithm at 0."
        assert not (non_negative and found < 0.0), f"the rate is {found:g} at {where}; it must not be negative."
        by_c, by_p = (np.asarray(slope) for slope in slopes(jnp.asarray(point), values))
        assert np.all(np.isfinite(np.r_[by_c, by_p])), f"a derivative is not finite at {where}."
        if np.all(point > 0.0):
            _require_differences(lambda c: rate(law, c, values), point, by_c, species, where)
        _require_differences(lambda p: rate(law, jnp.asarray(point), p), np.asarray(values), by_p, names, where)  # noqa: B023
    for name in (vanishes_without,) if isinstance(vanishes_without, str) else vanishes_without:
        assert name in species, f"the law does not ask for {name}; it asks for {', '.join(species)}."
        gone = np.where(np.array(species) == name, 0.0, 1.0)
        left = abs(float(rate(law, jnp.asarray(gone), values)))
        usual = abs(float(rate(law, jnp.ones(len(species)), values)))
        assert left <= 1e-6 * max(usual, 1e-12), f"without {name} the rate is {left:g}; it must vanish."


def _values(given: Mapping[str, float] | None) -> dict:
    return {name: jnp.asarray(value, jnp.float64) for name, value in (given or {}).items()}


def _require_differences(function, point: np.ndarray, exact: np.ndarray, names: Sequence[str], where: str) -> None:
    size = max(float(np.max(np.abs(exact), initial=0.0)), 1e-9)
    for i, name in enumerate(names):
        step = _STEP * max(abs(float(point[i])), 1e-3)
        moved = [jnp.asarray(point + sign * step * (np.arange(len(point)) == i)) for sign in (1.0, -1.0)]
        central = (float(function(moved[0])) - float(function(moved[1]))) / (2.0 * step)
        assert abs(central - exact[i]) <= _TOLERANCE * size + 1e-9, (
            f"the derivative by {name} is {exact[i]:g} and differences say {central:g} at {where}; look for a "
            "rounding, a table look-up or a stop_gradient."
        )


def check_model(model: CultureModel, run: CultureRun, *, parameters: Sequence[str] | None = None) -> None:
    """Check that a model simulates, equals itself when built again, and has the derivatives of central differences.

    Args:
        model: any model.
        run: a run that the model can simulate.
        parameters: names of those whose derivatives are checked; the first three estimated ones if left out.

    Raises:
        AssertionError: with a sentence for the first condition that fails.
    """
    names = [row.name for row in model.table.estimated][:3] if parameters is None else list(parameters)
    times = np.linspace(0.0, float(run.end), 5)[1:]
    trajectory = simulate(model, run, _FORWARD, save_at=times)
    assert trajectory.status.name == "finished", f"{trajectory.status.name}: {trajectory.status.remedy}"
    again = model.rebuilt()
    assert again == model, "the model, built anew from its own definition, is another one; look at its laws' fields."
    coarse = simulate(model, run, replace(_FORWARD, rtol=1e-6, atol=1e-7), save_at=times)
    size = np.max(np.abs(np.asarray(trajectory.concentrations)), axis=0) + 1e-9
    off = np.max(np.abs(np.asarray(coarse.concentrations) - np.asarray(trajectory.concentrations)) / size)
    assert off <= 1e-4, f"concentrations change by {off:.1e} with the tolerance of the solver."

    def ends(values):
        changed = model.with_parameters(dict(zip(names, values, strict=True)))
        return simulate(changed, run, _FORWARD, save_at=times).concentrations

    values = np.array([float(model.parameters[name]) for name in names])
    exact = np.asarray(jax.jacfwd(ends)(jnp.asarray(values)))
    for i, name in enumerate(names):
        step = 1e-4 * max(abs(values[i]), 1e-6)
        central = sum(sign * np.asarray(ends(jnp.asarray(values + sign * step * (np.arange(len(names)) == i))))
                      for sign in (1.0, -1.0)) / (2.0 * step)  # fmt: skip
        largest = np.max(np.abs(central)) + 1e-9
        error = np.max(np.abs(central - exact[..., i])) / largest
        assert error <= 1e-4, (
            f"the derivative of the concentrations by {name} is off by {error:.1e} of the largest one."
        )


def check_candidate(candidate: Candidate, runs: Sequence[CultureRun]) -> None:
    """Check that a baseline or candidate trains on runs and predicts a run that it has not seen.

    Args:
        candidate: see `comparison.protocols.Candidate`.
        runs: two or more.

    Raises:
        AssertionError: with a sentence for the first condition that fails.
    """
    assert candidate.name, "a candidate needs a name."
    split = leave_one_run_out(runs)[0]
    known = known_of(split.test[0], split.cut, split.viability_known)
    times = {name: np.asarray(series.time) for name, series in split.test[0].measurements.items()}
    first, second = (candidate.train(list(split.train), 0).predict(known, times) for _ in range(2))
    assert first, "nothing was predicted."
    for name, values in first.items():
        shapes = (np.shape(values), np.shape(times[name]))
        assert shapes[0] == shapes[1], f"{name}: {shapes[0]} values for {shapes[1]} times."
        same = np.array_equal(np.asarray(values), np.asarray(second[name]), equal_nan=True)
        assert same, f"{name}: one seed gives two answers; draw at random from the seed alone."
