"""Split: which runs are trained on and which are predicted, and what is known of a run that is predicted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from graycell.errors import FitError, nearest
from graycell.packing import viability_of
from graycell.runs.records import VIABILITY, CultureRun, Measurement


@dataclass(frozen=True)
class Split:
    """Runs to train on and runs to predict.

    Attributes:
        name: unique among the splits of a comparison.
        train: training runs.
        test: runs to predict.
        cut: None if whole runs are predicted from their start; else the time [d] up to which the measurements of test
            runs are known, and only later samples count.
        viability_known: if True, the viability over the whole run is a known input, as a signal, in training and in
            prediction, because some models take it as one; if False, it is known up to the cut like every measurement.

    Raises:
        FitError: there are no training or no test runs, two runs have one name, or a test run is also trained on with
            samples after the cut.
    """

    name: str
    train: tuple[CultureRun, ...]
    test: tuple[CultureRun, ...]
    cut: float | None = None
    viability_known: bool = True

    def __post_init__(self) -> None:
        if not self.train or not self.test:
            raise FitError(
                f"split '{self.name}': found {len(self.train)} training and {len(self.test)} test runs; at least one "
                "of each is needed; give more runs."
            )
        for kind, runs in (("training", self.train), ("test", self.test)):
            names = [run.name for run in runs]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise FitError(f"split '{self.name}': found {kind} runs of one name, {', '.join(twice)}; results are "
                               "reported by name, so names must differ; rename one.")  # fmt: skip
        tested = {run.name for run in self.test}
        for run in self.train:
            if run.name in tested and (self.cut is None or run.last_sample > self.cut):
                needed = "a test run is never learned from" if self.cut is None else "nothing is known after the cut"
                raise FitError(f"split '{self.name}': found run '{run.name}' in training and test with samples to "
                               f"{run.last_sample:g} d; {needed}; leave it out of the training.")  # fmt: skip

    @property
    def begins(self) -> float:
        """The time [d] after which samples count; one at time 0 never does, because it is the initial state."""
        return 0.0 if self.cut is None else max(self.cut, 0.0)

    def counted(self, series: Measurement) -> np.ndarray:
        """Return which samples of a test run count.

        Args:
            series: measured in a test run.

        Returns:
            (samples,) of bool.
        """
        return series.time > self.begins

    def training_runs(self) -> tuple[CultureRun, ...]:
        """Return what a candidate is trained on.

        Returns:
            The training runs, with viability as a signal if it is known.
        """
        return tuple(with_viability_known(run) if self.viability_known else run for run in self.train)

    def known_runs(self) -> tuple[CultureRun, ...]:
        """Return what a predictor is given of the test runs.

        Returns:
            The test runs, with the measurements up to the cut.
        """
        return tuple(known_of(run, self.cut, self.viability_known) for run in self.test)


def known_of(run: CultureRun, cut: float | None = None, viability_known: bool = True) -> CultureRun:
    """Return what is known of a run before it is predicted: everything except later measurements.

    Events, media, signals and the end are planned, so they are known.

    Args:
        run: the run.
        cut: time [d] up to which measurements are known; None for 0.
        viability_known: see `Split`.

    Returns:
        The run with the measurements up to the cut.

    >>> glucose = Measurement("GLC", "mmol/L", np.array([0.0, 1.0]), np.array([30.0, 20.0]), np.array([1.0, 1.0]))
    >>> known_of(CultureRun("a", 1.0, {"GLC": 30.0}, {"GLC": glucose})).measurements["GLC"].value
    array([30.])
    """
    last = 0.0 if cut is None else max(cut, 0.0)
    kept = {}
    for quantity, series in run.measurements.items():
        until = series.time <= last
        if np.any(until):
            below = None if series.below is None else series.below[until]
            kept[quantity] = Measurement(
                quantity, series.unit, series.time[until], series.value[until], series.standard_error[until], below
            )
    signals = with_viability_known(run).signals if viability_known else run.signals
    return replace(run, measurements=MappingProxyType(kept), signals=signals)


def with_viability_known(run: CultureRun) -> CultureRun:
    """Return the run with viability as a signal, see `packing.viability_of`.

    Args:
        run: the run.

    Returns:
        The run; unchanged if it has such a signal already, or if viability was not measured.
    """
    signal = viability_of(run)
    if signal is None or signal is run.signals.get(VIABILITY):
        return run
    return replace(run, signals=MappingProxyType({**run.signals, VIABILITY: signal}))


def leave_one_run_out(runs: Sequence[CultureRun], *, viability_known: bool = True) -> tuple[Split, ...]:
    """Return a split for every run, in which it is predicted from all others.

    Args:
        runs: two runs or more; a single one is a `FitError`.
        viability_known: see `Split`.

    Returns:
        The splits in the order of the runs.
    """
    return tuple(
        Split(f"without {run.name}", tuple(other for other in runs if other is not run), (run,),
              viability_known=viability_known)
        for run in runs
    )  # fmt: skip


def leave_one_group_out(
    runs: Sequence[CultureRun], groups: Mapping[str, str], *, viability_known: bool = True
) -> tuple[Split, ...]:
    """Return a split for every group of runs, such as a clone, which is predicted from all others.

    Args:
        runs: of two groups or more.
        groups: group of each run by its name; a run without one is trained on in every split.
        viability_known: see `Split`.

    Returns:
        The splits in the order of the first runs of the groups.

    Raises:
        FitError: there are fewer than two groups.
    """
    names = list(dict.fromkeys(groups[run.name] for run in runs if run.name in groups))
    if len(names) < 2:
        raise FitError(f"leave one group out: found {len(names)} groups among {len(runs)} runs; each is predicted from "
                       "the others, so two are needed; name the groups of more runs.")  # fmt: skip

    def split(name: str) -> Split:
        tested = [groups.get(run.name) == name for run in runs]
        train, test = (tuple(run for run, of in zip(runs, tested, strict=True) if of is kind) for kind in (False, True))
        return Split(f"without {name}", train, test, viability_known=viability_known)

    return tuple(map(split, names))


def held_out(
    runs: Sequence[CultureRun], test_names: Collection[str], *, viability_known: bool = True
) -> tuple[Split, ...]:
    """Return a single split, in which the named runs are predicted from all others.

    Args:
        runs: all runs.
        test_names: names of the runs to predict.
        viability_known: see `Split`.

    Returns:
        The split, in a tuple.

    Raises:
        FitError: no run has such a name, or no training or test run is left.
    """
    names = [run.name for run in runs]
    for name in test_names:
        if name not in names:
            raise FitError(f"held out: found '{name}', which is no run; {nearest(name, names)}.")
    train = tuple(run for run in runs if run.name not in test_names)
    test = tuple(run for run in runs if run.name in test_names)
    return (Split("held out", train, test, viability_known=viability_known),)


def forward_in_time(runs: Sequence[CultureRun], day: float, *, viability_known: bool = True) -> tuple[Split, ...]:
    """Return a single split, in which every run is known until a day and predicted after it.

    Args:
        runs: the runs; training runs end at that day.
        day: the cut [d].
        viability_known: see `Split`.

    Returns:
        The split, in a tuple.

    Raises:
        FitError: nothing was measured before that day, or after it.
    """
    first, last = min(map(_first_sample, runs), default=np.inf), max((run.last_sample for run in runs), default=0.0)
    if not first <= day < last:
        raise FitError(f"forward in time: found the day {day:g}, and samples from day {first:g} to {last:g}; some are "
                       "needed before and after; choose a day between.")  # fmt: skip
    # a simulation beyond the measurements costs time, and may fail for parameters that are still far off
    train = tuple(known_of(run, day, viability_known).ended_at(day) for run in runs)
    return (Split(f"after day {day:g}", train, tuple(runs), day, viability_known),)


def _first_sample(run: CultureRun) -> float:
    return min((float(series.time[0]) for series in run.measurements.values() if len(series.time)), default=np.inf)
