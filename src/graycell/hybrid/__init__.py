"""Models that learn: some rate laws of a known model (gray), or all specific rates or dc/dt (black)."""

from graycell.hybrid.learning import (
    BLACK_BOXES,
    NeuralRateSpec,
    neural_ode_model,
    neural_rates_model,
    with_neural_rates,
)

__all__ = ["BLACK_BOXES", "NeuralRateSpec", "neural_ode_model", "neural_rates_model", "with_neural_rates"]
