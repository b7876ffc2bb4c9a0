"""Small invented exports of every analyser: what is recognised, every value, and what happens to odd ones."""

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import analyser_files as files
import pytest
from small_files import xls

from graycell.errors import InputError
from graycell.imports.analysers.reading import export_of
from graycell.imports.analysers.values import moment

EXPECTED = {
    "blu.csv": [
        ("BR07_D0", {"cells counted": 1204, "viable cells counted": 1108, "TCD": 0.75, "VCD": 0.69, "viability": 92.03,
                     "diameter": 16, "viable diameter": 16.32, "circularity": 0.9}),
        ("BR07_D3", {"cells counted": None, "viable cells counted": None, "TCD": 4.36, "VCD": 4.13, "viability": 94.7,
                     "diameter": 15.1, "viable diameter": 15.51, "circularity": 0.91})],
    "xr.txt": [("BR07_D4", {"cells counted": 1960, "viable cells counted": 1667, "dead cells counted": 293,
                            "viability": 85.1, "TCD": 22.6, "VCD": 19.3, "diameter": 15.5})],
    "hires.csv": [
        ("F01", {"viable diameter": 13.46, "compactness": 1.27, "viable cells counted": 4292, "dead cells counted": 212,
                 "viability": 95.29307556, "VCD": 4.5295425, "dead cells": 0.2237332344, "TCD": 4.753276}),
        ("F02", {"viable diameter": 13.38, "compactness": 1.32, "viable cells counted": 4011, "dead cells counted": 188,
                 "viability": 95.52274323, "VCD": 4.2329905, "dead cells": 0.1984049375, "TCD": 4.4313955})],
    "nucleoview.csv": [
        ("BR07_D5", {"viability": 68.2, "VCD": 2.45, "dead cells": 1.14, "TCD": None, "diameter": None})],
    "nucleocounter.csv": [
        ("BR07 D6", {"TCD": 1.12, "VCD": 0.928, "dead cells": 0.19, "viability": 83, "diameter": 9.7})],
    "nc-view.csv": [("1", {"TCD": 0.274, "VCD": 0.124, "dead cells": 0.15, "viability": 45.1, "diameter": 12.2}),
                    ("2", {"TCD": 1.07, "VCD": 1.02, "dead cells": 0.0544, "viability": 94.9, "diameter": 14.9})],
    "flex2.csv": [
        ("A1", {"GLN": 0.56, "GLU": 0.16, "GLC": 0.78, "LAC": None, "NH3": 0.25, "Na": 127.5, "K": 4.47, "Ca": 1.09,
                "pH": 7.34, "pO2": 197.1, "pCO2": 10.3, "osmolality": 300, "TCD": 0.17, "VCD": 0.16, "viability": 94.1,
                "temperature": 37, "bicarbonate": 5.6}),
        ("A2", {"GLN": 0.58, "GLU": 0.12, "GLC": 0.79, "LAC": None, "NH3": 0.25, "Na": 128.1, "K": 4.47, "Ca": 1.09,
                "pH": 7.262, "pO2": 211.9, "pCO2": 14.5, "osmolality": 303, "TCD": 0.18, "VCD": 10, "viability": 93,
                "temperature": 37, "bicarbonate": 6.6})],
    "cedex6.txt": [("S1", {"GLN": 2.45, "LDH": None, "NH3": 0.121277, "LAC": 1.89}), ("S2", {"IgG": 2.357}),
                   ("S2", {"IgG": 2.4})],
    "cedex5.txt": [("BR07_D3", {"GLN": 7.659, "GLC": 6.561, "XYZ9B": 6636.38})],
    "asm.json": [("BR07_D0", {"viability": 97, "VCD": 0.5, "GLC": 6, "NH3": 0.48, "pH": 7.1, "pO2": 191.6}),
                 ("BR07_D2", {"viability": 97, "VCD": 2, "GLC": None, "NH3": 0.48, "pH": 7.1, "pO2": 191.6})],
}  # fmt: skip


def read(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return export_of(path)


def values_of(export):
    """Return the samples of an export with the value of each quantity."""
    return [(sample.name, {reading.quantity: sample.value(reading.quantity) for reading in sample.readings})
            for sample in export.samples]  # fmt: skip


@pytest.mark.parametrize("name", files.TEXTS)
def test_every_value_of_every_format_is_read(tmp_path, name):
    export = read(tmp_path, name, files.TEXTS[name])
    assert export.instrument == files.INSTRUMENTS[name]
    assert values_of(export) == EXPECTED[name]


@pytest.mark.parametrize("name", files.TEXTS)
def test_the_content_and_not_the_name_says_which_analyser_it_was(tmp_path, name):
    export = read(tmp_path, "export of monday.dat", files.TEXTS[name])
    assert (export.instrument, values_of(export)) == (files.INSTRUMENTS[name], EXPECTED[name])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
@pytest.mark.parametrize("name", ["blu.csv", "flex2.csv", "nucleoview.csv", "cedex6.txt", "asm.json"])
def test_every_usual_encoding_is_read(tmp_path, name, encoding):
    assert values_of(read(tmp_path, name, files.TEXTS[name].encode(encoding))) == EXPECTED[name]


@pytest.mark.parametrize("micro", ["µm", "μm", "um", "microns"])
def test_every_way_to_write_a_micrometre_is_one(tmp_path, micro):
    heads = ("Average diameter (µm)", "Average viable diameter (µm)")
    text = files.BLU.replace("µm", micro)
    assert heads[0] in files.BLU
    export = read(tmp_path, "blu.csv", text)
    units = {reading.quantity: reading.unit for reading in export.samples[0].readings}
    assert export.samples[0].value("diameter") == 16
    assert units["diameter"] in ("um", "microns")


@pytest.mark.parametrize("name", ["blu.csv", "hires.csv", "nc-view.csv", "flex2.csv"])
def test_decimal_commas_are_read_as_such(tmp_path, name):
    rows = list(csv.reader(io.StringIO(files.TEXTS[name])))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(rows[0])
    writer.writerows([cell if cell == "10.00%" else cell.replace(".", ",") for cell in row] for row in rows[1:])
    ours = values_of(read(tmp_path, name, text.getvalue().replace("10.00%", "10,00%")))
    assert ours == EXPECTED[name]


@pytest.mark.parametrize("made", [
    lambda path: path.write_bytes(files.workbook(files.XR_ROWS)),
    lambda path: path.write_bytes(files.workbook(files.XR_ROWS, faulty_style=True)),
    lambda path: xls(path, files.XR_ROWS),
    lambda path: path.write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in files.XR_ROWS)),
    lambda path: path.write_text("\n".join("\t".join(map(str, row)) for row in files.XR_ROWS), encoding="utf-16"),
], ids=["xlsx", "faulty style", "xls", "csv", "tab"])  # fmt: skip
def test_a_table_of_the_vi_cell_xr_is_read_from_every_kind_of_file(tmp_path, made):
    made(tmp_path / "xr")
    export = export_of(tmp_path / "xr")
    assert export.instrument == "Vi-CELL XR"
    assert values_of(export) == [
        ("BR07_D0", {"cells counted": 1027, "viable cells counted": 1011, "viability": 98.4, "TCD": 3.1, "VCD": 3.06,
                     "diameter": 13.9, "circularity": 0.88}),
        ("BR07_D1", {"cells counted": 2123, "viable cells counted": 2098, "viability": 98.8, "TCD": 6.42, "VCD": 6.34,
                     "diameter": 13.8, "circularity": 0.87})]  # fmt: skip
    assert [sample.measured for sample in export.samples] == [
        datetime(2023, 3, 2, 8, 31, 38), datetime(2023, 3, 3, 12, 28, 16)]  # fmt: skip


def test_reports_of_the_vi_cell_xr_below_each_other_are_samples(tmp_path):
    second = [["Sample ID", None, "BR07_D3"], ["Sample date", None, "12 May 2026  2:59:27 PM"], ["Viability (%)", 80.5]]
    export = read(tmp_path, "xr.xlsx", files.workbook([*files.XR_REPORT, *second]))
    assert values_of(export) == [
        ("BR07_D2", {"cells counted": 915, "viable cells counted": 796, "viability": 86.99453735351562,
                     "TCD": 0.9703072143554687, "VCD": 0.8441272808074951, "diameter": 16.80272565612793}),
        ("BR07_D3", {"viability": 80.5})]  # fmt: skip
    assert export.samples[0].measured == datetime(2026, 5, 11, 14, 59, 27)


def test_texts_of_the_vi_cell_xr_in_one_file_are_samples(tmp_path):
    export = read(tmp_path, "xr.txt", files.XR_TEXT + files.XR_TEXT.replace("BR07_D4", "BR07_D5"))
    assert [sample.name for sample in export.samples] == ["BR07_D4", "BR07_D5"]


@pytest.mark.parametrize(("cell", "value", "bound", "flag"), [
    ("< 20.00", None, "<20", "< 20.00"), ("<20", None, "<20", "<20"), ("<=0.5", None, "<0.5", "<=0.5"),
    ("> 9000.5", None, ">9000.5", "> 9000.5"), ("< 0.00", None, "", "< 0.00"), ("*****", None, "", "*****"),
    ("12.3*", None, "", "12.3*"), ("88.09", 88.09, "", ""), ("1,234.5", 1234.5, "", ""), ("1.2E+03", 1200.0, "", ""),
    ("nan", None, None, None), ("inf", None, "", "inf"), ("1e999", None, "", "1e999"),
])  # fmt: skip
def test_a_result_outside_of_the_range_or_with_a_flag_is_no_number(tmp_path, cell, value, bound, flag):
    export = read(tmp_path, "cedex.txt", files.CEDEX6.replace("< 20.00", cell))
    found = [reading for reading in export.samples[0].readings if reading.quantity == "LDH"]
    if bound is None:
        assert found == []
        return
    (reading,) = found
    assert (reading.value, reading.bound) == (value, bound)
    assert reading.flag == (flag or "< TEST RNG")


@pytest.mark.parametrize(("unit", "value"), [
    ("g/L", 1.89), ("mg/L", 0.00189), ("mg/mL", 1.89), ("ug/mL", 0.00189), ("mg/dL", 0.0189), ("mmol/L", 1.89),
    ("mM", 1.89), ("umol/L", 0.00189), ("U/L", 1.89),
])  # fmt: skip
def test_masses_come_in_g_per_litre_and_amounts_in_mmol_per_litre(tmp_path, unit, value):
    export = read(tmp_path, "cedex.txt", files.CEDEX6.replace("g/L\tv", f"{unit}\tv"))
    (reading,) = [reading for reading in export.samples[0].readings if reading.quantity == "LAC"]
    assert reading.value == value
    assert reading.unit == ("U/L" if unit == "U/L" else "mmol/L" if "mol" in unit or unit == "mM" else "g/L")


@pytest.mark.parametrize(("heading", "cell", "vcd"), [
    ("Viable (x10^6) cells/mL", "0.69", 0.69), ("Viable (x10^5) cells/mL", "6.9", 0.69),
    ("Viable cells/mL", "690000", 0.69), ("Viable cells/mL (x10^6)", "0.69", 0.69),
    ("Viable cells (1e6 cells/mL)", "0.69", 0.69), ("Viable cell count (cells/mL)", "690000", 0.69),
])  # fmt: skip
def test_a_power_of_ten_in_a_heading_counts(tmp_path, heading, cell, vcd):
    text = files.BLU.replace("Viable (x10^6) cells/mL", heading).replace(",0.69,", f",{cell},")
    assert read(tmp_path, "blu.csv", text).samples[0].value("VCD") == vcd


def test_flags_and_controls_of_the_cedex_are_told(tmp_path):
    export = read(tmp_path, "cedex.txt", files.CEDEX6)
    assert [reading.flag for reading in export.samples[0].readings] == ["", "< 20.00", "", "v (verification)"]
    assert "1 of the kind 'CTL'" in str(export.remarks[0])
    assert "'XYZ9B'" in str(read(tmp_path, "cedex5.txt", files.CEDEX5).remarks[0])
    assert export.samples[0].batch == "B7"


def test_a_result_of_a_second_range_is_another_reading_of_the_sample(tmp_path):
    sample = read(tmp_path, "cedex.txt", files.CEDEX6).samples[1]
    assert [(one.code, one.value, one.bound) for one in sample.readings] == [
        ("IGGHB", None, ">1.6"), ("IGGHD", 2.357, "")]  # fmt: skip
    assert sample.value("IgG") == 2.357


def test_vessel_batch_and_times_are_read(tmp_path):
    first = read(tmp_path, "flex2.csv", files.FLEX2).samples[0]
    assert (first.vessel, first.batch) == ("V1", "B1")
    assert (first.drawn, first.measured) == (datetime(2021, 2, 18, 10, 8, 4), datetime(2021, 2, 18, 10, 28, 4))
    assert read(tmp_path, "hires.csv", files.HIRES).samples[1].drawn == datetime(2019, 6, 18, 8, 34, 1)
    zone = timezone(timedelta(hours=2))
    (nucleo,) = read(tmp_path, "n.csv", files.NUCLEOVIEW).samples
    assert nucleo.measured == datetime(2023, 11, 20, 16, 30, 16, tzinfo=zone)


@pytest.mark.parametrize(("text", "when"), [
    ("3/21/2022 16:56", "2022-03-21 16:56:00"), ("2/18/2021  10:28:04 AM", "2021-02-18 10:28:04"),
    ("2/18/2021  12:28:04 AM", "2021-02-18 00:28:04"), ("6-24-2022  14:34:52", "2022-06-24 14:34:52"),
    ("24-6-2022  14:34:52", "2022-06-24 14:34:52"), ("18 Oct 2022  9:08:24 AM", "2022-10-18 09:08:24"),
    ("3. Mrz 2023 14:05", "2023-03-03 14:05:00"), ("2023-09-15 16:55:51", "2023-09-15 16:55:51"),
    ("2021-02-18T10:28:04.123Z", "2021-02-18 10:28:04+00:00"), ("20231120 163016", "2023-11-20 16:30:16"),
    ("20240219", "2024-02-19 00:00:00"), ("1999-09-99 09:49:29", "None"), ("13/13/2022", "None"),
    ("2/18/2021 25:00", "None"), ("soon", "None"), ("", "None"),
])  # fmt: skip
def test_dates_are_read_as_analysers_write_them(text, when):
    assert str(moment(text)) == when


def test_days_and_months_are_told_apart_by_the_dates_of_the_whole_file(tmp_path):
    text = files.BLU.replace("9/20/2021 16:28", "3/4/2022 16:28")
    first = read(tmp_path, "a.csv", text.replace("9/23/2021 4:30", "3/13/2022 4:30"))
    assert [sample.measured.month for sample in first.samples] == [3, 3]
    second = read(tmp_path, "b.csv", text.replace("9/23/2021 4:30", "13/4/2022 4:30"))
    assert [sample.measured.month for sample in second.samples] == [4, 4]
    either = read(tmp_path, "c.csv", text.replace("9/23/2021 4:30", "5/4/2022 4:30"))
    assert [sample.measured.month for sample in either.samples] == [3, 5]
    assert "found '3/4/2022 16:28'; the day is before or after the month" in str(either.remarks[0])


def test_other_values_of_an_asm_are_passed_over_with_a_remark(tmp_path):
    (remark,) = read(tmp_path, "asm.json", files.TEXTS["asm.json"]).remarks
    assert "'fluorescence'" in str(remark)


@pytest.mark.parametrize("change", [
    lambda asm: asm.pop("$asm.manifest"),
    lambda asm: asm.update({"$asm.manifest": 3}),
    lambda asm: asm.update({"cell counting aggregate document": asm.pop("solution analyzer aggregate document")}),
    lambda asm: asm["solution analyzer aggregate document"].update({"data system document": ["x", 1, None]}),
    lambda asm: asm["solution analyzer aggregate document"].pop("device system document"),
])  # fmt: skip
def test_an_asm_of_another_version_is_read(tmp_path, change):
    asm = files.asm()
    change(asm)
    assert values_of(read(tmp_path, "asm.json", json.dumps(asm))) == EXPECTED["asm.json"]


def test_an_asm_with_the_sample_and_time_further_out_is_read(tmp_path):
    value = {"value": 5.5, "unit": "10^6 cells/mL"}
    asm = {"cell counting aggregate document": {"cell counting document": [
        {"sample document": {"sample identifier": "A"}, "measurement aggregate document": {
            "measurement time": "2022-01-02T03:04:05",
            "measurement document": [{"viable cell density": value}]}}]}}  # fmt: skip
    (sample,) = read(tmp_path, "asm.json", json.dumps(asm)).samples
    assert (sample.name, sample.value("VCD"), sample.measured) == ("A", 5.5, datetime(2022, 1, 2, 3, 4, 5))


@pytest.mark.parametrize("text", [
    "Batch;Time (h);VCD (10^6 cells/mL)\nA;0;0.4\n", "Sample ID,Viability (%)\nA,97\n", '{"a": 1}', "[1, 2]", '"x"', "",
    "{", "\x00\x01\x02", "Vi-CELL", "Sample ID : A\n",
])  # fmt: skip
def test_a_file_of_another_kind_is_none_of_an_analyser(tmp_path, text):
    assert read(tmp_path, "other.csv", text) is None


@pytest.mark.parametrize(("name", "text"), [
    ("blu.csv", files.BLU.splitlines()[0]), ("flex2.csv", files.FLEX2.splitlines()[0]),
    ("cedex.txt", files.CEDEX6.splitlines()[0]), ("xr.txt", "Vi-CELL XR 2.06.3\n"),
    ("asm.json", '{"$asm.manifest": "x"}'),
])  # fmt: skip
def test_a_file_of_an_analyser_without_samples_says_so(tmp_path, name, text):
    with pytest.raises(InputError, match="samples with values are needed"):
        read(tmp_path, name, text)


@pytest.mark.parametrize("name", ["blu.csv", "hires.csv", "flex2.csv", "nc-view.csv", "nucleoview.csv"])
@pytest.mark.parametrize("kind", ["xlsx", "xls", "tab", "title"])
def test_what_was_saved_by_a_spreadsheet_is_read_too(tmp_path, name, kind):
    separator = ";" if name == "nucleoview.csv" else ","
    rows = list(csv.reader(io.StringIO(files.TEXTS[name]), delimiter=separator))
    path = tmp_path / "saved"
    if kind == "xlsx":
        path.write_bytes(files.workbook(rows))
    elif kind == "xls":
        xls(path, rows)
    else:
        text = io.StringIO("\n" if kind == "title" else "", newline="")
        csv.writer(text, delimiter="\t" if kind == "tab" else separator).writerows(rows)
        path.write_text(text.getvalue(), encoding="utf-8")
    assert values_of(export_of(path)) == EXPECTED[name]
