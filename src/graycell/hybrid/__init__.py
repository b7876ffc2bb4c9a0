"""Hybrid models: some rate laws of a known model learned (gray), or all specific rates or dc/dt (black)."""

from graycell.hybrid.black_boxes import BLACK_BOXES, neural_ode_model, neural_rates_model
from graycell.hybrid.model_files import build_model, read_model
from graycell.hybrid.neural_rates import NeuralRateSpec, law_from, with_neural_rates

__all__ = [
    "BLACK_BOXES",
    "NeuralRateSpec",
    "build_model",
    "law_from",
    "neural_ode_model",
    "neural_rates_model",
    "read_model",
    "with_neural_rates",
]
