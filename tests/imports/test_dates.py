"""Dates and times of day as instruments write them: recognised, asked for where two readings fit, and counted."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from small_files import GLC, book

from graycell.errors import InputError
from graycell.imports.dates import clock_of, forms_of, plain_date
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs

FIRST = datetime(2026, 2, 2, 9, 15)
TIMES = [FIRST + timedelta(days=day, minutes=7 * day) for day in range(12)]
FORMS = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%y %H:%M", "%d.%m.%Y", "%d. %B %Y", "%d-%b-%Y %H:%M", "%d%b%Y",
    "%d %B %Y %H:%M", "%b %d, %Y %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d %H:%M", "%Y%m%d", "%y-%m-%d",
    "%a %d %b %Y %H:%M", "%A, %d %B %Y", "%d/%b/%y %I:%M%p", "%d.%m.%Y %Hh%M", "%d/%m/%Y, %H:%M:%S",
    "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%m-%d-%Y %H:%M:%S", "%m/%d/%y %H:%M", "%d-%m-%y", "%d_%m_%Y",
)  # fmt: skip


def written(form):
    """Return the times as text."""
    return [time.strftime(form) for time in TIMES]


@pytest.mark.parametrize("form", FORMS)
def test_the_way_in_which_dates_are_written_is_recognised(form):
    found = forms_of(written(form))
    assert form in found
    # day and month can be exchanged where neither has a name or four digits before it
    exchanged = form.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
    twice = "%m" in form and "%Y/%m" not in form and not form.startswith(("%d.", "%Y", "%y"))
    assert set(found) <= {form, exchanged}
    assert len(found) == 1 + (twice and max(TIMES).day <= 12)


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f"])
def test_dates_of_iso_8601_need_no_word(form):
    assert forms_of(written(form)) == [""]


@pytest.mark.parametrize("cells", [["0", "24", "48"], ["0.5", "1.5"], ["A", "B"], ["D1", "D2"], ["20:15", "22:15"],
                                   ["1.2.3"], ["1-2"], ["20260", "30000"], [""], [], ["9" * 400], ["Mon"]])  # fmt: skip
def test_what_is_no_date_is_none(cells):
    assert forms_of(cells) == []


def test_a_day_beyond_the_twelfth_says_which_is_the_month():
    assert forms_of(["01/02/2026", "13/02/2026"]) == ["%d/%m/%Y"]
    assert forms_of(["02/01/26 8:00", "02/13/26 8:00"]) == ["%m/%d/%y %H:%M"]
    assert forms_of(["26-02-01", "26-02-02"]) == ["%y-%m-%d"]  # 26 February of 2001 and of 2002 are a year apart
    assert forms_of(["01.02.2026", "x", *[f"{day}.02.2026" for day in range(2, 20)]]) == ["%d.%m.%Y"]


@pytest.mark.parametrize(("cell", "plain"), [
    ("2. März 2026", "2. March 2026"), ("03-Okt-2026", "03-Oct-2026"), ("3 Sept 2026", "3 Sep 2026"),
    ("3. Mai 2026 14:05 Uhr", "3. May 2026 14:05"), ("1/2/26 3:04 p.m.", "1/2/26 3:04 pm"),
    ("5 Dez. 2026", "5 Dec. 2026"),
])  # fmt: skip
def test_months_of_another_language_are_read(cell, plain):
    assert plain_date(cell) == plain
    assert forms_of([cell])


@pytest.mark.parametrize("form", FORMS)
def test_a_draft_of_dates_is_read_or_asks_with_the_time_of_day(tmp_path, form):
    path = tmp_path / "file.csv"
    lines = [f'"{cell}",{30 - i}' for i, cell in enumerate(written(form))]
    path.write_text("\n".join(["Date & Time,Glc (mM)", *lines]) + "\n", encoding="utf-8")
    draft = propose(path)
    words = tomllib.loads(draft)
    assert words["time"]["unit"] == "date"
    if words["time"]["written"] == "?":
        assert f'"{form}"' in draft  # and how long the culture would take
        words["time"]["written"] = form
    [run] = import_runs(path, words)
    days = [(datetime.strptime(cell, form) - datetime.strptime(written(form)[0], form)) for cell in written(form)]
    assert run.measurements["GLC"].time.tolist() == pytest.approx([day.total_seconds() / 86400 for day in days])


def sentences_of(path, time):
    with pytest.raises(InputError) as caught:
        import_runs(path, {"time": {"column": "When", **time}, "measured": GLC})
    return [str(finding) for finding in caught.value.findings]


@pytest.mark.parametrize(("cells", "time", "words"), [
    (("02.02.2026 9:15", "03.02.2026 9:15"), {"unit": "h"}, 'unit = "date", written = "%d.%m.%Y %H:%M"'),
    (("2026-02-02", "2026-02-03"), {"unit": "h"}, 'these are dates: give the column unit = "date".'),
    (("02/02/2026", "03/02/2026"), {"unit": "date"}, 'written = "%d/%m/%Y" or written = "%m/%d/%Y"'),
    (("02/02/2026 9:15:00", "13/02/2026 9:15:00"), {"unit": "date", "written": "%d/%m/%Y"}, '"%d/%m/%Y %H:%M:%S"'),
    (("20:15", "22:15"), {"unit": "d"}, "times of this column are in d"),
    (("2:15 pm", "3:15 pm"), {"unit": "h"}, 'unit = "clock" if these are times of day'),
])  # fmt: skip
def test_a_cell_that_is_no_such_time_is_told_with_what_to_write(csv, cells, time, words):
    said = sentences_of(csv("When,Glc", f"{cells[0]},30", f"{cells[1]},25"), time)
    assert words in said[0]


# ------------------------------------------------------------------------------------------------- times of day


def times_of(path, time, **more):
    [run] = import_runs(path, {"time": time, "measured": GLC, **more})
    return run.measurements["GLC"].time.tolist()


@pytest.mark.parametrize(("lines", "days"), [
    (("0,08:30,30", "1,11:30,25", "2,14:30,20"), [0.0, 1.125, 2.25]),
    (("D0,8:30,30", "D1,8:00,25"), [0.0, 1.0 - 0.5 / 24]),
    (("1,8:30 am,30", "2,2:30 pm,25"), [0.0, 1.25]), (("3,12:00:00,30", "3,18:00:00,25"), [0.0, 0.25]),
    (("0,23:30,30", "1,0:30,25", "1,0:45,24"), [0.0, 1.0 / 24, 1.25 / 24]),
])  # fmt: skip
def test_a_day_and_a_time_of_day_are_one_time(csv, lines, days):
    path = csv("Day,Clock,Glc", *lines)
    assert times_of(path, {"column": "Day", "unit": "d", "clock": "Clock"}) == pytest.approx(days, abs=1e-9)


def test_a_time_of_day_of_a_workbook_is_read(tmp_path):
    times = [datetime(2026, 1, 1, 8, 30).time(), datetime(2026, 1, 1, 20, 30).time()]
    path = book(tmp_path / "file.xlsx", {"Data": [["Day", "Clock", "Glc"], [0, times[0], 30], [1, times[1], 25]]})
    assert times_of(path, {"column": "Day", "unit": "d", "clock": "Clock"}) == [0.0, 1.5]


@pytest.mark.parametrize(("cells", "hours"), [
    (("20:15", "22:15", "00:15", "02:15"), [0, 2, 4, 6]), (("8:00", "8:00", "16:00"), [0, 0, 8]),
    (("23:00", "22:00", "21:00"), [0, 23, 46]), (("11:00 pm", "1:00 am"), [0, 2]), (("00:00:00", "12:00:00"), [0, 12]),
])  # fmt: skip
def test_times_of_day_alone_go_on_after_midnight(csv, cells, hours):
    path = csv("Clock (hh:mm),Glc", *(f"{cell},{30 - i if i != 1 or hours[1] else ''}" for i, cell in enumerate(cells)))
    times = times_of(path, {"column": "Clock (hh:mm)", "unit": "clock"})
    assert times == pytest.approx([hour / 24 for i, hour in enumerate(hours) if i != 1 or hours[1]], abs=1e-9)


@pytest.mark.parametrize(("lines", "time", "words"), [
    (("20:15,0,30", "00:15,0,25"), {"column": "Clock"}, 'give it unit = "clock" if these are times of day'),
    (("20:15,0,30", "x,0,25"), {"column": "Clock", "unit": "clock"}, "found 'x'; a time of day is needed"),
    (("20:15,0,30", ",1,25"), {"column": "D", "unit": "d", "clock": "Clock"}, "an empty cell; a time of day is needed"),
    (("20:15,0.5,30",), {"column": "D", "unit": "d", "clock": "Clock"}, "beside a time of day is a whole day"),
    (("20:15,0,30",), {"column": "D", "unit": "h", "clock": "Clock"}, "a time of day is beside a date or a day"),
    (("20:15,0,30",), {"column": "D", "unit": "d", "zone": "Europe/Berlin"}, "dates have a time zone"),
    (("20:15,0,30",), {"column": "D", "unit": "date", "zone": "Europe/Berlim"}, 'write it like zone = "Europe/Berlin"'),
    (("20:15,0,30",), {"column": "D", "unit": "date", "zone": "../../etc"}, "the name of a time zone is needed"),
])  # fmt: skip
def test_a_time_of_day_that_cannot_be_used_is_told(csv, lines, time, words):
    time = {"unit": "h", **time}
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        import_runs(csv("Clock,D,Glc", *lines), {"time": time, "measured": GLC})


@pytest.mark.parametrize(("cells", "hours"), [
    (("2026-03-28 12:00", "2026-03-29 12:00"), [0, 23]),  # to summer time
    (("2026-10-24 12:00", "2026-10-25 12:00"), [0, 25]),  # and back
    (("2026-10-25 01:30", "2026-10-25 02:30", "2026-10-25 02:10"), [0, 1, 1 + 40 / 60]),  # the hour that is there twice
    (("2026-07-01 12:00", "2026-07-02 12:00"), [0, 24]),
    (("2026-03-28 12:00+01:00", "2026-03-29 12:00+02:00"), [0, 23]),
])  # fmt: skip
def test_dates_of_a_time_zone_are_counted_across_summer_time(csv, cells, hours):
    path = csv("Date,Glc", *(f"{cell},{30 - i}" for i, cell in enumerate(cells)))
    times = times_of(path, {"column": "Date", "unit": "date", "zone": "Europe/Berlin"})
    assert times == pytest.approx([hour / 24 for hour in hours])
    if "+" not in cells[0] and len(cells) == 2:
        assert times_of(path, {"column": "Date", "unit": "date"}) == [0.0, 1.0]  # as it is written


@pytest.mark.parametrize(("heads", "row", "said"), [
    ("Day,Clock,Glc (mM)", "0,08:30,30", {"column": "Day", "unit": "d", "clock": "Clock"}),
    ("Culture day,Time,Glc (mM)", "1,08:30,30", {"column": "Culture day", "unit": "d", "clock": "Time"}),
    ("Day,Time,Glc (mM)", "0.5,08:30,30", {"column": "Day", "unit": "d"}),
    ("Time (h),Age (h),Glc (mM)", "10:00:00,24,30", "Age (h)"),
    ("Clock (hh:mm),Glc (mM)", "20:15,30", {"column": "Clock (hh:mm)", "unit": "?"}),
    ("Date,Uhrzeit,Glc (mM)", "02.02.2026,8:30,30",
     {"column": "Date", "unit": "date", "clock": "Uhrzeit", "written": "%d.%m.%Y %H:%M"}),
    ("Date,Time,Glc (mM)", "2/13/2026,8:30 AM,30",
     {"column": "Date", "unit": "date", "clock": "Time", "written": "%m/%d/%Y %I:%M %p"}),
])  # fmt: skip
def test_a_draft_takes_the_time_of_day_to_its_day(csv, heads, row, said):
    assert tomllib.loads(propose(csv(heads, row)))["time"] == said


def test_a_clock_is_below_a_day():
    assert clock_of("12:00 am") == 0.0
    assert clock_of("12:30 pm") == pytest.approx(12.5 / 24)
    for cell in ("24:00", "25:00", "7", "13:00 pm", "0:61", "x", "8:30:", "-1:30"):
        assert clock_of(cell) is None


def test_a_log_has_the_days_and_clocks_of_the_samples(tmp_path):
    made = openpyxl.Workbook()
    made.active.title = "Data"
    for row in (["Day", "Clock", "Glc"], [0, "9:00", 30], [1, "9:00", 25], [2, "9:00", 20]):
        made.active.append(row)
    log = made.create_sheet("Log")
    for row in (["Day", "At", "Volume (mL)"], [1, "21:00", 50]):
        log.append(row)
    path: Path = tmp_path / "file.xlsx"
    made.save(path)
    words = {"sheet": "Data", "time": {"column": "Day", "unit": "d", "clock": "Clock"}, "taken": "before",
             "measured": GLC, "start": {"volume": "1 L"}, "log": {"sheet": "Log", "clock": "At",
             "volume": "Volume (mL)"}, "feeds": {"F": {"volume": "Volume (mL)", "media": {}}}}  # fmt: skip
    [run] = import_runs(path, words)
    assert [event.time for event in run.events] == [1.5]
