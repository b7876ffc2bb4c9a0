import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graycell.errors import Faults, Finding, GraycellError, InputError, gathered, nearest, shown
from graycell.names import resembling
from graycell.runs.solutes import FORMULAS


def test_a_finding_says_where_what_needed_and_what_to_do():
    finding = Finding("run07.csv, row 14", "-3.2", "concentrations are >= 0", "leave the cell empty")
    assert str(finding) == "run07.csv, row 14: found -3.2; concentrations are >= 0; leave the cell empty."
    assert finding.severity == "error"


def test_an_input_error_holds_every_finding_and_says_each_on_a_line():
    findings = [Finding(f"row {row}", "x", "a number is needed", "write one") for row in range(3)]
    error = InputError(iter(findings))
    assert error.findings == tuple(findings)
    assert str(error).splitlines() == [str(finding) for finding in findings]
    assert isinstance(error, GraycellError)


def test_nearest_suggests_only_what_is_near():
    assert nearest("feeed", ["feed", "base"]).startswith("did you mean 'feed'?")
    assert nearest("zzzz", ["feed", "base"]) == "Known: feed, base"
    assert nearest("feed", []) == "there is none yet; add it"


@pytest.mark.parametrize(("name", "known"), [
    ("ARG", ["R"]), ("LYS", ["GLY"]), ("LEU", ["GLU"]), ("pH", ["NH3"]), ("GLN", ["GLU", "GLC"]), ("ASN", ["ASP"]),
    ("THR", ["TYR"]), ("CYS", ["CYSTINE"]), ("METH", ["MET"]), ("MeOH", ["MET"]), ("pO2", ["pCO2"]), ("TYR", ["T"]),
])  # fmt: skip
def test_a_name_with_a_meaning_of_its_own_is_no_misspelling_of_another(name, known):
    assert resembling(name, known) == ""
    assert nearest(name, known).startswith("Known: ")


@pytest.mark.parametrize("name", FORMULAS)
def test_no_solute_is_taken_for_another(name):
    assert resembling(name, [other for other in FORMULAS if other != name]) == ""
    assert resembling(name.lower(), list(FORMULAS)) == name


@pytest.mark.parametrize(("name", "meant"), [
    ("arginine", "ARG"), ("Lysine", "LYS"), ("GLUC", "GLC"), ("glucose", "GLC"), ("NH4", "NH3"), ("GLCC", "GLC"),
    ("VDC", "VCD"), ("temp", "temperature"), ("LACT", "LAC"),
])  # fmt: skip
def test_another_word_for_a_substance_and_a_slip_find_the_known_name(name, meant):
    assert resembling(name, ["GLU", "ARG", "LYS", "GLC", "NH3", "VCD", "LAC", "temperature", "R"]) == meant


@pytest.mark.parametrize(("name", "words"), [
    ("Met", "'MET' is methionine; is 'Met' that, or methanol?"), ("Gly", "or glycerol?"), ("Glu", "or glucose?"),
    ("Pro", "or a protein?"), ("Lac", "or lactose?"),
])  # fmt: skip
def test_a_name_of_two_substances_is_asked_about(name, words):
    assert words in nearest(name, ["MET", "GLY", "GLU", "PRO", "LAC"])


def test_findings_can_be_compared_and_hashed_so_that_none_is_reported_twice():
    first, second = (Finding("a", "b", "c", "d") for _ in range(2))
    assert len({first, second}) == 1
    with pytest.raises(AttributeError):
        first.place = "elsewhere"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("text", "printed"), [
    ("Glc (mM)", "'Glc (mM)'"), ("\x1b[2J", "'\\x1b[2J'"), ("a" * 61, f"'{'a' * 60}...'"), ("a" * 60, f"'{'a' * 60}'"),
    ("a\nb: found", "'a\\nb: found'"), ("5'-AMP", "'5'-AMP'"), ("", "''"), ("'+7", "''+7'"),
    ("run 'A' of " + 60 * "b", f"'run 'A' of {49 * 'b'}...'"), ("\u202eright to left", "'\\u202eright to left'"),
])  # fmt: skip
def test_foreign_text_in_quotes_is_made_safe_when_a_finding_is_printed(text, printed):
    finding = Finding(f"file.csv, column '{text}'", f"'{text}'", f"it is '{text}' or 'x'", f"write '{text}'")
    assert str(finding) == f"file.csv, column {printed}: found {printed}; it is {printed} or 'x'; write {printed}."
    assert shown(text) == printed[1:-1]


@given(st.text(max_size=300), st.text(max_size=3000))
def test_whatever_a_file_holds_a_finding_is_printable_and_short(name, cell):
    known = [name, cell, "x"]
    text = str(Finding(f"{name}, column '{cell}'", f"'{cell}' of '{name}'", f"not {cell}", nearest(cell, known)))
    assert text.isprintable()
    assert len(text) < 6500


def test_a_hostile_cell_is_neither_kept_nor_searched_for_long():
    began = time.perf_counter()
    for text in ("9" * 10**7, " '" * 10**6, "'x " * 10**6):
        finding = Finding("file.csv", f"'{text}'", f"it is '{text}'", "look")
        assert len(finding.found) + len(finding.needed) < 25_000
        assert len(str(finding)) < 1200
    assert time.perf_counter() - began < 20.0


def test_findings_of_several_runs_are_gathered():
    of_runs = [Finding(f"run '{name}', VCD", "no value", "it is needed", "add it") for name in "abcde"]
    alone = Finding("run 'a', GLC", "no value", "it is needed", "add it")
    first, second = gathered([*of_runs, alone])
    assert str(first).startswith("runs 'a', 'b', 'c' and 2 more, VCD: found")
    assert second == alone


def test_faults_are_listed_once_and_up_to_a_number():
    faults = Faults("mapping", 2, [Finding("mapping, time", "nothing", "it is required", "add time")])
    for row in (1, 1, 2, 3, 4):
        faults.of_file(f"row {row}", "x", "a number is needed", "write one")
    assert [finding.place for finding in faults.findings] == ["mapping, time", "row 1", "row 2"]
    assert faults.findings[-1].found == "more like these"
    assert faults.is_full
