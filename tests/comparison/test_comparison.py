import json
import threading
from dataclasses import dataclass, replace
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from culture_runs import DAYS, consuming, culture, series
from small_models import fed_batch, limited_network, monod

from graycell.cell.rates import RateLaw
from graycell.comparison import candidates
from graycell.comparison.baselines import GaussianProcess, LastValue, MeanOfRuns
from graycell.comparison.candidates import FittedPredictor, ModelCandidate
from graycell.comparison.comparison import cross_validate, learning_curve
from graycell.comparison.splits import forward_in_time, held_out, leave_one_run_out
from graycell.engine import Engine
from graycell.errors import FitError, OutputError, SimulationError
from graycell.hybrid import with_neural_rates
from graycell.inference.fitting import FitSettings
from graycell.provenance import code_of, content_of
from graycell.runs.records import Measurement


@dataclass(frozen=True)
class Offset:
    """Predicts the given truth plus an offset [mmol/L]; fails at the named run, or in training."""

    name: str
    truth: tuple = ()
    offset: float = 0.0
    fails_at: str = ""
    fails_in_training: bool = False

    def train(self, runs, seed):
        if self.fails_in_training:
            raise SimulationError("no steady state; loosen the bounds.")
        return self

    def predict(self, known, times):
        if known.name == self.fails_at:
            raise SimulationError("too many steps; loosen the tolerance.")
        run = next(run for run in self.truth if run.name == known.name)
        return {name: np.interp(time, run.measurements[name].time, run.measurements[name].value) + self.offset
                for name, time in times.items()}  # fmt: skip

    def described(self):
        return {"offset": self.offset, "bound": np.inf}


@dataclass(frozen=True)
class Recorder(Offset):
    """Remembers what it was given."""

    seen: list = None  # type: ignore[assignment]

    def train(self, runs, seed):
        self.seen.append(("train", seed, [(run.name, run.measurements["GLC"].time.tolist()) for run in runs]))
        return self

    def predict(self, known, times):
        self.seen.append(("known", {name: series.time.tolist() for name, series in known.measurements.items()}))
        return super().predict(known, times)

    def consistency(self, predictor, runs):
        return {"below zero": (len(runs), 10)}


@dataclass(frozen=True)
class Counted(Recorder):
    """Says what it depends on."""

    def depends_on(self, runs, seed):
        return {"offset": self.offset, "seed": seed}


class Constant(RateLaw):
    """A law of somebody else, whose repr says nothing of its array."""

    rate: jax.Array = eqx.field(converter=jnp.asarray)

    def __call__(self, at):
        return jnp.asarray(self.rate)


class Kept:
    """Keeps what it learned on itself, as many do; all trainings end before the first prediction."""

    name = "kept"

    def __init__(self, trainings):
        self.together = threading.Barrier(trainings, timeout=60.0)

    def train(self, runs, seed):
        self.mean = float(np.mean([run.measurements["GLC"].value for run in runs]))
        self.together.wait()
        return self

    def predict(self, known, times):
        return {name: np.full(len(time), self.mean) for name, time in times.items()}


@pytest.fixture
def runs():
    return tuple(consuming(name, 30.0 + 2.0 * i) for i, name in enumerate("abcd"))


def test_the_caller_chooses_what_is_scored():
    runs = [
        culture(name, GLC=series("GLC", [0.0, 3.0], [30.0, last]), pH=series("pH", [0.0, 3.0], [7.0, last / 3.0]))
        for name, last in (("a", 20.0), ("b", 21.0))
    ]
    splits = leave_one_run_out(runs)
    assert cross_validate([LastValue()], splits).quantities == ("GLC", "pH")
    assert cross_validate([LastValue()], splits, quantities=["GLC"]).quantities == ("GLC",)
    curve = learning_curve([LastValue()], runs[:1], runs[1:], [1], [0], quantities=["pH"])
    assert curve.quantities == ("pH",)
    with pytest.raises(FitError, match="found 'GLc' in quantities, which no run measured; did you mean 'GLC'"):
        cross_validate([LastValue()], splits, quantities=["GLc"])


def test_the_last_value_of_a_constant_run_has_no_error():
    runs = [culture(name, GLC=value) for name, value in (("a", 3.0), ("b", 5.0))]
    comparison = cross_validate([LastValue()], leave_one_run_out(runs))
    assert [row.nrmse for row in comparison.rows] == [0.0, 0.0]
    assert comparison.ranges == {"GLC": 2.0}


def test_an_error_is_over_the_range_of_the_quantity_in_all_runs(runs):
    comparison = cross_validate([Offset("off", runs, 1.0)], leave_one_run_out(runs))
    width = 36.0 - 16.0
    assert comparison.ranges["GLC"] == width
    assert [row.rmse for row in comparison.rows] == pytest.approx([1.0] * 8)
    assert [row.nrmse for row in comparison.rows if row.quantity == "GLC"] == pytest.approx([1.0 / width] * 4)
    (overall,) = comparison.overall()
    assert overall.nrmse.value == pytest.approx((1.0 / width + 1.0 / 21.0) / 2.0)
    assert comparison.per_quantity()[0].rmse == pytest.approx(1.0)


def test_a_quantity_in_two_units_is_an_error():
    runs = [culture(name, GLC=3.0, mAb=Measurement("mAb", unit, DAYS, DAYS, 0.1 + DAYS))
            for name, unit in (("a", "g/L"), ("b", "mg/L"))]  # fmt: skip
    with pytest.raises(FitError, match=r"found mAb in mg/L \(run 'b'\) and g/L \(run 'a'\); one unit"):
        cross_validate([LastValue()], leave_one_run_out(runs))
    same = [replace(run, measurements={"mAb": Measurement("mAb", unit, DAYS, DAYS, 0.1 + DAYS)})
            for run, unit in zip([*runs, replace(runs[0], name="c")], ("g/L", "mg/mL", ""), strict=True)]  # fmt: skip
    assert cross_validate([LastValue()], leave_one_run_out(same)).quantities == ("mAb",)


def test_a_model_predicts_in_the_unit_of_the_runs():
    def predict(**units):
        series = {name: Measurement(name, unit, DAYS, DAYS, 0.1 + DAYS) for name, unit in units.items()}
        runs = [fed_batch(measurements=series)]
        fitted = SimpleNamespace(model_of=lambda name, group: monod(), run_of=lambda run: run, runs=runs)
        return FittedPredictor(fitted).predict(fed_batch(), times)

    times = {"mAb": np.array([2.0, 6.0]), "GLC": np.array([2.0])}
    own, others = predict(), predict(mAb="mg/L", GLC="")
    assert own["mAb"][1] > 0.01
    np.testing.assert_allclose(others["mAb"], 1000.0 * own["mAb"])
    np.testing.assert_array_equal(others["GLC"], own["GLC"])


def test_samples_at_time_0_never_count(runs):
    comparison = cross_validate([Offset("off", runs)], held_out(runs, ["d"]))
    assert {row.samples for row in comparison.rows} == {7}
    first = culture("first", GLC=series("GLC", [1.0], [0.0]))
    with pytest.raises(FitError, match="found no sample to score"):
        cross_validate([Offset("off", runs)], held_out([*runs, first], ["first"]))


def test_inputs_are_not_scored_and_a_constant_is_named():
    def run(name):
        return culture(name, GLC=DAYS, VCD=DAYS, R=DAYS, TCD=DAYS, viability=DAYS / 8.0, NACL=100.0)

    comparison = cross_validate([LastValue()], leave_one_run_out([run("a"), run("b")]))
    assert comparison.quantities == ("GLC", "VCD")
    assert comparison.left_out == ("NACL",)


def test_a_forecast_never_sees_later_samples(runs):
    (split,) = forward_in_time(runs, 3.0)
    changed = tuple(
        replace(run, measurements={name: replace(series, value=np.where(series.time > 3.0, 99.0, series.value))
                                   for name, series in run.measurements.items()}) for run in runs
    )  # fmt: skip
    (other,) = forward_in_time(changed, 3.0)
    for candidate in (LastValue(), MeanOfRuns(), GaussianProcess(starts=1)):
        first, second = (
            candidate.train(each.training_runs(), 0).predict(each.known_runs()[0], {"GLC": DAYS[4:]})["GLC"]
            for each in (split, other)
        )
        np.testing.assert_array_equal(first, second)
    seen = []
    comparison = cross_validate([Recorder("r", runs, seen=seen)], [split])
    assert max(max(times) for _, times in seen[0][2]) == 3.0
    assert max(max(times) for kind, *rest in seen if kind == "known" for times in rest[0].values()) == 3.0
    assert {row.samples for row in comparison.rows} == {4}


def test_every_candidate_is_trained_on_every_split_with_every_seed(runs):
    seen, progress = [], []
    with Engine(jobs=1) as in_order:
        candidates = [Recorder("r", runs, seen=seen)]
        cross_validate(candidates, leave_one_run_out(runs), (3, 4), progress.append, engine=in_order)
    trained = [(seed, [name for name, _ in given]) for kind, seed, *rest in
               (call for call in seen if call[0] == "train") for given in rest]  # fmt: skip
    assert trained == [(seed, [name for name in "abcd" if name != out]) for seed in (3, 4) for out in "abcd"]
    assert all(list(known["GLC"]) == [0.0] for kind, *rest in seen if kind == "known" for known in rest)
    assert [step.done for step in progress] == pytest.approx(np.arange(8) / 8.0)


def test_a_failure_is_counted_and_reported_beside_the_mean_of_the_rest(runs):
    candidates = [Offset("good", runs, 1.0), Offset("breaks", runs, 0.5, fails_at="b"),
                  Offset("untrained", runs, fails_in_training=True)]  # fmt: skip
    comparison = cross_validate(candidates, leave_one_run_out(runs))
    good, breaks, untrained = comparison.overall()
    assert (good.failed, breaks.failed, untrained.failed) == (0, 2, 8)
    assert (good.predictions, breaks.predictions, untrained.predictions) == (8, 8, 8)
    assert breaks.nrmse.value == pytest.approx(0.5 * good.nrmse.value)
    assert np.isnan(untrained.nrmse.value)
    assert sorted([untrained, breaks, good], key=lambda row: row.rank) == [good, breaks, untrained]
    by_run = {(row.candidate, row.run): row for row in comparison.by_run()}
    assert [by_run["breaks", name].failed for name in "abcd"] == [0, 2, 0, 0]
    assert np.isnan(by_run["breaks", "b"].nrmse)
    assert "loosen the tolerance" in by_run["breaks", "b"].failure
    assert by_run["breaks", "a"].nrmse == pytest.approx(0.5 * by_run["good", "a"].nrmse)
    assert "breaks, without b, run b: too many steps; loosen the tolerance." in comparison.failures
    assert sum("untrained" in sentence for sentence in comparison.failures) == 4
    overall = [row for row in comparison.against("good") if row.quantity == "all quantities"]
    assert [row.left_out for row in overall] == [2, 8]
    assert overall[0].nrmse.value == pytest.approx(-0.5 * good.nrmse.value)
    assert np.isnan(overall[1].nrmse.value)


def test_a_prediction_that_is_not_finite_or_missing_is_a_failure(runs):
    class Holes(Offset):
        def predict(self, known, times):
            return {"GLC": np.where(times["GLC"] > 5.0, np.nan, 1.0)}

    comparison = cross_validate([Holes("holes", runs)], held_out(runs, ["a"]))
    assert [row.nrmse for row in comparison.rows] == [np.inf, np.inf]
    assert "no finite prediction of LAC" in comparison.failures[1]


def test_predictions_of_another_number_of_times_are_an_error(runs):
    class Short(Offset):
        def predict(self, known, times):
            return {name: np.zeros(2) for name in times}

    with pytest.raises(FitError, match=r"shape \(2,\)"):
        cross_validate([Short("short", runs)], held_out(runs, ["a"]))


def test_below_a_detection_limit_only_what_is_above_it_counts(runs):
    low = replace(series("GLC", 2.0), below=DAYS > 0.0)
    run = culture("low", GLC=low)
    below, above = (
        cross_validate([Offset(str(offset), (run,), offset)], held_out([*runs, run], ["low"])).rows[0].rmse
        for offset in (-1.0, 0.5)
    )
    assert (below, above) == (0.0, pytest.approx(0.5))


def test_pairs_know_which_of_two_is_better(runs):
    comparison = cross_validate([Offset("a", runs, 1.0), Offset("b", runs, 2.0)], leave_one_run_out(runs))
    row = comparison.against("b")[0]
    assert (row.candidate, row.reference, row.quantity, row.better) == ("a", "b", "GLC", 1.0)
    assert (row.nrmse.value, row.nrmse.low, row.nrmse.high) == pytest.approx((-0.05, -0.05, -0.05))
    with pytest.raises(FitError, match="no candidate 'c'"):
        comparison.against("c")


def test_names_that_are_not_unique_are_an_error(runs):
    with pytest.raises(FitError, match="comparison, candidates: found same more than once"):
        cross_validate([Offset("same"), Offset("same")], leave_one_run_out(runs))
    with pytest.raises(FitError, match="comparison, splits: found none"):
        cross_validate([LastValue()], [])


def test_a_candidate_can_count_what_contradicts_itself(runs):
    comparison = cross_validate([Recorder("r", runs, seen=[]), LastValue()], held_out(runs, ["a", "b"]))
    (row,) = comparison.consistency
    assert (row.candidate, row.check, row.counted, row.of) == ("r", "below zero", 2, 10)


def test_the_record_is_plain_and_names_runs_seeds_and_versions(runs):
    comparison = cross_validate(
        [Offset("off", runs, fails_at="a"), GaussianProcess(starts=1)], held_out(runs, ["a"]), (5,)
    )
    plain = json.loads(json.dumps(comparison.plain(), allow_nan=False))
    assert plain["seeds"] == [5]
    assert list(plain["splits"][0]["train"]) == ["b", "c", "d"]
    assert len(plain["splits"][0]["test"]["a"]) == 64
    assert plain["candidates"]["off"] == {"kind": "Offset", "offset": 0.0, "bound": None}
    assert plain["candidates"]["Gaussian process"]["starts"] == 1
    assert plain["errors"][0]["nrmse"] is None
    assert "scikit-learn" in plain["versions"]


def test_a_larger_training_set_holds_the_smaller_and_is_the_same_for_all(runs):
    pool, seen = [consuming(f"p{i}", 30.0 + i) for i in range(5)], []
    candidates = [Recorder("one", runs, seen=seen), Recorder("two", runs, seen=seen)]
    with Engine(jobs=1) as in_order:
        learning_curve(candidates, pool, runs, [4, 1], (0, 1), engine=in_order)
    given = [(seed, tuple(name for name, _ in rest[0])) for kind, seed, *rest in
             (call for call in seen if call[0] == "train")]  # fmt: skip
    assert given[0::2] == given[1::2]
    small, large, other, other_large = [set(names) for _, names in given[0::2]]
    assert small < large
    assert other < other_large
    assert (len(small), len(large)) == (1, 4)
    assert (small, large) != (other, other_large)


def test_the_learning_curve_tells_each_size_by_itself(runs):
    pool = [consuming(f"p{i}", 30.0 + i**2) for i in range(5)]
    comparison = learning_curve([MeanOfRuns(), Offset("off", runs, 1.0)], pool, runs, [1, 5], (0, 1, 2))
    curve = {(row.candidate, row.training_runs): row for row in comparison.by_size()}
    assert curve["off", 1].nrmse == pytest.approx(curve["off", 5].nrmse)
    assert curve["mean of the runs", 5].least == pytest.approx(curve["mean of the runs", 5].largest)  # all runs
    assert curve["mean of the runs", 1].least < curve["mean of the runs", 1].largest
    assert comparison.of_size(5).sizes == (5,)
    assert len(comparison.of_size(5).splits) == 3
    with pytest.raises(FitError, match="choose one of 1, 5"):
        comparison.of_size(2)


def test_a_size_that_the_runs_do_not_give_is_an_error(runs):
    with pytest.raises(FitError, match="a size is 1 to 4"):
        learning_curve([LastValue()], runs, [consuming("t", 30.0)], [5])


def trainings_of(candidates, splits, folder, seeds=(0,)):
    """Return a comparison with `Counted` candidates, and how many trainings it took."""
    for candidate in candidates:
        candidate.seen.clear()
    found = cross_validate(candidates, splits, seeds, folder=folder)
    return found, sum(word == "train" for candidate in candidates for word, *_ in candidate.seen)


def test_what_was_trained_is_not_trained_again(runs, tmp_path):
    candidates = [Counted("a", runs, 1.0, seen=[]), Counted("b", runs, 2.0, fails_at="c", seen=[])]
    splits = [held_out(runs, ["c"])[0], held_out(runs, ["d"])[0]]
    splits = [replace(split, name=str(i)) for i, split in enumerate(splits)]
    first, count = trainings_of(candidates, splits[:1], tmp_path)
    assert (count, first.reused) == (2, 0)
    both, count = trainings_of(candidates, splits, tmp_path)  # stopped after the first split, and gone on
    assert (count, both.reused) == (2, 2)
    again, count = trainings_of(candidates, splits, tmp_path)
    assert (count, again.reused) == (0, 4)
    anew = cross_validate(candidates, splits)
    assert (again.rows, again.consistency) == (anew.rows, anew.consistency)
    assert any(row.failure and row.nrmse == np.inf for row in again.rows)


def test_what_changed_is_trained_anew(runs, tmp_path):
    candidate, splits = Counted("a", runs, 1.0, seen=[]), held_out(runs, ["d"])
    trainings_of([candidate], splits, tmp_path)
    fed = replace(runs[0], initial_volume=2.0)
    for changed, of, seeds in (
        (replace(candidate, offset=2.0), splits, (0,)),
        (candidate, held_out((fed, *runs[1:]), ["d"]), (0,)),
        (candidate, splits, (1,)),
    ):
        assert trainings_of([changed], of, tmp_path, seeds)[1] == 1
    assert trainings_of([candidate], splits, tmp_path)[1] == 0


def test_what_does_not_say_what_it_depends_on_is_trained_every_time(runs, tmp_path):
    candidate = Recorder("a", runs, 1.0, seen=[])
    for _ in range(2):
        assert trainings_of([candidate], held_out(runs, ["d"]), tmp_path)[1] == 1
    assert not list(tmp_path.iterdir())


def test_a_broken_file_of_a_training_is_made_anew(runs, tmp_path):
    candidate, splits = Counted("a", runs, 1.0, seen=[]), held_out(runs, ["d"])
    first, _ = trainings_of([candidate], splits, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_text()
    for broken in (whole[:40], "[]", '{"errors": [{"rmse": 1}], "consistency": []}', '{"errors": 3}'):
        path.write_text(broken)
        again, count = trainings_of([candidate], splits, tmp_path)
        assert (count, again.rows) == (1, first.rows)
        assert path.read_text() == whole


@dataclass(frozen=True)
class Inherits(Counted):
    """Trains in a way of its own, and says of itself what its parent says."""

    def train(self, runs, seed):
        return super().train(runs, seed)


def test_a_class_that_inherits_what_it_depends_on_is_trained_every_time(runs, tmp_path):
    candidate, splits = Inherits("a", runs, 1.0, seen=[]), held_out(runs, ["d"])
    assert [trainings_of([candidate], splits, tmp_path)[1] for _ in range(2)] == [1, 1]


def test_a_split_that_is_added_leaves_what_was_trained_and_ranges_are_those_of_all(runs, tmp_path):
    candidate = Counted("a", runs, 1.0, seen=[])
    small = held_out(runs[:3], ["c"])[0]
    large = replace(held_out(runs, ["d"])[0], name="large")
    trainings_of([candidate], [small], tmp_path)
    both, count = trainings_of([candidate], [small, large], tmp_path)
    assert count == 1
    assert both.rows == cross_validate([candidate], [small, large]).rows


def test_a_learning_curve_goes_on_too(runs, tmp_path):
    candidate = Counted("a", runs, 1.0, seen=[])
    learning_curve([candidate], runs[:3], runs[3:], [1], [0], folder=tmp_path)
    curve = learning_curve([candidate], runs[:3], runs[3:], [1, 2], [0], folder=tmp_path)
    assert curve.reused == 1
    assert curve.rows == learning_curve([candidate], runs[:3], runs[3:], [1, 2], [0]).rows


def test_a_folder_that_cannot_be_made_is_an_error_before_any_training(runs, tmp_path):
    candidate = Counted("a", runs, 1.0, seen=[])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a place with room that can be written to is needed"):
        trainings_of([candidate], held_out(runs, ["d"]), tmp_path / "file")
    assert not candidate.seen


def test_a_model_is_built_once_for_a_training(monkeypatch):
    monkeypatch.setattr(candidates, "fit", lambda model, *_, **__: trained.append(model))
    built, trained = [], []

    def build(runs, seed):
        built.append((len(runs), seed))
        return monod()

    candidate, runs = ModelCandidate("m", build), [fed_batch(name=name) for name in "ab"]
    for used, seed in ((runs, 0), (runs[:1], 0), (runs[:1], 1)):
        candidate.depends_on(used, seed)
        candidate.train([replace(run) for run in used], seed)  # equal runs, not the same ones
    assert built == [(2, 0), (1, 0), (1, 1)]
    assert len(trained) == 3


def test_a_training_of_a_model_depends_on_laws_settings_runs_and_seed():
    days = np.array([1.0, 3.0])
    falling = np.array([40.0, 20.0])
    measured = {name: Measurement(name, "mmol/L", days, falling, np.ones(2)) for name in ("GLC", "LAC")}
    run = fed_batch(measurements=measured)

    def learned(laws):
        return ModelCandidate("m", lambda runs, seed: with_neural_rates(limited_network(), laws, runs, seed=seed))

    def of(model):
        return replace(gray, build=lambda runs, seed: model)

    gray, limited = learned({"ldh": {"kind": "black", "inputs": ["LAC"]}}), limited_network()
    warmer = replace(run, initial_temperature=36.0)
    dependencies = [candidate.depends_on([run], 0) for candidate in (
        gray, learned({"ldh": {"kind": "gray", "inputs": ["LAC"]}}), replace(gray, settings=FitSettings(starts=2)),
        replace(gray, network=limited.network), of(limited), of(limited.rebuilt(clearance="l")),
        of(limited.rebuilt(rates={**limited.rates, "uptake": Constant(1.0)})),
        of(limited.rebuilt(rates={**limited.rates, "uptake": Constant(2.0)})),
    )]  # fmt: skip
    dependencies += [gray.depends_on([run], 1), gray.depends_on([warmer], 0)]
    assert len({json.dumps(content_of(each)) for each in dependencies}) == len(dependencies)
    assert gray.depends_on([run], 0) == dependencies[0]


def test_code_that_is_not_of_graycell_counts():
    def law(at):
        return 1.0 * at

    here = content_of((law, Constant(1.0)))
    assert "return 1.0 * at" in str(here)
    assert "return jnp.asarray(self.rate)" in str(here)
    assert "def train" not in str(content_of(LastValue()))  # that is in the hash of graycell's code


def test_what_a_candidate_keeps_on_itself_is_of_one_training():
    runs = [culture(name, GLC=value) for name, value in (("a", 3.0), ("b", 5.0))]
    with Engine(jobs=2) as both:
        found = cross_validate([Kept(2)], leave_one_run_out(runs), engine=both)
    assert {row.run: row.rmse for row in found.rows} == {"a": 2.0, "b": 2.0}


def test_the_code_of_candidates_is_read_in_many_threads():
    """Python 3.11 cannot parse in two threads at once."""
    with Engine(jobs=8) as engine:
        found = engine.map(code_of, [(Counted,)] * 400)
    assert len(set(found)) == 1
