"""read_sbml: an SBML file -> a ModelFile. A file is data: nothing in it is executed, and it opens no other."""

from pathlib import Path

from graycell.errors import Finding, InputError, shown
from graycell.exchange.assembly import Imported, assembled
from graycell.exchange.declarations import sbml_model
from graycell.exchange.documents import LARGEST, sbml_document
from graycell.modelfiles.content import ModelFile


def read_sbml(path: str | Path) -> ModelFile:
    """Return the model of an SBML file of Level 1, 2 or 3.

    The units of the file are not converted: numbers are used as they stand, one unit of time is one day, and a species
    holds its amount in a vessel of 1 L. `ModelFile.remarks` says so. What cannot be kept exactly is refused: delays,
    algebraic rules, fast reactions, packages that change what formulas mean, and values that are used and not given.

    Args:
        path: of the file.

    Returns:
        Its contents; `modelfiles.build` makes a model of it.

    Raises:
        InputError: with every fault, and everything that is not supported.
    """
    return imported(bytes_of(path, LARGEST, "an SBML file"), str(path)).file


def imported(data: bytes, path: str) -> Imported:
    """Return the model of SBML, and what its symbols are in the model file.

    Args:
        data: of the file.
        path: of the file, for messages.

    Returns:
        The imported model.

    Raises:
        InputError: as `read_sbml` does.
    """
    document = sbml_document(data, path)
    try:
        model = sbml_model(document, path)
        return assembled(model)
    except RecursionError:
        raise InputError([Finding(path, "formulas that are nested too deep", "a formula has at most 100 levels",
                                  "define parts of it by assignment rules")]) from None  # fmt: skip


def bytes_of(path: str | Path, largest: int, needed: str) -> bytes:
    """Return what a file holds.

    Args:
        path: of the file.
        largest: size [bytes] that is read.
        needed: what the file should be, for messages.

    Returns:
        Its bytes.

    Raises:
        InputError: where there is no such file, or a larger one.
    """
    fault = f"{needed} is needed"
    try:
        with open(path, "rb") as file:
            data = file.read(largest + 1)
    except FileNotFoundError:
        raise InputError([Finding(str(path), "no file", fault, "name one")]) from None
    except OSError as error:
        raise InputError([Finding(str(path), shown(str(error)), fault, "name a file that can be read")]) from None
    if len(data) > largest:
        raise InputError([Finding(str(path), f"more than {largest} bytes", "no more are read", "give a smaller file")])
    return data
