"""read_decisions: a TOML file -> what is chosen, what is maximised and what must hold, with every fault at once."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graycell.decisions.decision import CHANGES, Decision
from graycell.decisions.goals import NOTHING, Constraint, Goals
from graycell.errors import Finding, InputError, nearest
from graycell.runs.format.files import read_toml
from graycell.runs.records import CultureRun
from graycell.runs.solutes import MOLAR_MASS
from graycell.saved import SavedFormat
from graycell.units import (
    CONCENTRATION,
    DIMENSIONLESS,
    RATE_PER_CELLS,
    RATE_SLOPE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    UnitError,
    convert_amount,
)
from graycell.units import TEMPERATURE as DEGREES

DECISIONS = SavedFormat("decisions", 1, "write format = 1, or leave it out", unnumbered=1)
"""The format of the file; the number may be left out."""
_WORDS = ("format", "maximise", "constraints", "caution", "units", "may_run_out", "decisions")
_DECISION_WORDS = ("change", "event", "medium", "species", "input", "day", "lower", "upper", "step", "relative")
_TEXTS = ("change", "event", "medium", "species", "input")
_UNITS = {
    "time": TIME, "end": TIME, "volume": VOLUME, "most": VOLUME, "initial volume": VOLUME, "rate": VOLUMETRIC_RATE,
    "rate per cells": RATE_PER_CELLS, "slope": RATE_SLOPE, "fraction": DIMENSIONLESS, "temperature": DEGREES,
    "initial temperature": DEGREES, "value": DIMENSIONLESS,
}  # fmt: skip
"""Units of what is chosen; a set-point has that of its input, and concentrations those of the plan."""
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")
_MOST_DECISIONS = 200


@dataclass(frozen=True)
class Wanted:
    """What a file of decisions says.

    Attributes:
        decisions: what is chosen.
        goals: what is maximised and what must hold.
        caution: [1] standard deviations that are taken off; None where the file does not say it.
    """

    decisions: tuple[Decision, ...]
    goals: Goals
    caution: float | None


def unit_of_decision(decision: Decision, plan: CultureRun) -> str:
    """Return the unit of the values of a decision.

    Args:
        decision: any.
        plan: that it is for.

    Returns:
        The internal unit, that of the species in the plan, or 1 for a relative one.
    """
    if decision.relative:
        return DIMENSIONLESS
    if decision.change in _UNITS:
        return _UNITS[decision.change]
    series = plan.measurements.get(decision.species)
    return plan.units.get(decision.species) or (series.unit if series is not None else CONCENTRATION)


def read_decisions(path: str | Path, plan: CultureRun, goal_is_needed: bool = True) -> Wanted:
    """Return what a TOML file asks for.

    Args:
        path: the file.
        plan: that it is for; it tells the units of concentrations.
        goal_is_needed: whether it must say what is maximised.

    Returns:
        Decisions, goals and caution.

    Raises:
        InputError: with every fault.
    """
    path = Path(path)
    data = read_toml(path, "a file of decisions in TOML is needed", "name a TOML file, see graycell optimise --help")
    reader = DecisionsReader(path, plan, goal_is_needed)
    wanted = reader.wanted(data)
    if reader.findings or wanted is None:
        raise InputError(reader.findings)
    return wanted


class DecisionsReader:
    """Reads the tables of one file and collects its findings; for files that hold decisions beside other things.

    Attributes:
        path: of the file.
        plan: that it is for.
        goal_is_needed: whether the file must say what is maximised.
        findings: so far.
    """

    def __init__(self, path: Path, plan: CultureRun, goal_is_needed: bool):
        self.path, self.plan, self.goal_is_needed, self.findings = path, plan, goal_is_needed, list[Finding]()

    def fault(self, where: str, found: str, needed: str, remedy: str) -> None:
        """Add a finding.

        Args:
            where: in the file.
            found: what is there.
            needed: what is needed.
            remedy: what to do.
        """
        self.findings.append(Finding(f"{self.path}, {where}", found, needed, remedy))

    def known_words(self, where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        """Add a finding for every word of a table that is none of the file.

        Args:
            where: the table is; empty for the top level.
            table: of the file.
            known: words.
        """
        for word in table:
            if word not in known:
                self.fault(where or "top level", f"'{word}'", "it is no word of this file", nearest(word, known))

    def wanted(self, data: Mapping[str, Any]) -> Wanted | None:
        """Return what the file asks for.

        Args:
            data: its content.

        Returns:
            Decisions, goals and caution; None where it has faults.
        """
        self.known_words("", data, _WORDS)
        parts = DECISIONS.parts(data)
        if parts:
            self.fault("format", *parts)
        maximise = data.get("maximise", None if self.goal_is_needed else NOTHING)
        if not isinstance(maximise, str) or not maximise.strip():
            self.fault("maximise", "no formula", "what is to be large is needed", 'write it like maximise = "ANTI"')
        constraints = []
        given = data.get("constraints", [])
        for one in given if isinstance(given, list) else [given]:
            try:
                constraints.append(Constraint.of(one if isinstance(one, str | Mapping) else str(one)))
            except InputError as error:
                self.findings += [Finding(f"{self.path}, {finding.place}", finding.found, finding.needed,
                                          finding.remedy) for finding in error.findings]  # fmt: skip
        units = data.get("units", {})
        if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
            self.fault("units", "no table of texts", "units of names are needed", 'write units = { ANTI = "g/L" }')
            units = {}
        empty = data.get("may_run_out", [])
        if not isinstance(empty, list) or not all(isinstance(name, str) for name in empty):
            self.fault("may_run_out", f"'{empty}'", "a list of substrates is needed", 'write may_run_out = ["ASN"]')
            empty = []
        decisions = self.decisions(data.get("decisions", {}))
        caution = data.get("caution")
        if caution is not None and not (_is_number(caution) and 0.0 <= caution <= 10.0):
            self.fault("caution", f"'{caution}'", "a number from 0 to 10 is needed", "write it like caution = 1.0")
        if self.findings:
            return None
        try:
            goals = Goals(str(maximise), tuple(constraints), tuple(units.items()), tuple(empty))
        except InputError as error:
            self.findings += error.findings
            return None
        return Wanted(decisions, goals, None if caution is None else float(caution))

    def decisions(self, tables: Any) -> tuple[Decision, ...]:
        """Return what is chosen.

        Args:
            tables: of each decision, by name.

        Returns:
            Those without a fault.
        """
        if not isinstance(tables, Mapping) or not tables:
            self.fault("decisions", "no table", "each number that is chosen is a table [decisions.NAME]",
                       "write [decisions.feed_1] with change, event, lower and upper")  # fmt: skip
            return ()
        if len(tables) > _MOST_DECISIONS:
            self.fault("decisions", f"{len(tables)} tables", f"at most {_MOST_DECISIONS} are chosen at once",
                       "leave some out")  # fmt: skip
            return ()
        found = []
        for name, table in tables.items():
            one = self.decision(name, table)
            found += [] if one is None else [one]
        return tuple(found)

    def decision(self, name: str, table: Any) -> Decision | None:
        """Return one number that is chosen.

        Args:
            name: of the decision.
            table: that describes it.

        Returns:
            The decision; None where it has a fault.
        """
        where, before = f"[decisions.{name}]", len(self.findings)
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            self.fault(where, f"'{name}'", "a name has letters, digits and _, so that formulas can use it", "rename it")
        if not isinstance(table, Mapping):
            self.fault(where, f"'{table}'", "a table is needed", "write change, event, lower and upper into it")
            return None
        self.known_words(where, table, _DECISION_WORDS)
        words: dict[str, Any] = {}
        for word in _TEXTS:
            if word in table:
                if not isinstance(table[word], str):
                    self.fault(f"{where} {word}", f"'{table[word]}'", "a text is needed", "write it in quotes")
                words[word] = str(table[word])
        if words.get("change") not in CHANGES:
            self.fault(f"{where} change", f"'{words.get('change', '')}'", "a number of a plan is chosen",
                       nearest(words.get("change", ""), CHANGES))  # fmt: skip
        relative = table.get("relative", False)
        if not isinstance(relative, bool):
            self.fault(f"{where} relative", f"'{relative}'", "it is true or false", "write relative = true")
        if len(self.findings) > before:
            return None
        blank = Decision(name, **words, lower=0.0, upper=1.0, relative=relative)
        unit = unit_of_decision(blank, self.plan)
        lower, upper = (self.number(where, table, word, unit, blank.species, None) for word in ("lower", "upper"))
        step = self.number(where, table, "step", unit, blank.species, 0.0)
        day = self.number(where, table, "day", TIME, "", math.nan)
        if lower is None or upper is None or step is None or day is None or len(self.findings) > before:
            return None
        return Decision(name, **words, lower=lower, upper=upper, step=step, day=None if math.isnan(day) else day,
                        relative=relative)  # fmt: skip

    def number(
        self, where: str, table: Mapping[str, Any], word: str, unit: str, species: str, default: float | None
    ) -> float | None:
        """Return a number in the unit of a decision: given in it, or as a text with another unit.

        Args:
            where: the table is.
            table: that holds the number.
            word: of the number.
            unit: of the values of the decision.
            species: of the decision, whose molar mass may be needed.
            default: where the word is missing; None for a fault.

        Returns:
            The number; None where there is a fault.
        """
        value = table.get(word, default)
        if _is_number(value):
            return float(value)  # type: ignore[arg-type]
        example = f"write it like {word} = 0.5, in {unit}, or as a text with its unit"
        read = _QUANTITY.fullmatch(value[:60]) if isinstance(value, str) else None
        if read is None:
            self.fault(f"{where} {word}", "nothing" if value is None else f"'{value}'", "a number is needed", example)
            return None
        mass = self.plan.molar_masses.get(species, MOLAR_MASS.get(species))
        try:
            return float(convert_amount(float(read[1]), read[2] or unit, unit, mass))
        except UnitError as error:
            self.fault(f"{where} {word}", f"'{value}'", str(error), example)
            return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isinf(value)
