"""Profile likelihoods as tables and figures; in internal units."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from graycell.reporting.page import Section, drawing, page
from graycell.reporting.style import COLOURS, INK, TEMPLATE, plain
from graycell.reporting.writing import file_word

if TYPE_CHECKING:
    from graycell.uncertainty.profiles import Profile


def points_frame(profiles: "Iterable[Profile]") -> pd.DataFrame:
    """Return the points of profiles.

    Args:
        profiles: of one fit.

    Returns:
        Name, unit, value in internal units, and the rise of the sum of squares [1].
    """
    rows = [(one.name, one.unit, point.value, point.rise) for one in profiles for point in one.points]
    return pd.DataFrame(rows, columns=["name", "unit", "value", "rise"])


def intervals_frame(profiles: "Iterable[Profile]") -> pd.DataFrame:
    """Return the intervals of profiles.

    Args:
        profiles: of one fit.

    Returns:
        Name, unit, the estimate of the fit and that with the least sum of squares, both ends, infinite where a side is
        open, and the level [1].
    """
    rows = [(one.name, one.unit, one.fitted, one.estimate, one.low, one.high, one.level) for one in profiles]
    return pd.DataFrame(rows, columns=["name", "unit", "fitted", "estimate", "low", "high", "level"])


def profile_figure(profile: "Profile") -> go.Figure:
    """Return a figure of a profile: the rise of the sum of squares, its threshold, and the interval.

    Args:
        profile: any.

    Returns:
        The figure.
    """
    values, rises = (np.array(part) for part in zip(*profile.points, strict=True))
    figure = go.Figure()
    figure.add_scatter(x=values, y=rises, mode="lines+markers", line={"color": COLOURS[0]}, name="best fit")
    figure.add_hline(y=profile.threshold, line={"color": INK, "dash": "dot"},
                     annotation_text=f"{100 * profile.level:g} %")  # fmt: skip
    for end in profile.interval:
        if np.isfinite(end):
            figure.add_vline(x=end, line={"color": INK, "width": 1})
    remarks = "".join(f"<br><sup>{plain(sentence)}</sup>" for sentence in profile.remarks())
    figure.update_layout(template=TEMPLATE, title=plain(f"Profile of {profile.name}") + remarks)
    figure.update_xaxes(title=f"{plain(profile.name)} [{plain(profile.unit)}]")
    figure.update_yaxes(title="rise of the sum of squares [1]", range=[0.0, 2.0 * profile.threshold])
    return figure


def profile_page(profile: "Profile") -> str:
    """Return the page of a profile.

    Args:
        profile: any.

    Returns:
        HTML.
    """
    caption = f"The least rise of the sum of squares at each value of {profile.name}, all else fitted anew."
    shown = drawing(profile_figure(profile), f"profile-of-{file_word(profile.name)}", caption)
    return page(f"Profile of {profile.name}", [Section("profile", profile.name, shown)])
