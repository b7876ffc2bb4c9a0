"""Candidates that do not know all that was measured are compared in what all of them predict."""

from dataclasses import dataclass, replace

import pytest
from culture_runs import consuming, series

from graycell.comparison import LastValue, cross_validate, held_out, learning_curve
from graycell.errors import FitError, ModelError
from graycell.reporting.comparison.page import not_shared_sentences


@dataclass(frozen=True)
class Knows(LastValue):
    """Predicts the last value of some quantities only."""

    name: str = "knows"
    names: tuple[str, ...] = ("GLC",)
    fails: bool = False

    def quantities(self, runs, seed):
        if self.fails:
            raise ModelError("no such species.")
        assert runs
        return self.names

    def train(self, runs, seed):
        if self.fails:
            raise ModelError("no such species.")
        return self

    def predict(self, known, times):
        found = LastValue().train((), 0).predict(known, times)
        return {name: value for name, value in found.items() if name in self.names}


@pytest.fixture
def runs():
    found = []
    for i, name in enumerate("abcd"):
        run = consuming(name, 30.0 + 2.0 * i)
        more = {one: series(one, [0.0, 1.0, 2.0, 3.0], [1.0, 2.0 + i, 3.0, 4.0]) for one in ("NH3", "pH")}
        start = {**run.initial, "NH3": 1.0, "pH": 1.0}
        found.append(replace(run, initial=start, measurements={**run.measurements, **more}))
    return tuple(found)


def test_what_a_candidate_does_not_predict_is_not_scored_and_no_failure(runs):
    compared = cross_validate([LastValue(), Knows("few"), Knows("more", ("GLC", "NH3"))], held_out(runs, ["d"]))
    assert compared.quantities == ("GLC",)
    assert set(compared.not_shared) == {*runs[0].measurements} - {"GLC"}
    assert compared.not_shared["NH3"] == ("few",)
    assert compared.not_shared["pH"] == ("few", "more")
    assert compared.failures == ()
    assert "pH is measured and not scored, because few and more does not predict it." in not_shared_sentences(compared)
    assert compared.plain()["not predicted by all"]["NH3"] == ["few"]


def test_all_that_was_measured_is_scored_where_all_predict_it(runs):
    every = tuple(runs[0].measurements)
    compared = cross_validate([LastValue(), Knows("all", every)], held_out(runs, ["d"]))
    assert set(compared.quantities) == set(every)
    assert compared.not_shared == {}


def test_a_candidate_that_cannot_be_built_hides_nothing_from_the_others(runs):
    compared = cross_validate([LastValue(), Knows("broken", (), fails=True)], held_out(runs, ["d"]))
    assert compared.not_shared == {}
    assert {row.candidate for row in compared.rows if row.failure} == {"broken"}


def test_the_caller_may_score_what_not_all_predict(runs):
    compared = cross_validate([LastValue(), Knows("few")], held_out(runs, ["d"]), quantities=["GLC", "NH3"])
    assert compared.quantities == ("GLC", "NH3")
    assert {row.quantity for row in compared.rows if row.failure} == {"NH3"}


def test_a_learning_curve_scores_what_all_predict_too(runs):
    curve = learning_curve([LastValue(), Knows("few")], runs[:2], runs[2:], [1, 2], [0])
    assert curve.quantities == ("GLC",)
    assert curve.not_shared["NH3"] == ("few",)


def test_candidates_that_share_nothing_are_told(runs):
    with pytest.raises(FitError, match=r"of a quantity that all candidates predict .*GLC is not predicted by other"):
        cross_validate([Knows("one", ("GLC",)), Knows("other", ("NH3",))], held_out(runs, ["d"]))
