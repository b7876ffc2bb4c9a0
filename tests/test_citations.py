"""What a result rests on is named, and nothing on which it does not rest."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import monod

import graycell as gc
from graycell import citations
from graycell.cli import main
from graycell.inference.results import Estimate
from graycell.provenance import provenance_of


def keys(cited):
    return [work.key for work in cited]


def fit(model):
    name = model.table.estimated[0].name
    estimate = Estimate(name, 0.5, "1/d", 0.05, 0.1, 0.5, False, math.inf)
    days = np.array([1.0, 2.0])
    measured = gc.Measurement("GLC", "mmol/L", days, np.array([30.0, 20.0]), np.ones(2))
    run = gc.CultureRun("run", 1.0, dict.fromkeys(model.species, 1.0), end=3.0, measurements={"GLC": measured})
    return gc.Fit(model, (run,), (estimate,), np.array([[0.01]]), 0.0, True, gc.FitSettings())


def test_graycell_comes_first_and_each_work_once():
    alone = gc.citation()
    assert keys(alone) == ["graycell", "cui2024", "jax2018"]
    assert alone.named == ()
    found = gc.citation(gc.nolan_lee(), monod(), gc.nolan_lee())
    assert keys(found)[:3] == keys(alone)
    assert len(set(keys(found))) == len(found)


def test_a_model_names_its_source_and_its_method():
    """One without a network has no flux projection, and one of a file the source of the file."""
    nolan, small = gc.citation(gc.nolan_lee()), gc.citation(monod())
    assert {"nolan2011", "goldfarb1983", "tsitouras2011"} <= set(keys(nolan))
    assert "Nolan & Lee 2011, published" in nolan.named
    assert not {"nolan2011", "goldfarb1983", "kingma2015"} & set(keys(small))
    assert any("Craven et al. (2013)" in one for one in gc.citation(gc.read_model("craven-2013")).named)


def test_a_result_names_how_it_was_found_and_what_its_model_does():
    fitted = fit(gc.nolan_lee())
    assert {"levenberg1944", "marquardt1963", "nolan2011"} <= set(keys(gc.citation(fitted)))
    nothing = np.zeros((1, 1), int)
    sample = gc.PosteriorSample(fitted, ("mu",), np.zeros((1, 1, 1)), nothing > 0, nothing, 1, 0, 0.8, 1.0, 1)
    assert {"hoffman2014", "vehtari2021", "marquardt1963", "nolan2011"} <= set(keys(gc.citation(sample)))
    assert "hoffman2014" not in keys(gc.citation(fitted))


def test_what_rests_on_something_that_is_not_known_is_refused():
    for other in (3, fit(monod()).runs[0]):
        with pytest.raises(TypeError, match=f"of a {type(other).__name__} it is not known"):
            gc.citation(other)


def test_every_work_is_known_and_some_result_names_it():
    """A class that gets another name would lose its works without a word."""
    assert all(hasattr(gc, kind) for kind in citations._BY_RESULT)
    named = set(re.findall(r'"([a-z]+\d{4})"', Path(citations.__file__).read_text().partition("_WORKS = ")[0]))
    assert named | {"graycell"} == set(citations._WORKS)
    for work in citations._WORKS.values():
        assert re.fullmatch(r"(10\.\d{4,}/\S+|arXiv:\d{4}\.\d{4,5})?", work.doi), work.key
        assert work.key == "graycell" or work.key.endswith(str(work.year))


def test_the_paper_of_the_project_is_that_of_the_file_for_hosts():
    text = (Path(__file__).parent.parent / "CITATION.cff").read_text(encoding="utf-8")
    for key in ("graycell", "cui2024", "nolan2011"):
        work = citations._WORKS[key]
        assert f'title: "{work.title}"' in text
        assert all(name.split(",")[0] in text for name in work.authors)
    assert citations._WORKS["cui2024"].doi in text


def test_a_table_and_bibtex_hold_every_work():
    cited = gc.citation(gc.nolan_lee())
    assert cited.frame()["key"].tolist() == keys(cited)
    text = cited.bibtex()
    assert re.findall(r"(?m)^@misc\{(\w+),$", text) == keys(cited)
    assert text.count("{") == text.count("}")
    assert r"Computers \& Chemical Engineering" in text
    assert "% source of the model: Nolan & Lee 2011, published" in text
    assert "Dynamic model of CHO cell metabolism" in cited._repr_html_()
    assert str(cited).count("\n") + 1 == len(cited) + 1 + len(cited.named)


def test_python_runs_the_command():
    said = subprocess.run([sys.executable, "-m", "graycell", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("graycell ")


def test_the_command_cites_a_fit_with_its_draws_and_a_model(tmp_path, capsys, monkeypatch):
    def cite(*words):
        monkeypatch.setattr("sys.argv", ["graycell", "cite", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, capsys.readouterr()

    fitted, folder = fit(gc.read_model("craven-2013")), tmp_path / "my-fit"
    fitted = replace(fitted, provenance=provenance_of(fitted.model, fitted.runs, {}))
    gc.save_fit(fitted, folder)
    counts = np.ones((2, 8), int)
    blank = gc.PosteriorSample(fitted, (), np.zeros((2, 8, 0)), counts > 1, counts, 1, 0, 0.8, 1.0, 1)
    x = np.random.default_rng(0).normal(size=(2, 8, len(blank.labels)))
    sample = replace(blank, names=blank.labels, x=x)
    gc.save_sample(sample, folder / "posterior")
    code, printed = cite(str(folder), "--bibtex")
    assert (code, printed.out) == (0, gc.citation(gc.load_fit(folder), sample).bibtex())
    code, printed = cite("craven-2013")
    said = " ".join(printed.out.split())
    assert code == 0
    assert "Craven et al. (2013)" in said
    assert "doi:10.1016/j.camwa.2011.06.002 [the steps of the differential equations, by default]" in said
    code, printed = cite("no-such-model")
    assert code == 1
    assert "no-such-model" in printed.err
