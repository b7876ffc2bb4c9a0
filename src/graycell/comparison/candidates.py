"""ModelCandidate: a model of graycell as a candidate, built for the training runs, fitted, and simulated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from graycell.cell.network import MetabolicNetwork
from graycell.comparison.consistency import POINTS, count_inconsistencies, extrapolated
from graycell.inference.fitting import Fit, FitSettings, Progress, fit
from graycell.inference.group_effects import grouped_parameters
from graycell.inference.initial_error import InitialError
from graycell.inference.problem import Problem
from graycell.model import CultureModel
from graycell.packing import as_run_has, in_units_of, names_of
from graycell.packing.names import with_measured_start
from graycell.provenance import content_of, hash_of_run, provenance_of
from graycell.runs.records import CultureRun, Measurement
from graycell.simulation.forecast import from_last_samples
from graycell.simulation.simulate import Trajectory, simulate

_KEPT = 16
"""Models that a candidate keeps: one for each training that may be under way."""


@dataclass(frozen=True)
class FittedPredictor:
    """A fit that predicts runs; see `protocols.Predictor`.

    Attributes:
        fit: to the training runs.
        groups: group of each run by its name, also of runs that are predicted.
    """

    fit: Fit
    groups: Mapping[str, str] = field(default_factory=dict)

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Simulate a run, see `predicted`.

        Args:
            known: what is known of the run.
            times: (samples,) times [d] by quantity.

        Returns:
            (samples,) values by quantity, in the unit in which the training runs measured it, else in the model's; a
            quantity that the model does not have is left out.
        """
        measured = {name: one.unit for run in self.fit.runs for name, one in run.measurements.items() if one.unit}
        model = self.fit.model_of(known.name, self.groups.get(known.name))
        trajectory = predicted(model, self.fit.run_of(known), times)
        return {
            name: as_run_has(model, name, trajectory.at_samples(name), measured.get(name, model.unit(name)), known)
            for name in times
            if name in trajectory.run.measurements
        }  # fmt: skip


def predicted(model: CultureModel, known: CultureRun, times: Mapping[str, np.ndarray]) -> Trajectory:
    """Simulate a run at given times.

    If all times are after the last known sample, the simulation starts there, with its clock at 0, see
    `forecast.from_last_samples`; else it starts at time 0.

    Args:
        model: the model.
        known: what is known of the run.
        times: (samples,) times [d] by quantity; a quantity that the model does not have is left out.

    Returns:
        The trajectory to the last of these times; a `SimulationError` if it does not get there.
    """
    begins = max(known.last_sample, 0.0)
    if min((np.min(time, initial=np.inf) for time in times.values()), default=np.inf) <= begins:
        begins = 0.0
    rest = _begun(known, model) if begins == 0.0 else from_last_samples(model, known)
    # placeholders that only carry the times; a density of 0 would be refused as one in a wrong unit
    wanted = {
        name: Measurement(name, "", np.asarray(time, float) - begins, np.ones(len(time)), np.ones(len(time)))
        for name, time in times.items()
        if name in model.quantities
    }
    rest = replace(rest, measurements=wanted)
    rest = rest.ended_at(rest.last_sample) if wanted else rest
    return simulate(model, rest, points=POINTS).require_finished()


def _begun(run: CultureRun, model: CultureModel) -> CultureRun:
    """Return a run with its sample at time 0 where it gives no other start, before the samples are taken away."""
    if all(name in run.initial for name in names_of(model).required):
        return run
    return with_measured_start(in_units_of(run, model), model)


@dataclass(frozen=True)
class ModelCandidate:
    """A model to be fitted; see `protocols.Candidate`.

    Attributes:
        name: in all tables.
        build: returns the model for training runs and a seed; networks take the scales of their inputs from the runs.
        settings: of the fit; its seed is that of the training.
        network: reactions that the exchange of a black box is checked against, see `count_inconsistencies`.
        progress: called with the progress of each fit.
        initial_error: of the initial concentrations of the runs; of the species that the model has.
        groups: group of each run by its name, also of runs that are predicted; they count where parameters of the model
            differ between groups.
    """

    name: str
    build: Callable[[Sequence[CultureRun], int], CultureModel]
    settings: FitSettings = field(default_factory=FitSettings)
    network: MetabolicNetwork | None = None
    progress: Callable[[Progress], None] | None = field(default=None, compare=False)
    initial_error: InitialError | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    _last: dict[tuple, CultureModel] = field(default_factory=dict, init=False, repr=False, compare=False)

    def train(self, runs: Sequence[CultureRun], seed: int) -> FittedPredictor:
        """Fit the model to runs.

        Args:
            runs: training runs.
            seed: the only source of random numbers.

        Returns:
            The fit.
        """
        model, errors = self._built(runs, seed), self.initial_error
        known = None if errors is None else errors.known_to(model.species, model.biomass)
        groups = self._groups(model)
        problem = Problem(model, runs, initial_error=known, groups=groups or None)
        found = fit(problem, settings=replace(self.settings, seed=seed), progress=self.progress)
        return FittedPredictor(found, groups)

    def described(self) -> dict[str, object]:
        """Return the settings, for the record.

        Returns:
            Plain data.
        """
        return {"settings": asdict(self.settings), **self._initial_error, **self._plain(self.groups)}

    def quantities(self, runs: Sequence[CultureRun], seed: int) -> tuple[str, ...]:
        """Return the quantities that the model computes.

        Args:
            runs: training runs.
            seed: of the training.

        Returns:
            Names.
        """
        return tuple(self._built(runs, seed).quantities)

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> dict[str, object]:
        """Return everything that the fit depends on; the model is built for it.

        Args:
            runs: training runs.
            seed: of the training.

        Returns:
            Plain data.
        """
        model = self._built(runs, seed)
        found = provenance_of(model, runs, asdict(replace(self.settings, seed=seed)))
        return {**found, "network": content_of(self.network), **self._initial_error, **self._plain(self._groups(model))}

    def _groups(self, model: CultureModel) -> Mapping[str, str]:
        """Return the groups of runs if they count in a model."""
        return self.groups if grouped_parameters(model.table) else {}

    @staticmethod
    def _plain(groups: Mapping[str, str]) -> dict[str, object]:
        return {"groups": dict(groups)} if groups else {}

    @property
    def _initial_error(self) -> dict[str, object]:
        return {} if self.initial_error is None else {"initial_error": self.initial_error.plain()}

    def _built(self, runs: Sequence[CultureRun], seed: int) -> CultureModel:
        """Return the model; the last ones are kept, as `depends_on` and `train` need them; building takes seconds."""
        key = (seed, *map(hash_of_run, runs))
        model = self._last.get(key)
        if model is None:
            model = self.build(runs, seed)
            for old in list(self._last)[:-_KEPT]:
                self._last.pop(old, None)  # another thread may have done so
            self._last[key] = model
        return model

    def __getstate__(self) -> dict[str, object]:
        """Return what another process needs to train: it reports nothing and has built nothing.

        Returns:
            The attributes.
        """
        return {**self.__dict__, "progress": None, "_last": {}}

    def consistency(self, predictor: FittedPredictor, runs: Sequence[CultureRun]) -> dict[str, tuple[int, int]]:
        """Count inconsistent predictions for runs, and for runs extrapolated from them.

        Args:
            predictor: the fit.
            runs: what is known of the test runs.

        Returns:
            By the name of a check: the number of faults, and the number of places that were checked.
        """
        model = predictor.fit.model
        here = count_inconsistencies(model, runs, self.network)
        there = count_inconsistencies(model, [extrapolated(run, model.biomass or "") for run in runs], self.network)
        found = {f"{count.check}, as tested": (count.counted, count.of) for count in here}
        return found | {f"{count.check}, extrapolation": (count.counted, count.of) for count in there}
