"""Model files that nobody would write: each is a model or sentences, soon, and nothing else."""

import random
import time

import pytest

from graycell.errors import InputError
from graycell.modelfiles import build, parse_model_file, read_model_file
from graycell.modelfiles.reading import MOST_ENTRIES
from graycell.models import library_files
from graycell.models.library import model_text
from graycell.runs.format.files import LARGEST_WORDS

HEAD = 'format = 1\n[species]\nVCD = { unit = "1e9 cells/L", role = "viable cells" }\nGLC = {}\n'
REACTIONS = ('[reactions]\ngrowth = { equation = "=> VCD", rate = "mu" }\n'
             'uptake = { equation = "GLC =>", rate = "q * monod(GLC, K)" }\n')  # fmt: skip
TAIL = ('[parameters]\nmu = { value = 1, unit = "1/d" }\nq = { value = 1, unit = "mmol/(1e9 cells)/d" }\n'
        'K = { value = 1, unit = "mmol/L" }\n')  # fmt: skip
GOOD = HEAD + REACTIONS + TAIL
LONGEST_TIME = 15.0
"""[s] For any file; most take a hundredth of a second, and this machine may do something else meanwhile."""


def findings_in(text):
    """What is wrong with a file; a fault of another kind than a finding, or one that takes long, fails the test."""
    began = time.perf_counter()
    try:
        found = list(parse_model_file(text).remarks)
    except InputError as error:
        found = list(error.findings)
        assert any(finding.severity == "error" for finding in found)
    assert time.perf_counter() - began < LONGEST_TIME
    assert len(found) <= 202
    for sentence in map(str, found):
        assert sentence.isprintable()
        assert len(sentence) < 7000
    return found


def errors_in(text):
    return [str(finding) for finding in findings_in(text) if finding.severity == "error"]


def lines(write, count):
    return "".join(write(i) + "\n" for i in range(count))


def test_the_file_that_all_others_are_made_of_is_good():
    assert findings_in(GOOD) == []
    assert findings_in(GOOD.replace("\n", "\r\n")) == []
    assert findings_in("\ufeff" + GOOD) == []


REFUSED = {
    "nothing": "", "NUL": GOOD + "\0", "words": "Dear colleagues, here is the model",
    "10^5 brackets": "a = " + "[" * 10**5,
    "500 lists": "a = " + "[" * 500 + "]" * 500, "300 tables": "a = " + "{b = " * 300 + "1" + "}" * 300,
    "a key of 10^5 parts": "a." * 10**5 + "b = 1", "a heading of 10^5 parts": f"[species.{'a.' * 10**5}b]",
    "a key of parts in quotes": '"a" . ' * 10**5 + "b = 1", "2 MB": GOOD + "#" * 2 * LARGEST_WORDS,
    "1 MB of one word": "a" * (LARGEST_WORDS - 10), "400 kB of keys": lines(lambda i: f"a{i} = 1", 40_000),
    "200 kB of one list": f"doubts = [{'0,' * 100_000}]", "50,000 tables": lines(lambda i: f"[a{i}]", 50_000),
    "50,000 tables of an array": "[[species]]\n" * 50_000,
    "20,000 parameters": GOOD + lines(lambda i: f"a{i} = 1", 20_000),
    "10^5 definitions": HEAD + "[definitions]\nd0 = 'mu'\n" + lines(lambda i: f"d{i + 1} = 'd{i}'", 10**5) + REACTIONS,
    "4000 unknown names": HEAD + "[definitions]\n" + lines(lambda i: f"d{i} = 'e{i}'", 4000) + REACTIONS + TAIL,
    "4000 unknown units": GOOD + lines(lambda i: f"p{i} = {{ value = 1, unit = 'foo{i}' }}", 4000),
    "600 kB of formulas": HEAD + "[definitions]\n" + lines(lambda i: f"d{i} = '{'mu + ' * 900}{i} * mu'",
                                                           200) + REACTIONS + TAIL,
    "long formula": GOOD.replace('"mu"', f'"{"mu + " * 10**5}mu"'),
    "deep formula": GOOD.replace('"mu"', f'"{"(" * 9000}mu"'),
    "long equation": GOOD.replace("GLC =>", " + ".join(f"X{i}" for i in range(20_000)) + " =>"),
    "many arrows": GOOD.replace("GLC =>", "GLC => " * 20_000),
    "many gases": HEAD + "[projection]\ngases = [" + "'a'," * 40_000 + "]\n[network]\n"
    + lines(lambda i: f"r{i} = 'X{i}_ext + Y{i}_ext => Z{i}_ext'", 4000),
    "surrogates": GOOD.replace("mu", "\ud800"), "a key twice": GOOD + "K = 1\n", "a table twice": GOOD + "[species]\n",
    "a long integer": GOOD.replace("value = 1,", f"value = {'9' * 5000},"), "no date": GOOD + "a = 1979-13-41\n",
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_hostile_file_is_refused_soon(what):
    assert errors_in(REFUSED[what])


@pytest.mark.parametrize("depth", [100, 150, 200, 250, 300, 350, 400, 450, 470, 480, 490])
def test_there_is_no_depth_at_which_one_reader_gives_up_and_the_next_falls_over(depth):
    for value in ("[" * depth + "]" * depth, "{a = " * depth + "1" + "}" * depth):
        for place in ("a = {}", "species.a.unit = {}", "sets.a = {}", "cells = {}", "reactions.a.law = {}"):
            assert errors_in(place.format(value))


@pytest.mark.parametrize(
    "unit",
    ["1e9**9**9", "9^9^9^9", "m" * 10**5, "1e999 m", "0", "-1", "1/0", "(", ")(", "__import__('os')", "mol/", "m^99^9",
     "\\u0000",
     "\\u65e5", "nan", "inf", "[length]", "1 + 1 m", "m**2", "log(m)", "degF", "pH", "lambda: 0", "mmol/L;ls",
     "" * 3 + "x" * 41,
     "2.5e400", "1e-400 m", "delta_degC", "m ^ 1e9", "m^-999", "9" * 39, "((((((((((((((((((((m", "m m m m m m m^99"],
)  # fmt: skip
def test_a_hostile_unit_is_one_sentence(unit):
    errors = errors_in(GOOD.replace('unit = "mmol/L"', f'unit = "{unit}"'))
    assert len(errors) == 1
    assert ", line 11, " in errors[0] or ", line 7, " in errors[0]  # one that can be read does not fit the formula


def test_many_different_units_are_read_in_time():
    findings_in(GOOD + lines(lambda i: f"p{i} = {{ value = 1, unit = 'mmol^{i % 97}/L/{i + 1}' }}", 4000))


@pytest.mark.parametrize("value",
                         ["nan", "-nan", "inf", "-inf", "1e400", "true", "1979-05-27", "'1'", "[]", "{}", "9" * 400])
@pytest.mark.parametrize(
    "place",
    ["K = {{ value = {}, unit = 'mmol/L' }}", "K = {}", "K = {{ value = 1, unit = 'mmol/L', between_runs_sd = {} }}",
     "K = {{ value = 1, unit = 'mmol/L', between_groups_sd = {} }}",
     "K = {{ value = 1, unit = 'mmol/L', upper = {} }}"],
)  # fmt: skip
def test_a_number_that_is_none_is_one_sentence(value, place):
    errors = errors_in(HEAD + REACTIONS + TAIL.rpartition("K =")[0] + place.format(value))
    if "{{" in place:
        assert len(errors) == 1
    assert all(", line 11, " in error or "'K' in 1 beside" in error for error in errors)


@pytest.mark.parametrize("value", ["nan", "inf", "-1e400", "true", "1979-05-27", "'x'", "[]", "{}", "-1", "5", "0.0"])
def test_a_value_of_another_type_is_a_sentence_wherever_it_is(value):
    places = ["format", "name", "about", "doubts", "check_units", "cells", "cells.species", "sets", "sets.a",
              "sets.a.K"]
    places += [f"species.A.{word}" for word in ("unit", "initial", "role", "formula", "charge", "retained",
                                                "molar_mass")]
    places += [f"reactions.A.{word}" for word in ("equation", "rate", "volumetric", "law", "law.kind", "law.inputs",
                                                  "law.hidden",
                                                  "law.bound", "law.scale", "law.form", "law.consumes")]  # fmt: skip
    places += [f"network.A.{word}" for word in ("equation", "shifted", "lower", "upper")]
    places += [f"variables.A.{word}" for word in ("derivative", "target", "loop", "closure", "turnover_time",
                                                  "initial", "unit")]
    places += [f"triggers.A.{word}" for word in ("when", "set", "set.GLC", "priority", "persistent", "at_trigger")]
    places += [f"projection.{word}" for word in ("weights", "softening", "reference", "reference.v1", "gases", "shift")]
    places += ["definitions.A.formula", "observables.A.unit", "inputs.A.default", "parameters.A.log_scale"]
    places += ["species", "reactions", "network", "definitions", "variables", "inputs", "observables", "parameters",
               "triggers"]
    places += [f"{table}.A" for table in places[-9:]]
    for place in places:
        findings_in(f"format = 1\n{place} = {value}\n" if place != "format" else f"{place} = {value}\n")
        findings_in(f"{place} = {value}\n{GOOD}" if "." in place and place.split(".")[0] in ("sets", "projection",
                                                                                             "cells") else "")


@pytest.mark.parametrize(
    "key",
    ['"a b"', '"x\\ny"', '"quo\\"te"', "'it''s'", '"\\u0000"', '"日本"', '"µ"', '"\\u001b[2J"', '""', '"a.b"', "1a",
     "a-b",
            "'{}'", '"__class__"', '"' + "k" * 10**4 + '"'],
)  # fmt: skip
def test_a_name_with_anything_in_it_is_a_sentence(key):
    for table in ("species", "parameters", "reactions", "sets", "triggers"):
        findings_in(GOOD.replace("[parameters]", f"[{table}.{key}]\nunit = 'mmol/L'\n[parameters]"))
        findings_in(f"{HEAD}{key} = {{}}\n{REACTIONS}{TAIL}")
        findings_in(f"{key} = 1\n{GOOD}")


def test_a_large_file_is_read_in_time():
    count = MOST_ENTRIES // 4
    text = (HEAD + lines(lambda i: f"s{i} = {{}}", count) + "[definitions]\nd0 = 'mu'\n"
            + lines(lambda i: f"d{i + 1} = 'd{i} * (1 + K / K)'", 200)
            + REACTIONS + lines(lambda i: f"r{i} = {{ equation = 's{i} =>', rate = 'q * d200 / mu' }}",
                                count - 200) + TAIL)  # fmt: skip
    found = findings_in(text)
    assert [finding.severity for finding in found] == ["warning"] * 101


def test_a_file_that_is_not_there_not_text_or_too_large_is_a_sentence(tmp_path):
    for name, content, said in (("absent.toml", None, "found no file"), ("binary.toml", b"\xff\xfe\0\0", "UTF-8"),
                                ("large.toml", b"#" * (LARGEST_WORDS + 1), "at most 1000000")):  # fmt: skip
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=said):
            read_model_file(tmp_path / name)
    with pytest.raises(InputError):
        read_model_file(tmp_path)


TOKENS = ("{", "}", "[", "]", "=", ".", ",", '"', "'", "#", "\n", "\\", "1e999", "nan", "(", ")", "^", "*", "/", "<=>",
          "=>", "VCD",
          "unit", "rate", "[species]", "[sets.a]", "\0", "é", "\u202e", "-", "true", "[[a]]", '"""', "time",
          "law = 'gray'")  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_a_library_file_that_was_broken_is_a_model_or_sentences(seed):
    chance = random.Random(seed)
    text = model_text(chance.choice(library_files()))
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(text)), chance.choice((0, 1, 1, 3, 20, 200))
        rows = text.split("\n")
        match chance.randrange(4):
            case 0:
                text = text[:at] + text[at + length :]
            case 1:
                text = text[:at] + chance.choice(TOKENS) + text[at + length :]
            case 2:
                text = text[:at] + text[at : at + length] * chance.choice((2, 30)) + text[at + length :]
            case _:
                first, second = (chance.randrange(len(rows)) for _ in range(2))
                rows[first], rows[second] = rows[second], rows[first]
                text = "\n".join(rows)
    if not any(finding.severity == "error" for finding in findings_in(text)) and "[network]" not in text:
        build(parse_model_file(text))
