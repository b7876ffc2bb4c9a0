"""What a model asks of a run: its names, and values at time 0."""

from dataclasses import replace

from graycell.model import CultureModel
from graycell.runs.model_names import ModelNames
from graycell.runs.records import CultureRun


def names_of(model: CultureModel) -> ModelNames:
    """Return what a model calls its quantities, and which species need a value at time 0.

    Args:
        model: any model.

    Returns:
        The names, for `check_runs`.

    >>> model = CultureModel(reactions={"growth": "GLC => VCD"}, rates={"growth": 1.0}, parameters={})
    >>> names_of(model).required
    ('GLC', 'VCD')
    """
    pairs = zip(model.species, model.species_specs, strict=True)
    return ModelNames(
        {name: model.unit(name) for name in model.species},
        tuple(name for name, spec in pairs if spec.initial is None),
        (*model.variable_names, *model.input_names, *model.observable_names),
    )


def with_measured_start(run: CultureRun, model: CultureModel) -> CultureRun:
    """Return a run in which a species that was sampled at time 0, and has no initial value, begins with that sample.

    Args:
        run: in the units of the model.
        model: gives the species.

    Returns:
        The run; itself where nothing is missing.
    """
    missing = [name for name in names_of(model).required if name not in run.initial and name in run.measurements]
    sampled = {
        name: float(series.value[0])
        for name in missing
        if len((series := run.measurements[name]).time) and float(series.time[0]) == 0.0
    }
    return replace(run, initial={**run.initial, **sampled}) if sampled else run
