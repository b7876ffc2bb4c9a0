"""Fixtures shared by all tests. Compiling dominates, so a model is built once and simulated with few settings."""

import gc
import os
import sys
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

_PROCESSES = dict(zip(sys.argv, sys.argv[1:], strict=False)).get("-n", "0")
_HANDS_OUT = _PROCESSES != "0" and "PYTEST_XDIST_WORKER" not in os.environ
"""Whether this process only hands out tests to others: it imports nothing of what is tested."""
_CHECKED = ("cell", "hybrid", "inference", "model", "numerics", "packing", "parameters", "reactor", "simulation",
            "uncertainty")  # fmt: skip
"""Rooms whose types and shapes are checked at every call; the others have few arrays."""
_MOST_MAPPINGS = 30_000
"""Every compiled function takes some memory mappings of its process; Linux allows 65530, and beyond XLA crashes."""

os.environ["GRAYCELL_CACHE"] = "off"  # tests have a folder of their own, see pytest_configure
if not _HANDS_OUT:
    from graycell.compiling import compile_quickly

    compile_quickly(optimise=False)  # most of the tests' time is compiling

    with jaxtyping.install_import_hook([f"graycell.{room}" for room in _CHECKED], "typechecking.checked"):
        import graycell
        for _name in graycell.__all__:  # loaded here, with the checks, and not at the first use
            getattr(graycell, _name)
    import jax

    gc.freeze()  # what is imported stays: no need to look through it whenever a test compiles
    gc.set_threshold(20_000, 10, 10)

    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_configure(config):
    """Keep what was compiled on disk: for the other process of the tests, their commands, and the next time."""
    if getattr(config, "cache", None) is None:  # pytest -p no:cacheprovider
        return
    for name, value in (
        ("jax_compilation_cache_dir", str(config.cache.mkdir("compiled"))),
        ("jax_persistent_cache_min_compile_time_secs", 0.1),  # [s]; what compiles sooner is not kept
    ):
        os.environ[name.upper()] = str(value)
        if not _HANDS_OUT:
            jax.config.update(name, value)


_ROOT = Path(__file__).parent.parent
_COMPILING = (
    "tests/simulation", "tests/hybrid", "tests/inference", "tests/uncertainty", "tests/diagnosis", "tests/properties",
    "tests/reference", "tests/decisions", "tests/campaigns", "tests/following", "tests/prediction",
    "tests/reporting", "tests/models", "tests/studies", "tests/comparison/test_comparison.py",
    "tests/comparison/test_consistency.py", "tests/test_model.py", "tests/test_insilico.py", "tests/test_cli.py",
    "tests/test_study.py", "tests/test_readme.py", "tests/test_open_data.py", "tests/test_testing.py",
    "tests/numerics/test_programme.py", "src/graycell/numerics/programme", "tests/cell/test_flux_derivatives.py",
    "tests/cell/test_flux_answers.py", "tests/imports/test_hostile.py", "tests/test_docs_site.py",
    "tests/app/test_work.py", "tests/app/test_pages.py", "tests/test_doctor.py",
    "src/graycell/insilico.py", "src/graycell/hybrid", "src/graycell/inference", "src/graycell/comparison/baselines.py",
)  # fmt: skip
"""Where differential equations, fits or much else are compiled: `make test-fast` leaves them out."""


_LONG = (
    "tests/app/test_work.py::test_a_fit_is_stopped", "tests/campaigns/test_campaign.py::test_constraints_are_kept",
    "tests/campaigns/test_campaign.py::test_steps_are_kept", "tests/campaigns/test_campaign.py::test_what_a_batch",
    "tests/campaigns/test_campaigns_page.py", "tests/cell/test_flux_derivatives.py::test_derivatives_inside_a_solver",
    "tests/cell/test_flux_derivatives.py::test_derivatives_of_a_thousand",
    "tests/cell/test_flux_derivatives.py::test_derivatives_where_bounds",
    "tests/cell/test_flux_levels.py::test_second_derivatives",
    "tests/cell/test_flux_levels.py::test_small_networks_are_solved", "tests/comparison/test_choosing.py",
    "tests/comparison/test_comparison.py::test_the_code_of_candidates", "tests/decisions/test_decide_page.py",
    "tests/decisions/test_design.py::test_a_later_harvest",
    "tests/decisions/test_optimise.py::test_the_feed_of_the_first_day", "tests/diagnosis/equations/test_diagnose.py",
    "tests/diagnosis/test_gradients.py::test_the_derivatives_of_a", "tests/diagnosis/test_laws.py",
    "tests/exchange/test_writing.py::test_a_culture_that", "tests/following/test_filtering.py::test_a_filter_follows",
    "tests/following/test_filtering.py::test_boluses", "tests/hybrid/test_model_files.py",
    "tests/imports/test_hostile.py::test_broken_files", "tests/inference/test_between.py",
    "tests/inference/test_fit_engines.py::test_a_dask", "tests/inference/test_fit_engines.py::test_processes",
    "tests/inference/test_groups.py::test_bands_of_new_runs",
    "tests/inference/test_initial_states.py::test_in_integral_matching",
    "tests/inference/test_learning_fits.py::test_known_constant",
    "tests/inference/test_refound.py::test_initial_concentrations_are_sampled",
    "tests/models/test_library.py::test_derivatives_by_every_parameter",
    "tests/prediction/test_forecaster.py::test_a_model_takes_part",
    "tests/prediction/test_forecaster.py::test_the_starving_plan", "tests/prediction/test_predict_page.py",
    "tests/reference/test_cell_states.py::test_the_fluxes_are_those_that_were_proved_optimal[extended",
    "tests/reporting/test_figure_files.py::test_files_have",
    "tests/reporting/test_figure_files.py::test_the_browser_loads",
    "tests/simulation/test_depletion.py::test_derivatives_through",
    "tests/simulation/test_depletion.py::test_runs_that_use_substrates_up_go_to_their_end_with_mass_and_nothing_below_zero[nolan-lee-extended-limited]",
    "tests/simulation/test_rules.py::test_rules_are_diff", "tests/simulation/test_rules.py::test_the_volumes_that",
    "tests/simulation/test_rules_of_runs.py::test_a_fit_learns", "tests/studies/test_learning.py::test_every_figure",
    "tests/test_docs_site.py", "tests/test_groups_of_runs.py", "tests/test_insilico.py::test_generate_writes",
    "tests/test_model_files_page.py", "tests/test_readme.py::test_every_example_of_a_page_runs",
    "tests/test_readme.py::test_the_examples_of_cores", "tests/test_readme.py::test_the_fit_of_the_first_steps",
    "tests/test_stopping.py::test_a_fit_that_is_stopped_while_xla",
    "tests/test_stopping.py::test_a_fit_that_was_stopped_goes_on_where_it_was", "tests/uncertainty/test_ensemble.py",
    "tests/uncertainty/test_groups.py", "tests/uncertainty/test_posterior.py",
    "tests/uncertainty/test_uncertainty_page.py",
)  # fmt: skip
"""What takes seconds to minutes and repeats in the large, or for more models, what other tests look at in the small:
whole pages, processes, long fits, rooms that stand on others. `make test-long` runs them, and `make test-studies` with
what is longer still."""
_SHORT = (
    "tests/decisions/test_decide_page.py::test_the_tables_of_the_page",
    "tests/prediction/test_predict_page.py::test_the_table_of_the_page",
    "tests/prediction/test_predict_page.py::test_a_fit_predicts_a_plan",
    "tests/uncertainty/test_uncertainty_page.py::test_the_table_of_the_page",
    "tests/uncertainty/test_posterior.py::test_a_posterior_that_is_known",
    "tests/uncertainty/test_groups.py::test_the_gradient",
)  # fmt: skip
"""Those among them that stay in `make test`: they take no time, or are the only ones of their kind."""


def _is_long(nodeid):
    return nodeid.startswith(_LONG) and not nodeid.startswith(_SHORT)


def _compiles(path):
    return path.is_relative_to(_ROOT) and path.relative_to(_ROOT).as_posix().startswith(_COMPILING)


def pytest_ignore_collect(collection_path, config):
    """Import nothing of what `make test-fast` leaves out."""
    return True if "not ode" in config.option.markexpr and _compiles(collection_path) else None


def pytest_collection_modifyitems(items):
    """Mark what compiles, so that a lane without it ends in a minute; it runs first, so that processes end together."""
    for item in items:
        if _compiles(item.path):
            item.add_marker(pytest.mark.ode)
        if _is_long(item.nodeid):
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("ode") is None)  # stable


@pytest.fixture(scope="module", autouse=True)
def few_mappings():
    """Drop what was compiled, after a module of tests that leaves too many mappings."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_text().splitlines()) > _MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture
def unchecked():
    """Disable the checks of types, to see the errors that a user sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def run():
    """The bundled run: cell line A of Nolan & Lee (2011)."""
    return graycell.bundled_run()


@pytest.fixture(scope="session")
def published():
    """The published network with the dynamic closure and the published parameters."""
    return graycell.nolan_lee()


@pytest.fixture(scope="session")
def extended():
    """The network with ATP maintenance."""
    return graycell.nolan_lee(extended=True)


@pytest.fixture
def random():
    return np.random.default_rng(20260101)


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes lines into a CSV file."""

    def write(*lines, encoding="utf-8", name="file.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write
