"""Gray models of two parameters with one learned law, and fits of them by hand: nothing is compiled to make one."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from graycell.cell.neural import with_weights
from graycell.hybrid import with_neural_rates
from graycell.inference.fitting import Estimate, Fit, FitSettings
from graycell.models.nolan_lee import nolan_lee
from graycell.runs import bundled_run

FREE = ("vmax17", "Ki17")


def gray(laws, seed=0):
    """The published model with learned laws whose weights are drawn and not small, and two estimated parameters."""
    model = with_neural_rates(nolan_lee(), laws, [bundled_run()], seed=seed)
    table = model.table
    for row in table:
        table = table.with_changes(row.name, estimated=row.name in FREE, prior_sd=0.5)
    weights = 0.5 * np.random.default_rng(seed).standard_normal(model.weight_count)
    return model.with_table(table).changed(nets=with_weights(model.nets, jnp.asarray(weights)))


def by_hand(model, covariance=None, run=None):
    """A fit of the model to a run, the bundled one if left out, as if its values had been learned."""
    rows = model.table.estimated
    estimates = tuple(Estimate(r.name, r.value, r.unit, 0.1, 0.1, r.value, False, 0.5) for r in rows)
    size = len(rows) + model.weight_count
    covariance = np.zeros((size, size)) if covariance is None else covariance
    return Fit(model, (bundled_run() if run is None else run,), estimates, covariance, 1.0, True, FitSettings(starts=1))


def with_covariance(fit, covariance):
    return replace(fit, covariance=covariance)
