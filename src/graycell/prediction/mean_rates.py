"""MeanRates: balances of the vessel with the mean specific rates that the training runs showed over time.

Nothing is learned but these means: growth, and for every species its net production over the integral of the viable
cells, summed over the training runs between each two samples. A run is then simulated from its own start with its own
feeds, rules for feeds and samples. Uptake ends where a species runs out. The first count of cells has an error of some
10 %, which growth multiplies, so the start of the cells lies between the count and the mean of the runs, as far as the
counts differ by more than their error (empirical Bayes).
"""

import functools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.balances.series import has_balance
from graycell.balances.specific_rates import GROWTH, SpecificRate, specific_rates
from graycell.cell.rates import RateLaw
from graycell.cell.variables import Input, Species
from graycell.comparison.protocols import DependsOnFields, Predictor
from graycell.comparison.samples import value_at_start
from graycell.errors import FitError
from graycell.model import CultureModel
from graycell.packing import molar_mass_of
from graycell.runs.records import TCD, TEMPERATURE, VCD, CultureRun, RuleBolus, Setpoint, Signal
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import SolverSettings
from graycell.units import CELL_DENSITY, CONCENTRATION, convert_amount

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
    counted = [run for run in runs if is_counted(run)]
    if not counted:
        raise FitError(f"found {len(runs)} training runs without two counts of viable cells; mean rates need one; "
                       "measure VCD.")  # fmt: skip
    every = np.unique(np.concatenate([with_start(run).measurements[VCD].time for run in counted]))
    ends = [every[0]]
    for time in every[1:]:
        if time - ends[-1] > _NEAREST:
            ends.append(time)
    ends = np.array([*ends, every[-1]] if len(ends) == 1 else ends)
    middles = 0.5 * (ends[1:] + ends[:-1])
    sums: dict[str, np.ndarray] = {}
    for rate in (rate for run in counted for rate in rates_of(run)):
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


def is_counted(run: CultureRun) -> bool:
    """Return whether a run has two counts of viable cells, that of its start among them.

    Args:
        run: any run.

    Returns:
        Whether it has rates.
    """
    series = with_start(run).measurements.get(VCD)
    return series is not None and len(series.time) > 1


_kept: dict[int, tuple[weakref.ref, tuple[SpecificRate, ...]]] = {}
"""Rates of runs by the identity of the run, as long as it lives."""


def rates_of(run: CultureRun) -> tuple[SpecificRate, ...]:
    """Return the specific rates between the samples of a run, its start among them.

    They are computed once for each run: whoever leaves out one run after the other asks for those of the others again.

    Args:
        run: with two counts of viable cells.

    Returns:
        The rates of all intervals.

    Raises:
        InputError: the run is faulty.
    """
    known = _kept.get(id(run))
    if known is None or known[0]() is not run:
        rates = tuple(rate for rate in specific_rates(with_start(run)).rates if not rate.since_start)
        known = _kept[id(run)] = weakref.ref(run, functools.partial(_forget, id(run))), rates
    return known[1]


def _forget(key: int, _: weakref.ref) -> None:
    _kept.pop(key, None)


def with_start(run: CultureRun) -> CultureRun:
    """Return a run whose initial state is a sample at time 0 of what was measured later.

    Args:
        run: any run.

    Returns:
        The run; the relative error is that of the first sample, at most a half.
    """
    begun = {}
    for name, series in run.measurements.items():
        first = float(run.initial.get(name, np.nan))
        if not len(series.time) or series.time[0] <= 0.0 or not np.isfinite(first):
            continue
        relative = min(float(series.standard_error[0]) / max(float(series.value[0]), 1e-300), 0.5)
        error = max(relative * first, float(np.min(series.standard_error)))
        below = None if series.below is None else np.r_[False, series.below]
        begun[name] = replace(series, time=np.r_[0.0, series.time], value=np.r_[first, series.value],
                              standard_error=np.r_[error, series.standard_error], below=below)  # fmt: skip
    return replace(run, measurements={**run.measurements, **begun}) if begun else run


@dataclass(frozen=True)
class Deviations:
    """How specific rates deviate from their means with what a culture is like; none of them for mean rates.

    The deviation of a rate is bound * tanh(slopes @ (values - usual values)/scales / bound).

    Attributes:
        names: what is looked at: species, and the temperature.
        usual: by name, (points,) its mean over the training runs at the times of the profile.
        scales: (names,) standard deviation of the differences from it.
        slopes: by quantity, (names,) in the unit of the rate.
        bounds: by quantity, largest deviation in the unit of the rate.
    """

    names: tuple[str, ...] = ()
    usual: Mapping[str, np.ndarray] = field(default_factory=dict)
    scales: np.ndarray = field(default_factory=lambda: np.zeros(0))
    slopes: Mapping[str, np.ndarray] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)


class SteeredRate(RateLaw):
    """A mean rate over time with a bounded deviation by what the culture is like; uptake ends where nothing is left.

    Attributes:
        mean: name of the input with the mean rate.
        eaten: the species that a negative rate takes up; "" for none.
        names: species and inputs that steer the rate.
        usual: names of the inputs with their usual values.
        half: concentration of the species at which its uptake is half of the rate.
        scales: (names,) of the differences.
        slopes: (names,) in the unit of the rate.
        bound: largest deviation, in the unit of the rate.
    """

    mean: str
    eaten: str
    names: tuple[str, ...]
    usual: tuple[str, ...]
    half: Float[Array, ""]
    scales: Float[Array, " names"]
    slopes: Float[Array, " names"]
    bound: Float[Array, ""]

    def __call__(self, at) -> Float[Array, ""]:
        """Return the rate at some conditions."""
        rate = at.input(self.mean)
        if self.names:
            seen = [at.input(name) if name == TEMPERATURE else at.concentration(name) for name in self.names]
            away = (jnp.stack(seen) - jnp.stack([at.input(name) for name in self.usual])) / self.scales
            rate = rate + self.bound * jnp.tanh(jnp.sum(self.slopes * away) / self.bound)
        if not self.eaten:
            return rate
        c = at.concentration(self.eaten)
        return jnp.where(rate < 0.0, rate * c / (self.half + c), rate)


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
        return MeanRatesPredictor.of(runs, mean_profile(runs))

    def quantities(self, runs: Sequence[CultureRun], seed: int) -> tuple[str, ...]:
        """Return the quantities that it predicts.

        Args:
            runs: training runs.
            seed: not used.

        Returns:
            Names: viable cells, and what has a balance in every run.
        """
        return balanced(runs)


@dataclass(frozen=True)
class MeanRatesPredictor:
    """Mean rates that predict runs; see `comparison.Predictor`.

    Attributes:
        model: growth and net production as inputs, in the balances of a vessel.
        profile: of the training runs.
        starts: values at time 0 of the training runs, by species.
        deviations: from the mean rates.
    """

    model: CultureModel
    profile: Profile
    starts: Mapping[str, np.ndarray]
    deviations: Deviations = field(default_factory=Deviations)

    @classmethod
    def of(
        cls, runs: Sequence[CultureRun], profile: Profile, deviations: Deviations | None = None
    ) -> "MeanRatesPredictor":
        """Return the predictor that training runs give.

        Args:
            runs: training runs.
            profile: their mean rates.
            deviations: from the mean rates; none if left out.

        Returns:
            The predictor.
        """
        deviations = deviations or Deviations()
        names = [name for name in balanced(runs) if name in profile.rates or name == VCD]
        starts = {name: np.array([value_at_start(run, name) for run in runs]) for name in names}
        starts = {name: values[np.isfinite(values)] for name, values in starts.items()}
        starts[VCD] = starts[VCD][starts[VCD] > 0.0]
        return cls(_model(runs, names, deviations), profile, starts, deviations)

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

    def realised(self, run: CultureRun) -> CultureRun:
        """Return a run with the boluses that its rules give, by the mean rates.

        Args:
            run: any run.

        Returns:
            The run; itself where no bolus follows a rule.

        Raises:
            FitError: the run has no count of cells at time 0.
            SimulationError: the simulation does not reach its end.
        """
        if not any(isinstance(event, RuleBolus) for event in run.events):
            return run
        path = simulate(self.model, self.prepared(run), _SETTINGS).require_finished()
        return run.with_rules_given(path.boluses)

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
        initial = {name: self._start_of(run, name) for name in self.model.species}
        initial[VCD] = self._start_of_cells(run)
        seen = TEMPERATURE in self.deviations.names
        events = tuple(event for event in run.events
                       if not isinstance(event, Setpoint) or (seen and event.input == TEMPERATURE))  # fmt: skip
        return replace(run, initial=initial, measurements={}, signals=signals, events=events)

    def _inputs(self) -> dict[str, np.ndarray]:
        rates, still = self.profile.rates, np.zeros_like(self.profile.time)
        found = {_MEAN.format(name): rates.get(GROWTH if name == VCD else name, still) for name in self.model.species}
        return found | {_USUAL.format(name): values for name, values in self.deviations.usual.items()}

    def unknown_starts(self, run: CultureRun) -> tuple[str, ...]:
        """Return the species whose value at time 0 a run does not give: the mean of the training runs stands in.

        Args:
            run: any run.

        Returns:
            Their names.
        """
        return tuple(name for name in self.model.species if not np.isfinite(value_at_start(run, name)))

    def _start_of(self, run: CultureRun, name: str) -> float:
        """Return the concentration at time 0 in the unit of `CultureRun.initial`."""
        value, series = value_at_start(run, name), run.measurements.get(name)
        unit, others = self.model.unit(name), self.starts[name]
        own = run.units.get(name, unit)
        if not np.isfinite(value):
            value = float(np.mean(others)) if len(others) else 0.0
        elif series is None or not len(series.time) or series.time[0] > 0.0:
            return value
        else:
            unit = series.unit or own
        return float(convert_amount(value, unit, own, molar_mass_of(self.model, name, run)))

    def _start_of_cells(self, run: CultureRun) -> float:
        """Return the density of viable cells at time 0 [10^9 cells/L], between the count and those of the others."""
        count = value_at_start(run, VCD)
        if not count > 0.0:
            if not len(self.starts[VCD]):
                raise FitError(f"run '{run.name}': found no count of cells at time 0, nor in the training runs; give "
                               "VCD at time 0.")  # fmt: skip
            return float(np.exp(np.mean(np.log(self.starts[VCD]))))
        if not len(self.starts[VCD]):
            return count
        series = run.measurements.get(VCD)
        reported = series.standard_error[0] / count if series is not None and series.time[0] <= 0.0 else 0.0
        error, logs = max(COUNT_ERROR, float(reported)), np.log(self.starts[VCD])
        between = max(float(np.var(logs, ddof=1)) - error**2, 0.0) if len(logs) > 1 else 0.0
        # a count far from all others is another inoculum, and no error of the count
        away = np.log(count) - float(np.mean(logs))
        between = max(between, away**2 - (2.0 * error) ** 2)
        return float(count * np.exp(-away * error**2 / (error**2 + between)))


_MEAN, _USUAL = "mean rate of {}", "usual {}"
"""Names of inputs."""


def balanced(runs: Sequence[CultureRun]) -> tuple[str, ...]:
    """Return what can be balanced: viable cells, and what has a balance in every run that measured it.

    Args:
        runs: any.

    Returns:
        Names of quantities.
    """
    names = dict.fromkeys(name for run in runs for name in run.measurements if name != TCD)
    return tuple(
        name for name in names if all(name not in run.measurements or has_balance(run, name) for run in runs)
    )


def _model(runs: Sequence[CultureRun], names: Sequence[str], deviations: Deviations) -> CultureModel:
    """Return the balances of a vessel whose rates are inputs with deviations."""
    names = tuple(dict.fromkeys([VCD, *names]))
    reactions, rates, species = {}, {}, {VCD: Species(CELL_DENSITY)}
    inputs = {_USUAL.format(name): Input("1", 0.0) for name in deviations.names}
    if TEMPERATURE in deviations.names:
        inputs[TEMPERATURE] = Input("degC", None)
    for name in names:
        quantity, half = GROWTH if name == VCD else name, 1.0
        if name != VCD:
            series = [run.measurements[name] for run in runs if name in run.measurements]
            half = max(_RUNS_OUT * max((float(np.max(one.value, initial=0.0)) for one in series), default=0.0), 1e-9)
            masses = [run.molar_masses[name] for run in runs if name in run.molar_masses]
            unit = next((one.unit for one in series if one.unit), CONCENTRATION)
            species[name] = Species(unit, molar_mass=masses[0] if masses else None)
        reactions[f"{name} made"], inputs[_MEAN.format(name)] = f"=> {name}", Input("1", 0.0)
        slopes = deviations.slopes.get(quantity, np.zeros(len(deviations.names)))
        rates[f"{name} made"] = SteeredRate(
            _MEAN.format(name), "" if name == VCD else name, deviations.names,
            tuple(_USUAL.format(one) for one in deviations.names), jnp.asarray(half), jnp.asarray(deviations.scales),
            jnp.asarray(slopes), jnp.asarray(deviations.bounds.get(quantity, 1.0)),
        )  # fmt: skip
    return CultureModel(name="mean rates", reactions=reactions, rates=rates, species=species, inputs=inputs,
                        parameters={})  # fmt: skip
