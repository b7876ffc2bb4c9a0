"""Trajectory: a simulated run, a PyTree of arrays with names."""

from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from graycell.cell.closures import LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.cell.rates import Ramp
from graycell.cell.variables import RelaxingVariable
from graycell.errors import ModelError, SimulationError, nearest
from graycell.model import CultureModel
from graycell.packing import held_inputs, unused_viability
from graycell.runs.checks import NOT_SPECIES
from graycell.runs.records import TEMPERATURE, Bolus, CultureRun, RuleBolus, Setpoint
from graycell.simulation.branches import Jump
from graycell.simulation.solve import Path, SimulationStatus, usable
from graycell.views import Viewed

ZERO_SHARE = 0.01
"""Part [1] of its largest value by which a concentration may fall below zero without a remark: below the detection
limit of an assay."""


class FinalValues(Mapping):
    """The values at the end of a trajectory, by quantity, in the unit of each."""

    def __init__(self, names: tuple[str, ...], values: Any):
        self._names, self._values = names, values

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise ModelError(f"quantity '{name}' is not in the model; {nearest(name, self._names)}.")
        return self._values[..., self._names.index(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Trajectory(eqx.Module, Viewed):
    """A simulated run at n points in time; where `save_at` was given, these times.

    A PyTree: it may come out of `jax.jit`, `jax.vmap` and `jax.grad`. `trajectory["LAC"]` is a quantity over time, by
    the names of `CultureModel.quantities` and of the inputs.

    Attributes:
        model: the simulated model.
        run: the simulated run.
        time: (n,) [d], with a point before and one after every event.
        concentrations: (n, species) in the unit of each.
        volume: (n,) [L].
        variables: (n, variables) in the unit of each.
        inputs: (n, inputs) in the unit of each.
        observables: (n, observables) in the unit of each.
        viable_cell_density: (n,) [10^9 cells/L].
        fed: (n, species) inflow per volume, in the unit of each per day, such as [mmol/L/d].
        dilution_rate: (n,) [1/d] volume of all feeds per volume.
        fluxes: (n, reactions) [mmol/(10^9 cells)/d], or [mmol/L/d] of volumetric reactions.
        kinetic_rates: (n, kinetic) [mmol/(10^9 cells)/d].
        conflict: (n, kinetic) [1] deviation of each flux from its rate law, caused by the balances.
        targets: (n, loops) target of each loop variable, as the fluxes give it.
        flux_status: (n,) `FluxStatus`.
        loop_status: (n,) `LoopStatus`.
        measured_time: (m,) [d] times of the measurements of the run.
        predicted: (m, quantities) predicted measurements there.
        status_code: `SimulationStatus` as a number.
        jumps: at which an algebraic loop left a branch that ended.
        bolus_volumes: (rules,) [L] volumes of the boluses by rules, in the order of the events; see `boluses`.
        fed_volumes: (n, media) [L] volume of each medium that was fed by then, by a rule or not, in the order of the
            media of the run; None for a run without rules, whose events say it.
    """

    model: CultureModel
    run: CultureRun
    time: Float[Array | np.ndarray, " n"]
    concentrations: Float[Array | np.ndarray, "n species"]
    volume: Float[Array | np.ndarray, " n"]
    variables: Float[Array | np.ndarray, "n variables"]
    inputs: Float[Array | np.ndarray, "n inputs"]
    observables: Float[Array | np.ndarray, "n observables"]
    viable_cell_density: Float[Array | np.ndarray, " n"]
    fed: Float[Array | np.ndarray, "n species"]
    dilution_rate: Float[Array | np.ndarray, " n"]
    fluxes: Float[Array | np.ndarray, "n reactions"]
    kinetic_rates: Float[Array | np.ndarray, "n kinetic"]
    conflict: Float[Array | np.ndarray, "n kinetic"]
    targets: Float[Array | np.ndarray, "n loops"]
    flux_status: Int[Array | np.ndarray, " n"]
    loop_status: Int[Array | np.ndarray, " n"]
    measured_time: Float[Array | np.ndarray, " m"]
    predicted: Float[Array | np.ndarray, "m quantities"]
    status_code: Int[Array | np.ndarray, ""]
    jumps: tuple[Jump, ...] = ()
    bolus_volumes: Float[Array | np.ndarray, " rules"] = eqx.field(default_factory=lambda: np.zeros(0))
    fed_volumes: Float[Array | np.ndarray, "n media"] | None = None

    def __repr__(self) -> str:
        points = f"Trajectory(run '{self.run.name}', {self.model.name}, {self.time.shape[-1]} points"
        if isinstance(self.time, Tracer):
            return f"{points}, traced)"
        return f"{points} to {np.max(self.time):g} d, {self.status.name})"

    def __getitem__(self, quantity: str) -> Any:
        for names, values in (
            (self.model.species, self.concentrations),
            (self.model.observable_names, self.observables),
            (self.model.variable_names, self.variables),
            (self.model.input_names, self.inputs),
        ):
            if quantity in names:
                return values[..., names.index(quantity)]
        known = (*self.model.quantities, *self.model.input_names)
        raise ModelError(f"quantity '{quantity}' is not in the model; {nearest(quantity, known)}.")

    @property
    def status(self) -> SimulationStatus:
        """How the simulation ended; the worst of a batch."""
        return SimulationStatus(int(np.max(np.asarray(self.status_code))))

    @property
    def final(self) -> FinalValues:
        """The values at the end, by quantity, in the unit of each; may be differentiated."""
        last = jnp.concatenate(
            [self.concentrations[..., -1, :], self.observables[..., -1, :], self.variables[..., -1, :]], axis=-1
        )
        return FinalValues(self.model.quantities, last)

    @property
    def boluses(self) -> tuple[Bolus, ...]:
        """What the rules for boluses gave, in the order of the events; their volumes may be differentiated."""
        rules = [event for event in self.run.events if isinstance(event, RuleBolus)]
        volumes: list[Any] = [self.bolus_volumes[..., i] for i in range(len(rules))]
        if isinstance(self.bolus_volumes, np.ndarray) and self.bolus_volumes.ndim == 1:
            volumes = self.bolus_volumes.tolist()
        return tuple(Bolus(rule.time, rule.medium, volume) for rule, volume in zip(rules, volumes, strict=True))

    @property
    def realised(self) -> CultureRun:
        """The run with its rules for boluses replaced by the boluses that they gave. Feeds are as they were."""
        return self.run.with_rules_given(self.boluses)

    @property
    def _loop(self) -> str:
        if not self.model.has_loop:
            raise ModelError(f"model '{self.model.name}' has no loop, so no R and no R'.")
        return self.model.loops[0]

    @property
    def loop_value(self) -> Any:
        """(n,) the first loop variable, such as the redox ratio R [1]; `ModelError` for a model without one."""
        return self[self._loop]

    @property
    def loop_target(self) -> Any:
        """(n,) target of the first loop variable, such as R' [1]; `ModelError` for a model without one."""
        return self.targets[..., self.model.loops.index(self._loop)]

    @property
    def stoichiometry_shift(self) -> Any:
        """(n,) the weight of the shifted stoichiometry [1]; 0 for a model whose stoichiometry does not change."""
        name = self.model.stoichiometry_weight
        return np.zeros(self.time.shape) if name is None else self[name]

    def at_samples(self, quantity: str) -> Any:
        """Return the simulated values at the samples of a quantity; they may be differentiated.

        Args:
            quantity: a measured quantity of the model.

        Returns:
            (samples,) in the unit of the measurement.
        """
        series = self.run.measurements[quantity]
        rows = np.searchsorted(np.asarray(self.measured_time), series.time)
        values = self.predicted[rows, self.model.quantities.index(quantity)]
        return values if isinstance(values, Tracer) else np.asarray(values)

    def remarks(self) -> list[str]:
        """Return a sentence for everything that a reader of the trajectory should know.

        A species may fall below zero: the balances of the cell can take up a species that is used up, because transport
        reactions without a rate law do not slow down with its concentration.

        Returns:
            Sentences; possibly none.
        """
        given = zip(self.model.variable_names, self.model.variables, strict=True)
        sentences = [
            f"{name} at time 0 is not given and taken as {variable.initial:g}; write it into the table initial if you "
            "know it."
            for name, variable in given
            if name in self.model.loops and name not in self.run.initial
        ]
        sentences += self._temperatures()
        sentences += [str(one) for one in (*unused_viability(self.run, self.model), *held_inputs(self.run, self.model))]
        known = (*self.model.quantities, *self.model.input_names, *NOT_SPECIES)
        unknown = sorted(name for name in self.run.measurements if name not in known)
        if unknown:
            sentences.append(
                f"measured and not computed by the model: {', '.join(unknown)}; nothing is compared with "
                f"{'it' if len(unknown) == 1 else 'them'}."
            )
        for name, series in zip(self.model.species, np.asarray(self.concentrations).T, strict=True):
            at = int(np.argmin(series))
            if series[at] < -ZERO_SHARE * np.max(np.abs(series)):
                sentences.append(
                    f"{name} falls to {series[at]:.3g} {self.model.unit(name)} at {self.time[at]:.2f} d: the balances "
                    "take up what is not there; do not trust the trajectory from where it crosses zero."
                )
        for jump in self.jumps:
            sentences.append(
                f"{self.model.loops[0]} goes from {jump.before:.3g} to {jump.after:.3g} at {jump.time:.2f} d, because "
                "its branch ends: see graycell diagnose."
            )
        return sentences

    def _temperatures(self) -> list[str]:
        targets = [variable.target for variable in self.model.variables if isinstance(variable, RelaxingVariable)]
        for ramp in (law for law in targets if isinstance(law, Ramp) and law.input == TEMPERATURE):
            low, high = sorted((float(ramp.zero), float(ramp.one)))
            outside = [e for e in self.run.events if isinstance(e, Setpoint) and e.input == TEMPERATURE
                       and not low <= e.value <= high]  # fmt: skip
            if outside:
                return [
                    f"{outside[0].value:g} degC is outside of what the model knows, {low:g} to {high:g} degC: "
                    "it is treated as the nearer of the two."
                ]
        return []

    def require_finished(self) -> "Trajectory":
        """Return self if the simulation reached its end.

        Returns:
            The trajectory itself.

        Raises:
            SimulationError: with the remedy of the status.
        """
        if self.status is not SimulationStatus.finished:
            raise SimulationError(f"run '{self.run.name}': {self.status.name}. {self.status.remedy}")
        return self


def status_of(concentrations, variables, flux_status, loop_status, failed) -> Int[Array, ""]:
    """Return the `SimulationStatus` of a trajectory as a number.

    Args:
        concentrations: (n, species).
        variables: (n, variables).
        flux_status: (n,) `FluxStatus`.
        loop_status: (n,) `LoopStatus`.
        failed: whether the solver ran out of steps.

    Returns:
        ()
    """
    finite = jnp.all(jnp.isfinite(concentrations)) & jnp.all(jnp.isfinite(variables))
    projected, closed = jnp.all(usable(flux_status, FluxStatus)), jnp.all(usable(loop_status, LoopStatus))
    status = jnp.where(closed, SimulationStatus.finished, SimulationStatus.loop_failed)
    status = jnp.where(projected, status, SimulationStatus.flux_failed)
    status = jnp.where(finite, status, SimulationStatus.not_finite)
    return jnp.where(failed, SimulationStatus.too_many_steps, status)


def has_finished(path: Path) -> Bool[Array, ""]:
    """Return whether a solved run reached its end.

    Args:
        path: as `integrate` returns it.

    Returns:
        ()
    """
    return status_of(path.states.amounts[:, -1], path.variables, path.flux_status, path.loop_status,
                     jnp.any(path.failed != 0)) == SimulationStatus.finished  # fmt: skip
