"""Models of a few reactions: they compile in a second or two, where the CHO cell takes many."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

import graycell as gc
from graycell.cell.neural import MLP, NeuralRate, drawn_weights


def monod(**changes) -> gc.CultureModel:
    """Return a model of viable and dead cells, glucose, lactate and a titer in g/L; no network inside the cell."""
    definition = {
        "name": "monod",
        "species": {"DCD": "1e9 cells/L", "mAb": "g/L"},
        "reactions": {
            "growth": "=> VCD", "death": "VCD => DCD", "uptake": "GLC =>", "lactate": "=> LAC", "product": "=> mAb",
        },
        "rates": {
            "growth": gc.Rate("mu") * gc.Monod("GLC", "K") * gc.Inhibition("LAC", "Ki") * gc.VariableValue("warmth"),
            "death": gc.Rate("kd"),
            "uptake": gc.Rate("q") * gc.Monod("GLC", "K"),
            "lactate": gc.Proportional("uptake", "Y"),
            "product": gc.Rate("qp") / (0.5 + gc.VariableValue("warmth")),
        },
        "parameters": {
            "mu": gc.Parameter(0.7, "1/d"), "K": gc.Parameter(1.0, "mmol/L"), "Ki": gc.Parameter(60.0, "mmol/L"),
            "kd": gc.Parameter(0.05, "1/d"), "q": gc.Parameter(0.8, "mmol/(1e9 cells)/d"), "Y": gc.Parameter(1.2),
            "qp": gc.Parameter(0.02, "g/(1e9 cells)/d"), "recovery": gc.Parameter(8.0, "1/d", estimated=False),
        },
        "variables": {"warmth": gc.RelaxingVariable(gc.Ramp("temperature", 31.0, 37.0), gc.Rate("recovery"))},
        "inputs": {"temperature": gc.Input("degC", 37.0)},
        "observables": {"viability": gc.Concentration("VCD") / (gc.Concentration("VCD") + gc.Concentration("DCD"))},
    }  # fmt: skip
    return gc.CultureModel(**{**definition, **changes})


def gray_monod(**changes) -> gc.CultureModel:
    """Return `monod` with a learned factor of its uptake, of glucose and lactate, whose weights are drawn."""
    weights = drawn_weights(2, 2, 1, np.random.default_rng(0), sd=1.0)
    net = MLP(("GLC", "LAC"), jnp.array([30.0, 20.0]), jnp.array([20.0, 15.0]), jnp.ones(1), jnp.ones(1), weights)
    known = monod()
    factor = NeuralRate("uptake", 0, "positive", 10.0)
    rates = {**known.rates, "uptake": known.rates["uptake"] * factor}
    return monod(**{"name": "gray monod", "rates": rates, "nets": {"uptake": net}, **changes})


def limited_network() -> gc.CultureModel:
    """Return a network of three reactions whose uptake is limited to what is there."""
    return gc.CultureModel(
        name="limited network",
        network={"uptake": "GLC_ext => 2 PYR", "ldh": "PYR => LAC_ext", "growth": "0.1 PYR => VCD_ext"},
        rates={"uptake": gc.Rate("q"), "ldh": gc.Rate("l")},
        parameters={"q": 2.0, "l": 4.0, "clearance": gc.Parameter(0.5, "L/(1e9 cells)/d")},
        clearance="clearance",
    )


def pool(closure, **changes) -> gc.CultureModel:
    """Return a model of cells whose uptake is inhibited by a pool P, which follows the uptake: a loop."""
    definition = {
        "name": "pool", "species": {"VCD": "1e9 cells/L"}, "reactions": {"growth": "=> VCD", "uptake": "GLC =>"},
        "rates": {"growth": 0.1, "uptake": gc.Rate("q") / (1.0 + gc.VariableValue("P"))},
        "parameters": {"q": gc.Parameter(1.0, "mmol/(1e9 cells)/d"), "ts": 0.1},
        "variables": {"P": gc.LoopVariable(gc.FluxValue("uptake"), closure)},
    }  # fmt: skip
    return gc.CultureModel(**{**definition, **changes})


def pool_batch(model: gc.CultureModel, q: float) -> gc.CultureRun:
    """Return a run of `pool` with exact measurements of glucose and the pool, simulated with an uptake rate q."""
    days = np.array([0.5, 1.0, 2.0, 3.0, 4.0])
    plan = gc.CultureRun("batch", 1.0, {"VCD": 1.0, "GLC": 20.0, "P": 1.0}, end=4.0)
    made = gc.simulate(model.with_parameters({"q": q}), plan, save_at=days).require_finished()
    values = {name: np.asarray(made[name]) for name in ("GLC", "P")}
    measured = {
        name: gc.Measurement(name, model.unit(name), days, value, np.full(len(days), 0.03 * np.ptp(value)))
        for name, value in values.items()
    }
    return replace(plan, measurements=measured)


def fed_batch(**changes) -> gc.CultureRun:
    """Return a run of `monod` with a bolus, a sample, a feed and a shift of the temperature."""
    described = {
        "name": "fed batch",
        "initial_volume": 2.0,
        "initial": {"VCD": 0.5, "DCD": 0.01, "GLC": 60.0, "LAC": 1.0, "mAb": 0.0},
        "media": {"feed": {"GLC": 500.0}},
        "events": (
            gc.Bolus(2.0, "feed", 0.05), gc.Feed(3.0, "feed", 0.02), gc.Sample(3.5, 0.1), gc.Setpoint(4.0, 33.0),
        ),
        "end": 6.0,
    }  # fmt: skip
    return gc.CultureRun(**{**described, **changes})
