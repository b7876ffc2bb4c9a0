"""Remarks: what is strange in a model file and no error."""

import pytest

from graycell.errors import InputError
from graycell.modelfiles import parse_model_file

SPECIES = """
VCD = { unit = "1e9 cells/L", role = "viable cells" }
GLC = { unit = "mmol/L", formula = "C6H12O6", charge = 0 }
LAC = { unit = "mmol/L", formula = "C3H6O3", charge = -1 }
"""
REACTIONS = """
growth = { equation = "=> VCD", rate = "mu" }
uptake = { equation = "GLC =>", rate = "q * monod(GLC, K)" }
lactate = { equation = "=> LAC", rate = "2 * uptake" }
"""
PARAMETERS = """
mu = { value = 0.5, unit = "1/d" }
q = { value = 1, unit = "mmol/(1e9 cells)/d" }
K = { value = 0.5, unit = "mmol/L" }
"""


def read(species="", reactions="", parameters="", more=""):
    return parse_model_file(
        f"format = 1\n[species]{SPECIES}{species}\n[reactions]{REACTIONS}{reactions}\n"
        f"[parameters]{PARAMETERS}{parameters}\n{more}"
    )


def remarks(**parts):
    return [str(finding).split(": found ")[1].split(";")[0] for finding in read(**parts).remarks]


def errors(**parts):
    with pytest.raises(InputError) as raised:
        read(**parts)
    return [str(finding).split(", ", 3)[3] for finding in raised.value.findings]


def test_a_good_file_has_no_remark():
    assert remarks() == []


@pytest.mark.parametrize(
    ("parts", "entry"),
    [
        ({"parameters": "spare = 3"}, "parameters.spare"),
        ({"more": "[definitions]\nspare = 'mu * K'"}, "definitions.spare"),
        ({"more": "[inputs]\npH = { default = 7 }"}, "inputs.pH"),
    ],
)
def test_what_no_formula_uses_is_a_remark(parts, entry):
    (finding,) = read(**parts).remarks
    assert f", column 1, {entry}: found no formula that uses it; every " in str(finding)
    assert finding.severity == "warning"


def test_what_has_another_use_is_no_remark():
    more = ("[variables]\nR = { loop = 'uptake / lactate', turnover_time = 'tau' }\n[inputs]\nviability = 1.0\npH = 7\n"
            "[cells]\nspecies = 'VCD'\nviability = 'viability'\n")  # fmt: skip
    parameters = "tau = { value = 1, unit = 'd', estimated = false }"
    reactions = "learned = { equation = '=> LAC', law = { inputs = ['pH'] } }"
    assert remarks(parameters=parameters, reactions=reactions, more=more) == []


def test_a_rate_that_goes_on_without_its_substrate_is_a_remark():
    gone = "a rate that does not vanish with 'GLC'"
    for rate, said in (("q", [gone]), ("q * K / (K + GLC)", [gone]), ("uptake", []), ("q * min(1, GLC / K)", []),
                       ("q * piecewise(1, GLC > 0, 0)", []), ("q * (1 - exp(-GLC / K))", []),
                       ("mu * GLC / mu * q / K", []),
                       ("q * hill(GLC, K, 4) + 1e-3 * q", [gone]), ("q * K / GLC", [gone])):  # fmt: skip
        assert remarks(reactions=f"more = {{ equation = '2 GLC =>', rate = '{rate}' }}") == said, rate


def test_a_rate_that_vanishes_through_a_definition_or_another_rate_is_no_remark():
    more = "[definitions]\nshare = 'monod(GLC, K)'\nfree = 'K / K'"
    assert remarks(reactions="more = { equation = 'GLC =>', rate = 'q * share * free' }", more=more) == []
    through_a_rate = "more = { equation = 'GLC =>', rate = 'lactate * free' }"
    assert remarks(reactions=through_a_rate, more="[definitions]\nfree = 'K / K'") == []


def test_cells_may_die_at_a_rate_that_does_not_vanish_because_it_is_per_cell():
    assert remarks(reactions="death = { equation = 'VCD =>', rate = 'mu' }") == []
    (remark,) = remarks(reactions="death = { equation = 'VCD =>', rate = 'k', volumetric = true }",
                        parameters="k = { value = 1, unit = '1e9 cells/L/d' }")  # fmt: skip
    assert remark == "a rate that does not vanish with 'VCD'"


def test_a_species_that_nothing_makes_or_changes_is_a_remark():
    said = "no reaction that makes it"
    assert remarks(species="ANTI = { unit = 'mg/L', role = 'product', initial = 0 }") == ["no reaction that changes it"]
    used = "gone = { equation = 'A =>', rate = 'q * A / K' }"
    assert remarks(species="A = { initial = 0 }", reactions=used) == [said]
    assert remarks(species="A = { initial = 5 }", reactions=used) == []
    assert remarks(species="A = { role = 'by-product' }", reactions=used) == [said]
    both_ways = "more = { equation = 'A <=> GLC', rate = 'q * (A - GLC) / K' }"
    assert said not in remarks(species="A = { initial = 0 }", reactions=both_ways)
    trigger = "[triggers]\nfeed = { when = 'GLC < K', set = { A = 'K' } }"
    assert remarks(species="A = { initial = 0 }", reactions=used, more=trigger) == []


@pytest.mark.parametrize(
    ("equation", "said"),
    [
        ("GLC => LAC",
         ["found -3 C a turn; a reaction keeps its carbon", "found a charge of -1 a turn; a reaction keeps its"]),
        ("GLC => 2 LAC", ["found a charge of -2 a turn; a reaction keeps its charge"]),
        ("2 LAC => GLC", ["found a charge of +2 a turn; a reaction keeps its charge"]),
        ("3 GLC => 7 LAC", ["found +3 C a turn; a reaction keeps its carbon", "found a charge of -7 a turn"]),
    ],
)
def test_a_reaction_that_loses_carbon_or_charge_is_an_error(equation, said):
    found = errors(reactions=f"more = {{ equation = '{equation}', rate = 'uptake' }}")
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert sentence.startswith(f"reactions.more.equation: {part}")


def test_a_balance_is_not_asked_where_a_formula_or_a_side_is_missing():
    assert remarks(species="X = {}", reactions="a = { equation = 'GLC => X', rate = 'uptake' }") == []
    assert remarks(reactions="a = { equation = 'GLC + 2 LAC =>', rate = 'uptake * monod(LAC, K)' }") == []
    charged = "W = { formula = 'C3H6O3' }"
    assert remarks(species=charged, reactions="a = { equation = 'GLC => 2 W', rate = 'uptake' }") == []


def test_the_network_is_balanced_too():
    more = "[network]\nupper = 'GLC_ext => 3 LAC_ext'\n"
    assert errors(more=more)[0].startswith("network.upper.equation: found +3 C a turn")


def test_remarks_are_in_the_order_of_the_file_and_each_is_there_once():
    found = read(parameters="b = 1\na = 2", more="[definitions]\nc = 'a'\nd = 'a'\n").remarks
    assert [str(finding).split(": ")[0].split(", ")[3] for finding in found] == ["parameters.b", "definitions.c",
                                                                                 "definitions.d"]
