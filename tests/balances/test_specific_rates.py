"""Balances and specific rates of a culture with known growth, uptake and death, whose truth scipy integrates."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from typer.testing import CliRunner

from graycell.balances.mass_balances import balances_of
from graycell.balances.specific_rates import DEATH, GROWTH, specific_rates
from graycell.cli import app
from graycell.errors import InputError
from graycell.reporting.rates.page import rates_frames, rates_report
from graycell.runs import Bolus, CultureRun, End, Feed, Measurement, Outflow, Sample, bundled_run
from graycell.runs.records import TCD, VCD

MU, LOSS, UPTAKE, MADE = 0.6, 0.05, -1.3, 0.9
MEDIA = {"feed": {"GLC": 200.0, "LAC": 1.0}}
TIMES = np.array([0.0, 1.0, 2.0, 3.5, 5.0])


def culture(events, times=TIMES, error=0.02):
    """A run of constant specific rates through these events, sampled without noise: amounts are integrated by scipy."""
    state, volume = np.array([0.4, 0.01, 45.0, 2.0]) * 1.0, 1.0  # viable, dead [1e9], GLC, LAC [mmol]
    fed = bleed = harvest = 0.0
    rows, now = [], 0.0
    for time in sorted({*times, *(event.time for event in events)}):
        if time > now:
            flows = fed, bleed, harvest

            def change(t, y, flows=flows, start=now, volume=volume):
                fed, bleed, harvest = flows
                here = volume + (fed - bleed - harvest) * (t - start)
                kept = bleed / here * y[:2]
                gone = (bleed + harvest) / here * y[2:]
                made = np.array([MU, LOSS, UPTAKE, MADE]) * y[0]
                return made - np.r_[kept, gone] + np.array([0.0, 0.0, 200.0, 1.0]) * fed

            state = solve_ivp(change, (now, time), state, rtol=1e-12, atol=1e-12, method="DOP853").y[:, -1]
            volume, now = volume + (fed - bleed - harvest) * (time - now), time
        if time in times:
            rows.append(np.r_[state / volume, volume])
        for event in (event for event in events if event.time == time):
            match event:
                case Sample(volume=taken):
                    state, volume = state * (1.0 - taken / volume), volume - taken
                case Bolus(volume=added):
                    state, volume = state + added * np.array([0.0, 0.0, 200.0, 1.0]), volume + added
                case Feed(rate=rate):
                    fed = rate
                case Outflow(rate=rate, retains_cells=True):
                    harvest = rate
                case Outflow(rate=rate):
                    bleed = rate
    found = np.array(rows)

    def measured(name, unit, values):
        return Measurement(name, unit, np.asarray(times), values, error * values)

    measurements = {
        VCD: measured(VCD, "1e9 cells/L", found[:, 0]), TCD: measured(TCD, "1e9 cells/L", found[:, 0] + found[:, 1]),
        "GLC": measured("GLC", "mmol/L", found[:, 2]), "LAC": measured("LAC", "mmol/L", found[:, 3]),
    }  # fmt: skip
    initial = {"GLC": 45.0, "LAC": 2.0}
    run = CultureRun("known", 1.0, initial, measurements, (*events, End(times[-1])), MEDIA)
    return run, found


BLED = (Outflow(0.0, 0.03), Sample(2.0, 0.02), Outflow(2.0, 0.0))
PERFUSION = (Feed(0.0, "feed", 0.5), Outflow(0.0, 0.05), Outflow(0.0, 0.45, retains_cells=True))
FED_BATCH = (Sample(1.0, 0.02), Bolus(1.0, "feed", 0.05), Sample(2.0, 0.02), Feed(2.0, "feed", 0.03),
             Sample(3.5, 0.03), Feed(3.5, "feed", 0.01), Bolus(4.2, "feed", 0.02))  # fmt: skip
PERFUSED = (*FED_BATCH[:4], Outflow(2.0, 0.02), Outflow(2.5, 0.1, retains_cells=True), Sample(2.7, 0.05))


def phase(run, **of):
    return {rate.quantity: rate for rate in specific_rates(run, **of).of_phase()}


def test_the_rates_of_a_fed_batch_are_those_of_its_truth():
    """Boluses, a changed feed and samples between: nothing flows out between samples, so the rates are exact."""
    for rate in specific_rates(culture(FED_BATCH)[0]).rates:
        expected = {GROWTH: MU, DEATH: LOSS, "GLC": UPTAKE, "LAC": MADE}[rate.quantity]
        assert rate.value == pytest.approx(expected, rel=1e-8), rate


def test_with_a_bleed_a_harvest_and_a_sample_between_growth_is_exact_and_rates_are_near():
    """What flows out between samples hangs on when it was made: at a constant rate, where the cells grew."""
    found = phase(culture(PERFUSED)[0])
    assert found[GROWTH].value == pytest.approx(MU, rel=1e-8)
    for name, expected in ((DEATH, LOSS), ("GLC", UPTAKE), ("LAC", MADE)):
        assert found[name].value == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("events", [BLED, PERFUSION])
def test_flows_that_cancel_or_have_no_feed_leave_rates_near_the_truth(events):
    """A bleed alone, and a volume that stands still: no difference of near numbers is divided by another."""
    found = phase(culture(events)[0])
    assert found[GROWTH].value == pytest.approx(MU, rel=1e-8)
    for name, expected in (("GLC", UPTAKE), ("LAC", MADE)):
        assert found[name].value == pytest.approx(expected, rel=0.05)


def test_a_harvest_keeps_the_biomass():
    run, _ = culture(PERFUSION)
    counts = run.measurements[VCD]
    biomass = replace(counts, quantity="BIOM", unit="mmol/L", value=2.0 * counts.value)
    initial = {**run.initial, "BIOM": float(biomass.value[0])}
    grams = replace(run, initial=initial, measurements={**run.measurements, "BIOM": biomass})
    assert phase(grams)["BIOM"].value == pytest.approx(2.0 * MU, rel=0.02)


@pytest.mark.parametrize("events", [FED_BATCH, PERFUSED, BLED, PERFUSION])
def test_every_interval_closes(events):
    run, truth = culture(events)
    for name, column in (("GLC", 2), ("LAC", 3), (VCD, 0)):
        balances = balances_of(run, name)
        assert [balance.start for balance in balances] == TIMES[:-1].tolist()
        for k, balance in enumerate(balances):
            closed = balance.begin + balance.fed - balance.taken_out + balance.net_production
            assert closed == pytest.approx(balance.found, rel=1e-12)
            assert balance.found == pytest.approx(truth[k + 1, column] * truth[k + 1, 4], rel=1e-12)
            assert balance.end_volume == pytest.approx(truth[k + 1, 4], abs=1e-12)


def test_the_glucose_balance_is_that_of_a_calculation_by_hand():
    run, truth = culture(FED_BATCH)
    glucose, volume = truth[:, 2], truth[:, 4]
    fed = [0.0, 0.05 * 200.0, 1.5 * 0.03 * 200.0, 1.5 * 0.01 * 200.0 + 0.02 * 200.0]
    taken = [0.0, 0.02 * glucose[1], 0.02 * glucose[2], 0.03 * glucose[3]]
    for k, balance in enumerate(balances_of(run, "GLC")):
        assert balance.fed == pytest.approx(fed[k], abs=1e-9)
        assert balance.taken_out == pytest.approx(taken[k], abs=1e-9)
        by_hand = glucose[k + 1] * volume[k + 1] - glucose[k] * volume[k] - fed[k] + taken[k]
        assert balance.net_production == pytest.approx(by_hand, abs=1e-9)


def test_errors_are_those_of_many_noisy_runs(random):
    """To first order: the spread of rates from values with the noise that they say."""
    run, _ = culture(FED_BATCH)
    expected, seen = phase(run), []
    for _ in range(300):
        noisy = {}
        for name, series in run.measurements.items():
            noise = series.standard_error * random.standard_normal(len(series.value))
            noisy[name] = replace(series, value=series.value + noise)
        seen.append({name: rate.value for name, rate in phase(replace(run, measurements=noisy)).items()})
    for name in (GROWTH, "GLC", "LAC"):
        assert np.std([rates[name] for rates in seen]) == pytest.approx(expected[name].standard_error, rel=0.15)
    ratios = [-rates["LAC"] / rates["GLC"] for rates in seen]  # counts cancel
    assert np.std(ratios) == pytest.approx(specific_rates(run).yields()["LAC"][1], rel=0.15)


def test_the_integral_of_the_cells_is_that_of_the_truth():
    found = specific_rates(culture(FED_BATCH[:2])[0])
    # 1 d of growth, 2 % of the volume taken, growth to day 5
    after = 0.4 * np.exp(MU) * 0.98
    expected = 0.4 * np.expm1(MU) / MU + after * np.expm1(4.0 * MU) / MU
    assert found.integral[-1] == pytest.approx(expected, rel=1e-9)
    assert found.cells[-1] == pytest.approx(after * np.exp(4.0 * MU), rel=1e-9)


def test_a_phase_is_what_lies_in_it():
    run, _ = culture(FED_BATCH)
    found = specific_rates(run, 1.0, 3.5)
    assert {(rate.start, rate.end) for rate in found.rates} == {(1.0, 2.0), (2.0, 3.5), (1.0, 3.5)}
    assert found.integral[0] == 0.0
    assert found.integral[-1] == pytest.approx(found.of_phase()[0].viable_cells)


def test_yields_are_per_what_was_taken_up():
    run, _ = culture(FED_BATCH)
    value, error = specific_rates(run).yields()["LAC"]
    assert value == pytest.approx(MADE / -UPTAKE, rel=1e-8)
    assert error > 0.0
    with pytest.raises(InputError, match="taken up"):
        specific_rates(run).yields("LAC")
    with pytest.raises(InputError, match="GLC"):
        specific_rates(run).yields("GLCC")
    glucose = run.measurements["GLC"]
    late = replace(glucose, **{name: getattr(glucose, name)[2:] for name in ("time", "value", "standard_error")})
    shared = specific_rates(replace(run, measurements={**run.measurements, "GLC": late}))
    assert shared.yields()["LAC"][0] == pytest.approx(MADE / -UPTAKE, rel=1e-8)


def test_a_doubling_time_is_of_growth_alone():
    found = phase(culture(FED_BATCH)[0])
    assert found[GROWTH].doubling_time == pytest.approx(np.log(2.0) / MU)
    assert np.isnan(found["GLC"].doubling_time)


def test_a_count_of_no_cells_leaves_no_growth_and_no_nan():
    run, _ = culture(FED_BATCH)
    counts = run.measurements[VCD]
    none = replace(counts, value=np.r_[counts.value[:-1], 0.0], standard_error=np.full(5, 0.02))
    found = specific_rates(replace(run, measurements={**run.measurements, VCD: none}))
    assert all(np.isfinite([rate.value, rate.standard_error]).all() for rate in found.rates)
    assert max(rate.end for rate in found.rates if rate.quantity == GROWTH) == 3.5
    errors = {rate.quantity: rate.standard_error for rate in specific_rates(run).of_phase()}
    for rate in found.of_phase():  # a count that is changed by its error is not grown from over decades
        assert rate.standard_error < 5.0 * errors[rate.quantity]


@pytest.mark.parametrize(("change", "words"), [
    ({"measurements": {}}, "0 counts"),
    ({"events": (Bolus(1.0, "nothing", 0.1),)}, "nothing"),
])  # fmt: skip
def test_a_run_without_what_is_needed_is_a_sentence(change, words):
    run, _ = culture(FED_BATCH)
    with pytest.raises(InputError, match=words):
        specific_rates(replace(run, **change))


def test_a_phase_without_two_samples_is_a_sentence():
    with pytest.raises(InputError, match="no two samples"):
        specific_rates(culture(FED_BATCH)[0], 1.2, 1.8)


def test_the_report_has_its_tables_beside_it(tmp_path):
    measured = [specific_rates(culture(FED_BATCH)[0]), specific_rates(bundled_run())]
    page = rates_report(measured, tmp_path).read_text(encoding="utf-8")
    assert "://" not in page
    for name, frame in rates_frames(measured).items():
        assert len(frame) > 0
        assert (tmp_path / f"{name}.csv").exists()


@pytest.mark.parametrize("name", ["balances", "mass-balances"])
def test_every_row_of_a_table_of_mass_balances_adds_up(name):
    frame = rates_frames([specific_rates(culture(FED_BATCH)[0]), specific_rates(bundled_run())])[name]
    begin, fed, taken_out, net, found = (
        frame[head].to_numpy() for head in ("begin", "fed", "taken out", "net production", "found")
    )
    np.testing.assert_allclose(begin + fed - taken_out + net, found, rtol=1e-9, atol=1e-9)
    assert np.any(fed > 0.0)
    assert np.any(net < 0.0)


def test_the_command_prints_rates_and_writes_them(tmp_path):
    result = CliRunner().invoke(app, ["rates", "--to", "5", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "GLC" in result.output
    assert (tmp_path / "rates.html").exists()
    assert sum(path.suffix == ".csv" for path in tmp_path.iterdir()) == 6


def test_the_command_takes_runs_of_cells_alone_and_knows_what_was_measured(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("time [d],VCD [1e6 cells/mL],viability [%]\n0,0.4,99\n1,0.8,98\n2,1.5,97\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["rates", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "growth" in result.output
    found = CliRunner().invoke(app, ["rates", "--per", "GLCC", "--out", str(tmp_path / "out")])
    assert isinstance(found.exception, InputError)
    assert "GLC" in str(found.exception)


def test_an_interval_at_a_detection_limit_has_no_rate():
    run, _ = culture(FED_BATCH)
    glucose = run.measurements["GLC"]
    below = np.array([False, False, True, False, False])
    found = specific_rates(replace(run, measurements={**run.measurements, "GLC": replace(glucose, below=below)}))
    spans = {(rate.start, rate.end) for rate in found.rates if rate.quantity == "GLC"}
    assert spans == {(0.0, 1.0), (3.5, 5.0), (0.0, 3.5), (0.0, 5.0)}


def test_what_is_since_the_start_begins_at_the_first_sample_above_its_detection_limit():
    run, _ = culture(FED_BATCH)
    glucose = run.measurements["GLC"]
    below = np.array([True, True, False, False, False])
    found = specific_rates(replace(run, measurements={**run.measurements, "GLC": replace(glucose, below=below)}))
    spans = {(rate.start, rate.end) for rate in found.rates if rate.quantity == "GLC" and rate.since_start}
    assert spans == {(glucose.time[2], glucose.time[3]), (glucose.time[2], glucose.time[4])}


def test_two_samples_a_second_apart_have_no_rate():
    """Before and after a feed, a second apart: nothing of the cells is seen between."""
    run, _ = culture(FED_BATCH)
    whole = specific_rates(run)

    def doubled(series):
        again = series.time[2] + 1.0 / 86400.0
        return replace(series, time=np.insert(series.time, 3, again), value=np.insert(series.value, 3, series.value[2]),
                       standard_error=np.insert(series.standard_error, 3, series.standard_error[2]))  # fmt: skip

    twice = replace(run, measurements={name: doubled(series) for name, series in run.measurements.items()})
    found = specific_rates(twice)
    assert min(rate.end - rate.start for rate in found.rates) > 0.1
    for quantity in ("growth", "GLC"):
        fastest, known = (
            max(abs(rate.value) for rate in measured.rates if rate.quantity == quantity) for measured in (found, whole)
        )
        assert fastest == pytest.approx(known, rel=0.05)
