import comparisons
import numpy as np
import pytest

from graycell.errors import FitError
from graycell.reporting.comparison.figures import errors_by_quantity, learning_curves, paired_differences


@pytest.fixture(scope="module")
def comparison():
    return comparisons.left_out()


def test_a_dot_is_at_the_error_of_its_candidate(comparison):
    good = errors_by_quantity(comparison).data[0]
    assert good.x[-1] == pytest.approx(comparison.overall()[0].nrmse.value)
    assert good.x[-1] - good.error_x.arrayminus[-1] == pytest.approx(comparison.overall()[0].nrmse.low)


def test_dots_are_means_over_the_predictions_that_were_made(comparison):
    """The third candidate failed in one run."""
    assert [row.failed > 0 for row in comparison.overall()] == [False, False, True]
    assert [len(trace.x) for trace in errors_by_quantity(comparison).data] == [3, 3, 3]
    assert all(np.all(np.isfinite(trace.x)) for trace in errors_by_quantity(comparison).data)


def test_dots_of_one_quantity_do_not_lie_on_each_other(comparison):
    rows = [trace.y[0] for trace in errors_by_quantity(comparison).data[:2]]
    assert rows[0] > rows[1]
    assert max(abs(row) for row in rows) < 0.5


def test_a_candidate_has_one_colour_in_every_figure(comparison):
    errors, pairs = errors_by_quantity(comparison), paired_differences(comparison, "good")
    colours = {trace.name: trace.marker.color for trace in errors.data}
    assert {trace.name: trace.marker.color for trace in pairs.data} == {
        name: colour for name, colour in colours.items() if name != "good"
    }
    assert len(set(colours.values())) == 3


def test_names_are_shown_letter_by_letter(comparison):
    figure = errors_by_quantity(comparison)
    assert figure.data[1].name == "&lt;b&gt;worse&lt;/b&gt;"
    assert "&lt;i&gt;LAC&lt;/i&gt;" in figure.layout.yaxis.ticktext


def test_the_learning_curve_is_on_logarithmic_axes_with_the_spread_of_the_seeds():
    comparison = comparisons.curve()
    figure = learning_curves(comparison)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert list(figure.layout.xaxis.tickvals) == [1, 2, 4]
    good, rows = figure.data[0], [row for row in comparison.by_size() if row.candidate == "good"]
    assert good.y + np.array(good.error_y.array) == pytest.approx([row.largest for row in rows])
    assert good.y - np.array(good.error_y.arrayminus) == pytest.approx([row.least for row in rows])


def test_a_reference_that_was_not_compared_is_an_error(comparison):
    with pytest.raises(FitError, match="did you mean 'good'"):
        paired_differences(comparison, "god")
