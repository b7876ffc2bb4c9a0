"""Models that learn: some rate laws of a known model (gray), or all specific rates or dc/dt (black)."""

from graycell.hybrid.learning import BLACK_BOXES, LearnedLaw, evolution, specific_rates, with_learned_laws

__all__ = ["BLACK_BOXES", "LearnedLaw", "evolution", "specific_rates", "with_learned_laws"]
