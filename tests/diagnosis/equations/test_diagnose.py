"""graycell diagnose, run once as a user would, and what it printed and wrote."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from graycell import cli
from graycell.cell.closures import Lagged
from graycell.cli.checking import PRINTED_TABLES
from graycell.cli.printing import console
from graycell.diagnosis.equations import diagnose, operating_points
from graycell.diagnosis.equations.diagnose import _times as default_times
from graycell.errors import ModelError
from graycell.models import nolan_lee
from graycell.reporting.page import text
from graycell.runs.records import Setpoint
from graycell.simulation.simulate import simulate


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory):
    """Return what `graycell diagnose` of the bundled run printed, and the folder that it wrote."""
    folder = tmp_path_factory.mktemp("diagnosed")
    with pytest.MonkeyPatch.context() as patch, console.capture() as captured:
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["graycell", "diagnose", "--out", str(folder)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code
    return captured.get(), folder


def test_the_tables_are_printed(diagnosed):
    printed, _ = diagnosed
    for title in PRINTED_TABLES.values():
        assert title in printed
    assert "v9 = v3 - v8 - v11 + v13" in printed  # the rest may stand on a line of its own
    assert "36 equations of rank 34, 2 too many" in printed
    assert "Without the rate law of v10 the fluxes are not unique." in printed


def test_three_fixed_points_follow_the_shift(diagnosed):
    frame = pd.read_csv(diagnosed[1] / "fixed-points.csv")
    cold = frame[frame["time [d]"] == 3.2]
    assert len(cold) == 3
    assert cold["dynamic and algebraic"].tolist() == ["stable", "unstable", "stable"]
    assert cold["lagged"].tolist() == ["stable", "unstable", "stable"]  # its slope is -1.66, above -1.78


def test_a_well_posed_closure_has_a_result_that_does_not_depend_on_the_tolerance_and_lagging_has_none(diagnosed):
    frame = pd.read_csv(diagnosed[1] / "closures.csv")
    change = frame.groupby("closure")["differs from the finest by [1]"].max()
    assert change["dynamic"] < 1e-4
    assert change["algebraic"] < 1e-4
    assert change["lagged"] > 1e-2


def test_the_page_stands_alone_and_the_json_has_what_is_needed_to_repeat_it(diagnosed):
    _, folder = diagnosed
    page = (folder / "diagnosis.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "https://" not in page.split("<script>")[0]
    for anchor in ("maps", "over-time", "over-parameter", "answers", "conflict"):
        assert page.count(f'id="{anchor}"') == 1
    assert text("Without the rate law of v10 the fluxes are not unique.") in page
    whole = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
    assert {"versions", "runs", "settings", "code"} <= set(whole["provenance"])
    tables = {path.stem for path in folder.glob("*.csv")}
    assert set(whole["tables"]) | {"trajectory"} == tables


def test_the_map_is_drawn_after_changes_of_temperature_and_of_no_other_input(run):
    changed = run.with_events(Setpoint(1.1, 6.8, "pH"), Setpoint(2.1, 33.0))
    times = default_times(changed)
    assert 2.3 in times
    assert 1.3 not in times


def test_conditions_at_the_time_of_an_event_are_those_after_it(published, run):
    trajectory = simulate(published, run)
    rows = np.flatnonzero(trajectory.time == 4.0)
    assert len(rows) == 2  # the bolus of day 4
    found = operating_points(trajectory, [4.0, 0.0, 10.0])
    assert np.allclose(found.concentrations[0], trajectory.concentrations[rows[1]])
    assert np.allclose(found.concentrations[1:], trajectory.concentrations[[0, -1]])
    with pytest.raises(ModelError, match="goes from 0 to 10 d"):
        operating_points(trajectory, [11.0])


def test_what_cannot_be_diagnosed_is_an_error_with_a_remedy(published, run):
    with pytest.raises(ModelError, match="did you mean 'vmax2'"):
        diagnose(published, run, parameter="vmx2")
    with pytest.raises(ModelError, match="closure Dynamic"):
        diagnose(nolan_lee(closure=Lagged(0.1)), run)
