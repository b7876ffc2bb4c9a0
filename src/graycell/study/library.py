"""Names and rate laws of a model of the library, read from its definition: enough to check a study without building it.

Building a model prepares its flux projection, which takes seconds; its definition takes milliseconds. A test compares
both for every model of the library.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from graycell.cell.building import liquid_species, network_of
from graycell.cell.network import MetabolicNetwork, parse_equation
from graycell.cell.rates import Between, Constant, Product, Quotient, Rate, RateLaw, Sum
from graycell.modelfiles import definition_of, read_model_file
from graycell.models.catalogue import DEFINITIONS
from graycell.parameters import ParameterTable


@dataclass(frozen=True)
class LibraryModel:
    """What a study may name in a model of the library.

    Attributes:
        network: the reactions inside the cell.
        learnable: names of what may have a learned law: all reactions, and definitions.
        species: in the liquid, without the suffix ``_ext``.
        inputs: what a neural network may see, beside ``feed`` and a species: species, variables and inputs.
        parameters: names of all parameters.
        laws: the known rate law of each reaction that has one.
    """

    network: MetabolicNetwork
    learnable: tuple[str, ...]
    species: tuple[str, ...]
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    laws: Mapping[str, RateLaw]

    def factors(self, reaction: str, kind: str) -> int:
        """Return how many factors of a kind the known law of a reaction has.

        Args:
            reaction: with a known law.
            kind: name of a rate law in any case, such as ``inhibition``.

        Returns:
            Their number [1].
        """
        return sum(type(part).__name__.lower() == kind.lower() for part in _parts(self.laws[reaction]))

    def depends_on_state(self, reaction: str) -> bool:
        """Return whether the known rate law of a reaction depends on anything but the temperature shift.

        Args:
            reaction: any; one without a known law depends on nothing.

        Returns:
            Whether it does.
        """
        constant = (Rate, Constant, Between, Product, Quotient, Sum)
        return reaction in self.laws and not all(isinstance(part, constant) for part in _parts(self.laws[reaction]))


@functools.cache
def library_model(name: str) -> LibraryModel:
    """Return what a study may name in a model of the library, or of a model file.

    Args:
        name: of the model, one of `models.MODELS`, or the path of a model file.

    Returns:
        Its names and rate laws.

    >>> found = library_model("nolan-lee-extended")
    >>> len(found.network.names), found.network.names[-1], found.species[:2]
    (35, 'v35', ('BIOM', 'ANTI'))
    """
    definition = DEFINITIONS[name]() if name in DEFINITIONS else definition_of(read_model_file(name))
    network = network_of(definition.get("network")) or MetabolicNetwork.from_reactions([])
    columns = {reaction: parse_equation(equation) for reaction, equation in definition.get("reactions", {}).items()}
    species, _ = liquid_species(network, definition.get("gases", ()), columns, definition.get("species", {}))
    inputs = (*species, *definition.get("variables", {}), *definition.get("inputs", {}))
    parameters = tuple(ParameterTable.of(definition["parameters"]).names)
    laws = {**definition.get("definitions", {}), **definition["rates"]}
    learnable = (*network.names, *columns, *definition.get("definitions", {}))
    return LibraryModel(network, learnable, species, inputs, parameters, laws)


def _parts(law: RateLaw) -> Iterator[RateLaw]:
    """Yield a rate law and all laws inside it."""
    yield law
    for field in fields(law):
        value = getattr(law, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, RateLaw):
                yield from _parts(part)
