from dataclasses import replace

import numpy as np
import pytest
from small_models import fed_batch, monod
from typer.testing import CliRunner

from graycell import (
    Design,
    Dynamic,
    FluxValue,
    Lagged,
    LoopVariable,
    Parameter,
    ParameterTable,
    designed_runs,
    generate,
    nolan_lee,
    read_runs,
    simulate,
    write_runs,
)
from graycell.cell.variables import Species
from graycell.cli import app
from graycell.comparison.baselines import BASELINES
from graycell.comparison.splits import known_of
from graycell.errors import InputError, ModelError, SimulationError
from graycell.insilico import parameter_hash
from graycell.models import library_files, model_of
from graycell.packing import as_weighed, in_units_of
from graycell.runs import REDOX, VCD, Bolus, Sample, Setpoint, check_runs

# one length and one number of samples: everything here is compiled once
EIGHT = Design(runs=8, days=6.0, initial={"GLC": (0.7, 1.3)})
TEMPLATE = fed_batch()


def with_loop():
    """Return the small model with a pool R that follows the uptake."""
    known = monod()
    variables = dict(zip(known.variable_names, known.variables, strict=True))
    pool = LoopVariable(FluxValue("uptake"), Dynamic("ts"))
    return known.rebuilt(variables={**variables, REDOX: pool},
                         parameters=ParameterTable((*known.table, Parameter(0.1, "d", name="ts"))))  # fmt: skip


TRUTH = with_loop()


def made(**changes):
    return generate(TRUTH, replace(EIGHT, **changes), TEMPLATE)


@pytest.fixture(scope="module")
def exact():
    return made(noise=0.0, loops=True)


@pytest.fixture(scope="module")
def noisy():
    return made(loops=True)


def values(runs, quantity):
    return np.stack([run.measurements[quantity].value for run in runs])


def test_a_design_fills_its_ranges():
    runs = designed_runs(Design(runs=64))
    shifts = sorted(event.time for run in runs for event in run.events if isinstance(event, Setpoint))
    low, high = Design().shift_day
    assert len(shifts) == 64
    assert low <= shifts[0] < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < shifts[-1] <= high
    # of 64 Sobol points every sixteenth of a range has four
    sixteenths = np.histogram(shifts, bins=16, range=(low, high))[0]
    assert np.all(np.abs(sixteenths - 4) <= 1)


def test_a_sample_stands_at_every_sampling_time_before_the_bolus_of_that_time():
    [run] = designed_runs(Design(runs=1, days=6.0, first_bolus=(2.0, 2.0), bolus_interval=(1.0, 1.0)))
    assert [event.time for event in run.events if isinstance(event, Sample)] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    at_two = [type(event) for event in run.events if event.time == 2.0]
    assert at_two.index(Sample) < at_two.index(Bolus)
    assert [event.time for event in run.events if isinstance(event, Bolus)] == [2.0, 3.0, 4.0, 5.0]


def test_the_first_runs_of_a_design_do_not_depend_on_their_number():
    few, many = designed_runs(Design(runs=5)), designed_runs(Design(runs=64))
    assert [run.events for run in few] == [run.events for run in many[:5]]
    assert designed_runs(Design(runs=64), first=3, count=2)[0].events == many[3].events


def test_every_fault_of_a_design_is_told_at_once():
    with pytest.raises(InputError) as raised:
        Design(runs=0, seeding=(2.0, 1.0), floor=0.0)
    assert [finding.place for finding in raised.value.findings] == ["design, runs", "design, seeding", "design, floor"]


def test_a_template_without_what_is_varied_is_a_sentence(run):
    without = replace(run, initial={name: c for name, c in run.initial.items() if name != "GLN"}, media={}, events=())
    with pytest.raises(InputError, match="no 'GLN'") as raised:
        designed_runs(Design(runs=8), without)
    assert len(raised.value.findings) == 2


def test_measurements_have_the_units_of_the_model():
    design = Design(runs=1, days=1.0, noise=0.0, initial={})
    [one] = generate(monod(species={"DCD": "1e9 cells/L", "mAb": "mg/L"}), design, fed_batch())
    units = {name: series.unit for name, series in one.measurements.items()}
    assert units == {"VCD": "1e9 cells/L", "DCD": "1e9 cells/L", "GLC": "mmol/L", "LAC": "mmol/L", "mAb": "mg/L",
                     "viability": "1"}  # fmt: skip


def test_a_template_in_other_units_is_converted_once():
    model = monod(species={"DCD": "1e9 cells/L", "mAb": "mg/L"})
    template = fed_batch(initial={**fed_batch().initial, "mAb": 0.1}, units={"mAb": "g/L"})
    [one] = generate(model, Design(runs=1, days=1.0, noise=0.0, initial={}), template)
    assert one.initial["mAb"] == pytest.approx(100.0)
    assert one.units["mAb"] == "mg/L"
    assert simulate(model, one)["mAb"][0] == pytest.approx(100.0)


def test_titers_of_a_product_are_masses_that_every_model_reads_right(tmp_path):
    """ANTI as nolan-lee counts it; in the files it is in g/L, and models have it in mg/L or in mmol/L of residues."""
    counted = Species(molar_mass=110.0)
    [one] = generate(monod(species={"DCD": "1e9 cells/L", "mAb": "g/L", "ANTI": counted}),
                     Design(runs=1, days=1.0, noise=0.0, initial={}),
                     fed_batch(initial={**fed_batch().initial, "ANTI": 30.0}))  # fmt: skip
    assert (one.measurements["ANTI"].unit, dict(one.molar_masses)) == ("mmol/L", {"ANTI": 110.0})
    residues, grams = one.measurements["ANTI"].value, one.measurements["ANTI"].value * 0.11
    [back] = read_runs(write_runs([as_weighed(one)], tmp_path / "run"))
    assert (back.measurements["ANTI"].unit, back.units["ANTI"]) == ("g/L", "g/L")
    assert back.measurements["ANTI"].value == pytest.approx(grams)
    assert np.all(grams < 5.0)
    models = [nolan_lee(), nolan_lee(extended=True, limited=True), *(model_of(name) for name in library_files())]
    for run in (one, back):
        for model in models:
            found = in_units_of(run, model)
            expected = residues if model.unit("ANTI") == "mmol/L" else 1000.0 * grams
            assert found.measurements["ANTI"].value == pytest.approx(expected, rel=1e-12), model.name
            assert found.initial["ANTI"] == pytest.approx(30.0 if model.unit("ANTI") == "mmol/L" else 3300.0)
    # a plan that has lost its measurements has lost the molar mass with them
    plan = replace(back, measurements={}, molar_masses={})
    assert in_units_of(plan, nolan_lee()).initial["ANTI"] == pytest.approx(30.0)


def test_without_noise_the_values_are_those_of_simulate(exact):
    trajectory = simulate(TRUTH, exact[3])
    for name, series in exact[3].measurements.items():
        assert series.value == pytest.approx(trajectory.at_samples(name), rel=1e-6, abs=1e-6)
    assert trajectory.status.name == "finished"


def test_cells_at_time_0_are_told_so_that_the_last_value_can_be_predicted(exact):
    run = exact[0]
    assert run.initial["VCD"] == pytest.approx(simulate(TRUTH, run).viable_cell_density[0], rel=1e-12)
    times = {name: series.time for name, series in run.measurements.items()}
    stays = BASELINES[0].train(exact, 0).predict(known_of(run), times)
    assert stays["VCD"].tolist() == [run.initial["VCD"]] * len(times["VCD"])
    assert run.initial["viability"] == pytest.approx(run.initial["VCD"] / (run.initial["VCD"] + run.initial["DCD"]))


def test_glucose_fed_is_left_sampled_or_taken_up(exact):
    run = exact[0]
    trajectory = simulate(TRUTH, run)
    boluses = [event for event in run.events if isinstance(event, Bolus)]
    samples = [event for event in run.events if isinstance(event, Sample)]
    at = dict(zip(run.measurements["GLC"].time, run.measurements["GLC"].value, strict=True))
    change_of_volume = sum(event.volume for event in boluses) - sum(event.volume for event in samples)
    fed = sum(event.volume * run.media[event.medium]["GLC"] for event in boluses)
    sampled = sum(event.volume * at[event.time] for event in samples)
    left = at[6.0] * (run.initial_volume + change_of_volume)
    row = TRUTH.species.index("GLC")
    produced = trajectory.fluxes @ np.asarray(TRUTH.exchange)[row] * trajectory.viable_cell_density * trajectory.volume
    taken_up = -np.trapezoid(produced, trajectory.time)
    assert taken_up > 10.0
    assert left + sampled + taken_up == pytest.approx(run.initial["GLC"] * run.initial_volume + fed, rel=1e-3)


def test_the_noise_has_the_stated_size(noisy, exact):
    standardised = np.concatenate(
        [
            ((values(noisy, name) - values(exact, name)) / [r.measurements[name].standard_error for r in noisy]).ravel()
            for name in (VCD, "GLC", "LAC")  # far from 0
        ]
    )
    n = len(standardised)
    assert np.mean(standardised) == pytest.approx(0.0, abs=4 / np.sqrt(n))
    assert np.std(standardised) == pytest.approx(1.0, abs=4 / np.sqrt(2 * n))


def test_the_standard_error_is_that_of_the_true_value(noisy, exact):
    for name in ("GLC", REDOX):
        true = values(exact, name)
        wanted = np.hypot(0.05 * true, 0.02 * np.max(true))
        assert np.allclose([run.measurements[name].standard_error for run in noisy], wanted, rtol=1e-12)


def test_a_value_below_zero_is_zero_and_says_so():
    loud = made(noise=0.2, floor=0.5)
    below = [series for run in loud for series in run.measurements.values() if series.below is not None]
    assert below
    assert all(np.all(series.value[series.below] == 0.0) for series in below)
    count = sum(int(np.sum(series.below)) for series in below)
    assert f"{count} of {8 * 6 * 6} values came out below 0" in loud[0].provenance.notes
    assert min(float(series.value.min()) for run in loud for series in run.measurements.values()) == 0.0


def test_one_seed_gives_one_set_of_runs(noisy):
    again, other = made(loops=True), made(loops=True, seed=1)
    assert np.array_equal(values(noisy, "LAC"), values(again, "LAC"))
    assert not np.any(values(noisy, "LAC") == values(other, "LAC"))


def test_what_is_measured_does_not_change_the_noise(noisy):
    fewer = made(measured=("LAC", VCD))
    assert set(fewer[0].measurements) == {"LAC", VCD}
    assert np.array_equal(values(fewer, "LAC"), values(noisy, "LAC"))


def test_generated_runs_have_no_fault_and_tell_where_they_come_from(noisy):
    assert check_runs(noisy, TRUTH.species) == []
    assert max(float(run.measurements["viability"].value.max()) for run in noisy) == 1.0
    assert [run.name for run in noisy] == [f"run{k:02d}" for k in range(1, 9)]
    assert parameter_hash(TRUTH) in noisy[0].provenance.notes
    assert "Seed 0" in noisy[0].provenance.notes


def test_generated_runs_come_back_from_their_files(noisy, exact, tmp_path):
    for name, runs in (("noisy", noisy), ("exact", exact)):
        back = read_runs(write_runs(runs, tmp_path / name))
        for run, other in zip(runs, back, strict=True):
            assert (run.name, run.events, run.initial, run.media) == (
                other.name, other.events, other.initial, other.media,
            )  # fmt: skip
            assert run.provenance.notes == other.provenance.notes
            for quantity, series in run.measurements.items():
                read = other.measurements[quantity]
                assert np.array_equal(series.value, read.value)
                # the law of the errors is applied to noisy values when it is read
                tolerance = 1e-12 if name == "exact" else 0.2
                assert np.allclose(series.standard_error, read.standard_error, rtol=tolerance, atol=0.0)


def test_a_point_that_the_truth_cannot_simulate_is_replaced(monkeypatch):
    from graycell import insilico as generation

    simulated = generation._true_values

    def third_fails(model, design, runs):
        found = simulated(model, design, runs)
        return [*found[:2], "GLN falls below zero", *found[3:]] if len(runs) == 8 else found

    whole = made()
    monkeypatch.setattr(generation, "_true_values", third_fails)
    runs = made()
    assert [run.name for run in runs] == [run.name for run in whole]
    assert [run.events for run in runs[:2]] == [run.events for run in whole[:2]]
    assert [run.events for run in runs[2:7]] == [run.events for run in whole[3:]]
    assert "1 of 9 points" in runs[0].provenance.notes


def test_a_design_that_does_not_suit_the_truth_is_a_sentence(monkeypatch):
    from graycell import insilico as generation

    monkeypatch.setattr(generation, "_true_values", lambda model, design, runs: ["ALA falls below zero"] * len(runs))
    with pytest.raises(SimulationError, match=r"32 of 32 runs .* because ALA falls below zero"):
        made()


def test_the_published_scheme_is_no_truth():
    with pytest.raises(ModelError, match="no ODE"):
        generate(nolan_lee(closure=Lagged(0.05)), Design(runs=8))


def test_an_unknown_quantity_is_a_sentence():
    with pytest.raises(InputError, match="did you mean 'GLC'"):
        made(measured=("GLCC",))


def test_generate_writes_runs_that_check_takes(tmp_path):
    folder = tmp_path / "runs"
    ended = CliRunner().invoke(app, ["generate", "--out", str(folder), "--runs", "8", "--days", "6", "--loops"])
    assert ended.exit_code == 0, ended.output
    assert "points of the design had no plausible run" in ended.output
    made = read_runs(folder)
    assert len(made) == 8
    ends = [run.measurements["ANTI"].value[-1] for run in made]  # as a laboratory weighs it
    assert {run.measurements["ANTI"].unit for run in made} == {"g/L"}
    assert 0.5 < min(ends) < max(ends) < 15.0
    assert CliRunner().invoke(app, ["check", str(folder)]).exit_code == 0
