"""Ready models by name: `model_of` and `MODELS` (catalogue), `nolan_lee`."""

from graycell.models.catalogue import MODELS, model_of
from graycell.models.nolan_lee import nolan_lee, published_feed

__all__ = ["MODELS", "model_of", "nolan_lee", "published_feed"]
