"""Ready models.

model_of, MODELS                    known (white) models by name               (catalogue, nolan_lee)
with_learned_laws                   gray: some rate laws of a known model learned        (learning)
specific_rates, evolution           black: all specific rates, or dc/dt, learned         (learning)
"""

from graycell.library.catalogue import MODELS, model_of
from graycell.library.learning import BLACK_BOXES, LearnedLaw, evolution, specific_rates, with_learned_laws
from graycell.library.nolan_lee import nolan_lee, published_feed

__all__ = [
    "BLACK_BOXES",
    "MODELS",
    "LearnedLaw",
    "evolution",
    "model_of",
    "nolan_lee",
    "published_feed",
    "specific_rates",
    "with_learned_laws",
]
