"""sbml_document: the bytes of an SBML file -> a document of libsbml, within bounds and without packages.

The XML is looked through first: libsbml calls itself for every level of elements, and expands entities.
"""

import re
from typing import Any
from xml.parsers import expat

from graycell.errors import Finding, InputError, shown

LARGEST = 20_000_000
"""Bytes of an SBML file; the largest of BioModels with kinetics have a few million."""
DEEPEST_ELEMENT = 1000
"""Levels of elements: some tools write a sum of hundreds of terms as sums inside sums."""
_MOST_ERRORS = 20
"""Errors of libsbml that are listed."""
_HARMLESS = {1002, 1003}
"""Errors of libsbml that are none: no first line, or no encoding in it, for which UTF-8 is the rule."""
_EXTENDED_MATH = "l3v2extendedmath"
"""Package with which Level 3 Version 1 may use functions of Version 2, which are all known."""
_NAMESPACE = "http://www.sbml.org/sbml/"
_NAMESPACES = {
    ("1", "1"): "level1", ("1", "2"): "level1", ("2", "1"): "level2",
    **{("2", version): f"level2/version{version}" for version in "2345"},
    **{("3", version): f"level3/version{version}/core" for version in "12"},
}  # fmt: skip
"""By level and version; libsbml ends the process where they do not fit."""
_NEWEST_OLD = (2, 5)
"""Level and version into which Level 1 is converted by libsbml."""


class _StoppedError(Exception):
    """The XML is not looked through any further."""


def sbml_document(data: bytes, path: str) -> Any:
    """Return a document of libsbml.

    Args:
        data: of the file.
        path: of the file, for messages.

    Returns:
        A `libsbml.SBMLDocument` with a model.

    Raises:
        InputError: for what is no SBML, is too large or too deep, or needs a package.
    """
    import libsbml

    if len(data) > LARGEST:
        raise _refused(path, f"{len(data)} bytes", f"at most {LARGEST} are read", "give a smaller file")
    attributes = _require_plain_xml(data, path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(path, "another encoding than UTF-8", "SBML is written in UTF-8", "save it as UTF-8") from None
    _require_known_level(attributes, path)
    _require_core(attributes, path)
    document = libsbml.readSBMLFromString(text)
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    errors = [
        error
        for error in errors
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR and error.getErrorId() not in _HARMLESS
    ]
    if errors:
        raise InputError([_of_libsbml(error, path) for error in errors[:_MOST_ERRORS]])
    if document.getModel() is None:
        raise _refused(path, "no model", "an SBML file with a model is needed", "export the model as SBML")
    if document.getLevel() == 1 and not document.setLevelAndVersion(*_NEWEST_OLD, False):
        raise _refused(path, "SBML of Level 1", "libsbml cannot bring it to Level 2", "convert it to Level 3")
    return document


def _refused(place: str, found: str, needed: str, remedy: str) -> InputError:
    return InputError([Finding(place, found, needed, remedy)])


def _require_plain_xml(data: bytes, path: str) -> dict[str, str]:
    """Return the attributes of the first element; raise where XML is broken, has a document type, or is deep."""
    parser, depth = expat.ParserCreate(), 0
    found: list[str] = []
    attributes: dict[str, str] = {}

    def declares(*_: Any) -> None:
        found.append("a document type declaration")
        raise _StoppedError

    def opens(_: str, given: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 1:
            attributes.update(given)
        if depth > DEEPEST_ELEMENT:
            found.append(f"more than {DEEPEST_ELEMENT} levels of elements")
            raise _StoppedError

    def closes(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = declares, declares
    parser.StartElementHandler, parser.EndElementHandler = opens, closes
    try:
        parser.Parse(data, True)
    except _StoppedError:
        place = f"{path}, line {parser.CurrentLineNumber}"
        raise _refused(place, found[0], "it is not read, to be safe", "export the model again without it") from None
    except expat.ExpatError as error:
        place = f"{path}, line {error.lineno}, column {error.offset + 1}"
        said = expat.ErrorString(error.code)
        raise _refused(place, said, "well-formed XML is needed", "export the model as SBML again") from None
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise _refused(path, shown(str(error)), "SBML is written in UTF-8", "save it as UTF-8") from None
    return attributes


def _of_libsbml(error: Any, path: str) -> Finding:
    """Return an error of libsbml as a finding."""
    said = re.sub(r"\s+", " ", error.getMessage()).strip().rstrip(".")
    place = f"{path}, line {error.getLine()}, column {error.getColumn()}"
    return Finding(place, error.getShortMessage() or "an error", said or "valid SBML is needed",
                   "correct it in the tool that wrote the file")  # fmt: skip


def _require_known_level(attributes: dict[str, str], path: str) -> None:
    """Raise where the first element has no level and version of SBML, or another namespace than theirs."""
    level, version = attributes.get("level", ""), attributes.get("version", "")
    wanted = _NAMESPACES.get((level, version))
    found = [value for key, value in attributes.items() if key.partition(":")[0] == "xmlns"]
    if wanted is None or _NAMESPACE + wanted not in found:
        raise _refused(path, f"level '{level}' and version '{version}' of SBML, in the namespaces {found}",
                       "SBML of Level 1, 2 or 3 is needed, with its namespace", "export the model as SBML")  # fmt: skip


def _require_core(attributes: dict[str, str], path: str) -> None:
    """Raise where the meaning of a model needs a package of Level 3."""
    needed = set()
    for key, value in attributes.items():
        prefix, _, word = key.partition(":")
        uri = attributes.get(f"xmlns:{prefix}", "")
        if word == "required" and value.strip() in ("true", "1") and _EXTENDED_MATH not in uri:
            needed.add(prefix)
    if needed:
        raise InputError([
            Finding(path, f"the package '{name}'", "SBML core is needed: this package changes what formulas mean",
                    "export the model without it (comp: flattened)") for name in sorted(needed)
        ])  # fmt: skip
