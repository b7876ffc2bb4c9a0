"""What was fed counts once: totals beside single volumes, feeds of an interval, volumes on the other side of a feed."""

import re
import tomllib
from pathlib import Path

import pytest
from small_files import DAY, GLC

from graycell.balances.mass_balances import flow_intervals
from graycell.balances.plausibility import implausible
from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.runs import Bolus, Feed

CASE = Path(__file__).parent / "files" / "reactor-log"
FED = {"time": DAY, "taken": "before", "measured": GLC, "start": {"volume": "1 L"}}
MEDIA = {"GLC": "2 mol/L"}


def fed(run):
    """Return what was fed [L], by the intervals between the events."""
    given = sum(event.volume for event in run.events if isinstance(event, Bolus))
    intervals = flow_intervals(run, run.measurements["GLC"].time)
    return given + sum(rate * (one.end - one.start) for one in intervals for rate in one.fed.values())


def sentences_of(path, mapping):
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    return [str(finding) for finding in caught.value.findings]


PAIRS = [  # headings of both, kinds, rows
    ("Base (mL),Accum Base (mL)", "volume", "cumulative", ("0,0", "1,1", "2,3", "0,3", "4,7")),
    ("NaOH,Titration sum", "volume", "cumulative", ("0,0", "1,1", "2,3", "3,6", "4,10")),  # neither name says so
    ("F (mL),F total (mL)", "volume", "cumulative", (",0", "1.5,1.5", "2.5,4", ",4", "3,7")),
    ("Fed before (mL),F total (mL)", "volume", "cumulative", ("0,0", "1,0", "2,1", "3,3", "0,6")),  # before the feed
    ("F (mL),F cum (mL)", "volume", "cumulative", ("0,0", "1.00,1.01", "2.00,3.00", "3.00,5.98", "4.0,10.02")),
    ("F (mL/h),F total (mL)", "rate", "cumulative", ("1,0", "1,24", "2,48", "2,96", "0,144")),
    ("F since last (mL),F total (mL)", "interval", "cumulative", ("0,0", "1,1", "2,3", "0,3", "4,7")),
    ("Base (mL),Accum Base (mL)", "volume", "volume", ("0,0", "1,1", "2,3", "2,5", "4,9")),  # mapped as single volumes
    ("Base (mL),Accum Base (L)", "volume", "cumulative", ("0,0", "1,0.001", "2,0.003", "0,0.003", "4,0.007")),
]  # fmt: skip


@pytest.mark.parametrize(("headings", "part", "total", "rows"), PAIRS)
def test_a_total_beside_its_parts_is_no_second_feed_and_the_advice_works(csv, headings, part, total, rows):
    path = csv(f"Day,Glc,{headings}", *(f"{day},30,{row}" for day, row in enumerate(rows)))
    single, summed = [{"column": name, **({} if "(" in name else {"unit": "mL"})} for name in headings.split(",")]
    both = {"one": {part: single, "media": MEDIA}, "sums": {total: summed, "media": MEDIA}}
    [said] = sentences_of(path, FED | {"feeds": both})
    assert '[feeds.sums]: found the sums of [feeds."one"]; what is fed counts once; remove it; total = "' in said
    found = imported(path, FED | {"feeds": {"one": {part: single, "media": MEDIA, "total": summed}}})
    assert not found.remarks
    scale = 1e-3 if "(L)" not in headings else 1.0
    last = max(float(row.split(",")[1]) for row in rows)
    assert fed(found.runs[0]) == pytest.approx(last * scale, rel=0.01)


@pytest.mark.parametrize(("rows", "media"), [
    (("0,0", "1,2", "2,4", "0,4", "4,9"), MEDIA),  # other numbers
    (("0,0", "1,1", "2,3", "0,3", "4,7"), {"GLN": "1 mM"}),  # another composition, and another name
    (("0,0", "0,0", "2,2", "0,2", "0,2"), MEDIA),  # one feed alone may be a coincidence
])  # fmt: skip
def test_two_feeds_that_are_no_total_and_part_are_two(csv, rows, media):
    path = csv("Day,Glc,A (mL),B so far (mL)", *(f"{day},30,{row}" for day, row in enumerate(rows)))
    both = {"A": {"volume": "A (mL)", "media": MEDIA}, "B": {"cumulative": "B so far (mL)", "media": media}}
    [run] = import_runs(path, FED | {"feeds": both})
    single, last = sum(float(row.split(",")[0]) for row in rows), float(rows[-1].split(",")[1])
    assert fed(run) == pytest.approx((single + last) / 1000.0)


def test_the_total_of_all_feeds_is_no_feed(csv):
    path = csv("Day,Glc,A (mL),B (mL),All feeds (mL)", "0,30,,,0", "1,30,1,5,6", "2,30,2,5,7", "3,30,1,7,8")
    feeds = {name: {"volume": f"{name} (mL)", "media": media}
             for name, media in (("A", MEDIA), ("B", {}), ("All feeds", {"GLC": "1 mM"}))}  # fmt: skip
    assert "[feeds.All feeds]: found the sums of the other feeds" in sentences_of(path, FED | {"feeds": feeds})[0]


def test_the_same_numbers_twice_are_a_remark(csv):
    path = csv("Day,Glc,F (mL),Feed (mL)", "0,30,,", "1,30,1,1", "2,30,2,2", "3,30,1,1")
    feeds = {name: {"volume": f"{name} (mL)", "media": MEDIA} for name in ("F", "Feed")}
    assert "the numbers of another feed of this composition" in str(imported(path, FED | {"feeds": feeds}).remarks[0])


def test_a_total_that_its_parts_do_not_add_up_to_is_a_remark_with_the_row(csv):
    path = csv("Run,Day,Glc,F (mL),Total (mL)", "A,0,30,0,0", "A,1,30,1,1", "A,2,30,2,3", "A,3,30,,6", "A,4,30,1,7",
               "B,0,30,0,0", "B,1,30,2,2")  # fmt: skip
    feeds = {"F": {"volume": "F (mL)", "total": "Total (mL)", "media": MEDIA}}
    [said] = imported(path, FED | {"run": "Run", "feeds": feeds}).remarks
    assert "row 5, column 'Total (mL)': found '6'; the rows of [feeds.F] up to there add up to 3 mL" in str(said)


def test_a_total_is_of_a_named_feed_with_volumes(csv):
    path = csv("Day,Glc,F (mL),Total (mL)", "0,30,0,0", "1,30,1,1")
    for feed in ({"cumulative": "F (mL)"}, {"rise": "F (mL)"}):
        said = sentences_of(path, FED | {"feeds": {"F": {**feed, "total": "Total (mL)", "media": MEDIA}}})
        assert "a total checks the volumes or rates of one feed" in "\n".join(said)
    both = {"F": {"volume": "F (mL)", "cumulative": "Total (mL)", "media": MEDIA}}
    assert 'what was added so far beside it is written as total = "..."' in sentences_of(path, FED | {"feeds": both})[0]


def test_the_case_that_counted_sums_twice():
    """By hand: 5 feeds of 1 mL with 2000 mmol/L are 10 mmol."""
    text = (CASE / "as-drafted.toml").read_text()
    assert len(sentences_of(CASE / "top_plain.xlsx", CASE / "as-drafted.toml")) == 2
    single = re.sub(r'\[feeds."Accum .*\n.*\n.*\n', "", text)
    single = re.sub(r'volume = "(Base|Gluc Feed) Volume"', r'volume = "\1 Volume"\ntotal = "Accum \1 Volume"', single)
    path = CASE / "top_plain.xlsx"
    mapping = tomllib.loads(single)
    found = imported(path, mapping)
    assert not found.remarks
    for run in found.runs:
        given = [event.volume for event in run.events if isinstance(event, Bolus) and event.medium.startswith("Gluc")]
        assert 2000.0 * sum(given) == pytest.approx(10.0)


@pytest.mark.parametrize("headings", [
    "Base Volume (mL),Accum Base Volume (mL)", "Base (mL),Base total (mL)", "Feed (mL),Total feed (mL)",
    "Glc feed (mL),Cumulative glucose feed (mL)", "Feed 1 added (mL),Feed 1 so far (mL)", "Bolus (mL),Sum of feed (mL)",
])  # fmt: skip
def test_a_draft_has_one_feed_for_single_volumes_and_their_sums(csv, headings):
    path = csv(f"Day,Viable cells (1e6/mL),{headings}", "0,1,0,0", "1,2,1,1", "2,3,2,3", "3,3,0,3")
    draft = propose(path)
    assert draft.count("[feeds.") == 1
    assert f'total = "{headings.split(",")[1]}"' in draft


def test_a_draft_has_one_feed_for_several_spellings_of_it(csv):
    path = csv("Day,Viable cells (1e6/mL),Glc feed (mL),Gluc Feed Volume (mL),Glucose feed (mL),Base feed (mL)",
               "0,1,0,0,0,0", "1,2,1,1,1,1", "2,3,1,1,1,1")  # fmt: skip
    assert re.findall(r'\[feeds."(.*)"\]', propose(path)) == ["Glc feed", "Base feed"]


def test_a_feed_of_the_interval_that_ends_at_its_row(csv):
    """By hand: 24 mL from day 1 to day 2 and 48 mL from day 3 to day 5."""
    path = csv("Day,Glc,F (mL)", "0,30,", "1,29,0", "2,28,24", "3,27,", "5,26,48")
    [run] = import_runs(path, FED | {"feeds": {"F": {"interval": "F (mL)", "media": MEDIA}}})
    flows = [(event.time, event.rate) for event in run.events if isinstance(event, Feed)]
    assert flows == [(1.0, pytest.approx(0.024)), (2.0, 0.0), (3.0, pytest.approx(0.024)), (5.0, 0.0)]
    path = csv("Day,Glc,F (mL)", "0,30,5", "1,29,0")
    feeds = {"F": {"interval": "F (mL)", "media": MEDIA}}
    assert "a feed before the first sample" in sentences_of(path, FED | {"feeds": feeds})[0]


@pytest.mark.parametrize("cell", ["1", ""])
def test_a_rate_of_the_interval_that_ends_at_its_row(csv, cell):
    """By hand: 1 mL/h from day 1 to day 3 and 2 mL/h to day 4, 96 mL in all."""
    path = csv("Day,Glc,F (mL/h)", "0,30,0", "1,29,0", "2,28,1", f"3,27,{cell}", "4,26,2")
    feeds = {"F": {"rate": {"column": "F (mL/h)", "holds": "before"}, "media": MEDIA}}
    [run] = import_runs(path, FED | {"feeds": feeds})
    assert fed(run) == pytest.approx(0.096)
    flows = [(event.time, event.rate) for event in run.events if isinstance(event, Feed)]
    assert flows == [(1.0, pytest.approx(0.024)), (3.0, pytest.approx(0.048)), (4.0, 0.0)]
    for holds, kind in (("since", "rate"), ("before", "volume")):
        feeds = {"F": {kind: {"column": "F (mL/h)", "unit": "mL/h", "holds": holds}, "media": MEDIA}}
        assert f"holds = {holds}; a rate may hold after its row" in sentences_of(path, FED | {"feeds": feeds})[0]


AFTER = ("1090", "1080", "1170", "1160")
"""By hand: 1 L with 10 mL drawn in every row, and 100 mL fed in rows 1 and 3."""


def of_volumes(csv, volumes, feeds=("100", "0", "100", "0")):
    rows = [f"{day},1,30,{given},{volume}" for day, given, volume in zip(range(4), feeds, volumes, strict=True)]
    path = csv("Day,VCD (1e6 cells/mL),Glc,F (mL),V (mL)", *rows)
    return path, FED | {
        "measured": {"VCD": "VCD (1e6 cells/mL)", **GLC}, "volume": "V (mL)", "sample": {"volume": "10 mL"},
        "start": {"volume": "V (mL)"}, "feeds": {"F": {"volume": "F (mL)", "media": MEDIA}},
    }  # fmt: skip


def remarks_of_volumes(run):
    return [str(finding) for finding in implausible([run]) if "volume at" in finding.place]


def test_volumes_after_the_feeds_of_their_rows_are_told_what_fits_and_then_close(csv):
    path, mapping = of_volumes(csv, AFTER)
    [said] = remarks_of_volumes(import_runs(path, mapping)[0])
    assert "as it does with samples before and volumes after the feeds of their rows" in said
    assert 'volume = { column = "...", taken = "after" }' in said
    [run] = import_runs(path, mapping | {"volume": {"column": "V (mL)", "taken": "after"}})
    assert run.initial_volume == pytest.approx(1.0)
    assert remarks_of_volumes(run) == []
    assert run.signals["volume"].value.tolist() == pytest.approx([1.09, 1.08, 1.17, 1.16])


def test_volumes_before_the_feeds_with_samples_after_them(csv):
    path, mapping = of_volumes(csv, ("1000", "990", "1080", "1170"), ("0", "100", "100", "0"))
    mapping |= {"taken": "after", "start": {"volume": "1 L"}}
    [said] = remarks_of_volumes(import_runs(path, mapping)[0])
    assert "with samples after and volumes before the feeds" in said
    [run] = import_runs(path, mapping | {"volume": {"column": "V (mL)", "taken": "before"}})
    assert remarks_of_volumes(run) == []


def test_volumes_that_close_on_no_side_are_told_as_before(csv):
    path, mapping = of_volumes(csv, ("1000", "990", "1500", "1170"))
    [said] = remarks_of_volumes(import_runs(path, mapping)[0])
    assert "look for a feed, base or sample that is missing" in said
    with pytest.raises(InputError, match="a volume is read before or after"):
        import_runs(path, mapping | {"volume": {"column": "V (mL)", "taken": "later"}})
