"""Checks of derivatives: right ones pass; wrong, one-sided, flat and not finite ones are reported as such."""

import json
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import limited_network
from small_runs import batch

from graycell.cell.closures import Dynamic, Lagged
from graycell.cell.rates import FluxRatio, Monod, Product, Rate, RateLaw, ViableCells
from graycell.cell.variables import LoopVariable
from graycell.diagnosis import Verdict, check_gradients, gradients
from graycell.errors import FitError, ModelError
from graycell.hybrid import NeuralRateSpec, neural_ode_model, neural_rates_model, with_neural_rates
from graycell.model import CultureModel
from graycell.models import nolan_lee
from graycell.parameters import Parameter
from graycell.runs import CultureRun, Feed
from graycell.runs.records import Measurement


@jax.custom_jvp
def wrong(x):
    return x


wrong.defjvp(lambda values, tangents: (values[0], 1.001 * tangents[0]))


@jax.custom_jvp
def rough(x):
    return x


rough.defjvp(lambda values, tangents: (values[0], jnp.where(tangents[0] == 0.0, 0.0, jnp.nan)))


class Planted(RateLaw):
    """A factor [1] of one parameter, with a derivative that is not right, or right to one side only."""

    name: str = eqx.field(static=True)

    def __call__(self, at):
        value = at.parameter(self.name)
        return {
            "wrong": lambda: wrong(value),
            "capped": lambda: jnp.minimum(value, 1.0),
            "rough": lambda: rough(value),
            "cut": lambda: jax.lax.stop_gradient(value),
        }[self.name]()


PLANTED = ("wrong", "capped", "rough", "cut")


@pytest.fixture(scope="module")
def toy():
    """Cells that are made of one substrate, with every fault planted into their rate law."""
    law = Product((Rate("vmax"), Monod("A", "K"), *map(Planted, PLANTED)))
    estimated = {"vmax": 1.0, "K": 2.0, **dict.fromkeys(PLANTED, 1.0), "unused": 1.0}
    return CultureModel(
        name="toy",
        network={"in": "A_ext => A", "out": "A => X_ext"},
        rates={"out": law},
        parameters={
            **{name: Parameter(value, "1", value / 10.0, value * 10.0) for name, value in estimated.items()},
            **{name: Parameter(1.0, "1", 1.0, 1.0, estimated=False) for name in ("tau", "per_cell")},
        },
        variables={"R": LoopVariable(FluxRatio((("in", 1.0),), (("out", 1.0),)), Dynamic("tau"))},
        cells=ViableCells("X", "per_cell", "viability"),
    )


@pytest.fixture(scope="module")
def toy_run():
    time = np.array([0.0, 0.5, 1.5])
    series = {
        name: Measurement(name, "mmol/L", time, np.array(value), np.full(3, 0.1))
        for name, value in {"A": [10.0, 9.0, 5.0], "X": [1.0, 2.0, 5.0]}.items()
    }
    return CultureRun("toy", 1.0, {"A": 10.0, "X": 1.0, "R": 1.0}, series, end=1.5)


@pytest.fixture(scope="module")
def checked(toy, toy_run):
    progress = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradients, "_FEW", 20)  # vectorised, in three parts, the last one padded
        return check_gradients(toy, toy_run, progress=lambda done, what: progress.append(done)), progress


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("vmax", Verdict.agrees),
        ("K", Verdict.agrees),
        ("wrong", Verdict.disagrees),
        ("cut", Verdict.disagrees),
        ("capped", Verdict.kink),
        ("rough", Verdict.not_finite),
        ("unused", Verdict.flat),
    ],
)
def test_every_fault_has_its_verdict(checked, name, verdict):
    [check] = [check for check in checked[0].checks if check.name == name]
    assert check.verdict is verdict
    assert check.verdict.remedy.endswith(".")


def test_the_numbers_of_a_wrong_derivative_are_those_of_the_fault(checked):
    """A tangent 1.001 times too large: an error of a thousandth, at a sample after time 0."""
    checks = {check.name: check for check in checked[0].checks}
    assert checks["wrong"].error == pytest.approx(1e-3, rel=2e-2)
    assert checks["wrong"].run == "toy"
    assert checks["wrong"].quantity in ("A", "X")
    assert checks["wrong"].time in (0.5, 1.5)
    assert checks["cut"].error == pytest.approx(1.0)
    assert checks["unused"].size == 0.0
    assert checks["vmax"].error < 1e-6
    assert checks["vmax"].step in (1e-3, 1e-4, 1e-5)


def test_a_check_with_a_wrong_derivative_does_not_pass_and_lists_it_first(checked):
    result, progress = checked
    assert not result.passed
    assert [check.name for check in result.worst_first[:3]] == ["rough", "cut", "wrong"]
    assert "disagrees 2" in result.summary()
    assert progress[0] == 0.0
    assert progress[-1] == 1.0
    assert progress == sorted(progress)


def test_a_check_as_plain_data_is_json_and_states_what_it_depends_on(checked):
    data = json.loads(json.dumps(checked[0].plain(), allow_nan=False))
    assert {"model", "runs", "files", "versions", "code", "settings"} <= set(data["provenance"])
    assert data["provenance"]["settings"]["parameters"][0] == "vmax"
    assert len(data["checks"]) == 7


@pytest.mark.slow
def test_the_derivatives_of_the_library_are_those_of_central_differences(extended, run):
    """Of the one with the largest error, a common one and the switch; bounds become active along this run."""
    result = check_gradients(extended, [run], ("vmax13", "Km1", "R_switch"))
    assert [check.name for check in result.checks] == ["vmax13", "Km1", "R_switch"]
    assert {check.verdict for check in result.checks} == {Verdict.agrees}
    assert max(check.error for check in result.checks) < 1e-5
    assert result.passed


def test_an_unknown_parameter_is_an_error_with_the_nearest_name(extended, run):
    with pytest.raises(ModelError, match=r"'vmax1' is not in the model; did you mean 'vmax1\w'"):
        check_gradients(extended, run, ["vmax1"])


def test_what_cannot_be_checked_is_an_error(toy, toy_run):
    with pytest.raises(FitError, match="0 parameters"):
        check_gradients(toy, toy_run, [])
    with pytest.raises(FitError, match="between 0 and 1"):
        check_gradients(toy, toy_run, steps=(1e-3, 0.0))
    with pytest.raises(ModelError, match="room between"):
        check_gradients(toy, toy_run, ["per_cell"])
    with pytest.raises(FitError, match="Dynamic"):
        check_gradients(nolan_lee(closure=Lagged()), toy_run)
    with pytest.raises(FitError, match="no measured value"):
        check_gradients(toy, CultureRun("empty", 1.0, dict(toy_run.initial), {}, end=1.5))


def of_two_days(run):
    """The first two days of the bundled run, with a feed."""
    early = {
        name: replace(series, time=series.time[:3], value=series.value[:3], standard_error=series.standard_error[:3])
        for name, series in run.measurements.items()
    }
    return replace(run, measurements=early, events=(Feed(1.0, "feed", 0.05),), end=2.2)


def with_nonzero_outputs(model):
    """Away from the outputs of 0 with which networks begin, where the hidden weights have no effect."""

    def moved(net):
        return replace(net, weights=net.weights._replace(output=net.weights.output + 0.5))

    return model.changed(nets={name: moved(net) for name, net in model.nets.items()})


def test_the_derivatives_of_a_gray_network_with_limited_uptake_are_those_of_central_differences():
    """By a known parameter, the clearance that binds, and weights of a learned law and of a learned factor."""
    days, error = np.array([1.0, 2.0]), np.full(2, 0.1)
    series = {name: Measurement(name, "mmol/L", days, np.array([1.0, 1.5]), error) for name in ("GLC", "LAC")}
    short = CultureRun("short", 1.0, {"VCD": 1.0, "GLC": 2.0, "LAC": 1.0}, series, (Feed(0.5, "feed", 0.02),),
                       {"feed": {"GLC": 500.0}}, end=2.2)  # fmt: skip
    laws = {
        "ldh": NeuralRateSpec("gray", inputs=("LAC",), hidden=1),
        "growth": NeuralRateSpec("black", inputs=("LAC",), hidden=1),
    }
    model = with_nonzero_outputs(with_neural_rates(limited_network(), laws, [short]))
    names = ("l", "clearance", "ldh.output_bias[0]", "ldh.hidden[0]", "growth.output[0]")
    result = check_gradients(model, short, names)
    assert {check.name: check.verdict for check in result.checks} == dict.fromkeys(names, Verdict.agrees)
    assert max(check.error for check in result.checks) < 1e-5


@pytest.mark.slow
def test_the_derivatives_of_the_gray_library_with_limited_uptake_are_those_of_central_differences(run):
    """By a known parameter, the clearance, and weights of a learned law and of a learned factor."""
    white = nolan_lee(extended=True, limited=True)
    laws = {"v17": NeuralRateSpec("black", hidden=1), "v1": NeuralRateSpec("gray", inputs=("LAC",), hidden=1)}
    model = with_nonzero_outputs(with_neural_rates(white, laws, [run]))
    # CYSTINE at a hundredth of a mmol/L, so that its uptake is at the clearance
    short = of_two_days(run)
    short = replace(short, initial={**short.initial, "CYSTINE": 0.01})
    names = ("vmax16", "clearance", "v17.output_bias[0]", "v17.hidden[0]", "v1.output[0]")
    result = check_gradients(model, short, names)
    assert [check.name for check in result.checks] == list(names)
    assert {check.name: check.verdict for check in result.checks} == dict.fromkeys(names, Verdict.agrees)
    assert max(check.error for check in result.checks) < 1e-5


@pytest.mark.parametrize("build", [neural_rates_model, neural_ode_model])
def test_the_derivatives_of_a_black_box_are_those_of_central_differences(build):
    fed = replace(batch("fed", 30.0), events=(Feed(1.0, "feed", 0.05),), media={"feed": {"GLC": 300.0}})
    model = with_nonzero_outputs(build([fed], hidden=1))
    result = check_gradients(model, fed)  # by every weight
    assert len(result.checks) == model.weight_count
    assert result.checks[0].name == "rates.hidden[0]"
    assert {check.verdict for check in result.checks} == {Verdict.agrees}
    assert max(check.error for check in result.checks) < 1e-5


def test_a_weight_that_no_network_has_is_an_error(toy, toy_run):
    with pytest.raises(ModelError, match=r"'v17.output\[0\]' is not in the model"):
        check_gradients(toy, toy_run, ["v17.output[0]"])
