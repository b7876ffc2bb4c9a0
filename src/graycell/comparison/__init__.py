"""Comparison of models and baselines on runs that they have not seen.

splits         Split, leave_one_run_out, held_out, forward_in_time: what is trained on and what is predicted
protocols      Candidate and Predictor, which every candidate fulfils, and what it may offer in addition
baselines      predictors without biology, and how an own one is written; their features and samples
candidates     ModelCandidate: a model of graycell to be fitted
choosing       choose_model: which models of the library runs allow, and which predicts best
comparison     cross_validate, learning_curve -> Comparison
scored         which quantities are scored, and their ranges
intervals      means and paired differences with bootstrap intervals
bands          the bands of candidates, from how they missed the other runs, and how good they were
band_scores    interval score, CRPS, Clopper-Pearson interval
residuals      ResidualProcess: how runs differ from their prediction, moved by the samples so far
consistency    how often predictions are physically impossible
trainings      the scores of each training, kept on disk
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
