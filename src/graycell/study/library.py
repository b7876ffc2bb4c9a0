"""Names and rate laws of a model of the library, read from its definition: enough to check a study without building it.

Building a model prepares its flux projection, which takes seconds; its definition takes milliseconds. A test compares
both for every model of the library.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from graycell.cell.building import liquid_species, network_of
from graycell.cell.network import MetabolicNetwork, parse_equation
from graycell.cell.rates import Between, Constant, Product, Quotient, Rate, RateLaw, Sum
from graycell.formulas import Formula
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
        table: the parameters.
        laws: the known rate law of each reaction that has one.
    """

    network: MetabolicNetwork
    learnable: tuple[str, ...]
    species: tuple[str, ...]
    inputs: tuple[str, ...]
    table: ParameterTable
    laws: Mapping[str, RateLaw]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return self.table.names

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
        constant, waiting, met = (Rate, Constant, Between, Product, Quotient, Sum), [reaction], set()
        while waiting:
            name = waiting.pop()
            met.add(name)
            for part in _parts(self.laws[name]) if name in self.laws else ():
                if isinstance(part, Formula):
                    if any(one in self.inputs for one in part.names):
                        return True
                    waiting += [one for one in part.names if one not in met]
                elif not isinstance(part, constant):
                    return True
        return False


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
    if name not in DEFINITIONS:
        return _names_of(definition_of(read_model_file(name)))  # a file may change
    return _of_library(name)


@functools.cache
def _of_library(name: str) -> LibraryModel:
    return _names_of(DEFINITIONS[name]())


def _names_of(definition: Mapping[str, Any]) -> LibraryModel:
    network = network_of(definition.get("network")) or MetabolicNetwork.from_reactions([])
    columns = {reaction: parse_equation(equation) for reaction, equation in definition.get("reactions", {}).items()}
    species, _ = liquid_species(network, definition.get("gases", ()), columns, definition.get("species", {}))
    inputs = (*species, *definition.get("variables", {}), *definition.get("inputs", {}))
    table = ParameterTable.of(definition["parameters"])
    laws = {**definition.get("definitions", {}), **definition["rates"]}
    learnable = (*network.names, *columns, *definition.get("definitions", {}))
    return LibraryModel(network, learnable, species, inputs, table, laws)


def _parts(law: RateLaw) -> Iterator[RateLaw]:
    """Yield a rate law and all laws inside it."""
    yield law
    for field in fields(law):
        value = getattr(law, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, RateLaw):
                yield from _parts(part)
