"""What the data of a fit do not determine, as tables and a plotly figure."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from graycell.diagnosis.identifiability import STRONG, correlation_matrix, undetermined_combinations
from graycell.errors import GraycellError
from graycell.inference.fitting import Fit
from graycell.reporting.style import DIVERGING, MUTED, TEMPLATE, plain
from graycell.units import DIMENSIONLESS

_MOST_PARAMETERS = 30
"""Parameters that the figure of correlations shows."""


def combinations_frame(fit: Fit) -> pd.DataFrame:
    """Return the combinations of parameters that the data do not determine, the least determined first.

    Args:
        fit: a fit.

    Returns:
        One row a combination, whose parts [1] are in prior standard deviations, with the ratio of its posterior to its
        prior standard deviation [1].
    """
    rows = undetermined_combinations(fit).combinations
    return pd.DataFrame(
        {
            "combination": [str(row) for row in rows],
            f"posterior SD / prior SD [{DIMENSIONLESS}]": [row.ratio for row in rows],
        }
    )


def correlations_frame(fit: Fit) -> pd.DataFrame:
    """Return the pairs of correlated parameters, the strongest correlation first.

    Args:
        fit: a fit.

    Returns:
        One row a pair, with its correlation [1].
    """
    rows = undetermined_combinations(fit).correlations
    return pd.DataFrame(
        {
            "first": [row.first for row in rows],
            "second": [row.second for row in rows],
            f"correlation [{DIMENSIONLESS}]": [row.value for row in rows],
        }
    )


def correlations(fit: Fit) -> go.Figure:
    """Draw the correlations [1] of the correlated parameters, similar ones side by side.

    Args:
        fit: a fit.

    Returns:
        A heat map of at most 30 parameters, those with the strongest correlations.

    Raises:
        GraycellError: if no two parameters are correlated.
    """
    pairs = undetermined_combinations(fit).correlations
    chosen = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))[:_MOST_PARAMETERS]
    if not chosen:
        raise GraycellError(f"correlations: found no pair with {STRONG:g} or more; there is none to draw.")
    names, matrix = correlation_matrix(fit)
    at = [names.index(name) for name in chosen]
    matrix = matrix[np.ix_(at, at)]
    apart = np.round(1.0 - np.abs(0.5 * (matrix + matrix.T)), 12)
    np.fill_diagonal(apart, 0.0)
    order = leaves_list(linkage(squareform(apart), "average"))
    labels = [plain(chosen[i]) for i in order]
    shown = matrix[np.ix_(order, order)]
    figure = go.Figure(
        go.Heatmap(
            x=labels,
            y=labels,
            z=shown,
            zmin=-1.0,
            zmax=1.0,
            colorscale=[list(stop) for stop in DIVERGING],
            colorbar={
                "title": {"text": "correlation [1]", "side": "right", "font": {"size": 12, "color": MUTED}},
                "thickness": 12,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": MUTED},
            },
            hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
        )
    )
    figure.update_layout(template=TEMPLATE, height=20 * len(labels) + 150, margin={"t": 24, "l": 8})
    figure.update_xaxes(automargin=True, showgrid=False, ticks="", tickangle=-90, dtick=1)
    figure.update_yaxes(automargin=True, showgrid=False, ticks="", dtick=1, autorange="reversed")
    return figure
