"""What was fed in each row against what was fed so far: a total checks its parts, and is no second feed."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from graycell.imports.cells import Cells
from graycell.imports.columns import Column, FeedColumn
from graycell.imports.feeding import RecordedEvent, Step
from graycell.imports.vocabulary import bare, quantity_of
from graycell.runs.format.tables import parse_number

_AGREES = 0.02
"""[1] Part of the largest total up to which it agrees with its parts; the rounding of what is read off."""
_FEWEST = 2
"""Rows in which a total rises by its part, so that the two are no coincidence; one more where it may be a volume."""
_OTHERS = "the other feeds"
_SUMMED = re.compile(r"cumulated|cumulative|cumul|cum|accumulated|accum|acc|totali[sz]er|total|summe|sum|so far|"
                     r"kumuliert|gesamt", re.IGNORECASE)  # fmt: skip
_PLAIN = re.compile(r"volumen|volume|vol|added|amount|menge", re.IGNORECASE)


def is_summed(heading: str) -> bool:
    """Return whether a heading names what was added so far.

    Args:
        heading: of a column.

    Returns:
        Whether it does.

    >>> is_summed("Accum Base Volume"), is_summed("Base (mL)")
    (True, False)
    """
    return _SUMMED.search(bare(heading)) is not None


def name_without_sum(heading: str) -> str:
    """Return what is fed, as headings of single volumes and of sums name it alike.

    Args:
        heading: of a column.

    Returns:
        Small letters.

    >>> name_without_sum("Accum Gluc Feed Volume"), name_without_sum("Glucose feed total (mL)")
    ('glcfeed', 'glcfeed')
    """
    words = re.findall(r"[a-z0-9]+", _PLAIN.sub(" ", _SUMMED.sub(" ", bare(heading))).lower())
    return "".join(quantity_of(word).lower() or word for word in words)


def paired(columns: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], set[str]]:
    """Return which columns of feeds hold the sums of others, and which repeat another.

    Args:
        columns: the cells of a row each, by heading.

    Returns:
        The heading of the sums by that of the single volumes, and the headings that repeat an earlier one.
    """
    numbers = {heading: [parse_number(cell.replace(",", ".")) or 0.0 for cell in cells]
               for heading, cells in columns.items()}  # fmt: skip
    totals: dict[str, str] = {}
    for total in filter(is_summed, columns):
        free = [heading for heading in columns if not is_summed(heading) and heading not in totals]
        named = [heading for heading in free if name_without_sum(heading) == name_without_sum(total)]
        equal = [heading for heading in free if _is_sum(numbers[total], numbers[heading])]
        totals |= dict.fromkeys((named or equal)[:1], total)
    first: dict[tuple[str, tuple[float, ...]], str] = {}
    keys = {heading: (name_without_sum(heading), tuple(numbers[heading])) for heading in columns}
    copies = {heading for heading, key in keys.items()
              if any(numbers[heading]) and first.setdefault(key, heading) != heading}  # fmt: skip
    return totals, copies


def _is_sum(total: Sequence[float], single: Sequence[float]) -> bool:
    """Return whether one column rises by the other; where it falls, another run begins."""
    rises = [(after - before, part) for (before, after), part in zip(pairwise(total), single[1:], strict=True)
             if after >= before]  # fmt: skip
    agree = all(abs(rise - part) <= _AGREES * max(total) for rise, part in rises)
    return agree and sum(rise > 0.0 for rise, _ in rises) >= _FEWEST


class Totals:
    """What the feeds of all runs added, row by row."""

    def __init__(self, cells: Cells):
        """Begin.

        Args:
            cells: the file.
        """
        self.cells, self.feeds = cells, cells.plan.feeds
        self.fed: dict[str, list[list[float]]] = {feed.name: [] for feed in self.feeds}
        self.steps: list[Sequence[Step]] = []

    def add(self, steps: Sequence[Step], events: Sequence[RecordedEvent]) -> None:
        """Add what was fed in a run.

        Args:
            steps: its rows.
            events: of the run, in the order of time.
        """
        self.steps.append(steps)
        for feed in self.feeds:
            self.fed[feed.name].append(_fed(steps, [event for event in events if event.medium == feed.name]))

    def note(self) -> None:
        """Note a total that is not the sum of its parts, and one that is a feed beside them."""
        for feed in self.feeds:
            if feed.total is not None:
                self._note_total(feed, feed.total)
        parts = {feed.name: self.fed[feed.name] for feed in self.feeds if feed.kind in ("volume", "interval", "rate")}
        counted: set[str] = set()
        whole = [[sum(row) for row in zip(*runs, strict=True)] for runs in zip(*parts.values(), strict=True)]
        for feed in [feed for feed in self.feeds if feed.kind in ("cumulative", "volume")]:
            others = {name: fed for name, fed in parts.items() if name != feed.name and name not in counted}
            partner = self._part_of(feed, others, whole)
            if partner:
                counted.add(feed.name)
                remedy = f'remove it; total = "{feed.column.name}" in {partner} checks one against the other'
                remedy = "remove it" if partner == _OTHERS else remedy
                self.cells.faults.of_mapping(f"[feeds.{feed.name}]", f"the sums of {partner}",
                                             "what is fed counts once", remedy)  # fmt: skip
            elif self._is_copy(feed, others):
                self.cells.faults.of_mapping(f"[feeds.{feed.name}]", "the numbers of another feed of this composition",
                                             "what is fed counts once", "see whether it is the same feed",
                                             "warning")  # fmt: skip

    def _part_of(
        self, feed: FeedColumn, others: Mapping[str, list[list[float]]], whole: Sequence[Sequence[float]]
    ) -> str:
        """Return the feed whose sums a column holds, or all others; "" if there is none. `whole` is what all fed."""
        read = [[self.cells.amount(step.row, feed.column) for step in steps] for steps in self.steps]
        fewest = _FEWEST + (feed.kind == "volume")
        for other in [other for other in self.feeds if other.name in others]:
            alike = other.media == feed.media or name_without_sum(other.column.name) == name_without_sum(
                feed.column.name)  # fmt: skip
            if alike and _agree(read, others[other.name], fewest):
                return f'[feeds."{other.name}"]'
        if len(others) > 1:
            own = self.fed[feed.name] if feed.kind == "volume" else [[0.0] * len(run) for run in whole]
            together = [[both - one for both, one in zip(*runs, strict=True)] for runs in zip(whole, own, strict=True)]
            if _agree(read, together, fewest) or (
                    feed.kind == "volume" and self._are_the_same(self.fed[feed.name], together)):  # fmt: skip
                return _OTHERS
        return ""

    def _is_copy(self, feed: FeedColumn, others: Mapping[str, list[list[float]]]) -> bool:
        """Return whether an earlier feed has the same composition and the same numbers."""
        earlier = self.feeds[: self.feeds.index(feed)]
        return any(other.name in others and other.media == feed.media
                   and self._are_the_same(self.fed[feed.name], others[other.name]) for other in earlier)  # fmt: skip

    def _are_the_same(self, fed: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
        return _agree(fed, others, _FEWEST + 1)

    def _note_total(self, feed: FeedColumn, total: Column) -> None:
        """Note where a total differs from what the rows of its feed add up to."""
        for steps, fed in zip(self.steps, self.fed[feed.name], strict=True):
            read = [self.cells.amount(step.row, total) for step in steps]
            known = [(i, value) for i, value in enumerate(read) if value is not None]
            if not known or _rises([read], [fed]) is not None:
                continue
            first, base = known[0]
            most = max(value for _, value in known)
            off = next((i for i, value in known if abs(value - base - fed[i] + fed[first]) > _AGREES * most), first)
            added = (fed[off] - fed[first] + base) / total.in_internal_units(1.0)
            found = f"'{self.cells.cell(steps[off].row, total)}'"
            needed = f"the rows of [feeds.{feed.name}] up to there add up to {added:.4g} {total.unit}"
            remedy = "see whether a feed is missing, or is there twice"
            place = self.cells.table.at(steps[off].row, total.name)
            self.cells.faults.of_file(place, found, needed, remedy, "warning")


def _fed(steps: Sequence[Step], events: Sequence[RecordedEvent]) -> list[float]:
    """Return what was fed [L] up to and with each row."""
    boluses = [event for event in events if event.event == "bolus"]
    flows = [event for event in events if event.event == "feed"]
    added = [0.0, *accumulate(event.volume or 0.0 for event in boluses)]
    flowed = [0.0, *accumulate((one.rate or 0.0) * (other.time - one.time) for one, other in pairwise(flows))]
    at_bolus, at_flow = [event.time for event in boluses], [event.time for event in flows]
    fed: list[float] = []
    for step in steps:
        last = max(step.seen, step.fed)
        k = bisect_right(at_flow, last)
        running = (flows[k - 1].rate or 0.0) * (last - at_flow[k - 1]) if k else 0.0
        fed.append(added[bisect_right(at_bolus, last)] + (flowed[k - 1] if k else 0.0) + running)
    return fed


def _rises(totals: Sequence[Sequence[float | None]], fed: Sequence[Sequence[float]]) -> int | None:
    """Return in how many rows totals rise by what was fed since the total before; None if they do not agree.

    The total of a row may be that before the feed of the row.
    """
    most = max((value for run in totals for value in run if value is not None), default=0.0)
    for lag in (0, 1):
        count: int | None = 0
        for read, parts in zip(totals, fed, strict=True):
            before = first = None  # totals, and what was fed up to them
            for i, value in enumerate(read):
                if value is None:
                    continue
                part = parts[i] if not lag else parts[i - 1] if i else 0.0
                first = first or (value, part)
                if abs(value - first[0] - part + first[1]) > _AGREES * most:
                    count = None
                    break
                count += before is not None and part > before[1]
                before = value, part
            if count is None:
                break
        if count is not None:
            return count
    return None


def _agree(totals: Sequence[Sequence[float | None]], fed: Sequence[Sequence[float]], fewest: int) -> bool:
    rises = _rises(totals, fed)
    return rises is not None and rises >= fewest
