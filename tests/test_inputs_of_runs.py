"""What a run gives as the inputs of a model: viability that a model computes itself, and values that are held."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.cell.rates import ViableCells
from graycell.cli import app
from graycell.errors import ModelError
from graycell.modelfiles import build, parse_model_file
from graycell.packing import held_inputs, pack, unused_viability
from graycell.runs.format.writing import write_runs
from helpers.small_models import monod

DAYS = np.array([0.0, 2.0, 4.0])


def measured(name: str, *values: float, unit: str = "1", time=DAYS) -> dict:
    value = np.array(values, float)
    return {name: gc.Measurement(name, unit, np.asarray(time, float), value, np.full(len(value), 0.02))}


def dying(**changes) -> gc.CultureModel:
    """Return a model whose biomass dies into dead cells that it has as a species."""
    definition = {
        "reactions": {"growth": "=> BIOM", "death": "BIOM => dead"},
        "species": {"dead": gc.Species("mmol/L", 0.0, dead_of="BIOM")},
        "rates": {"growth": gc.Rate("mu"), "death": gc.Rate("kd")},
        "parameters": {"mu": gc.Parameter(0.5, "1/d"), "kd": gc.Parameter(0.1, "1/d")},
    }
    return gc.CultureModel(**{**definition, **changes})


VIABILITY = gc.InputValue("viability")
LIVING = gc.Concentration("BIOM") / (gc.Concentration("BIOM") + gc.Concentration("dead"))
FILE = """
format = 1
name = "dying"
cells = { species = "BIOM", biomass_per_cell = "per_cell", viability = "viability" }
[species]
BIOM = { unit = "mmol/L" }
dead = { unit = "mmol/L", role = "dead cells", initial = 0 }
[inputs]
viability = 1
[reactions]
growth = { equation = "=> BIOM", rate = "mu" }
death = { equation = "BIOM => dead", rate = "kd" }
[parameters]
mu = { value = 0.5, unit = "mmol/(1e9 cells)/d" }
kd = { value = 0.1, unit = "mmol/(1e9 cells)/d" }
per_cell = { value = 2.31, unit = "mmol/(1e9 cells)" }
"""

MODELS = {
    "says so": dying(),
    "turns into them": dying(species={"dead": gc.Species("mmol/L", 0.0)}),
    "multiplies all the same": dying(cells=ViableCells("BIOM", "biomass_per_cell", "viability")),
    "a law of an input": dying(cells=gc.Concentration("BIOM") * VIABILITY, inputs={"viability": 1.0}),
    "computes it": dying(
        species={"dead": "1e9 cells/L"},
        reactions={"growth": "=> BIOM", "death": "BIOM => 0.43 dead"},
        observables={"viability": LIVING},
    ),
    "counts cells": gc.CultureModel(
        species={"VCD": "1e9 cells/L", "dead": gc.Species("1e9 cells/L", 0.0, dead_of="VCD")},
        reactions={"growth": "=> VCD", "death": "VCD => dead"},
        rates={"growth": 0.5, "death": 0.1},
        parameters={},
        cells=ViableCells("VCD", None, "viability"),
    ),
    "a file": build(parse_model_file(FILE, "dying.toml")),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_measured_viability_does_not_act_on_a_model_with_dead_cells_of_its_own(model):
    start = {model.species[0]: 2.0, "dead": 0.0}
    plain = gc.CultureRun("a", 1.0, start, end=4.0)
    known = {"viability": gc.Signal("viability", "1", DAYS, np.array([1.0, 0.8, 0.7]))}
    counted = {
        **measured("VCD", 1.0, 2.0, 3.0, unit="1e9 cells/L"),
        **measured("TCD", 1.1, 3.0, 5.0, unit="1e9 cells/L"),
    }
    for run in (
        replace(plain, measurements=measured("viability", 1.0, 0.8, 0.7)),
        replace(plain, signals=known),
        replace(plain, measurements=counted),
        replace(plain, initial={**start, "viability": 0.6}),
    ):
        packed, alone = pack(run, model), pack(plain, model)
        at = [one.inputs_at(jnp.asarray(3.0), one.setpoints[-1]) for one in (packed, alone)]
        cells = [
            float(model.evaluate(one.initial, None, inputs).cells)
            for one, inputs in zip((packed, alone), at, strict=True)
        ]
        assert cells[0] == cells[1]
    assert "viability" in model.quantities  # so that a measured one is fitted
    data = pack(replace(plain, measurements=measured("viability", 1.0, 0.8, 0.7)), model)
    column = model.quantities.index("viability")
    assert np.asarray(data.measured)[:, column][np.isfinite(np.asarray(data.measured)[:, column])].tolist() == [
        1.0,
        0.8,
        0.7,
    ]


@pytest.mark.ode
def test_the_same_start_gives_the_same_end_with_and_without_measured_viability():
    model = dying()
    plain = gc.CultureRun("a", 1.0, {"BIOM": 2.31, "dead": 0.0}, end=4.0)
    ends = [
        float(gc.simulate(model, run).final["VCD"])
        for run in (plain, replace(plain, measurements=measured("viability", 1.0, 0.8, 0.7)))
    ]
    assert ends[0] == pytest.approx(np.exp(0.4 * 4.0 / 2.31), rel=1e-5)
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)


def test_models_that_take_viability_as_known_still_do():
    model = dying(reactions={"growth": "=> BIOM"}, species={}, rates={"growth": gc.Rate("mu")})
    run = gc.CultureRun("a", 1.0, {"BIOM": 2.0}, measured("viability", 1.0, 0.8, 0.7), end=4.0)
    packed = pack(run, model)
    assert not model.predicts_viability
    assert float(packed.inputs_at(jnp.asarray(2.0), packed.setpoints[-1])[0]) == pytest.approx(0.8)
    shown = dying(reactions={"growth": "=> BIOM"}, species={}, rates={"growth": gc.Rate("mu")},
                  observables={"viability": VIABILITY})  # fmt: skip
    assert not shown.predicts_viability  # it passes the input on


def test_a_viability_that_is_given_in_vain_is_a_remark():
    run = gc.CultureRun("a", 1.0, {"BIOM": 2.0, "dead": 0.0}, measured("viability", 1.0, 0.8, 0.7), end=4.0)
    [remark] = unused_viability(run, MODELS["a law of an input"])
    assert "its laws see 1" in str(remark)
    assert not list(unused_viability(run, dying()))  # it has no such input at all
    assert not list(unused_viability(replace(run, measurements={}), MODELS["a law of an input"]))
    found = " ".join(map(str, parse_model_file(FILE, "dying.toml").remarks))
    assert "count twice" in found


def test_dead_cells_of_a_species_that_is_not_there_name_the_nearest():
    with pytest.raises(ModelError, match=r"dead cells of 'BIOMM'.*BIOM"):
        dying(species={"dead": gc.Species("mmol/L", 0.0, dead_of="BIOMM")})


def test_dead_cells_at_time_0_follow_from_a_viability_in_percent_too():
    run = gc.CultureRun("a", 1.0, {"BIOM": 2.0}, measured("viability", 80.0, 70.0, 60.0, unit="%"), end=4.0)
    assert np.asarray(pack(run, dying()).initial) == pytest.approx([2.0, 0.5])


def plan(time, end: float = 12.0, name: str = "viability", **changes) -> gc.CultureRun:
    known = {name: gc.Signal(name, "1", np.asarray(time, float), np.full(len(time), 0.9))}
    return gc.CultureRun("plan", 1.0, **{"initial": {"BIOM": 1.0}, "signals": known, "end": end, **changes})


TAKES = gc.CultureModel(reactions={"growth": "=> BIOM"}, rates={"growth": gc.InputValue("pH") * 0.1}, parameters={},
                        inputs={"pH": gc.Input("1", 7.0)})  # fmt: skip


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (plan([0.0]), "holds this value for 12 d"),
        (plan([0.0, 1.0, 2.0, 3.0]), "holds this value for 9 d"),
        (plan([0.0, 2.0], signals={}, measurements=measured("viability", 0.9, 0.8, time=[0.0, 2.0])), "for 10 d"),
        (plan([0.0], signals={}, measurements=measured("viability", 0.9, time=[0.0])), "for 12 d"),
        (plan([0.0], signals={}, initial={"BIOM": 1.0, "viability": 0.9}), "for 12 d"),
        (plan([0.0, 1.0], name="pH"), "the model takes pH as known, and holds this value for 11 d"),
        (plan([5.0, 6.0, 7.0], 7.0), "has this value from 0 d on"),
        (plan([0.0, 3.0, 6.0], 8.5), ""),  # within the usual interval
        (plan([0.0, 1.0, 2.0], 2.5), ""),
        (plan([0.0, 4.0, 8.0, 12.0]), ""),
        (plan([], signals={}, initial={"BIOM": 1.0, "pH": 7.1}), ""),  # a constant set-point of the run
        (plan([], signals={}, events=(gc.Setpoint(1.0, 6.9, "pH"),)), ""),
        (plan([0.0], name="DO"), ""),  # no input of the model
    ],
)
def test_an_input_that_is_held_far_beyond_its_values_is_a_remark(run, said):
    found = list(map(str, held_inputs(run, TAKES)))
    assert len(found) == (1 if said else 0)
    assert all(said in one for one in found)


def test_the_advice_on_a_held_input_helps():
    run = plan([0.0])
    course = {"viability": gc.Signal("viability", "1", np.array([0.0, 6.0, 12.0]), np.array([0.98, 0.95, 0.8]))}
    assert not list(held_inputs(replace(run, signals=course), TAKES))
    assert not list(held_inputs(plan([0.0]), dying()))  # a model that computes viability holds none
    assert not list(held_inputs(plan([0.0]), monod()))


@pytest.mark.ode
def test_simulations_and_checks_say_that_an_input_is_held(tmp_path):
    run = plan([0.0])
    assert any("for 12 d" in sentence for sentence in gc.simulate(TAKES, run).remarks())
    model = tmp_path / "m.toml"
    model.write_text(
        FILE.replace("[reactions]\n", "[reactions]\nfeed = { equation = '=> BIOM', rate = 'mu' }\n")
        .replace('dead = { unit = "mmol/L", role = "dead cells", initial = 0 }\n', "")
        .replace(
            'death = { equation = "BIOM => dead", rate = "kd" }\n', 'decay = { equation = "BIOM =>", rate = "kd" }\n'
        )
    )
    write_runs([run], tmp_path / "runs")
    result = CliRunner().invoke(app, ["check", str(tmp_path / "runs"), "--model", str(model)])
    assert "holds this value for 12 d" in " ".join(result.output.split())
