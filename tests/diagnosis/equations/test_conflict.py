import numpy as np
import pytest

from graycell.diagnosis.equations import conflicts, relation_gaps, singular_weights
from graycell.simulation.simulate import simulate


@pytest.fixture(scope="module")
def trajectory(published, run):
    return simulate(published, run)


def test_shares_of_the_misfit_add_up_and_come_in_order(trajectory):
    rows = conflicts(trajectory)
    assert sum(row.share for row in rows) == pytest.approx(1.0, rel=1e-12)
    assert [row.share for row in rows] == sorted((row.share for row in rows), reverse=True)
    assert rows[-1].reaction == "v10"  # in no surplus relation, and its bound does not bind
    assert rows[-1].typical < 1e-9


def test_fluxes_that_the_balances_allow_have_no_relation_gap(trajectory):
    from dataclasses import replace

    kinetic = [trajectory.model.reactions.index(name) for name in trajectory.model.kinetic]
    allowed = replace(trajectory, kinetic_rates=trajectory.fluxes[:, kinetic])
    assert np.max(np.abs(relation_gaps(allowed))) < 1e-9
    assert np.max(np.abs(relation_gaps(trajectory))) > 0.1


def test_a_kinetic_rate_that_changes_its_sign_is_named_with_its_time(trajectory):
    from dataclasses import replace

    kinetic_rates = trajectory.kinetic_rates.copy()
    column = trajectory.model.kinetic.index("v17")
    kinetic_rates[:, column] = trajectory.time - 4.321
    rows = {row.reaction: row for row in singular_weights(replace(trajectory, kinetic_rates=kinetic_rates))}
    assert rows["v17"].crossings == pytest.approx((4.321,), abs=1e-9)
    assert rows["v17"].jump > 0.0
    assert rows["v17"].jumping in trajectory.model.reactions
