"""Names of samples that say vessel, day and the side of a feed, such as BR07_D3_pre."""

import tomllib

import pytest
from small_files import GLC

from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs
from graycell.runs import Bolus

SECOND = 1.0 / 86400.0
FED = {"start": {"volume": "1 L"}, "feeds": {"F": {"volume": "F (mL)", "media": {"GLC": "2 mol/L"}}}}


def words(pattern, **more):
    return {"ids": {"column": "Sample", "pattern": pattern}, "measured": GLC, **FED, **more}


def glucose(run):
    series = run.measurements["GLC"]
    return dict(zip(series.time.round(9).tolist(), series.value.tolist(), strict=True))


def boluses(run):
    return [(event.time, event.volume) for event in run.events if isinstance(event, Bolus)]


@pytest.mark.parametrize(("names", "pattern"), [
    (("BR07_D0_pre", "BR07_D3_pre", "BR07_D3_post"), "{run}_D{day}_{side}"),
    (("BR07_D0_PRE", "BR07_D3_PRE", "BR07_D3_POST"), "{run}_D{day}_{side}"),
    (("BR07-D0-pre feed", "BR07-D3-pre feed", "BR07-D3-post feed"), "{run}-D{day}-{side}"),
    (("BR07_D0_bf", "BR07_D3_bf", "BR07_D3_af"), "{run}_D{day}_{side}"),
    (("BR07 Day 0 before", "BR07 Day 3 before", "BR07 Day 3 after"), "{run} Day {day} {side}"),
    (("BR07_D0 (pre)", "BR07_D3 (pre)", "BR07_D3 (post)"), "{run}_D{day} ({side})"),
    (("BR07_D0pre", "BR07_D3pre", "BR07_D3post"), "{run}_D{day}{side}"),
    (("BR07_0h_prefeed", "BR07_72h_prefeed", "BR07_72h_postfeed"), "{run}_{hour}h_{side}"),
    (("BR07.T0.vor", "BR07.T72.vor", "BR07.T72.nach"), "{run}.T{hour}.{side}"),
    (("BR07_D0", "BR07_D3_pre-feed", "BR07_D3_post-feed"), "{run}_D{day}_{side}"),
])  # fmt: skip
@pytest.mark.parametrize("is_sorted_by_name", [False, True])
def test_a_sample_is_before_or_after_the_bolus_as_its_name_says(csv, names, pattern, is_sorted_by_name):
    rows = [f"{names[0]},30,", f"{names[1]},20,20", f"{names[2]},58,"]
    path = csv("Sample,Glc (mM),Feed (mL)", *(sorted(rows) if is_sorted_by_name else rows))
    feeds = {"F": FED["feeds"]["F"] | {"volume": "Feed (mL)"}}
    [run] = import_runs(path, words(pattern, measured={"GLC": "Glc (mM)"}, feeds=feeds))
    assert (run.name, glucose(run)) == ("BR07", {0.0: 30.0, 3.0: 20.0, round(3.0 + SECOND, 9): 58.0})
    assert boluses(run) == [(3.0, 0.02)]
    draft = propose(path)
    assert tomllib.loads(draft)["ids"] == {"column": "Sample", "pattern": pattern}
    answered = draft.replace('"? L"', '"1 L"').replace("? mmol/L", "2 mol/L").replace('taken = "?"', 'taken = "before"')
    [again] = import_runs(path, tomllib.loads(answered))
    assert (glucose(again), boluses(again)) == (glucose(run), boluses(run))


@pytest.mark.parametrize("row", ["pre", "post"])
def test_the_bolus_may_be_in_the_row_before_or_after_it(csv, row):
    at = {"pre": ("20", ""), "post": ("", "20")}[row]
    path = csv("Sample,Glc,F (mL)", "A_D0_pre,30,", f"A_D3_pre,20,{at[0]}", f"A_D3_post,58,{at[1]}")
    [run] = import_runs(path, words("{run}_D{day}_{side}"))
    assert boluses(run) == [(3.0, 0.02)]
    assert list(glucose(run).values()) == [30.0, 20.0, 58.0]


def test_a_bolus_in_both_rows_is_told_and_not_fed_twice(csv):
    path = csv("Sample,Glc,F (mL)", "A_D0_pre,30,", "A_D3_pre,20,20", "A_D3_post,58,20")
    with pytest.raises(InputError, match=r"row 4, column 'F \(mL\)': found 20 again; the row before this feed has it"):
        import_runs(path, words("{run}_D{day}_{side}"))


@pytest.mark.parametrize("order", [("post", "post", "pre"), ("post", "pre", "post"), ("pre", "post", "post")])
def test_replicates_after_a_bolus_are_after_it_in_whatever_rows_they_are(csv, order):
    values = {"pre": iter(("20",)), "post": iter(("58", "60"))}
    rows = (f"A_D3_{side},{next(values[side])},{'20' if side == 'pre' else ''}" for side in order)
    path = csv("Sample,Glc,F (mL)", "A_D0_pre,30,", *rows)
    [run] = import_runs(path, words("{run}_D{day}_{side}", replicates="mean"))
    assert list(glucose(run).values()) == [30.0, 20.0, 59.0]
    assert boluses(run) == [(3.0, 0.02)]


def test_a_post_sample_alone_is_after_the_bolus_of_its_row(csv):
    path = csv("Sample,Glc,F (mL)", "A_D0_pre,30,", "A_D3_post,58,20", "A_D4_pre,40,10")
    [run] = import_runs(path, words("{run}_D{day}_{side}"))
    (first, _), (second, _) = boluses(run)
    assert 0.0 < 3.0 - first < 2 * SECOND
    assert second == 4.0


def test_a_name_without_a_side_needs_taken_where_something_was_fed(csv):
    path = csv("Sample,Glc,F (mL)", "A_D0,30,", "A_D1,29,5", "A_D3_pre,20,20", "A_D3_post,58,")
    with pytest.raises(InputError, match="the name of its sample says pre or post; write it there, or say with taken"):
        import_runs(path, words("{run}_D{day}_{side}"))
    [run] = import_runs(path, words("{run}_D{day}_{side}", taken="before"))
    assert boluses(run) == [(1.0, 0.005), (3.0, 0.02)]
    [run] = import_runs(path, words("{run}_D{day}_{side}", taken="after"))
    assert [time for time, _ in boluses(run)] == pytest.approx([1.0 - SECOND, 3.0], abs=1e-9)


@pytest.mark.parametrize(("name", "pattern", "told"), [
    ("A_D3_pre", "{run}_D{day}", 'write pattern = "{run}_D{day}_{side}", which reads whether a sample was taken'),
    ("A_D3 (post)", "{run}_D{day}", 'write pattern = "{run}_D{day} ({side})"'),
    ("A_D3_middle", "{run}_D{day}_{side}", "names are like {run}_D{day}_{side}; correct it, leave the row out"),
    ("A_D3_pre2", "{run}_D{day}_{side}", "names are like {run}_D{day}_{side}; correct it, leave the row out"),
])  # fmt: skip
def test_a_name_that_is_not_understood_is_told_with_what_to_do(csv, name, pattern, told):
    path = csv("Sample,Glc,F (mL)", "A_D0,30,", f"{name},20,")
    with pytest.raises(InputError) as caught:
        import_runs(path, words(pattern))
    assert f"row 3, column 'Sample': found '{name}'" in str(caught.value)
    assert told in str(caught.value)
    if "write pattern" in told:
        advice = str(caught.value).split('pattern = "')[1].split('"')[0]
        [run] = import_runs(path, words(advice))
        assert round(run.measurements["GLC"].time[1], 3) == 3.0


def test_own_words_for_the_sides_go_through_rows(csv):
    path = csv("Sample,Glc,F (mL)", "A_D0_x,30,", "A_D3_x,20,", "A_D3_y,58,20")
    rows = {"column": "{when}", "before": "x", "after": "y"}
    [run] = import_runs(path, words("{run}_D{day}_{when}", rows=rows))
    assert (list(glucose(run).values()), boluses(run)) == ([30.0, 20.0, 58.0], [(3.0, 0.02)])
