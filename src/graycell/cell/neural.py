"""Learned rate laws: small neural networks, and `NeuralRate`, which turns an output of a network into a rate.

The model holds its networks by name, apart from the laws. So several laws may share one network, and all weights are in
one place. `NeuralRate` is a law or a factor: alone it is a black law, in a `Product` or `Sum` with known laws a
gray one. Sign and bound hold by construction, also in extrapolation.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from graycell.cell.rates import Conditions, Output, RateLaw, Scalar

Form = Literal["positive", "any", "fraction"]


class Weights(NamedTuple):
    """The weights of a network, each [1].

    Attributes:
        hidden: (hidden, inputs).
        hidden_bias: (hidden,).
        output: (outputs, hidden).
        output_bias: (outputs,).
    """

    hidden: Float[Array, "hidden inputs"]
    hidden_bias: Float[Array, " hidden"]
    output: Float[Array, "outputs hidden"]
    output_bias: Float[Array, " outputs"]


PRIOR = Weights(hidden=1.0, hidden_bias=1.0, output=1.0, output_bias=3.0)  # type: ignore[arg-type]
"""Prior standard deviations [1] of the weights, all around 0, where a learned factor is 1. With inputs scaled by their
standard deviation, a network can bend a few times over the range of the data. The bias is wider, because the size of a
rate is known to a power of ten only."""


class MLP(eqx.Module):
    """A network of one hidden layer: output . tanh(hidden . z + hidden_bias) + output_bias, z = (seen - centre)/sd.

    Attributes:
        inputs: names, see `Conditions.seen`.
        centre: (inputs,) mean of the inputs in the data, in their units.
        sd: (inputs,) standard deviation of the inputs in the data.
        scale: (outputs,) rate at an output of 1, in the unit of its law.
        half_uptake: (outputs,) [mmol/L] see `NeuralRate`.
        weights: see `Weights`.
    """

    inputs: tuple[str, ...] = eqx.field(static=True)
    centre: Float[Array, " inputs"]
    sd: Float[Array, " inputs"]
    scale: Float[Array, " outputs"]
    half_uptake: Float[Array, " outputs"]
    weights: Weights

    def __call__(self, at: Conditions) -> Output:
        """Return the outputs at these conditions."""
        seen = jnp.stack([jnp.asarray(at.seen(name), jnp.float64) for name in self.inputs])
        w, z = self.weights, (seen - self.centre) / self.sd
        return Output(w.output @ jnp.tanh(w.hidden @ z + w.hidden_bias) + w.output_bias, self.scale, self.half_uptake)


def drawn_weights(inputs: int, hidden: int, outputs: int, random: np.random.Generator, sd: float = 0.3) -> Weights:
    """Return initial weights: the hidden ones drawn, the outputs near 0.

    Args:
        inputs: number of inputs.
        hidden: number of nodes of the hidden layer.
        outputs: number of outputs.
        random: source of random numbers.
        sd: [1] of the drawn weights, in standard deviations of `PRIOR`.

    Returns:
        The weights.
    """

    def draw(prior_sd, *shape):
        return jnp.asarray(sd * prior_sd * random.standard_normal(shape))

    return Weights(
        draw(PRIOR.hidden, hidden, inputs),
        draw(PRIOR.hidden_bias, hidden),
        draw(0.1 * PRIOR.output, outputs, hidden),
        jnp.zeros(outputs),
    )


class NeuralRate(RateLaw):
    """A learned law, or a learned factor: one output n of a network.

    Attributes:
        net: name of the network.
        index: number of the output.
        form: ``positive``, scale exp(n), between scale/bound and scale bound; ``any``, scale n, between -scale bound
            and scale bound; ``fraction``, 1/(1 + exp(-n)), between 0 and 1. At n = 0 a positive factor of scale 1
            changes nothing.
        bound: [1] see `form`.
        consumes: a species that a negative rate takes up: the rate then falls as c/(c + half_uptake) with its
            concentration c, so that concentrations stay non-negative.

    >>> at = Conditions({"GLC": jnp.array(30.0)})
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
        value, scale, half_uptake = (part[self.index] for part in at.output(self.net))
        if self.form == "fraction":
            return jax.nn.sigmoid(value)
        if self.form == "positive":
            return scale * jnp.exp(_within(value, float(np.log(self.bound))))
        rate = scale * _within(value, self.bound)
        if self.consumes is None:
            return rate
        c = at.concentration(self.consumes)
        return jnp.where(rate < 0.0, rate * c / (c + half_uptake), rate)


def _within(n: Scalar, bound: float) -> Scalar:
    """Return n, limited smoothly to -bound..bound [1]."""
    return bound * jnp.tanh(n / bound)


def weight_labels(nets: Mapping[str, MLP]) -> list[str]:
    """Return a name for every weight in the order of `weights_of`: v17.hidden[2] is the third of the hidden ones.

    Args:
        nets: networks by name.

    Returns:
        The names.
    """
    return [
        f"{name}.{field}[{k}]"
        for name in sorted(nets)
        for field, leaf in zip(Weights._fields, nets[name].weights, strict=True)
        for k in range(leaf.size)
    ]


def weights_of(nets: Mapping[str, MLP]) -> Float[Array, " weights"]:
    """Return the weights [1] of all networks as one vector.

    Args:
        nets: networks by name.

    Returns:
        (weights,) in the order of `weight_labels`.
    """
    return ravel_pytree({name: net.weights for name, net in nets.items()})[0].astype(jnp.float64)


def with_weights(nets: Mapping[str, MLP], weights: Float[Array, " weights"]) -> dict[str, MLP]:
    """Return the networks with their weights taken from one vector.

    Args:
        nets: networks by name.
        weights: (weights,) in the order of `weight_labels`.

    Returns:
        The changed networks by name.
    """
    if not nets:
        return {}
    learned = ravel_pytree({name: net.weights for name, net in nets.items()})[1](weights)
    return {name: eqx.tree_at(lambda changed: changed.weights, net, learned[name]) for name, net in nets.items()}
