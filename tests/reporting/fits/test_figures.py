import numpy as np

from graycell.reporting import convergence, parameters
from graycell.reporting.fits.figures import UNDETERMINED


def test_a_parameter_that_the_data_do_not_determine_is_grey(fit):
    determined, loose = parameters(fit).data
    wanted = {row.name for row in fit.estimates if row.sd_ratio > UNDETERMINED}
    assert set(loose.y) == wanted
    assert len(determined.y) + len(loose.y) == len(fit.estimates)
    assert determined.marker.color != loose.marker.color


def test_the_interval_of_a_logarithmic_parameter_is_a_factor(fit):
    first = parameters(fit).data[0]
    upper, lower = first.x + first.error_x.array, first.x - first.error_x.arrayminus
    np.testing.assert_allclose(upper / first.x, first.x / lower)
    np.testing.assert_allclose(np.log(upper / first.x), 1.96 * 0.2 / 1.1)


def test_each_stage_of_a_fit_is_named_and_drawn_by_itself(fit):
    figure = convergence(fit)
    assert [annotation.text for annotation in figure.layout.annotations] == [
        "loop open",
        "&lt;b&gt;loop closed&lt;/b&gt;",
    ]
    assert [len(trace.y) for trace in figure.data] == [4, 4]
