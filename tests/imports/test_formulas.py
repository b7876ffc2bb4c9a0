"""Quantities that are computed from others, with units through the formula."""

import pytest
from small_files import DAY

from graycell.errors import InputError
from graycell.imports.importing import import_runs, imported

FILE = ("Day,VCD (1e6 cells/mL),Via (%),Glc (g/L),Lac (mM),Dil", "0,1,100,1.8,1,2", "1,2,80,0.9,<2,5", "2,3,0,0.9,2,2")
VCD, VIA, GLC, LAC = "VCD (1e6 cells/mL)", "Via (%)", "Glc (g/L)", "Lac (mM)"
CELLS = {"VCD": VCD, "viability": VIA}
GLUCOSE = 1000.0 / 180.156  # mmol/g


def read(csv, measured, *rows):
    return imported(csv(*(rows or FILE)), {"time": DAY, "measured": measured})


@pytest.mark.parametrize(("quantity", "formula", "others", "expected"), [
    ("TCD", "VCD / viability", CELLS, [1.0, 2.5]),
    ("TCD", "VCD/viability", CELLS, [1.0, 2.5]),
    ("BIOM", {"formula": "k * VCD / viability", "k": "2.31 mmol/1e9 cells"}, CELLS, [2.31, 5.775]),
    ("BIOM", {"formula": "2.31 * VCD / viability", "unit": "mmol/L"}, CELLS, [2.31, 5.775]),
    ("BIOM", {"formula": "VCD * m", "m": "400 pg/cell", "molar_mass": 25.0}, {"VCD": VCD}, [16.0, 32.0, 48.0]),
    ("sugar", "GLC + 2*LAC", {"GLC": GLC, "LAC": LAC}, [1.8 * GLUCOSE + 2.0, 0.9 * GLUCOSE + 4.0]),
    ("GLC", {"formula": "raw * d", "raw": GLC, "d": {"column": "Dil", "unit": "1"}}, {},
     [3.6 * GLUCOSE, 4.5 * GLUCOSE, 1.8 * GLUCOSE]),
    ("GLC", {"formula": "raw * 2", "raw": GLC}, {}, [3.6 * GLUCOSE, 1.8 * GLUCOSE, 1.8 * GLUCOSE]),
    ("GLC", {"formula": "raw * d", "raw": GLC, "d": 3}, {}, [5.4 * GLUCOSE, 2.7 * GLUCOSE, 2.7 * GLUCOSE]),
    ("X", "Y * 2", {"Y": "GLC / 2", "GLC": GLC}, [1.8 * GLUCOSE, 0.9 * GLUCOSE, 0.9 * GLUCOSE]),
    ("X", "max(GLC, LAC)", {"GLC": GLC, "LAC": LAC}, [1.8 * GLUCOSE, 0.9 * GLUCOSE]),
])  # fmt: skip
def test_a_quantity_is_computed_from_others(csv, quantity, formula, others, expected):
    found = read(csv, {quantity: formula, **others})
    assert found.runs[0].measurements[quantity].value.tolist() == pytest.approx(expected)


def test_a_number_that_gives_a_unit_is_told(csv):
    found = read(csv, {"BIOM": "2.31 * VCD / viability", **CELLS})
    assert found.runs[0].measurements["BIOM"].value.tolist() == pytest.approx([2.31, 5.775])
    unit, row = map(str, found.remarks)
    assert "BIOM formula: found a value in 1e9 cells/L; BIOM is in mmol/L, which the number in it is taken to" in unit
    assert "row 4" in row
    assert "found no finite number" in row


def test_a_value_below_its_limit_is_no_number_of_a_formula(csv):
    found = read(csv, {"X": "GLC + LAC", "GLC": GLC, "LAC": LAC})
    assert found.runs[0].measurements["X"].time.tolist() == [0.0, 2.0]
    assert "row 3, column 'GLC + LAC': found LAC below its detection limit" in str(found.remarks[0])


def test_a_heading_that_looks_like_a_formula_is_a_heading(csv):
    found = read(csv, {"VCD": VCD, "X": {"column": "VCD / 2", "unit": "mM"}}, f"Day,{VCD},VCD / 2", "0,1,7")
    assert found.runs[0].measurements["X"].value.tolist() == [7.0]
    found = read(csv, {"TCD": {"column": "VCD/viability", "unit": "1e6 cells/mL"}, **CELLS},
                 f"Day,{VCD},{VIA},VCD/viability", "0,1,50,9")  # fmt: skip
    assert found.runs[0].measurements["TCD"].value.tolist() == [9.0]


@pytest.mark.parametrize(("measured", "words"), [
    ({"X": "GLC + VCD", "GLC": GLC, "VCD": VCD}, "X formula: found 'VCD' in 1e9 cells/L beside mmol/L in 'GLC + VCD'"),
    ({"BIOM": "VCD / viability", **CELLS}, "a unit of mmol/L is needed"),
    ({"X": "Y * 2", "Y": "X / 2"}, "a quantity is not computed from itself"),
    ({"X": "2 * VDC", "VCD": VCD}, "if it is a formula, its names are quantities of [measured]: did you mean 'VCD'"),
    ({"X": {"formula": "2 * VDC"}, "VCD": VCD}, "X formula: found 'VDC'; a name is a quantity, or a word"),
    ({"X": {"formula": "__import__('os')"}, "VCD": VCD}, "X formula, character 12: found ''os')'"),
    ({"X": {"formula": "VCD +"}, "VCD": VCD}, "found the end of the formula"),
    ({"X": {"formula": "a * VCD", "a": "Dil"}, "VCD": VCD}, 'write { column = "Dil", unit = "1" }'),
    ({"X": {"formula": "VCD * 2", "unit": "g"}, "VCD": VCD}, "a unit of mmol/L is needed"),
    ({"X": {"formula": "exp(VCD)"}, "VCD": VCD}, "found 'VCD' in 1e9 cells/L"),
    ({"X": {"formula": "(" * 200 + "VCD" + ")" * 200}, "VCD": VCD}, "levels of brackets"),
    ({"X": {"formula": "VCD", "unit": "mM"}, "VCD": VCD}, "X unit: found 'mM'; the formula gives 1e9 cells/L"),
])  # fmt: skip
def test_formulas_that_cannot_be_right_are_told(csv, measured, words):
    with pytest.raises(InputError) as caught:
        read(csv, measured)
    assert words in str(caught.value)


def test_a_formula_of_a_table_with_a_row_for_each_value(csv):
    path = csv("Day,Analyte,Value,Unit", "0,Glc,1.8,g/L", "0,Lac,2,mM", "1,Glc,0.9,g/L", "1,Lac,3,mM")
    mapping = {"time": DAY, "long": {"quantity": "Analyte", "value": "Value", "unit": "Unit"},
               "measured": {"X": {"formula": "a + b", "a": "Glc", "b": "Lac"}, "GLC": "Glc"}}  # fmt: skip
    with pytest.raises(InputError, match="'b' in mmol/L beside mg/L"):
        import_runs(path, mapping)
    mapping["measured"] = {"GLC": "Glc", "X": "GLC + b"}
    mapping["measured"]["X"] = {"formula": "GLC + b", "b": "Lac"}
    [run] = import_runs(path, mapping)
    assert run.measurements["X"].value.tolist() == pytest.approx([1.8 * GLUCOSE + 2.0, 0.9 * GLUCOSE + 3.0])


def fed(csv, entry, *rows, kind="volume", **more):
    words = {"time": DAY, "taken": "before", "measured": {"GLC": "Glc (g/L)"}, "start": {"volume": "1 L"},
             "feeds": {"F": {kind: entry, "media": {"GLC": "400 g/L"}}}, **more}  # fmt: skip
    return imported(csv(*rows), words)


SCALES = ("Day,Glc (g/L),Before (g),After (g),F1 (mL),F2 (mL)", "0,5,,,,", "1,4,1000,980,5,1", "2,4,980,950,6,0",
          "3,3,,,,")  # fmt: skip


@pytest.mark.parametrize(("entry", "volumes"), [
    ({"formula": "before - after", "before": "Before (g)", "after": "After (g)", "density": 1.25}, [0.016, 0.024]),
    ({"formula": "a + b", "a": "F1 (mL)", "b": "F2 (mL)"}, [0.006, 0.006]),
    ({"formula": "1.2 * a", "a": "F1 (mL)"}, [0.006, 0.0072]),
    ({"formula": "n * each", "n": {"column": "F1 (mL)", "unit": "1"}, "each": "2 mL"}, [0.01, 0.012]),
    ({"formula": "max(a, b)", "a": "F1 (mL)", "b": "3 mL"}, [0.005, 0.006]),
    ({"formula": "2 mL * 0", "a": "F1 (mL)"}, None),
    ({"formula": "want * v / c", "want": "2 g/L", "v": "Before (g)", "c": "400 g/L", "density": 1.0}, [0.005, 0.0049]),
])  # fmt: skip
def test_a_feed_is_computed_from_columns(csv, entry, volumes):
    if volumes is None:
        with pytest.raises(InputError, match="formula"):
            fed(csv, entry, *SCALES)
        return
    found = fed(csv, entry, *SCALES)
    boluses = [(event.time, event.volume) for event in found.runs[0].events]
    assert boluses == [(1.0, pytest.approx(volumes[0])), (2.0, pytest.approx(volumes[1]))]


def test_rates_volumes_samples_and_the_set_point_are_computed_too(csv):
    rows = ("Day,Glc (g/L),Pump (%),Scale (kg),Empty (kg),T (°C),Vial (mL),N", "0,5,50,11.5,10,37,5,2",
            "1,4,100,11.52,10,36.5,5,1", "2,3,100,11.6,10,31,5,2")  # fmt: skip
    weighed = {"formula": "full - empty", "full": "Scale (kg)", "empty": "Empty (kg)", "density": 1.0}
    words = {
        "volume": weighed, "start": {"volume": weighed},
        "sample": {"volume": {"formula": "each * n", "each": "Vial (mL)", "n": {"column": "N", "unit": "1"}}},
        "temperature": {"formula": "max(t, low)", "t": "T (°C)", "low": "33 degC"},
        "bleed": {"formula": "part * 2 * most", "part": "Pump (%)", "most": "1 mL/h"}}  # fmt: skip
    found = fed(csv, {"formula": "part * most", "part": "Pump (%)", "most": "10 mL/h"}, *rows, kind="rate", **words)
    [run] = found.runs
    assert run.initial_volume == pytest.approx(1.5)
    assert run.signals["volume"].value.tolist() == pytest.approx([1.5, 1.52, 1.6])
    assert [event.volume for event in run.events if hasattr(event, "volume")] == pytest.approx([0.01, 0.005, 0.01])
    feeds = [event.rate for event in run.events if getattr(event, "medium", "") == "F"]
    assert feeds[:2] == pytest.approx([0.12, 0.24])
    bleeds = [event.rate for event in run.events if hasattr(event, "retains_cells")]
    assert bleeds[:2] == pytest.approx([0.024, 0.048])
    assert [event.value for event in run.events if hasattr(event, "value")] == pytest.approx([36.5, 33.0])
    assert run.initial_temperature == pytest.approx(37.0)


def test_a_formula_of_a_feed_that_lacks_a_cell_is_told(csv):
    rows = (SCALES[0], "0,5,,,,", "1,4,,,5,", "2,4,,,6,1", "3,3,,,,")
    found = fed(csv, {"formula": "a + b", "a": "F1 (mL)", "b": "F2 (mL)"}, *rows)
    assert [event.volume for event in found.runs[0].events] == [pytest.approx(0.007)]
    [told] = map(str, found.remarks)
    assert "row 3, column 'a + b': found an empty cell of b; the formula needs all of its columns" in told


@pytest.mark.parametrize(("entry", "words"), [
    ({"formula": "before - after", "before": "Before (g)", "after": "After (g)"}, "a unit of L is needed"),
    ({"formula": "a + b", "a": "F1 (mL)"}, "found 'b'; a name is a quantity, or a word beside formula"),
    ({"formula": "a + b", "a": "F1 (mL)", "b": "F9 (mL)"}, "no heading 'F9 (mL)'"),
    ({"formula": "a +", "a": "F1 (mL)"}, "formula, character"),
    ({"formula": "__import__('os')", "a": "F1 (mL)"}, "formula, character"),
    ({"formula": "a - b", "a": "F2 (mL)", "b": "F1 (mL)"}, "volumes and rates are >= 0"),
    ({"formula": "a + b", "a": "F1 (mL)", "b": "Before (g)"}, "formula"),
])  # fmt: skip
def test_a_formula_of_a_feed_that_cannot_be_right_is_told(csv, entry, words):
    with pytest.raises(InputError) as caught:
        fed(csv, entry, *SCALES)
    assert words in str(caught.value)


def test_times_and_the_volumes_of_a_log_are_not_computed(csv):
    words = {"time": {"formula": "a", "a": "Day"}, "measured": {"GLC": "Glc (g/L)"}}
    with pytest.raises(InputError, match="the name of a column is needed"):
        imported(csv(*SCALES), words)
