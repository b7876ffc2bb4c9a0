"""Known answers of the published scheme: the lagged closure, a step of 0.05 d, the published 3 % feed.

Source of the numbers: `lagged_scheme.py` beside this file, an independent implementation of the scheme in NumPy and
SciPy, with the published parameters and their public refit (Cui et al., Comput. Chem. Eng. 183 (2024) 108594). It
prints the numbers: `python tests/reference/lagged_scheme.py`.
"""

from dataclasses import replace

import numpy as np
import pytest

from graycell.cell.closures import Lagged
from graycell.models import nolan_lee, published_feed
from graycell.simulation.scores import mean_nrmse, scores, unexplained_variance
from graycell.simulation.simulate import simulate
from reference import lagged_scheme


def at_end(trajectory, species):
    return trajectory.concentrations[-1, trajectory.model.species.index(species)]


@pytest.fixture(scope="module")
def refit(run):
    return simulate(nolan_lee(closure=Lagged(0.05), parameters="refit"), published_feed(run)).require_finished()


def test_the_refit_ends_where_it_is_known_to_end(refit):
    assert at_end(refit, "LAC") == pytest.approx(13.43, abs=0.005)
    assert at_end(refit, "ANTI") == pytest.approx(56.60, abs=0.005)
    assert at_end(refit, "GLC") == pytest.approx(30.34, abs=0.005)
    assert refit.loop_value[-1] == pytest.approx(8.955, abs=0.005)


def test_the_refit_is_that_of_the_independent_implementation(refit):
    time, concentrations, redox = lagged_scheme.simulate("refit")
    assert refit.time == pytest.approx(time, abs=1e-9)
    assert set(concentrations) == set(refit.model.species)
    for name, expected in concentrations.items():
        assert np.max(np.abs(refit[name] - expected)) < 1e-6 * np.max(expected), name
    assert np.max(np.abs(refit.loop_value - redox)) < 1e-6 * np.max(redox)


def test_the_refit_explains_what_it_is_known_to_explain(refit):
    assert unexplained_variance(refit, 47) == pytest.approx(0.0314, abs=0.0005)
    assert mean_nrmse(scores(refit)) == pytest.approx(0.184, abs=0.001)


def test_the_published_parameters_end_where_they_are_known_to_end_as_far_as_the_scheme_determines_it(run):
    """The iteration is chaotic: changes of the initial glucose by 1e-9 move LAC(10) by some tenths.

    The known answers, LAC 49.99, ANTI 20.23, GLC 75.50 and R 1.559, must lie within what such changes reach.
    """
    model, fed = nolan_lee(closure=Lagged(0.05)), published_feed(run)
    reached = []
    for change in np.arange(12) * 1e-9:
        begun = replace(fed, initial={**fed.initial, "GLC": fed.initial["GLC"] * (1.0 + change)})
        trajectory = simulate(model, begun)
        reached.append([*(at_end(trajectory, name) for name in ("LAC", "ANTI", "GLC")), trajectory.loop_value[-1]])
    reached, known = np.array(reached), [49.99, 20.23, 75.50, 1.559]
    assert np.ptp(reached[:, 0]) > 0.1
    assert np.all(np.abs(np.median(reached, axis=0) - known) < [0.3, 0.1, 0.3, 0.1])
    assert np.all(np.min(np.abs(reached - known), axis=0) < [0.1, 0.1, 0.1, 0.005])


def test_a_step_half_as_long_gives_another_answer(run, refit):
    """The reason why the lagged closure serves for reproduction only."""
    shorter = simulate(nolan_lee(closure=Lagged(0.1), parameters="refit"), published_feed(run))
    assert abs(at_end(shorter, "LAC") - at_end(refit, "LAC")) > 5.0


def test_growth_and_antibody_alone_fix_the_uptake_of_cystine(published):
    """By the balances of cysteine and cystine: no rate law can move it, whatever is fitted."""
    index = published.network.index
    kinetic = list(published.kinetic)
    for cold in (0.0, 0.5, 1.0):
        flux_map = np.asarray(published.projection.flux_map(cold).matrix)
        uptake = flux_map[index("v25")] - flux_map[index("v32")]
        expected = 0.5 * (0.0261 * flux_map[index("v16")] + 0.024 * flux_map[index("v17")])
        assert np.allclose(uptake, expected, atol=1e-12)
        assert uptake.shape == (len(kinetic),)
