"""Files and mappings that `fuzzing` breaks: a CSV, and a workbook of each layout."""

SHEET = """Batch;Time (h);VCD (10^6 cells/mL);Viability (%);Glc_gL;Gln (mM);IgG (mg/L);F1 (mL);Base (mL);Draw (mL)
A;0;0,4;97;7,2;4,0;<LOD;;0;1
A;24;0,9;98;6,1;<0,5;5,1;20;0,5;1
A;48;1,8;97;5,9;1,1;20,5;10;0,9;
B;0;0,5;96;7,2;4,0;;;0;1
B;36;1,7;95;5,0;2,0;11;20;0,7;1
"""
MAPPING = """run = "Batch"
time = "Time (h)"
decimal = ","
taken = "before"
round_off = 1e-9
[measured]
VCD = "VCD (10^6 cells/mL)"
viability = "Viability (%)"
GLC = "Glc_gL"
GLN = "Gln (mM)"
ANTI = { column = "IgG (mg/L)", molar_mass = 150000.0, limit = "0.5 mg/L" }
[start]
volume = "1.5 L"
[sample]
volume = "Draw (mL)"
[feeds.F1]
volume = "F1 (mL)"
media = { GLC = "400 g/L", GLN = "20 mmol/L" }
[feeds.base]
cumulative = "Base (mL)"
media = {}
"""
LAYOUTS = (
    (
        {
            "Data": [
                "Run,Day,Analyte,Value,Unit,Feed (mL)",
                "A,0,Glc,30,mM,",
                "A,0,VCD,0.4,1e6 cells/mL,",
                "A,1,Glc,25,mM,20",
            ]
        },
        """run = "Run"
time = { column = "Day", unit = "d" }
taken = "after"
long = { quantity = "Analyte", value = "Value", unit = "Unit" }
[measured]
GLC = "Glc"
VCD = "VCD"
[start]
volume = "1.5 L"
[feeds.F1]
volume = "Feed (mL)"
media = { GLC = "400 g/L" }
""",
    ),
    (
        {
            "Data": [
                "Day,When,Glc,V (mL),T,Bleed,Glc feed",
                "d,,mM,mL,degC,mL/h,mmol/h",
                "0,pre,30,1500,37,0,0",
                "1,pre,25,1490,37,1,2",
                "1,post,35,1540,34,1,2",
                "2,daily,28,1540,,0,0",
            ]
        },
        """units = 2
time = "Day"
temperature = "T"
bleed = "Bleed"
volume = "V (mL)"
[measured]
GLC = "Glc"
[start]
volume = "1.5 L"
[rows]
column = "When"
before = "pre"
after = "post"
neither = ["daily"]
[feeds.F1]
rise = "V (mL)"
media = {}
[feeds.F2]
rate = "Glc feed"
media = { GLC = "2 mol/L" }
""",
    ),
    (
        {"Glc (mM)": ["Day,A,B,Note", "0,30,40,x", "1,25,31,"], "Lac (mM)": ["Day,A,B", "1,5,6", "0,1,2"]},
        """run = { sheet = "{quantity}", heading = "{run}", without = ["Note"] }
time = { column = "Day", unit = "d" }
[measured]
GLC = "Glc (mM)"
LAC = "Lac (mM)"
""",
    ),
    (
        {
            "Data": [
                "Vessel,Date,Clock,Glc (mM)",
                "A,31.03.2026,12:00,30",
                ",01.04.2026,9:00,25",
                "B,31.03.2026,12:00,28",
            ],
            "Log": ["Reactor,When,At,Feed,V (mL)", "A,01.04.2026,10:00,F1,20", "B,31.03.2026,13:00,F2,5"],
            "Media": ["Media,F1,F2", "Glucose (g/L),400,0", "Gln (mM),,200", "pH,7,7"],
        },
        """sheet = "Data"
run = "Vessel"
fill = ["Vessel"]
empty = ["failed"]
taken = "before"
time = { column = "Date", clock = "Clock", unit = "date", written = "%d.%m.%Y %H:%M" }
log = { sheet = "Log", run = "Reactor", time = "When", clock = "At", feed = "Feed", volume = "V (mL)" }
[measured]
GLC = "Glc (mM)"
[start]
volume = "1.5 L"
GLN = "4 mM"
[feeds."*"]
volume = { under = "Log" }
media = { sheet = "Media", names = "Media" }
""",
    ),
    (
        {"Data": ["Age,Unit,D0,D1,D1,Day 2,3 d", "Glc,mM,30,25,26,,11", "Feed,g,,20,,,10.5", "Draw,mL,1,1,,1,"]},
        """transposed = true
units = 2
replicates = "mean"
taken = "before"
time = { column = "Age", unit = "d" }
[measured]
GLC = "Glc"
[start]
volume = "1 L"
[sample]
volume = "Draw"
[feeds.F1]
volume = { column = "Feed", density = 1.05 }
media = { GLC = "400 g/L" }
""",
    ),
    (
        {
            "Counts": [
                "Sample,Kind,Cells,Via,F (mL),F total (mL),F lot,Pump (mL/h)",
                "A_D0,culture,0.4,98,0,0,,",
                "BLANK,blank,0,,,,,",
                "A_D1,culture,0.9,97,10,10,L1,1",
                "A_D2.5,culture,1.8,95,10,20,L2,2",
                "B_D0,culture,0.5,98,0,0,,",
                "B_D2,culture,1.9,96,5,5,L2,1",
            ],
            "Chemistry": [
                "Exported,,,",
                "Sample,D-Glucose H2O (g/L),SD (mM),Volume (mL)",
                "B_D2,5.5,0.1,1020",
                "A_D0,6.0,0.2,1000",
                "A_D1,<0.1,0.1,1010",
                "A_D2.5,4.4,0.3,1020",
                "B_D0,6.1,0.2,1000",
            ],
            "Media": ["Lot,L1,L2", "D-Glucose monohydrate (g/L),400,410", "L-Asparagine x H2O (g/L),2,2"],
        },
        """sheet = ["Counts", "Chemistry"]
join = "Sample"
ids = { column = "Sample", pattern = "{run}_D{day}" }
leave_out = { Kind = ["blank", "pre*"], "{day}" = "< 0" }
taken = "before"
volume = { column = "Volume (mL)", taken = "after" }
[groups]
first = "A"
second = ["B*"]
[measured]
VCD = { column = "Cells", unit = "1e6 cells/mL" }
viability = { column = "Via", unit = "%" }
GLC = { column = "D-Glucose H2O (g/L)", limit = "0.1 g/L" }
TCD = "VCD / viability"
BIOM = { formula = "k * VCD + offset", k = "2 mmol/1e9 cells", offset = { column = "SD (mM)" } }
[errors]
GLC = { column = "SD (mM)" }
VCD = ["5 %", "0.1 1e6 cells/mL"]
[start]
volume = { first = "1 L", second = "2 L" }
[feeds.F]
volume = "F (mL)"
total = "F total (mL)"
lot = "F lot"
media = { sheet = "Media", names = "Lot", molar_mass = { "L-Asparagine x H2O" = 150.13 } }
[feeds.pump]
rate = { column = "Pump (mL/h)", holds = "before" }
media = [{ GLC = "1 M" }, { from = "36 h", "L-Lysine HCl" = "2 g/L" }, { runs = "second", GLC = "2 M" }]
""",
    ),
    (
        {
            "Data": [
                "R1,,,R2,,",
                "Age (h),Glc,Lac,Age (h),Glc,Lac",
                "0:00,30,1,0:00,40,1.5",
                "24:00,20,2,,,",
                ",,,36 h,33,3",
            ]
        },
        """header = 2
run = { above = "{run}" }
time = "Age (h)"
[measured]
GLC = { column = "Glc", unit = "mM" }
LAC = { column = "Lac", unit = "mM" }
""",
    ),
)
"""Sheets of other layouts, and the mapping of each; both are broken too."""
