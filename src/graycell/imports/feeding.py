"""events_of_run: the rows of a run -> its samples, boluses, feeds, set-points and outflows, each counted once."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from graycell.errors import shown
from graycell.imports.amounts import AMOUNT_RATE, RATE_PER_VOLUME
from graycell.imports.cells import Cells
from graycell.imports.columns import Column, FeedColumn
from graycell.imports.sides import SIDE
from graycell.imports.spec import RuleSpec, is_of_group

ONE_SECOND = 1.0 / 86400.0
"""[d] Between a feed and a sample of one time that are known to follow each other."""
_NOISE_OF_TOTALS = 0.01
"""[1] Part of the largest total of a run up to which a fall is noise: a balance swings by 0.1 g in 10 g."""
_TELL_THE_SIDE = "write one of them into the column of [rows]"
_NAME_THE_SIDE = 'write it there, or say with taken = "before" or taken = "after" when the others were drawn'


class Step(NamedTuple):
    """A row of a run.

    Attributes:
        row: counted from 0.
        seen: the time [d] of its measurements.
        fed: the time [d] of its feeds.
        side: "before" or "after" a feed, "" if not said.
    """

    row: int
    seen: float
    fed: float
    side: str


class RecordedEvent(NamedTuple):
    """A row of the table of events, in internal units.

    Attributes:
        row: the row of the file that records it.
        time: [d].
        event: its kind.
        medium: of a feed.
        volume: [L].
        rate: [L/d].
        temperature: [degC].
        rule: that the event follows; None for what was recorded.
    """

    row: int
    time: float
    event: str
    medium: str = ""
    volume: float | None = None
    rate: float | None = None
    temperature: float | None = None
    rule: RuleSpec | None = None


def steps_of_run(cells: Cells, rows: Sequence[int]) -> list[Step]:
    """Return the rows of a run that have a time.

    Where all samples are taken after a feed of their row, the feed is a second earlier. Where a row after a feed has
    the time of the row before it, it was measured a second later, and the feed is at that time.

    Args:
        cells: the file.
        rows: of the run.

    Returns:
        A step for each row with a time, by time where rows of several places were put together.
    """
    plan = cells.plan
    timed = [(time, row) for row, time in zip(rows, cells.times(rows, plan.time), strict=True) if time is not None]
    if cells.grid.merged:
        timed.sort(key=lambda item: item[0])
    sides = {row: _side(cells, row) for _, row in timed}
    if plan.sides is not None:  # sorted by their names, post is above pre
        at_one_time = (list(group) for _, group in groupby(timed, key=lambda item: item[0]))
        timed = [item for group in at_one_time for item in sorted(group, key=lambda item: sides[item[1]] == "after")]
    steps: list[Step] = []
    last = None  # the time of the last row that is not after a feed
    for time, row in timed:
        side = sides[row]
        seen = fed = time
        if side == "after" and plan.sides is not None and time == last:
            seen = time + ONE_SECOND
        elif side == "after":
            fed = max(time - ONE_SECOND, 0.0)
        else:
            last = time
        steps.append(Step(row, seen, fed, side))
    return steps


def samples_of_run(cells: Cells, steps: Sequence[Step]) -> list[list[Step]]:
    """Return the rows of each sample: one, or all of one time where the mapping calls them replicates.

    The first replicate then has what any of them records of the culture, such as a feed; two values that differ are
    noted. If they are not called replicates, a second measurement at one time is noted; a feed may have a row of its
    own.

    Args:
        cells: the file.
        steps: the rows of the run.

    Returns:
        The steps of each sample.
    """
    samples: list[list[Step]] = []
    for step in steps:
        last = samples[-1] if samples else []
        if not last or last[0].seen != step.seen or step.row >= cells.grid.sampled:
            samples.append([step])
        elif cells.plan.averages:
            cells.join(last[0].row, step.row)
            last.append(step)
        elif cells.is_measured(last[0].row) and cells.is_measured(step.row):
            needed = "a row of a run has a time of its own"
            remedy = 'give [rows] if a feed lies between them, or replicates = "mean" if both are of one sample'
            cells.fault(step.row, cells.plan.time.name, "the time of the row before", needed, remedy)
        else:
            samples.append([step])
    return samples


def _side(cells: Cells, row: int) -> str:
    """Return whether a row was measured before or after a feed, "" if that is not said."""
    sides = cells.plan.sides
    if sides is None:
        return "after" if cells.plan.after else ""
    word = cells.word(row, sides.position)
    if word.lower() == sides.before.lower():
        return "before"
    if word.lower() == sides.after.lower():
        return "after"
    if not word:
        return sides.otherwise
    if word.lower() not in sides.neither:
        needed = f"it is '{sides.before}', '{sides.after}' or empty"
        remedy = f"correct it, or add neither = ['{word}'] to [rows] if the row has to do with no feed"
        cells.fault(row, cells.table.headings[sides.position], f"'{word}'", needed, remedy)
    return ""


def events_of_run(cells: Cells, steps: Sequence[Step], volume: float, temperature: float | None) -> list[RecordedEvent]:
    """Return the events of a run. If a sample and a feed have the same time, the sample is taken first.

    Args:
        cells: the file.
        steps: the rows of the run.
        volume: at the start [L].
        temperature: at the start [degC]; None if it is not known.

    Returns:
        The events in the order of time.
    """
    plan = cells.plan
    sampled = [step for step in steps if step.row < cells.grid.sampled]
    # one volume for all samples is taken where something was measured
    drawn_at = [step for step in sampled if plan.sample is None or plan.sample.value is None
                or cells.is_measured(step.row)]  # fmt: skip
    drawn = [RecordedEvent(step.row, step.seen, "sample", volume=taken)
             for step in drawn_at if (taken := cells.amount(step.row, plan.sample))]  # fmt: skip
    readers = {"volume": _added, "interval": _added_since, "cumulative": _added_so_far, "rate": _flowing,
               "rise": _rising}  # fmt: skip
    fed = [event for feed in plan.feeds for event in readers[feed.kind](cells, steps, feed, volume)]
    held = [*_setpoints(cells, sampled, temperature), *_outflows(cells, steps)]
    events = sorted([*drawn, *fed, *held], key=lambda event: event.time)  # stable
    return _with_volumes(events, {feed.name: feed.of for feed in plan.feeds if feed.of}, volume)


def time_of_volume(cells: Cells, step: Step) -> float:
    """Return when the volume of a row was read.

    Args:
        cells: the file.
        step: the row.

    Returns:
        [d].
    """
    if cells.plan.volume_taken == "after":
        return max(step.seen, step.fed) + ONE_SECOND
    return min(step.seen, step.fed) if cells.plan.volume_taken == "before" else step.seen


def volume_at_start(cells: Cells, step: Step | None, start: Mapping[str, Column], volume: float) -> float:
    """Return the volume before the events of the first row, where its column has the one after them.

    Args:
        cells: the file.
        step: the first row of the run.
        start: the columns that give the start.
        volume: as it was read [L].

    Returns:
        [L].
    """
    plan = cells.plan
    of_rows = plan.volume is not None and start["volume"].position == plan.volume.position
    if step is None or not of_rows or plan.volume_taken != "after":
        return volume
    boluses = [feed.column for feed in plan.feeds if feed.kind == "volume" and not feed.of]
    fed = sum(cells.amount(step.row, column) or 0.0 for column in boluses)
    return volume - fed + (cells.amount(step.row, plan.sample) or 0.0)


def in_lots(cells: Cells, events: Sequence[RecordedEvent], run: str) -> list[RecordedEvent]:
    """Return events whose feeds that have several compositions name the one that was fed.

    Args:
        cells: the file.
        events: of the run, in the order of time.
        run: its name.

    Returns:
        The events, with those that change from one composition to another.
    """
    for feed in [feed for feed in cells.plan.feeds if feed.lots]:
        found: list[RecordedEvent] = []
        borders = sorted({lot.since for lot in feed.lots if lot.since > 0.0})
        flowing: RecordedEvent | None = None  # the last rate, with its lot
        for event in events:
            while flowing is not None and borders and borders[0] <= event.time:
                flowing = _changed(cells, feed, flowing._replace(time=borders.pop(0)), run, found, flowing.medium)
            if event.medium != feed.name:
                found.append(event)
            elif event.event == "feed":
                flowing = _changed(cells, feed, event, run, found, flowing.medium if flowing else "")
            else:
                found.append(event._replace(medium=_lot_of(cells, feed, event, run)))
            borders = [border for border in borders if border > event.time]
        while flowing is not None and borders and flowing.rate:
            flowing = _changed(cells, feed, flowing._replace(time=borders.pop(0)), run, found, flowing.medium)
        events = found
    return list(events)


def _changed(
    cells: Cells, feed: FeedColumn, event: RecordedEvent, run: str, found: list[RecordedEvent], before: str
) -> RecordedEvent:
    """Add a rate of the lot that is fed from a time on, and the end of that before."""
    event = event._replace(medium=_lot_of(cells, feed, event, run))
    if before not in ("", event.medium):
        found.append(event._replace(medium=before, rate=0.0))
    found.append(event)
    return event


def _lot_of(cells: Cells, feed: FeedColumn, event: RecordedEvent, run: str) -> str:
    """Return the medium of a feed at a time of a run; the last composition that holds counts."""
    if feed.lot is not None:
        cell = cells.word(event.row, feed.lot)
        medium = next((lot.medium for lot in feed.lots if lot.lot == cell), None)
        if medium is None and event.rate != 0.0:
            cells.fault(event.row, cells.table.headings[feed.lot], f"'{cell}'",
                        f"it is {', '.join(lot.lot for lot in feed.lots)}", "name the lot in every row with a feed",
                        )  # fmt: skip
        return medium or feed.lots[0].medium
    time = event.time + 2.0 * ONE_SECOND  # a feed before the sample of its row is a second earlier
    fit = [lot.medium for lot in feed.lots if lot.since <= time and (not lot.runs or is_of_group(run, lot.runs))]
    if not fit:
        needed = f"one of the compositions of [feeds.{feed.name}] holds"
        remedy = "add one without from and runs, as the first"
        cells.fault(event.row, feed.column.name, f"a feed of '{run}'", needed, remedy)
    return fit[-1] if fit else feed.lots[0].medium


def _with_volumes(events: Sequence[RecordedEvent], parts: Mapping[str, str], start: float) -> list[RecordedEvent]:
    """Return events in the order of time whose boluses of some media [1] became volumes [L], see `FeedColumn.of`."""
    found: list[RecordedEvent] = []
    now = before = start  # the volume, and that before the feeds of this time
    time, rates = 0.0, dict[str, float]()
    for event in events:
        if event.time > time:
            before = now = now + sum(rates.values()) * (event.time - time)
            time = event.time
        if event.event == "bolus" and event.medium in parts and event.volume is not None:
            event = event._replace(volume=event.volume * (start if parts[event.medium] == "start" else before))
        if event.volume is not None:
            now += event.volume if event.event == "bolus" else -event.volume
            before = now if event.event == "sample" else before
        elif event.rate is not None:
            rates[event.event + event.medium] = event.rate if event.event == "feed" else -event.rate
        found.append(event)
    return found


def _added(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[RecordedEvent]:
    """Yield what was added in a row."""
    first = next((step.seen for step in steps if step.row < cells.grid.sampled), None)
    sides = cells.plan.sides
    for step in steps:
        given = cells.amount(step.row, feed.column)
        if not given:
            continue
        if step.side == "after" and first is not None and step.seen <= first:
            _note_early(cells, step, feed.column)
        elif sides is not None and not step.side and step.row < cells.grid.sampled:
            needed, remedy = f"its row is said to be '{sides.before}' or '{sides.after}'", _TELL_THE_SIDE
            if cells.table.headings[sides.position] == SIDE:
                needed, remedy = "the name of its sample says pre or post", _NAME_THE_SIDE
            cells.fault(step.row, feed.column.name, "a feed", needed, remedy)
        elif _is_written_twice(cells, steps, step, feed, given):
            found = f"{shown(cells.cell(step.row, feed.column))} again"
            needed, remedy = "the row before this feed has it too, and it is fed once", "empty one of the two cells"
            cells.fault(step.row, feed.column.name, found, needed, remedy)
        else:
            yield RecordedEvent(step.row, step.fed, "bolus", feed.name, volume=given)


def _is_written_twice(cells: Cells, steps: Sequence[Step], step: Step, feed: FeedColumn, given: float) -> bool:
    """Return whether the rows before and after a feed both have its volume."""
    others = (other for other in steps if other.side == "before" and other.fed == step.fed and other.row != step.row)
    return step.side == "after" and any(cells.amount(other.row, feed.column) == given for other in others)


def _added_since(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[RecordedEvent]:
    """Yield what was added from the row before to this one, evenly."""
    before: Step | None = None
    for step in [step for step in steps if step.row < cells.grid.sampled or not cells.grid.logged]:
        given = cells.amount(step.row, feed.column)
        if given and before is None:
            _note_early(cells, step, feed.column)
        elif given and before is not None and step.seen > before.seen + ONE_SECOND:
            yield RecordedEvent(step.row, before.seen, "feed", feed.name, rate=given / (step.seen - before.seen))
            yield RecordedEvent(step.row, step.seen, "feed", feed.name, rate=0.0)
        elif given:  # two rows of one time
            yield RecordedEvent(step.row, step.fed, "bolus", feed.name, volume=given)
        before = step


def _added_so_far(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[RecordedEvent]:
    """Yield what a sum rose by, evenly over the time since its last value; an empty first cell is 0.

    A sum that falls by little is the noise of a balance, and counts as if it had not changed. Rows of a log that are
    before the first sample say from where the sum counts.
    """
    so_far, written, since = 0.0, "0", None
    read = [cells.amount(step.row, feed.column) for step in steps]
    noise, falls = _NOISE_OF_TOTALS * max((value for value in read if value is not None), default=0.0), list[Step]()
    for i, (step, given) in enumerate(zip(steps, read, strict=True)):
        if given is None:
            since = step.seen if i == 0 else since
            continue
        if step.seen < 0.0 and step.row >= cells.grid.sampled:
            so_far, written, since = given, cells.cell(step.row, feed.column), 0.0
            continue
        if so_far - noise <= given < so_far:
            falls.append(step)
            continue
        if given < so_far:
            found = f"'{cells.cell(step.row, feed.column)}' after '{written}'"
            needed, remedy = "what was added so far does not fall", "write the sum, or use volume in the mapping"
            cells.fault(step.row, feed.column.name, found, needed, remedy)
            continue
        rose, so_far, written = given - so_far, given, cells.cell(step.row, feed.column)
        begin, since = since, step.seen
        if rose == 0.0:
            continue
        if begin is None:
            _note_early(cells, step, feed.column)
        elif step.seen > begin + ONE_SECOND * (step.side == "after"):
            yield RecordedEvent(step.row, begin, "feed", feed.name, rate=rose / (step.seen - begin))
            yield RecordedEvent(step.row, step.seen, "feed", feed.name, rate=0.0)
        else:  # two rows of one time, perhaps on the two sides of a feed
            yield RecordedEvent(step.row, step.fed, "bolus", feed.name, volume=rose)
    if falls:
        place, count = cells.table.at(falls[0].row, feed.column.name), len(falls)
        found = "a total that falls by little" + (f", and {count - 1} more" if count > 1 else "")
        needed = f"a fall of up to {100 * _NOISE_OF_TOTALS:g} % of the largest total counts as noise"
        cells.faults.of_file(place, found, needed, "look whether a pump was set back to 0", "warning")


def _from_the_start(cells: Cells, steps: Sequence[Step]) -> Sequence[Step]:
    """Return the rows from the first sample on; of those of a log before it the last says what flows at the start."""
    early = [step for step in steps if step.seen < 0.0 and step.row >= cells.grid.sampled]
    return [early[-1]._replace(seen=0.0, fed=0.0), *(step for step in steps if step not in early)] if early else steps


def _flowing(cells: Cells, steps: Sequence[Step], feed: FeedColumn, volume: float) -> Iterator[RecordedEvent]:
    """Yield a rate where it changes. An amount becomes the volume that holds it; "per volume" is that of the start."""
    per = 1.0
    if feed.column.internal_unit in (AMOUNT_RATE, RATE_PER_VOLUME):
        [concentration] = feed.media.values()
        per = concentration if feed.column.internal_unit == AMOUNT_RATE else concentration / volume
    rate, before = 0.0, None
    for step in _from_the_start(cells, steps):
        given = cells.amount(step.row, feed.column)
        since = step.seen if feed.holds == "after" else before
        if given is not None and given != rate and since is None:
            _note_early(cells, step, feed.column)
        elif given is not None and given != rate and since is not None:
            rate = given
            yield RecordedEvent(step.row, since, "feed", feed.name, rate=given / per)
        before = step.seen
    if feed.holds == "before" and rate and before is not None:
        yield RecordedEvent(steps[-1].row, before, "feed", feed.name, rate=0.0)


def _rising(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[RecordedEvent]:
    """Yield what the volume rose by from a row before a feed to the one after it."""
    before, written = None, ""
    for step in steps:
        given = cells.amount(step.row, feed.column)
        if step.side == "before":
            before, written = given, cells.cell(step.row, feed.column)
        elif step.side == "after" and given is not None:
            if before is None:
                needed = "the row before the feed is above it, with a volume"
                cells.fault(step.row, feed.column.name, "a row after a feed", needed, "write that row, or its volume")
            elif given < before:
                found = f"'{cells.cell(step.row, feed.column)}' after '{written}'"
                needed = "a feed does not lower a volume"
                cells.fault(step.row, feed.column.name, found, needed, "correct one of the two")
            elif given > before:
                yield RecordedEvent(step.row, step.fed, "bolus", feed.name, volume=given - before)
            before = None


def _note_early(cells: Cells, step: Step, column: Column) -> None:
    cells.fault(step.row, column.name, "a feed before the first sample",
                "the state and the volume at the start are those of the first row",
                "count it into the initial volume and write 0 here, or add a row before it")  # fmt: skip


def _setpoints(cells: Cells, steps: Sequence[Step], setpoint: float | None) -> Iterator[RecordedEvent]:
    """Yield the set-points where they change from the one before; the first is that of the start."""
    column = cells.plan.temperature
    for i, step in enumerate(steps):
        given = cells.number(step.row, column)
        if given is None or given == setpoint:
            continue
        if setpoint is None and i > 0 and column is not None:
            needed = "the temperature at the start is known"
            cells.fault(step.row, column.name, "the first temperature", needed,
                        'write it into the first row, or give [start] temperature = "37 degC"')  # fmt: skip
        if i > 0 or setpoint is not None:
            yield RecordedEvent(step.row, step.seen, "temperature", temperature=given)
        setpoint = given


def _outflows(cells: Cells, steps: Sequence[Step]) -> Iterator[RecordedEvent]:
    """Yield rates of bleed and harvest where they change."""
    for name, column in cells.plan.outflows.items():
        rate = 0.0
        for step in _from_the_start(cells, steps):
            given = cells.amount(step.row, column)
            if given is not None and given != rate:
                rate = given
                yield RecordedEvent(step.row, step.seen, name, rate=given)
