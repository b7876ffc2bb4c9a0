"""Fixtures shared by all tests. Compiling dominates, so a model is built once and simulated with few settings."""

import jax
import numpy as np
import pytest

import graycell

jax.config.update("jax_numpy_rank_promotion", "raise")


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
