from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from learned_fits import by_hand, gray, with_covariance
from small_models import fed_batch, gray_monod, monod

import graycell as gc
from graycell.cell.neural import weights_of, with_weights
from graycell.diagnosis import learned_reactions, recovered_law, recovered_laws
from graycell.errors import FitError
from graycell.hybrid import neural_rates_model
from graycell.models import nolan_lee
from graycell.simulation.simulate import simulate

POINTS = 12


@pytest.fixture(scope="module")
def factor():
    """v17 is its known law times a learned factor, by hand, and its trajectory."""
    made = by_hand(gray({"v17": "gray"}))
    return made, [simulate(made.model, made.runs[0])]


@pytest.fixture(scope="module")
def trajectories(factor):
    return factor[1]


def law_of(fit, trajectories, reaction="v17", points=POINTS):
    return recovered_laws(fit, points=points, reactions=[reaction], trajectories=trajectories)[0]


def test_a_fit_that_is_itself_the_truth_has_no_error(factor):
    made, _ = factor
    law = recovered_law(made, "v17", truth=made.model, points=POINTS)
    assert law.error == 0.0
    assert np.array_equal(law.learned, law.true)
    assert all(np.allclose(curve.learned, curve.true, rtol=1e-14) for curve in law.curves)


def test_the_error_is_the_root_mean_square_over_the_range_of_the_truth(factor):
    made, _ = factor
    law = recovered_law(made, "v17", truth=nolan_lee(), points=POINTS)
    expected = np.sqrt(np.mean((law.learned - law.true) ** 2)) / np.ptp(law.true)
    assert law.error == pytest.approx(expected)
    assert law.error > 0.0
    for curve in law.curves:  # the library's model is the truth here
        assert np.array_equal(curve.true, curve.known)


def test_without_covariance_the_band_has_no_width(factor, trajectories):
    for curve in law_of(factor[0], trajectories).curves:
        assert np.array_equal(curve.low, curve.learned)
        assert np.array_equal(curve.high, curve.learned)


def test_the_band_is_that_of_central_differences(factor, trajectories, random):
    made = factor[0]
    direction = 0.1 * random.standard_normal(made.covariance.shape[0])  # C = d d^T, so J C J^T = (J d)^2

    def at(moved):
        n = len(made.estimates)
        values = {row.name: row.value * np.exp(step) for row, step in zip(made.estimates, moved[:n], strict=True)}
        weights = weights_of(made.model.nets) + jnp.asarray(moved[n:])
        model = made.model.with_parameters(values).changed(nets=with_weights(made.model.nets, weights))
        estimates = tuple(replace(row, value=values[row.name]) for row in made.estimates)
        curves = law_of(replace(made, model=model, estimates=estimates), trajectories).curves
        return np.concatenate([curve.learned for curve in curves])

    step = 1e-5
    slope = (at(step * direction) - at(-step * direction)) / (2.0 * step)
    curves = law_of(with_covariance(made, np.outer(direction, direction)), trajectories).curves
    half = np.concatenate([curve.high - curve.learned for curve in curves])
    assert half == pytest.approx(1.96 * np.abs(slope), rel=1e-7, abs=1e-12)


def test_a_band_is_infinite_where_the_law_depends_on_what_nothing_is_known_of(factor, trajectories):
    covariance = factor[0].covariance.copy()
    covariance[0, 0] = np.inf
    first = factor[0].estimates[0].name
    assert first in ("vmax17", "Ki17")
    assert all(
        np.all(np.isinf(curve.high)) for curve in law_of(with_covariance(factor[0], covariance), trajectories).curves
    )


def test_the_role_of_a_network_in_its_law(factor, trajectories):
    assert law_of(factor[0], trajectories).role == "factor"
    black = by_hand(gray({"v17": "black"}))
    assert law_of(black, trajectories).role == "law"
    summand = by_hand(gray({"v17": {"kind": "gray", "form": "any"}}))
    assert law_of(summand, trajectories).role == "summand"
    part = by_hand(gray({"v17": {"kind": "gray", "part": "inhibition"}}))
    assert law_of(part, trajectories).role == "factor"


def test_a_law_that_depends_on_the_rate_of_another_reaction_is_followed(trajectories):
    made = by_hand(gray({"v11": {"kind": "gray", "inputs": ["ALA", "R"]}}))  # v11 is a share of v10
    model, curve = made.model, law_of(made, trajectories, "v11").curves[0]
    trajectory = trajectories[0]
    median = np.median(trajectory.concentrations, axis=0)
    for k in (0, POINTS - 1):
        median[model.species.index("ALA")] = curve.grid[k]
        variables = {name: np.median(trajectory[name]) for name in ("R", "shift")}
        kinetic_rates = model.evaluate(jnp.asarray(median), variables).kinetic_rates
        assert curve.learned[k] == pytest.approx(float(kinetic_rates[model.kinetic.index("v11")]), rel=1e-12)


def test_the_grid_goes_past_the_visited_range_but_not_below_zero(factor, trajectories):
    lactate, shift = law_of(factor[0], trajectories).curves
    assert (lactate.input, lactate.input_unit, shift.input) == ("LAC", "mmol/L", "shift")
    assert lactate.grid[0] >= 0.0
    assert lactate.grid[-1] == pytest.approx(lactate.visited[1] + 0.15 * np.ptp(lactate.visited))
    assert (shift.grid[0], shift.grid[-1]) == (0.0, 1.0)


def test_a_law_is_supported_where_samples_are_and_not_between_or_beyond(factor, trajectories):
    lactate, shift = law_of(factor[0], trajectories, points=61).curves
    assert len(shift.samples) == 10
    between = (shift.grid > 0.2) & (shift.grid < 0.8)  # the culture was cooled at once
    assert not np.any(shift.supported[between])
    assert np.any(shift.supported[shift.grid <= 0.1])
    assert np.any(shift.supported[shift.grid >= 0.9])
    assert not np.any(lactate.supported[lactate.grid > np.max(lactate.samples) + np.diff(lactate.grid)[0]])
    assert np.all(lactate.near[lactate.supported] > 0)


def test_without_a_truth_its_rates_and_the_error_are_nan(factor, trajectories):
    law = law_of(factor[0], trajectories)
    assert np.isnan(law.error)
    assert np.all(np.isnan(law.true))
    assert np.all(np.isfinite(law.curves[0].known))


def test_a_law_of_specific_rates_has_no_known_law(trajectories, run):
    model = neural_rates_model([run], hidden=2)
    made = by_hand(model)
    assert len(learned_reactions(model)) == len(model.species)
    law = law_of(made, trajectories, "r GLC")
    assert law.role == "law"
    assert np.all(np.isnan(law.curves[0].known))
    assert [curve.input for curve in law.curves] == [*model.species, "shift"]


def sampled_batch():
    series = gc.Measurement("GLC", "mmol/L", np.array([1.0, 3.0, 6.0]), np.array([58.0, 50.0, 40.0]), np.ones(3))
    return fed_batch(measurements={"GLC": series})


def test_a_learned_law_of_a_model_without_a_network_is_recovered(random):
    model = gray_monod()
    assert learned_reactions(model) == ("uptake",)
    size = len(model.table.estimated) + model.weight_count
    direction = 0.1 * random.standard_normal(size)
    made = by_hand(model, np.outer(direction, direction), sampled_batch())
    [law] = recovered_laws(made, truth=monod(), points=POINTS)
    assert (law.role, law.unit) == ("factor", "mmol/(1e9 cells)/d")
    known = 0.8 * law.states["GLC"] / (1.0 + law.states["GLC"])
    assert law.true == pytest.approx(known, rel=1e-9)
    assert law.learned == pytest.approx(
        [float(model.conditions(jnp.zeros(5).at[jnp.array([model.species.index("GLC"), model.species.index("LAC")])]
                                .set(jnp.array([glucose, lactate])), inputs={"temperature": 37.0}).rates["uptake"])
         for glucose, lactate in zip(law.states["GLC"], law.states["LAC"], strict=True)], rel=1e-9)  # fmt: skip
    assert all(np.all(curve.high > curve.low) for curve in law.curves)


def test_a_learned_volumetric_law_has_the_unit_of_one():
    known = gray_monod().rates
    model = gray_monod(rates={**known, "uptake": gc.Volumetric(known["uptake"])})
    made = by_hand(model, run=sampled_batch())
    assert recovered_laws(made, points=POINTS)[0].unit == "mmol/L/d"


def test_a_reaction_without_a_learned_law_is_an_error_that_names_one_with(factor):
    with pytest.raises(FitError, match=r"no learned law in nolan-lee; .*v17"):
        recovered_law(factor[0], "v16")


def test_a_covariance_without_the_weights_is_an_error(factor):
    with pytest.raises(FitError, match="fit the model anew"):
        recovered_law(with_covariance(factor[0], np.eye(2)), "v17")


def test_a_truth_without_a_species_of_the_model_is_an_error(factor, trajectories):
    trajectory = trajectories[0]
    kept = [i for i, name in enumerate(trajectory.model.species) if name != "LAC"]
    names = tuple(trajectory.model.species[i] for i in kept)
    specs = tuple(trajectory.model.species_specs[i] for i in kept)
    exchange = trajectory.model.exchange[np.array(kept)]
    model = trajectory.model.changed(species=names, species_specs=specs, exchange=exchange)
    measured, initial = (
        {k: v for k, v in table.items() if k != "LAC"}
        for table in (trajectory.run.measurements, trajectory.run.initial)
    )
    other = replace(trajectory.run, measurements=measured, initial=initial)
    columns = {name: getattr(trajectory, name)[:, kept] for name in ("concentrations", "fed")}
    fewer = replace(trajectory, model=model, run=other, **columns)
    with pytest.raises(FitError, match="no 'LAC'"):
        law_of(factor[0], [fewer])


def test_states_that_are_not_finite_are_left_out_and_none_at_all_is_an_error(factor, trajectories):
    trajectory = trajectories[0]
    some = trajectory.concentrations.copy()
    some[len(some) // 2 :] = np.nan
    assert np.all(np.isfinite(law_of(factor[0], [replace(trajectory, concentrations=some)]).learned))
    with pytest.raises(FitError, match="no finite state"):
        law_of(factor[0], [replace(trajectory, concentrations=np.full_like(some, np.nan))])
