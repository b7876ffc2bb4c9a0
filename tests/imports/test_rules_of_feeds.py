"""Feeds of a mapping that follow a rule: at which samples they are decided, and every fault."""

import pytest

import graycell as gc
from graycell.errors import InputError
from graycell.runs import Bolus, CellFeed, Feed, IvcdBolus, LevelBolus, Sample, ShareBolus

SHEET = """Day,VCD (1e6 cells/mL),Glc (g/L),Lac (mM),F2 (mL),Sample
0,0.4,6,0,,
1,1,5,2,,
2,2,3.6,5,10,
3,4,,8,,
4,7,1.8,9,20,
5,,2,9,,
"""
BASE = {
    "time": {"column": "Day", "unit": "d"}, "start": {"volume": "1.5 L"},
    "measured": {"VCD": "VCD (1e6 cells/mL)", "GLC": "Glc (g/L)", "LAC": "Lac (mM)"},
}  # fmt: skip
GLUCOSE = 180.156
LEVEL = {"rule": "to level", "level": "6 g/L", "media": {"GLC": "400 g/L"}}


def imported(folder, feeds, sheet=SHEET, **more):
    path = folder / "sheet.csv"
    path.write_text(sheet)
    [run] = gc.import_runs(path, {**BASE, "feeds": feeds, **more})
    return run


def faults(folder, feeds, **more):
    with pytest.raises(InputError) as error:
        imported(folder, feeds, **more)
    return [str(finding) for finding in error.value.findings]


def test_a_level_is_decided_at_every_sample_of_its_species_after_the_first(tmp_path):
    run = imported(tmp_path, {"F": {**LEVEL, "below": "4 g/L", "most": "50 mL"}})
    assert [event.time for event in run.events] == [1.0, 2.0, 4.0, 5.0]
    for event in run.events:
        assert (event.medium, event.species, event.most) == ("F", "GLC", 0.05)
        assert (event.level, event.below) == pytest.approx((6000.0 / GLUCOSE, 4000.0 / GLUCOSE), rel=1e-4)
    assert run.media["F"]["GLC"] == pytest.approx(4e5 / GLUCOSE, rel=1e-4)


def test_what_it_gave_follows_from_the_samples(tmp_path):
    run = imported(tmp_path, {"F": {**LEVEL, "below": "4 g/L"}}, sample={"volume": "5 mL"})
    first, second, *_ = [event.volume for event in gc.balances.rule_volumes.volumes_of_rules(run).run.events
                         if isinstance(event, Bolus) and event.volume]  # fmt: skip
    assert first == pytest.approx((1.5 - 3 * 0.005) * 2.4 / 394.0, rel=1e-6)  # on day 2, after three samples
    assert second == pytest.approx((1.5 - 5 * 0.005 + first) * 4.2 / 394.0, rel=1e-6)
    assert gc.specific_rates(run).of_phase()


def test_shares_counts_and_flows_are_events_from_their_day_to_their_day(tmp_path):
    feeds = {
        "S": {"rule": "share", "share": "3 %", "from": "48 h", "until": "4 d", "media": {"GLN": "20 mM"}},
        "I": {"rule": "per IVCD", "rate": "20 nL/1e6 cells/d", "media": {}},
        "C": {"rule": "per cells", "rate": "20 nL/1e6 cells/d", "from": "1 d", "until": "4 d", "media": {"GLC": "2 M"}},
    }
    run = imported(tmp_path, feeds)
    found = {kind: [event for event in run.events if isinstance(event, kind)] for kind in
             (ShareBolus, IvcdBolus, CellFeed, Feed)}  # fmt: skip
    assert found[ShareBolus] == [ShareBolus(time, "S", 0.03) for time in (2.0, 3.0, 4.0)]
    assert [event.time for event in found[IvcdBolus]] == [1.0, 2.0, 3.0, 4.0]  # nobody counted on day 5
    assert found[IvcdBolus][0].rate == found[CellFeed][0].rate == pytest.approx(2e-5)
    assert (found[CellFeed][0].time, found[Feed]) == (1.0, [Feed(4.0, "C", 0.0)])


def test_a_rule_from_day_0_is_decided_by_the_first_sample_too(tmp_path):
    run = imported(tmp_path, {"F": {**LEVEL, "level": "7 g/L", "from": "0 d"}})
    assert [event.time for event in run.events] == [0.0, 1.0, 2.0, 4.0, 5.0]


def test_a_rule_acts_after_the_sample_and_after_what_the_sheet_records(tmp_path):
    feeds = {"F": LEVEL, "F2": {"volume": "F2 (mL)", "media": {}}}
    run = imported(tmp_path, feeds, sample={"volume": "5 mL"}, taken="before")
    assert [type(event) for event in run.events if event.time == 2.0] == [Sample, Bolus, LevelBolus]


def test_samples_after_a_feed_decide_nothing(tmp_path):
    sheet = SHEET.replace("4,7,1.8,9,20,", "4,7,1.8,9,,pre\n4,6.9,5.9,9,,post")
    run = imported(tmp_path, {"F": LEVEL}, sheet, rows={"column": "Sample", "before": "pre", "after": "post"})
    assert [event.time for event in run.events] == [1.0, 2.0, 4.0, 5.0]


def test_a_plan_without_samples_of_the_species_has_the_rule_at_every_row(tmp_path):
    measured = {"measured": {"VCD": "VCD (1e6 cells/mL)"}}
    run = imported(tmp_path, {"F": LEVEL}, **measured)
    assert [event.time for event in run.events] == [1.0, 2.0, 3.0, 4.0, 5.0]
    model = gc.CultureModel(
        reactions={"growth": "=> VCD", "uptake": "GLC =>"}, rates={"growth": 0.5, "uptake": 2.0}, parameters={}
    )
    path = gc.simulate(model, run.with_initial(GLC=33.0))
    assert len(path.boluses) == 5
    assert path.boluses[-1].volume > path.boluses[1].volume > 0.0


def test_runs_with_rules_are_written_and_read(tmp_path):
    feeds = {"F": {**LEVEL, "below": "4 g/L"}, "S": {"rule": "share", "share": "3 %", "media": {"GLN": "20 mM"}}}
    run = imported(tmp_path, feeds)
    [back] = gc.read_runs(gc.write_runs([run], tmp_path / "runs"))
    assert back.events == run.events


@pytest.mark.parametrize(("feed", "sentence"), [
    ({**LEVEL, "rule": "to levels"}, "[feeds.F] rule: found to levels; a rule is 'to level', 'share'"),
    ({**LEVEL, "volume": "F2 (mL)"}, "found a rule beside volume; what a sheet records is what was given"),
    ({"rule": "to level", "media": {"GLC": "400 g/L"}}, 'found no level; the rule to level needs it; write level = "6'),
    ({"rule": "to level", "level": "6 g/L"}, "found no media; the rule to level needs it"),
    ({**LEVEL, "media": {"GLC": "400 g/L", "GLN": "20 mM"}}, 'found no species; a medium of several solutes'),
    ({**LEVEL, "species": "GLX"}, "[feeds.F] species: found 'GLX'; the medium holds it; did you mean 'GLC'"),
    ({**LEVEL, "below": "7 g/L"}, "[feeds.F] below: found 7 g/L; a bolus is not given above its level"),
    ({**LEVEL, "media": {"GLC": "5 g/L"}}, "[feeds.F] level: found a level that the medium does not reach"),
    ({**LEVEL, "level": 6}, "[feeds.F] level GLC: found '6' is no number with a unit"),
    ({**LEVEL, "most": "5 g"}, "[feeds.F] most: found"), ({**LEVEL, "share": "3 %"}, "found the word 'share'"),
    ({"rule": "share", "share": "130 %", "media": {}}, "[feeds.F] share: found 130 %; a share is 0 to 100 %"),
    ({"rule": "share", "share": "3 %", "from": "5 d", "until": "2 d", "media": {}}, "a rule ends after it begins"),
    ({"rule": "per cells", "media": {}}, 'found no rate; the rule per cells needs it; write rate = "50 nL/1e6 cells/d'),
    ({"rule": "per IVCD", "rate": "-1 nL/1e6 cells/d", "media": {}}, "[feeds.F] rate: found -1 nL/1e6 cells/d; it is"),
])  # fmt: skip
def test_each_fault_of_a_rule_has_its_sentence(tmp_path, feed, sentence):
    [said] = faults(tmp_path, {"F": feed})
    assert sentence in said


def test_what_a_rule_needs_of_the_file_is_asked_for(tmp_path):
    said = faults(tmp_path, {"F": LEVEL}, taken="after")
    assert ["a rule decides by a sample that is taken before its feed" in one for one in said] == [True]
    [said] = faults(tmp_path, {"*": LEVEL})
    assert "found a rule of all feeds; " in said
    assert "name the feed" in said
    [said] = faults(tmp_path, {"F": LEVEL}, start={})
    assert "[start] volume: found nothing" in said
    part = {"volume": {"column": "F2 (mL)", "unit": "%", "of": "culture"}, "media": {}}
    [said] = faults(tmp_path, {"F": LEVEL, "F2": part}, taken="before")
    assert 'found of = "culture"; the volume of the culture is not known where a rule feeds it' in said
    counts = {"measured": {"GLC": "Glc (g/L)"}}
    [said] = faults(tmp_path, {"F": {"rule": "per IVCD", "rate": "1 nL/1e6 cells/d", "media": {}}}, **counts)
    assert "found no VCD in [measured]; the integral of viable cells follows from counts; add VCD" in said
