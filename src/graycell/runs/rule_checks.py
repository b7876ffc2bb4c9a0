"""Checks of events that are rules: what a rule asks for must be possible."""

from collections.abc import Iterator

from graycell.errors import Finding, nearest
from graycell.runs.model_names import ModelNames
from graycell.runs.records import AnyFeed, CultureRun, FeedRamp, LevelBolus
from graycell.runs.value_checks import event_place

_ROUNDING = 1e-9
"""Part of the rate of a ramp [1] by which it may end below 0: slopes are written with few digits."""


def levels_are_of_what_media_hold(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """A rule for a level is of a species of the model, and of one that its medium holds; by name, whatever the numbers.

    Args:
        run: what is checked; its numbers may be traced.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    for event in run.events:
        if not isinstance(event, LevelBolus):
            continue
        if model is not None and event.species not in model.units:
            needed = "a level is one of a species of the model, whose concentration it computes"
            yield Finding(event_place(run, event), f"'{event.species}'", needed, nearest(event.species, model.units))
        elif event.species not in run.media.get(event.medium, {event.species: 0.0}):
            found = f"the medium '{event.medium}' without '{event.species}'"
            needed = "a medium that brings a species to a level holds it"
            remedy = f"add it to the composition, or name another; {nearest(event.species, run.media[event.medium])}"
            yield Finding(event_place(run, event), found, needed, remedy)


def levels_can_be_reached(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """A medium holds more than the level to which it brings a culture, and that is not given above the level.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    for event in run.events:
        if not isinstance(event, LevelBolus):
            continue
        place, name = event_place(run, event), event.species
        for what, value in (("level", event.level), ("below", event.below)):
            if value == 0.0:
                yield Finding(place, f"a {what} of 0", f"a {what} is > 0", "write the concentration that is meant")
        if event.below is not None and event.below > event.level:
            needed = f"a bolus is not given above the level that it leads to, {event.level:.6g}"
            yield Finding(place, f"below {event.below:.6g}", needed, "lower it, or leave it out for the level")
        held = run.media.get(event.medium, {}).get(name)
        if held is not None and not held > event.level:
            unit = run.units.get(name) or ("" if model is None else model.units.get(name, ""))
            found = f"a level of {event.level:.6g}, and {held:.6g} in the medium '{event.medium}', {unit}".rstrip(", ")
            needed = f"a medium holds more {name} than the level to which it brings a culture"
            yield Finding(place, found, needed, "lower the level, or take a medium that holds more")


def ramps_stay_above_zero(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """The rate of a ramp is not below 0 when the next feed of its medium begins, or the run ends.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    feeds = sorted((event for event in run.events if isinstance(event, AnyFeed)), key=lambda event: event.time)
    for i, event in enumerate(feeds):
        if isinstance(event, FeedRamp):
            until = next((later.time for later in feeds[i + 1 :] if later.medium == event.medium), run.end)
            rate = event.rate + event.slope * (until - event.time)
            if rate < -_ROUNDING * event.rate <= 0.0:  # one that begins below 0 is told with its rate
                remedy = "correct the slope, or end the ramp with a feed"
                if event.rate > 0.0:
                    remedy += f" of {event.medium} at {event.time - event.rate / event.slope:.6g} d, where it is at 0"
                yield Finding(event_place(run, event), f"{rate:.6g} L/d at {until:.6g} d", "rates stay >= 0", remedy)
