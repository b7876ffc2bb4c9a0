import contextlib
import re

import pytest
from sbml_models import sbml

from graycell.errors import InputError
from graycell.exchange import read_sbml
from graycell.exchange.documents import DEEPEST_ELEMENT, LARGEST
from graycell.exchange.reading import imported

DECAY = {"species": {"S": 10.0}, "parameters": {"k": 0.5}, "reactions": {"J": ({"S": 1.0}, {}, "k * S")}}


def refusal(data):
    with pytest.raises(InputError) as caught:
        imported(data, "model.xml")
    return str(caught.value)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "model.xml"
    path.write_bytes(sbml(**DECAY))
    file = read_sbml(path)
    assert file.reactions["J"].equation == "S =>"
    assert file.reactions["J"].rate == "k * S"
    assert file.species["S"].initial == 10.0
    assert file.path == str(path)


def test_no_file_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="found no file; an SBML file is needed"):
        read_sbml(tmp_path / "none.xml")


def test_a_folder_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="an SBML file is needed"):
        read_sbml(tmp_path)


def test_a_document_type_is_refused():
    data = sbml(**DECAY).replace(b"?>", b'?><!DOCTYPE sbml [<!ENTITY a "b">]>', 1)
    assert "a document type declaration" in refusal(data)


def test_deep_elements_are_refused_before_libsbml_sees_them():
    deep = b"<p>" * 100_000 + b"</p>" * 100_000
    data = sbml(**DECAY).replace(b"<listOfCompartments>", b"<notes>" + deep + b"</notes><listOfCompartments>")
    assert f"more than {DEEPEST_ELEMENT} levels" in refusal(data)


def test_broken_xml_is_told_with_its_line():
    assert "model.xml, line 3" in refusal(b"<?xml version='1.0'?>\n<sbml>\n<model></sbml>")


def test_an_empty_file_is_refused():
    assert "well-formed XML is needed" in refusal(b"")


def test_other_xml_is_refused():
    assert "model.xml" in refusal(b"<?xml version='1.0' encoding='UTF-8'?><html/>")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'version="2">', b'version="9">'), (b'level="3"', b'level="x"'), (b"/version2/core", b"/version1/core")],
)
def test_a_level_that_does_not_fit_is_refused_before_libsbml_ends_the_process(old, new):
    data = sbml(**DECAY)
    assert old in data
    assert "SBML of Level 1, 2 or 3 is needed" in refusal(data.replace(old, new))


def test_sbml_without_a_model_is_refused():
    data = re.sub(b"<model.*</model>", b"", sbml(**DECAY), flags=re.DOTALL)
    assert "no model" in refusal(data)


def test_another_encoding_is_refused():
    data = (
        sbml(**DECAY)
        .decode()
        .replace('encoding="UTF-8"', 'encoding="ISO-8859-1"')
        .replace('id="m"', 'id="m" name="\xe9"')
    )
    assert "another encoding than UTF-8" in refusal(data.encode("latin-1"))


def test_a_large_file_is_refused():
    assert f"at most {LARGEST} are read" in refusal(b" " * (LARGEST + 1))


def test_a_package_that_changes_formulas_is_refused_by_name():
    data = sbml(**DECAY).replace(b"<sbml ", b'<sbml xmlns:new="http://example.org/new" new:required="true" ', 1)
    assert "the package 'new'" in refusal(data)


def test_a_package_that_changes_nothing_is_read():
    uri = b"http://www.sbml.org/sbml/level3/version1/layout/version1"
    data = sbml(**DECAY).replace(b"<sbml ", b'<sbml xmlns:layout="' + uri + b'" layout:required="false" ', 1)
    assert imported(data, "model.xml").file.species["S"].initial == 10.0


def test_level_2_is_read():
    data = sbml(**DECAY, level=2, version=4)
    assert imported(data, "model.xml").file.reactions["J"].rate == "k * S"


def test_level_1_is_read():
    data = b"""<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m">
<listOfCompartments><compartment name="C" volume="2"/></listOfCompartments>
<listOfSpecies><species name="S" compartment="C" initialAmount="10"/></listOfSpecies>
<listOfReactions><reaction name="J"><listOfReactants><speciesReference species="S" stoichiometry="1"/></listOfReactants>
<kineticLaw formula="k*S"><listOfParameters><parameter name="k" value="0.5"/></listOfParameters></kineticLaw>
</reaction></listOfReactions></model></sbml>"""
    file = imported(data, "model.xml").file
    assert file.reactions["J"].rate == "J_k * (S / C)"
    assert file.parameters["J_k"].value == 0.5


def test_broken_files_are_refused_with_a_sentence_and_nothing_else(random):
    good = sbml(**DECAY, rates={}, events={"E": {"when": "time > 1", "set": {"S": "S + 1"}}})
    for _ in range(300):
        data = bytearray(good)
        for _ in range(random.integers(1, 6)):
            at, length = random.integers(len(data)), random.integers(0, 12)
            data[at : at + length] = random.integers(32, 127, random.integers(0, 12)).astype("uint8").tobytes()
        with contextlib.suppress(InputError):
            imported(bytes(data), "model.xml")
