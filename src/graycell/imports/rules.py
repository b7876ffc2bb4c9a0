"""Feeds of a mapping that follow a rule: what the mapping says -> `RuleSpec`, and the samples of a run -> its events.

A sheet that records volumes keeps them as what was given. A rule stands for what a protocol says where nobody wrote the
volumes down: "glucose to 6 g/L at each sample below 4 g/L".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graycell.errors import nearest, shown
from graycell.imports.amounts import with_unit
from graycell.imports.cells import Cells
from graycell.imports.feeding import ONE_SECOND, RecordedEvent, Step
from graycell.imports.parsing_feeds import FeedParser
from graycell.imports.plan_feeds import FeedPlanner
from graycell.imports.spec import EVERY, FEED_KINDS, RuleSpec
from graycell.runs.records import VCD
from graycell.units import DIMENSIONLESS, RATE_PER_CELLS, TIME, VOLUME, UnitError, convert

_RULES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "to level": ("bolus to level", ("level",), ("species", "below", "most")),
    "share": ("bolus share", ("share",), ()),
    "per IVCD": ("bolus per IVCD", ("rate",), ()),
    "per cells": ("feed per cells", ("rate",), ()),
}
"""Rules by name: the event of runs, the words that each needs, and those that it may have."""
_SHARED = ("rule", "media", "from", "until")
_UNITS = {"most": VOLUME, "share": DIMENSIONLESS, "rate": RATE_PER_CELLS, "from": TIME, "until": TIME}
_SUCH_AS = {"most": "50 mL", "share": "3 %", "rate": "50 nL/1e6 cells/d", "from": "3 d", "until": "10 d",
            "level": "6 g/L", "below": "4 g/L"}  # fmt: skip


class RuleParser:
    """Reads the feeds of a mapping that follow a rule."""

    def __init__(self, feeds: FeedParser):
        """Begin.

        Args:
            feeds: parser of the feeds of the mapping.
        """
        self.feeds, self.parser, self.fault = feeds, feeds.parser, feeds.fault

    def rules(self) -> Iterator[RuleSpec]:
        """Yield the rules.

        Yields:
            A spec for each feed with a rule and without a fault in it.
        """
        for name, entry in self.parser.table("feeds").items():
            if isinstance(entry, Mapping) and "rule" in entry:
                earlier = self.parser.faults.errors
                rule = self._rule(str(name), f"[feeds.{name}]", entry)
                if rule is not None and self.parser.faults.errors == earlier:
                    yield rule

    def _rule(self, name: str, what: str, entry: Mapping[str, Any]) -> RuleSpec | None:
        kind = str(entry["rule"])
        if kind not in _RULES:
            self.fault(f"{what} rule", shown(kind), f"a rule is {', '.join(map(repr, _RULES))}", nearest(kind, _RULES))
            return None
        _, required, optional = _RULES[kind]
        recorded = [word for word in FEED_KINDS if word in entry and word not in required]
        if recorded or name == EVERY:
            found = f"a rule beside {' and '.join(recorded)}" if recorded else "a rule of all feeds"
            needed = "what a sheet records is what was given, and a rule is of a feed that it does not record"
            remedy = "remove the rule, or the column to have the rule in its place" if recorded else "name the feed"
            self.fault(what, found, needed, remedy)
            return None
        self.parser.known_words(what, entry, (*_SHARED, *required, *optional))
        for word in (*required, "media"):
            if word not in entry:
                such = 'media = { GLC = "400 g/L" }' if word == "media" else f'{word} = "{_SUCH_AS[word]}"'
                self.fault(what, f"no {word}", f"the rule {kind} needs it", f"write {such}")
        media = self.feeds.composition(f"{what} media", entry.get("media", {}))
        species = self._species(what, entry, media) if kind == "to level" else ""
        numbers = {word: self._number(f"{what} {word}", word, entry[word]) for word in _UNITS if word in entry}
        levels = {word: self.feeds.concentration(f"{what} {word}", species, entry[word])
                  for word in ("level", "below") if word in entry and species}  # fmt: skip
        since, until, below, level = numbers.get("from"), numbers.get("until"), levels.get("below"), levels.get("level")
        if since is not None and until is not None and since > until:
            self.fault(f"{what} until", shown(str(entry["until"])), "a rule ends after it begins", "exchange the two")
        if below is not None and level is not None and below > level:
            self.fault(f"{what} below", shown(str(entry["below"])), "a bolus is not given above its level",
                       "lower it, or leave it out for the level")  # fmt: skip
        return RuleSpec(name, kind, media, species, level, below, numbers.get("most"), numbers.get("share"),
                        numbers.get("rate"), since, until)  # fmt: skip

    def _species(self, what: str, entry: Mapping[str, Any], media: Any) -> str:
        """Return the species of a level: the one that is named, or the only one that the medium holds."""
        if "species" in entry:
            return str(entry["species"])
        if isinstance(media, Mapping) and len(media) == 1:
            return next(iter(media))
        needed = "a medium of several solutes brings one of them to a level"
        if "media" in entry:  # without it that is asked for
            self.fault(what, "no species", needed, 'write species = "GLC"')
        return ""

    def _number(self, what: str, word: str, given: Any) -> float | None:
        """Return a number in the internal unit of its word."""
        try:
            number = float(convert(*with_unit(given), _UNITS[word]))
        except UnitError as error:
            self.fault(what, str(error), "a number with its unit is needed", f'write {word} = "{_SUCH_AS[word]}"')
            return None
        if number < 0.0 or (word == "share" and number > 1.0):
            needed = "a share is 0 to 100 %" if word == "share" else "it is 0 or above"
            self.fault(what, shown(str(given)), needed, f'write {word} = "{_SUCH_AS[word]}"')
        return number


def planned_rules(planner: FeedPlanner, rules: Sequence[RuleSpec]) -> tuple[RuleSpec, ...]:
    """Return rules with their compositions, and note what they need of the file.

    Args:
        planner: of the feeds.
        rules: of the mapping.

    Returns:
        The rules.
    """
    spec, fault, found = planner.spec, planner.fault, []
    for rule in rules:
        what, media = f"[feeds.{rule.name}]", planner.composition(rule.name, rule.media)
        if spec.taken == "after":
            fault(f"{what} rule", 'taken = "after"', "a rule decides by a sample that is taken before its feed",
                  'write taken = "before", or give the volumes')  # fmt: skip
        if rule.level is not None and rule.species not in media:
            fault(f"{what} species", f"'{rule.species}'", "the medium holds it", nearest(rule.species, media))
        elif rule.level is not None and media[rule.species] <= rule.level:
            fault(f"{what} level", "a level that the medium does not reach", f"it holds more {rule.species}",
                  "lower the level, or correct media")  # fmt: skip
        if rule.kind == "per IVCD" and VCD not in spec.measured:
            fault(f"{what} rule", "no VCD in [measured]", "the integral of viable cells follows from counts", "add VCD")
        found.append(replace(rule, media=media))
    for feed in spec.feeds if rules else ():
        if feed.of == "culture":
            needed = "the volume of the culture is not known where a rule feeds it"
            fault(f"[feeds.{feed.name}]", 'of = "culture"', needed, 'write rule = "share", or the volumes')
    return tuple(found)


def with_rules(cells: Cells, steps: Sequence[Step], events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """Return the events of a run with those of its rules, which act after the others of their time.

    A rule acts at every sample after the first that is not taken after a feed; one with `from` at the first too, if it
    is not before that time. A level is decided where its species was measured, if the file measures it.

    Args:
        cells: the file.
        steps: the samples of the run.
        events: that the file records.

    Returns:
        The events in the order of time.
    """
    found = list(events)
    for rule in cells.plan.rules:
        kind, since = _RULES[rule.kind][0], 0.0 if rule.since is None else rule.since
        if rule.kind == "per cells":
            row = steps[0].row if steps else 0
            found.append(RecordedEvent(row, since, kind, rule.name, rule=rule))
            if rule.until is not None:
                found.append(RecordedEvent(row, rule.until, "feed", rule.name, rate=0.0))
            continue
        for step in steps:
            late = rule.until is not None and step.fed > rule.until + ONE_SECOND
            early = step.fed < since - ONE_SECOND or (rule.since is None and step.fed <= 0.0)
            if not early and not late and step.side != "after" and _is_decided(cells, step, rule):
                found.append(RecordedEvent(step.row, step.fed, kind, rule.name, rule=rule))
    return sorted(found, key=lambda event: event.time)  # stable


def _is_decided(cells: Cells, step: Step, rule: RuleSpec) -> bool:
    """Return whether a rule is decided in a row: where what it needs was measured, or anything was."""
    needed = rule.species if rule.kind == "to level" else VCD if rule.kind == "per IVCD" else ""
    column = cells.plan.measured.get(needed)
    if column is None:
        return step.row < cells.grid.sampled and (bool(needed) or cells.is_measured(step.row))
    return step.row < cells.grid.sampled and cells.measured(step.row, column, needed) is not None
