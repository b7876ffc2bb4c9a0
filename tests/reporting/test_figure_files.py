"""The figures of a page are written as files, and nothing but figures of graycell is drawn."""

import re
import shutil
import struct

import plotly.graph_objects as go
import pytest

from graycell.errors import InputError
from graycell.reporting.figure_files import figures_of, write_figures
from graycell.reporting.page import Section, drawing, page


def a_figure(title="GLC </script><b>"):
    figure = go.Figure().add_scatter(x=[0.0, 1.0], y=[30.0, 20.0], name="run 1")
    return figure.update_layout(title=title, height=400)


@pytest.fixture
def written(tmp_path):
    bodies = [drawing(a_figure(), "glucose", "Glucose"), drawing(a_figure("LAC"), "lactate", "Lactate")]
    path = tmp_path / "page.html"
    path.write_text(page("Two", [Section(f"s{i}", "S", body) for i, body in enumerate(bodies)]), encoding="utf-8")
    return path


def test_figures_of_a_page_are_those_that_were_drawn(written):
    found = figures_of(written)
    assert list(found) == ["glucose", "lactate"]
    assert found["glucose"] == a_figure()
    assert found["lactate"] == a_figure("LAC")


def test_a_page_has_two_megabytes(written):
    assert written.stat().st_size < 2_100_000


@pytest.mark.parametrize(("old", "new", "words"), [
    ('{"data"', '{"dat', "figure 'glucose': found what is no figure"),
    ('"type":"scatter"', '"type":"scattergl"', "found scattergl"),
    ('"layout":{', '"layout":{"images":[{"source":"http://example.org/a.png"}],', "found an image"),
    ('"layout":{', '"layout":{"nothing":1,', "figure 'glucose': found what is no figure"),
    ("<script>draw(", "<script>drawn(", "found no figure"),
])  # fmt: skip
def test_what_graycell_does_not_draw_is_refused(written, old, new, words):
    text = written.read_text(encoding="utf-8")
    assert old in text
    written.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(words)):
        figures_of(written)


def test_a_file_that_is_no_page_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read as text"):
        figures_of(tmp_path / "nothing.html")
    (tmp_path / "binary.html").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read as text"):
        figures_of(tmp_path / "binary.html")


@pytest.mark.skipif(not any(map(shutil.which, ("chromium", "google-chrome", "chrome"))), reason="no Chrome is here")
def test_files_have_the_size_that_was_asked_for(written, tmp_path):
    pytest.importorskip("kaleido")
    [svg, _] = write_figures(figures_of(written), tmp_path / "svg", width=800)
    assert svg == tmp_path / "svg/glucose.svg"
    text = svg.read_text(encoding="utf-8")
    assert 'width="800" height="400"' in text
    assert "run 1" in text or "GLC" in text
    [png] = write_figures({"one": a_figure()}, tmp_path / "png", "png", width=640, height=360, scale=2.0)
    assert struct.unpack(">II", png.read_bytes()[16:24]) == (1280, 720)
