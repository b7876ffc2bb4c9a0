"""How people name the columns of their files: the unit that a heading states, and the quantity that it means.

The words are English, and the most common German ones. `quantity_of` serves drafts and lists of media, where a person
checks what was recognised; a mapping itself names its columns word by word.
"""

import functools
import re
from collections.abc import Collection
from dataclasses import replace

from graycell.imports.substances import Substance, other_substance, other_substance_of, substance_of
from graycell.names import AMINO_ACIDS, SOLUTES
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.units import CONCENTRATION, DIMENSIONLESS, MASS_CONCENTRATION, converts, is_readable

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_CELLS = r"(?:viable |total |living )?(?:cells?|zellen|lebendzellen|v\.?c\.?|tc)(?![a-z])"
_IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
_AT_THE_END = re.compile(
    r"[_ ](g/?L|mg/?L|mg/?dL|g/?dL|ug/?mL|mg/?mL|mM|uM|mmol/?L|h|hr|hrs|hours|d|days|min|mL|L|pct|percent|%)\s*$",
    re.IGNORECASE,
)
_AFTER_COMMA = re.compile(r",\s*([^,()\[\]]+?)\s*$")
_SPELT = {"gl": "g/L", "mgl": "mg/L", "mgdl": "mg/dL", "gdl": "g/dL", "ugml": "ug/mL", "mgml": "mg/mL",
          "mmoll": "mmol/L", "hours": "h", "hrs": "h", "hr": "h", "days": "d", "day": "d", "hour": "h", "pct": "%",
          "percent": "%", "mm": "mM", "um": "uM", "h:mm": "h", "hh:mm": "h", "hh:mm:ss": "h", "% vv": "%",
          "%vv": "%", "vol%": "%", "vol.-%": "%", "vol.%": "%"}  # fmt: skip
_DRY = re.compile(r"g ?\(?([dc]?cw|cdw|dw|dm|ds|dcm|btm|bts)\)? ?(/|\u00b7|\*)? ?l(\^?-1)?", re.IGNORECASE)
"""Grams of dry cells per litre."""
_POWER_BEHIND = re.compile(r"(?P<unit>[^\d]+?/ ?[mu]?l) ?[x*\u00d7] ?(?P<power>10\^\d{1,2}|1?e\d{1,2})", re.IGNORECASE)
_OF_SATURATION = re.compile(r"% ?(of )?(air|o2|do|d\.o\.|a\.?s\.?|sat)\.?([ -]?(sat\.?|saturation))?", re.IGNORECASE)
_OSMOLALITY = re.compile(r"(?P<milli>m)?os(m|mol|mole|moles)[ */](?P<of>kg|l)([- ]?(h2o|water|wasser))?", re.IGNORECASE)
_CALLED = {
    VCD: "vcd viablecells viablecelldensity viablecellconcentration viablecellconc viablecellcount viabledensity xv "
    "livecells livecelldensity livecellconcentration totalvcd xviable vcc viablecellsml totalviablecellsml "
    "lebendzellzahl lebendzelldichte lebendzellkonzentration",
    TCD: "tcd totalcells totalcelldensity totalcellconcentration totalcellcount tcc xt totaldensity gesamtzellzahl "
    "gesamtzelldichte",
    VIABILITY: "vitalitt vitalitat viabilitt viabilitat viability viab via percentviable viable percentviability",
    **SOLUTES,
}  # fmt: skip
_QUANTITY = {word: quantity for quantity, words in _CALLED.items() for word in words.split()}
_SHOWN = {
    "pH": ("ph", "phoffline", "phonline", "phvalue", "phwert"),
    "osmolality": ("osmolality", "osmo", "osm", "osmolarity", "osmolalitt", "osmolalitat", "osmolaritt"),
    "DO": ("do", "po2", "pdo", "do2", "dissolvedoxygen", "dot"), "pCO2": ("pco2", "co2", "dissolvedco2"),
    "biomass": ("biomass", "drybiomass", "dcw", "cdw", "dryweight", "drycellweight", "celldryweight", "btm", "bts"),
}  # fmt: skip
_CELLS_OF_ANY_KIND = ("x", "cells", "cell", "celldensity", "cellconcentration", "cellcount", "cellconc", "cellnumber",
                      "zellzahl", "zelldichte", "zellkonzentration", "density", "count")  # fmt: skip
_DOUBTS = {
    "met": "MET for methionine, or MeOH for methanol?", "glu": "GLU for glutamate, or GLC for glucose?",
    "gly": "GLY for glycine, or glycerol?", "pro": "PRO for proline, or ANTI for the product?",
}  # fmt: skip
"""What a short word may mean; beside other amino acids it is one of them."""
_DURATION = re.compile(r"(\d{1,5}):([0-5]\d)(?::([0-5]\d))?")
_NAMED_TIME = re.compile(r"(?P<before>[A-Za-z]{0,7})[ _]?(?P<number>[+-]?[0-9.,]+) ?(?P<after>[A-Za-z]{0,7})")
"""A number with a word before or after it. The day ``D-3`` is before the start, and not day 3."""
_TIME_WORDS = {"d": ("d", "day", "days", "cultureday", "tag", "tage"),
               "h": ("h", "hr", "hrs", "hour", "hours", "std", "stunden"),
               "min": ("min", "mins", "minute", "minutes")}  # fmt: skip
_ROLES = {
    "time": "time day days hour hours hrs culturetime cultureday elapsedtime elapsed duration processtime age "
    "cultureage date datetime timestamp sampletime samplingtime timepoint t sampledate samplingdate sampledatetime "
    "dateandtime datetimeofsample clock clocktime timeofday zeit tag tage stunden datum uhrzeit",
    "run": "run runid runname batch batchid reactor vessel vesselid bioreactor bioreactorid experiment experimentid "
    "experimentname flask culture cultureid id replicate condition cellline name ansatz charge reaktor",
    "volume": "volume vol workingvolume culturevolume reactorvolume initialvolume startvolume volumen startvolumen "
    "arbeitsvolumen",
    "sample": "samplevolume sample samplevol draw drawn removed sampled volumesampled probenvolumen probe entnahme",
    "temperature": "temperature temp temperatur",
}
_ROLE = {word: role for role, words in _ROLES.items() for word in words.split()}
_CLOCK = re.compile(r"h{1,2}:mm(:ss)?", re.IGNORECASE)
_FED = re.compile(
    r"feed|pump(?! ?speed)|fed|bolus|added|addition|supplement|base|ftterung|fütterung|zugabe|zulauf", re.IGNORECASE
)


def words_of(text: str) -> str:
    """Return text with single spaces, as mappings name headings.

    Args:
        text: a heading or a cell.

    Returns:
        The text without spaces at its ends.

    >>> words_of("  Day  (d) ")
    'Day (d)'
    """
    return " ".join(text.split())


def unit_of_heading(heading: str) -> str:
    """Return the unit that a heading of somebody's file states.

    Args:
        heading: of a column.

    Returns:
        The unit, "" if there is none.

    >>> unit_of_heading("Viable Cell Concentration (10^6 cells/mL)"), unit_of_heading("Glc_gL"), unit_of_heading("ID")
    ('10^6 cells/mL', 'g/L', '')
    """
    match = _IN_BRACKETS.search(heading) or _AT_THE_END.search(heading) or _after_comma(heading)
    if match and match[1] in ("C", "Celsius") and "temp" in heading.lower():  # pint takes C for coulombs
        return "\u00b0C"
    return plain_unit(match[1]) if match else ""


def _after_comma(heading: str) -> re.Match[str] | None:
    """Return the unit at the end of a heading such as "VCD, 1e6 cells/mL"; a word such as anhydrous is none."""
    match = _AFTER_COMMA.search(heading)
    is_unit = match is not None and re.search(r"[/%\d]|^(h|d|min|mL|L|mM|uM|g|kg|rpm)$", match[1]) is not None
    return match if match is not None and is_unit and is_readable(plain_unit(match[1])) else None


@functools.lru_cache(maxsize=4096)
def plain_unit(unit: str) -> str:
    """Return a unit in the letters of `graycell.units`.

    Args:
        unit: as people write it.

    Returns:
        The unit; as it was, if it is none.

    >>> plain_unit("10⁶ VC·mL⁻¹"), plain_unit("E6/mL"), plain_unit("Mio. Zellen/mL"), plain_unit("g L-1")
    ('10^6 cells/mL', '1e6/mL', '1e6 cells/mL', 'g/L')
    """
    unit = " ".join(unit.split())
    if unit.lower().replace("/", "") in _SPELT:
        return _SPELT[unit.lower().replace("/", "")]
    if _OF_SATURATION.fullmatch(unit):
        return "%"
    if _DRY.fullmatch(unit):
        return "g/L"
    behind = _POWER_BEHIND.fullmatch(unit)
    if behind:
        return plain_unit(f"{behind['power']} {behind['unit']}")
    osmolality = _OSMOLALITY.fullmatch(unit)
    if osmolality:
        return f"{'m' if osmolality['milli'] else ''}Osm/{'L' if osmolality['of'].lower() == 'l' else 'kg'}"
    plain = re.sub("10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", r"10^\1", unit).translate(_SUPERSCRIPTS)
    plain = re.sub(r"[º˚]\s?C\b|\bdeg\.? C\b|°\sC\b", "°C", plain)
    plain = re.sub(r"\s*[·∙⋅*. ]\s*(mL|L|h|d|min|kg)\^?-1\b", r"/\1", plain, flags=re.IGNORECASE)
    plain = re.sub("[\u00d7\u2219\u00b7\u22c5]", "x", plain)
    plain = re.sub(r"(?<=\d) ?x ?(?=10\^|10[eE]|1[eE])", "*", re.sub(r"^x ?", "", plain))
    plain = re.sub(r"^1\*(?=10\^|1e)", "", re.sub(r"^[eE](?=\d)", "1e", re.sub(r"^1[eE]\+?0*(?=\d)", "1e", plain)))
    plain = re.sub(r"^(mio|mill?ion(en|s)?|mln)\b\.?", "1e6", plain, flags=re.IGNORECASE)
    plain = re.sub(rf"^M ?(?={_CELLS}|cells)", "1e6 ", plain)
    return re.sub(_CELLS, "cells", plain, flags=re.IGNORECASE)


def is_doubtful(unit: str) -> bool:
    """Return whether a unit is one that people write for another: 10e6 is ten million, and most mean 10^6.

    Args:
        unit: that a file states.

    Returns:
        Whether it is.

    >>> is_doubtful("x10e6 cells/mL"), is_doubtful("1e6 cells/mL")
    (True, False)
    """
    return re.search(r"(?<!\d)10[eE]\+?\d", unit) is not None


def is_word_for_unit(cell: str) -> bool:
    """Return whether a cell heads units and is none itself, such as "Unit" in a transposed table.

    Args:
        cell: of a row of units.

    Returns:
        Whether it does.
    """
    return cell.strip().lower() in ("unit", "units", "einheit", "einheiten")


def time_unit(word: str) -> str:
    """Return the unit of time that a word means.

    Args:
        word: in small letters.

    Returns:
        The unit, "" if it is none.
    """
    return next((unit for unit, words in _TIME_WORDS.items() if word in words), "")


def named_time(cell: str) -> tuple[str | float, str] | None:
    """Return the number of a time and the unit that its cell names.

    Args:
        cell: of a column of times.

    Returns:
        The number, as digits or computed from a clock, and its unit; None if the cell names no unit.

    >>> named_time("D3"), named_time("Day 3"), named_time("72,5 h"), named_time("26:30"), named_time("3")
    (('3', 'd'), ('3', 'd'), ('72,5', 'h'), (26.5, 'h'), None)
    """
    clock = _DURATION.fullmatch(cell)
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours + minutes / 60.0 + seconds / 3600.0, "h"
    match = _NAMED_TIME.fullmatch(cell)
    if match is None or bool(match["before"]) == bool(match["after"]):
        return None
    unit = time_unit((match["before"] or match["after"]).lower())
    return (match["number"], unit) if unit else None


def bare(heading: str) -> str:
    """Return a heading without its unit.

    Args:
        heading: of a column.

    Returns:
        The rest of the heading.

    >>> bare("Glc_gL"), bare("Viability [%]")
    ('Glc', 'Viability')
    """
    comma = None if _IN_BRACKETS.search(heading) or _AT_THE_END.search(heading) else _after_comma(heading)
    without = _IN_BRACKETS.sub("", heading) if _IN_BRACKETS.search(heading) else _AT_THE_END.sub("", heading)
    without = heading[: comma.start()] if comma else without
    return without.strip(" ,") or heading.strip()


def quantity_of(heading: str) -> str:
    """Return the quantity that a heading means.

    Args:
        heading: of a column.

    Returns:
        The name of the quantity, "" if it is not known.

    >>> quantity_of("Viable Cell Concentration (10^6 cells/mL)"), quantity_of("Glc_gL"), quantity_of("pH")
    ('VCD', 'GLC', '')
    """
    substance = substance_in(heading)
    found = _QUANTITY.get(_word(heading)) or (substance.quantity if substance else "")
    return VCD if found == VIABILITY and "cell" in unit_of_heading(heading) else found


@functools.lru_cache(maxsize=4096)
def substance_in(heading: str) -> Substance | None:
    """Return the substance that a heading names, with its counter-ions and its water.

    Args:
        heading: of a column or a row.

    Returns:
        The substance, None if it names none.

    >>> round(substance_in("L-Lysine (HCl) [g/L]").molar_mass, 2), substance_in("L-Lysine sulfate (g/L)").molar_mass
    (182.65, 0.0)
    """
    name = heading if _has_form(heading) else bare(heading)
    return substance_of(name.split(":")[-1], _QUANTITY)


def substance_for(heading: str, quantity: str) -> Substance | None:
    """Return the substance that the heading of a measured quantity names, also one of fermentations such as ethanol.

    Args:
        heading: of the column.
        quantity: what the mapping calls it, such as EtOH.

    Returns:
        The substance; None where the heading names none, or another one than the quantity.

    >>> round(substance_for("Sodium acetate (g/L)", "ACE").molar_mass, 2), substance_for("Ethanol (g/L)", "ACE")
    (82.03, None)
    """
    found = substance_in(heading)
    other = other_substance(quantity)
    if found is not None or not other:
        return found
    name = heading if _has_form(heading) else bare(heading)
    named = other_substance_of(name.split(":")[-1])
    return None if named is None or named.quantity != other else replace(named, quantity=quantity)


def _has_form(heading: str) -> bool:
    """Return whether the brackets at the end of a heading hold a form, such as (monohydrate), and no unit."""
    unit = unit_of_heading(heading)
    return _IN_BRACKETS.search(heading) is not None and not any(
        converts(unit, of) for of in (CONCENTRATION, MASS_CONCENTRATION, "g", "mol", DIMENSIONLESS))  # fmt: skip


def other_quantity_of(heading: str) -> str:
    """Return what a heading means that is no quantity of `quantity_of`: what else is measured in cultures.

    Args:
        heading: of a column.

    Returns:
        A name for it, "" if it is not known.

    >>> [other_quantity_of(heading) for heading in ("EtOH_gL", "pH", "Osmo (mOsm/kg)", "DCW (g/L)", "Remark")]
    ['ethanol', 'pH', 'osmolality', 'biomass', '']
    """
    word = _word(heading)
    in_brackets = _IN_BRACKETS.search(heading)
    if in_brackets and _DRY.fullmatch(in_brackets[1].strip()):
        return "biomass"
    return other_substance(bare(heading)) or next((name for name, words in _SHOWN.items() if word in words), "")


def doubts_about(heading: str, unit: str, known: Collection[str]) -> str:
    """Return what a person has to say about a heading that may mean two things.

    Args:
        heading: of a column.
        unit: of the column, "" if it states none.
        known: the quantities of all columns; beside other amino acids Met is methionine.

    Returns:
        The question, "" if there is no doubt.

    >>> doubts_about("Met (mM)", "mM", ["MET", "GLC"])
    'MET for methionine, or MeOH for methanol?'
    >>> doubts_about("Met (mM)", "mM", ["MET", "ASN"]), doubts_about("Glu (g/L)", "g/L", ["GLU", "GLC"])
    ('', '')
    """
    word, quantity = _word(heading), quantity_of(heading)
    is_count = "cell" in unit or converts(unit, "1e6/mL") or (not unit and word.startswith(("cell", "zell")))
    if word in _CELLS_OF_ANY_KIND and VCD not in known and is_count:
        return "VCD if viable cells are counted, TCD if dead ones are too"
    if word not in _DOUBTS or (AMINO_ACIDS & set(known)) - {quantity} - ({"GLN"} if word == "glu" else set()):
        return ""
    return "" if word == "glu" and "GLC" in known else _DOUBTS[word]


def role_of(heading: str) -> str:
    """Return what a column is if it is no quantity.

    Args:
        heading: of a column.

    Returns:
        "time", "run", "volume", "sample", "temperature" or "feed"; "" if that is not known.

    >>> role_of("Time (h)"), role_of("Sample Volume (mL)"), role_of("Feed A [mL]")
    ('time', 'sample', 'feed')
    """
    word = "clock" if _CLOCK.fullmatch(heading.strip()) else _word(heading)
    if word in _ROLE:
        return _ROLE[word]
    return "feed" if _FED.search(heading) and not quantity_of(heading) else ""


def _word(heading: str) -> str:
    """Return the letters and digits of a heading without its unit and a prefix such as ``X:``."""
    return re.sub(r"[^a-z0-9]", "", bare(heading).lower().split(":")[-1])
