"""A study file: what it builds, and every fault at once with its place and the nearest word."""

import numpy as np
import pytest

from graycell import InitialError, bundled_run, write_runs
from graycell.cell.rates import Monod, Rate
from graycell.errors import GraycellError, InputError, ModelError
from graycell.model import CultureModel
from graycell.models import MODELS
from graycell.models.catalogue import DEFINITIONS
from graycell.study import ModelPlan, library, read_study
from graycell.study.library import library_model

GOOD = """
runs = ["runs"]

[models.white]
base = "nolan-lee"
fixed = ["all"]

[models.gray]
base = "nolan-lee"
laws = { v17 = "black", v2 = { kind = "gray", hidden = 2 } }
fixed = ["vmax1f"]

[models.hybrid]
base = "neural-rates"
inputs = ["GLC", "LAC"]
hidden = 3

[fit]
starts = 2
start_sd = 1
held_out = "runs"

[compare]
splits = "leave-one-run-out"
seeds = [0, 3]
baselines = []
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    write_runs([bundled_run()], path / "runs")
    return path


@pytest.fixture
def told(folder):
    """Return what is told of a study of one white model with these words."""

    def read(more="", models='[models.white]\nbase = "nolan-lee"\n', runs='runs = ["runs"]\n'):
        (folder / "study.toml").write_text(runs + models + more, encoding="utf-8")
        with pytest.raises(InputError) as raised:
            read_study(folder / "study.toml")
        return [str(finding).removeprefix(f"{folder / 'study.toml'}, ") for finding in raised.value.findings]

    return read


@pytest.fixture(scope="module")
def study(folder):
    (folder / "good.toml").write_text(GOOD, encoding="utf-8")
    return read_study(folder / "good.toml")


def test_a_good_study_is_read(study):
    assert [run.name for run in study.runs] == [bundled_run().name]
    assert list(study.models) == ["white", "gray", "hybrid"]
    assert study.settings.starts == 2
    assert study.settings.start_sd == 1.0
    assert study.settings.held_out == "runs"
    assert study.seeds == (0, 3)
    assert study.training == study.runs
    assert study.tested == ()
    assert [one.name for one in study.candidates()] == ["white", "gray", "hybrid"]
    assert repr(study) == "Study(good.toml: 1 runs, 0 of them held out, models white, gray, hybrid)"


def test_the_models_of_a_study_are_built_as_it_says(study):
    white, gray, hybrid = (study.plan(name).build(study.training, seed=1) for name in study.models)
    assert not white.table.estimated
    assert gray.nets["v17"].inputs == ("LAC", "shift")
    assert gray.nets["v2"].weights.hidden.shape[0] == 2
    assert not gray.table["vmax1f"].estimated
    assert gray.table["vmax2"].estimated
    assert hybrid.nets["rates"].inputs == ("GLC", "LAC")
    assert hybrid.nets["rates"].weights.hidden.shape == (3, 2)
    again = study.plan("hybrid").build(study.training, seed=1)
    assert np.array_equal(again.nets["rates"].weights.hidden, hybrid.nets["rates"].weights.hidden)


def test_a_model_that_is_not_in_the_study_is_told_with_the_nearest(study):
    with pytest.raises(ModelError, match="'grey' is not in the study; did you mean 'gray'"):
        study.plan("grey")
    with pytest.raises(ModelError, match="Known: white, gray, hybrid"):
        study.plan()


def test_every_fault_is_told_at_once_with_its_place_and_the_nearest_word(told, unchecked):
    sentences = told(
        """
[models.gray]
base = "nolan-lee-extendet"
[models.other]
base = "nolan-lee"
laws = { v171 = "black", v2 = "blak", v1 = { inputs = ["LACT"] } }
fixed = ["vmax1"]
hiden = 3
[fit]
startz = 3
held_out = "rnus"
rtol = "fine"
[compare]
splits = "forwards"
baselines = ["mean of run"]
seeds = [-1]
""",
        runs='modles = 1\nruns = ["runs", "nowhere"]\ntest = ["run1"]\n',
    )
    for place, words in {
        "modles": "did you mean 'models'",
        "[models.gray] base": "did you mean 'nolan-lee-extended'",
        "[models.other] laws.v171": "did you mean 'v17'",
        "[models.other] laws.v2": "did you mean 'black'",
        "[models.other] laws.v1": "the input 'LACT'; a network cannot see it; did you mean 'LAC'",
        "[models.other] fixed": "did you mean 'vmax1",
        "[models.other] hiden": "did you mean 'hidden'",
        "[fit] startz": "did you mean 'starts'",
        "[fit] held_out": "did you mean 'runs'",
        "[fit] rtol": "a number from",
        "[compare] splits": "did you mean 'forward'",
        "[compare] baselines": "did you mean 'mean of the runs'",
        "[compare] seeds": "a whole number from 0",
        "test": "'run1'; a test run is one of the runs",
    }.items():
        [sentence] = [
            one for one in sentences if f"{one}".startswith(f"{place}:") or f"{place}: " in one[: len(place) + 8]
        ]
        assert words in sentence, sentence
    assert any("nowhere" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ('base = "nolan-lee"\nlaws = "v17"', "a table by reaction is needed"),
        ('base = "nolan-lee"\nlaws = 3', "a table by reaction is needed"),
        ('base = "nolan-lee"\nlaws = { v17 = 3 }', 'use "white", "gray", "black"'),
        ('base = "nolan-lee"\nlaws = { v17 = { inputs = "LAC" } }', "a list of names is needed"),
        ('base = "nolan-lee"\nlaws = { v17 = { hidden = "4" } }', "hidden nodes"),
        ('base = "nolan-lee"\nlaws = { v16 = { part = "inhibition" } }', "found 0 factors 'inhibition'"),
        ('base = "nolan-lee"\nreactions = { loss = "CYSTINE_ext =>" }', "has no rate law"),
        ('base = "nolan-lee"\nreactions = { loss = 3 }', "an equation is needed"),
        ('base = "nolan-lee"\nbegin = 3', "the folder of a fit is needed"),
        ('base = "nolan-lee"\nhidden = 3', "a model of the base 'nolan-lee' has none; use base, laws"),
        ('base = "nolan-lee"\nfixed = "all"', "a list of names in quotes is needed"),
        (
            'base = "neural-rates"\nlaws = { v17 = "black" }',
            "a model of the base 'neural-rates' has none; use base",
        ),
        ('base = "neural-rates"\nhidden = 2.5', "a whole number from 1 to 64"),
        ('base = "neural-rates"\nhidden = true', "a whole number from 1 to 64"),
        ('base = "neural-rates"\nbiomass_per_cell = "2.31"', "a number from 0.1 to 10"),
        ('base = ["nolan-lee"]', "a model to begin from is needed"),
    ],
)
def test_a_word_of_a_model_that_cannot_be_is_a_sentence(model, words, told, unchecked):
    sentences = told(models=f"[models.one]\n{model}\n")
    assert len(sentences) == 1
    assert words in sentences[0]
    assert sentences[0].startswith("[models.one]")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[fit]\nstarts = 0", "a whole number from 1"),
        ("[fit]\nstarts = true", "a whole number from 1"),
        ("[fit]\nregularisation = 0", "a number from 0.001"),
        ("[fit]\nheld_out_share = nan", "a number from 0.01 to 0.9"),
        ("[fit]\nstages = []", "it is not a word of a study"),
        ('[compare]\nsplits = "forward"', "write day = 6.0"),
        ('[compare]\nsplits = "forward"\nday = "6"', "a number from 0"),
        ('[compare]\nsplits = "leave-one-run-out"\nseeds = []', "at least one is needed"),
        ('[compare]\nsplits = "held-out"', "runs to test on are needed"),
        ("[compare]\nseeds = 1", "a list of whole numbers is needed"),
    ],
)
def test_a_word_of_the_fit_or_the_comparison_that_cannot_be_is_a_sentence(text, words, told):
    assert any(words in sentence for sentence in told(text))


def test_a_study_without_models_or_runs_says_what_to_write(told):
    assert any("write [models.white]" in sentence for sentence in told(models="[models]\n"))
    assert any("write [models.white]" in sentence for sentence in told(models='[[models]]\nbase = "nolan-lee"\n'))
    assert any('write runs = ["my-runs/"]' in sentence for sentence in told(runs=""))


def test_a_study_is_data_and_nothing_in_it_is_run(told, folder):
    """What looks like code is a wrong word, and leaves no trace."""
    trace = folder / "trace"
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    told(models=f'[models.one]\nbase = "{code}"\n')
    told(models=f'[models.one]\nbase = "nolan-lee"\nreactions = {{ a = "{code}" }}\nlaws = {{ a = "black" }}\n')
    told(f'[fit]\nheld_out = "{code}"')
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"runs = [", b"[" * 100_000, b"# " + b"x" * 1_000_001])
def test_a_file_that_is_no_study_is_told_by_its_name(content, tmp_path):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"study\.toml"):
        read_study(path)


def test_an_oversized_or_missing_file_is_refused(tmp_path):
    (tmp_path / "large.toml").write_text("# " + "x" * 1_000_001)
    with pytest.raises(InputError, match="at most 1000000 are read"):
        read_study(tmp_path / "large.toml")
    with pytest.raises(GraycellError, match="found no file"):
        read_study(tmp_path / "none.toml")


def test_a_parameter_may_differ_between_runs(tmp_path):
    base = '[models.own]\nbase = "nolan-lee-extended-limited"\n'
    (tmp_path / "study.toml").write_text('runs = ["nothing"]\n' + base + "per_run = { vmax71 = 0.2, vmax1f = -1 }\n")
    with pytest.raises(InputError) as told:
        read_study(tmp_path / "study.toml")
    assert "per_run: found 'vmax71'; it is not a parameter of the model; did you mean" in str(told.value)
    assert "per_run.vmax1f: found -1" in str(told.value)
    plan = ModelPlan("own", "nolan-lee-extended-limited", per_run={"vmax17": 0.2})
    assert plan.build([]).table["vmax17"].between_runs_sd == 0.2


def test_initial_concentrations_may_be_uncertain(told, folder):
    base = '[models.white]\nbase = "nolan-lee"\n'
    for words, sentence in {
        "initial_error = { GLK = 0.1 }": "initial_error: found 'GLK'; it is not a species of the model; did you mean",
        "initial_error = { VCD = 1.5 }": "initial_error.VCD: found 1.5; a standard deviation of the logarithm from",
        "initial_error = { VCD = true }": "initial_error.VCD: found True; a standard deviation",
        'initial_error = "measred"': "found 'measred'; a standard deviation of the logarithm from 0.0001 to 1 is",
        "initial_error = [0.1]": "initial_error: found [0.1]; a standard deviation",
        "initial_error = 0.1\ninitial_between_runs = { VCD = -1 }": "initial_between_runs.VCD: found -1; a standard",
        "initial_error = { GLC = 0.1 }\ninitial_between_runs = { VCD = 0.1 }": "found 'VCD'; it has no error of the",
    }.items():
        [found] = told(models=f"{base}{words}\n")
        assert sentence in found, words
    [found] = told(models='[models.black]\nbase = "neural-rates"\ninitial_error = { GLK = 0.1 }\n')
    assert "'GLK'; it is not a species of the model; did you mean 'GLY'? Known: " in found
    text = f"""runs = ["runs"]
{base}initial_error = {{ VCD = 0.1, GLC = "measured" }}
initial_between_runs = {{ VCD = 0.2 }}
[models.black]
base = "neural-rates"
initial_error = "measured"
[models.exact]
base = "nolan-lee"
[models.related]
base = "nolan-lee"
initial_between_runs = 0.2
"""
    (folder / "initial.toml").write_text(text, encoding="utf-8")
    study = read_study(folder / "initial.toml")
    expected = {
        "white": InitialError({"VCD": 0.1, "GLC": "measured"}, {"VCD": 0.2}), "black": InitialError("measured"),
        "exact": None, "related": InitialError("measured", 0.2),
    }  # fmt: skip
    assert {name: plan.initial for name, plan in study.models.items()} == expected
    assert {one.name: one.initial_error for one in study.candidates() if one.name in expected} == expected


def test_an_old_word_works_with_a_remark(told, folder):
    model = '[models.white]\nbase = "nolan-lee"\nown = { vmax17 = 0.2 }\n'
    (folder / "old.toml").write_text('runs = ["runs"]\n' + model, encoding="utf-8")
    study = read_study(folder / "old.toml")
    assert study.models["white"].per_run == {"vmax17": 0.2}
    [remark] = study.remarks
    assert remark.severity == "warning"
    assert "[models.white] own: found 'own'" in str(remark)
    assert "rename it to 'per_run'" in str(remark)
    [sentence] = told(models=model + "per_run = { vmax17 = 0.3 }\n")
    assert "use 'per_run' alone" in sentence


@pytest.mark.parametrize(("old", "new"), [("specific-rates", "neural-rates"), ("evolution", "neural-ode")])
def test_the_old_name_of_a_black_box_works_with_a_remark(old, new, folder):
    text = f'runs = ["runs"]\n[models.black]\nbase = "{old}"\nhidden = 2\n'
    (folder / "old.toml").write_text(text, encoding="utf-8")
    study = read_study(folder / "old.toml")
    assert study.models["black"].base == new
    assert study.plan().build(study.runs).name == new
    [remark] = study.remarks
    assert f"[models.black] base: found '{old}'" in str(remark)
    assert f"rename it to '{new}'" in str(remark)


def test_an_old_word_of_the_fit_works_with_a_remark(told, folder):
    text = 'runs = ["runs"]\n[models.white]\nbase = "nolan-lee"\n[fit]\nstart_spread = 0.7\n'
    (folder / "old.toml").write_text(text, encoding="utf-8")
    study = read_study(folder / "old.toml")
    assert study.settings.start_sd == 0.7
    [remark] = study.remarks
    assert "[fit] start_spread: found 'start_spread'" in str(remark)
    assert "rename it to 'start_sd'" in str(remark)
    [sentence] = told("[fit]\nstart_spread = 0.7\nstart_sd = 0.7\n")
    assert "use 'start_sd' alone" in sentence


def test_a_study_is_checked_without_building_a_model(folder, monkeypatch):
    def build(*_, **__):
        raise AssertionError("a model was built")

    monkeypatch.setattr(CultureModel, "__init__", build)
    (folder / "good.toml").write_text(GOOD, encoding="utf-8")
    assert list(read_study(folder / "good.toml").models) == ["white", "gray", "hybrid"]


@pytest.mark.parametrize("name", MODELS)
def test_a_study_is_checked_against_the_names_that_the_built_model_has(name):
    built, known = MODELS[name](), library_model(name)
    if built.network is None:
        assert known.network.names == ()
    else:
        assert known.network.names == built.network.names
        assert known.network.species == built.network.species
    assert known.learnable == (*built.reactions, *built.definition_names)
    assert known.species == built.species
    assert known.parameters == built.table.names
    laws = {**dict(zip(built.definition_names, built.definitions, strict=True)), **built.rates}
    assert list(known.laws) == list(laws)
    assert [type(law) for law in known.laws.values()] == [type(law) for law in laws.values()]
    assert known.inputs == (*built.species, *built.variable_names, *built.input_names)


def test_a_model_that_is_added_to_the_library_can_be_used_in_a_study(folder, monkeypatch):
    parts = {
        "network": {"uptake": "GLC_ext => 2 PYR", "ldh": "PYR => LAC_ext", "growth": "0.1 PYR => VCD_ext"},
        "rates": {"uptake": Rate("qmax") * Monod("GLC", "K"), "growth": Rate("mu") * Monod("GLC", "K")},
        "parameters": {"qmax": 2.0, "mu": 0.8, "K": 0.5},
    }
    monkeypatch.setitem(DEFINITIONS, "small", lambda: parts)
    monkeypatch.setitem(MODELS, "small", lambda: CultureModel(**parts))
    text = 'runs = ["runs"]\n[models.one]\nbase = "small"\nlaws = { growth = { inputs = ["GLC"] } }\n'
    (folder / "small.toml").write_text(text, encoding="utf-8")
    assert list(read_study(folder / "small.toml").models["one"].laws) == ["growth"]
    assert library_model("small").inputs == ("GLC", "LAC", "VCD")
    library._of_library.cache_clear()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ('laws = { v17 = { consumes = "LACT" } }', "'LACT'; it is not a species of the model; did you mean 'LAC'"),
        ('laws = { v4 = "gray" }', "kind = 'gray'; the reaction has no known law to correct"),
        ('laws = { v4 = "black" }', 'write inputs = ["GLC", ...]'),
        ('reactions = { v17 = "GLC_ext =>" }\nlaws = { v17 = "black" }', "the model has a reaction of this name"),
        ('reactions = { a = "GLCX_ext =>" }\nlaws = { a = { inputs = ["GLC"] } }', "did you mean 'GLC_ext'"),
        ('reactions = { a = "GLC_ext => X" }\nlaws = { a = { inputs = ["GLC"] } }', "the species 'X'"),
        ('reactions = { a = "GLC_ext" }\nlaws = { a = { inputs = ["GLC"] } }', "one arrow, => or <=>, is needed"),
    ],
)
def test_a_law_or_reaction_that_the_model_cannot_have_is_found_before_anything_is_built(model, words, told):
    [sentence] = told(models=f'[models.one]\nbase = "nolan-lee"\n{model}\n')
    assert words in sentence
    assert sentence.startswith("[models.one]")


def test_a_new_species_inside_the_cell_is_shared_by_new_reactions(folder):
    text = """runs = ["runs"]
[models.one]
base = "nolan-lee"
reactions = { a = "GLC_ext => X", b = "X =>" }
laws = { a = { inputs = ["GLC"] }, b = { inputs = ["GLC"] } }
"""
    (folder / "shared.toml").write_text(text, encoding="utf-8")
    assert list(read_study(folder / "shared.toml").models["one"].laws) == ["a", "b"]


MODEL_FILE = """
format = 1
name = "mine"
[species]
BIOM = {{ unit = "mmol/L" }}
GLC = {{ unit = "mmol/L" }}
LAC = {{ unit = "mmol/L" }}
ANTI = {{ unit = "mmol/L" }}
[cells]
species = "BIOM"
biomass_per_cell = "per_cell"
[definitions]
mu = "mu_max * monod(GLC, K)"
[reactions]
growth = {{ equation = "=> BIOM", rate = "mu * per_cell" }}
uptake = {{ equation = "GLC =>", rate = "q * monod(GLC, K)" }}
lactate = {{ equation = "=> LAC", {lactate} }}
product = {{ equation = "=> ANTI", rate = "q_p" }}
[parameters]
mu_max = {{ value = 0.7, unit = "1/d" }}
K = {{ value = 1, unit = "mmol/L" }}
q = {{ value = 2, unit = "mmol/(1e9 cells)/d" }}
q_p = {{ value = 1e-4, unit = "mmol/(1e9 cells)/d" }}
per_cell = {{ value = 2.31, unit = "mmol/(1e9 cells)", estimated = false }}
"""
KNOWN, LEARNED = 'rate = "uptake"', 'law = { inputs = ["GLC", "feed GLC"], hidden = 2 }'


def with_file(told_or_read, folder, lactate, models):
    (folder / "mine.toml").write_text(MODEL_FILE.format(lactate=lactate), encoding="utf-8")
    return told_or_read(models=models)


def test_a_study_may_begin_from_a_model_file_and_learn_parts_of_it(folder):
    (folder / "mine.toml").write_text(MODEL_FILE.format(lactate=LEARNED), encoding="utf-8")
    (folder / "own.toml").write_text(
        """runs = ["runs"]
[models.file]
base = "mine.toml"
fixed = ["K"]
per_run = { q = 0.2 }
[models.gray]
base = "mine.toml"
reactions = { waste = "GLC => 2 LAC" }
[models.gray.laws]
mu = { kind = "gray", inputs = ["LAC"] }
uptake = "gray"
product = { kind = "gray", inputs = ["GLC"], form = "any" }
waste = { inputs = ["GLC"], hidden = 3 }
""",
        encoding="utf-8",
    )
    study = read_study(folder / "own.toml")
    plain, gray = (study.plan(name).build(study.training, seed=1) for name in ("file", "gray"))
    assert {name: net.inputs for name, net in plain.nets.items()} == {"lactate": ("GLC", "feed GLC")}
    assert not plain.table["K"].estimated
    assert plain.table["q"].between_runs_sd == 0.2
    assert {name: net.inputs for name, net in gray.nets.items()} == {
        "lactate": ("GLC", "feed GLC"), "mu": ("LAC",), "uptake": ("GLC",), "product": ("GLC",), "waste": ("GLC",),
    }  # fmt: skip
    assert gray.direct[-1] == "waste"
    assert [one.name for one in study.candidates()][:2] == ["file", "gray"]


def test_the_names_of_a_study_are_checked_against_its_model_file(told, folder):
    laws = 'laws = { mux = "gray", mu = { inputs = ["LACT"] }, product = "gray" }'
    models = f'[models.own]\nbase = "mine.toml"\nfixed = ["k"]\n{laws}\n'
    sentences = with_file(told, folder, KNOWN, models)
    assert len(sentences) == 4
    for place, words in {
        "fixed": "did you mean 'K'",
        "laws.mux": "did you mean 'mu'",
        "laws.mu": "did you mean 'LAC'",
        "laws.product": "no inputs; the model does not say what this rate depends on",
    }.items():
        assert [place in sentence and words in sentence for sentence in sentences].count(True) == 1, place


def test_the_faults_of_a_model_file_are_those_of_its_study(told, folder):
    (sentence,) = with_file(told, folder, 'rate = "uptaek"', '[models.own]\nbase = "mine.toml"\n')
    assert sentence.startswith(f"{folder / 'mine.toml'}, line 17, column 42, reactions.lactate.rate: found 'uptaek'; ")
    (sentence,) = with_file(told, folder, KNOWN, '[models.own]\nbase = "nothing.toml"\n')
    assert "nothing.toml: found no file" in sentence


def test_a_model_file_that_was_changed_is_read_anew(told, folder):
    models = '[models.own]\nbase = "mine.toml"\nlaws = { lactat = "gray" }\n'
    assert "Known: " in with_file(told, folder, KNOWN, models)[0]
    text = MODEL_FILE.format(lactate=KNOWN).replace("lactate =", "lactat =")
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    (folder / "study.toml").write_text(f'runs = ["runs"]\n{models}', encoding="utf-8")
    assert read_study(folder / "study.toml").plan("own").laws["lactat"].kind == "gray"
