"""Models of graycell as candidates of a comparison: built for the training runs, fitted, and simulated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from graycell.cell.network import MetabolicNetwork
from graycell.comparison.consistency import count_inconsistencies, extrapolated
from graycell.inference.fitting import Fit, FitSettings, Progress, fit
from graycell.model import CultureModel
from graycell.packing import quantities_of
from graycell.provenance import content_of, provenance_of
from graycell.runs.records import CultureRun, Measurement
from graycell.simulation.forecast import from_last_samples
from graycell.simulation.simulate import Trajectory, simulate


@dataclass(frozen=True)
class FittedPredictor:
    """A fit that predicts runs; see `baselines.Predictor`."""

    fit: Fit

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return what is simulated from time 0 at the asked times [d], in internal units; raises `SimulationError`."""
        trajectory = predicted(self.fit.model_of(known.name), known, times)
        return {name: trajectory.at_samples(name) for name in times if name in trajectory.run.measurements}


def predicted(model: CultureModel, known: CultureRun, times: Mapping[str, np.ndarray]) -> Trajectory:
    """Return the trajectory of a run with points at the asked times [d]; a quantity the model has not is left out.

    Where all asked times lie after the last known sample, the trajectory goes on from there, see
    `forecast.from_last_samples`, and so does its clock; else it starts at time 0. Raises `SimulationError`
    where the run cannot be simulated to the last of the asked times.
    """
    begins = max(known.last_sample, 0.0)
    if min((np.min(time, initial=np.inf) for time in times.values()), default=np.inf) <= begins:
        begins = 0.0
    rest = known if begins == 0.0 else from_last_samples(model, known)
    # nothing is learned from these; a density of 0 would be refused as one in a wrong unit
    asked = {
        name: Measurement(name, "", np.asarray(time, float) - begins, np.ones(len(time)), np.ones(len(time)))
        for name, time in times.items()
        if name in quantities_of(model.species)
    }
    rest = replace(rest, measurements=asked)
    return simulate(model, rest.ended_at(rest.last_sample) if asked else rest).require_finished()


@dataclass(frozen=True)
class ModelCandidate:
    """A model to be fitted; see `baselines.Candidate`.

    build: from training runs and a seed to a model, since networks take the scales of their inputs from the runs.
    network: what a black box is held to in the count of inconsistencies. progress: is told how each fit goes.
    """

    name: str
    build: Callable[[Sequence[CultureRun], int], CultureModel]
    settings: FitSettings = field(default_factory=FitSettings)
    network: MetabolicNetwork | None = None
    progress: Callable[[Progress], None] | None = field(default=None, compare=False)

    def train(self, runs: Sequence[CultureRun], seed: int) -> FittedPredictor:
        """Return the fit of the model to runs."""
        fitted = fit(self.build(runs, seed), runs, replace(self.settings, seed=seed), progress=self.progress)
        return FittedPredictor(fitted)

    def described(self) -> dict[str, object]:
        """Return what stands beside the results."""
        return {"settings": asdict(self.settings)}

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> dict[str, object]:
        """Return all that the fit depends on; the model is built for it."""
        found = provenance_of(self.build(runs, seed), runs, asdict(replace(self.settings, seed=seed)))
        return {**found, "network": content_of(self.network)}

    def consistency(self, predictor: FittedPredictor, runs: Sequence[CultureRun]) -> dict[str, tuple[int, int]]:
        """Return the counts of what cannot be, on runs and, where these can be simulated, extrapolation of them."""
        model = predictor.fit.model
        here = count_inconsistencies(model, runs, self.network)
        there = count_inconsistencies(model, [extrapolated(run, model.biomass) for run in runs], self.network)
        found = {f"{one.check}, as tested": (one.counted, one.of) for one in here}
        return found | {f"{one.check}, extrapolation": (one.counted, one.of) for one in there}
