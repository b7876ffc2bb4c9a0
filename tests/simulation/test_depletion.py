"""Cultures that use their substrates up are simulated to their end by the models with limited uptake.

The cases were stopped by the solver before: batches of the bundled initial state without this or that, with a shift,
with boluses, with many cells. Each model is compiled once: all runs are packed to one shape.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell import bundled_run, model_of
from graycell.cell.rates import Conditions, FluxRatio, Monod, Rate, RateLaw
from graycell.simulation.solve import SolverSettings

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import depletion


@pytest.fixture(params=depletion.MODELS, scope="module")
def model(request):
    return model_of(request.param)


@pytest.mark.ode
def test_runs_that_use_substrates_up_go_to_their_end_with_mass_and_nothing_below_zero(model):
    used_up = 0
    for seed in range(30):
        run = depletion.random_run(seed)
        path = depletion.simulated(model, depletion.packed(run, model))
        assert not np.any(path.failed), run.name
        assert not np.any(path.flux_status), run.name
        assert depletion.below_zero(path) >= -1e-9, run.name
        assert depletion.mass_error(run, model, path) <= 1e-9, run.name
        c = np.asarray(path.states.amounts / path.states.volume[..., None])
        used_up += int(np.sum(np.min(c, axis=(0, 1)) < 1e-4))
    assert used_up >= 30  # the cases are what they say


@pytest.mark.ode
@pytest.mark.parametrize("change", [
    {"GLC": 0.5}, {"GLC": 2.0}, {"GLC": 5.0}, {"GLC": 10.0}, {"GLC": 20.0}, {"GLC": 40.0}, {"GLC": 73.0},
    {"ASN": 0.05}, {"SER": 0.05}, {"CYSTINE": 0.05}, {"ASP": 0.05}, {"GLN": 0.05}, {"BIOM": 462.0},
], ids=lambda change: "-".join(map(str, *change.items())))  # fmt: skip
def test_a_batch_of_the_bundled_start_goes_to_its_end(model, change):
    base = bundled_run()
    run = replace(base, events=(), measurements={}, end=8.0, initial={**base.initial, **change})
    path = depletion.simulated(model, depletion.packed(run, model))
    assert not np.any(path.failed)


@pytest.mark.ode
@pytest.mark.parametrize("seed", [0, 3])
def test_derivatives_through_depletion_are_those_of_central_differences(seed):
    """With the usual tolerances; left as the steps of the trajectory make them, they are ten times less precise."""
    model, h = model_of(depletion.MODELS[0]), depletion.STEPS[0]
    # of the state alone: differences need no derivative, and this tolerance is far below what is compared
    settings, none = replace(depletion.PRECISE, derivative_rtol=math.inf), dict.fromkeys(model.parameters, 0.0)
    packed = depletion.packed(depletion.random_run(seed), model)
    kept, left = (depletion.jacobian(model, packed, depletion.WAYS[way])
                  for way in ("usual", "usual, as the steps make them"))  # fmt: skip
    for name in ("vmax2", "Km10a"):
        above, below = (
            np.asarray(depletion.final(model, packed, settings, jax.tree.map(jnp.asarray, none | {name: move})))
            for move in (h, -h)
        )
        difference = (above - below) / (2.0 * h)
        error, unkept = (np.max(np.abs(np.asarray(found[name]) - difference)) for found in (kept, left))
        assert error <= 1e-4 * np.max(np.abs(difference))
        assert unkept >= 10.0 * error


@pytest.mark.ode
def test_derivatives_of_a_traced_simulation_are_kept_in_both_modes():
    """`simulate` keeps them without being asked, and a plain simulation is not slowed down; in a small culture."""
    model = gc.CultureModel(
        network={"uptake": "GLC_ext => 2 PYR", "ldh": "PYR => LAC_ext", "growth": "0.1 PYR => BIOM_ext"},
        rates={"uptake": Rate("q"), "growth": Rate("mu") * Monod("GLC", "K")},
        parameters={"mu": 0.8, "K": 1.0, "q": 4.0, "clearance": 5.0}, clearance="clearance",
    )  # fmt: skip
    run = gc.CultureRun("batch", 1.0, {"GLC": 5.0, "BIOM": 2.31, "LAC": 0.0}, end=3.0)

    def final(q, settings):
        return gc.simulate(model.with_parameters({"q": q}), run, settings).final["BIOM"]

    at = model.parameters["q"]
    backward = float(jax.grad(final)(at, SolverSettings()))
    precise = SolverSettings(rtol=1e-8, atol=1e-9, derivative_rtol=1e-6, adjoint=diffrax.ForwardMode())
    forward = float(jax.jacfwd(final)(at, precise))
    assert abs(forward) > 1e-2
    assert backward == pytest.approx(forward, rel=1e-4)
    plain = [float(final(at, replace(SolverSettings(), derivative_rtol=given))) for given in (None, math.inf)]
    assert plain[0] == plain[1]


class Rootless(RateLaw):
    """(GLC - GLC) ** 0.5: 0 everywhere, and without a derivative."""

    def __call__(self, at):
        return jnp.sqrt(at.concentration("GLC") - at.concentration("GLC"))


def test_a_law_without_a_derivative_does_not_stop_a_solve_that_keeps_derivatives():
    model = gc.CultureModel(
        reactions={"growth": "GLC => VCD", "nothing": "GLC =>"},
        rates={"growth": Rate("mu") * Monod("GLC", "K"), "nothing": Rootless()},
        parameters={"mu": 1.0, "K": 1.0},
    )
    run = gc.CultureRun("batch", 1.0, {"GLC": 5.0, "VCD": 1.0}, end=4.0)
    plain = gc.simulate(model, run, throw=True)
    kept = gc.simulate(model, run, SolverSettings(derivative_rtol=1e-4), throw=True)
    assert float(kept.final["VCD"]) == pytest.approx(float(plain.final["VCD"]), rel=1e-6)


def test_a_ratio_of_fluxes_with_its_variable_rests_where_no_flux_is_and_keeps_its_roots():
    ratio = FluxRatio((("made", 2.0),), (("used", 1.0),), variable="R")

    def value(made, used, variable):
        return float(ratio(Conditions({}, {"R": jnp.array(variable)}, fluxes={"made": made, "used": used})))

    for resting in (0.0, 1e-17, -1e-17):
        assert value(jnp.array(resting), jnp.array(-resting), 3.0) == pytest.approx(3.0, abs=1e-14)
    for made, used in ((1.0, 2.0), (1e-3, 4e-3), (5.0, 1.0)):
        root = 2.0 * made / used
        assert value(jnp.array(made), jnp.array(used), root) == pytest.approx(root, rel=1e-14)
        assert value(jnp.array(made), jnp.array(used), 0.5 * root) > 0.5 * root
        assert value(jnp.array(made), jnp.array(used), 1.5 * root) < 1.5 * root
    assert value(jnp.array(1e6), jnp.array(0.0), 1.0) == ratio.ceiling
