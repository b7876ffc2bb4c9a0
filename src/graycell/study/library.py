"""Names and rate laws of a model of the library, read from its tables: enough to check a study without building it.

Building a model prepares its flux projection, which takes seconds; these tables take milliseconds. A test compares both
for every model of the library.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork
from graycell.cell.rates import Between, Constant, Product, Quotient, Rate, RateLaw, Sum
from graycell.models.nolan_lee import MAINTENANCE, SHIFT, parameter_table, published_network, rate_laws
from graycell.runs.records import REDOX, TEMPERATURE, VIABILITY

_VARIANTS = {
    "nolan-lee": (False, False),
    "nolan-lee-limited": (False, True),
    "nolan-lee-extended": (True, False),
    "nolan-lee-extended-limited": (True, True),
}
"""For each model of the library: whether it has the ATP maintenance reaction, and a limit of uptake."""
_GASES = ("O2", "CO2")
"""External species that the gas phase holds: they have no balance in the liquid."""


@dataclass(frozen=True)
class LibraryModel:
    """What a study may name in a model of the library.

    Attributes:
        network: the reactions.
        species: in the liquid, without the suffix ``_ext``.
        parameters: names of all parameters.
        laws: the known rate law of each reaction that has one.
    """

    network: MetabolicNetwork
    species: tuple[str, ...]
    parameters: tuple[str, ...]
    laws: Mapping[str, RateLaw]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a network may see, beside ``feed`` and a species."""
        return (*self.species, REDOX, SHIFT, TEMPERATURE, VIABILITY)

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
        """Return whether the known rate law of a reaction depends on anything but the temperature.

        Args:
            reaction: any; one without a known law depends on nothing.

        Returns:
            Whether it does.
        """
        constant = (Rate, Constant, Between, Product, Quotient, Sum)
        return reaction in self.laws and not all(isinstance(part, constant) for part in _parts(self.laws[reaction]))


@functools.cache
def library_model(name: str) -> LibraryModel:
    """Return what a study may name in a model of the library.

    Args:
        name: of the model, one of `models.MODELS`.

    Returns:
        Its names and rate laws.

    >>> found = library_model("nolan-lee-extended")
    >>> len(found.network.names), found.network.names[-1], found.species[:2]
    (35, 'v35', ('BIOM', 'ANTI'))
    """
    extended, limited = _VARIANTS[name]
    network, laws = published_network(), dict(rate_laws(width=0.05))
    if extended:
        network = network.with_reactions([MAINTENANCE])
        laws[MAINTENANCE.name] = Between(Rate("maintenance_warm"), Rate("maintenance_cold"))
    outside = (species.removesuffix(EXTERNAL_SUFFIX) for species in network.external)
    return LibraryModel(
        network,
        tuple(species for species in outside if species not in _GASES),
        tuple(parameter_table(extended=extended, limited=limited).names),
        laws,
    )


def _parts(law: RateLaw) -> Iterator[RateLaw]:
    """Yield a rate law and all laws inside it."""
    yield law
    for field in fields(law):
        value = getattr(law, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, RateLaw):
                yield from _parts(part)
