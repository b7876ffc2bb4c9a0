"""The kernel of the Gaussian process against scikit-learn's, and its derivatives against finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from graycell.comparison.gaussian_regression import SampleKernel

RUN = np.repeat(np.arange(4), 5)
SAME = RUN[:, None] == RUN[None, :]


@pytest.fixture
def samples(random):
    """Return standardised features, the first of which is the time, and values."""
    return random.normal(size=(20, 3)), random.normal(size=20)


def drawn(kernel, random):
    return replace(kernel, theta=random.uniform(-1.5, 1.5, len(kernel.theta)))


def test_the_likelihood_is_that_of_scikit_learn(samples, random):
    x, y = samples
    kernel = drawn(SampleKernel.start((0, 1, 2), 0), random)
    common, length, explained, within, slow, noise, *lengths = np.exp(kernel.theta)
    no = np.inf  # a column with this length scale is not looked at
    theirs = (
        ConstantKernel(common) * RBF([length, no, no, no])
        + ConstantKernel(explained) * RBF([*np.array(lengths) , no])
        + ConstantKernel(within) * RBF([slow, no, no, 0.01]) + WhiteKernel(noise)
    )  # fmt: skip
    process = GaussianProcessRegressor(theirs, alpha=1e-10, optimizer=None).fit(np.column_stack([x, RUN]), y)
    value, _ = kernel.likelihood(kernel.squares(x, x), SAME, y)
    assert value == pytest.approx(process.log_marginal_likelihood_value_, rel=1e-9)


def test_the_derivatives_are_those_of_finite_differences(samples, random):
    x, y = samples
    kernel = drawn(SampleKernel.start((0, 1, 1), 0), random)
    squares, step = kernel.squares(x, x), 1e-5
    _, slope = kernel.likelihood(squares, SAME, y)
    for i, move in enumerate(step * np.eye(len(slope))):
        ahead, behind = (replace(kernel, theta=kernel.theta + sign * move).likelihood(squares, SAME, y)[0]
                         for sign in (1.0, -1.0))  # fmt: skip
        assert slope[i] == pytest.approx((ahead - behind) / (2.0 * step), rel=1e-6, abs=1e-7)


def test_a_group_counts_as_one_whatever_its_size(samples):
    x, _ = samples
    single = SampleKernel.start((0, 1), 0).squares(x[:, :2], x[:, :2])
    repeated = x[:, [0, 1, 1, 1]]
    assert np.allclose(SampleKernel.start((0, 1, 1, 1), 0).squares(repeated, repeated), single)
