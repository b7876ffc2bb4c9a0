"""side_of: the words that laboratories write for samples before and after a feed, also in the names of samples."""

import re

BEFORE, AFTER = "before", "after"
_FED = r"(?:[ _.-]?(?:the[ _])?(?:feeds?|feeding|bolus|addition|f\u00fctterung|zugabe|zufuhr))?"
_WORDS = {BEFORE: rf"(?:pre|before|vor|bf|b4){_FED}", AFTER: rf"(?:post|after|nach|af){_FED}"}
_WORD = "|".join(_WORDS.values())
_FORMS = {side: re.compile(words, re.IGNORECASE) for side, words in _WORDS.items()}
_MARK = r"[ _.,;:/|-]{1,3}"
SIDE = "{side}"
"""In a pattern of names of samples: whether a sample was taken before or after a feed."""


def side_of(word: str) -> str:
    """Return the side of a feed that a word means.

    Args:
        word: of a cell or a name.

    Returns:
        "before" or "after"; "" if it means neither.

    >>> side_of("pre"), side_of("Post-feed"), side_of("af"), side_of("daily")
    ('before', 'after', 'after', '')
    """
    return next((side for side, form in _FORMS.items() if form.fullmatch(word.strip(" ()[]"))), "")


def ending_of(name: str) -> tuple[str, str, str] | None:
    """Return a name of a sample without the side of a feed at its end.

    Args:
        name: of a sample.

    Returns:
        The rest of the name, the mark before the side, such as "_" or " (", and the side as it is written; None where
        the name ends otherwise.

    >>> ending_of("BR07_D3_pre"), ending_of("BR07_D3 (post feed)"), ending_of("BR07_D3")
    (('BR07_D3', '_', 'pre'), ('BR07_D3', ' (', 'post feed'), None)
    """
    found = re.fullmatch(rf"(?P<rest>.*?\w)(?P<mark>{_MARK}\(?|\(|(?<=\d))(?P<side>{_WORD})\)?", name, re.IGNORECASE)
    return (found["rest"], found["mark"], found["side"]) if found else None


def with_side(escaped: str) -> str:
    """Return the pattern of names in which the side of a feed and the mark beside it may be missing.

    Args:
        escaped: a pattern in which all but the parts in braces is escaped for `re`.

    Returns:
        The pattern, with a group `side` in place of the part.
    """
    part = re.escape(SIDE)
    mark = r"(?:\\?[ _.,;:/|-])*"
    for at in (rf"(?P<before>{mark}(?:\\\()?){re.escape(part)}(?P<after>(?:\\\))?)$",
               rf"^(?P<before>){re.escape(part)}(?P<after>{mark})",
               rf"(?P<before>{mark}){re.escape(part)}(?P<after>)"):  # fmt: skip
        found = re.search(at, escaped)
        if found:
            inside = f"(?:{found['before']}(?P<side>{_WORD}){found['after']})?"
            return escaped[: found.start()] + inside + escaped[found.end() :]
    return escaped
