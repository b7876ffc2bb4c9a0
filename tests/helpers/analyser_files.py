"""Small invented exports of every analyser that is read, in the layouts of their software."""

import io
import json
import zipfile

import openpyxl

BLU = """Sample ID,Cell count,Viable cells,Total (x10^6) cells/mL,Viable (x10^6) cells/mL,Viability (%),\
Average diameter (µm),Average viable diameter (µm),Average circularity,Images,Cell type,Analysis date/time,Dilution
BR07_D0,1204,1108,0.75,0.69,92.03,16,16.32,0.9,100,CHO,9/20/2021 16:28,1
BR07_D3,ERROR,ERROR,4.36,4.13,94.7,15.1,15.51,0.91,100,CHO,9/23/2021 4:30,1
"""
XR_ROWS = [
    ["Vi-CELL XR 2.06.3"], ["C:\\export\\day.xlsx"], ["Unit S/N:  AV1"], ["  "],
    ["Sample ID", "File name", "Cell type", "Dilution", "Sample date/time", "Total", "Viable", "Viability",
     "Total cells", "Viable cells", "Avg. diam.", "Avg. circ.", "Comment"],
    ["", "", "", "factor", "", "cells", "cells", "(%)", "/ml (x10^6)", "/ml (x10^6)", "(microns)", "", ""],
    [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    ["BR07_D0", "a.smp", "CHO", "3.00", "2 Mar 2023  8:31:38 AM", 1027, 1011, "98.4", "3.10", "3.06", "13.9", 0.88, ""],
    ["BR07_D1", "b.smp", "CHO", "3.00", "3 Mar 2023  12:28:16 PM", 2123, 2098, 98.8, "6.42", "6.34", "13.8", 0.87, ""],
]  # fmt: skip
XR_REPORT = [
    ["Vi-CELL XR 2.04"], ["Beckman Coulter, Inc."], [],
    ["Sample ID", None, "BR07_D2"], ["File name", None, "C:\\7B.txt"], ["Sample date", None, "11 May 2026  2:59:27 PM"],
    ["Results", None, None, None, None, "Settings"],
    ["Total cells", None, None, 915, None, "Cell type", None, None, "Default"],
    ["Viable cells", None, None, 796, None, "Minimum diameter (microns)", None, None, 5],
    ["Viability (%)", None, None, 86.99453735351562], ["Total cells / ml (x10^6)", None, None, 0.9703072143554687],
    ["Viable cells / ml (x10^6)", None, None, 0.8441272808074951],
    ["Average diameter (microns)", None, None, 16.80272565612793],
    ["Size Distribution Plot Data"], ["Total cells", 1, 2], [5.16, 6, 1],
]  # fmt: skip
XR_TEXT = """Vi-CELL XR 2.06.3

Sample ID : BR07_D4
File name : x.txt
LogDate : 18 May 2024  1:09:21 PM
RunDate : 18 May 2024  1:10:16 PM

Results:
Total cells : 1960
Viable cells : 1667
Nonviable cells : 293
Viability (%) : 85.1
Total cells / ml (x 10^6) : 22.6
Total viable cells / ml (x 10^6) : 19.3
Average diameter (microns) : 15.5

Settings:
Minimum diameter (microns) : 6.00
SizeData : 4,9,9,7,7,15,20
"""
HIRES = """Cedex ID,System name,Reactor identifer,Sample identifer,Sample draw Time,Date finished,Avg Diameter,\
Avg Compactness,Viable Cell Count,Dead Cell Count,Viability,Viable Cell Conc.,Dead Cell Conc.,Total Cell Conc.
37,G0,R1,F01,6-17-2019 8:34:01 AM,6-18-2019 7:46:47 AM,13.46,1.27,4292,212,95.29307556,4529542.5,223733.2344,4753276
37,G0,R1,F02,6-18-2019 8:34:01 AM,6-18-2019 7:51:27 PM,13.38,1.32,4011,188,95.52274323,4232990.5,198404.9375,4431395.5
"""
NUCLEOVIEW = """Viability and Cell Count Assay - invented; ;
Image;20231120-0012-c-BR07_D5;
Operator;X;
Viability (%);68.2;
Live (cells/ml);2.45E6;
Dead (cells/ml);1.14E6;
Total (cells/ml);3.58E3 (Out of optimal range);
 ; ;
Estimated cell diameter [um];13.2 (Uncertain
determination);
Sample Volume (ul);200.0;
;
cm filename;20231120-0012-c-BR07_D5.cm
Instrument type;NucleoView NC-200
Date time;20231120 163016
Time zone offset;2
csv file version;2
"""
NUCLEOCOUNTER = """Source ID:\t99-00009
Time (UTC):\t2024-02-19 09:49:29
Sample ID:\tBR07 D6
Protocol:\tCount & Viability; 1.49
Total (cells/ml):\t1.12E+06
Live (cells/ml):\t9.28E+05
Dead (cells/ml):\t1.90E+05
Viability (%):\t83.0
Diameter (um):\t9.7
"""
NC_VIEW = """NAME,SAMPLE ID,PROTOCOL,STATUS,TOTAL (cells/ml),LIVE (cells/ml),DEAD (cells/ml),VIABILITY (%),DIAMETER (µm)
20240219-00019,1,Count & Viability,OK,274 000,124 000,150 000,45.1,12.2
20240219-00043,2,Count & Viability,OK,1.07E+06,1.02E+06,54 400,94.9,14.9
"""
FLEX2 = """"Date & Time","Sample ID","Sample Type","Gln","Glu","Gluc","Lac","NH4+","Na+","K+","Ca++","pH","PO2","PCO2",\
"Osm","Total Density","Viable Density","Viability","Vessel ID","Batch ID","Vessel Temperature (°C)","HCO3",\
"Sample Time",
2/18/2021  10:28:04 AM,A1,Default,0.56,0.16,0.78,<0.10,0.25,127.5,4.47,1.09,7.340,197.1,10.3,300,0.17,0.16,94.1,V1,\
B1,37.0,5.6,2/18/2021  10:08:04 AM,
2/19/2021  10:33:17 PM,A2,Default,0.58,0.12,0.79,>15.0,0.25,128.1,4.47,1.09,7.262,211.9,14.5,303,0.18,10.00%,93.0,V1,\
B1,37.0,6.6,2/19/2021  10:13:17 PM,
"""
CEDEX6 = """0\t2023-09-17 13:04:06\t#ARC-FILE#\t1.1a\t2021-05-01\t2023-09-17\tCEDEX BIO HT\t1\t6.0.0.1905 (1905)\tADMIN
40\t2023-09-15 16:55:51\tS1\tB7\tSAM\t        \tGLN2B\t        \tmM\t \t  2.45\t  0.17138\tR
40\t2023-09-15 16:56:18\tS1\tB7\tSAM\t        \tLDH2B\t        \tU/L\t< TEST RNG\t< 20.00\t  0.00060\tR
40\t2023-09-15 16:56:26\tS1\tB7\tSAM\t        \tNH3B\t        \tmg/L\t \t  121.277\t  0.05333\tR
40\t2023-09-15 16:56:37\tS1\tB7\tSAM\t        \tLAC2B\t        \tg/L\tv\t  1.89\t  0.15187\tR
40\t2023-09-15 16:56:48\tS2\tB7\tSAM\t        \tIGGHB\t        \tmg/L\t> TEST RNG\t> 1600\t  0.14883\tR
40\t2023-09-15 16:59:48\tS2\tB7\tSAM\t        \tIGGHD\t        \tmg/L\t \t  2357\t  0.14883\tR
40\t2023-09-16 16:59:48\tS2\tB7\tSAM\t        \tIGGHD\t        \tmg/L\t \t  2400\t  0.14883\tR
40\t2023-09-15 17:59:48\tC1\t\tCTL\t        \tIGGHD\t        \tmg/L\t \t  400\t  0.14883\tR
"""
CEDEX5 = """\
0\t2025-02-27 11:17:17\t#ARC-FILE#\t1.1a\t2025-02-26\t2025-02-27\tCEDEX BIO HT\t1\t5.0.0.1206 (1206.0)\tADMIN
40\t2025-02-26 10:33:39\tGLN2B\t\t\tBR07_D3\tSAM\tmmol/L\t \t  7.659\t  0.51753\tR
40\t2025-02-26 10:33:46\tGLC3B\t\t\tBR07_D3\tSAM\tg/L\t \t  6.561\t  1.08705\tR
40\t2025-02-26 10:34:50\tXYZ9B\t\t\tBR07_D3\tSAM\tU/L\t \t  6636.38\t  0.04941\tR
"""


def asm():
    """Return a small ASM of two samples, as a cell counter with a chemistry module has them."""

    def value(number, unit):
        return {"value": number, "unit": unit}

    def measurements(sample, time, cells, glucose, error):
        analytes = [
            {"analyte name": "glucose", "mass concentration": value(glucose, "g/L"),
             "custom information document": {"analyte code": "GLC3B", "detection kit": "Standard"}},
            {"analyte name": "ammonium", "molar concentration": value(0.48, "mmol/L")},
        ]  # fmt: skip
        errors = [{"error": error, "error feature": "glucose - Standard"}] if error else []
        about = {"measurement time": time, "sample document": {"sample identifier": sample, "batch identifier": "B7"}}
        counted = {"viability (cell counter)": value(97.0, "%"), "viable cell density (cell counter)": cells,
                   "data processing document": {"minimum cell diameter setting": value(6.0, "µm")}}  # fmt: skip
        return [
            {**about, "processed data aggregate document": {"processed data document": [counted]},
             "device control aggregate document": {"device control document": [{"flow rate": value(1.0, "mL/min")}]}},
            {**about, "analyte aggregate document": {"analyte document": analytes}, "pH": value(7.1, "pH"),
             "pO2": value(191.6, "mmHg"), "fluorescence": value(3.0, "RFU"),
             "error aggregate document": {"error document": errors}},
        ]  # fmt: skip

    documents = [
        {"measurement aggregate document": {"measurement document": measurements(*one)}, "analyst": "X"}
        for one in (("BR07_D0", "2023-03-02T08:31:38+00:00", value(0.5, "10^6 cells/mL"), 6.0, ""),
                    ("BR07_D2", "2023-03-04T08:31:38+00:00", value(2.0e6, "cells/mL"), -0.0, "< 0.020"))
    ]  # fmt: skip
    return {"$asm.manifest": "http://purl.allotrope.org/manifests/x", "solution analyzer aggregate document": {
        "solution analyzer document": documents, "device system document": {"model number": "Flex9"}}}  # fmt: skip


def workbook(rows, title="Run data summary", faulty_style=False):
    """Return an XLSX of rows, with a fill that openpyxl does not read if asked for."""
    book, made = openpyxl.Workbook(), io.BytesIO()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(made)
    if not faulty_style:
        return made.getvalue()
    spoilt = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(spoilt, "w") as new:
        for part in old.infolist():
            data = old.read(part)
            if part.filename == "xl/styles.xml":
                assert b"<fill>" in data
                data = data.replace(b"<fills", b"<fills", 1).replace(b"<fill>", b"<fill/><fill>", 1)
            new.writestr(part.filename, data)
    return spoilt.getvalue()


TEXTS = {
    "blu.csv": BLU, "xr.txt": XR_TEXT, "hires.csv": HIRES, "nucleoview.csv": NUCLEOVIEW,
    "nucleocounter.csv": NUCLEOCOUNTER, "nc-view.csv": NC_VIEW, "flex2.csv": FLEX2, "cedex6.txt": CEDEX6,
    "cedex5.txt": CEDEX5, "asm.json": json.dumps(asm(), indent=1),
}  # fmt: skip
"""Texts by name."""
INSTRUMENTS = {
    "blu.csv": "Vi-CELL BLU", "xr.txt": "Vi-CELL XR", "hires.csv": "Cedex HiRes", "nucleoview.csv": "NucleoView",
    "nucleocounter.csv": "NucleoView", "nc-view.csv": "NC-View", "flex2.csv": "Nova BioProfile FLEX2",
    "cedex6.txt": "Cedex Bio HT", "cedex5.txt": "Cedex Bio HT", "asm.json": "Allotrope ASM of Flex9",
}  # fmt: skip
