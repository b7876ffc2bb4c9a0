"""A model file that is written is read back as the same one."""

from dataclasses import replace

import pytest

from graycell.errors import InputError, ModelError
from graycell.modelfiles import ModelFile, build, model_file_text, parse_model_file
from graycell.modelfiles.content import (
    FormulaEntry,
    InputEntry,
    ProjectionEntry,
    ReactionEntry,
    SpeciesEntry,
    TriggerEntry,
    VariableEntry,
)
from graycell.models import library_files, model_file
from graycell.parameters import Parameter


@pytest.mark.parametrize("name", library_files())
def test_a_library_file_is_written_and_read_back_as_it_was(name):
    file = model_file(name)
    again = parse_model_file(model_file_text(file), file.path)
    assert replace(again, remarks=()) == replace(file, remarks=())
    assert model_file_text(again) == model_file_text(file)


@pytest.mark.parametrize("name", [name for name in library_files() if not model_file(name).network])
def test_what_is_built_from_the_written_file_is_the_same_model(name):
    assert build(parse_model_file(model_file_text(model_file(name)))) == build(model_file(name))


EVERYTHING = ModelFile(
    'all "of" it', "", 'about \\ "quotes"\nand lines', "source \u007f\u0001\u2028", ("doubt 1", "doubt #2"),
    species={
        "VCD": SpeciesEntry("1e9 cells/L", 0.3, "viable cells", meaning="cells"),
        "GLC": SpeciesEntry(formula="C6H12O6", charge=0.0), "LAC": SpeciesEntry(retained=True, charge=-1.0),
        "ANTI": SpeciesEntry("mg/L", 0.0, "product", molar_mass=150_000.0),
    },
    reactions={
        "growth": ReactionEntry("=> VCD", "mu * warm"), "decay": ReactionEntry("LAC =>", "k * LAC", volumetric=True),
        "product": ReactionEntry("=> ANTI",
                                 law={"kind": "black", "inputs": ["GLC", "feed GLC"], "hidden": 3, "scale": 0.5}),
    },
    network={
        "uptake": ReactionEntry("GLC_ext => 2 PYR", "q * monod(GLC, K)", meaning="in"),
        "ldh": ReactionEntry("PYR => LAC_ext", shifted="PYR => LAC_ext", lower=-1.0, upper=float("inf")),
        "gas": ReactionEntry("PYR => CO2_ext"),
    },
    definitions={"mu": FormulaEntry("mu_max * piecewise(1, k * time < 3, 0.5)", "1/d", {"kind": "gray"}, "growth")},
    variables={
        "IVC": VariableEntry(derivative="VCD", unit="1e9 cells*d/L"),
        "warm": VariableEntry(target="T / T_ref", rate="k"),
        "R": VariableEntry(loop="ldh / uptake", closure="algebraic", turnover_time="tau", initial=1.5, meaning="ratio"),
    },
    inputs={"T": InputEntry("degC", 37.0, "temperature")},
    observables={"titer": FormulaEntry("ANTI", "g/L"), "share": FormulaEntry("IVC / (IVC + 1e-3 * IVC)")},
    parameters={
        "mu_max": Parameter(0.03, "1/h", 1e-3, 1.0, prior_sd=0.5, name="mu_max"),
        "K": Parameter(0.5, "mmol/L", name="K"),
        "q": Parameter(1.0, "mmol/(1e9 cells)/d", log_scale=False, prior_sd=0.2, between_runs_sd=0.1, name="q",
                       between_groups_sd=0.3, between_groups_estimated=True),
        "k": Parameter(0.1, "1/d", estimated=False, source="us", name="k"),
        "tau": Parameter(1e-9, "d", estimated=False, name="tau"),
        "T_ref": Parameter(37.0, "degC", estimated=False, name="T_ref"),
        "unused": Parameter(-3.0, estimated=False, name="unused"),
    },
    triggers={"shift": TriggerEntry("VCD > 1e-3 * VCD + 5 * VCD", {"GLC": "GLC + 0"}, "3", False, False, False)},
    sets={"slow": {"mu_max": 0.01, "K": 1e20}, "other set": {"q": -1.0}},
    projection=ProjectionEntry("published", 0.1, {"uptake": 1.0}, ("CO2",), "", "R"),
    cells={"species": "VCD"},
)  # fmt: skip


def test_every_word_of_every_entry_is_written():
    text = model_file_text(EVERYTHING)
    assert replace(parse_model_file(text, ""), remarks=()) == EVERYTHING
    with_formula = replace(EVERYTHING, cells="VCD * 1", checked_units=False)
    assert replace(parse_model_file(model_file_text(with_formula), ""), remarks=()) == with_formula


def test_what_is_left_at_its_default_is_not_written():
    text = model_file_text(EVERYTHING)
    assert 'GLC = { unit = "mmol/L", formula = "C6H12O6", charge = 0 }' in text
    assert "unused = -3\n" in text
    assert "check_units" not in text
    assert "K = { value = 0.5, unit = \"mmol/L\" }" in text  # bounds are those that follow from the value


def test_contents_with_a_fault_are_not_written():
    wrong = replace(EVERYTHING, definitions={"mu": FormulaEntry("mu_max * (")})
    with pytest.raises(InputError, match=r"definitions.mu.formula: found the end of the formula"):
        model_file_text(wrong)
    with pytest.raises((InputError, ModelError)):
        model_file_text(replace(EVERYTHING, inputs={"a b": InputEntry()}))
    with pytest.raises(ModelError, match="its text would be read as another model"):
        model_file_text(replace(EVERYTHING,
                                parameters={**EVERYTHING.parameters, "K": Parameter(0.5, "mmol/L", name="other")}))
