"""read_study: a TOML file -> Study, with every fault of the file and of its runs at once. No model is built."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from graycell.cell.network import EXTERNAL_SUFFIX, parse_equation
from graycell.comparison import BASELINES
from graycell.errors import Finding, GraycellError, InputError, ModelError, nearest
from graycell.hybrid import BLACK_BOXES, NeuralRateSpec, law_from
from graycell.imports.spec import is_of_group
from graycell.inference.fitting import FitSettings
from graycell.inference.group_effects import grouped_parameters
from graycell.inference.initial_error import MEASURED, InitialError, faults_of
from graycell.modelfiles import read_model_file
from graycell.models import MODELS
from graycell.prediction import GroupMean
from graycell.runs import CultureRun, read_runs
from graycell.runs.format.files import read_toml
from graycell.runs.records import VCD
from graycell.saved import SavedFormat
from graycell.study.library import LibraryModel, library_model
from graycell.study.plans import ESTIMATED, SPLITS, ModelPlan, Study


def read_study(path: str | Path) -> Study:
    """Return the study that a TOML file describes.

    Args:
        path: the file.

    Returns:
        The study, with remarks on words that are out of date.

    Raises:
        InputError: with every fault, including those of the runs.
    """
    path = Path(path)
    data = read_toml(path, "a study in TOML is needed", "name a TOML file, see graycell fit --help")
    return _Reader(path).study(data)


STUDIES = SavedFormat("study", 1, "write format = 1, or leave it out", unnumbered=1)
"""The format of the file; the number may be left out."""
_MODEL_WORDS = tuple(one.name for one in fields(ModelPlan) if one.name != "name")
_INITIAL_WORDS = ("initial_error", "initial_between_runs")
_BLACK_BOX_WORDS = ("base", "inputs", "hidden", "biomass_per_cell", *_INITIAL_WORDS)
_OWN_WORDS = ("per_run", "per_group")
_LIBRARY_WORDS = ("base", "laws", "reactions", "begin", "fixed", *_OWN_WORDS, *_INITIAL_WORDS)
_RENAMED_WORDS = {"own": "per_run"}
"""Old words of a model, which work for one minor version, and the words that replaced them."""
_RENAMED_FIT_WORDS = {"start_spread": "start_sd"}
"""The same for the words of a fit."""
_RENAMED_BASES = {"specific-rates": "neural-rates", "evolution": "neural-ode"}
"""The same for the names of black boxes."""
_TABLES = {"laws": ("reaction", "v17"), "reactions": ("reaction", "v36"), "per_run": ("parameter", "vmax17"),
           "per_group": ("parameter", "vmax17")}  # fmt: skip
"""Words of a model whose value is a table: the keys of the table, and an example of a key."""
_NUMBERS = {"hidden": (1, 64, int), "biomass_per_cell": (0.1, 10.0, float)}
"""Words of a model whose value is a number: least and largest value, and type."""
_FIT = {"starts": (1, 1000), "screening": (1, 10_000), "start_sd": (0.0, 10.0), "seed": (0, 2**32 - 1),
        "least_gain": (0.0, 0.1), "patience": (1, 1000), "rtol": (1e-12, 0.1), "atol": (1e-14, 0.1),
        "adam": (0, 100_000), "regularisation": (1e-3, 1e3), "held_out_share": (0.01, 0.9)}  # fmt: skip
"""Least and largest value of the numbers of `FitSettings`: what a computer can do, not what is wise."""
_MOST_LISTED = 5
"""Runs that a sentence names."""
_HELD_OUT = ("auto", "runs", "time", "nothing")


class _Reader:
    """Reads the tables of one study file and collects its findings."""

    def __init__(self, path: Path):
        self.path = path
        self.findings: list[Finding] = []
        self.given_names: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        """Number of errors found so far; remarks are not counted."""
        return sum(finding.severity == "error" for finding in self.findings)

    def fault(self, where: str, found: str, needed: str, remedy: str) -> None:
        self.findings.append(Finding(f"{self.path}, {where}", found, needed, remedy))

    # ------------------------------------------------------------------------------------------------ the whole file

    def study(self, data: Mapping[str, Any]) -> Study:
        self.known_words("", data, ("format", "runs", "test", "groups", "models", "fit", "compare"))
        parts = STUDIES.parts(data)
        if parts:
            self.findings.append(Finding(f"{self.path}, format", *parts))
        runs = self.runs(data.get("runs", []))
        self.given_names = tuple(dict.fromkeys(name for run in runs for name in run.initial))
        names = [run.name for run in runs]
        groups = self.groups(data.get("groups", {}), names)
        plans = self.models(data.get("models", {}))
        settings = self.settings(data.get("fit", {}))
        comparison = self.comparison(data.get("compare", {}), bool(groups))
        test = self.list_of("test", data.get("test", []), str)
        for name in test:
            if runs and name not in names:
                self.fault("test", f"'{name}'", "a test run is one of the runs", nearest(name, names))
        if runs:
            self.check_groups(plans, groups, names, test, "groups" in data)
        if not self.errors and "compare" in data:
            self.check_held_out(comparison, len(names), len(test))
            self.check_left_out(comparison, {groups[name] for name in names if name in groups and name not in test})
        if self.errors:
            raise InputError(self.findings)
        return Study(self.path, tuple(runs), plans, tuple(test), groups, settings, **comparison,
                     remarks=tuple(self.findings))  # fmt: skip

    # ------------------------------------------------------------------------------------------------ groups of runs

    def groups(self, table: Any, names: Sequence[str]) -> dict[str, str]:
        """Return the group of each run that is in one."""
        if not isinstance(table, Mapping):
            self.fault("groups", f"{table!r}", "a table is needed", 'write [groups] and high = ["R1", "R2"] below it')
            return {}
        found: dict[str, list[str]] = {}
        for group, given in table.items():
            runs = [given] if isinstance(given, str) else given
            if not group or not isinstance(runs, list) or not runs or not all(isinstance(one, str) for one in runs):
                self.fault(f"[groups] {group}", f"{given!r}", "a name and a list of runs are needed",
                           'write high = ["R1", "R2"] or "R1*"')  # fmt: skip
                continue
            for one in runs:
                if names and not any(is_of_group(name, [one]) for name in names):
                    self.fault(f"[groups] {group}", f"'{one}'", "it is the name of no run", nearest(one, names))
            for name in names:
                if is_of_group(name, runs):
                    found.setdefault(name, []).append(group)
        for name, groups in found.items():
            if len(groups) > 1:
                self.fault("[groups]", f"the run '{name}' in {', '.join(groups)}", "a run is in one group",
                           "take it out of the others")  # fmt: skip
        return {name: found[name][0] for name in names if name in found}

    def check_groups(
        self, plans: Mapping[str, ModelPlan], groups: Mapping[str, str], names: Sequence[str], test: Sequence[str],
        given: bool,
    ) -> None:  # fmt: skip
        """Check that the runs have groups where parameters differ between them."""
        grouped = {name: of for name, plan in plans.items() if (of := _differing(plan))}
        for name, parameters in {} if given else grouped.items():
            self.fault(f"[models.{name}] per_group", ", ".join(parameters), "there are no groups of runs",
                       'write [groups] and high = ["R1", "R2"] below it')  # fmt: skip
        without = [name for name in names if name not in groups]
        if not grouped or not given or not without:
            return
        what = ", ".join(dict.fromkeys(one for parameters in grouped.values() for one in parameters))
        learned, tested = ([name for name in without if (name in test) is kind] for kind in (False, True))
        needed = f"every run is in one, because models let {what} differ between groups"
        if learned:
            remedy = "add them to a group, or give them one of their own"
            self.fault("[groups]", f"{_listed(learned)} in none", needed, remedy)
        if tested:
            remedy = "without one it is predicted with the shared values; add it to the group that it is of"
            place = f"{self.path}, [groups]"
            self.findings.append(Finding(place, f"{_listed(tested)} in none", needed, remedy, "warning"))

    def check_left_out(self, comparison: Mapping[str, Any], groups: set[str]) -> None:
        """Check that there are groups to leave out."""
        if comparison.get("splits") == "leave-one-group-out" and len(groups) < 2:
            needed = "each group is predicted from the others, so two are needed"
            self.fault("[compare] splits", f"{len(groups)} groups to learn from", needed, "name their runs in [groups]")

    def check_held_out(self, comparison: Mapping[str, Any], runs: int, test: int) -> None:
        """Check that the comparison has the held-out runs and the training runs that it needs."""
        if not test and comparison.get("splits", SPLITS[0]) == "held-out":
            self.fault("test", "no run", "runs to test on are needed for splits = 'held-out'",
                       "name some, or use splits = 'leave-one-run-out' or 'forward'")  # fmt: skip
            return
        sizes = comparison.get("sizes")
        if sizes and not test:
            self.fault("test", "no run", "a learning curve is measured on runs to test on", "name some")
        elif sizes and max(sizes) > runs - test:
            needed = f"there are {runs - test} runs to learn from"
            self.fault("[compare] sizes", str(max(sizes)), needed, "use smaller sizes")

    def runs(self, value: Any) -> list[CultureRun]:
        places = self.list_of("runs", value, str)
        if not places and not self.findings:
            self.fault("runs", "none", "runs to learn from are needed", 'write runs = ["my-runs/"]')
        runs: list[CultureRun] = []
        for place in places:
            try:
                runs += read_runs(self.path.parent / place)
            except InputError as error:
                self.findings += error.findings
        return runs

    # --------------------------------------------------------------------------------------------------- the models

    def models(self, table: Any) -> dict[str, ModelPlan]:
        if not table or not isinstance(table, Mapping):
            self.fault("models", f"{table!r}" if table else "none", "at least one model is needed",
                       "write [models.white] and base = \"nolan-lee-extended\" below it")  # fmt: skip
            return {}
        plans = {name: self.model(name, described) for name, described in table.items()}
        return {name: plan for name, plan in plans.items() if plan is not None}

    def model(self, name: str, described: Any) -> ModelPlan | None:
        """Return the plan of one model; None if it has a fault."""
        before, where, bases = self.errors, f"models.{name}", (*MODELS, *BLACK_BOXES)
        described = self.with_new_words(where, described, _RENAMED_WORDS)
        entries = self.known_words(where, described, _MODEL_WORDS)
        base = entries.get("base")
        if isinstance(base, str) and base in _RENAMED_BASES:
            base = entries["base"] = self.renamed(f"[{where}] base", base, _RENAMED_BASES[base])
        if isinstance(base, str) and base.endswith(".toml"):
            base = entries["base"] = self.model_file(base)
            if not base:
                return None
        elif not isinstance(base, str) or base not in bases:
            if isinstance(described, Mapping):
                near = nearest(str(base), bases)
                self.fault(f"[{where}] base", f"{base!r}", "a model to begin from is needed", near)
            return None
        used = _BLACK_BOX_WORDS if base in BLACK_BOXES else _LIBRARY_WORDS
        for word in entries:
            if word not in used:
                needed = f"a model of the base '{base}' has none"
                self.fault(f"[{where}] {word}", f"'{word}'", needed, f"use {', '.join(used)}")
        entries = {word: self.entry(f"[{where}] {word}", word, entries[word]) for word in entries if word in used}
        self.check_initial(where, entries, self.given_names if base in BLACK_BOXES else library_model(base).species)
        if base not in BLACK_BOXES:
            self.check_names(where, library_model(base), entries)
        return ModelPlan(name, **entries) if self.errors == before else None

    def model_file(self, base: str) -> str:
        """Return the path of a model file, "" for one that has faults."""
        path = self.path.parent / base
        try:
            read_model_file(path)
        except InputError as error:
            self.findings += error.findings
            return ""
        return str(path)

    def with_new_words(self, where: str, described: Any, renamed: Mapping[str, str]) -> Any:
        """Return a table with its old words replaced, each with a remark."""
        if not isinstance(described, Mapping):
            return described
        for old in renamed.keys() & described.keys():
            new, place = renamed[old], f"[{where}] {old}"
            if new in described:
                self.fault(place, f"'{old}' and '{new}'", "they are the same", f"use '{new}' alone")
            else:
                self.renamed(place, old, new)
        return {renamed.get(word, word): value for word, value in described.items()}

    def renamed(self, place: str, old: str, new: str) -> str:
        """Add a remark on an old word and return the word that replaced it."""
        remedy = f"rename it to '{new}'; the old word still works in this version"
        needed = "this word has a new name"
        self.findings.append(Finding(f"{self.path}, {place}", f"'{old}'", needed, remedy, "warning"))
        return new

    def entry(self, place: str, word: str, value: Any) -> Any:
        """Return the checked value of one word of a model; an empty one, and a finding, if it has a wrong type."""
        if word in ("inputs", "fixed"):
            return tuple(self.list_of(place, value, str))
        if word in _NUMBERS:
            self.number(place, value, *_NUMBERS[word])
        if word in _TABLES and not isinstance(value, Mapping):
            by, example = _TABLES[word]
            self.fault(place, f"{value!r}", f"a table by {by} is needed", f"write {word} = {{ {example} = ... }}")
            return {}
        if word == "begin":
            if isinstance(value, str) and value:
                return self.path.parent / value
            self.fault(place, f"{value!r}", "the folder of a fit is needed", 'write begin = "my-fit"')
        return value

    def check_initial(self, where: str, entries: Mapping[str, Any], species: tuple[str, ...]) -> None:
        """Check the errors of the initial concentrations of these species."""
        error, between = (f"[{where}] {word}" for word in _INITIAL_WORDS)
        assay, sd = entries.get("initial_error", MEASURED), entries.get("initial_between_runs", {})
        found = list(faults_of(assay, sd, error, between))
        if not found and species:
            found = InitialError(assay, sd).unknown_names(species, VCD, error)
        self.findings += [replace(finding, place=f"{self.path}, {finding.place}") for finding in found]

    def check_names(self, where: str, model: LibraryModel, entries: dict[str, Any]) -> None:
        """Check the names that a plan uses against a model of the library; turn described laws into specs."""
        for name in entries.get("fixed", ()):
            if name not in model.parameters and entries["fixed"] != ("all",):
                near = nearest(name, ("all", *model.parameters))
                self.fault(f"[{where}] fixed", f"'{name}'", "it is not a parameter of the model", near)
        for word in _OWN_WORDS:
            for name, sd in entries.get(word, {}).items():
                if name not in model.parameters:
                    near = nearest(name, model.parameters)
                    self.fault(f"[{where}] {word}", f"'{name}'", "it is not a parameter of the model", near)
                    continue
                place = f"[{where}] {word}.{name}"
                if isinstance(sd, str) and sd != ESTIMATED:
                    needed = f"a standard deviation from 1e-06 to 1e+06, or '{ESTIMATED}', is needed"
                    self.fault(place, f"'{sd}'", needed, "correct it")
                elif sd != ESTIMATED:
                    self.number(place, sd, 1e-6, 1e6, float)
                fixed = entries.get("fixed", ())
                if name in fixed or fixed == ("all",) or not model.table[name].estimated:
                    remedy = f"take it out of {word}, or let the fit estimate it"
                    self.fault(place, "a fixed parameter", "it has one value", remedy)
        reactions, laws = entries.get("reactions", {}), entries.get("laws", {})
        self.check_reactions(where, model, reactions, laws)
        if "laws" in entries:
            specs = {name: self.law(f"[{where}] laws.{name}", name, laws[name], model, reactions) for name in laws}
            entries["laws"] = {name: spec for name, spec in specs.items() if spec is not None}

    def check_reactions(self, where: str, model: LibraryModel, reactions: Mapping, laws: Mapping) -> None:
        """Check new reactions: names, equations, species, and that each has a law."""
        parsed: dict[str, dict[str, float]] = {}
        for name, equation in reactions.items():
            place = f"[{where}] reactions.{name}"
            if not isinstance(equation, str):
                self.fault(place, f"{equation!r}", "an equation is needed", f'write {name} = "CYSTINE_ext =>"')
                continue
            if name in model.learnable:
                self.fault(place, f"'{name}'", "the model has a reaction of this name", "choose another name")
            if name not in laws:
                remedy = f'add laws = {{ {name} = {{ inputs = ["GLC"] }} }}'
                self.fault(place, f"'{equation}'", "the new reaction has no rate law", remedy)
            try:
                parsed[name] = parse_equation(equation)
            except ModelError as error:
                self.fault(place, f"{equation!r}", str(error).rstrip("."), f'write it like {name} = "CYSTINE_ext =>"')
        # a species inside the cell may be new if at least two reactions share it
        uses = Counter(species for equation in parsed.values() for species, number in equation.items() if number)
        for name, equation in parsed.items():
            known = model.network.species or model.species
            for species in equation.keys() - set(known):
                if species.endswith(EXTERNAL_SUFFIX) or uses[species] == 1 or not model.network.species:
                    place = f"[{where}] reactions.{name}"
                    needed = "it is not in the network" if model.network.species else "it is not in the model"
                    self.fault(place, f"the species '{species}'", needed, nearest(species, known))

    def law(
        self, place: str, reaction: str, described: Any, model: LibraryModel, reactions: Mapping[str, str]
    ) -> NeuralRateSpec | None:
        """Return how the rate law of a reaction is learned; None if it cannot be read."""
        try:
            spec = law_from(described)
        except (GraycellError, TypeError) as error:
            remedy = 'use "white", "gray", "black" or a table such as { kind = "black", inputs = ["LAC"] }'
            self.fault(place, f"{described!r}", str(error).rstrip("."), remedy)
            return None
        if reaction not in (*model.learnable, *reactions):
            near = nearest(reaction, (*model.learnable, *reactions))
            self.fault(place, f"'{reaction}'", "it is not a reaction of the model", near)
            return spec
        for name in spec.inputs:
            if name.removeprefix("feed ") not in model.inputs:
                remedy = "it is called 'shift' now" if name == "cold" else nearest(name, model.inputs)
                self.fault(place, f"the input '{name}'", "a network cannot see it", remedy)
        if spec.kind == "white":
            return spec
        if spec.consumes and spec.consumes not in model.species:
            near = nearest(spec.consumes, model.species)
            self.fault(place, f"consumes = '{spec.consumes}'", "it is not a species of the model", near)
        if reaction not in model.laws and (spec.part or spec.kind == "gray"):
            found = f"part = '{spec.part}'" if spec.part else "kind = 'gray'"
            self.fault(place, found, "the reaction has no known law to correct", "use kind = 'black' without part")
        elif spec.part and (count := model.factors(reaction, spec.part)) != 1:
            self.fault(place, f"{count} factors '{spec.part}' in the known law", "one is needed",
                       "name a factor such as inhibition, or leave part out to learn the whole law")  # fmt: skip
        elif not spec.inputs and not model.depends_on_state(reaction):
            needed = "the model does not say what this rate depends on"
            self.fault(place, "no inputs", needed, 'write inputs = ["GLC", ...]')
        return spec

    # ------------------------------------------------------------------------------------- the fit and the comparison

    def settings(self, table: Any) -> FitSettings:
        known = [one.name for one in fields(FitSettings) if one.name != "stages"]
        settings = FitSettings()
        table = self.with_new_words("fit", table, _RENAMED_FIT_WORDS)
        for name, value in self.known_words("fit", table, known).items():
            default = getattr(settings, name)
            if name == "held_out":
                good = isinstance(value, str) and value in _HELD_OUT
                if not good:
                    near = nearest(str(value), _HELD_OUT)
                    self.fault("[fit] held_out", f"{value!r}", "this cannot be held out", near)
            else:
                low, high = _FIT.get(name, (-math.inf, math.inf))
                good = self.number(f"[fit] {name}", value, low, high, type(default))
            if good:
                settings = replace(settings, **{name: type(default)(value)})
        return settings

    def comparison(self, table: Any, has_groups: bool) -> dict[str, Any]:
        entries = self.known_words("compare", table, ("splits", "day", "seeds", "baselines", "sizes"))
        for name, kind in (("seeds", int), ("baselines", str), ("sizes", int)):
            if name in entries:
                entries[name] = tuple(self.list_of(f"[compare] {name}", entries[name], kind))
        for name, low in (("seeds", 0), ("sizes", 1)):
            for number in entries.get(name, ()):
                self.number(f"[compare] {name}", number, low, 2**32 - 1, int)
        if entries.get("seeds") == ():
            self.fault("[compare] seeds", "none", "at least one is needed", "write seeds = [0]")
        known = [*(baseline.name for baseline in BASELINES), GroupMean.name]
        for name in entries.get("baselines", ()):
            if name == GroupMean.name and not has_groups:
                self.fault("[compare] baselines", f"'{name}'", "there are no groups of runs", "name them in [groups]")
            elif name not in known:
                self.fault("[compare] baselines", f"'{name}'", "it is not a baseline", nearest(name, known))
        splits = entries.get("splits", SPLITS[0])
        if not isinstance(splits, str) or splits not in SPLITS:
            near = nearest(str(splits), SPLITS)
            self.fault("[compare] splits", f"{splits!r}", "it is not a way to split runs", near)
        if splits == "forward" and "day" not in entries:
            self.fault("[compare] day", "none", "the last day that is known is needed", "write day = 6.0")
        if "day" in entries:
            self.number("[compare] day", entries["day"], 0.0, 1000.0, float)
        return entries

    # ------------------------------------------------------------------------------------------------- single values

    def known_words(self, where: str, table: Any, known: Sequence[str]) -> dict[str, Any]:
        """Return the entries of a table with known words; report the others."""
        if not isinstance(table, Mapping):
            self.fault(where, f"{table!r}", "a table is needed", f"write [{where}] and its entries below")
            return {}
        for name in table:
            if name not in known:
                place = f"[{where}] {name}" if where else name
                self.fault(place, f"'{name}'", "it is not a word of a study", nearest(name, known))
        return {name: value for name, value in table.items() if name in known}

    def list_of(self, where: str, value: Any, kind: type) -> list:
        """Return a list whose values are all of one type; an empty one, and a fault, if it is something else."""
        if isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value):
            return value
        words = {str: "names in quotes", int: "whole numbers"}[kind]
        self.fault(where, f"{value!r}", f"a list of {words} is needed", "write it as [..., ...]")
        return []

    def number(self, where: str, value: Any, low: float, high: float, kind: type) -> bool:
        """Return whether a value is a number of a type and between two others; report it if not."""
        fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        if fits and low <= value <= high:
            return True
        words = "a whole number" if kind is int else "a number"
        self.fault(where, f"{value!r}", f"{words} from {low:g} to {high:g} is needed", "correct it")
        return False


def _listed(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return ", ".join(quoted[:_MOST_LISTED]) + (f" and {len(quoted) - _MOST_LISTED} more" * (len(quoted) > _MOST_LISTED))


def _differing(plan: ModelPlan) -> tuple[str, ...]:
    """Return the parameters of a plan that differ between groups, by the study or by a model file."""
    if plan.base in BLACK_BOXES:
        return ()
    table = library_model(plan.base).table
    table = table.with_fixed(table.names if plan.fixed == ("all",) else plan.fixed)
    return tuple(dict.fromkeys([*plan.per_group, *grouped_parameters(table)]))
