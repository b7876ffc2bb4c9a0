"""Small runs for tests that compile nothing."""

import numpy as np

from graycell.runs.records import Bolus, CultureRun, Event, Measurement

DAYS = np.arange(8.0)


def series(quantity: str, value, time=DAYS) -> Measurement:
    value = np.broadcast_to(np.asarray(value, float), np.shape(time)).copy()
    return Measurement(quantity, "mmol/L", np.asarray(time, float), value, np.ones(len(value)))


def culture(name: str, events: tuple[Event, ...] = (), media=None, **quantities) -> CultureRun:
    """Return a run of 1 L that is measured every day, or as the `Measurement` says."""
    measured = {
        name: value if isinstance(value, Measurement) else series(name, value) for name, value in quantities.items()
    }
    initial = {name: float(measurement.value[0]) for name, measurement in measured.items()}
    return CultureRun(name, 1.0, initial, measured, events, media or {})


def consuming(name: str, start: float, volume: float = 0.0, rate: float = 2.0) -> CultureRun:
    """Return a run that uses glucose at `rate` [mmol/L/d], and is fed at day 3; lactate follows what was used."""
    glucose = start - rate * DAYS + 400.0 * volume * (DAYS > 3.0)
    fed = (Bolus(3.0, "feed", volume),) if volume else ()
    return culture(name, fed, {"feed": {"GLC": 400.0}}, GLC=glucose, LAC=1.5 * rate * DAYS)
