"""Formula: a rate law, a definition or an observable that is written as text."""

import equinox as eqx
import jax.numpy as jnp

from graycell.cell.conditions import Conditions
from graycell.cell.rates import RateLaw, Scalar
from graycell.formulas.parsing import parse
from graycell.formulas.tree import names_in
from graycell.formulas.values import value_of


class Formula(RateLaw):
    """A law from its text, in the infix syntax of SBML Level 3 with the functions of culture kinetics.

    A name is that of a species, a variable, an input, a parameter, a definition or a reaction. The name of a reaction
    is its rate; in observables and loops, its flux. Concentrations have no floor: a power with a broken exponent counts
    a base below 0 as 0.

    Attributes:
        text: the formula.
        factors: what a named number is multiplied by before it enters the formula [1]: 24 for a rate in 1/h, so that
            units differ from the coherent ones outside of the formula alone.
        scale: what the value is multiplied by [1].

    >>> at = Conditions({"GLC": jnp.array(3.0)}, parameters={"K": jnp.array(1.0)})
    >>> print(Formula("2 * monod(GLC, K)")(at))
    1.5
    """

    text: str
    factors: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())
    scale: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        parse(self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the formula."""
        return names_in(parse(self.text))

    def __call__(self, at: Conditions) -> Scalar:
        factors = dict(self.factors)

        def look_up(name: str) -> Scalar:
            value = at.value(name)
            return factors[name] * value if name in factors else value

        value = jnp.asarray(value_of(parse(self.text), look_up, jnp), jnp.float64)
        return value if self.scale == 1.0 else self.scale * value
