"""In-silico runs: a design and a model that serves as the truth -> measured runs, with noise of known size.

A point of the design is one number between 0 and 1 for each varied quantity. Points come from a scrambled Sobol
sequence (Sobol 1967, Owen 1998), which fills the space evenly and can be continued: a run that the truth cannot
simulate is replaced by the next point, and the others stay as they are.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from graycell.cell.closures import LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.compiling import compiled_once
from graycell.engine import current_engine
from graycell.errors import Finding, InputError, ModelError, SimulationError, nearest
from graycell.model import CultureModel
from graycell.packing import PackedRun, in_units_of, known_signals, pack, viability_of, with_product_weighed
from graycell.runs import bundled_run
from graycell.runs.limits import LIMITS
from graycell.runs.records import (
    REDOX,
    TCD,
    TEMPERATURE,
    VCD,
    VIABILITY,
    AnyBolus,
    Bolus,
    CultureRun,
    End,
    Event,
    Measurement,
    Provenance,
    Sample,
    Setpoint,
)
from graycell.simulation.solve import Loop, SolverSettings, integrate, usable
from graycell.simulation.trajectory import ZERO_SHARE
from graycell.units import CONCENTRATION, convert

Range = tuple[float, float]
Report = Callable[[float, str], None]
"""Called with the part done [1] and a short text."""

_MOST_RUNS = 4096
_MOST_TRIES, _FEWEST_TRIES = 4, 32
"""Most points per run, checked once so many points were tried. Where three of four points fail, the ranges do not suit
the truth, and the runs that are left do not cover the design."""
_AT_ONCE = 32
"""Points of the design that are tried together: enough to fill the cores, and few enough for a progress bar."""
_NOT_INPUTS = ("volume", TEMPERATURE, REDOX, VCD, TCD)
"""Signals of a template that follow from its own events and states, so that they are not those of a run of a design."""
_DIGITS = 2
"""Of times [d] and temperatures [degC]: a quarter of an hour, as exact as a laboratory works."""


@dataclass(frozen=True)
class Design:
    """Ranges that vary between in-silico runs, measured quantities and their noise. Ranges are (low, high).

    The defaults lie around the bundled run: 1.8e9 cells/L at the beginning, 3 % of the volume a day from day 3 on,
    37 to 31 degC at day 3, ten days. Use a model with limited uptake as the truth: without a limit, cells
    take up amino acids that are used up before day ten, and most points of the design are refused.

    Attributes:
        runs: number of runs.
        seed: of the design and of the noise.
        seeding: factor [1] on the biomass of the template at time 0.
        initial: factors [1] on the concentration of other species of the template at time 0, by name.
        feed_volume: of one bolus, as a part of the initial volume [1].
        first_bolus: time [d].
        bolus_interval: time between two boluses [d].
        shift_day: time [d] of the temperature shift.
        cold_temperature: after the shift [degC].
        days: length of a run [d].
        sampling_interval: [d]; the first sample is one interval after time 0, because the state at time 0 is given
            exactly.
        sample_volume: as a part of the initial volume [1].
        noise: relative standard deviation [1] of the measured values; 0 for values without noise.
        floor: standard deviation at a value of 0, as a part of the largest true value of the quantity in all runs [1].
            The squares of the two are added.
        measured: quantities; all species and observables of the model if None.
        loops: whether the loop variables, such as R, are measured too.

    Raises:
        InputError: with every fault at once.
    """

    runs: int = 64
    seed: int = 0
    seeding: Range = (0.6, 1.4)
    initial: Mapping[str, Range] = field(
        default_factory=lambda: MappingProxyType({"GLC": (0.7, 1.3), "GLN": (0.5, 1.0), "ASN": (0.8, 1.2)})
    )
    feed_volume: Range = (0.025, 0.05)
    first_bolus: Range = (2.0, 4.0)
    bolus_interval: Range = (0.75, 1.5)
    shift_day: Range = (2.0, 4.0)
    cold_temperature: Range = (31.0, 33.0)
    days: float = 10.0
    sampling_interval: float = 1.0
    sample_volume: float = 0.005
    noise: float = 0.05
    floor: float = 0.02
    measured: tuple[str, ...] | None = None
    loops: bool = False

    def __post_init__(self) -> None:
        findings = []

        def judge(name: str, value: float | Range, low: float, high: float, unit: str = "1") -> None:
            pair = value if isinstance(value, tuple) else (value, value)
            if not (len(pair) == 2 and low <= pair[0] <= pair[1] <= high):
                shown = f"{pair[0]:g}" if not isinstance(value, tuple) else str(value)
                order = ", the lower one first" if isinstance(value, tuple) else ""
                needed = f"{low:g} to {high:g} [{unit}] is possible{order}"
                findings.append(Finding(f"design, {name}", shown, needed, "change it"))

        liquid = LIMITS["temperature"]
        judge("runs", self.runs, 1, _MOST_RUNS)
        judge("seed", self.seed, 0, 2**32 - 1)
        judge("seeding", self.seeding, 0.01, 100.0)
        for name, factor in self.initial.items():
            judge(f"initial {name}", factor, 0.0, 100.0)
        judge("feed_volume", self.feed_volume, 0.0, 1.0)
        judge("days", self.days, 0.1, 60.0, "d")
        judge("sampling_interval", self.sampling_interval, 0.05, max(self.days, 0.05), "d")
        judge("sample_volume", self.sample_volume, 0.0, 0.1)
        judge("first_bolus", self.first_bolus, 0.0, 60.0, "d")
        judge("bolus_interval", self.bolus_interval, 0.1, 60.0, "d")
        judge("shift_day", self.shift_day, 0.0, 60.0, "d")
        judge("cold_temperature", self.cold_temperature, liquid.lowest, liquid.highest, "degC")
        judge("noise", self.noise, 0.0, 1.0)
        judge("floor", self.floor, 1e-6, 1.0)  # without a floor a value of 0 would be exact
        if findings:
            raise InputError(findings)

    @property
    def sampling_times(self) -> tuple[float, ...]:
        """Times [d] of the samples.

        >>> Design(days=3.0).sampling_times
        (1.0, 2.0, 3.0)
        """
        count = math.floor(self.days / self.sampling_interval + 1e-9)
        return tuple(round(self.sampling_interval * (k + 1), 9) for k in range(count))


def designed_runs(
    design: Design = Design(),
    template: CultureRun | None = None,
    biomass: str = "BIOM",
    first: int = 0,
    count: int | None = None,
) -> list[CultureRun]:
    """Return the runs of a design, without measurements, with a `Sample` at every sampling time.

    Args:
        design: ranges and sampling times.
        template: gives the initial state, the medium of its first bolus and the signals that are inputs of models, such
            as viability and pH; the bundled run if left out.
        biomass: the species that counts cells.
        first: number of the first point of the design.
        count: number of points; all runs of the design if left out.

    Returns:
        The runs; volumes [L], times [d].

    Raises:
        InputError: where the template lacks a species or medium that the design varies.

    >>> [run] = designed_runs(Design(runs=1))
    >>> print(run, [event for event in run.events if isinstance(event, Setpoint)])
    CultureRun('run01', 0 quantities, 18 events, to 10 d) [Setpoint(time=2.51, value=32.29, input='temperature')]
    """
    template = bundled_run() if template is None else template
    medium = _medium(template, design, biomass)
    count = design.runs if count is None else count
    points = _points(design, first + count)[first:]
    return [_run(design, template, medium, biomass, first + i, point) for i, point in enumerate(points)]


def _points(design: Design, count: int) -> np.ndarray:
    """Return the first points of the design, (count, varied) [1], between 0 and 1."""
    from scipy.stats import qmc  # slow to import

    seeded = np.random.default_rng([design.seed, 0])
    # a Sobol sequence is even in powers of two; the first points do not depend on how many there are
    columns = len(_varied(design))
    sequence = qmc.Sobol(columns, scramble=True, seed=seeded)  # pyright: ignore  (scipy before 1.15 has no rng)
    return sequence.random_base2(max(count - 1, 0).bit_length())[:count]


def _varied(design: Design) -> dict[str, Range]:
    """Return the range of every varied quantity, in the order of the columns of the points."""
    return {
        "seeding": design.seeding,
        "feed_volume": design.feed_volume,
        "first_bolus": design.first_bolus,
        "bolus_interval": design.bolus_interval,
        "shift_day": design.shift_day,
        "cold_temperature": design.cold_temperature,
        **{f"initial {name}": factor for name, factor in design.initial.items()},
    }


def _medium(template: CultureRun, design: Design, biomass: str) -> str:
    """Return the medium of the boluses."""
    place, findings = f"template '{template.name}'", []
    for name in (biomass, *design.initial):
        if name not in template.initial:
            remedy = f"leave it out of the design; {nearest(name, template.initial)}"
            findings.append(Finding(f"{place}, initial", f"no '{name}'", "the design varies it", remedy))
    fed = [event.medium for event in template.events if isinstance(event, AnyBolus)] or list(template.media)[:1]
    if not fed:
        findings.append(Finding(place, "no medium", "a design feeds one", "add it to the media of the template"))
    if findings:
        raise InputError(findings)
    return fed[0]


def _run(design: Design, template: CultureRun, medium: str, biomass: str, index: int, point: np.ndarray) -> CultureRun:
    value = {
        name: float(low + (high - low) * share)
        for (name, (low, high)), share in zip(_varied(design).items(), point, strict=True)
    }
    factors = {biomass: value["seeding"], **{name: value[f"initial {name}"] for name in design.initial}}
    volume = template.initial_volume
    first, interval = round(value["first_bolus"], _DIGITS), round(value["bolus_interval"], _DIGITS)
    boluses = range(max(0, math.ceil((design.days - first) / interval)))
    times = [time for time in (round(first + interval * k, _DIGITS) for k in boluses) if time < design.days]
    shift = round(value["shift_day"], _DIGITS)
    events: list[Event] = [Sample(time, design.sample_volume * volume) for time in design.sampling_times]
    events += [Bolus(time, medium, round(value["feed_volume"] * volume, 6)) for time in times]
    events += [Setpoint(shift, round(value["cold_temperature"], _DIGITS))] if shift < design.days else []
    # sorting is stable: where a sample and a bolus have the same time, the sample is taken first
    events.sort(key=lambda event: event.time)
    viability = viability_of(template)
    known = {name: signal for name, signal in template.signals.items() if name not in _NOT_INPUTS}
    known |= {} if viability is None else {VIABILITY: viability}
    return CultureRun(
        name=_name(index, design.runs),
        initial_volume=volume,
        initial=MappingProxyType({name: c * factors.get(name, 1.0) for name, c in template.initial.items()}),
        events=(*events, End(design.days)),
        media=MappingProxyType({medium: template.media[medium]}),
        signals=MappingProxyType(known),
        initial_temperature=template.initial_temperature,
        end=design.days,
        provenance=Provenance(notes=f"A run of a design with seed {design.seed}, around '{template.name}'."),
        units=template.units,
        molar_masses=template.molar_masses,
    )


def _name(index: int, runs: int) -> str:
    return f"run{index + 1:0{max(2, len(str(runs)))}d}"


def generate(
    model: CultureModel,
    design: Design = Design(),
    template: CultureRun | None = None,
    progress: Report | None = None,
) -> list[CultureRun]:
    r"""Return in-silico runs: the runs of a design, simulated with a model as the truth and measured with noise.

    The measurement of a true value c has the standard deviation $s = \sqrt{(n c)^2 + f^2}$, n being `Design.noise` and
    f `Design.floor` times the largest c of the quantity in all runs; the noise is normal. `standard_error` is that s;
    of values without noise (n = 0) it is f. Units are those of the model, and so is the molar mass of a product.

    Noise can make a small concentration negative, which no assay reports. Such a value is given as 0 with
    `Measurement.below`, so that a fit knows that the value was lower and has no bias. Where the 0 is used as a value,
    as by a reader of the written tables, it is biased: at a true value of 0 by 0.4 s on average. A viability above 1
    is given as 1, without a mark, which biases values near 1 low.

    A point is replaced by the next one of the design if its run does not reach its end, has no flux or no R, or if a
    concentration falls below zero by more than 1 % of its largest value. The notes of the runs hold the number of
    replaced points, the seed, the model and a hash of its parameters.

    Args:
        model: serves as the truth.
        design: ranges, measured quantities and noise.
        template: gives media, initial state and viability; the bundled run if left out.
        progress: called with the part done [1] and a short text.

    Returns:
        The runs, with measurements.

    Raises:
        InputError: where design and template do not fit.
        ModelError: for a model that is not an ODE, or has no R to be measured.
        SimulationError: where more than three of four points fail.

    >>> from graycell.models import nolan_lee
    >>> [run] = generate(nolan_lee(), Design(runs=1, days=2.0, noise=0.0))
    >>> print(run.measurements["GLC"].value.round(1))  # mmol/L
    [46.9 34.2]
    """
    if model.is_lagged:
        raise ModelError("the lagged closure is no ODE, and its answer depends on a step; generate with Dynamic.")
    template = in_units_of(bundled_run() if template is None else template, model)
    measured = _measured(model, design)
    kept, faults = list[tuple[CultureRun, np.ndarray]](), list[str]()
    while len(kept) < design.runs:
        tried = len(kept) + len(faults)
        if tried >= _FEWEST_TRIES and len(kept) * _MOST_TRIES < tried:
            worst, times = Counter(faults).most_common(1)[0]
            raise SimulationError(
                f"{len(faults)} of {tried} runs of the design are not plausible with {model.name}, {times} of them "
                f"because {worst}: narrow the ranges of the design, or take another truth, such as a model that was "
                "fitted."
            )
        runs = designed_runs(design, template, _cells_of(model), tried, min(_AT_ONCE, design.runs - len(kept)))
        for run, true in zip(runs, _true_values(model, design, runs), strict=True):
            if isinstance(true, str):
                faults.append(true)
            else:
                kept.append((run, true))
        if progress is not None:
            progress(len(kept) / design.runs, f"{len(kept)} runs, {len(faults)} points replaced")
    noisy = _noisy(design, np.stack([true for _, true in kept]), model)
    columns = {name: model.quantities.index(name) for name in measured}
    units = {name: model.unit(name) for name in model.species if model.unit(name) != CONCENTRATION}
    below = int(np.sum(noisy.below[:, :, list(columns.values())]))
    notes = (
        f"In silico, {model.name} with parameters {parameter_hash(model)}, around '{template.name}'. Seed "
        f"{design.seed}; {len(faults)} of {len(faults) + design.runs} points of the design had no plausible run and "
        "were replaced. "
        f"Noise {design.noise:.3g} of the value and {design.floor if design.noise else 0.0:.3g} of the largest value; "
        f"{below} of {noisy.value.shape[0] * noisy.value.shape[1] * len(columns)} values came out below 0 and are "
        "given as the detection limit 0."
    )
    made = [
        replace(
            run,
            name=_name(k, design.runs),
            initial=MappingProxyType({**run.initial, **_observed_at_zero(model, run, measured)}),
            units=MappingProxyType({**run.units, **units}),
            signals=MappingProxyType(known_signals(run, model)),
            measurements=MappingProxyType(
                {name: _measurement(design, noisy, name, model.unit(name), k, column)
                 for name, column in columns.items()}
            ),
            provenance=Provenance(notes=notes),
        )
        for k, (run, _) in enumerate(kept)
    ]
    return [with_product_weighed(run, model) for run in made]


def _observed_at_zero(model: CultureModel, run: CultureRun, measured: Sequence[str]) -> dict[str, float]:
    """Return viable cell density [10^9 cells/L] and what is measured, at time 0, which a comparison needs."""
    packed = pack(run, model)
    inputs = packed.inputs_at(jnp.zeros(()), packed.first_setpoints)
    variables = model.begin(packed.initial_variables, inputs)
    cell = model.evaluate(packed.initial, variables, inputs)
    values = np.concatenate([packed.initial, cell.observables, variables]).tolist()
    at_zero = dict(zip(model.quantities, values, strict=True))
    return {VCD: float(cell.cells), **{name: at_zero[name] for name in measured}}


def _cells_of(model: CultureModel) -> str:
    if model.biomass is None:
        raise ModelError(f"model '{model.name}': no single species counts its cells, so a design cannot vary them.")
    return model.biomass


def parameter_hash(model: CultureModel) -> str:
    """Return a short hash of parameter values and network weights.

    Args:
        model: any model.

    Returns:
        Twelve hexadecimal digits.

    >>> from graycell.models import nolan_lee
    >>> parameter_hash(nolan_lee()) == parameter_hash(nolan_lee().with_parameters({"Km1": 11.0}))
    False
    """
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter((model.parameters, model.nets), eqx.is_array)):
        digest.update(jax.tree_util.keystr(path).encode() + np.asarray(leaf).tobytes())
    return digest.hexdigest()[:12]


def _measured(model: CultureModel, design: Design) -> tuple[str, ...]:
    """Return the measured quantities in the order of the model."""
    known = model.quantities
    usual = (*model.species, *model.observable_names)
    wanted = {*(usual if design.measured is None else design.measured), *(model.loops if design.loops else ())}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        needed = "the truth computes what is measured"
        raise InputError(Finding("design, measured", f"'{name}'", needed, nearest(name, known)) for name in unknown)
    if design.loops and not model.has_loop:
        raise ModelError(f"{model.name} has no loop variable, such as R, to be measured; leave it out of the design.")
    return tuple(name for name in known if name in wanted)


def _true_values(model: CultureModel, design: Design, runs: Sequence[CultureRun]) -> list[np.ndarray | str]:
    """Return (samples, quantities) of every run, or why it is not plausible."""
    segments = _most_segments(design)
    packed = [pack(run, model, segments=segments) for run in runs]
    tasks = [(one,) for one in packed]
    solved = current_engine().here.map(lambda one: jax.tree.map(np.asarray, _solve(model, one)), tasks)
    found: list[np.ndarray | str] = []
    for one, true in zip(packed, solved, strict=True):
        # the first of the segments that end at a time ends before the events of that time
        rows = [int(np.argmax(np.isclose(one.end, time, rtol=0.0, atol=1e-9))) for time in design.sampling_times]
        taken = [name for name, fell in zip(model.species, true.below_zero, strict=True) if fell]
        if not true.finished:
            found.append("the simulation does not reach its end")
        elif taken:
            found.append(f"{taken[0]} falls below zero")
        else:
            found.append(true.predicted[rows])
    return found


def _most_segments(design: Design) -> int:
    """Return the largest number of segments of a run of the design."""
    first, interval = round(design.first_bolus[0], _DIGITS), round(design.bolus_interval[0], _DIGITS)
    return 2 + len(design.sampling_times) + max(0, math.ceil((design.days - first) / interval)) + 1


class _Solved(NamedTuple):
    """Predictions at the ends of segments; whether a run finished; species that fall below zero by more than 1 %."""

    predicted: Float[Array, "segments quantities"]
    finished: Bool[Array, ""]
    below_zero: Bool[Array, " species"]


@compiled_once
def _solve(model: CultureModel, packed: PackedRun) -> _Solved:
    path = integrate(model, packed, Loop(), SolverSettings(derivative_rtol=math.inf))
    predicted = path.predicted
    concentrations = predicted[:, : len(model.species)]
    largest = jnp.maximum(jnp.max(concentrations, axis=0), packed.initial)
    finished = (
        jnp.all(path.failed == 0)
        & jnp.all(jnp.isfinite(predicted))
        & jnp.all(usable(path.flux_status, FluxStatus))
        & jnp.all(usable(path.loop_status, LoopStatus))
    )
    return _Solved(predicted, finished, jnp.min(concentrations, axis=0) < -ZERO_SHARE * largest)


class _Noisy(NamedTuple):
    """Shape (runs, samples, quantities); below is True where noise took a value below 0."""

    value: np.ndarray
    standard_error: np.ndarray
    below: np.ndarray


def _noisy(design: Design, true: np.ndarray, model: CultureModel) -> _Noisy:
    runs, *shape = true.shape
    largest = np.max(np.abs(true), axis=(0, 1))
    # a quantity that is always 0 gives no scale; its unit is then the scale, as in the reader
    floor = design.floor * np.where(largest > 0.0, largest, 1.0)
    error = np.hypot(design.noise * true, floor)
    # noise is drawn for all quantities, so that it does not depend on which ones are measured
    drawn = np.stack([np.random.default_rng([design.seed, 1, k]).standard_normal(shape) for k in range(runs)])
    value = true + drawn * error if design.noise > 0.0 else true
    # no counter finds more live cells than cells
    most = [convert(1.0, "1", model.unit(name)) if name == VIABILITY else np.inf for name in model.quantities]
    return _Noisy(np.clip(value, 0.0, most), error, value < 0.0)


def _measurement(design: Design, noisy: _Noisy, name: str, unit: str, k: int, column: int) -> Measurement:
    below = noisy.below[k, :, column]
    return Measurement(
        name,
        unit,
        np.array(design.sampling_times),
        noisy.value[k, :, column],
        noisy.standard_error[k, :, column],
        below if np.any(below) else None,
    )
