"""Initial states as unknowns of a fit: their priors in its objective.

A deviation is d = ln(true/given), one for every run and uncertain species: a random effect of the run, as the deviation
of a parameter that differs between runs is one; see `InitialError` for the model, and `likelihood.Objective`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.rates import ViableCells
from graycell.errors import FitError, InputError
from graycell.inference.initial_error import MEASURED, InitialError
from graycell.model import CultureModel
from graycell.packing import PackedRun, in_units_of, viability_of
from graycell.packing.names import with_measured_start
from graycell.runs.records import TCD, VCD, CultureRun, Measurement
from graycell.units import DIMENSIONLESS, convert

_MEASURED_SD = (1e-3, 0.5)
"""[1] Least and largest error that a sample at time 0 can tell: no assay is exact, and one whose standard error is as
large as its value says nothing on a logarithmic scale."""
_SAME = 0.1
"""[standard errors] Within this a sample at time 0 is the one that the given value was taken from, and was rounded."""
_ROUNDING = 1e-6
"""[1] The same, for a sample with next to no error."""


class InitialPrior(eqx.Module):
    """The priors of the deviations of initial concentrations, in the objective of a fit.

    Attributes:
        sd: (runs, effects) [1] standard deviations of the deviations; 1 where a run has none.
        carried: (runs, effects, species) 1 where a deviation moves a species; several may move one.
        given: (runs, common) [1] logarithm of the given concentration over `centre`.
        between_runs_sd: (runs, common) [1] standard deviations of the true concentrations around their common mean;
            infinite where a run has none.
        species: names of the uncertain species, one an effect.
        common: the effects that have a common mean.
        centre: (runs, common) natural logarithm of the concentration at which the search for a common mean starts; the
            same in all runs.
    """

    sd: Float[Array, "runs effects"]
    carried: Float[Array, "runs effects species"]
    given: Float[Array, "runs common"]
    between_runs_sd: Float[Array, "runs common"]
    centre: Float[Array, "runs common"]
    species: tuple[str, ...] = eqx.field(static=True, default=())
    common: tuple[int, ...] = eqx.field(static=True, default=())

    @classmethod
    def exact(cls, packed: PackedRun) -> "InitialPrior":
        """Return the prior where all given concentrations are exact: there are no deviations.

        Args:
            packed: runs with a leading axis.

        Returns:
            The prior.
        """
        runs, species = packed.initial.shape
        none = jnp.zeros((runs, 0))
        return cls(none, jnp.zeros((runs, 0, species)), none, none, none)

    @property
    def names_of_common(self) -> tuple[str, ...]:
        """Names of the species that have a common mean."""
        return tuple(self.species[i] for i in self.common)

    def between(
        self, deviations: Float[Array, "runs effects"], common: Float[Array, " common"]
    ) -> Float[Array, "runs common"]:
        """Return the residuals of the true concentrations around their common means.

        Args:
            deviations: of the runs [1].
            common: natural logarithm of the common means over `centre`.

        Returns:
            (runs, common) [standard deviations between runs].
        """
        return (self.given + deviations[:, jnp.array(self.common, int)] - common[None, :]) / self.between_runs_sd


def begun(
    packed: PackedRun, deviations: Float[Array, " effects"], carried: Float[Array, "effects species"]
) -> PackedRun:
    """Return a packed run with its true initial concentrations.

    Args:
        packed: one run.
        deviations: of its initial concentrations, on the logarithmic scale [1].
        carried: which species each of them moves.

    Returns:
        The run.
    """
    return replace(packed, initial=packed.initial * jnp.exp(deviations @ carried))


class GivenStart(NamedTuple):
    """What one run says of its initial state, in the units of the model.

    Attributes:
        run: in the units of the model.
        values: (effects,) given concentrations; 0 where a species is absent.
        sd: (effects,) error of the assay [1]; NaN where the value is exact, or absent.
    """

    run: CultureRun
    values: np.ndarray
    sd: np.ndarray


def initial_prior(
    error: InitialError | None, runs: Sequence[CultureRun], model: CultureModel, packed: PackedRun
) -> tuple[InitialPrior, PackedRun]:
    """Return the priors of the initial states of runs, and the runs without the samples that say the same.

    Args:
        error: of the given values; None where they are exact.
        runs: of the fit.
        model: of the fit.
        packed: the runs, with a leading axis.

    Returns:
        The priors, and the packed runs, in which a sample at time 0 that a given value was taken from has an infinite
        standard error.

    Raises:
        InputError: for a name that is no species of the model.
        FitError: where no run has an initial value that is uncertain.
    """
    if error is None:
        return InitialPrior.exact(packed), packed
    findings = error.unknown_names(model.species, model.biomass)
    if findings:
        raise InputError(findings)
    bases = [with_measured_start(in_units_of(run, model), model) for run in runs]
    species = _uncertain(error, bases, model)
    given = [given_start(error, base, model, species) for base in bases]
    kept = [i for i in range(len(species)) if any(np.isfinite(one.sd[i]) for one in given)]
    if not kept:
        raise FitError(
            "initial_error: found no initial concentration above 0 with an error; a sample at time 0, or a number, is "
            "needed; write a number such as 0.1, or leave initial_error out."
        )
    species = tuple(species[i] for i in kept)
    values, sd = (np.array([getattr(one, name)[kept] for one in given]) for name in ("values", "sd"))
    taus = [error.of_species(name, model.biomass)[1] for name in species]
    common = tuple(i for i, tau in enumerate(taus) if tau is not None)
    has = np.isfinite(sd)[:, common]
    logs = np.log(np.where(has, values[:, common], 1.0))
    centre = np.sum(np.where(has, logs, 0.0), axis=0) / np.maximum(np.sum(has, axis=0), 1)
    prior = InitialPrior(
        jnp.asarray(np.where(np.isfinite(sd), sd, 1.0)),
        jnp.asarray(np.array([carried_by(one.run, model, species, row) for one, row in zip(given, sd, strict=True)])),
        jnp.asarray(np.where(has, logs - centre, 0.0)),
        jnp.asarray(np.where(has, np.array([taus[i] for i in common], float), np.inf)),
        jnp.asarray(np.tile(centre, (len(runs), 1))),
        species,
        common,
    )
    return prior, _without_repeated(packed, given, species, np.where(np.isfinite(sd), values, 0.0), model)


def _uncertain(error: InitialError, bases: Sequence[CultureRun], model: CultureModel) -> tuple[str, ...]:
    """Return the species whose initial values may be uncertain, in the order of the model."""
    named = error.names
    if named is None:
        return tuple(name for name in model.species if any(base.initial.get(name, 0.0) > 0.0 for base in bases))
    wanted = {model.biomass if name == VCD and name not in model.species else name for name in named}
    return tuple(name for name in model.species if name in wanted)


def given_start(error: InitialError, base: CultureRun, model: CultureModel, species: Sequence[str]) -> GivenStart:
    """Return what one run says of its initial state.

    Args:
        error: of the given values.
        base: a run in the units of the model, with its measured start.
        model: of the fit.
        species: that may be uncertain.

    Returns:
        Values and errors.
    """
    values, sd = np.zeros(len(species)), np.full(len(species), np.nan)
    for i, name in enumerate(species):
        spec = model.species_specs[model.species.index(name)]
        values[i] = float(base.initial.get(name, spec.initial or 0.0))
        assay = error.of_species(name, model.biomass)[0]
        told = _relative_error(base, name, model) if assay == MEASURED else assay
        if values[i] > 0.0 and told is not None:
            sd[i] = float(told)
    return GivenStart(base, values, sd)


def carried_by(
    base: CultureRun, model: CultureModel, species: Sequence[str], sd: Float[np.ndarray, " effects"]
) -> Float[np.ndarray, "effects species"]:
    """Return which species of the model each deviation moves.

    Args:
        base: a run in the units of the model, with its measured start.
        model: of the fit.
        species: one a deviation.
        sd: not finite where a run has no deviation.

    Returns:
        1 where it moves one, else 0.
    """
    carried, viable = np.zeros((len(species), len(model.species))), _viability(base)
    for i in np.flatnonzero(np.isfinite(sd)).tolist():
        carried[i, model.species.index(species[i])] = 1.0
        for j, other in enumerate(model.species_specs):
            if other.dead_of == species[i] and model.species[j] not in base.initial and viable is not None:
                carried[i, j] = 1.0  # `packing` takes dead cells at time 0 from the viable ones
    return carried


def _viability(run: CultureRun) -> float | None:
    """Return the viability [1] that was measured at time 0; None without one."""
    known = viability_of(run)
    if known is None or known.time[0] > 0.0 or not known.value[0] > 0.0:
        return None
    return float(convert(float(known.value[0]), known.unit or DIMENSIONLESS, DIMENSIONLESS))


def _at_zero(run: CultureRun, name: str) -> tuple[float, float] | None:
    """Return value and standard error of a quantity in the sample at time 0; None without one, or below a limit."""
    series: Measurement | None = run.measurements.get(name)
    if series is None or not len(series.time) or float(series.time[0]) != 0.0:
        return None
    if series.below is not None and series.below[0]:
        return None
    return float(series.value[0]), float(series.standard_error[0])


def _relative_error(run: CultureRun, name: str, model: CultureModel) -> float | None:
    """Return the error of the sample at time 0 over its value [1]; of the count of cells for their species."""
    found = _at_zero(run, name) or (_at_zero(run, VCD) if name == model.biomass else None)
    if found is None or not found[0] > 0.0:
        return None
    return float(np.clip(found[1] / found[0], *_MEASURED_SD))


def _without_repeated(
    packed: PackedRun, given: Sequence[GivenStart], species: Sequence[str], values: np.ndarray, model: CultureModel
) -> PackedRun:
    """Return packed runs without the samples at time 0 that given values were taken from: those are in the priors."""
    error, first = np.array(packed.standard_error), np.asarray(packed.end) == 0.0
    for i, one in enumerate(given):
        for k, name in enumerate(species):
            if not values[i, k] > 0.0:
                continue
            told = {name: values[i, k]}
            if name == model.biomass:
                told = {**_counts(one.run, model, values[i, k], np.asarray(packed.initial)[i]), **told}
            for quantity, value in told.items():
                sample = _at_zero(one.run, quantity)
                if sample is None or quantity not in model.quantities:
                    continue
                apart = abs(sample[0] - value)
                if apart <= max(_SAME * sample[1], _ROUNDING * abs(sample[0])):
                    error[i, first[i], model.quantities.index(quantity)] = np.inf
    # `replace` would have the shapes of one run checked
    return eqx.tree_at(lambda runs: runs.standard_error, packed, jnp.asarray(error))


def _counts(
    run: CultureRun, model: CultureModel, amount: float, initial: Float[np.ndarray, " species"]
) -> dict[str, float]:
    """Return the viable and the total cell density that a given amount of cells means.

    One sample gives both, so that both would repeat the start that was taken from one of them.
    """
    cells, share = model.cells, _viability(run) or 1.0
    assert isinstance(cells, ViableCells)  # as `biomass` says
    density = amount if cells.biomass_per_cell is None else amount / float(model.parameters[cells.biomass_per_cell])
    if cells.viability is not None:
        return {VCD: share * density, TCD: density}
    dead = sum(float(initial[j]) for j, spec in enumerate(model.species_specs) if spec.dead_of == cells.species)
    return {VCD: density, TCD: density + dead}
