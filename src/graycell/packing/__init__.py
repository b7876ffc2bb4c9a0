"""Runs -> padded arrays and masks: the border between names and arrays.

A run becomes a sequence of segments. Every event, every measurement and the end of the run end a segment, so no step of
a solver crosses a discontinuity and every measurement is met exactly. At the end of a segment the state is read (if a
sample and an event have the same time, the sample is taken first), then the interventions act. The first segment has
length zero and carries the events of time 0. Segments of length zero pad a run to the length of others, so that one
compiled function serves all runs of one shape.

Numbers of a run may be traced: volumes, rates, compositions, initial concentrations, and the times of events. Their
order is then found at run time, and every event has a segment of its own.

packed_run    `PackedRun`, `pack`, `pack_all`, `stack`, `require_usable`
segments      breakpoints, interventions, flows and set-points of a run
inputs        what a run gives as the inputs of a model
curves        inputs and loop variables as functions of time
names         what a model asks of a run: names, and values at time 0
pytrees       runs as PyTrees, and numbers that may be traced
"""

from graycell.packing.conversion import (
    as_run_has,
    as_weighed,
    counts_otherwise,
    in_units_of,
    molar_mass_of,
    with_product_weighed,
)
from graycell.packing.curves import Curves
from graycell.packing.inputs import held_inputs, input_of, known_signals, unused_viability, viability_of
from graycell.packing.names import names_of
from graycell.packing.packed_run import PackedRun, pack, pack_all, require_usable, stack
from graycell.packing.pytrees import is_traced

__all__ = [
    "Curves",
    "PackedRun",
    "as_run_has",
    "as_weighed",
    "counts_otherwise",
    "held_inputs",
    "in_units_of",
    "input_of",
    "is_traced",
    "known_signals",
    "molar_mass_of",
    "names_of",
    "pack",
    "pack_all",
    "require_usable",
    "stack",
    "unused_viability",
    "viability_of",
    "with_product_weighed",
]
