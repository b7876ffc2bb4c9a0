"""A study: a TOML file that says which runs, which models, how they are fitted and compared.

    runs = ["runs/"]                      # folders, XLSX or CSV, relative to the file
    test = ["run63", "run64"]             # runs that are never learned from

    [models.white]
    base = "nolan-lee-extended"

    [models.gray]
    base = "nolan-lee-extended"
    laws = { v17 = "black" }              # by reaction: white, gray or black, or a table of `library.NeuralRateSpec`

    [models.hybrid]
    base = "specific-rates"               # balances of the vessel, and a network for all specific rates

    [fit]                                 # fields of `FitSettings`
    starts = 4

    [compare]
    splits = "held-out"                   # or "leave-one-run-out", "forward"
    seeds = [0, 1, 2]

Everything in the file is data. All faults are told at once, and an unknown word with the nearest known one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from graycell.comparison.baselines import BASELINES, Candidate
from graycell.comparison.candidates import ModelCandidate
from graycell.comparison.splits import Split, forward_in_time, held_out, leave_one_run_out
from graycell.errors import Finding, GraycellError, InputError, ModelError, nearest
from graycell.hybrid import BLACK_BOXES, NeuralRateSpec, with_neural_rates
from graycell.hybrid.learning import law_from
from graycell.inference.fitting import Fit, FitSettings, Progress, fit
from graycell.inference.storage import load_fit
from graycell.model import CultureModel
from graycell.models import MODELS, model_of
from graycell.runs import CultureRun, read_runs
from graycell.runs.format.files import read_toml

SPLITS = ("held-out", "leave-one-run-out", "forward")
"""Ways to split runs, the default first; see `inference.splits`."""


@dataclass(frozen=True)
class ModelPlan:
    """How one model of a study is made.

    base: a model of the library, or a black box. laws, reactions: see `library.with_neural_rates`. begin: a folder of a
    fit whose parameters are the start. fixed: parameters that are not estimated, or ``all``. own: parameters that every
    run has its own value of, with their standard deviation between runs, see `Parameter`. inputs, hidden [1],
    biomass_per_cell [mmol/(10^9 cells)]: of a black box.
    """

    name: str
    base: str
    laws: Mapping[str, NeuralRateSpec] = field(default_factory=dict)
    reactions: Mapping[str, str] = field(default_factory=dict)
    begin: Path | None = None
    fixed: tuple[str, ...] = ()
    own: Mapping[str, float] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    hidden: int = 6
    biomass_per_cell: float = 2.31

    def build(self, runs: Sequence[CultureRun], seed: int = 0) -> CultureModel:
        """Return the model for the runs that it will learn from; raises `ModelError` for what it has not."""
        if self.base in BLACK_BOXES:
            return BLACK_BOXES[self.base](
                runs, inputs=self.inputs, hidden=self.hidden, biomass_per_cell=self.biomass_per_cell, seed=seed
            )
        model = model_of(self.base)
        if self.begin is not None:
            begun = load_fit(self.begin).model.table.values()
            model = model.with_parameters({name: value for name, value in begun.items() if name in model.table.names})
        if self.laws or self.reactions:
            model = with_neural_rates(model, self.laws, runs, self.reactions, seed)
        table = model.table.with_fixed(model.table.names if self.fixed == ("all",) else self.fixed)
        for name, sd in self.own.items():
            table = table.with_changes(name, between_runs_sd=float(sd))
        return model.with_table(table)


@dataclass(frozen=True)
class Study:
    """What a study file says; `read_study` makes it.

    runs: all runs; test: names of those that are held out; models: by name; settings: of every fit; splits, day [d]:
    how models are compared, see `study`; seeds, baselines, sizes: of a comparison, sizes the numbers of training runs
    of the learning curve, none for none.
    """

    path: Path
    runs: tuple[CultureRun, ...]
    models: Mapping[str, ModelPlan]
    test: tuple[str, ...] = ()
    settings: FitSettings = field(default_factory=FitSettings)
    splits: Literal["held-out", "leave-one-run-out", "forward"] = "held-out"
    day: float = 0.0
    seeds: tuple[int, ...] = (0,)
    baselines: tuple[str, ...] = tuple(one.name for one in BASELINES)
    sizes: tuple[int, ...] = ()

    def __repr__(self) -> str:
        models = ", ".join(self.models)
        return f"Study({self.path.name}: {len(self.runs)} runs, {len(self.test)} of them held out, models {models})"

    @property
    def training(self) -> tuple[CultureRun, ...]:
        """The runs that are learned from."""
        return tuple(run for run in self.runs if run.name not in self.test)

    @property
    def tested(self) -> tuple[CultureRun, ...]:
        """The runs that are held out."""
        return tuple(run for run in self.runs if run.name in self.test)

    def plan(self, name: str | None = None) -> ModelPlan:
        """Return the plan of a model by name; the only one if no name is given. Raises `ModelError`."""
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name is None or name not in self.models:
            raise ModelError(f"{self.path}: model '{name}' is not in the study; {nearest(str(name), self.models)}.")
        return self.models[name]

    def fit(
        self,
        name: str | None = None,
        folder: str | Path | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Fit:
        """Fit one model of the study to its training runs. Raises as `plan` and `inference.fit` do."""
        model = self.plan(name).build(self.training, self.settings.seed)
        return fit(model, self.training, self.settings, folder=folder, progress=progress)

    def candidates(self, progress: Callable[[Progress], None] | None = None) -> list[Candidate]:
        """Return the models and the baselines that are compared."""
        known = next((MODELS[plan.base]().network for plan in self.models.values() if plan.base in MODELS), None)
        models = [
            ModelCandidate(name, plan.build, self.settings, known, progress=progress)
            for name, plan in self.models.items()
        ]
        return [*models, *(one for one in BASELINES if one.name in self.baselines)]

    def split(self) -> tuple[Split, ...]:
        """Return the splits of the comparison. Raises `FitError` where the runs do not allow them."""
        if self.splits == "held-out":
            return held_out(self.runs, self.test)
        if self.splits == "leave-one-run-out":
            return leave_one_run_out(self.training)
        return forward_in_time(self.training, self.day)


def read_study(path: str | Path) -> Study:
    """Return the study that a TOML file describes. Raises `InputError` with every fault, those of its runs included."""
    path = Path(path)
    data = read_toml(path, "a study in TOML is needed", "name a TOML file, see graycell fit --help")
    findings: list[Finding] = []
    _known_words(path, "", data, ("runs", "test", "models", "fit", "compare"), findings)
    runs = _runs(path, data.get("runs", []), findings)
    plans = _models(path, data.get("models", {}), findings)
    settings = _settings(path, data.get("fit", {}), findings)
    rest = _compare(path, data.get("compare", {}), findings)
    test = _list(path, "test", data.get("test", []), str, findings)
    names = [run.name for run in runs]
    for name in test:
        if runs and name not in names:
            _fault(findings, path, "test", f"'{name}'", "a test run is one of the runs", nearest(name, names))
    if not findings and rest.get("splits", "held-out") == "held-out" and not test and "compare" in data:
        _fault(findings, path, "test", "no run", "runs to test on are needed for splits = 'held-out'",
               "name some, or use splits = 'leave-one-run-out' or 'forward'")  # fmt: skip
    training = len(names) - len(test)
    if not findings and rest.get("sizes"):
        if not test:
            _fault(findings, path, "test", "no run", "a learning curve is measured on runs to test on", "name some")
        elif max(rest["sizes"]) > training:
            found, needed = str(max(rest["sizes"])), f"there are {training} runs to learn from"
            _fault(findings, path, "[compare] sizes", found, needed, "use smaller sizes")
    if findings:
        raise InputError(findings)
    return Study(path, tuple(runs), plans, tuple(test), settings, **rest)


def _fault(findings: list[Finding], path: Path, where: str, found: str, needed: str, remedy: str) -> None:
    findings.append(Finding(f"{path}, {where}", found, needed, remedy))


def _known_words(path: Path, where: str, table: Any, known: Sequence[str], findings: list[Finding]) -> dict[str, Any]:
    """Return the entries of a table with known words; tell the others."""
    if not isinstance(table, Mapping):
        _fault(findings, path, where, f"{table!r}", "a table is needed", f"write [{where}] and its entries below")
        return {}
    for name in table:
        if name not in known:
            place = f"[{where}] {name}" if where else name
            _fault(findings, path, place, f"'{name}'", "it is not a word of a study", nearest(name, known))
    return {name: value for name, value in table.items() if name in known}


def _list(path: Path, where: str, value: Any, kind: type, findings: list[Finding]) -> list:
    good = isinstance(value, list) and all(isinstance(one, kind) and not isinstance(one, bool) for one in value)
    if not good:
        word = {str: "names in quotes", int: "whole numbers"}[kind]
        _fault(findings, path, where, f"{value!r}", f"a list of {word} is needed", "write it as [..., ...]")
    return value if good else []


def _runs(path: Path, value: Any, findings: list[Finding]) -> list[CultureRun]:
    runs: list[CultureRun] = []
    places = _list(path, "runs", value, str, findings)
    if not places and not findings:
        _fault(findings, path, "runs", "none", "runs to learn from are needed", 'write runs = ["my-runs/"]')
    for place in places:
        try:
            runs += read_runs(path.parent / place)
        except InputError as error:
            findings += error.findings
    return runs


def _models(path: Path, table: Any, findings: list[Finding]) -> dict[str, ModelPlan]:
    if not table or not isinstance(table, Mapping):
        _fault(findings, path, "models", f"{table!r}" if table else "none", "at least one model is needed",
               "write [models.white] and base = \"nolan-lee-extended\" below it")  # fmt: skip
        return {}
    plans = {name: _model(path, name, described, findings) for name, described in table.items()}
    return {name: plan for name, plan in plans.items() if plan is not None}


_ALL = tuple(one.name for one in fields(ModelPlan) if one.name != "name")
_OF_BLACK_BOXES = ("base", "inputs", "hidden", "biomass_per_cell")
_OF_THE_LIBRARY = ("base", "laws", "reactions", "begin", "fixed", "own")


def _model(path: Path, name: str, described: Any, findings: list[Finding]) -> ModelPlan | None:
    """Return the plan of one model; None, and findings, where there is a fault."""
    before, where, bases = len(findings), f"models.{name}", (*MODELS, *BLACK_BOXES)
    entries = _known_words(path, where, described, _ALL, findings)
    base = entries.get("base")
    if not isinstance(base, str) or base not in bases:
        if isinstance(described, Mapping):
            near = nearest(str(base), bases)
            _fault(findings, path, f"[{where}] base", f"{base!r}", "a model to begin from is needed", near)
        return None
    used = _OF_BLACK_BOXES if base in BLACK_BOXES else _OF_THE_LIBRARY
    for word in entries:
        if word not in used:
            _fault(findings, path, f"[{where}] {word}", f"'{word}'", f"a model of the base '{base}' has none",
                   f"use {', '.join(used)}")  # fmt: skip
    entries = {word: value for word, value in entries.items() if word in used}
    for word in {"inputs", "fixed"} & set(entries):
        entries[word] = tuple(_list(path, f"[{where}] {word}", entries[word], str, findings))
    for word, low, high, kind in (("hidden", 1, 64, int), ("biomass_per_cell", 0.1, 10.0, float)):
        if word in entries:
            _number(path, f"[{where}] {word}", entries[word], low, high, kind, findings)
    for word, by, example in (
        ("laws", "reaction", "v17"),
        ("reactions", "reaction", "v36"),
        ("own", "parameter", "vmax17"),
    ):
        if word in entries and not isinstance(entries[word], Mapping):
            _fault(findings, path, f"[{where}] {word}", f"{entries[word]!r}", f"a table by {by} is needed",
                   f"write {word} = {{ {example} = ... }}")  # fmt: skip
            entries[word] = {}
    if "begin" in entries:
        if isinstance(entries["begin"], str) and entries["begin"]:
            entries["begin"] = path.parent / entries["begin"]
        else:
            _fault(findings, path, f"[{where}] begin", f"{entries['begin']!r}", "the folder of a fit is needed",
                   "write begin = \"my-fit\"")  # fmt: skip
    if base in MODELS:
        _check_names(path, where, MODELS[base](), entries, findings)
    return ModelPlan(name, **entries) if len(findings) == before else None


def _check_names(path: Path, where: str, model: CultureModel, entries: dict[str, Any], findings: list[Finding]) -> None:
    """Tell what a model of the library has not; make laws of what describes them."""
    reactions, before = entries.get("reactions", {}), len(findings)
    for name in entries.get("fixed", ()):
        if name not in model.table.names and entries["fixed"] != ("all",):
            near = nearest(name, ("all", *model.table.names))
            _fault(findings, path, f"[{where}] fixed", f"'{name}'", "it is not a parameter of the model", near)
    for name, sd in entries.get("own", {}).items():
        if name not in model.table.names:
            near = nearest(name, model.table.names)
            _fault(findings, path, f"[{where}] own", f"'{name}'", "it is not a parameter of the model", near)
        else:
            _number(path, f"[{where}] own.{name}", sd, 1e-6, 1e6, float, findings)
    for name, equation in reactions.items():
        if not isinstance(equation, str):
            _fault(findings, path, f"[{where}] reactions.{name}", f"{equation!r}", "an equation is needed",
                   f"write {name} = \"CYSTINE_ext =>\"")  # fmt: skip
    laws, seen = {}, (*model.species, "R", "cold")
    for reaction, law in entries.pop("laws", {}).items():
        place = f"[{where}] laws.{reaction}"
        try:
            laws[reaction] = law_from(law)
            if reaction not in reactions:
                model.network.index(reaction)
        except (GraycellError, TypeError) as error:
            _fault(findings, path, place, f"{law!r}", str(error).rstrip("."),
                   'use "white", "gray", "black" or a table such as { kind = "black", inputs = ["LAC"] }')  # fmt: skip
            continue
        for one in laws[reaction].inputs:
            if one.removeprefix("feed ") not in seen:
                _fault(findings, path, place, f"the input '{one}'", "a network cannot see it", nearest(one, seen))
    entries["laws"] = laws
    if (laws or reactions) and len(findings) == before:
        try:
            with_neural_rates(model, laws, [], reactions)  # the rest of what can be wrong
        except GraycellError as error:
            _fault(
                findings, path, f"[{where}] laws", f"{', '.join(laws) or 'none'}", str(error).rstrip("."), "correct it"
            )


def _number(path: Path, where: str, value: Any, low: float, high: float, kind: type, findings: list[Finding]) -> bool:
    """Return whether a value is a number of a kind between two others; tell it if not."""
    fitting = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if fitting and low <= value <= high:
        return True
    words = "a whole number" if kind is int else "a number"
    _fault(findings, path, where, f"{value!r}", f"{words} from {low:g} to {high:g} is needed", "correct it")
    return False


_FIT = {"starts": (1, 1000), "screening": (1, 10_000), "start_spread": (0.0, 10.0), "seed": (0, 2**32 - 1),
        "least_gain": (0.0, 0.1), "patience": (1, 1000), "rtol": (1e-12, 0.1), "atol": (1e-14, 0.1),
        "adam": (0, 100_000), "regularisation": (1e-3, 1e3), "held_out_share": (0.01, 0.9)}  # fmt: skip
"""Least and largest value of the numbers of `FitSettings`: what a computer can do, not what is wise."""
_HELD_OUT = ("auto", "runs", "time", "nothing")


def _settings(path: Path, table: Any, findings: list[Finding]) -> FitSettings:
    known = [one.name for one in fields(FitSettings) if one.name != "stages"]
    settings = FitSettings()
    for name, value in _known_words(path, "fit", table, known, findings).items():
        default = getattr(settings, name)
        if name == "held_out":
            good = isinstance(value, str) and value in _HELD_OUT
            if not good:
                _fault(findings, path, "[fit] held_out", f"{value!r}", "it is nothing that can be held out",
                       nearest(str(value), _HELD_OUT))  # fmt: skip
        else:
            low, high = _FIT.get(name, (-math.inf, math.inf))
            good = _number(path, f"[fit] {name}", value, low, high, type(default), findings)
        if good:
            settings = replace(settings, **{name: type(default)(value)})
    return settings


def _compare(path: Path, table: Any, findings: list[Finding]) -> dict[str, Any]:
    entries = _known_words(path, "compare", table, ("splits", "day", "seeds", "baselines", "sizes"), findings)
    for name, kind in (("seeds", int), ("baselines", str), ("sizes", int)):
        if name in entries:
            entries[name] = tuple(_list(path, f"[compare] {name}", entries[name], kind, findings))
    for name, low in (("seeds", 0), ("sizes", 1)):
        for one in entries.get(name, ()):
            _number(path, f"[compare] {name}", one, low, 2**32 - 1, int, findings)
    if entries.get("seeds") == ():
        _fault(findings, path, "[compare] seeds", "none", "at least one is needed", "write seeds = [0]")
    known = [one.name for one in BASELINES]
    for name in entries.get("baselines", ()):
        if name not in known:
            _fault(findings, path, "[compare] baselines", f"'{name}'", "it is not a baseline", nearest(name, known))
    found = entries.get("splits", SPLITS[0])
    if not isinstance(found, str) or found not in SPLITS:
        near = nearest(str(found), SPLITS)
        _fault(findings, path, "[compare] splits", f"{found!r}", "it is not a way to split", near)
    if found == "forward" and "day" not in entries:
        _fault(findings, path, "[compare] day", "none", "the last day that is known is needed", "write day = 6.0")
    if "day" in entries:
        _number(path, "[compare] day", entries["day"], 0.0, 1000.0, float, findings)
    return entries
