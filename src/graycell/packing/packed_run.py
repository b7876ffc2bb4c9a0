"""PackedRun: a run as arrays for one model; pack, pack_all and stack make it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.variables import Species
from graycell.errors import Finding, InputError
from graycell.model import CultureModel
from graycell.packing.conversion import in_units_of
from graycell.packing.curves import Curves, curves_of, padded_to
from graycell.packing.inputs import input_of, viability_of
from graycell.packing.names import names_of, with_measured_start
from graycell.packing.pytrees import filled, is_traced, is_tracer, vector
from graycell.packing.segments import Segments, breakpoints, measurements_of, standard_size, with_rules
from graycell.reactor import Flows, Interventions
from graycell.runs.checks import (
    check_runs,
    events_are_within_the_run,
    every_species_has_a_beginning,
    media_have_a_composition,
    names_are_those_of_the_model,
)
from graycell.runs.records import CellFeed, CultureRun, IvcdBolus
from graycell.runs.rule_checks import levels_are_of_what_media_hold
from graycell.runs.value_checks import event_place
from graycell.units import DIMENSIONLESS, convert


class PackedRun(eqx.Module):
    """A run as arrays for one model; stack several with a leading axis by `stack`.

    Attributes:
        start: (segments,) [d].
        end: (segments,) [d].
        setpoints: (segments, inputs) constant part of every input in a segment, in the unit of the input.
        first_setpoints: (inputs,) before the events of time 0.
        curves: part of every input that changes within segments, then the measured values of every loop variable.
        flows: see `reactor.Flows`, with a leading axis of segments.
        interventions: see `reactor.Interventions`, at the ends of segments.
        media: (media, species) concentrations.
        supplied: (media, species) 1 for the species that a medium names.
        initial: (species,) concentrations at time 0.
        initial_variables: (variables,) NaN where the run gives none.
        measured: (segments, quantities) values at the ends of segments, NaN where none.
        standard_error: (segments, quantities) in the unit of each, infinite where nothing was measured.
        below: (segments, quantities) 1 where the value is a detection limit.
        traced_times: whether times of events are traced; derivatives with respect to them are then exact at segments of
            length 0.
        steady_targets: whether the targets of all relaxing variables are constant in every segment.
    """

    start: Float[Array, " segments"]
    end: Float[Array, " segments"]
    setpoints: Float[Array, "segments inputs"]
    first_setpoints: Float[Array, " inputs"]
    curves: Curves
    flows: Flows
    interventions: Interventions
    media: Float[Array, "media species"]
    supplied: Float[Array, "media species"]
    initial: Float[Array, " species"]
    initial_variables: Float[Array, " variables"]
    measured: Float[Array, "segments quantities"]
    standard_error: Float[Array, "segments quantities"]
    below: Float[Array, "segments quantities"]
    traced_times: bool = eqx.field(static=True, default=False)
    steady_targets: bool = eqx.field(static=True, default=True)

    @property
    def has_rules(self) -> bool:
        """Whether a feed follows the state or changes within segments, or a bolus follows the state."""
        rules = (self.interventions.rule, self.flows.slope, self.flows.per_cells)
        return any(rule is not None for rule in rules)

    @property
    def counts_cells(self) -> bool:
        """Whether a bolus needs the integral of viable cells."""
        rule = self.interventions.rule
        return rule is not None and rule.per_ivcd is not None

    @property
    def inputs_count(self) -> int:
        """Number of inputs."""
        return self.setpoints.shape[-1]

    def inputs_at(self, time: Float[Array, ""], setpoints: Float[Array, " inputs"]) -> Float[Array, " inputs"]:
        """Return the inputs at a time.

        Args:
            time: [d].
            setpoints: (inputs,) of the segment.

        Returns:
            (inputs,)
        """
        return setpoints + self.curves(time)[: self.inputs_count]

    def loops_at(self, time: Float[Array, ""]) -> Float[Array, " loops"]:
        """Return the measured values of the loop variables, interpolated.

        Args:
            time: [d].

        Returns:
            (loops,)
        """
        return self.curves(time)[self.inputs_count :]


def pack(
    run: CultureRun,
    model: CultureModel,
    *,
    save_at: Sequence[float | Float[Array, ""]] = (),
    segments: int | None = None,
    media: int | None = None,
    points: int | None = None,
) -> PackedRun:
    """Return the arrays of a run for a model.

    Args:
        run: its numbers may be traced; then names and known times alone are checked.
        model: gives species, variables, inputs and quantities.
        save_at: [d] more times that end a segment.
        segments: pad to at least so many segments; see `pack_all`.
        media: pad to at least so many media.
        points: pad the curves to at least so many knots.

    Returns:
        The packed run.

    Raises:
        InputError: with every error that `check_runs` finds, every unit that does not convert to that of the model, and
            every input that the run must give.
    """
    run = with_measured_start(in_units_of(run, model), model)
    if is_traced(run):
        _require_known_parts(run, model)
    else:
        _require_usable(run, model)
    breaks = breakpoints(run, save_at)
    medium_names = list(run.media)
    columns = standard_size(max(len(medium_names), media or 1))
    parts = Segments(run, breaks, medium_names, columns, segments, model)
    if parts.traced_times:
        parts.sort()
    composition = filled(
        (columns, len(model.species)),
        {
            (i, j): run.media[name][species]
            for i, name in enumerate(medium_names)
            for j, species in enumerate(model.species)
            if species in run.media[name]
        },
    )
    supplied = np.zeros((columns, len(model.species)))
    for i, name in enumerate(medium_names):
        for j, species in enumerate(model.species):
            value = run.media[name].get(species, 0.0)
            supplied[i, j] = float(is_tracer(value) or value > 0.0)
    setpoints, first = parts.setpoints()
    measured, error, below = measurements_of(run, model.quantities, parts)
    return PackedRun(
        start=jnp.asarray(parts.start),
        end=jnp.asarray(parts.end),
        setpoints=jnp.asarray(setpoints),
        first_setpoints=jnp.asarray(first),
        curves=curves_of(run, model, points),
        flows=parts.flows(),
        interventions=parts.interventions(),
        media=jnp.asarray(composition),
        supplied=jnp.asarray(supplied),
        initial=vector([_initial(run, name, spec)
                         for name, spec in zip(model.species, model.species_specs, strict=True)]),
        initial_variables=vector([run.initial.get(name, math.nan) for name in model.variable_names]),
        measured=jnp.asarray(measured),
        standard_error=jnp.asarray(error),
        below=jnp.asarray(below),
        traced_times=parts.traced_times,
        steady_targets=all(input_of(run, name, model) is None for name in model.relaxing_inputs),
    )  # fmt: skip


def pack_all(runs: Sequence[CultureRun], model: CultureModel) -> PackedRun:
    """Return all runs as one `PackedRun` with a leading axis, padded to a common shape.

    Args:
        runs: at least one.
        model: see `pack`.

    Returns:
        The packed runs.

    Raises:
        InputError: with the faults of all runs at once, see `pack`.
    """
    require_usable(runs, model)
    segments = max(len(breakpoints(run)) for run in runs)
    media = max(max(len(run.media), 1) for run in runs)
    return stack([pack(run, model, segments=segments, media=media) for run in runs])


def stack(packed: Sequence[PackedRun]) -> PackedRun:
    """Return packed runs of one shape, apart from their curves, as one with a leading axis.

    Args:
        packed: at least one.

    Returns:
        The packed runs.
    """
    points = max(run.curves.time.shape[0] for run in packed)
    steady = all(run.steady_targets for run in packed)
    done = with_rules([(run.flows, run.interventions) for run in packed])
    even = [
        replace(run, curves=padded_to(run.curves, points), steady_targets=steady, flows=flows, interventions=acts)
        for run, (flows, acts) in zip(packed, done, strict=True)
    ]

    def stacked(*leaves: Array) -> Array:
        # in numpy where nothing is traced: JAX would compile a program for every shape
        return jnp.stack(leaves) if any(map(is_tracer, leaves)) else jnp.asarray(np.stack(leaves))

    return jax.tree.map(stacked, *even)


def require_usable(runs: Iterable[CultureRun], model: CultureModel) -> None:
    """Raise for what no run may lack or have, so that a command tells it of all runs before it begins.

    Args:
        runs: those that are not traced are checked.
        model: see `pack`.

    Raises:
        InputError: with the faults of all runs at once, see `pack`.
    """
    findings: list[Finding] = []
    for run in runs:
        if is_traced(run):
            continue
        try:
            _require_usable(with_measured_start(in_units_of(run, model), model), model)
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)


def _require_usable(run: CultureRun, model: CultureModel) -> None:
    findings = [finding for finding in check_runs([run], names_of(model)) if finding.severity == "error"]
    findings += _feeds_of_no_cells(run, model)
    if findings:
        raise InputError(findings)


def _feeds_of_no_cells(run: CultureRun, model: CultureModel) -> Iterator[Finding]:
    """Yield a finding for every feed per cell and bolus per IVCD of a run for a model without cells."""
    for event in run.events if model.cells is None else ():
        if isinstance(event, CellFeed):
            needed = f"model '{model.name}' has no cells"
            yield Finding(event_place(run, event), "a feed per cell", needed, "give the rate of the feed in L/d")
        elif isinstance(event, IvcdBolus):
            needed = f"model '{model.name}' has no cells"
            yield Finding(event_place(run, event), "a bolus per IVCD", needed, "give its volume in L")


def _require_known_parts(run: CultureRun, model: CultureModel) -> None:
    """Raise `InputError` for what `check_runs` finds about what is known of a traced run: names, and some times."""
    names = names_of(model)
    findings = [*media_have_a_composition(run, names), *levels_are_of_what_media_hold(run, names),
                *names_are_those_of_the_model(run, names), *every_species_has_a_beginning(run, names),
                *_feeds_of_no_cells(run, model)]  # fmt: skip
    if not is_tracer(run.end):
        events = tuple(event for event in run.events if not is_tracer(event.time))
        findings += events_are_within_the_run(replace(run, events=events), names)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise InputError(errors)


def _initial(run: CultureRun, name: str, spec: Species) -> Any:
    """Return the concentration of a species at time 0; of dead cells, as the viability that was measured then says."""
    if spec.initial is None or name in run.initial:
        return run.initial[name]
    viable = spec.dead_of
    known = viability_of(run) if viable in run.initial else None
    if viable is None or known is None or known.time[0] > 0.0 or not known.value[0] > 0.0:
        return spec.initial
    # in the unit of the model's viability, which need not be a fraction
    share = float(convert(float(known.value[0]), known.unit or DIMENSIONLESS, DIMENSIONLESS))
    return run.initial[viable] * (1.0 / share - 1.0)
