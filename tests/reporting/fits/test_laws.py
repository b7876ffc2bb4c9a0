from dataclasses import replace

import numpy as np
from learned_laws import curve, law

from graycell.reporting import (
    law_errors_frame,
    laws_frame,
    recovered,
    report,
)


def lines(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_every_input_has_a_panel_with_line_band_known_law_and_samples():
    figure = recovered(law())
    assert [title.text for title in figure.layout.annotations] == ["<b>LAC</b> [mmol/L]", "<b>cold</b> [1]"]
    for name in ("learned", "95 % interval", "known law", "sample"):
        assert len(lines(figure, name)) == 2
    assert not lines(figure, "truth")
    assert lines(figure, "known law")[0].line.dash == "dot"
    assert figure.layout.yaxis.title.text == "v17 [pmol/cell/d]"


def test_what_no_sample_supports_is_shaded():
    shaded = [shape for shape in recovered(law()).layout.shapes if shape.xref == "x"]
    assert [(shape.x0, shape.x1) for shape in shaded] == [(0.0, 1.5), (4.5, 5.5), (8.5, 10.0)]


def test_a_truth_is_dashed_and_its_states_have_a_panel():
    figure = recovered(law(true=0.5, error=0.123))
    assert {line.line.dash for line in lines(figure, "truth")} == {"dash"}
    (states,) = lines(figure, "visited states, error 12.3 % of the range")
    assert 100 < len(states.x) <= 500


def test_the_legend_names_everything_once():
    shown = [trace.name for trace in recovered(law(true=0.5)).data if trace.showlegend]
    assert len(shown) == len(set(shown)) == 7


def test_an_infinite_band_fills_its_panel_and_leaves_the_line_readable():
    figure = recovered(replace(law(), curves=(curve(half=np.inf),)))
    low, high = figure.layout.yaxis.range
    assert np.all(np.isfinite([low, high]))
    assert high - low < 10.0 * np.ptp(curve().learned)
    band = lines(figure, "95 % interval")[0]
    assert (np.min(band.y), np.max(band.y)) == (low, high)


def test_the_frame_of_laws_has_a_row_for_every_point_with_its_unit():
    frame = laws_frame([law()])
    assert len(frame) == 22
    assert set(frame["unit"]) == {"mmol/L", "1"}
    assert "learned [pmol/cell/d]" in frame.columns
    assert list(laws_frame([]).columns) == list(frame.columns)
    assert law_errors_frame([law(error=0.2)])["error [1]"].tolist() == [0.2]


def test_a_white_fit_has_no_section_of_laws_but_one_of_what_is_open(report_folder):
    page = (report_folder / "report.html").read_text(encoding="utf-8")
    assert 'id="learned-laws"' not in page
    assert 'id="what-the-data-do-not-determine"' in page


def test_a_gray_fit_has_a_section_of_laws_and_their_table(fit, trajectory, tmp_path, monkeypatch):
    from graycell.reporting.fits import page as html

    monkeypatch.setattr(html, "simulate", lambda model, run: trajectory)
    monkeypatch.setattr(html, "recovered_laws", lambda fit, truth, trajectories: (law(),))
    page = report(fit, tmp_path).read_text(encoding="utf-8")
    assert 'id="law-0-0"' in page
    assert len(list(tmp_path.glob("laws_*.csv"))) == 1
