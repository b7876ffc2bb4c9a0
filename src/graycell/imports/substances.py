"""substance_of: the name of a solid as a laboratory writes it -> what it counts as, and its molar mass in that form.

A name is read as a small grammar: a base substance, its counter-ions and its water, each with its number, in any order
and with or without spaces: ``L-Histidine HCl H2O``, ``Natrium-L-lactat``, ``tyrosine disodium salt dihydrate``. The
molar mass follows from the formulas. Where the words do not tell the form (``x H2O``, ``hydrate``, ``sulfate``), there
is none. A name with any other word, such as glucose 6-phosphate, is another substance.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from graycell.runs.solutes import ATOMIC_MASS, MOLAR_MASS, atoms_in, molar_mass

_LONGEST = 100
"""Characters of a name."""
_NAMES = {
    "lactic": "LAC", "milchsaure": "LAC", "laktat": "LAC", "lactat": "LAC", "aspartic": "ASP", "asparaginsaure": "ASP",
    "aspartat": "ASP", "glutamic": "GLU", "glutaminsaure": "GLU", "glutamat": "GLU", "dextrose": "GLC",
    "glukose": "GLC", "glycin": "GLY", "ammonium": "NH3", "nh4": "NH3",
}  # fmt: skip
"""Names beside those of headings."""
_OTHERS = {  # name: formula, protons that metals replace, words
    "methanol": ("CH4O", 0, "methanol meoh"), "ethanol": ("C2H6O", 0, "ethanol etoh"),
    "propanol": ("C3H8O", 0, "propanol isopropanol 1propanol 2propanol"),
    "butanol": ("C4H10O", 0, "butanol nbutanol 1butanol isobutanol"), "acetone": ("C3H6O", 0, "acetone aceton"),
    "acetaldehyde": ("C2H4O", 0, "acetaldehyde acetaldehyd"), "acetoin": ("C4H8O2", 0, "acetoin"),
    "butanediol": ("C4H10O2", 0, "23butanediol butanediol bdo 23bdo 14butanediol"),
    "propanediol": ("C3H8O2", 0, "13propanediol 12propanediol propanediol pdo 13pdo"),
    "glycerol": ("C3H8O3", 0, "glycerol glycerin"), "sorbitol": ("C6H14O6", 0, "sorbitol sorbit"),
    "mannitol": ("C6H14O6", 0, "mannitol mannit"), "xylitol": ("C5H12O5", 0, "xylitol xylit"),
    "fructose": ("C6H12O6", 0, "fructose fruktose fru frc"), "galactose": ("C6H12O6", 0, "galactose galaktose gal"),
    "mannose": ("C6H12O6", 0, "mannose man"), "xylose": ("C5H10O5", 0, "xylose xyl"),
    "arabinose": ("C5H10O5", 0, "arabinose ara"), "ribose": ("C5H10O5", 0, "ribose rib"),
    "sucrose": ("C12H22O11", 0, "sucrose saccharose"),
    "maltose": ("C12H22O11", 0, "maltose"), "lactose": ("C12H22O11", 0, "lactose laktose"),
    "trehalose": ("C12H22O11", 0, "trehalose"), "formate": ("CH2O2", 1, "formate formic formiat ameisensaure"),
    "acetate": ("C2H4O2", 1, "acetate acetic acetat essigsaure ace hac acoh"),
    "propionate": ("C3H6O2", 1, "propionate propionic propionat propionsaure"),
    "butyrate": ("C4H8O2", 1, "butyrate butyric butyrat buttersaure"),
    "pyruvate": ("C3H4O3", 1, "pyruvate pyruvic pyruvat pyr"),
    "succinate": ("C4H6O4", 2, "succinate succinic succinat bernsteinsaure"),
    "fumarate": ("C4H4O4", 2, "fumarate fumaric fumarat"), "malate": ("C4H6O5", 2, "malate malic malat apfelsaure"),
    "oxoglutarate": ("C5H6O5", 2, "2oxoglutarate ketoglutarate alphaketoglutarate akg"),
    "itaconate": ("C5H6O4", 2, "itaconate itaconic itaconat"),
    "citrate": ("C6H8O7", 3, "citrate citric citrat citronensaure"), "urea": ("CH4N2O", 0, "urea harnstoff"),
}  # fmt: skip
"""Substances of fermentations that are no solutes of `runs.solutes`. Isomers have one molar mass."""
_OTHER = {word: name for name, (_, _, words) in _OTHERS.items() for word in words.split()}
_MASSES = MOLAR_MASS | {name: mass for name, (formula, _, _) in _OTHERS.items() if (mass := molar_mass(formula))}
_AMMONIUM = ("ammonium", "nh4")
_WATER = ("h2o", "h20", "water", "hydrate", "hydrat")
_SOME_WATER = ("hydrate", "hydrat")
"""Without a number it is left open how much."""
_NUMBERS = {"mono": 1.0, "hemi": 0.5, "sesqui": 1.5, "di": 2.0, "bis": 2.0, "tri": 3.0, "tetra": 4.0, "penta": 5.0,
            "hexa": 6.0, "hepta": 7.0, "octa": 8.0, "nona": 9.0, "deca": 10.0}  # fmt: skip
_UNKNOWN_NUMBER = ("x", "n")
_ACIDS = {
    "HCl": "hcl hydrochloride hydrochlorid chloride chlorid chlorhydrat", "C2H4O2": "acetate acetat",
    "HNO3": "nitrate nitrat", "H2SO4": "sulfate sulphate sulfat", "H3PO4": "phosphate phosphat",
    "H2CO3": "bicarbonate hydrogencarbonate hydrogencarbonat",
}  # fmt: skip
_ACID = {word: formula for formula, words in _ACIDS.items() for word in words.split()}
_ACID_OF_ONE = ("HCl", "C2H4O2", "HNO3", "H2CO3")
"""Acids of which a base binds one where no number is given."""
_METALS = {("Na", 1): "sodium natrium na", ("K", 1): "potassium kalium k", ("Mg", 2): "magnesium mg",
           ("Ca", 2): "calcium ca"}  # fmt: skip
_METAL = {word: metal for metal, words in _METALS.items() for word in words.split()}
_TWICE = {"na2": ("Na", 1), "k2": ("K", 1)}
_DRY = ("anhydrous", "anhydrate", "anhydrat", "anhyd", "anh", "wasserfrei")
_MORE = ("l", "d", "dl", "ld", "r", "s", "alpha", "salt", "salz", "free", "base", "acid", "saure", "form")
"""Words that change no molar mass."""
_MARKS = "[\u00b7\u2022\u2219\u22c5\u00d7\u00b1\u2013\u2014\u2212\u2192]"
"""Dots, dashes and signs between the parts of a name."""
_SPELT = {"(nh4)2so4": "ammonium sulfate", "nh4cl": "ammonium chloride", "(nh4)2hpo4": "diammonium phosphate",
          "nh4h2po4": "monoammonium phosphate", "nh4oh": "ammonia h2o"}  # fmt: skip
_PROTONS = {"GLC": 0, "NH3": 0, "GLU": 2, "ASP": 2, "TYR": 2, "CYS": 2, "CYSTINE": 2}
"""Protons that metals replace; 1 of the others."""
_SALT_OF_ONE = ("GLU", "ASP")
"""Of two protons the salt that has no number replaces one: sodium glutamate."""
_SITES = {"GLC": 0, "LAC": 0, "HIS": 2, "LYS": 2, "ARG": 2, "CYSTINE": 2}
"""Acids that a base binds at most; 1 of the others."""
_PROTONS |= {name: protons for name, (_, protons, _) in _OTHERS.items()}
_SITES |= dict.fromkeys(_OTHERS, 0)


@dataclass(frozen=True)
class Substance:
    """What a name means.

    Attributes:
        quantity: what it counts as, such as ASN.
        molar_mass: [g] that hold one mol of the quantity; 0 where the form cannot be told.
        per_mole: mol of the quantity in one mol of the substance [1], such as 2 of calcium lactate; 0 where the form
            cannot be told.
        is_pure: whether it is the quantity alone, without counter-ions or water.
    """

    quantity: str
    molar_mass: float
    per_mole: float
    is_pure: bool


@dataclass
class _Read:
    """The parts of a name with their numbers; None where no number is given, 0 where it is left open."""

    quantity: str = ""
    bases: float | None = None
    is_ammonium: bool = False
    water: float = 0.0
    metals: dict[tuple[str, int], float | None] = field(default_factory=dict)
    acids: dict[str, float | None] = field(default_factory=dict)
    is_open: bool = False


def substance_of(name: str, known: Mapping[str, str] = MappingProxyType({})) -> Substance | None:
    """Return what the name of a solid means.

    Args:
        name: without its unit.
        known: quantities by their names in small letters, beside those of this module.

    Returns:
        The substance; None where a word of the name is not known.

    >>> found = substance_of("L-Asparagine x 1 H2O", {"asparagine": "ASN"})
    >>> found.quantity, round(found.molar_mass, 2)
    ('ASN', 150.13)
    >>> substance_of("ammonium sulfate").per_mole, substance_of("Dextrose hydrate").molar_mass
    (2.0, 0.0)
    """
    names = {word: quantity for word, quantity in known.items() if quantity in MOLAR_MASS} | _NAMES
    # the German name has no e, Lysin, and the name of a salt another end, lysinate
    names |= {word[:-1] + end: quantity for word, quantity in names.items() if word.endswith("ine")
              for end in ("", "ate", "at") if word[:-1] + end not in names}  # fmt: skip
    tokens = _tokens(name, frozenset(names))
    read = None if tokens is None else _read(tokens, names)
    return None if read is None else _substance(read)


def other_substance(name: str) -> str:
    """Return the ordinary substance of fermentations that a name means, beside the solutes of media.

    Args:
        name: of a quantity.

    Returns:
        Its name in this module; "" where it is none of them.

    >>> other_substance("EtOH"), other_substance("D-Xylose"), other_substance("acetic acid"), other_substance("biomass")
    ('ethanol', 'xylose', 'acetate', '')
    """
    words = re.sub(r"^[dl]-|\bacid\b", "", name.strip().lower())
    return _OTHER.get(re.sub(r"[^a-z0-9]", "", words), "")


def other_mass(name: str) -> float:
    """Return the molar mass of an ordinary substance of fermentations.

    Args:
        name: of a quantity.

    Returns:
        [g/mol]; 0 where it is none of them.

    >>> other_mass("EtOH"), other_mass("biomass")
    (46.069, 0.0)
    """
    return _MASSES.get(other_substance(name), 0.0)


def other_substance_of(name: str) -> Substance | None:
    """Return what the name of a solid or a liquid means that is an ordinary substance of fermentations.

    Args:
        name: without its unit.

    Returns:
        The substance by its name in this module; None where a word of the name is not known.

    >>> found = other_substance_of("Sodium acetate trihydrate")
    >>> found.quantity, round(found.molar_mass, 2)
    ('acetate', 136.08)
    """
    tokens = _tokens(name, frozenset(_OTHER))
    read = None if tokens is None else _read(tokens, _OTHER)
    return None if read is None else _substance(read)


def _tokens(name: str, names: frozenset[str]) -> list[str] | None:
    """Return the parts of a name; None where a part is none of the grammar."""
    text = unicodedata.normalize("NFKD", name).lower()  # a subscript becomes a digit, and ä an a with its points
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _SPELT.get(text.strip(), text)
    if len(text) > _LONGEST:
        return None
    text = re.sub(r"(\d{1,3})\s?[/\u2044]\s?(\d{1,3})",
                  lambda part: f"{int(part[1]) / (int(part[2]) or 1):g}", text)  # fmt: skip
    text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    text = re.sub(r"\.(?!\d)|(?<!\d)\.", " ", text)
    if re.search(r"[^\x00-\x7f]", re.sub(_MARKS, " ", text)):
        return None
    found: list[str] = []
    for chunk in re.findall(r"[a-z0-9.]+", text):
        parts = _parts(chunk, names)
        if parts is None:
            return None
        found += parts
    return found


@functools.lru_cache(maxsize=4096)
def _parts(chunk: str, names: frozenset[str]) -> list[str] | None:
    """Return the words and numbers that a chunk is made of, the longest first; None if it is not made of them."""
    words = {*names, *_WATER, *_NUMBERS, *_UNKNOWN_NUMBER, *_ACID, *_METAL, *_TWICE, *_DRY, *_MORE}
    longest = max(map(len, words))
    rests: dict[int, list[str] | None] = {len(chunk): []}  # by where a rest begins
    for at in reversed(range(len(chunk))):
        rests[at] = None
        number = re.match(r"\d{1,3}(\.\d{1,3})?(?![\d.])", chunk[at:])
        ends = [at + len(number[0])] if number and not chunk[:at][-1:].isdigit() else []
        ends += [end for end in range(min(at + longest, len(chunk)), at, -1) if chunk[at:end] in words]
        for end in ends:
            rest = rests.get(end)
            if rest is not None:
                rests[at] = [chunk[at:end], *rest]
                break
    return rests[0]


def _read(tokens: list[str], names: Mapping[str, str]) -> _Read | None:
    """Return the parts of a name from its tokens; None if they are no name of a solid."""
    read, number = _Read(), ""  # a number waits for what it counts
    for token in tokens:
        if token in _NUMBERS or token[0].isdigit() or (token in _UNKNOWN_NUMBER and not number):
            if number not in ("", *_UNKNOWN_NUMBER):
                return None
            number = token
            continue
        if token in _UNKNOWN_NUMBER:
            return None
        count = None if not number else 0.0 if number in _UNKNOWN_NUMBER else _NUMBERS.get(number) or float(number)
        if token in _MORE or token in _DRY:
            if number:
                return None
            continue
        number = ""
        if count == 0.0:
            read.is_open = True
        if token in names:
            if read.quantity not in ("", names[token]) or count == 0.0:
                return None
            read.quantity, read.bases = names[token], count or read.bases
            read.is_ammonium |= token in _AMMONIUM
        elif token in _WATER:
            count = 1.0 if count is None and token not in _SOME_WATER else count
            read.is_open |= not count or read.water not in (0.0, count)
            read.water = count or 0.0
        else:
            count = 2.0 if token in _TWICE else count
            known = (read.acids.setdefault(_ACID[token], count) if token in _ACID
                     else read.metals.setdefault(_TWICE.get(token) or _METAL[token], count))  # fmt: skip
            read.is_open |= known != count
    partners = read.metals or read.acids or read.water or read.is_open
    # two glycines are a peptide, and a sugar with phosphate or an acid with another is no salt
    bound = [acid for acid in read.acids if not _SITES.get(read.quantity, 1) or acid == "H3PO4"]
    if number or not read.quantity or (read.bases and not partners) or (bound and read.quantity != "NH3"):
        return None
    return read


def _substance(read: _Read) -> Substance:
    """Return a substance from the parts of its name."""
    own = _MASSES[read.quantity]
    if not (read.metals or read.acids or read.water or read.is_open):
        return Substance(read.quantity, own + (ATOMIC_MASS["H"] if read.is_ammonium else 0.0), 1.0, True)
    several = any(charge > 1 for _, charge in read.metals) or {"H2SO4", "H3PO4"} & set(read.acids)
    unclear = Substance(read.quantity, 0.0, 0.0 if several else 1.0, False)
    bases = read.bases or 1.0
    if read.is_open or len(read.metals) + len(read.acids) > 1:
        return unclear
    partner = 0.0
    for (metal, charge), count in read.metals.items():
        protons = _PROTONS.get(read.quantity, 1)
        if count is None and protons > 1 and (charge > 1 or read.quantity not in _SALT_OF_ONE):
            return unclear
        count = count or 1.0
        bases = read.bases or (charge * count if protons == 1 and charge > 1 and count >= 1.0 else 1.0)
        if count * charge > bases * protons:
            return unclear
        partner = count * (ATOMIC_MASS[metal] - charge * ATOMIC_MASS["H"])
    for acid, count in read.acids.items():
        if count is None and read.bases is None and acid == "H2SO4" and read.quantity == "NH3":
            bases = 2.0
        elif count is None and read.bases is None and acid not in _ACID_OF_ONE:
            return unclear
        count = count or 1.0
        if count > bases * _SITES.get(read.quantity, 1):
            return unclear
        partner = count * _mass(acid)
    molar_mass = own + (partner + read.water * _mass("H2O")) / bases
    return Substance(read.quantity, molar_mass, bases, False)


def _mass(formula: str) -> float:
    return sum(count * ATOMIC_MASS[element] for element, count in atoms_in(formula).items())
