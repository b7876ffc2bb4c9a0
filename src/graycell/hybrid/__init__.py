"""Hybrid models: some rate laws of a known model learned (gray), or all specific rates or dc/dt (black)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
