"""Planted faults of a sound run are each found by name; sound runs have none."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from planted import PLANTED, SETS, SOUND, last, scattered, with_series

from graycell.balances import RUN_CHECKS, check_path, implausible
from graycell.balances.run_checks import product_is_not_taken_up
from graycell.errors import Finding
from graycell.runs.solutes import FORMULAS, MOLAR_MASS, atoms_of


def sentences(runs):
    return "\n".join(map(str, implausible(runs)))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_of_a_run_is_found(name):
    run, words = PLANTED[name]
    assert words in sentences([run])


@pytest.mark.parametrize("name", SETS)
def test_a_planted_fault_among_runs_is_found(name):
    runs, words = SETS[name]
    assert words in sentences(runs)


def test_a_start_that_is_a_detection_limit_is_reported_and_one_that_is_given_is_not():
    titer = SOUND.measurements["ANTI"]
    begin = float(titer.value[0]) or 1e-5
    below = np.arange(len(titer.time)) == 0
    series = replace(
        titer, value=np.where(below, begin, titer.value), time=np.where(below, 0.0, titer.time), below=below
    )
    known = replace(SOUND, measurements={**SOUND.measurements, "ANTI": series})
    words = "ANTI at 0 d: found less than"
    assert words in sentences([replace(known, initial={**SOUND.initial, "ANTI": begin})])
    assert words not in sentences([replace(known, initial={**SOUND.initial, "ANTI": 0.0})])


def test_findings_of_what_was_weighed_are_in_the_unit_of_the_laboratory():
    titer = SOUND.measurements["ANTI"]
    begin = float(titer.value[0]) or 1e-5
    below = np.arange(len(titer.time)) == 0
    series = replace(titer, time=np.where(below, 0.0, titer.time), value=np.where(below, begin, titer.value))
    limit = replace(SOUND, measurements={"ANTI": replace(series, below=below)}, initial={"ANTI": begin})
    other = replace(SOUND, measurements={"ANTI": series}, initial={"ANTI": begin + 10.0 * series.standard_error[0]})
    gone = np.where(np.arange(len(titer.time)) == len(titer.time) - 2, 10.0 * titer.value.max(), titer.value)
    lost = replace(SOUND, measurements={"ANTI": replace(titer, value=gone)})
    for run, words in ((limit, f"found less than {begin:.4g} "), (other, " at the start"), (lost, " of product gone")):
        weighed = sentences([replace(run, molar_masses={"ANTI": 1000.0})])
        assert words in weighed
        assert "mmol" not in weighed
        assert words in sentences([run])
        assert "mmol" in sentences([run])
    weighed = sentences([replace(limit, molar_masses={"ANTI": 150e3})])
    assert f"found less than {150.0 * begin:.4g} g/L" in weighed


def test_a_sound_run_and_its_parallels_have_nothing_odd_but_to_be_parallels():
    assert implausible([SOUND]) == []
    (finding,) = implausible([scattered(number) for number in range(4)])
    assert finding.severity == "warning"
    assert "'parallel-0' and 'parallel-1' and 2 more: found the same times and volumes" in str(finding)


def test_an_own_check_is_applied_beside_the_others():
    def titer_was_measured(run):
        if "TITER" not in run.measurements:
            yield Finding(f"run '{run.name}'", "no TITER", "every run has one", "measure it", "warning")

    (finding,) = implausible([SOUND], [*RUN_CHECKS, titer_was_measured])
    assert finding.found == "no TITER"


def test_an_own_check_of_several_runs_may_return_a_list():
    def there_are_three(runs):
        return [] if len(runs) == 3 else [Finding("runs", f"{len(runs)}", "three are needed", "add some", "warning")]

    (finding,) = implausible([SOUND], set_checks=[there_are_three])
    assert finding.found == "1"


def test_a_product_of_another_name_is_checked_by_its_name():
    renamed = replace(
        SOUND, measurements={"IGG": with_series(SOUND, "ANTI", lambda v: last(v, 0.3)).measurements["ANTI"]}
    )
    assert implausible([renamed]) == []
    (finding,) = implausible([renamed], [partial(product_is_not_taken_up, product="IGG")])
    assert "of product gone" in finding.found


def test_own_checks_are_applied_to_files_too(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("time [d],GLC [mmol/L]\n0,30\n1,25\n", encoding="utf-8")

    def nothing_is_fine(run):
        yield Finding(f"run '{run.name}'", "a run", "none is wanted", "remove it", "warning")

    assert "a run" in [finding.found for finding in check_path(path, run_checks=[nothing_is_fine])]
    assert "a run" not in [finding.found for finding in check_path(path)]


def test_a_run_that_cannot_be_used_is_left_to_its_errors():
    assert implausible([replace(SOUND, initial_volume=-1.0)]) == []


@pytest.mark.parametrize(("name", "mass"), [
    ("GLC", 180.16), ("LAC", 90.08), ("NH3", 17.03), ("GLN", 146.14), ("CYSTINE", 240.30), ("TRP", 204.23),
])  # fmt: skip
def test_molar_masses_are_those_that_are_sold(name, mass):
    """Source: the CRC Handbook of Chemistry and Physics, physical constants of organic compounds."""
    assert MOLAR_MASS[name] == pytest.approx(mass, abs=0.02)


def test_the_balance_of_bonds_of_every_formula_is_even():
    """A molecule of closed shells has an even number of hydrogen and nitrogen atoms together."""
    for name in FORMULAS:
        atoms = atoms_of(name)
        assert (atoms["H"] + atoms.get("N", 0)) % 2 == 0, name
