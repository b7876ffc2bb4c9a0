"""Ready models."""

from graycell.library.nolan_lee import nolan_lee, published_feed

__all__ = ["nolan_lee", "published_feed"]
