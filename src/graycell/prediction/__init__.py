"""The next run: from runs and a plan to bands that hold as often as they say, and a warning where they cannot.

forecaster     predict_next, Forecaster: candidates are trained, mixed, and predict a plan
candidates     default_candidates: what is mixed where nothing is given; model_candidate
next_run       NextRun: a prediction with its bands, weights and warnings
mean_rates     MeanRates: balances with the mean specific rates that the training runs showed
learned_rates  LearnedRates: these with bounded deviations, learned from what a culture is like
groups         GroupMean: the mean of the runs of the same group
stacking       what the candidates predict of each run that was left out, and the weights that follow
novelty        what of a plan leaves what was learned
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
