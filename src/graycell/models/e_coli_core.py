"""The core network of E. coli: 75 reactions inside, 20 species outside, and the biomass that they make.

Source: J. D. Orth, R. M. T. Fleming, B. O. Palsson, "Reconstruction and use of microbial metabolic networks: the core
Escherichia coli metabolic model as an educational guide", EcoSal Plus 2010; reactions and bounds as in the BiGG model
e_coli_core, without its exchange reactions, because the reactor exchanges with the cell here.
"""

import csv
from importlib import resources

from graycell.cell.network import MetabolicNetwork, Reaction

BIOMASS_REACTION = "Biomass_Ecoli_core"
"""Growth, in gDW: it makes the species BIOM_ext, 1 gDW for a rate of 1/h."""
_NO_BOUND = 1000.0
"""[mmol/gDW/h] The bound of the source that stands for none."""


def e_coli_core_network() -> MetabolicNetwork:
    """Return the core network of E. coli, in mmol/gDW/h.

    Species that end in ``_ext`` are in the medium. The source's requirement of 8.39 mmol/gDW/h ATP for maintenance is
    the lower bound of ATPM.

    Returns:
        The network, with the bounds of the source apart from those that stand for none.

    >>> e_coli_core_network()
    MetabolicNetwork(75 reactions, 73 species)
    """
    path = resources.files("graycell.models") / "tables" / "e_coli_core_reactions.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    grown = {BIOMASS_REACTION: " + BIOM_ext"}
    network = MetabolicNetwork.from_reactions(
        [Reaction(row["reaction"], row["equation"] + grown.get(row["reaction"], ""), row["label"]) for row in rows]
    )
    for row in rows:
        low, high = float(row["lower"]), float(row["upper"])
        low, high = (-float("inf") if low <= -_NO_BOUND else low), (float("inf") if high >= _NO_BOUND else high)
        network = network.with_bounds(row["reaction"], low, high)
    return network
