from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from small_models import fed_batch, monod

import graycell as gc
from graycell.cell.rates import Conditions, Named
from graycell.errors import InputError
from graycell.hybrid import build_model
from graycell.models import library_files, model_file
from graycell.packing import names_of, pack, pack_all, require_usable
from graycell.runs import Bolus, Feed, Measurement, Replacement, Sample, Setpoint, Signal
from graycell.runs.solutes import FORMULAS


def events_at(packed, time):
    """Return what is done at the ends of the segments that end at `time`, as (sample, bolus) pairs."""
    at = np.flatnonzero(np.isclose(packed.end, time))
    done = packed.interventions
    return [(float(done.sample[k]), float(np.sum(done.bolus[k]))) for k in at]


def test_segments_follow_each_other_without_a_gap(run, published):
    packed = pack(run, published)
    assert float(packed.start[0]) == float(packed.end[0]) == 0.0
    assert np.array_equal(packed.start[1:], packed.end[:-1])
    assert float(packed.end[-1]) == run.end
    assert len(packed.end) % 8 == 0


def test_every_measurement_is_at_the_end_of_a_segment(run, published):
    packed = pack(run, published)
    glucose = published.quantities.index("GLC")
    there = np.isfinite(packed.standard_error[:, glucose])
    assert np.array_equal(np.asarray(packed.end)[there], run.measurements["GLC"].time)
    assert np.array_equal(np.asarray(packed.measured)[there, glucose], run.measurements["GLC"].value)


def test_a_bolus_before_a_sample_at_one_time_stays_before_it(run, published):
    sample, bolus = Sample(2.0, 0.01), Bolus(2.0, "feed", 0.05)
    first_sampled = pack(replace(run, events=(sample, bolus)), published)
    first_fed = pack(replace(run, events=(bolus, sample)), published)
    assert events_at(first_sampled, 2.0) == [(0.01, 0.05)]
    assert events_at(first_fed, 2.0)[:2] == [(0.0, 0.05), (0.01, 0.0)]


def test_a_feed_flows_from_its_event_until_the_next(run, published):
    packed = pack(replace(run, events=(Feed(1.0, "feed", 0.2), Feed(4.0, "feed", 0.0))), published)
    flowing = np.asarray(packed.flows.feed[:, 0]) > 0.0
    start, end = np.asarray(packed.start), np.asarray(packed.end)
    assert np.array_equal(flowing, (start >= 1.0) & (end <= 4.0) & (end > 1.0))


def test_the_target_of_the_shift_goes_from_warm_to_cold(run, published):
    shift = published.variable_names.index("shift")
    target = published.variables[shift].target
    warm, between, cold = (
        pack(replace(run, events=(Setpoint(3.0, temperature),)), published) for temperature in (37.0, 34.0, 31.0)
    )
    for packed, weight in ((warm, 0.0), (between, 0.5), (cold, 1.0)):
        now = Conditions({}, inputs=Named(published.input_names, packed.setpoints[-1]))
        assert float(target(now)) == pytest.approx(weight)
        begun = published.begin(packed.initial_variables, packed.inputs_at(jnp.zeros(()), packed.first_setpoints))
        assert float(begun[shift]) == 0.0


def test_runs_of_other_media_and_lengths_pack_together(run, published):
    """Each run keeps its own order of media; what it has fewer of is padded with nothing."""
    media = {"salt": {"GLC": 1.0}, "feed": run.media["feed"], "more": {"GLN": 5.0}}
    other = replace(run, name="other", media=media, events=(Bolus(1.0, "feed", 0.1), Replacement(5.0, "more", 0.2)))
    packed = pack_all([run, other], published)
    assert packed.media.shape == (2, 3, len(published.species))
    added = np.asarray(packed.interventions.bolus @ packed.media)
    glucose = published.species.index("GLC")
    assert np.sum(added[1, :, glucose]) == pytest.approx(0.1 * run.media["feed"]["GLC"])
    assert not np.any(packed.media[0, 1:])


def test_volumes_are_per_litre_of_initial_volume(run, published):
    packed = pack(replace(run, initial_volume=2.0), published)
    assert float(np.sum(packed.interventions.bolus)) == pytest.approx(
        sum(event.volume for event in run.events if isinstance(event, Bolus)) / 2.0
    )


def test_signals_of_different_times_are_interpolated_as_each_of_them_alone(random):
    points = {"pH": np.array([0.5, 1.3, 2.0, 3.7]), "DO": np.linspace(0.2, 3.1, 20), "stir": np.array([1.0])}
    values = {name: random.uniform(1.0, 2.0, len(time)) for name, time in points.items()}
    signals = {name: Signal(name, "1", points[name], values[name]) for name in points}
    model = monod(inputs={"temperature": gc.Input("degC", 37.0), **{name: gc.Input("1", 0.0) for name in points}})
    packed = pack(replace(fed_batch(), signals=signals), model, points=40)
    times = np.r_[np.linspace(0.0, 4.0, 200), *points.values()]
    found = jax.vmap(packed.inputs_at, in_axes=(0, None))(jnp.asarray(times), packed.setpoints[0])
    assert len(packed.curves.time) == 48
    for name in ("pH", "DO"):
        inside = np.clip(times, points[name][0], points[name][-1])
        expected = PchipInterpolator(points[name], values[name])(inside)
        assert np.allclose(found[:, model.input_names.index(name)], expected, rtol=1e-13)
    assert np.all(found[:, model.input_names.index("stir")] == values["stir"])


def test_viability_comes_from_viable_and_total_cells_where_it_is_not_given(run, published):
    vcd = run.measurements["VCD"]
    total = replace(vcd, quantity="TCD", value=vcd.value / 0.8)
    counted = replace(run, signals={}, measurements={**run.measurements, "TCD": total})
    packed = pack(counted, published)
    inputs = packed.inputs_at(jnp.array(5.0), packed.setpoints[-1])
    assert float(inputs[published.input_names.index("viability")]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"events": (Bolus(1.0, "feeed", 0.1),)}, "did you mean 'feed'"),
        ({"events": (Sample(1.0, 1.0),)}, "a sample leaves some of it"),
        ({"end": 5.0}, "end of the run at 5 d"),
        ({"media": {"feed": {"GLCC": 400.0}}}, "did you mean 'GLC'"),
    ],
    ids=["medium", "sample", "end", "species"],
)
def test_a_run_that_cannot_be_simulated_is_an_input_error(run, published, changes, told):
    with pytest.raises(InputError, match=told):
        pack(replace(run, **changes), published)


def of(name, unit, *values):
    """A measurement at day 0, 1, ... with errors of a tenth."""
    value = np.array(values)
    return Measurement(name, unit, np.arange(float(len(value))), value, 0.1 * value)


def measured_in(packed, model, name):
    column = model.quantities.index(name)
    there = np.isfinite(np.asarray(packed.standard_error)[:, column])
    return np.asarray(packed.measured)[there, column], np.asarray(packed.standard_error)[there, column]


def test_measurements_are_packed_in_the_units_of_the_model():
    model = monod()
    measurements = {
        "mAb": of("mAb", "mg/L", 100.0, 200.0), "GLC": of("GLC", "mM", 60.0, 50.0),
        "DCD": of("DCD", "1e6 cells/mL", 0.1, 0.2), "viability": of("viability", "%", 98.0, 95.0),
    }  # fmt: skip
    packed = pack(fed_batch(measurements=measurements), model)
    for name, values in {"mAb": [0.1, 0.2], "GLC": [60.0, 50.0], "DCD": [0.1, 0.2], "viability": [0.98, 0.95]}.items():
        value, error = measured_in(packed, model, name)
        assert value == pytest.approx(values)
        assert error == pytest.approx(0.1 * np.array(values))


def test_a_molar_mass_brings_amounts_and_masses_together():
    species = {"GLC": gc.Species("g/L"), "mAb": gc.Species("g/L", molar_mass=150e3), "VCD": "1e9 cells/L"}
    model = gc.CultureModel(reactions={"growth": "GLC => VCD"}, species=species, rates={"growth": 1.0}, parameters={})
    run = gc.CultureRun("a", 1.0, {"GLC": 10.0, "mAb": 0.01, "VCD": 1.0}, {"mAb": of("mAb", "mmol/L", 0.02, 0.03)},
                        units={"GLC": "mmol/L", "mAb": "mmol/L"})  # fmt: skip
    packed = pack(run, model)
    at = dict(zip(model.species, np.asarray(packed.initial), strict=True))
    assert at["GLC"] == pytest.approx(1.80156)  # of the known solute
    assert at["mAb"] == pytest.approx(1.5)
    value, error = measured_in(packed, model, "mAb")
    assert value == pytest.approx([3.0, 4.5])
    assert error == pytest.approx(0.1 * np.array([3.0, 4.5]))


def test_dead_cells_at_time_0_follow_from_the_viability_that_was_measured_then():
    species = {"VCD": "1e9 cells/L", "dead": gc.Species("1e9 cells/L", 0.0, dead_of="VCD")}
    model = gc.CultureModel(species=species, reactions={"growth": "=> VCD"}, rates={"growth": 1.0}, parameters={})
    viability = of("viability", "1", 0.8, 0.7)
    at_zero = replace(viability, time=np.array([0.0, 1.0]))
    run = gc.CultureRun("a", 1.0, {"VCD": 2.0}, {"viability": at_zero})
    assert np.asarray(pack(run, model).initial) == pytest.approx([2.0, 0.5])  # 2 of 2.5 are viable
    later = replace(run, measurements={"viability": replace(at_zero, time=np.array([0.5, 1.0]))})
    assert np.asarray(pack(later, model).initial) == pytest.approx([2.0, 0.0])
    given = replace(run, initial={"VCD": 2.0, "dead": 0.1})
    assert np.asarray(pack(given, model).initial) == pytest.approx([2.0, 0.1])


def test_a_unit_that_does_not_convert_names_both_and_a_remedy():
    with pytest.raises(InputError) as raised:
        pack(fed_batch(measurements={"mAb": of("mAb", "mmol/L", 0.0, 0.1)}), monod())
    [finding] = raised.value.findings
    assert "mmol/L" in finding.found
    assert "g/L" in finding.needed
    assert "graycell import" in finding.remedy


def test_initial_values_and_media_that_say_their_unit_are_converted():
    media = {"feed": {"GLC": 0.5, "mAb": 100.0}}
    run = fed_batch(media=media, units={"mAb": "mg/L", "GLC": "mol/L"},
                    initial={"VCD": 0.5, "DCD": 0.01, "GLC": 0.06, "LAC": 1.0, "mAb": 30.0})  # fmt: skip
    packed, species = pack(run, monod()), monod().species
    start = dict(zip(species, np.asarray(packed.initial), strict=True))
    fed = dict(zip(species, np.asarray(packed.media)[0], strict=True))
    assert (start["GLC"], start["mAb"]) == pytest.approx((60.0, 0.03))
    assert (start["LAC"], start["VCD"]) == (1.0, 0.5)
    assert (fed["GLC"], fed["mAb"]) == pytest.approx((500.0, 0.1))


def test_a_limit_in_mmol_per_litre_is_for_species_in_mmol_per_litre():
    model = monod(species={"DCD": "1e9 cells/L", "mAb": "mg/L"})
    start = {**fed_batch().initial, "mAb": 3000.0}
    packed = pack(fed_batch(initial=start), model)
    assert float(packed.initial[model.species.index("mAb")]) == 3000.0
    with pytest.raises(InputError, match="concentrations are >= 0"):
        pack(fed_batch(initial={**start, "mAb": -1.0}), model)
    with pytest.raises(InputError, match="pure GLC has less than"):
        pack(fed_batch(initial={**start, "GLC": 30000.0}), model)
    assert float(pack(fed_batch(initial={**start, "GLC": 3000.0}), model).initial[model.species.index("GLC")]) == 3000.0


def test_a_species_without_an_initial_value_begins_with_its_sample_at_time_0():
    model = monod()
    run = fed_batch()
    glucose = Measurement("GLC", "mmol/L", np.array([0.0, 1.0]), np.array([33.0, 20.0]), np.ones(2))
    rest = {name: value for name, value in run.initial.items() if name != "GLC"}
    sampled = replace(run, initial=rest, measurements={"GLC": glucose})
    assert float(pack(sampled, model).initial[model.species.index("GLC")]) == 33.0
    late = replace(sampled, measurements={"GLC": replace(glucose, time=np.array([0.5, 1.0]))})
    with pytest.raises(InputError, match="GLC needs a concentration at time 0"):
        pack(late, model)


@pytest.mark.parametrize("check", [pack_all, require_usable])
def test_the_faults_of_all_runs_are_told_at_once(check):
    model, sound = monod(), fed_batch()
    rest = {name: value for name, value in sound.initial.items() if name != "GLC"}
    unlike = [replace(sound, name="A", initial=rest), replace(sound, name="B"),
              replace(sound, name="C", initial={**sound.initial, "GLC": -1.0})]  # fmt: skip
    with pytest.raises(InputError) as error:
        check(unlike, model)
    said = [str(finding) for finding in error.value.findings]
    assert any("'A'" in sentence and "GLC needs a concentration at time 0" in sentence for sentence in said)
    assert any("'C'" in sentence and "concentrations are >= 0" in sentence for sentence in said)
    assert not any("'B'" in sentence for sentence in said)
    check([replace(sound, name="B")], model)


def test_the_initial_value_of_a_variable_or_an_input_is_no_concentration():
    relaxing = gc.RelaxingVariable(gc.Ramp("temperature", 31.0, 37.0), gc.Rate("recovery"))
    model = monod(variables={"warmth": relaxing, "GLCx": gc.StateVariable(gc.Constant(1.0))},
                  inputs={"temperature": gc.Input("degC", 37.0), "LACs": gc.Input("1", 0.0)})  # fmt: skip
    packed = pack(fed_batch().with_initial(GLCx=-3000.0, LACs=-2.0), model)
    assert float(packed.initial_variables[model.variable_names.index("GLCx")]) == -3000.0
    assert float(packed.first_setpoints[model.input_names.index("LACs")]) == -2.0


@pytest.mark.parametrize("number", [np.int64, np.float32, jnp.asarray])
def test_events_of_any_kind_of_number_are_put_in_order(number):
    run = fed_batch().with_bolus(number(1), "feed", 0.1).with_setpoint(number(0), 36.0)
    assert [float(event.time) for event in run.events] == [0.0, 1.0, 2.0, 3.0, 3.5, 4.0]


def test_events_of_traced_times_stay_in_the_order_given():
    def last(time):
        run = fed_batch().with_bolus(time, "feed", 0.1)
        assert isinstance(run.events[-1], Bolus)
        return run.events[-1].time

    assert float(jax.jit(last)(1.0)) == 1.0


def test_without_an_end_a_run_ends_at_its_last_measurement_or_event(run):
    assert type(run)(run.name, 1.0, run.initial, run.measurements).end == 9.17
    assert type(run)(run.name, 1.0, run.initial, events=(Bolus(12.0, "feed", 0.1),)).end == 12.0


def test_one_set_of_runs_serves_every_model_of_the_library(run, published):
    """What a model does not know is left out, whatever its name resembles; what it needs is there."""
    time = np.array([0.0, 2.0, 4.0, 6.0])
    solutes = [*FORMULAS, "BIOM", "GLN_T", "mAb2"]
    numbers = {"pH": "1", "diameter": "1", "X": "g/L", "osmolality": "1", "VCD": "1e9 cells/L", "TCD": "1e9 cells/L"}
    units = {**dict.fromkeys(solutes, "mmol/L"), **numbers}
    measured = {name: Measurement(name, unit, time, np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 0.1))
                for name, unit in units.items()}  # fmt: skip
    titer = np.array([0.0, 1e-3, 5e-3, 0.01])
    measured["ANTI"] = Measurement("ANTI", "mmol/L", time, titer, np.full(4, 1e-3))
    media = {"feed": {**dict.fromkeys(solutes, 5.0), "MEOH": 24700.0}}
    start = {**dict.fromkeys([*solutes, "VCD", "X"], 1.0), "R": 2.0, "ANTI": 0.0}
    shared = replace(run, initial=start, measurements=measured, media=media, units={"X": "g/L"})
    for model in (*(build_model(model_file(name), [shared]) for name in library_files()), published):
        errors = [finding for finding in gc.check_runs([shared], names_of(model)) if finding.severity == "error"]
        assert errors == [], model.name
        assert pack(shared, model).initial.shape == (len(model.species),)


def test_what_several_runs_lack_is_said_once():
    runs = [replace(fed_batch(), name=f"run-{k}", initial={}, measurements={}) for k in range(45)]
    findings = [finding for one in runs for finding in gc.check_runs([one], ["GLC", "VCD", "LAC"])]
    error = InputError(finding for finding in findings if finding.severity == "error")
    assert len(error.findings) == 135
    assert len(str(error).splitlines()) == 3
    assert "runs 'run-0', 'run-1', 'run-2' and 42 more, initial GLC: found no value" in str(error)


def test_a_model_that_needs_many_species_is_one_finding_for_a_run():
    species = dict.fromkeys(["GLC", *FORMULAS], "mmol/L")
    (finding,) = [one for one in gc.check_runs([fed_batch(initial={})], species) if one.severity == "error"]
    assert "ALA, ARG" in finding.found
    assert finding.needed == f"{len(species)} species need a concentration at time 0"
    assert "graycell models" in finding.remedy
