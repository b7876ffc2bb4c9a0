"""Learning from runs: `fit(model, runs)` or `fit(Problem(...))` -> Fit; `save_fit`, `load_fit`; `Fit.predict`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
