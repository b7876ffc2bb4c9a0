"""MeanRates: balances of the vessel with the mean specific rates that the training runs showed over time.

Nothing is learned but these means: growth, and for every species its net production over the integral of the viable
cells, summed over the training runs between each two samples. A run is then simulated from its own start with its own
feeds and samples. Uptake ends where a species runs out. The first count of cells has an error of some 10 %, which
growth multiplies, so the start of the cells lies between the count and the mean of the runs, as far as the counts
differ by more than their error (empirical Bayes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from graycell.balances.series import has_balance
from graycell.balances.specific_rates import GROWTH, specific_rates
from graycell.cell.rates import InputValue, Monod, Product
from graycell.cell.variables import Input, Species
from graycell.comparison.protocols import DependsOnFields, Predictor
from graycell.comparison.samples import value_at_start
from graycell.errors import FitError
from graycell.model import CultureModel
from graycell.runs.records import TCD, VCD, CultureRun, Setpoint, Signal
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import SolverSettings
from graycell.units import CELL_DENSITY, CONCENTRATION

COUNT_ERROR = 0.1
"""[1] Least relative error of a count of cells at time 0: 5 to 20 % in replicate cultures."""
_NEAREST = 0.1
"""[d] Samples of different runs that are closer in time share an interval of the profile."""
_RUNS_OUT = 2e-3
"""[1] Part of the largest concentration seen at which uptake is half of the mean rate."""
_SETTINGS = SolverSettings(rtol=1e-4, atol=1e-5, derivative_rtol=np.inf)
"""Of the solver: its error is far below that of mean rates."""


@dataclass(frozen=True)
class Profile:
    """Mean specific rates of training runs over time.

    Attributes:
        time: (points,) [d] middles of the intervals, rising.
        rates: (points,) by quantity: growth in 1/d, others in their unit per 10^9 cells and day.
    """

    time: np.ndarray
    rates: Mapping[str, np.ndarray]


def mean_profile(runs: Sequence[CultureRun]) -> Profile:
    """Return the mean specific rates of runs.

    Args:
        runs: with two or more counts of viable cells each; a run with fewer does not count.

    Returns:
        The profile: rates of production are ratios of sums over the runs, growth is the mean of the runs.

    Raises:
        InputError: a run is faulty.
        FitError: no run has two counts.
    """
    counted = [run for run in runs if VCD in run.measurements and len(run.measurements[VCD].time) > 1]
    if not counted:
        raise FitError(f"found {len(runs)} training runs without two counts of viable cells; mean rates need one; "
                       "measure VCD.")  # fmt: skip
    every = np.unique(np.concatenate([run.measurements[VCD].time for run in counted]))
    ends = every[np.r_[True, np.diff(every) > _NEAREST]]
    middles = 0.5 * (ends[1:] + ends[:-1])
    sums: dict[str, np.ndarray] = {}
    for rate in (rate for run in counted for rate in specific_rates(run).rates if not rate.since_start):
        covered = (middles > rate.start) & (middles <= rate.end)
        if not np.any(covered):
            continue
        # growth per run and not per cell: one dense culture would hide the others
        made, cells = (rate.value, 1.0) if rate.quantity == GROWTH else (rate.net_production, rate.viable_cells)
        parts = 1.0 if rate.quantity == GROWTH else float(np.sum(covered))
        total = sums.setdefault(rate.quantity, np.zeros((2, len(middles))))
        total[:, covered] += np.array([[made], [cells]]) / parts
    found = {}
    for name, (made, cells) in sums.items():
        known = cells > 0.0
        found[name] = np.interp(middles, middles[known], made[known] / cells[known])
    return Profile(middles, MappingProxyType(found))


@dataclass(frozen=True)
class MeanRates(DependsOnFields):
    """Balances with the mean specific rates of the training runs; see `comparison.Candidate`.

    Attributes:
        name: in all tables.
    """

    name: str = "mean rates"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Compute the mean rates.

        Args:
            runs: training runs.
            seed: not used.

        Returns:
            The predictor; it leaves out what has no balance, such as viability.

        Raises:
            InputError: a run is faulty.
            FitError: no run has two counts of viable cells.
        """
        return MeanRatesPredictor.of(runs)

    def quantities(self, runs: Sequence[CultureRun], seed: int) -> tuple[str, ...]:
        """Return the quantities that it predicts.

        Args:
            runs: training runs.
            seed: not used.

        Returns:
            Names: viable cells, and what has a balance in every run.
        """
        return _balanced(runs)


@dataclass(frozen=True)
class MeanRatesPredictor:
    """Mean rates that predict runs; see `comparison.Predictor`.

    Attributes:
        model: growth and net production as inputs, in the balances of a vessel.
        profile: of the training runs.
        starts: (runs,) counts of cells at time 0 of the training runs [10^9 cells/L].
    """

    model: CultureModel
    profile: Profile
    starts: np.ndarray

    @classmethod
    def of(cls, runs: Sequence[CultureRun]) -> "MeanRatesPredictor":
        """Return the predictor that training runs give.

        Args:
            runs: training runs.

        Returns:
            The predictor.

        Raises:
            InputError: a run is faulty.
            FitError: no run has two counts of viable cells.
        """
        profile = mean_profile(runs)
        names = [name for name in _balanced(runs) if name in profile.rates or name == VCD]
        starts = np.array([value_at_start(run, VCD) for run in runs])
        return cls(_model(runs, names), profile, starts[starts > 0.0])

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Simulate a run with the mean rates.

        Args:
            known: what is known of the run: its start, its feeds and its samples.
            times: (samples,) times [d] by quantity.

        Returns:
            (samples,) values by quantity, in the unit in which the training runs measured it.

        Raises:
            FitError: the run has no count of cells at time 0.
            SimulationError: the simulation does not reach its end.
        """
        wanted = {name: np.asarray(time, float) for name, time in times.items() if name in self.model.species}
        if not any(len(time) for time in wanted.values()):
            return {name: np.zeros(0) for name in wanted}
        every = np.unique(np.concatenate(list(wanted.values())))
        path = simulate(self.model, self.prepared(known), _SETTINGS, save_at=every).require_finished()
        return {name: np.asarray(path[name])[np.searchsorted(every, time)] for name, time in wanted.items()}

    def prepared(self, run: CultureRun) -> CultureRun:
        """Return a run as the model takes it: with the mean rates as signals, and its start.

        Args:
            run: any run.

        Returns:
            The run without its measurements.

        Raises:
            FitError: it has no count of cells at time 0.
        """
        signals = {name: Signal(name, "", self.profile.time, value) for name, value in self._inputs().items()}
        initial = {name: value_at_start(run, name) for name in self.model.species}
        initial = {name: value if np.isfinite(value) else 0.0 for name, value in initial.items()}
        initial[VCD] = self._start_of_cells(run)
        events = tuple(event for event in run.events if not isinstance(event, Setpoint))
        return replace(run, initial=initial, measurements={}, signals=signals, events=events)

    def _inputs(self) -> dict[str, np.ndarray]:
        rates = self.profile.rates
        found = {_GROWTH: rates.get(GROWTH, np.zeros_like(self.profile.time))}
        for name in self.model.species:
            if name != VCD:
                found[f"{_MADE} {name}"] = np.maximum(rates[name], 0.0)
                found[f"{_USED} {name}"] = np.maximum(-rates[name], 0.0)
        return found

    def _start_of_cells(self, run: CultureRun) -> float:
        """Return the density of viable cells at time 0 [10^9 cells/L], between the count and those of the others."""
        count = value_at_start(run, VCD)
        if not count > 0.0:
            if not len(self.starts):
                raise FitError(f"run '{run.name}': found no count of cells at time 0, nor in the training runs; give "
                               "VCD at time 0.")  # fmt: skip
            return float(np.exp(np.mean(np.log(self.starts))))
        if not len(self.starts):
            return count
        series = run.measurements.get(VCD)
        told = series.standard_error[0] / count if series is not None and series.time[0] <= 0.0 else 0.0
        error, logs = max(COUNT_ERROR, float(told)), np.log(self.starts)
        between = max(float(np.var(logs, ddof=1)) - error**2, 0.0) if len(logs) > 1 else 0.0
        # a count far from all others is another inoculum, and no error of the count
        away = np.log(count) - float(np.mean(logs))
        between = max(between, away**2 - (2.0 * error) ** 2)
        return float(count * np.exp(-away * error**2 / (error**2 + between)))


_GROWTH, _MADE, _USED = "mean growth", "mean production of", "mean uptake of"


def _balanced(runs: Sequence[CultureRun]) -> tuple[str, ...]:
    names = dict.fromkeys(name for run in runs for name in run.measurements if name != TCD)
    return tuple(
        name for name in names if all(name not in run.measurements or has_balance(run, name) for run in runs)
    )


def _model(runs: Sequence[CultureRun], names: Sequence[str]) -> CultureModel:
    """Return the balances of a vessel, with growth and net production as inputs."""
    reactions, rates, species = {"growth": f"=> {VCD}"}, {"growth": InputValue(_GROWTH)}, {VCD: Species(CELL_DENSITY)}
    inputs, parameters = {_GROWTH: Input("1/d", 0.0)}, {}
    for name in names:
        if name == VCD:
            continue
        series = [run.measurements[name] for run in runs if name in run.measurements]
        unit = next((one.unit for one in series if one.unit), CONCENTRATION)
        largest = max((float(np.max(one.value, initial=0.0)) for one in series), default=0.0)
        masses = [run.molar_masses[name] for run in runs if name in run.molar_masses]
        species[name] = Species(unit, molar_mass=masses[0] if masses else None)
        made, used, half = f"{name} made", f"{name} used", f"K of {name}"
        reactions |= {made: f"=> {name}", used: f"{name} =>"}
        parameters[half] = max(_RUNS_OUT * largest, 1e-9)
        inputs |= {f"{_MADE} {name}": Input("1", 0.0), f"{_USED} {name}": Input("1", 0.0)}
        rates |= {made: InputValue(f"{_MADE} {name}"),
                  used: Product((InputValue(f"{_USED} {name}"), Monod(name, half)))}  # fmt: skip
    return CultureModel(name="mean rates", reactions=reactions, rates=rates, species=species, inputs=inputs,
                        parameters=parameters)  # fmt: skip
