"""The solutes of media: formulas, atoms, molar masses, and which of them CHO cells do not make.

Names are those of the species of the library. Source of the atomic masses: IUPAC, abridged standard atomic weights
(2021).
"""

import re

from graycell.errors import ModelError

_LONGEST_FORMULA = 100
"""Characters of a chemical formula."""
ATOMIC_MASS = {"C": 12.011, "H": 1.0080, "N": 14.007, "O": 15.999, "S": 32.06, "Na": 22.990, "Mg": 24.305, "P": 30.974,
               "Cl": 35.45, "K": 39.098, "Ca": 40.078}  # fmt: skip
"""[g/mol]"""
FORMULAS = {
    "GLC": "C6H12O6", "LAC": "C3H6O3", "NH3": "NH3", "ALA": "C3H7NO2", "ARG": "C6H14N4O2", "ASN": "C4H8N2O3",
    "ASP": "C4H7NO4", "CYS": "C3H7NO2S", "CYSTINE": "C6H12N2O4S2", "GLN": "C5H10N2O3", "GLU": "C5H9NO4",
    "GLY": "C2H5NO2", "HIS": "C6H9N3O2", "ILE": "C6H13NO2", "LEU": "C6H13NO2", "LYS": "C6H14N2O2", "MET": "C5H11NO2S",
    "PHE": "C9H11NO2", "PRO": "C5H9NO2", "SER": "C3H7NO3", "THR": "C4H9NO3", "TRP": "C11H12N2O2", "TYR": "C9H11NO3",
    "VAL": "C5H11NO2",
}  # fmt: skip
NOT_MADE = ("GLC", "HIS", "ILE", "LEU", "LYS", "MET", "PHE", "THR", "TRP", "VAL")
"""Solutes that CHO cells take up and do not make: glucose and the essential amino acids."""


def atoms_of(name: str) -> dict[str, int]:
    """Return how many atoms of each element a molecule has.

    Args:
        name: a key of `FORMULAS`.

    Returns:
        The numbers of atoms by element.

    >>> atoms_of("GLN")
    {'C': 5, 'H': 10, 'N': 2, 'O': 3}
    """
    return atoms_in(FORMULAS[name])


def atoms_in(formula: str) -> dict[str, int]:
    """Return how many atoms of each element a chemical formula has.

    Args:
        formula: elements with their numbers, without brackets.

    Returns:
        The numbers of atoms by element.

    Raises:
        ModelError: for text that is no such formula.

    >>> atoms_in("C6H12O6")
    {'C': 6, 'H': 12, 'O': 6}
    """
    if len(formula) > _LONGEST_FORMULA or not re.fullmatch(r"([A-Z][a-z]?\d{0,6})+", formula):
        raise ModelError(f"found '{formula}'; a chemical formula is needed; write it like C6H12O6.")
    found: dict[str, int] = {}
    for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
        found[element] = found.get(element, 0) + int(count or 1)
    return found


def molar_mass(formula: str) -> float | None:
    """Return the molar mass of a chemical formula.

    Args:
        formula: elements with their numbers.

    Returns:
        [g/mol]; None for a formula with an element whose mass is not in `ATOMIC_MASS`.

    Raises:
        ModelError: for text that is no formula.

    >>> molar_mass("C6H12O6")
    180.156
    """
    atoms = atoms_in(formula)
    if any(element not in ATOMIC_MASS for element in atoms):
        return None
    return sum(count * ATOMIC_MASS[element] for element, count in atoms.items())


MOLAR_MASS = {name: sum(count * ATOMIC_MASS[element] for element, count in atoms_of(name).items()) for name in FORMULAS}
"""[g/mol]"""
