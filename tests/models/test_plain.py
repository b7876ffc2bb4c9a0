"""A model as plain data and back: every own model comes back equal, and a file runs no code."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.closures import Algebraic, Dynamic
from graycell.cell.flux import SoftWeights
from graycell.cell.rates import Concentration, Constant, Monod, Rate, RateLaw
from graycell.errors import ModelError
from graycell.hybrid import neural_ode_model, neural_rates_model, with_neural_rates
from graycell.model import CultureModel
from graycell.models import MODELS, model_of
from graycell.models.plain import model_from_plain, model_to_plain
from graycell.runs import bundled_run


def there_and_back(model):
    return model_from_plain(json.loads(json.dumps(model_to_plain(model), allow_nan=False)))


def small(**changes):
    """A model of one reaction without a network."""
    arguments = {
        "reactions": {"growth": "GLC => VCD"},
        "rates": {"growth": Rate("mu") * Monod("GLC", "K")},
        "parameters": {"mu": 1.0, "K": 1.0},
    }
    return CultureModel(**{**arguments, **changes})


def gray():
    laws = {"v17": "black", "v16": {"kind": "gray"}, "v1": {"part": "inhibition"}}
    model = with_neural_rates(model_of("nolan-lee"), laws, [bundled_run()], reactions={}, seed=3)
    weights = {name: net.weights._replace(output_bias=jnp.array([1.0 / 3.0])) for name, net in model.nets.items()}
    return model.changed(nets={name: replace(net, weights=weights[name]) for name, net in model.nets.items()})


OTHERS = {
    "gray": gray,
    "specific rates": lambda: neural_rates_model([bundled_run()]),
    "neural ODE": lambda: neural_ode_model([bundled_run()]),
    "small": small,
    "small, observed": lambda: small(observables={"sugar": (Concentration("GLC") * 0.18, "g/L")}),
    "other weights and closure": lambda: model_of("nolan-lee", weights=SoftWeights(0.02), closure=Algebraic(trust=0.3)),
    "other values": lambda: model_of("nolan-lee").with_parameters({"Km1": 1e4, "tau": 0.1 + 0.2}),
    "refit": lambda: model_of("nolan-lee", parameters="refit"),
}
BUILDERS = {**{name: (lambda name=name: model_of(name)) for name in MODELS}, **OTHERS}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_model_comes_back_equal_from_plain_data(name):
    model = BUILDERS[name]()
    again = there_and_back(model)
    assert again == model
    assert hash(again) == hash(model)
    assert again.table == model.table
    assert again.quantities == model.quantities


def test_a_change_is_in_the_plain_data():
    model = model_of("nolan-lee")
    assert there_and_back(model.with_parameters({"Km1": 12.0})) == model.with_parameters({"Km1": 12.0}) != model
    changed = model.with_closure(Dynamic("shift_rate"))
    assert there_and_back(changed) == changed != model


def test_the_weights_of_a_gray_model_come_back_to_the_bit():
    model = gray()
    for name, net in there_and_back(model).nets.items():
        assert all(np.array_equal(a, b) for a, b in zip(net.weights, model.nets[name].weights, strict=True))


class Foreign(RateLaw):
    """A law that is not part of graycell."""

    def __call__(self, at):
        return jnp.ones(())


class Monod2(Monod):
    """A law that inherits from one of graycell and is not part of it."""


@pytest.mark.parametrize("law", [Foreign(), 2.0 * Foreign(), Monod2("GLC", "K")], ids=["alone", "inside", "inherited"])
def test_a_foreign_law_is_not_written(law):
    with pytest.raises(ModelError, match="is not part of graycell, and code is not written into files"):
        model_to_plain(small(rates={"growth": law}))


def test_a_foreign_law_of_the_name_of_an_own_one_is_not_written():
    named = type("Monod", (Foreign,), {"__doc__": "A foreign law."})
    with pytest.raises(ModelError, match="'Monod' is not part of graycell"):
        model_to_plain(small(rates={"growth": named()}))


@pytest.mark.parametrize("name", ["Monodd", "Foreign", "CultureModel", "RateLaws", "os.system", None])
def test_an_unknown_class_is_an_error(name):
    plain = model_to_plain(small())
    plain["cells"] = {"class": name, "fields": {}}
    with pytest.raises(ModelError, match=f"'{name}' is no part of a model"):
        model_from_plain(plain)


def test_a_class_that_is_nearly_known_is_named_with_the_nearest_one():
    plain = json.loads(json.dumps(model_to_plain(small())).replace('"Monod"', '"Monodd"'))
    with pytest.raises(ModelError, match="did you mean 'Monod'"):
        model_from_plain(plain)


@pytest.mark.parametrize("levels", [70, 5000])
def test_a_deep_nesting_is_an_error(levels):
    plain = model_to_plain(small())
    law = {"class": "Constant", "fields": {"value": 1.0}}
    for _ in range(levels):
        law = {"class": "Volumetric", "fields": {"law": law}}
    plain["rates"] = {"mapping": [["growth", law]]}
    with pytest.raises(ModelError, match="more than 64 levels deep"):
        model_from_plain(plain)
    lists = 1.0
    for _ in range(levels):
        lists = [lists]
    with pytest.raises(ModelError, match="more than 64 levels deep"):
        model_from_plain({**plain, "rates": lists})


def test_a_law_that_is_written_can_be_read():
    """No model is written that is deeper than what is read back."""
    law = Constant(1.0)
    for _ in range(40):
        law = law / 2.0
    model = small(rates={"growth": law})
    try:
        plain = model_to_plain(model)
    except ModelError:
        return
    assert model_from_plain(plain) == model


FAULTS = {
    "no fields": {"class": "Monod"},
    "wrong fields": {"class": "Monod", "fields": {"specie": "GLC", "half_saturation": "K"}},
    "too few fields": {"class": "Monod", "fields": {"species": "GLC"}},
    "fields of a list": {"class": "Monod", "fields": ["GLC", "K"]},
    "a class of a list": {"class": ["Monod"], "fields": {}},
    "an array of words": {"array": ["a"], "shape": [1]},
    "an array of another shape": {"array": [1.0, 2.0], "shape": [3]},
    "a number of words": {"number": "many"},
    "a mapping of one": {"mapping": [["growth"]]},
    "no law": "fast",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_data_that_make_no_model_are_an_error(fault, unchecked):
    plain = model_to_plain(small())
    plain["rates"] = {"mapping": [["growth", FAULTS[fault]]]}
    with pytest.raises(ModelError):
        model_from_plain(json.loads(json.dumps(plain)))


@pytest.mark.parametrize("plain", [{}, {"rates": {"mapping": []}}, {**model_to_plain(small()), "colour": "red"}, [], 3])
def test_plain_data_without_what_a_model_needs_are_an_error(plain):
    with pytest.raises(ModelError):
        model_from_plain(plain)
