"""A mapping becomes a spec, with all its faults at once and the nearest known words."""

import pytest

from graycell.errors import Faults
from graycell.imports.parsing import spec_of
from graycell.imports.spec import RUN, Amount, MediaSheet, match, pattern_of
from graycell.runs.solutes import MOLAR_MASS

WHOLE = {
    "run": ["Batch", "Replicate"], "time": {"column": "Time  (h)", "clock": "At"}, "taken": "before", "decimal": ",",
    "measured": {"GLC": "Glc_gL", "ANTI": {"column": "IgG", "unit": "mg/L", "molar_mass": 150000, "limit": "1 mg/L"}},
    "start": {"volume": "1.5 L", "temperature": {"column": "T", "unit": "degC"}}, "sample": {"volume": "5 mL"},
    "feeds": {"*": {"volume": {"under": "Feeds", "of": "start"}, "media": {"sheet": "Media", "names": "Feed"}},
              "F1": {"rate": {"column": "F1", "density": 1.05}, "media": {"GLC": "400 g/L"}}},
    "log": {"sheet": "Log", "run": "Vessel", "volume": "V (mL)"}, "empty": "Failed", "fill": "Batch",
}  # fmt: skip


def parsed(words):
    faults = Faults("mapping", 99)
    return spec_of(words, faults), [str(finding) for finding in faults.findings]


def test_a_mapping_becomes_a_spec():
    spec, faults = parsed(WHOLE)
    assert faults == []
    assert (spec.run, spec.times, spec.taken, spec.decimal) == (
        ("Batch", "Replicate"),
        ("Time (h)", "At"),
        "before",
        ",",
    )
    assert spec.measured["ANTI"].molar_mass == 150000.0
    assert spec.measured["ANTI"].limit == Amount(1.0, "mg/L")
    assert spec.start["volume"].amount == Amount(1.5, "L")
    assert spec.sample is not None
    assert spec.sample.amount == Amount(5.0, "mL")
    named, every = spec.feeds  # named ones first
    assert (named.name, named.kind, named.column.density) == ("F1", "rate", 1.05)
    assert named.media == {"GLC": pytest.approx(400e3 / MOLAR_MASS["GLC"])}
    assert (every.of, every.column.under, every.media) == ("start", "Feeds", MediaSheet("Media", "Feed"))
    assert spec.log is not None
    assert (spec.log.run, spec.log.time, spec.empty, spec.fill) == (("Vessel",), None, ("failed",), ("Batch",))
    assert spec.beside >= {"Batch", "Replicate", "Time (h)", "At", "F1", "T"}


def test_all_faults_of_a_mapping_are_reported_at_once_without_a_file():
    _, faults = parsed({
        "tme": "Day", "header": 0, "units": 1, "transposed": 1, "fill": [1], "long": {}, "log": {"feed": "x"},
        "measured": {"GLC": {"colum": "Glc"}, "LAC": {"column": "Lac", "molr_mass": 1, "density": 1.0}},
        "start": {"volume": 1.5}, "rows": {"column": "When"}, "replicates": "median", "round_off": 2, "decimal": ";",
        "feeds": {"F": {"volume": "F", "rate": "F"}, "G": {"volume": {"column": "G", "of": "vessel"}}},
    })  # fmt: skip
    said = "\n".join(faults)
    for words in (
        "did you mean 'time'?", "time: found nothing", "header: found 0", "units: found 1", "transposed: found 1",
        "fill: found [1]", "[long]: found {}", "[log]:", "[measured] GLC: found {'colum': 'Glc'}", "no media",
        "did you mean 'molar_mass'?", "only a volume has one", 'like "1.5 L"', "[rows]:", "replicates: found median",
        "round_off: found 2", "found ';'", "2 of volume, cumulative, rate, rise", "of = vessel",
    ):  # fmt: skip
        assert words in said, words


def test_a_layout_with_a_fault_is_not_applied_to_a_file():
    assert parsed(WHOLE)[0].is_laid_out
    assert parsed(WHOLE | {"taken": "perhaps"})[0].is_laid_out
    assert not parsed(WHOLE | {"header": "2"})[0].is_laid_out
    assert not parsed(WHOLE | {"run": {"heading": "R"}})[0].is_laid_out


@pytest.mark.parametrize(("text", "name", "found"), [
    ("Reactor {run}", "Reactor A 1", {"run": "A 1"}), ("Reactor {run}", "Vessel A", None),
    ("{run} {quantity}", "A Glc (mM)", {"run": "A", "quantity": "Glc (mM)"}),
    ("{quantity} {run} [{unit}]", "Glc A [mM]", {"quantity": "Glc (mM)", "run": "A"}),
])  # fmt: skip
def test_a_pattern_finds_runs_and_quantities_in_names(text, name, found):
    assert match(pattern_of(text), name) == found


def test_patterns_name_the_runs():
    spec, faults = parsed(WHOLE | {"run": {"sheet": "{quantity}", "heading": "{run}", "without": "Note"}})
    assert faults == []
    assert spec.patterns is not None
    assert spec.patterns.by_quantity
    assert (spec.run, spec.patterns.without) == ((RUN,), {"Note"})
