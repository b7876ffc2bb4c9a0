"""graycell: hybrid (white-, gray- and black-box) modelling of CHO fed-batch bioreactors."""

import jax

jax.config.update("jax_enable_x64", True)  # noqa: E402  fluxes and sensitivities need float64; set before any array
