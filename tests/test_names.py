"""A suggestion is the name that somebody meant, and never that of another thing."""

import pytest

from graycell.errors import nearest
from graycell.names import AMINO_ACIDS, SOLUTES, resembling

CHO = (*SOLUTES, "BIOM", "VCD", "R")


@pytest.mark.parametrize(("name", "known"), [
    ("ARG", ["R", "ANTI", "GLC"]), ("LYS", ["GLY", "GLC"]), ("LEU", ["GLU", "GLN"]), ("pH", ["NH3", "PHE"]),
    ("ILE", ["LEU"]), ("GLN", ["GLU", "GLC"]), ("ASN", ["ASP"]), ("TRP", ["TYR", "THR"]), ("PRO", ["PHE"]),
    ("Methanol", ["MET"]), ("MeOH", ["MET", "ETOH"]), ("pO2", ["NH3", "pH"]), ("CYS", ["CYSTINE"]),
    ("Lactose", ["LAC"]), ("Alanine", ["VAL", "PHE"]), ("LYS_ext", ["GLY_ext", "GLC_ext"]), ("R", ["ARG"]),
])  # fmt: skip
def test_a_name_is_not_taken_for_that_of_another_thing(name, known):
    assert resembling(name, known) == ""
    assert "did you mean" not in nearest(name, known)


@pytest.mark.parametrize(("name", "meant"), [
    ("GLCC", "GLC"), ("GCL", "GLC"), ("glc", "GLC"), ("Leucine", "LEU"), ("glutamate", "GLU"),
    ("ammonium", "NH3"), ("IgG", "ANTI"), ("LACT", "LAC"), ("CYSTIN", "CYSTINE"), ("Met (mM)", "MET"),
    ("BIOMM", "BIOM"), ("Glucose (g/L)", "GLC"), ("L-Lysine", "LYS"),
])  # fmt: skip
def test_what_was_meant_is_suggested(name, meant):
    assert resembling(name, CHO) == meant


def test_met_in_a_process_with_methanol_is_methanol():
    assert resembling("Met", ["MeOH", "GLC"]) == "MeOH"
    assert resembling("MET", ["GLC", "methanol"]) == "methanol"


def test_no_amino_acid_is_suggested_for_another():
    for name in AMINO_ACIDS:
        for word in SOLUTES[name].split():
            assert resembling(word, [other for other in SOLUTES if other != name]) == ""
