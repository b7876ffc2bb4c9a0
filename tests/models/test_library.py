"""The models of the library: their files, trajectories that are known, and derivatives by every parameter."""

import functools
from dataclasses import replace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from library_cases import CASES

from graycell.cell.conditions import Conditions
from graycell.modelfiles import build, model_file_text, parse_model_file
from graycell.models import library_files, model_file, model_of
from graycell.models.library import model_text
from graycell.models.nolan_lee import parameter_table
from graycell.simulation import SolverSettings, simulate

PUBLISHED = tuple(dict.fromkeys(case.model for case in CASES))
"""The models that circulate in papers and open code, each in a file of a page."""
MOST_LINES = 60
SETTINGS = SolverSettings(rtol=1e-8, atol=1e-9, most_steps=100_000)
SMALLEST = 1e-5
"""Step of a central difference, relative to the parameter: its error is about 1e-10 of the third derivative."""
AUDITED = {"amribt-2013 A": 2.25, "craven-2013 A_alpha1_MBR": np.inf, "de-tremblay-1992 literal": np.inf,
           "kontoravdi-2010": np.inf, "moeller-2020 B": np.inf, "xing-2010 A_xing_gross_growth": np.inf}  # fmt: skip
"""Cases for derivatives, and until when [d]: the overflow of amribt-2013 ends between 54 and 60 h, with a kink."""
BY_NAME = {str(case): case for case in CASES}


@functools.cache
def model_for(case):
    return model_of(case.model, **({"parameters": case.parameters} if case.parameters else {}))


def simulated(case, model=None, settings=SETTINGS):
    return simulate(model or model_for(case), case.run, settings, save_at=case.time)


# ----------------------------------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_fits_a_page_and_says_where_it_is_from_and_what_is_doubtful(name):
    file = model_file(name)
    assert len(model_text(name).splitlines()) <= MOST_LINES
    assert file.about
    assert file.source
    assert len(file.doubts) >= 3
    assert any("ours" in doubt for doubt in file.doubts)  # bounds and priors, which no paper gives
    assert all(row.meaning and (not row.estimated or np.isfinite(row.prior_sd)) for row in file.parameters.values())


@pytest.mark.parametrize("name", library_files())
def test_every_set_of_a_library_model_can_be_fitted(name):
    file = model_file(name)
    assert not any(finding.severity == "error" for finding in file.remarks)
    for chosen in ("", *file.sets):
        build(file, chosen).table.require_estimable()


@pytest.mark.parametrize("name", library_files())
def test_a_library_model_is_written_as_text_and_read_again(name):
    file = model_file(name)
    again = parse_model_file(model_file_text(file), file.path)
    assert replace(again, remarks=()) == replace(file, remarks=())


# ------------------------------------------------------------------------------------------------------ known answers


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_library_model_is_the_model_that_was_computed_apart(case):
    trajectory = simulated(case).require_finished()
    for quantity, known in case.columns.items():
        own = np.asarray(trajectory[quantity])
        if case.model == "craven-2013" and quantity == "TCD":
            own = own + (known[0] - own[0])  # the simulator begins with cells that nothing acts on
        assert np.max(np.abs(own - known)) <= 1e-6 * np.max(np.abs(known)), quantity
    if case.volume is not None:
        assert trajectory.volume == pytest.approx(case.volume, rel=1e-12)


# -------------------------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("name", AUDITED)
def test_derivatives_by_every_parameter_are_those_of_central_differences(name):
    case, until = BY_NAME[name], AUDITED[name]
    row = int(np.searchsorted(case.time, until, side="right")) - 1
    model, tight = model_for(case), replace(SETTINGS, rtol=1e-11, atol=1e-12)
    start = {one: float(value) for one, value in model.parameters.items()}
    size = {one: abs(value) or 0.01 for one, value in start.items()}  # a rate that is 0 by default has 1 % of a unit

    def at(step, settings=tight):
        changed = {one: start[one] + size[one] * step[i] for i, one in enumerate(start)}
        return simulated(case, model.with_parameters(changed), settings).concentrations[row]

    forward = replace(tight, adjoint=diffrax.ForwardMode())
    exact = np.asarray(jax.jacfwd(lambda step: at(step, forward))(jnp.zeros(len(size))))
    steps = SMALLEST * np.eye(len(size))
    differences = np.stack([(np.asarray(at(step)) - np.asarray(at(-step))) / (2 * SMALLEST) for step in steps], axis=1)
    scale = np.maximum(np.abs(np.asarray(at(np.zeros(len(size))))), 1e-3)[:, None]  # [mmol/L and the like]
    largest = np.max(np.abs(differences / scale), axis=0)
    error = np.max(np.abs(exact - differences) / scale, axis=0)
    # a parameter without an effect in this run has rounding in the place of a difference
    worst = int(np.argmax(error / np.maximum(largest, 1e-4)))
    assert error[worst] <= 1e-5 * max(largest[worst], 1e-4), list(start)[worst]
    assert np.sum(largest > 1e-8) >= len(model.table.estimated) - 4


# ------------------------------------------------------------------------------------------------------- Nolan & Lee


def test_the_file_of_nolan_lee_has_the_parameters_of_the_builder():
    file = model_file("nolan-lee")
    for chosen, table in (("", parameter_table()), ("refit", parameter_table("refit"))):
        built = build(file, chosen)
        for row in table:
            own = built.table[row.name]
            factor = row.value / own.value
            assert factor == pytest.approx(1e-3 if own.unit.startswith("nmol") else 1.0, rel=1e-12)
            assert own.prior_sd == row.prior_sd
            assert own.estimated == row.estimated
            if not chosen:
                assert own.bounds == pytest.approx([bound / factor for bound in row.bounds], rel=1e-12)


@pytest.mark.parametrize("chosen", ["published", "refit"])
def test_the_file_of_nolan_lee_is_the_model_of_the_builder(run, chosen):
    file = build(model_file("nolan-lee"), "" if chosen == "published" else chosen)
    builder = model_of("nolan-lee", parameters=chosen)
    one, other = (simulate(model, run).require_finished() for model in (file, builder))
    assert one.model.reactions == other.model.reactions
    for quantity in (*builder.species, *builder.observable_names, "R", "shift"):
        known = np.asarray(other[quantity])
        assert np.max(np.abs(np.asarray(one[quantity]) - known)) <= 1e-9 * np.max(np.abs(known)), quantity
    assert np.max(np.abs(one.fluxes - other.fluxes)) <= 1e-9 * np.max(np.abs(other.fluxes))


def test_the_redox_ratio_of_the_file_is_that_of_the_builder_where_fluxes_vanish():
    file, builder = build(model_file("nolan-lee")), model_of("nolan-lee")
    laws = [dict(zip(model.variable_names, model.variables, strict=True))["R"].target for model in (file, builder)]
    for v1, v34 in ((0.0, 0.0), (1.0, 0.0), (1e-13, 1e-13), (1.0, 1e-3), (-1.0, 2.0), (1.0, 4.0)):
        fluxes = {"v1": jnp.array(v1), "v16": jnp.array(0.0), "v34": jnp.array(v34)}
        at = Conditions({}, fluxes=fluxes, parameters=file.parameters)
        found = []
        for model, law in zip((file, builder), laws, strict=True):
            found.append(float(law(model._with_definitions(at))))
        assert found[0] == found[1]
