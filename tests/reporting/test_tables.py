import importlib.util

import numpy as np
import pandas as pd
import pytest
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from graycell.diagnosis.gradients import DerivativeCheck, GradientCheck, Verdict
from graycell.errors import GraycellError
from graycell.reporting import writing
from graycell.reporting.tables import (
    MEAN,
    estimates_frame,
    gradient_checks_frame,
    history_frame,
    residuals_frame,
    scores_frame,
    trajectory_frame,
)
from graycell.reporting.writing import write_table
from graycell.simulation.scores import mean_nrmse, scores
from graycell.units import INTERNAL_UNITS, parse_heading

SHOWN_UNITS = ("d", "L", "mmol/L", "1e6 cells/mL", "pmol/cell/d", "degC", "1")

CHECKED = GradientCheck(
    ("a",),
    (
        DerivativeCheck("Km1", Verdict.agrees, 2e-8, 23.8, "a", "GLC", 4.23, 1e-4),
        DerivativeCheck("vmax1f", Verdict.disagrees, 3e-3, 97.3, "a", "LAC", 8.17, 1e-3),
    ),
    1e-5,
)


@pytest.fixture(scope="module")
def frames(fit, trajectory):
    return {
        "trajectory": trajectory_frame(trajectory),
        "scores": scores_frame({"published": trajectory}),
        "estimates": estimates_frame(fit),
        "history": history_frame(fit),
        "residuals": residuals_frame(trajectory),
        "gradient checks": gradient_checks_frame(CHECKED),
    }


def test_every_column_of_numbers_has_a_unit_in_its_head(frames):
    known = (*SHOWN_UNITS, "unit", "s")
    for frame in frames.values():
        for head in frame.columns:
            if is_numeric_dtype(frame[head]) and not is_bool_dtype(frame[head]):
                assert parse_heading(head)[1] in known, head


def test_a_column_of_mixed_units_has_a_column_unit_beside_it(frames):
    for name in ("estimates", "residuals"):
        assert frames[name]["unit"].isin((*INTERNAL_UNITS, *SHOWN_UNITS)).all()


def test_no_cell_is_empty(frames):
    for name, frame in frames.items():
        assert not frame.isna().to_numpy().any(), name


def test_the_trajectory_has_a_column_for_every_flux_and_kinetic_rate(frames, trajectory):
    frame, model = frames["trajectory"], trajectory.model
    j, k = model.reactions.index("v16"), model.kinetic.index("v16")
    unit = "[pmol/cell/d]"
    np.testing.assert_array_equal(frame[f"v16 {unit}"], trajectory.fluxes[:, j])
    np.testing.assert_array_equal(frame[f"kinetic rate v16 {unit}"], trajectory.kinetic_rates[:, k])
    np.testing.assert_array_equal(frame["conflict v16 [1]"], trajectory.conflict[:, k])
    np.testing.assert_array_equal(frame["GLC [mmol/L]"], trajectory.concentrations[:, model.species.index("GLC")])
    assert set(frame["flux status"]) == {"solved"}


def test_the_shrinkage_of_an_estimate_is_one_less_the_square_of_its_ratio(frames):
    frame = frames["estimates"]
    expected = 1.0 - frame["posterior SD / prior SD [1]"] ** 2
    np.testing.assert_allclose(frame["shrinkage [1]"], expected, rtol=1e-12)


def test_the_last_row_of_the_scores_is_the_mean_over_the_species(frames, trajectory):
    frame = frames["scores"]
    species = frame[~frame["quantity"].isin(["VCD", "R", MEAN])]
    assert frame["quantity"].iloc[-1] == MEAN
    assert list(frame["quantity"].iloc[-3:-1]) == ["VCD", "R"]
    assert len(species) == 13
    np.testing.assert_allclose(frame["published [1]"].iloc[-1], species["published [1]"].mean())
    np.testing.assert_allclose(frame["published [1]"].iloc[-1], mean_nrmse(scores(trajectory)))


def test_residuals_are_simulated_minus_measured_over_the_standard_error(frames, trajectory):
    frame = frames["residuals"]
    assert len(frame) == sum(len(series.value) for series in trajectory.run.measurements.values())
    glucose, series = frame[frame["quantity"] == "GLC"], trajectory.run.measurements["GLC"]
    np.testing.assert_allclose(glucose["simulated [unit]"] - glucose["measured [unit]"], glucose["difference [unit]"])
    np.testing.assert_allclose(
        glucose["standardised residual [1]"] * series.standard_error, glucose["difference [unit]"], rtol=1e-12
    )


HOSTILE = pd.DataFrame({"=1+1": ["=cmd()", "+1", "-1", "@x", " =y", "plain"], "n [1]": [-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
SAFE = ["'=cmd()", "'+1", "'-1", "'@x", "' =y", "plain"]


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pd.read_csv), (".xlsx", pd.read_excel)])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe_and_numbers_stay_numbers(tmp_path, suffix, read):
    table = read(write_table(HOSTILE, tmp_path / f"table{suffix}"))
    assert list(table.columns) == ["'=1+1", "n [1]"]
    assert list(table["'=1+1"]) == SAFE
    np.testing.assert_array_equal(table["n [1]"], HOSTILE["n [1]"])


def test_a_table_is_read_back_as_it_was_written(tmp_path, frames):
    read = pd.read_csv(write_table(frames["trajectory"], tmp_path / "new" / "table.csv"))
    pd.testing.assert_frame_equal(read, frames["trajectory"], check_dtype=False, rtol=1e-12)


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path, monkeypatch):
    path = write_table(HOSTILE, tmp_path / "table.csv")
    before = path.read_bytes()

    def fail(frame, file):
        file.write(b"half a li")
        raise OSError("disk full")

    monkeypatch.setitem(writing._WRITERS, ".csv", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(HOSTILE, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("name", ["table.doc", "table"])
def test_an_unknown_ending_is_an_error_that_names_the_known_ones(tmp_path, name):
    with pytest.raises(GraycellError, match=r"known endings are \.csv, \.parquet, \.xlsx"):
        write_table(HOSTILE, tmp_path / name)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(GraycellError, match=r"install pyarrow or write \.csv or \.xlsx"):
        write_table(HOSTILE, tmp_path / "table.parquet")


def test_the_gradient_checks_begin_with_what_a_fit_cannot_use(frames):
    frame = frames["gradient checks"]
    assert frame["name"].tolist() == ["vmax1f", "Km1"]
    assert frame["verdict"].tolist() == ["disagrees", "agrees"]
    assert frame["time [d]"].tolist() == [8.17, 4.23]
    assert frame["remedy"].str.endswith(".").all()
