from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.rates import Conditions, Named
from graycell.errors import InputError
from graycell.packing import pack, pack_all
from graycell.runs import Bolus, Feed, Replacement, Sample, Setpoint


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


def test_without_an_end_a_run_ends_at_its_last_measurement_or_event(run):
    assert type(run)(run.name, 1.0, run.initial, run.measurements).end == 9.17
    assert type(run)(run.name, 1.0, run.initial, events=(Bolus(12.0, "feed", 0.1),)).end == 12.0
