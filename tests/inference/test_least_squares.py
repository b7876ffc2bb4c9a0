import numpy as np
import pytest

from graycell.inference.least_squares import Linearisation, Point, step


def minimise(residuals, jacobian, x, most=200):
    def linearise(x):
        return Linearisation(residuals(x), jacobian(x))

    point = Point(np.array(x))
    at = linearise(point.x)
    for _ in range(most):
        point, at = step(point, at, linearise, 1e-12)
        assert np.array_equal(at.residuals, residuals(point.x))
        if point.stalled > 5:
            break
    return point


def test_rosenbrock_is_solved():
    point = minimise(
        lambda x: np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]),
        lambda x: np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]]),
        [-1.2, 1.0],
    )
    assert np.allclose(point.x, 1.0, atol=1e-6)


def test_a_linear_problem_is_solved_as_by_least_squares(random):
    matrix, wanted = random.normal(size=(8, 3)), random.normal(size=8)
    point = minimise(lambda x: matrix @ x - wanted, lambda x: matrix, np.zeros(3))
    assert np.allclose(point.x, np.linalg.lstsq(matrix, wanted, rcond=None)[0], atol=1e-6)


@pytest.mark.parametrize(
    "trial",
    [
        Linearisation(np.array([np.nan]), np.array([[1.0]])),
        Linearisation(np.array([0.0]), np.array([[np.inf]])),
        Linearisation(np.array([0.0]), np.array([[1.0]]), held=np.array([np.nan])),
    ],
)
def test_a_trial_that_is_not_finite_is_refused_and_the_next_is_shorter(trial):
    at = Linearisation(np.array([1.0]), np.array([[1.0]]))
    point, there = step(Point(np.array([1.0])), at, lambda x: trial, 1e-6)
    assert there is at
    assert point.x[0] == 1.0
    again, _ = step(point, at, lambda x: trial, 1e-6)
    assert again.damping > point.damping


def test_a_step_from_the_same_state_is_the_same():
    def linearise(x):
        return Linearisation(np.array([x[0] ** 2 - 2.0, np.sin(x[0])]), np.array([[2.0 * x[0]], [np.cos(x[0])]]))

    at = linearise(np.array([1.0]))
    first, second = (step(Point(np.array([1.0])), at, linearise, 1e-6)[0] for _ in range(2))
    assert first.x[0] == second.x[0]
    assert first.cost == second.cost == linearise(first.x).cost
