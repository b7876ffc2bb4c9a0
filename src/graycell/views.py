"""What results have in common for the eye: a table, a figure, and how a notebook shows them."""

import importlib
from typing import Any


class Tabled:
    """A result that has a table; what it is is in `reporting.views`."""

    def frame(self, units: Any = "laboratory") -> Any:
        """Return the result as a table.

        Args:
            units: see `graycell.DisplayUnits`; a setting such as "internal" or "ANTI=mg/L" will do.

        Returns:
            A pandas DataFrame, with units in its heads.
        """
        return _views().frame_of(self, units)

    def _repr_html_(self) -> str:
        return _views().html_of(self)


class Viewed(Tabled):
    """A result that has a table and a figure."""

    def plot(self, units: Any = "laboratory") -> Any:
        """Return a figure of the result.

        Args:
            units: see `graycell.DisplayUnits`; a setting such as "internal" or "ANTI=mg/L" will do.

        Returns:
            A plotly figure.
        """
        return _views().figure_of(self, units)


def _views() -> Any:
    # reporting is above all results, so it is imported when one is looked at
    return importlib.import_module("graycell.reporting.views")
