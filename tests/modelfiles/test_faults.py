"""Every fault of a model file at once, each once and at its place, and nothing else."""

import re
from pathlib import Path

import pytest

from graycell.errors import InputError
from graycell.modelfiles import parse_model_file, read_model_file
from graycell.modelfiles.checked import MOST_FAULTS
from graycell.models import library_files, model_file

FILE = Path(__file__).with_name("thirty_faults.toml")
TEXT = FILE.read_text(encoding="utf-8")
MENDS = {
    "1:10": ("format = 2", "format = 1"),
    "2:1": ("nane", "name"),
    "3:15": ('"yes"', "true"),
    "7:39": ("corpses", "dead cells"),
    "8:57": ("initial = -20", "initial = 20"),
    "9:46": ("intial", "initial"),
    "10:16": ("mmol/litre of culture", "mmol/L"),
    "11:1": ('PI = "mmol/L"', 'Pi_ = "mmol/L"'),
    "12:1": ("ANTI_ext", "ANTI"),
    "13:36": ("c5h10n2o3", "C5H10N2O3"),
    "14:39": ("molar_mass = 0", "molar_mass = 89"),
    "17:24": ('unit = "K"', 'unit = "degC"'),
    "18:15": ('unit = "pH"', 'unit = "1"'),
    "18:31": ('default = "7"', "default = 7"),
    "21:35": ("temprature", "(temperature / temperature)"),
    "24:4": ("K_rate)", "K_glc)"),
    "26:6": ('a = "b + 1"', 'a = "half + 1"'),
    "28:18": ('"0.5 * (GLC"', '"0.5 * (GLC / K_glc)"'),
    "31:46": ("log(", "0 * mu * log10("),
    "32:27": ("GLC => LAC", "GLC => 2 LAC"),
    "33:22": ("VCD, dead", "VCD => dead"),
    "34:23": ("GLX", "GLN"),
    "35:45": ('rate = "K_glc" }', 'rate = "k_d" }'),
    "36:10": ('"GLN =>" }', '"GLN =>", rate = "q_glc" }'),
    "37:9": ("extra = {", 'extra = { equation = "GLC =>",'),
    "38:49": ("grey", "black"),
    "39:36": ('law = "gray"', 'law = "gray", rate = "q_glc * monod(ALA, K_glc)"'),
    "42:15": ("glycolysis / growth", "glycolysis / q_glc"),
    "42:53": ('"tau"', '"t_lag"'),
    "43:8": ("idle = {", 'idle = { derivative = "k_d",'),
    "44:19": ('"GLC", rate', '"K_glc", rate'),
    "47:22": ("__import__(GLC)", "GLC"),
    "48:22": ('dead)", unit = "mmol/L"', 'dead)", unit = "1"'),
    "51:19": ("GLC - K_glc", "GLC < K_glc"),
    "51:62": ("glucose = 1", 'LAC = "LAC + 0"'),
    "54:20": ('value = "0.8"', "value = 0.8"),
    "55:49": ("upper = 0.1", "upper = 10"),
    "56:64": ("prior_sd = -1.0", "prior_sd = 1.0"),
    "58:36": ('unit_of = "day"', 'meaning = "death"'),
    "59:19": ("value = inf", "value = 1"),
    "60:1": ("\nALA = 5", "\nother = 5"),
    "61:1": ('"2nd"', "second"),
    "64:10": ("mu_min", "k_d"),
    "67:11": ('"hard"', '"soft"'),
    "68:13": ("softening = 0", "softening = 0.1"),
}
"""By the place of a fault: what is wrong there, and what would be right."""


def findings_in(text):
    try:
        return [("warning", str(finding)) for finding in parse_model_file(text).remarks]
    except InputError as error:
        return [(finding.severity, str(finding)) for finding in error.findings]


def places_in(text):
    """The places of the errors of a file, as line:column."""
    found = []
    for severity, finding in findings_in(text):
        line, column = re.search(r", line (\d+), column (\d+), ", finding).groups()
        found += [f"{line}:{column}"] if severity == "error" else []
    return found


def test_all_faults_of_a_file_are_reported_at_once_at_their_places_and_none_twice():
    assert len(MENDS) >= 30
    assert places_in(TEXT) == list(MENDS)
    with pytest.raises(InputError) as raised:
        read_model_file(FILE)
    assert all(str(finding).startswith(f"{FILE}, line ") for finding in raised.value.findings)
    assert [finding.severity for finding in raised.value.findings] == ["error"] * len(MENDS)


@pytest.mark.parametrize("place", MENDS)
def test_what_is_at_fault_is_what_is_reported(place):
    wrong, right = MENDS[place]
    line, column = map(int, place.split(":"))
    written = TEXT.split("\n")[line - 1]
    shown = written[column - 1 :].strip()
    assert shown
    assert TEXT.count(wrong) >= 1
    mended = TEXT.replace(wrong, right)
    before, after = places_in(TEXT), places_in(mended)
    assert place not in after or mended == TEXT
    # a mend that is longer moves what is behind it in its line
    elsewhere = [other for other in before if other.split(":")[0] != str(line)]
    assert [other for other in after if other.split(":")[0] != str(line)] == elsewhere


def test_a_file_whose_faults_are_mended_has_none():
    text = TEXT
    for wrong, right in MENDS.values():
        text = text.replace(wrong, right)
    assert places_in(text) == []


@pytest.mark.parametrize("name", library_files())
def test_a_model_of_the_library_has_no_error(name):
    assert [finding for finding in model_file(name).remarks if finding.severity == "error"] == []


HEAD = 'format = 1\n[species]\nVCD = { unit = "1e9 cells/L", role = "viable cells" }\nGLC = "mmol/L"\n'
TAIL = '[parameters]\nmu = { value = 1, unit = "1/d" }\nK = { value = 1, unit = "mmol/L" }\n'


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("growth = { equation = \"=> VCD\", rate = 'mu * QQ' }", "6:46"),
        ('growth = { equation = "=> VCD", rate = "\\u006du * QQ" }', "6:51"),
        ('growth = { equation = "=> VCD", rate = """mu * QQ""" }', "6:48"),
        ("growth = { equation = '=> VCD', rate = '''\nmu *\n  QQ''' }", "8:3"),
        ('growth = { equation = "=> VCD", rate = """\n  mu * \\\n\n   QQ""" }', "9:4"),
        ('growth = { equation = "=> VCD", rate = """mu\t*\\n\\tQQ""" }', "6:51"),
        ('growth.equation = "=> VCD"\ngrowth.rate = "mu * QQ"', "7:21"),
        ('growth."equation" = "=> VCD"\n"gro\\u0077th".rate = "mu * QQ"', "7:28"),
        ('[reactions.growth] # a heading\nequation = "=> VCD"\nrate = """\n\n  mu * monod(GLC, QQ)"""', "10:19"),
        ('growth = { equation = "=> VCD", rate = "mu * monod(QQQ, K)" } # QQ', "6:52"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_fault_in_a_formula_is_placed_at_its_character_however_the_text_is_written(entry, place, newline):
    text = f"{HEAD}[reactions]\n{entry}\n{TAIL}".replace("\n", newline)
    assert places_in(text) == [place]
    assert places_in("\ufeff" + text) == [place]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("format = \n", 1, 10), ('a = 1\nb = "x\n', 2, 7), ("a = [1,\n", 2, 1), ("a = 1\na = 2\n", 2, 6),
     ("a = 1979-13-01", 1, 9)],
)
def test_a_file_that_is_no_toml_says_where(text, line, column):
    ((_, finding),) = findings_in(text)
    assert finding.startswith(f"model.toml, line {line}, column {column}: found ")


def test_errors_beyond_the_most_that_are_listed_are_one_sentence():
    text = HEAD + "[definitions]\n" + "".join(f'd{i} = "unknown{i}"\n' for i in range(2 * MOST_FAULTS))
    found = [finding for severity, finding in findings_in(text) if severity == "error"]
    assert len(found) == MOST_FAULTS + 1
    assert "found more like these; 100 are listed; correct those first." in found[-1]


def test_a_name_that_means_something_else_is_refused_in_any_case():
    for name in ("Pi", "TIME", "INF", "monod", "True", "exponentialE"):
        assert places_in(f"{HEAD}{name} = {{}}\n") == ["5:1"], name
    assert places_in(f"{HEAD}sqrt_2 = {{}}\n") == []


def test_a_circle_is_reported_once_with_its_way():
    text = f'{HEAD}[definitions]\na = "mu * b"\nb = "2 * c"\nc = "a + b"\n{TAIL}'
    ((_, finding),) = [one for one in findings_in(text) if one[0] == "error"]
    assert "line 6, column 11, definitions.a.formula: found a circle: a needs b needs c needs a;" in finding


@pytest.mark.parametrize(
    ("law", "place"),
    [
        ("'grey'", 0), ("5", 0), ("{ kind = 'black' }", 0), ("{ inputs = ['GLX'] }", 12), ("{ inputs = 'GLC' }", 11),
        ("{ inputs = ['GLC'], hidden = 0 }", 29), ("{ inputs = ['GLC'], hidden = 4.5 }", 29),
        ("{ inputs = ['GLC'], bound = 1 }", 28), ("{ inputs = ['GLC'], scale = -1 }", 28),
        ("{ inputs = ['GLC'], form = 'odd' }", 27), ("{ inputs = ['GLC'], consumes = 'LAC' }", 31),
        ("{ inputs = ['feed LAC'] }", 12), ("{ inputs = ['GLC'], part = 'monod' }", 20), ("'white'", 0),
    ],
)  # fmt: skip
def test_a_learned_law_is_checked_like_everything_else(law, place):
    text = f"{HEAD}[reactions]\nuptake = {{ equation = 'GLC =>', law = {law} }}\n"
    assert places_in(text) == [f"6:{39 + place}"]
