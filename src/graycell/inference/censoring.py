"""The residual of a value below a detection limit, of which a fit knows no more than that it was lower."""

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array

_FAR_ABOVE = 1e3
"""[standard errors] Above, the first term of the tail of the normal distribution is exact to a millionth."""


def below_limit(misfit: Array) -> Array:
    """Return the residual of a value below a detection limit.

    Half its square is -log of the probability that a value with the assay's error lies below the limit.

    Args:
        misfit: (predicted - limit)/standard error [1], of any shape.

    Returns:
        Residuals [standard errors] of the same shape.
    """
    # beyond 8 standard errors the probability is 1 to rounding, and the root would have no derivative
    near = jnp.sqrt(-2.0 * norm.logcdf(jnp.clip(-misfit, -_FAR_ABOVE, 8.0)))
    # -log of the probability is u^2/2 + log(u sqrt(2 pi)) far above the limit, and JAX has no derivative of it there
    u = jnp.maximum(misfit, _FAR_ABOVE)
    return jnp.where(misfit > _FAR_ABOVE, jnp.sqrt(u**2 + 2.0 * jnp.log(u) + jnp.log(2.0 * jnp.pi)), near)
