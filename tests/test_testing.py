"""graycell.testing finds what is wrong with laws, models and candidates, each fault by an example."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from small_models import fed_batch, monod

import graycell as gc
from graycell import testing


class Haldane(gc.RateLaw):
    species: str

    def __call__(self, at):
        c = at.concentration(self.species)
        return c / (at.parameter("K") + c + c**2 / at.parameter("Ki"))


class Rounded(gc.RateLaw):
    def __call__(self, at):
        return jnp.round(at.concentration("GLC")) * at.parameter("K")


class Stopped(gc.RateLaw):
    def __call__(self, at):
        return lax.stop_gradient(at.concentration("GLC")) * at.parameter("K")


class Root(gc.RateLaw):
    def __call__(self, at):
        return jnp.sqrt(at.concentration("GLC") - 1e-9) * at.parameter("K")


class Falling(gc.RateLaw):
    def __call__(self, at):
        return at.parameter("K") - at.concentration("GLC")


def test_a_sound_law_passes():
    testing.check_rate_law(Haldane("GLC"), {"K": 0.5, "Ki": 60.0}, vanishes_without="GLC")
    testing.check_rate_law(gc.Inhibition("LAC", "Ki"), {"Ki": 20.0})
    testing.check_rate_law(gc.Proportional("uptake", "Y"), {"Y": 1.2}, rates={"uptake": 0.8})
    testing.check_rate_law(gc.InputValue("pH") * gc.Rate("k"), {"k": 2.0}, inputs={"pH": 7.0})


@pytest.mark.parametrize(
    ("law", "options", "sentence"),
    [
        (Haldane("GLC"), {"parameters": {"K": 0.5}}, "asks for the parameters Ki"),
        (Stopped(), {}, "derivative by GLC is 0"),
        (Root(), {}, "derivative is not finite"),
        (Falling(), {}, "must not be negative"),
        (gc.Inhibition("GLC", "K"), {"vanishes_without": "GLC"}, "without GLC the rate is 1"),
        (gc.Monod("GLC", "K"), {"vanishes_without": "LAC"}, "does not ask for LAC"),
        (gc.Rate("K") / gc.Constant(0.0), {}, "the rate is inf"),
    ],
)
def test_each_fault_of_a_law_is_found(law, options, sentence):
    with pytest.raises(AssertionError, match=sentence):
        testing.check_rate_law(law, **{"parameters": {"K": 0.5}, **options})


def test_a_sound_model_passes_and_a_law_that_cannot_be_differentiated_is_found():
    run = fed_batch(events=(), end=2.0)
    testing.check_model(monod(), run, parameters=["mu", "qp"])
    stopped = monod(rates={**monod().rates, "product": Stopped()})
    with pytest.raises(AssertionError, match="derivative of the concentrations by q is off"):
        testing.check_model(stopped, run, parameters=["q"])


@dataclass(frozen=True)
class Drawn:
    """A baseline whose answers do not depend on its seed alone."""

    name: str = "drawn"
    fixed: bool = False

    def train(self, runs, seed):
        return self

    def predict(self, known, times):
        random = np.random.default_rng(0 if self.fixed else None)
        return {name: random.normal(size=len(time)) for name, time in times.items()}


def test_a_candidate_whose_seed_gives_two_answers_is_found():
    series = {"GLC": gc.Measurement("GLC", "mmol/L", np.array([1.0, 2.0]), np.array([5.0, 4.0]), np.array([0.1, 0.1]))}
    runs = [replace(fed_batch(), name=name, measurements=series) for name in ("a", "b")]
    testing.check_candidate(Drawn(fixed=True), runs)
    with pytest.raises(AssertionError, match="one seed gives two answers"):
        testing.check_candidate(Drawn(), runs)
