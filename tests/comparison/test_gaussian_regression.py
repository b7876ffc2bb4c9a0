import numpy as np
import pytest

from graycell.comparison.gaussian_regression import GroupedRBF


def test_the_kernel_has_the_derivatives_of_finite_differences(random):
    x = random.normal(size=(5, 3))
    same = GroupedRBF((-1, -1, 0), 0.9, "fixed")  # what is fixed has no derivative
    kernel = same * GroupedRBF((0, 1, 1), np.array([0.7, 1.4]))
    _, slope = kernel(x, eval_gradient=True)
    step = 1e-6
    assert slope.shape == (5, 5, 2)
    for i in range(2):
        ahead, behind = (kernel.clone_with_theta(kernel.theta + s * np.eye(2)[i])(x) for s in (step, -step))
        assert slope[:, :, i] == pytest.approx((ahead - behind) / (2.0 * step), abs=1e-8)


def test_a_group_counts_as_one_whatever_its_size(random):
    x = random.normal(size=(4, 1))
    single = GroupedRBF((0,), 0.8)(x)
    assert GroupedRBF((0, 0, 0), 0.8)(np.repeat(x, 3, axis=1)) == pytest.approx(single)
