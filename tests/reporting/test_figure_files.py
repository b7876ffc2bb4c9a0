"""The figures of a page are written as files, and nothing but figures of graycell is drawn."""

import base64
import re
import shutil
import struct

import plotly.graph_objects as go
import pytest

from graycell import cli
from graycell.errors import GraycellError, InputError
from graycell.reporting import figure_files
from graycell.reporting.figure_files import figures_of, write_figures
from graycell.reporting.page import Section, drawing, page

NEEDS_CHROME = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "google-chrome", "chrome"))), reason="no Chrome is here"
)


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
    ('"height":400', '"height":1e7', "a height of 1e+07 px"),
    ('"layout":{', '"layout":{"nothing":1,', "figure 'glucose': found what is no figure"),
    ("<script>draw(", "<script>drawn(", "found no figure"),
    ('draw("lactate"', 'draw("glucose"', "two figures called 'glucose'"),
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


@pytest.mark.parametrize("name", ["TimeoutError", "ChannelClosedError"])
def test_a_browser_that_fails_is_a_sentence_and_leaves_nothing(name, written, tmp_path, monkeypatch):
    kaleido = pytest.importorskip("kaleido")
    from choreographer.channels import ChannelClosedError

    error = {"TimeoutError": TimeoutError, "ChannelClosedError": ChannelClosedError}[name]

    def fail(*_, **__):
        raise error("90 s")

    monkeypatch.setattr(kaleido, "write_fig_from_object_sync", fail)
    with pytest.raises(GraycellError, match=rf"did not draw them \({name}"):
        write_figures(figures_of(written), tmp_path / "out", "svg", 800, None, 1.0)
    assert not list((tmp_path / "out").glob("*.svg"))


@NEEDS_CHROME
def test_files_have_the_size_and_the_words_that_were_asked_for(written, tmp_path):
    pytest.importorskip("kaleido")
    drawn = write_figures(figures_of(written), tmp_path / "svg", "svg", 800, None, 1.0)
    assert drawn == [tmp_path / "svg/glucose.svg", tmp_path / "svg/lactate.svg"]
    text = drawn[1].read_text(encoding="utf-8")
    assert 'width="800" height="400"' in text
    assert ">LAC<" in text
    [png] = write_figures({"one": a_figure()}, tmp_path / "png", "png", 640, 360, 2.0)
    assert struct.unpack(">II", png.read_bytes()[16:24]) == (1280, 720)


@NEEDS_CHROME
def test_the_browser_loads_nothing_that_a_figure_names(tmp_path):
    """A picture in another file of this machine, which `figures_of` would refuse; one in the figure itself is drawn."""
    pytest.importorskip("kaleido")
    [red] = write_figures({"red": go.Figure(layout={"paper_bgcolor": "red"})}, tmp_path, "png", 200, 200, 1.0)
    inside = "data:image/png;base64," + base64.b64encode(red.read_bytes()).decode()
    where = {"x": 0, "y": 1, "sizex": 1, "sizey": 1, "sizing": "stretch"}
    figures = {"none": go.Figure()} | {
        name: go.Figure(layout={"images": [{"source": source, **where}]})
        for name, source in (("file", red.as_uri()), ("inside", inside))
    }
    none, file, drawn = (path.read_bytes() for path in write_figures(figures, tmp_path, "png", 200, 200, 1.0))
    assert file == none != drawn


def test_a_picture_in_a_template_is_refused(tmp_path):
    figure = a_figure().update_layout(template={"layout": {"images": [{"name": "one", "source": "http://x.org/a"}]}})
    (tmp_path / "page.html").write_text(page("One", [Section("s", "S", drawing(figure, "one", "One"))]), "utf-8")
    with pytest.raises(InputError, match="found an image"):
        figures_of(tmp_path / "page.html")


def test_the_command_writes_the_figures_that_are_named_beside_the_page(written, monkeypatch, capsys):
    drawn = []

    def draw(drawings):
        for one in drawings:
            one["path"].write_text("a figure", encoding="utf-8")
            drawn.append(one["opts"])

    monkeypatch.setattr(figure_files, "_draw", draw)
    monkeypatch.setattr("sys.argv", ["graycell", "figures", str(written), "lactate", "--format", "png"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert [path.name for path in (written.parent / "figures").iterdir()] == ["lactate.png"]
    assert drawn == [{"format": "png", "width": 1280, "height": 400, "scale": 2.0}]
    monkeypatch.setattr("sys.argv", ["graycell", "figures", str(written), "lactat"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "did you mean 'lactate'? Known: glucose, lactate" in capsys.readouterr().out
