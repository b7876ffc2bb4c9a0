"""graycell diagnose, run once as a user would, and what it printed and wrote."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from displayed import assert_same_frame
from small_models import fed_batch, monod, pool

import graycell as gc
from graycell import cli
from graycell.cell.closures import Lagged
from graycell.cli.checking import PRINTED_TABLES
from graycell.cli.sentences import console
from graycell.diagnosis.equations import diagnose, operating_points
from graycell.diagnosis.equations.diagnose import _times as default_times
from graycell.diagnosis.equations.diagnose import loop_maps
from graycell.errors import ModelError
from graycell.models import MODELS, nolan_lee
from graycell.reporting.page import text
from graycell.runs.records import Setpoint
from graycell.runs.solutes import MOLAR_MASS
from graycell.simulation.simulate import simulate

UNITS = "time=h, GLC=g/L"


def command(folder, *arguments):
    """Return what `graycell diagnose` printed, and the folder that it wrote."""
    with pytest.MonkeyPatch.context() as patch, console.capture() as captured:
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["graycell", "diagnose", *map(str, arguments), "--out", str(folder)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code
    return captured.get(), folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return what the command printed and its folder, for a network of five reactions with a pool R and a shift."""
    shift = gc.VariableValue("shift")
    model = gc.CultureModel(
        name="small",
        network={
            "glycolysis": "GLC_ext => 2 PYR + 2 NADH", "ldh": "PYR + NADH => LAC_ext", "tca": "PYR => 5 NADH",
            "oxidation": "NADH => H2O_ext", "growth": "0.5 PYR => VCD_ext",
        },
        gases=("H2O",),
        rates={
            "glycolysis": gc.Rate("q") * gc.Monod("GLC", "K"), "ldh": gc.Rate("l") * gc.VariableValue("R"),
            "tca": gc.Rate("t"), "growth": gc.Rate("mu") * gc.Monod("GLC", "K") / (1.0 + shift),
        },
        parameters={"q": 1.0, "K": 1.0, "l": 0.5, "t": 0.6, "mu": 0.5, "tau": 0.1, "recovery": 8.0},
        variables={
            "R": gc.LoopVariable(gc.FluxRatio((("glycolysis", 2.0),), (("ldh", 1.0),)), gc.Dynamic("tau")),
            "shift": gc.RelaxingVariable(gc.Ramp("temperature", 37.0, 31.0), gc.Rate("recovery")),
        },
        inputs={"temperature": gc.Input("degC", 37.0)},
    )  # fmt: skip
    plan = gc.CultureRun("batch", 1.0, {"VCD": 0.5, "GLC": 30.0, "LAC": 1.0, "R": 1.0}, end=4.0)
    run = gc.write_runs([plan.with_setpoint(2.0, 31.0)], tmp_path_factory.mktemp("runs") / "batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "small", lambda **_: model)
        return command(tmp_path_factory.mktemp("small"), run, "--model", "small", "--units", UNITS)


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory):
    """The bundled run of the CHO cell."""
    return command(tmp_path_factory.mktemp("diagnosed"))


def test_the_tables_are_printed(small):
    printed, _ = small
    for title in PRINTED_TABLES.values():
        assert title in printed
    assert "6 equations of rank 5, 1 too many" in printed


@pytest.mark.slow
def test_the_tables_of_the_cho_cell_are_known(diagnosed):
    printed, _ = diagnosed
    assert "v9 = v3 - v8 - v11 + v13" in printed  # the rest may stand on a line of its own
    assert "36 equations of rank 34, 2 too many" in printed
    assert "Without the rate law of v10 the fluxes are not unique." in printed
    page = (diagnosed[1] / "diagnosis.html").read_text(encoding="utf-8")
    assert text("Without the rate law of v10 the fluxes are not unique.") in page


@pytest.mark.slow
def test_three_fixed_points_follow_the_shift(diagnosed):
    frame = pd.read_csv(diagnosed[1] / "fixed-points.csv")
    cold = frame[frame["time [d]"] == 3.2]
    assert len(cold) == 3
    assert cold["dynamic and algebraic"].tolist() == ["stable", "unstable", "stable"]
    assert cold["lagged"].tolist() == ["stable", "unstable", "stable"]  # its slope is -1.66, above -1.78


@pytest.mark.parametrize("of", ["small", pytest.param("diagnosed", marks=pytest.mark.slow)])
def test_a_well_posed_closure_has_a_result_that_does_not_depend_on_the_tolerance_and_lagging_has_none(of, request):
    frame = pd.read_csv(request.getfixturevalue(of)[1] / "closures.csv")
    change = frame.groupby("closure")["differs from the finest by [1]"].max()
    assert change["dynamic"] < 1e-4
    assert change["algebraic"] < 1e-4
    least = {"small": 1e-3, "diagnosed": 1e-2}[of]  # the loop of the CHO cell amplifies more
    assert change["lagged"] > least


def test_the_page_stands_alone_and_the_json_has_what_is_needed_to_repeat_it(small):
    _, folder = small
    page = (folder / "diagnosis.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "https://" not in page.split("<script>")[0]
    for anchor in ("maps", "over-time", "over-parameter", "answers", "conflict"):
        assert page.count(f'id="{anchor}"') == 1
    whole = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
    assert {"versions", "runs", "settings", "code"} <= set(whole["provenance"])
    tables = {path.stem for path in folder.glob("*.csv")}
    assert set(whole["tables"]) | {"trajectory"} == tables


def test_tables_and_figures_have_the_units_that_were_chosen_and_the_json_has_internal_ones(small):
    printed, folder = small
    whole = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
    changed = 0
    for name, rows in whole["tables"].items():
        internal = pd.DataFrame(rows)
        if len(internal):
            shown = pd.read_csv(folder / f"{name}.csv", keep_default_na=True)
            changed += assert_same_frame(shown, internal, MOLAR_MASS, tolerance=1e-9)
    assert changed > 4
    assert "time [h]" in printed
    head = (folder / "trajectory.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "time [h]" in head
    assert "GLC [g/L]" in head
    page = (folder / "diagnosis.html").read_text(encoding="utf-8")
    assert "time [h]" in page
    assert "time [d]" not in page


def test_the_map_is_drawn_after_changes_of_temperature_and_of_no_other_input(run):
    changed = run.with_events(Setpoint(1.1, 6.8, "pH"), Setpoint(2.1, 33.0))
    times = default_times(changed)
    assert 2.3 in times
    assert 1.3 not in times


def test_the_map_reaches_past_a_fixed_point_above_the_simulation():
    """P follows 1/(1 + P), which is P at 0.618; the run ends before P comes near."""
    run = gc.CultureRun("short", 1.0, {"VCD": 1.0, "GLC": 20.0, "P": 0.1}, end=0.02)
    trajectory = simulate(pool(gc.Dynamic("ts")), run)
    assert np.max(trajectory.loop_value) < 0.4
    found = loop_maps(trajectory, [0.0, 0.01])
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    assert found.points.loop_value == pytest.approx([golden, golden], rel=1e-9)
    assert (found.loop_value[0], found.loop_value[-1]) == pytest.approx((0.0, 1.5 * golden))
    assert np.allclose(found.target, 1.0 / (1.0 + found.loop_value[None]))


def test_conditions_at_the_time_of_an_event_are_those_after_it():
    trajectory = simulate(monod(), fed_batch())
    rows = np.flatnonzero(trajectory.time == 2.0)
    assert len(rows) == 2  # the bolus of day 2
    found = operating_points(trajectory, [2.0, 0.0, 6.0])
    assert np.allclose(found.concentrations[0], trajectory.concentrations[rows[1]])
    assert np.allclose(found.concentrations[1:], trajectory.concentrations[[0, -1]])
    with pytest.raises(ModelError, match="goes from 0 to 6 d"):
        operating_points(trajectory, [7.0])


def test_what_cannot_be_diagnosed_is_an_error_with_a_remedy(published, run):
    with pytest.raises(ModelError, match="did you mean 'vmax2'"):
        diagnose(published, run, parameter="vmx2")
    with pytest.raises(ModelError, match="closure Dynamic"):
        diagnose(nolan_lee(closure=Lagged(0.1)), run)
