"""The units that --units names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graycell.cli.sentences import say
from graycell.errors import nearest, shown
from graycell.reporting.display import KINDS, DisplayUnits, shown_in, units_of
from graycell.runs.records import CultureRun

if TYPE_CHECKING:  # tables of runs need no JAX
    from graycell.model import CultureModel


def display_units(setting: str, runs: Sequence[CultureRun], models: Sequence["CultureModel"] = ()) -> DisplayUnits:
    """Return the units that --units names, before any work, and print a remark for each name that nothing has.

    Args:
        setting: see `DisplayUnits.of`.
        runs: that are shown.
        models: that are shown.

    Returns:
        The units.

    Raises:
        InputError: with all faults of the setting, and units that do not fit the quantities.
    """
    units, known = DisplayUnits.of(setting), units_of(runs, models)
    shown_in(units, runs, models)
    for name in units.own:
        if name not in known:
            say(f"remark: --units: nothing here is called '{shown(name)}'; {nearest(name, [*known, *KINDS])}.")
    return units
