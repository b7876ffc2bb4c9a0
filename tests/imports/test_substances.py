"""Hydrates and salts count by their own molar mass, and where a name leaves the form open, that is asked for.

The molar masses are those that PubChem lists for the solids (CRC Handbook, 97th ed., agrees), not sums of ours.
"""

import shutil
from pathlib import Path

import pytest
from small_files import DAY, book

from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.imports.vocabulary import quantity_of, substance_in

CASE = Path(__file__).parent / "files" / "hydrates-and-salts"
WEIGHED = [  # names, quantity, g of the solid that hold one mol of the quantity
    ("GLC", 198.17, "D-Glucose monohydrate|Glucose H2O|glucose·H2O|D-(+)-Glucose Monohydrate|Glukose-Monohydrat|"
                    "Dextrose monohydrate|Glucose (monohydrate)|GLUCOSE * H2O|D-glucose x 1 H2O|Glc.H2O|Glucose H20"),
    ("GLC", 180.16, "Glucose|D-Glucose|D(+)-Glucose, anhydrous|alpha-D-Glucose|Dextrose (anhydrous)|Glc"),
    ("GLC", 189.16, "glucose hemihydrate|Glucose 1/2 H2O|Glucose · ½ H₂O|Glucose 0,5 H2O"),
    ("ASN", 150.13, "L-Asparagine H2O|L-Asparagine·H₂O|Asparagine-H2O|L-ASPARAGINE MONOHYDRATE|Asn \u00d7 H2O|"
                    "L-Asn*H2O"),
    ("LYS", 182.65, "L-Lysine HCl|Lysine hydrochloride|L-Lysine monohydrochloride|L-Lysin-Hydrochlorid|LysHCl|"
                    "L-Lysine-HCl|lysine (HCl)|L-Lysine 1HCl"),
    ("LYS", 219.11, "L-Lysine dihydrochloride|L-Lysine 2HCl|Lysine 2 HCl"), ("LYS", 206.24, "L-Lysine acetate"),
    ("ARG", 210.66, "L-Arginine HCl|Arginine monohydrochloride|L-Arginin Hydrochlorid"),
    ("HIS", 209.63, "L-Histidine HCl H2O|L-Histidine·HCl·H2O|L-histidine hydrochloride monohydrate|"
                    "Histidine monohydrochloride monohydrate|L-His HCl-H2O|L-Histidine HCl·1H2O"),
    ("CYS", 175.63, "L-Cysteine HCl H2O|L-Cysteine hydrochloride monohydrate|Cys·HCl·H2O"),
    ("CYS", 157.61, "L-Cysteine HCl|L-Cysteine hydrochloride, anhydrous"),
    ("CYSTINE", 313.2, "L-Cystine 2HCl|L-Cystine dihydrochloride|Cystine · 2 HCl"),
    ("TYR", 225.15, "L-Tyrosine disodium salt|L-Tyrosine 2Na|Disodium L-tyrosinate|Tyr-Na2|Dinatrium-L-Tyrosin"),
    ("TYR", 261.18, "L-Tyrosine disodium salt dihydrate|L-Tyrosine 2Na 2H2O|L-Tyrosine·2Na·2H2O"),
    ("LAC", 112.06, "Sodium L-lactate|Na-lactate|Natrium-L-laktat|lactic acid sodium salt|Sodium lactate"),
    ("LAC", 154.15, "Calcium lactate pentahydrate|L-Lactic acid calcium salt 5H2O"),  # 308.30 of two
    ("GLU", 169.11, "Sodium L-glutamate|Monosodium glutamate|L-Glutamic acid monosodium salt|Glu-Na"),
    ("GLU", 187.13, "L-Glutamic acid monosodium salt monohydrate|Sodium glutamate H2O"),
    ("ASP", 171.19, "Potassium L-aspartate|L-Aspartic acid potassium salt"),
    ("ASP", 144.25, "L-Aspartic acid hemimagnesium salt"),  # 288.49 of two
    ("NH3", 53.49, "Ammonium chloride|NH4Cl|NH4 chloride"), ("NH3", 66.07, "Ammonium sulfate|(NH4)2SO4"),
    ("NH3", 18.04, "Ammonium|NH4+"), ("NH3", 17.03, "Ammonia|NH3"),
]  # fmt: skip
OPEN = ("L-Cysteine HCl x H2O", "L-Asparagine xH2O", "L-Asparagine nH2O", "Glucose hydrate", "L-Lysine sulfate",
        "Magnesium L-aspartate", "L-Tyrosine sodium salt", "L-Cysteine hydrochloride hydrate", "L-Histidine x HCl",
        "Trisodium glutamate", "Lactate disodium")  # fmt: skip
OTHERS = ("Glucose 6-phosphate", "N-Acetyl-L-cysteine", "L-Alanyl-L-glutamine", "Ala-Gln", "Diglycine", "beta-Alanine",
          "Sodium chloride", "Choline chloride", "Hydroxyproline", "Glucose feed", "Lactate dehydrogenase", "Gln 2",
          "Sodium bicarbonate", "NH3-N", "Magnesium sulfate heptahydrate")  # fmt: skip


@pytest.mark.parametrize(("quantity", "mass", "name"),
                         [(quantity, mass, name) for quantity, mass, names in WEIGHED for name in names.split("|")])
def test_a_solid_counts_by_its_molar_mass(quantity, mass, name):
    for heading in (name, f"{name} (g/L)", f"{name} [mg/L]", f"{name}_gL"):
        found = substance_in(heading)
        assert found is not None, heading
        assert (found.quantity, quantity_of(heading)) == (quantity, quantity)
        assert found.molar_mass == pytest.approx(mass, abs=0.03), heading


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
    """By hand, with the molar masses of PubChem: 83.2 g/L / 198.17 g/mol = 419.8 mmol/L, and so on."""
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
