"""Runs with rules, of a small model with a salt."""

import functools

import jax
from small_models import fed_batch, monod

from graycell.simulation.solve import SolverSettings

FINE = SolverSettings(rtol=1e-10, atol=1e-11)
MEDIA = {"feed": {"GLC": 500.0, "SALT": 10.0}, "salt": {"SALT": 300.0}}


@functools.cache
def salted():
    """Return a small model with a salt that no reaction touches; not a fixture: Hypothesis prints its arguments."""
    species = {"DCD": "1e9 cells/L", "mAb": "g/L", "SALT": "mmol/L"}
    with jax.ensure_compile_time_eval():  # the first caller may be a function that is traced
        return monod(name="salted", species=species)


def plan(*events, **changes):
    initial = {**fed_batch().initial, "SALT": 5.0}
    ordered = tuple(sorted(events, key=lambda event: event.time))
    return fed_batch(**{"initial": initial, "media": MEDIA, "events": ordered, "end": 4.0, **changes})
