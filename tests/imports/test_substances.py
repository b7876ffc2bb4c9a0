"""Hydrates and salts count by their own molar mass, and where a name leaves the form open, that is asked for.

The molar masses are computed here from the formulas of the solids, with the abridged standard atomic weights that IUPAC
gives for 2021 (Prohaska et al., Pure Appl. Chem. 94, 573, 2022); no table of the library is used.
"""

import re
import shutil
from pathlib import Path

import pytest
from small_files import DAY, book

from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.imports.vocabulary import quantity_of, substance_in

CASE = Path(__file__).parent / "files" / "hydrates-and-salts"
WEIGHTS = {"H": 1.0080, "C": 12.011, "N": 14.007, "O": 15.999, "Na": 22.990, "Mg": 24.305, "S": 32.06, "Cl": 35.45,
           "K": 39.098, "Ca": 40.078}  # fmt: skip
WEIGHED = [  # quantity, the solid that holds one mol of it, names
    ("GLC", "C6H12O6 H2O", "D-Glucose monohydrate|Glucose H2O|glucose·H2O|D-(+)-Glucose Monohydrate|Glukose-Monohydrat|"
                    "Dextrose monohydrate|Glucose (monohydrate)|GLUCOSE * H2O|D-glucose x 1 H2O|Glc.H2O|Glucose H20"),
    ("GLC", "C6H12O6", "Glucose|D-Glucose|D(+)-Glucose, anhydrous|alpha-D-Glucose|Dextrose (anhydrous)|Glc"),
    ("GLC", "C6H12O6 0.5H2O", "glucose hemihydrate|Glucose 1/2 H2O|Glucose · ½ H₂O|Glucose 0,5 H2O"),
    ("ASN", "C4H8N2O3 H2O", "L-Asparagine H2O|L-Asparagine·H₂O|Asparagine-H2O|L-ASPARAGINE MONOHYDRATE|Asn \u00d7 H2O|"
                    "L-Asn*H2O"),
    ("LYS", "C6H14N2O2 HCl", "L-Lysine HCl|Lysine hydrochloride|L-Lysine monohydrochloride|L-Lysin-Hydrochlorid|LysHCl|"
                    "L-Lysine-HCl|lysine (HCl)|L-Lysine 1HCl"),
    ("LYS", "C6H14N2O2 2HCl", "L-Lysine dihydrochloride|L-Lysine 2HCl|Lysine 2 HCl"),
    ("LYS", "C6H14N2O2 C2H4O2", "L-Lysine acetate"),
    ("ARG", "C6H14N4O2 HCl", "L-Arginine HCl|Arginine monohydrochloride|L-Arginin Hydrochlorid"),
    ("HIS", "C6H9N3O2 HCl H2O", "L-Histidine HCl H2O|L-Histidine·HCl·H2O|L-histidine hydrochloride monohydrate|"
                    "Histidine monohydrochloride monohydrate|L-His HCl-H2O|L-Histidine HCl·1H2O"),
    ("CYS", "C3H7NO2S HCl H2O", "L-Cysteine HCl H2O|L-Cysteine hydrochloride monohydrate|Cys·HCl·H2O"),
    ("CYS", "C3H7NO2S HCl", "L-Cysteine HCl|L-Cysteine hydrochloride, anhydrous"),
    ("CYSTINE", "C6H12N2O4S2 2HCl", "L-Cystine 2HCl|L-Cystine dihydrochloride|Cystine · 2 HCl"),
    ("TYR", "C9H9NO3Na2", "L-Tyrosine disodium salt|L-Tyrosine 2Na|Disodium L-tyrosinate|Tyr-Na2|Dinatrium-L-Tyrosin"),
    ("TYR", "C9H9NO3Na2 2H2O", "L-Tyrosine disodium salt dihydrate|L-Tyrosine 2Na 2H2O|L-Tyrosine·2Na·2H2O"),
    ("LAC", "C3H5O3Na", "Sodium L-lactate|Na-lactate|Natrium-L-laktat|lactic acid sodium salt|Sodium lactate"),
    ("LAC", "0.5CaC6H10O6 2.5H2O", "Calcium lactate pentahydrate|L-Lactic acid calcium salt 5H2O"),
    ("GLU", "C5H8NO4Na", "Sodium L-glutamate|Monosodium glutamate|L-Glutamic acid monosodium salt|Glu-Na"),
    ("GLU", "C5H8NO4Na H2O", "L-Glutamic acid monosodium salt monohydrate|Sodium glutamate H2O"),
    ("ASP", "C4H6NO4K", "Potassium L-aspartate|L-Aspartic acid potassium salt"),
    ("ASP", "0.5MgC8H12N2O8", "L-Aspartic acid hemimagnesium salt"),
    ("NH3", "NH4Cl", "Ammonium chloride|NH4Cl|NH4 chloride"), ("NH3", "0.5N2H8SO4", "Ammonium sulfate|(NH4)2SO4"),
    ("NH3", "NH4", "Ammonium|NH4+"), ("NH3", "NH3", "Ammonia|NH3"),
]  # fmt: skip
OPEN = ("L-Cysteine HCl x H2O", "L-Asparagine xH2O", "L-Asparagine nH2O", "Glucose hydrate", "L-Lysine sulfate",
        "Magnesium L-aspartate", "L-Tyrosine sodium salt", "L-Cysteine hydrochloride hydrate", "L-Histidine x HCl",
        "Trisodium glutamate", "Lactate disodium")  # fmt: skip
OTHERS = ("Glucose 6-phosphate", "N-Acetyl-L-cysteine", "L-Alanyl-L-glutamine", "Ala-Gln", "Diglycine", "beta-Alanine",
          "Sodium chloride", "Choline chloride", "Hydroxyproline", "Glucose feed", "Lactate dehydrogenase", "Gln 2",
          "Sodium bicarbonate", "NH3-N", "Magnesium sulfate heptahydrate")  # fmt: skip


FERMENTED = [  # what a mapping may call it, its formula, a heading
    ("EtOH", "C2H6O", "EtOH"), ("ethanol", "C2H6O", "Ethanol"), ("MeOH", "CH4O", "Methanol"),
    ("Glycerol", "C3H8O3", "Glycerol"), ("acetate", "C2H4O2", "Acetate"), ("ACE", "C2H4O2", "Acetic acid"),
    ("acetate", "C2H3O2Na", "Sodium acetate"), ("acetate", "C2H3O2Na 3H2O", "Sodium acetate trihydrate"),
    ("Sucrose", "C12H22O11", "Sucrose"), ("fructose", "C6H12O6", "D-Fructose"), ("xylose", "C5H10O5", "Xylose"),
    ("lactose", "C12H22O11 H2O", "Lactose monohydrate"), ("citrate", "C6H8O7 H2O", "Citric acid monohydrate"),
    ("citrate", "C6H5O7Na3 2H2O", "Trisodium citrate dihydrate"), ("succinate", "C4H6O4", "Succinic acid"),
    ("succinate", "C4H4O4Na2", "Disodium succinate"), ("pyruvate", "C3H3O3Na", "Sodium pyruvate"),
    ("formate", "CH2O2", "Formic acid"), ("malate", "C4H6O5", "Malate"), ("fumarate", "C4H4O4", "Fumarate"),
    ("propionate", "C3H6O2", "Propionic acid"), ("butyrate", "C4H8O2", "Butyrate"), ("urea", "CH4N2O", "Urea"),
    ("butanol", "C4H10O", "n-Butanol"), ("acetone", "C3H6O", "Acetone"), ("isopropanol", "C3H8O", "Isopropanol"),
    ("acetoin", "C4H8O2", "Acetoin"), ("23BDO", "C4H10O2", "2,3-Butanediol"), ("PDO", "C3H8O2", "1,3-Propanediol"),
    ("sorbitol", "C6H14O6", "Sorbitol"), ("xylitol", "C5H12O5", "Xylitol"), ("trehalose", "C12H22O11", "Trehalose"),
    ("maltose", "C12H22O11", "Maltose"), ("galactose", "C6H12O6", "Galactose"), ("ribose", "C5H10O5", "Ribose"),
    ("acetaldehyde", "C2H4O", "Acetaldehyde"), ("itaconate", "C5H6O4", "Itaconic acid"), ("AKG", "C5H6O5", "AKG"),
]  # fmt: skip


def weighed(formula):
    """The mass of a formula such as ``C6H12O6 0.5H2O`` [g/mol], counted here."""
    total = 0.0
    for part in formula.split():
        count, letters = re.fullmatch(r"([\d.]*)(\w+)", part).groups()
        atoms = re.findall(r"([A-Z][a-z]?)(\d*)", letters)
        assert "".join(map("".join, atoms)) == letters
        total += float(count or 1) * sum(WEIGHTS[element] * int(number or 1) for element, number in atoms)
    return total


@pytest.mark.parametrize(("quantity", "formula", "heading"), FERMENTED)
def test_a_substance_of_fermentations_has_the_mass_of_its_formula(csv, quantity, formula, heading):
    written = f'"{heading} (g/L)"'
    [run] = import_runs(csv(f"Day,{written}", "0,5", "1,10"), {"time": DAY, "measured": {quantity: f"{heading} (g/L)"}})
    series = run.measurements[quantity]
    assert (series.unit, series.value) == ("mmol/L", pytest.approx([5e3 / weighed(formula), 10e3 / weighed(formula)]))


def test_a_salt_of_a_fermentation_whose_form_is_open_is_asked_for(csv):
    path = csv("Day,Sodium citrate (g/L)", "0,5", "1,10")
    with pytest.raises(InputError, match="give molar_mass, the g that hold one mol of citrate"):
        import_runs(path, {"time": DAY, "measured": {"citrate": "Sodium citrate (g/L)"}})


@pytest.mark.parametrize(("quantity", "formula", "name"),
                         [(quantity, formula, name) for quantity, formula, names in WEIGHED
                          for name in names.split("|")])  # fmt: skip
def test_a_solid_counts_by_its_molar_mass(quantity, formula, name):
    for heading in (name, f"{name} (g/L)", f"{name} [mg/L]", f"{name}_gL"):
        found = substance_in(heading)
        assert found is not None, heading
        assert (found.quantity, quantity_of(heading)) == (quantity, quantity)
        assert found.molar_mass == pytest.approx(weighed(formula), rel=1e-9), heading


@pytest.mark.parametrize("name", OPEN)
def test_a_form_that_a_name_leaves_open_has_no_molar_mass(name):
    found = substance_in(f"{name} (g/L)")
    assert found is not None
    assert found.molar_mass == 0.0


@pytest.mark.parametrize("name", OTHERS)
def test_another_substance_is_not_taken_for_the_solute_in_its_name(name):
    assert substance_in(f"{name} (g/L)") is None


MEDIA = {"sheet": "Media", "names": "Component"}


def workbook(folder, *rows, heading="Glc (mM)"):
    path = book(folder / "runs.xlsx", {"S": [["Day", heading, "F (mL)"], [0, 30, 0], [1, 25, 20]],
                                       "Media": [["Component", "F"], *rows]})  # fmt: skip
    return path


def mapping(media, heading="Glc (mM)", quantity="GLC"):
    return {"sheet": "S", "time": DAY, "taken": "before", "measured": {quantity: heading}, "start": {"volume": "1 L"},
            "feeds": {"F": {"volume": "F (mL)", "media": media}}}  # fmt: skip


def test_a_sheet_of_media_counts_hydrates_and_salts(tmp_path):
    """By hand, with the molar masses that suppliers print: 83.2 g/L / 198.17 g/mol = 419.8 mmol/L, and so on."""
    path = workbook(tmp_path, ["D-Glucose monohydrate (g/L)", 83.2], ["L-Asparagine H2O (g/L)", 6],
                    ["L-Lysine HCl (g/L)", 2], ["L-Arginine HCl (g/L)", 2], ["L-Cystine 2HCl (mg/L)", 500],
                    ["L-Serine (g/L)", 3], ["Calcium lactate (mM)", 10], ["Ammonium sulfate (mM)", 1])  # fmt: skip
    [run] = import_runs(path, mapping(MEDIA))
    found = {name: round(value, 2) for name, value in run.media["F"].items()}
    assert found == {"GLC": 419.84, "ASN": 39.96, "LYS": 10.95, "ARG": 9.49, "CYSTINE": 1.60, "SER": 28.55,
                     "LAC": 20.0, "NH3": 2.0}  # fmt: skip


def test_a_form_that_is_left_open_is_asked_for_and_the_advice_works(tmp_path):
    path = workbook(tmp_path, ["L-Cysteine HCl x H2O (g/L)", 1], ["Calcium hydrogen phosphate (g/L)", 1])
    with pytest.raises(InputError, match=r"CYS: found 'L-Cysteine HCl x H2O \(g/L\)'; the water and the counter-ions"):
        import_runs(path, mapping(MEDIA))
    found = imported(path, mapping(MEDIA | {"molar_mass": {"L-Cysteine HCl x H2O": 175.63}}))
    assert found.runs[0].media["F"] == {"CYS": pytest.approx(1000.0 / 175.63)}
    assert "Calcium hydrogen phosphate (g/L) of the media" in found.not_read


@pytest.mark.parametrize(("media", "expected"), [
    ({"L-Asparagine H2O": "6 g/L"}, {"ASN": 6000.0 / 150.13}), ({"Glucose monohydrate": "400 g/L"}, {"GLC": 2018.5}),
    ({"GLC": {"value": "83.2 g/L", "molar_mass": 198.17}}, {"GLC": 419.84}), ({"ASN": "6 g/L"}, {"ASN": 45.41}),
    ({"Sodium glutamate": "10 mM", "Lysine HCl": "2 g/L"}, {"GLU": 10.0, "LYS": 10.95}),
    ({"LYS": {"value": "2 g/L", "molar_mass": 182.65}, "CYS": {"value": "5 mM"}}, {"LYS": 10.95, "CYS": 5.0}),
])  # fmt: skip
def test_a_composition_in_the_mapping_names_forms_too(csv, media, expected):
    path = csv("Day,Glc (mM),F (mL)", "0,30,", "1,25,20")
    [run] = import_runs(path, {word: of for word, of in mapping(media).items() if word != "sheet"})
    assert run.media["F"] == {name: pytest.approx(value, rel=3e-4) for name, value in expected.items()}


def test_a_composition_in_the_mapping_asks_for_a_form_and_never_gives_it_up(csv):
    path = csv("Day,Glc (mM),F (mL)", "0,30,", "1,25,20")
    for media, words in (({"Glucose hydrate": "6 g/L"}, 'write GLC = { value = "6 g/L", molar_mass = '),
                         ({"Glucose": "6 g/L"}, "it is called GLC; write GLC"),
                         ({"GLC": "1 mM", "Dextrose monohydrate": "1 mM"}, "found GLC twice")):  # fmt: skip
        with pytest.raises(InputError) as caught:
            import_runs(path, {word: of for word, of in mapping(media).items() if word != "sheet"})
        assert words in str(caught.value)


@pytest.mark.parametrize(("heading", "quantity", "value"), [
    ("D-Glucose monohydrate (g/L)", "GLC", 10000.0 / 198.17), ("L-Asparagine H2O (g/L)", "ASN", 10000.0 / 150.13),
    ("Sodium lactate (g/L)", "LAC", 10000.0 / 112.06), ("L-Lysine HCl (mM)", "LYS", 10.0),
    ("Calcium lactate (mM)", "LAC", 20.0), ("Glucose, anhydrous (g/L)", "GLC", 10000.0 / 180.156),
    ("NH4Cl (mg/L)", "NH3", 10.0 / 53.49),
])  # fmt: skip
def test_a_measured_column_and_its_draft_know_the_form(csv, heading, quantity, value):
    quoted = f'"{heading}"' if "," in heading else heading
    path = csv(f"Day,Viable cells (1e6/mL),{quoted}", "0,1,10", "1,2,10")
    [run] = import_runs(path, {"time": DAY, "measured": {quantity: heading}})
    assert run.measurements[quantity].value[0] == pytest.approx(value, rel=2e-4)
    draft = path.with_suffix(".toml")
    draft.write_text(propose(path))
    [run] = import_runs(path, draft)
    assert run.measurements[quantity].value[0] == pytest.approx(value, rel=2e-4)


def test_a_measured_form_that_is_left_open_is_asked_for_in_file_and_draft(csv):
    path = csv("Day,Viable cells (1e6/mL),Glucose hydrate (g/L)", "0,1,10", "1,2,10")
    words = {"time": DAY, "measured": {"GLC": "Glucose hydrate (g/L)"}}
    with pytest.raises(InputError, match="give molar_mass, the g that hold one mol of GLC"):
        import_runs(path, words)
    [run] = import_runs(path, words | {"measured": {"GLC": {"column": "Glucose hydrate (g/L)", "molar_mass": 198.17}}})
    assert run.measurements["GLC"].value[0] == pytest.approx(10000.0 / 198.17)
    assert 'GLC = { column = "Glucose hydrate (g/L)", molar_mass = "?" }' in propose(path)
    # what a column holds is no molar mass of the composition of a feed
    path = csv("Day,Glucose hydrate (g/L),F (mL)", "0,10,", "1,10,20")
    fed = mapping({"GLC": "400 g/L"}) | words | {"measured": {
        "GLC": {"column": "Glucose hydrate (g/L)", "molar_mass": 198.17}}}  # fmt: skip
    [run] = import_runs(path, {word: of for word, of in fed.items() if word != "sheet"})
    assert run.media["F"]["GLC"] == pytest.approx(400e3 / 180.16, rel=1e-4)


def test_the_case_that_counted_hydrates_as_pure(tmp_path):
    shutil.copytree(CASE, tmp_path / "case")
    [run] = import_runs(tmp_path / "case" / "runs.xlsx", tmp_path / "case" / "runs.toml")
    expected = {"GLC": 419.8, "ASN": 39.97, "LYS": 10.95, "ARG": 9.49, "HIS": 5.22, "CYS": 6.35, "SER": 28.55}
    assert run.media["Feed 1"] == {name: pytest.approx(value, rel=1e-3) for name, value in expected.items()}
