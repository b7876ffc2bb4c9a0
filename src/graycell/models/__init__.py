"""Ready models by name: `model_of` and `MODELS` (catalogue), `nolan_lee`; the core network of E. coli."""

from graycell.models.catalogue import MODELS, model_of
from graycell.models.e_coli_core import e_coli_core_network
from graycell.models.nolan_lee import nolan_lee, published_feed

__all__ = ["MODELS", "e_coli_core_network", "model_of", "nolan_lee", "published_feed"]
