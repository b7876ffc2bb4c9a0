"""read_campaign: a TOML file -> a campaign; read_tried: a table of the runs that were done. Every fault at once."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graycell.campaigns.campaign import MODEL_ERROR, Campaign
from graycell.campaigns.faults import COLUMNS
from graycell.campaigns.records import Scale, Tried
from graycell.decisions.decision import Decision
from graycell.decisions.reading import DecisionsReader, unit_of_decision
from graycell.errors import Finding, InputError, nearest
from graycell.model import CultureModel
from graycell.runs.format.files import UnreadableError, read_toml, text_table
from graycell.runs.records import CultureRun
from graycell.runs.solutes import MOLAR_MASS
from graycell.saved import SavedFormat
from graycell.units import UnitError, convert_amount

CAMPAIGNS = SavedFormat("campaign", 1, "write format = 1, or leave it out", unnumbered=1)
"""The format of the file; the number may be left out."""
CLONE, SCALE, GOAL = COLUMNS
_OWN = ("clones", "target", "scales", "model_error")
_NOT_USED = ("caution", "may_run_out")
"""What files of decisions may say, and a campaign does not look at."""
_SCALE_WORDS = ("cost", "runs", "error", "changes", "together", "fixed")
_HEADING = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[\s*(.*?)\s*\])?\s*")
_MOST_SCALES, _MOST_CLONES = 20, 1000


def read_campaign(path: str | Path, model: CultureModel, plan: CultureRun, seed: int = 0) -> Campaign:
    """Return the campaign that a TOML file describes.

    Args:
        path: a file of decisions, as for `optimise`, with clones, scales and target.
        model: of all clones.
        plan: that is varied.
        seed: of all that is drawn.

    Returns:
        The campaign.

    Raises:
        InputError: with every fault.
    """
    path = Path(path)
    data = read_toml(path, "a file of a campaign in TOML is needed", "name a TOML file, see graycell campaign --help")
    reader = _CampaignReader(path, plan, True)
    own = {name: data.pop(name) for name in _OWN if name in data}
    for name in _NOT_USED:
        if data.pop(name, None) is not None:
            reader.fault(name, f"'{name}'", "a campaign does not know it", "leave it out; graycell optimise does")
    wanted = reader.wanted(data)
    clones = reader.names("clones", own.get("clones"), _MOST_CLONES)
    target, error = own.get("target"), own.get("model_error", MODEL_ERROR)
    if not isinstance(target, str):
        reader.fault("target", "no text", "the scale at which the best run is wanted", 'write target = "pilot"')
    if not isinstance(error, int | float) or isinstance(error, bool):
        reader.fault("model_error", f"'{error}'", "a number is needed", "write it like model_error = 0.02")
    scales = () if wanted is None else reader.scales(own.get("scales"), wanted.decisions)
    if reader.findings or wanted is None:
        raise InputError(reader.findings)
    goals = wanted.goals
    try:
        return Campaign(model, plan, wanted.decisions, goals.maximise, clones, scales, str(target), goals.constraints,
                        dict(goals.units), float(error), seed)  # fmt: skip
    except InputError as faults:
        raise InputError([Finding(f"{path}, {one.place}", one.found, one.needed, one.remedy)
                          for one in faults.findings]) from None  # fmt: skip


class _CampaignReader(DecisionsReader):
    """Reads what a campaign has beside decisions."""

    def names(self, where: str, given: Any, most: int) -> tuple[str, ...]:
        """Return a list of names."""
        if not isinstance(given, list) or not given or len(given) > most or not all(isinstance(one, str)
                                                                                    for one in given):  # fmt: skip
            self.fault(where, "no list of names" if not isinstance(given, list) else f"{len(given)} entries",
                       f"a list of 1 to {most} texts is needed", f'write {where} = ["A", "B"]')  # fmt: skip
            return ()
        return tuple(given)

    def scales(self, tables: Any, decisions: Sequence[Decision]) -> tuple[Scale, ...]:
        """Return the scales."""
        if not isinstance(tables, Mapping) or not 0 < len(tables) <= _MOST_SCALES:
            self.fault("scales", "no table" if not isinstance(tables, Mapping) else f"{len(tables)} tables",
                       f"1 to {_MOST_SCALES} scales are tables [scales.NAME]", "write [scales.pilot] with cost, runs "
                       "and error")  # fmt: skip
            return ()
        found = [self.one_scale(name, table, decisions) for name, table in tables.items()]
        return tuple(one for one in found if one is not None)

    def one_scale(self, name: str, table: Any, decisions: Sequence[Decision]) -> Scale | None:
        """Return a scale; None where it is faulty."""
        where, before = f"[scales.{name}]", len(self.findings)
        if not isinstance(table, Mapping):
            self.fault(where, f"'{table}'", "a table is needed", "write cost, runs and error into it")
            return None
        self.known_words(where, table, _SCALE_WORDS)
        numbers = {word: self.plain(where, table, word) for word in ("cost", "runs", "error")}
        if numbers["runs"] is not None and numbers["runs"] != int(numbers["runs"]):
            self.fault(f"{where} runs", f"{numbers['runs']:g}", "a whole number is needed", "write runs = 12")
        together = self.names(f"{where} together", table["together"], len(decisions)) if "together" in table else ()
        changes, fixed = table.get("changes", {}), table.get("fixed", {})
        for word, given in (("changes", changes), ("fixed", fixed)):
            if not isinstance(given, Mapping):
                self.fault(f"{where} {word}", f"'{given}'", "a table is needed", f"write {word} = {{ name = 1.0 }}")
        if len(self.findings) > before:
            return None
        by_name = {one.name: one for one in decisions}
        set_there, held = {}, {}
        for word in changes:
            set_there[word] = self.plain(f"{where} changes", changes, word)
        for word in fixed:
            one = by_name.get(word)  # of an unknown name the campaign says which are known
            held[word] = (self.plain(f"{where} fixed", fixed, word) if one is None else
                          self.number(f"{where} fixed", fixed, word, unit_of_decision(one, self.plan), one.species,
                                      None))  # fmt: skip
        if len(self.findings) > before:
            return None
        return Scale(name, float(numbers["cost"] or 0.0), int(numbers["runs"] or 0), float(numbers["error"] or 0.0),
                     set_there, together, held)  # fmt: skip

    def plain(self, where: str, table: Mapping[str, Any], word: str) -> float | None:
        """Return a number without a unit; None where there is none."""
        value = table.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self.fault(f"{where} {word}", "nothing" if value is None else f"'{value}'", "a number is needed",
                   f"write {word} = 1.0")  # fmt: skip
        return None


def headings(campaign: Campaign) -> list[str]:
    """Return the headings of a table of runs.

    Args:
        campaign: whose runs they are.

    Returns:
        clone, scale, each decision with its unit, and goal.
    """
    return [CLONE, SCALE, *(f"{one.name} [{unit_of_decision(one, campaign.plan)}]" for one in campaign.decisions), GOAL]


def read_tried(path: str | Path, campaign: Campaign) -> list[Tried]:
    """Return the runs of a campaign that were done.

    Args:
        path: a CSV file with the columns clone, scale, those of the decisions and goal; others are not read, and rows
            without a goal are not done yet.
        campaign: whose runs they are.

    Returns:
        The runs, in the order of the rows.

    Raises:
        InputError: with every fault.
    """
    try:
        source = text_table(Path(path), 1)
    except UnreadableError as error:
        raise InputError([error.finding]) from None
    except OSError as error:
        raise InputError([Finding(str(path), f"'{error.strerror}'", "a table of runs is needed",
                                  "look at the path")]) from None  # fmt: skip
    (rows,) = source.tables.values()
    findings, columns = list[Finding](), dict[str, tuple[int, str]]()
    for j, text in enumerate(rows.headings):
        read = _HEADING.fullmatch(text)
        if read is not None:
            columns.setdefault(read[1], (j, read[2] or ""))
    needed = [CLONE, SCALE, *(one.name for one in campaign.decisions), GOAL]
    findings += [Finding(rows.place, f"no column '{name}'", "clone, scale, all decisions and goal are needed",
                         nearest(name, columns)) for name in needed if name not in columns]  # fmt: skip
    if columns.get(GOAL, (0, ""))[1]:
        findings.append(Finding(f"{rows.place}, column '{rows.headings[columns[GOAL][0]]}'", "a unit",
                                f"the goal is in the units of the formula, {campaign.maximise}",
                                "convert its values, and name the column goal"))  # fmt: skip
    if findings:
        raise InputError(findings)
    known = {CLONE: campaign.clones, SCALE: tuple(one.name for one in campaign.scales)}
    found = []
    for k, cells in enumerate(rows.rows):
        text = {name: cells[columns[name][0]].strip() if columns[name][0] < len(cells) else "" for name in needed}
        if not text[GOAL]:
            continue
        before = len(findings)
        findings += [Finding(rows.at(k, word), f"'{text[word]}'", f"it is a {word} of the campaign",
                             nearest(text[word], names))
                     for word, names in known.items() if text[word] not in names]  # fmt: skip
        numbers = [_number(rows.at(k, name), text[name], columns[name][1], decision, campaign.plan, findings)
                   for name, decision in ((one.name, one) for one in campaign.decisions)]  # fmt: skip
        goal = _number(rows.at(k, GOAL), text[GOAL], "", None, campaign.plan, findings)
        if len(findings) == before:
            found.append(Tried(text[CLONE], text[SCALE], tuple(numbers), goal))
    if findings:
        raise InputError(findings)
    return found


def _number(place: str, text: str, unit: str, decision: Decision | None, plan: CultureRun,
            findings: list[Finding]) -> float:  # fmt: skip
    """Return a number of a table in the unit of its decision; NaN with a finding where it is none."""
    try:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        findings.append(Finding(place, f"'{text}'", "a number is needed", "correct the cell"))
        return math.nan
    if decision is None or not unit:
        return value
    own = unit_of_decision(decision, plan)
    try:
        mass = plan.molar_masses.get(decision.species, MOLAR_MASS.get(decision.species))
        return float(convert_amount(value, unit, own, mass))
    except UnitError as error:
        findings.append(Finding(place, f"unit '{unit}'", str(error), f"write it like {own}"))
        return math.nan


__all__ = ["CAMPAIGNS", "headings", "read_campaign", "read_tried"]
