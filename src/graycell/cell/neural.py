"""Laws that learn: small neural networks, and the rate laws that make rates of their outputs.

A network stands in the model by a name, apart from the laws, so one network may serve several of them and what is
learned stands in one place. `NeuralRate` is a law or a factor, so it composes: alone it is a black law, in a `Product` or
`Sum` with known laws a gray one. Sign and bound are kept by construction, also extrapolation of the data.
"""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.rates import Conditions, Output, RateLaw, Scalar

Form = Literal["positive", "any", "fraction"]


class Weights(NamedTuple):
    """What a network learns, each [1].

    hidden: (hidden, inputs), hidden_bias: (hidden,), output: (outputs, hidden), output_bias: (outputs,).
    """

    hidden: Float[Array, "hidden inputs"]
    hidden_bias: Float[Array, " hidden"]
    output: Float[Array, "outputs hidden"]
    output_bias: Float[Array, " outputs"]


PRIOR = Weights(hidden=1.0, hidden_bias=1.0, output=1.0, output_bias=3.0)  # type: ignore[arg-type]
"""Standard deviations [1] of the weights before any data, all around 0, where a correction is none. With inputs that
are scaled by their spread this lets a network bend a few times over the range of the data; the bias is wider, because
the size of a rate is known to a power of ten only."""


class MLP(eqx.Module):
    """A network of one hidden layer: output . tanh(hidden . z + hidden_bias) + output_bias, z = (seen - centre)/spread.

    inputs: names, see `Conditions.seen`; centre, spread: (inputs,) in the units of the inputs, taken from data;
    scale: (outputs,) what one unit of an output is, in the unit of its law; fade: (outputs,) [mmol/L] see `NeuralRate`.
    """

    inputs: tuple[str, ...] = eqx.field(static=True)
    centre: Float[Array, " inputs"]
    spread: Float[Array, " inputs"]
    scale: Float[Array, " outputs"]
    fade: Float[Array, " outputs"]
    weights: Weights

    def __call__(self, at: Conditions) -> Output:
        """Return the outputs at these conditions."""
        seen = jnp.stack([jnp.asarray(at.seen(name), jnp.float64) for name in self.inputs])
        w, z = self.weights, (seen - self.centre) / self.spread
        return Output(w.output @ jnp.tanh(w.hidden @ z + w.hidden_bias) + w.output_bias, self.scale, self.fade)


def drawn_weights(inputs: int, hidden: int, outputs: int, random: np.random.Generator, spread: float = 0.3) -> Weights:
    """Return weights to start from: the hidden ones drawn, the outputs near 0.

    `spread` [1] is that of the drawn ones in standard deviations of `PRIOR`.
    """

    def draw(sd, *shape):
        return jnp.asarray(spread * sd * random.standard_normal(shape))

    return Weights(
        draw(PRIOR.hidden, hidden, inputs),
        draw(PRIOR.hidden_bias, hidden),
        draw(0.1 * PRIOR.output, outputs, hidden),
        jnp.zeros(outputs),
    )


class NeuralRate(RateLaw):
    """A learned law, or a learned factor: one output n of a network.

    form: ``positive``, scale exp(n), between scale/bound and scale bound; ``any``, scale n, between -scale bound and
    scale bound; ``fraction``, 1/(1 + exp(-n)), between 0 and 1. At n = 0 a positive factor of scale 1 changes nothing.
    consumes: a species [name] that a negative rate uses up; such a rate fades as c/(c + fade) with its concentration c.

    >>> at = Conditions({"GLC": jnp.array(30.0)}, 1.0, 0.0, {}, {})
    >>> at = at._replace(outputs={"v1": Output(jnp.array([0.0]), jnp.array([2.5]), jnp.array([0.1]))})
    >>> print(NeuralRate("v1")(at), NeuralRate("v1", form="fraction")(at))
    2.5 0.5
    """

    net: str = eqx.field(static=True)
    index: int = eqx.field(static=True, default=0)
    form: Form = eqx.field(static=True, default="positive")
    bound: float = eqx.field(static=True, default=100.0)
    consumes: str | None = eqx.field(static=True, default=None)

    def __call__(self, at: Conditions) -> Scalar:
        value, scale, fade = (part[self.index] for part in at.output(self.net))
        if self.form == "fraction":
            return jax.nn.sigmoid(value)
        if self.form == "positive":
            return scale * jnp.exp(_within(value, float(np.log(self.bound))))
        rate = scale * _within(value, self.bound)
        if self.consumes is None:
            return rate
        c = at.concentration(self.consumes)
        return jnp.where(rate < 0.0, rate * c / (c + fade), rate)


def _within(n: Scalar, bound: float) -> Scalar:
    """Return n, bent so that it stays within -bound and bound [1]."""
    return bound * jnp.tanh(n / bound)
