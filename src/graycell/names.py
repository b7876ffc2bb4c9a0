"""What names mean, and which of the known names somebody meant.

Short names of different things resemble each other: LYS and GLY share two of three letters, pH and NH3 the H. So a name
that means something is never taken for that of something else.
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from itertools import pairwise

SOLUTES = {
    "GLC": "glc gluc glukose glucose dglucose dextrose", "LAC": "lac laktat lactate llactate lacticacid",
    "NH3": "nh3 nh4 ammoniak ammonia ammonium amm",
    "ANTI": "anti titer titre igg mab antibody product producttiter igg1",
    "ALA": "ala alanine", "ARG": "arg arginine", "ASN": "asn asparagine",
    "ASP": "asp aspartate asparticacid", "CYS": "cys cysteine", "CYSTINE": "cystine cys2 cyscys",
    "GLN": "gln glutamine", "GLU": "glu glutamate glutamicacid", "GLY": "gly glycine", "HIS": "his histidine",
    "ILE": "ile isoleucine", "LEU": "leu leucine", "LYS": "lys lysine", "MET": "met methionine",
    "PHE": "phe phenylalanine", "PRO": "pro proline", "SER": "ser serine", "THR": "thr threonine",
    "TRP": "trp tryptophan", "TYR": "tyr tyrosine", "VAL": "val valine",
}  # fmt: skip
"""What is dissolved in a medium: by its name here, how people write it, in small letters and digits."""
AMINO_ACIDS = frozenset(SOLUTES) - {"GLC", "LAC", "NH3", "ANTI"}
_OTHERS = {
    "methanol": "meoh methanol met meth", "ethanol": "etoh ethanol", "glycerol": "glycerol", "pyruvate": "pyr pyruvate",
    "acetate": "acetate aceticacid", "galactose": "gal galactose", "fructose": "fructose", "lactose": "lactose",
    "sucrose": "sucrose saccharose", "maltose": "maltose", "mannose": "mannose", "xylose": "xyl xylose",
    "ornithine": "orn ornithine", "citrulline": "citrulline", "taurine": "taurine", "hydroxyproline": "hydroxyproline",
    "phosphate": "po4 phosphate", "pH": "ph", "oxygen": "o2 po2 do2 oxygen dissolvedoxygen",
    "carbon dioxide": "co2 pco2", "osmolality": "osmo osmolality osmolarity",
    "temperature": "temp temperature temperatur", "potassium": "potassium", "sodium": "sodium", "calcium": "calcium",
}  # fmt: skip
"""What else cultures are measured for. ``Met`` is methanol to those who grow Pichia."""
_MEANINGS: dict[str, frozenset[str]] = {}
for _name, _words in (*SOLUTES.items(), *_OTHERS.items()):
    for _word in _words.split():
        _MEANINGS[_word] = _MEANINGS.get(_word, frozenset()) | {_name}

_LEAST = 0.4
"""[1] Least resemblance of a name that is suggested."""
_LEAST_OF_A_MEANING = 0.6
"""[1] The same where one of the two names means something: GLK is like GLC, and R is not like ARG."""
_LONGEST = 200
"""Characters of a name that are compared; the time grows with their square."""


def meanings(name: str) -> frozenset[str]:
    """Return what a name may mean.

    Args:
        name: of a species, a parameter, or a heading.

    Returns:
        The names of solutes and sensors that it holds as a word; none for most names.

    >>> sorted(meanings("Met (mM)")), sorted(meanings("GLC_ext")), sorted(meanings("vmax1"))
    (['MET', 'methanol'], ['GLC'], [])
    """
    words = re.findall(r"[a-z0-9]+", name[:_LONGEST].lower())
    words = [*words, *("".join(pair) for pair in pairwise(words))]
    return frozenset().union(*(_MEANINGS.get(word, frozenset()) for word in words))


def resembling(name: str, known: Iterable[str], least: float = _LEAST) -> str:
    """Return the known name that somebody meant.

    Args:
        name: the unknown name.
        known: the names that there are.
        least: the resemblance [1] from which a name counts, see `difflib.SequenceMatcher.ratio`.

    Returns:
        The name of the same meaning, or else the most similar one that means nothing else; "" if there is none.

    >>> resembling("GLCC", ["GLC", "LAC"]), resembling("leucine", ["GLU", "LEU"]), resembling("LYS", ["GLY", "GLC"])
    ('GLC', 'LEU', '')
    """
    names = list(dict.fromkeys(known))
    lower = name[:_LONGEST].lower()
    same = [one for one in names if one.lower() == name.lower()]  # but for capitals
    if same:
        return same[0]
    own = meanings(name)
    of_same = [one for one in names if own & _meaning_of_known(one)] if own else []
    if of_same:
        return max(of_same, key=lambda one: SequenceMatcher(None, lower, one[:_LONGEST].lower()).ratio())
    small: dict[str, str] = {}
    for one in names:
        small.setdefault(one[:_LONGEST].lower(), one)
    close_ones = get_close_matches(lower, small, n=5, cutoff=least)
    for close in sorted(close_ones, key=lambda one: sorted(one) != sorted(lower)):  # GCL is GLC with letters swapped
        other = _meaning_of_known(small[close])
        if own and other:
            continue  # two things with names of their own
        if not (own or other) or SequenceMatcher(None, lower, close).ratio() >= max(least, _LEAST_OF_A_MEANING):
            return small[close]
    return ""


def _meaning_of_known(name: str) -> frozenset[str]:
    """Return what a known name means: MET of a table of solutes is methionine."""
    return frozenset([name]) if name in SOLUTES else meanings(name)
