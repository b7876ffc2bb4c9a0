"""read_antimony: a model in Antimony text -> a ModelFile, through SBML. The text is data: it opens no other file."""

import re
import threading
from pathlib import Path

from graycell.errors import Finding, InputError
from graycell.exchange.reading import bytes_of, imported
from graycell.modelfiles.content import ModelFile

LARGEST = 1_000_000
"""Bytes of an Antimony text; the largest models of BioModels have some hundred thousand."""
LONGEST_LINE = 50_000
"""Characters of a line."""
MOST_OPERATORS = 150
"""Operators of a line that make a formula deeper, for each of which antimony calls itself: - / ^ !"""
MOST_REMAINDERS = 2
"""Signs % of a line: antimony writes a remainder out with several copies of its arguments."""
DEEPEST = 100
"""Levels of brackets."""
_DEEPER = re.compile(r"-+|/+|[!^]")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_IMPORT = re.compile(r"\bimport\b", re.IGNORECASE)
_LOCK = threading.Lock()
"""Antimony keeps the texts that it has read, for the whole process."""


def read_antimony(path: str | Path) -> ModelFile:
    """Return the model of a file in Antimony, a text form of SBML (Smith et al. 2009, Bioinformatics 25, 2452).

    Args:
        path: of the file. Its last model is read, as Antimony does.

    Returns:
        Its contents; see `read_sbml` for what they mean and what is refused.

    Raises:
        InputError: with every fault, and where the package antimony is not installed.
    """
    data = bytes_of(path, LARGEST, "an Antimony file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(
            str(path), "another encoding than UTF-8", "Antimony is written in UTF-8", "save it as UTF-8"
        ) from None
    return imported(sbml_of(text, str(path)).encode(), str(path)).file


def sbml_of(text: str, path: str = "model.ant") -> str:
    """Return a model in Antimony as SBML.

    Args:
        text: of the model.
        path: of the file, for messages.

    Returns:
        The text of SBML of Level 3.

    Raises:
        InputError: for text that is no Antimony, that is too large, or that would open other files.
    """
    _require_safe(text, path)
    try:
        import antimony
    except ImportError:
        raise _refused(path, "no package antimony", "it reads Antimony",
                       "install it: pip install 'graycell[antimony]'") from None  # fmt: skip
    with _LOCK:
        antimony.clearPreviousLoads()
        try:
            if antimony.loadAntimonyString(text) < 0:
                said = " ".join((antimony.getLastError() or "").split())
                raise _refused(path, f"'{said}'", "a model in Antimony is needed", "correct the line that is named")
            sbml = antimony.getSBMLString(antimony.getMainModuleName())
        finally:
            antimony.clearPreviousLoads()
            antimony.freeAll()
    if not sbml:
        raise _refused(path, "no model", "a model in Antimony is needed", "write its reactions")
    return sbml


def _refused(place: str, found: str, needed: str, remedy: str) -> InputError:
    return InputError([Finding(place, found, needed, remedy)])


def _require_safe(text: str, path: str) -> None:
    """Raise for text that would open a file, or on which antimony would call itself too often."""
    if "\0" in text:
        raise _refused(path, "a character that is none", "Antimony is text", "save it as text")
    # a line goes on behind a backslash and behind a comment
    text = _COMMENT.sub(lambda comment: comment[0].replace("\n", " "), text.replace("\r\n", "\n").replace("\\\n", " "))
    for line, statement in enumerate(text.split("\n"), 1):
        place, depth = f"{path}, line {line}", 0
        if _IMPORT.search(statement):
            raise _refused(place, "the word import", "a file is read alone: it may not open others",
                           "copy what it needs into it")  # fmt: skip
        for what, count, most in (
            ("characters", len(statement), LONGEST_LINE),
            ("signs - / ^ !", len(_DEEPER.findall(statement)), MOST_OPERATORS),
            ("signs %", statement.count("%"), MOST_REMAINDERS),
        ):
            if count > most:
                raise _refused(place, f"{count} {what} in a line", f"at most {most} are read",
                               "define parts of the formula by name")  # fmt: skip
        for character in statement:
            depth += (character in "([{") - (character in ")]}")
            if depth > DEEPEST:
                raise _refused(place, f"more than {DEEPEST} levels of brackets", "a formula is at most that deep",
                               "define parts of it by name")  # fmt: skip
