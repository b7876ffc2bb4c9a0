"""Ready models by name: `model_of` and `MODELS` (catalogue), `model_file` (library), `nolan_lee`; E. coli core."""

from graycell.models.catalogue import FILE_MODELS, MODELS, model_of
from graycell.models.e_coli_core import e_coli_core_network
from graycell.models.library import library_files, model_file, model_text
from graycell.models.nolan_lee import nolan_lee, published_feed

__all__ = [
    "FILE_MODELS",
    "MODELS",
    "e_coli_core_network",
    "library_files",
    "model_file",
    "model_of",
    "model_text",
    "nolan_lee",
    "published_feed",
]
