from dataclasses import replace

import numpy as np
import pytest

from graycell.errors import GraycellError
from graycell.reporting import combinations_frame, correlations, correlations_frame


def test_correlated_parameters_are_in_the_figure_and_the_table(fit):
    covariance = np.eye(len(fit.estimates))
    covariance[0, 3] = covariance[3, 0] = 0.9
    covariance[5, 1] = covariance[1, 5] = -0.75
    names = [row.name for row in fit.estimates]
    pairs = correlations_frame(replace(fit, covariance=covariance))
    assert pairs.iloc[:, 2].tolist() == pytest.approx([0.9, -0.75])
    heat = correlations(replace(fit, covariance=covariance)).data[0]
    assert sorted(heat.y) == sorted(names[i] for i in (0, 1, 3, 5))
    assert heat.z[list(heat.y).index(names[5])][list(heat.x).index(names[1])] == pytest.approx(-0.75)


def test_without_a_pair_there_is_no_figure(fit):
    with pytest.raises(GraycellError, match="no pair"):
        correlations(fit)


def test_the_combinations_of_a_fit_that_learned_nothing_are_all_of_them(fit):
    prior = np.diag([fit.model.table[row.name].prior_sd ** 2 for row in fit.estimates])
    frame = combinations_frame(replace(fit, covariance=prior))
    assert len(frame) == len(fit.estimates)
    assert frame["posterior SD / prior SD [1]"].tolist() == pytest.approx([1.0] * len(frame))
