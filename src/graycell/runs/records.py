"""What was done to a culture and what was measured, as plain data with names and units.

A `CultureRun` is in internal units (day, litre, mmol/L, 10^9 cells/L, degC). Compiled code never sees names:
`graycell.packing` turns runs into arrays.
"""

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from graycell.views import Viewed

VCD = "VCD"
TCD = "TCD"
VIABILITY = "viability"
REDOX = "R"
TEMPERATURE = "temperature"
"""Names of the quantities that are not species concentrations. VCD is the viable and TCD the total cell
density [10^9 cells/L], viability a fraction [1], R the redox ratio [1]."""


@dataclass(frozen=True)
class Measurement:
    """One quantity measured over time.

    If a measurement and an event have the same time, the measurement is taken first.

    Attributes:
        quantity: name of a species, or `VCD`, `VIABILITY`, `REDOX`.
        unit: internal unit of `value`.
        time: [d], shape (samples,), rising.
        value: shape (samples,); empty cells are not here.
        standard_error: assay error of each value, same unit and shape, > 0.
        below: shape (samples,), True where the value is a detection limit and less than that was there; None if it
            never is.
    """

    quantity: str
    unit: str
    time: np.ndarray
    value: np.ndarray
    standard_error: np.ndarray
    below: np.ndarray | None = None


@dataclass(frozen=True)
class Signal:
    """A known input over time that is not modelled, such as viability; interpolated between its points.

    Attributes:
        quantity: its name.
        unit: internal unit of `value`.
        time: [d], shape (points,), rising.
        value: shape (points,).
    """

    quantity: str
    unit: str
    time: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Bolus:
    """A volume of a medium that is added at once.

    Attributes:
        time: [d].
        medium: its name.
        volume: [L].
    """

    time: float
    medium: str
    volume: float


@dataclass(frozen=True)
class LevelBolus:
    """A rule: the bolus that brings a concentration to a level, given if the concentration is below another.

    For a volume V and a concentration c of the culture it is V (level - c) / (c_medium - level) litres. The culture is
    seen after the events before this one, those of the same time included; a sample changes no concentration.

    Attributes:
        time: [d].
        medium: its name; it holds more of the species than the level.
        species: its name.
        level: in the unit of the species in `CultureRun.units`, as in `CultureRun.initial`.
        below: the bolus is given where the concentration is below this, in the same unit; None for the level.
        most: the bolus is never larger than this [L]; None for any volume.
    """

    time: float
    medium: str
    species: str
    level: float
    below: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class ShareBolus:
    """A rule: a bolus of a share of the volume that the culture has then, after the events before this one.

    Attributes:
        time: [d].
        medium: its name.
        share: of the volume [1].
    """

    time: float
    medium: str
    share: float


@dataclass(frozen=True)
class IvcdBolus:
    """A rule: a bolus in proportion to the integral of viable cells since the last bolus of this kind of its medium.

    The integral is of the viable cells in the vessel, density times volume, since that bolus or time 0 (IVCD).

    Attributes:
        time: [d].
        medium: its name.
        rate: volume per viable cell and day [L/(10^9 cells)/d].
    """

    time: float
    medium: str
    rate: float


@dataclass(frozen=True)
class Sample:
    """A volume of culture that is taken at once. It never changes a concentration.

    Attributes:
        time: [d].
        volume: [L].
    """

    time: float
    volume: float


@dataclass(frozen=True)
class Feed:
    """A medium flows in from a time on, until the next feed of that medium of any kind.

    Attributes:
        time: [d].
        medium: its name.
        rate: [L/d].
    """

    time: float
    medium: str
    rate: float


@dataclass(frozen=True)
class CellFeed:
    """A rule: a medium flows in at a rate per viable cell, until the next feed of that medium of any kind.

    The flow is rate times viable cell density times volume.

    Attributes:
        time: [d].
        medium: its name.
        rate: [L/(10^9 cells)/d].
    """

    time: float
    medium: str
    rate: float


@dataclass(frozen=True)
class FeedRamp:
    """The profile of a pump: a medium flows in at a rate that changes linearly, until the next feed of that medium.

    Attributes:
        time: [d].
        medium: its name.
        rate: at that time [L/d].
        slope: [L/d^2]; the rate stays at 0 or above.
    """

    time: float
    medium: str
    rate: float
    slope: float


@dataclass(frozen=True)
class Outflow:
    """Culture flows out from a time on, until the next Outflow of that kind.

    Attributes:
        time: [d].
        rate: [L/d].
        retains_cells: False for a bleed, True for a perfusion harvest behind a cell filter.
    """

    time: float
    rate: float
    retains_cells: bool = False


@dataclass(frozen=True)
class Setpoint:
    """From `time` on, an input is controlled to a value.

    Attributes:
        time: [d].
        value: in the unit of the input; [degC] for the temperature.
        input: its name.
    """

    time: float
    value: float
    input: str = TEMPERATURE


@dataclass(frozen=True)
class Replacement:
    """The feed of Nolan & Lee (2011): c <- (1 - fraction) c + fraction c_medium.

    It acts on the species of the medium alone and leaves the volume as it is, so it is **not** a mass balance.
    Use it only to reproduce published numbers; otherwise use a `Bolus`.

    Attributes:
        time: [d].
        medium: its name.
        fraction: [1].
    """

    time: float
    medium: str
    fraction: float


@dataclass(frozen=True)
class End:
    """The culture ends; without this event a run ends at its last measurement or event.

    Attributes:
        time: [d].
    """

    time: float


AnyBolus = Bolus | LevelBolus | ShareBolus | IvcdBolus
AnyFeed = Feed | CellFeed | FeedRamp
Event = AnyBolus | Sample | AnyFeed | Outflow | Setpoint | Replacement | End
RuleBolus = LevelBolus | ShareBolus | IvcdBolus
"""Boluses whose volumes follow from the state of the culture."""


@dataclass(frozen=True)
class Provenance:
    """Where a run comes from.

    Attributes:
        files: their names.
        sha256: of their bytes, in order.
        citation: what to cite.
        notes: anything else.
    """

    files: tuple[str, ...] = ()
    sha256: str = ""
    citation: str = ""
    notes: str = ""


@dataclass(frozen=True)
class CultureRun(Viewed):
    """One culture: its initial state, what was done to it, and what was measured.

    Attributes:
        name: unique among the runs read together.
        initial_volume: [L].
        initial: concentration of each species at time 0, and the values of variables; see `units`.
        measurements: by quantity.
        events: in the order of time; at one time, in the order of the file.
        media: composition by medium and species; a species that is not named is absent (0); see `units`.
        signals: known inputs, such as viability.
        initial_temperature: [degC].
        end: [d] time at which the run ends; if it is not given, that of the last measurement or event.
        provenance: where the run comes from.
        units: of the numbers of a species in `initial`, `media` and rules, such as g/L; of a name that is not here
            they have the unit of the model that is simulated, which is mmol/L unless it says otherwise.
        molar_masses: [g/mol] of what the laboratory measured as a mass, such as a titer in mg/L, and what is in mmol/L
            here: tables and figures show it as a mass again.
    """

    name: str
    initial_volume: float
    initial: Mapping[str, float]
    measurements: Mapping[str, Measurement] = field(default_factory=lambda: MappingProxyType({}))
    events: tuple[Event, ...] = ()
    media: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: MappingProxyType({}))
    signals: Mapping[str, Signal] = field(default_factory=lambda: MappingProxyType({}))
    initial_temperature: float = 37.0
    end: float = -1.0
    provenance: Provenance = Provenance()
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    molar_masses: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if isinstance(self.end, float | int) and self.end < 0.0:
            times = [float(series.time[-1]) for series in self.measurements.values() if len(series.time)]
            object.__setattr__(self, "end", max([0.0, *times, *(event.time for event in self.events)]))

    @property
    def last_sample(self) -> float:
        """The time [d] of the last measurement; minus infinity if nothing was measured."""
        return max(
            (float(series.time[-1]) for series in self.measurements.values() if len(series.time)), default=-math.inf
        )

    def ended_at(self, time: float) -> "CultureRun":
        """Return the run ended at a time, without the events from then on.

        Args:
            time: [d]; no measurement may be later.

        Returns:
            The shorter run.
        """
        return replace(self, events=tuple(event for event in self.events if event.time < time), end=time)

    def with_events(self, *events: Event) -> "CultureRun":
        """Return the run with more events.

        Args:
            *events: in any order; their numbers may be traced by JAX.

        Returns:
            The run, with all events whose times are plain numbers in the order of time.
        """
        merged = (*self.events, *events)
        with contextlib.suppress(TypeError):  # a number that JAX traces has no order yet
            merged = tuple(sorted(merged, key=lambda event: float(event.time)))
        return replace(self, events=merged)

    def with_bolus(self, time: float, medium: str, volume: float) -> "CultureRun":
        """Return the run with one more bolus.

        Args:
            time: [d].
            medium: its name.
            volume: [L].

        Returns:
            The changed run.
        """
        return self.with_events(Bolus(time, medium, volume))

    def with_setpoint(self, time: float, value: float, input: str = TEMPERATURE) -> "CultureRun":
        """Return the run with one more set-point.

        Args:
            time: [d].
            value: in the unit of the input.
            input: its name.

        Returns:
            The changed run.
        """
        return self.with_events(Setpoint(time, value, input))

    def with_rules_given(self, boluses: Iterable[Bolus]) -> "CultureRun":
        """Return the run with its rules for boluses replaced by boluses.

        Args:
            boluses: one for each such rule, in the order of the events.

        Returns:
            The run; feeds are as they were.
        """
        given = iter(boluses)
        events = tuple(next(given) if isinstance(event, RuleBolus) else event for event in self.events)
        return replace(self, events=events)

    def with_initial(self, **concentrations: float) -> "CultureRun":
        """Return the run with other concentrations at time 0.

        Args:
            **concentrations: by species, in the units of those that the run has.

        Returns:
            The changed run.
        """
        return replace(self, initial={**self.initial, **concentrations})

    def __repr__(self) -> str:
        counts = f"{len(self.measurements)} quantities, {len(self.events)} events"
        end = f"{self.end:g}" if isinstance(self.end, float | int) else str(self.end)
        return f"CultureRun('{self.name}', {counts}, to {end} d)"
