"""How sure a fit is, beyond the curvature at its estimates: posterior samples, ensembles, profile likelihoods."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
