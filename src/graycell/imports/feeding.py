"""events_of_run: the rows of a run -> its samples, boluses, feeds, set-points and outflows, each counted once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from graycell.imports.amounts import AMOUNT_RATE, RATE_PER_VOLUME
from graycell.imports.cells import Cells
from graycell.imports.plan import Column, FeedColumn
from graycell.runs.format.tables import shown

A_MOMENT = 1.0 / 86400.0
"""[d] What is said to be after something of the same time is a second away from it."""


class Step(NamedTuple):
    """A row of a run: when it was measured and when fed [d], and which side of a feed it is ("" if not said)."""

    row: int
    seen: float
    fed: float
    side: str


class ToldEvent(NamedTuple):
    """A row of the table of events, in internal units, and the row of the file that told it."""

    row: int
    time: float
    event: str
    medium: str = ""
    volume: float | None = None
    rate: float | None = None
    temperature: float | None = None


def steps_of_run(cells: Cells, rows: Sequence[int]) -> list[Step]:
    """Return the rows of a run that have a time.

    Where all samples are taken after a feed of their row, the feed is a second earlier. Where a row after a feed has
    the time of the row before it, it was measured a second later, and the feed is at that time.
    """
    plan = cells.plan
    timed = [(time, row) for row, time in zip(rows, cells.times(rows, plan.time), strict=True) if time is not None]
    if cells.grid.merged:
        timed.sort(key=lambda one: one[0])
    steps: list[Step] = []
    last = None  # the time of the last row that is not after a feed
    for time, row in timed:
        side = _side(cells, row)
        seen = fed = time
        if side == "after" and plan.moment is not None and time == last:
            seen = time + A_MOMENT
        elif side == "after":
            fed = max(time - A_MOMENT, 0.0)
        else:
            last = time
        steps.append(Step(row, seen, fed, side))
    return steps


def samples_of_run(cells: Cells, steps: Sequence[Step]) -> list[list[Step]]:
    """Return the rows of each sample: one, or those of one time where the mapping says that these are replicates.

    The first of them then holds what any of them tells of the culture, such as a feed; two values that differ are
    noted. Without that word of the mapping, what is measured twice at one time is noted; a feed may have a row of its
    own.
    """
    samples: list[list[Step]] = []
    for step in steps:
        last = samples[-1] if samples else []
        if not last or last[0].seen != step.seen or step.row >= cells.grid.sampled:
            samples.append([step])
        elif cells.plan.averaged:
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
    plan = cells.plan
    if plan.moment is None:
        return "after" if plan.after else ""
    moment, word = plan.moment, cells.word(row, plan.moment.position)
    for side, said in (("before", moment.before), ("after", moment.after)):
        if word.lower() == said.lower():
            return side
    if word and word.lower() not in moment.neither:
        needed = f"it is '{shown(moment.before)}', '{shown(moment.after)}' or empty"
        remedy = f"mend it, or add neither = ['{shown(word)}'] to [rows] if the row has to do with no feed"
        cells.fault(row, cells.table.headings[moment.position], f"'{shown(word)}'", needed, remedy)
    return ""


def events_of_run(cells: Cells, steps: Sequence[Step], volume: float, temperature: float | None) -> list[ToldEvent]:
    """Return the events of a run that begins with this volume [L] and temperature [degC], in the order of time.

    At one time a sample comes before a feed, as it was measured before it.
    """
    plan = cells.plan
    sampled = [step for step in steps if step.row < cells.grid.sampled]
    # one volume for all samples is taken where something was measured
    told = [step for step in sampled if plan.sample is None or plan.sample.position is not None
            or cells.is_measured(step.row)]  # fmt: skip
    drawn = [ToldEvent(step.row, step.seen, "sample", volume=taken)
             for step in told if (taken := cells.amount(step.row, plan.sample))]  # fmt: skip
    tellings = {"volume": _added, "cumulative": _added_so_far, "rate": _flowing, "rise": _rising}
    fed = [event for feed in plan.feeds for event in tellings[feed.told](cells, steps, feed, volume)]
    held = [*_setpoints(cells, sampled, temperature), *_outflows(cells, sampled)]
    events = sorted([*drawn, *fed, *held], key=lambda one: one.time)  # stable
    return _with_volumes(events, {feed.name: feed.of for feed in plan.feeds if feed.of}, volume)


def _with_volumes(events: Sequence[ToldEvent], parts: Mapping[str, str], start: float) -> list[ToldEvent]:
    """Return events in the order of time whose boluses of some media [1] became volumes [L], see `FeedColumn.of`."""
    made: list[ToldEvent] = []
    now = before = start  # the volume, and that before the feeds of this time
    time, rates = 0.0, dict[str, float]()
    for one in events:
        if one.time > time:
            before = now = now + sum(rates.values()) * (one.time - time)
            time = one.time
        if one.event == "bolus" and one.medium in parts and one.volume is not None:
            one = one._replace(volume=one.volume * (start if parts[one.medium] == "start" else before))
        if one.volume is not None:
            now += one.volume if one.event == "bolus" else -one.volume
            before = now if one.event == "sample" else before
        elif one.rate is not None:
            rates[one.event + one.medium] = one.rate if one.event == "feed" else -one.rate
        made.append(one)
    return made


def _added(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[ToldEvent]:
    """Yield what was added in a row."""
    first = next((step.seen for step in steps if step.row < cells.grid.sampled), None)
    for step in steps:
        given = cells.amount(step.row, feed.column)
        if not given:
            continue
        if step.side == "after" and first is not None and step.seen <= first:
            _tell_early(cells, step, feed.column)
        elif cells.plan.moment is not None and not step.side and step.row < cells.grid.sampled:
            moment = cells.plan.moment
            said = f"its row is said to be '{shown(moment.before)}' or '{shown(moment.after)}'"
            cells.fault(step.row, feed.column.name, "a feed", said, "write one of them into the column of [rows]")
        else:
            yield ToldEvent(step.row, step.fed, "bolus", feed.name, volume=given)


def _added_so_far(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[ToldEvent]:
    """Yield what a sum rose by, evenly over the time since it was told last; an empty first cell is 0."""
    so_far, said, since = 0.0, "0", None
    for i, step in enumerate(steps):
        given = cells.amount(step.row, feed.column)
        if given is None:
            since = step.seen if i == 0 else since
            continue
        if given < so_far:
            found = f"'{shown(cells.cell(step.row, feed.column))}' after '{shown(said)}'"
            needed, remedy = "what was added so far does not fall", "write the sum, or use volume in the mapping"
            cells.fault(step.row, feed.column.name, found, needed, remedy)
            continue
        rose, so_far, said = given - so_far, given, cells.cell(step.row, feed.column)
        begin, since = since, step.seen
        if rose == 0.0:
            continue
        if begin is None:
            _tell_early(cells, step, feed.column)
        elif step.seen > begin + A_MOMENT * (step.side == "after"):
            yield ToldEvent(step.row, begin, "feed", feed.name, rate=rose / (step.seen - begin))
            yield ToldEvent(step.row, step.seen, "feed", feed.name, rate=0.0)
        else:  # two rows of one time, perhaps on the two sides of a feed
            yield ToldEvent(step.row, step.fed, "bolus", feed.name, volume=rose)


def _flowing(cells: Cells, steps: Sequence[Step], feed: FeedColumn, volume: float) -> Iterator[ToldEvent]:
    """Yield a rate where it changes. An amount is the volume that holds it; per volume is that of the start."""
    per = 1.0
    if feed.column.house in (AMOUNT_RATE, RATE_PER_VOLUME):
        [concentration] = feed.media.values()
        per = concentration if feed.column.house == AMOUNT_RATE else concentration / volume
    rate = 0.0
    for step in steps:
        given = cells.amount(step.row, feed.column)
        if given is not None and given != rate:
            rate = given
            yield ToldEvent(step.row, step.seen, "feed", feed.name, rate=given / per)


def _rising(cells: Cells, steps: Sequence[Step], feed: FeedColumn, _: float) -> Iterator[ToldEvent]:
    """Yield what the volume rose by from a row before a feed to the one after it."""
    before, said = None, ""
    for step in steps:
        given = cells.amount(step.row, feed.column)
        if step.side == "before":
            before, said = given, cells.cell(step.row, feed.column)
        elif step.side == "after" and given is not None:
            if before is None:
                needed = "the row before the feed stands above it, with a volume"
                cells.fault(step.row, feed.column.name, "a row after a feed", needed, "write that row, or its volume")
            elif given < before:
                found = f"'{shown(cells.cell(step.row, feed.column))}' after '{shown(said)}'"
                cells.fault(step.row, feed.column.name, found, "a feed does not lower a volume", "mend one of the two")
            elif given > before:
                yield ToldEvent(step.row, step.fed, "bolus", feed.name, volume=given - before)
            before = None


def _tell_early(cells: Cells, step: Step, column: Column) -> None:
    cells.fault(step.row, column.name, "a feed before the first sample",
                "the state and the volume at the start are those of the first row",
                "count it into the initial volume and write 0 here, or add a row before it")  # fmt: skip


def _setpoints(cells: Cells, steps: Sequence[Step], setpoint: float | None) -> Iterator[ToldEvent]:
    """Yield the set-points where they change from the one before; the first is that of the start."""
    column = cells.plan.temperature
    for i, step in enumerate(steps):
        told = cells.number(step.row, column)
        if told is None or told == setpoint:
            continue
        if setpoint is None and i > 0 and column is not None:
            needed = "the temperature at the start is known"
            cells.fault(step.row, column.name, "the first temperature", needed,
                        'write it into the first row, or give [start] temperature = "37 degC"')  # fmt: skip
        if i > 0 or setpoint is not None:
            yield ToldEvent(step.row, step.seen, "temperature", temperature=told)
        setpoint = told


def _outflows(cells: Cells, steps: Sequence[Step]) -> Iterator[ToldEvent]:
    """Yield rates of bleed and harvest where they change."""
    for name, column in cells.plan.outflows.items():
        rate = 0.0
        for step in steps:
            told = cells.amount(step.row, column)
            if told is not None and told != rate:
                rate = told
                yield ToldEvent(step.row, step.seen, name, rate=told)
