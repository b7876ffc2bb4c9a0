import base64
import re
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from learned_fits import by_hand
from plotly.offline import get_plotlyjs
from small_models import fed_batch, gray_monod

from graycell.errors import GraycellError
from graycell.reporting import report
from graycell.reporting.fits import page as reporting_html
from graycell.runs import Measurement
from graycell.simulation.simulate import SimulationStatus


@pytest.fixture(scope="module")
def html(report_folder):
    """The page without plotly.js, which is in it once and compressed."""
    text = (report_folder / "report.html").read_text(encoding="utf-8")
    packed = re.findall('atob\\("([^"]+)"\\)', text)
    assert [zlib.decompress(base64.b64decode(one)).decode() for one in packed] == [get_plotlyjs()]
    return text.replace(packed[0], "")


def test_the_page_names_no_address_and_loads_nothing(html):
    assert not re.search(r"https?:|//cdn|@import|url\(|<link|\bsrc=", html, re.IGNORECASE)
    assert set(re.findall(r'href="(.)', html)) == {"#"}
    assert "default-src 'none'" in html
    assert "mathjax" not in html.lower()


def test_the_page_of_a_model_with_a_loop_shows_it(html):
    assert '<section id="loop-variable"' in html
    assert "(nudged)" in html


def test_a_gray_model_without_a_network_has_a_page(tmp_path):
    series = Measurement("GLC", "mmol/L", np.array([1.0, 3.0, 6.0]), np.array([58.0, 50.0, 40.0]), np.ones(3))
    made = by_hand(gray_monod(), run=fed_batch(measurements={"GLC": series}))
    page = report(made, tmp_path)
    assert "gray monod" in page.read_text(encoding="utf-8")
    table = pd.read_csv(next(iter(tmp_path.glob("*laws*.csv"))))
    assert set(table["reaction"]) == {"uptake"}


def test_no_button_sends_the_data_away(html):
    assert html.count('<script>draw("') == html.count('"modeBarButtons":[[') == html.count('"showSendToCloud":false')


def test_names_from_files_are_shown_letter_by_letter(html):
    assert "alert(1)" in html
    assert "<script>alert" not in html
    assert "javascript:alert(2)'>x</a>" not in html
    for tag in ("<u>", "<i>", "<b>loop"):
        assert tag not in html
    assert "&lt;u&gt;note&lt;/u&gt;" in html


def test_every_script_is_closed_where_the_page_closes_it(html):
    assert html.count("<script>") == html.count("</script>")
    assert html.count("<script>") == html.count('<script>draw("') + 2  # plotly.js, printing


def test_every_link_leads_to_a_section(html):
    assert set(re.findall(r'href="#([^"]+)"', html)) == set(re.findall(r'<section id="([^"]+)"', html))
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_the_page_tells_what_is_wrong_and_what_to_do(html):
    assert "the fit was not converged" in html
    assert "at a bound: vmax1f" in html
    assert "not determined" in html


def test_no_number_of_the_page_is_nan(html):
    assert not re.search(r"\bnan\b|\bNaN\b|Infinity", html)


def test_the_tables_beside_the_page_have_plain_names_and_harmless_heads(report_folder):
    names = sorted(path.name for path in report_folder.iterdir())
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    kinds = [name.split("_")[0] for name in names]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "combinations": 2, "correlations": 2, "estimates": 2, "history": 2, "report.html": 1, "residuals": 2,
        "scores": 1,
        "trajectory": 2,
    }  # fmt: skip
    scores = pd.read_csv(next(report_folder.glob("scores_*.csv")))
    assert list(scores.columns) == ["quantity", "'=published [1]", "<i>twin</i> [1]"]


def test_a_report_of_nothing_is_an_error(tmp_path):
    with pytest.raises(GraycellError, match="found no fits"):
        report({}, tmp_path)


def test_two_runs_of_one_name_are_an_error_before_anything_is_simulated(fit, tmp_path):
    with pytest.raises(GraycellError, match="2 runs named"):
        report(replace(fit, runs=fit.runs * 2), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_hash_is_shown_as_it_is(html):
    assert "01e9f" in html


def test_a_simulation_that_failed_is_shown_with_its_remedy(fit, trajectory, tmp_path, monkeypatch):
    lost = np.full_like(trajectory.concentrations, np.nan)
    failed = replace(
        trajectory,
        concentrations=lost,
        variables=np.full_like(trajectory.variables, np.nan),
        targets=np.full_like(trajectory.targets, np.nan),
        viable_cell_density=lost[:, 0],
        predicted=np.full_like(trajectory.predicted, np.nan),
        status_code=np.asarray(SimulationStatus.not_finite),
    )
    monkeypatch.setattr(reporting_html, "simulate", lambda model, run: failed)
    page = report(fit, tmp_path).read_text(encoding="utf-8")
    assert "not finite. A state is not finite. Check the parameters and the initial state." in page
