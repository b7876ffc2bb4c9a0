"""Random small networks with bounds, and problems of flux projection on them at every size of rates and weights."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import common
import jax
import jax.numpy as jnp
import numpy as np
from exact import project

import graycell as gc
from graycell.cell.flux import FluxProjection, FluxSolution, FluxStatus, PublishedWeights, SoftWeights, prepare
from graycell.cell.network import MetabolicNetwork

FAMILIES = (
    "one size of rates, soft weights",
    "one size of rates, weights over 8 orders",
    "one size of rates, bounds of 1",
    "every rate its size, soft weights",
    "every rate its size, published weights",
)
ORDERS = 6.0
"""Rates are from 10^-6 to 10^6."""
NETWORKS = 50
WRONG = 1e-8


@dataclass(frozen=True)
class SmallProblems:
    """A batch on one network: rates and variance (n, kinetic), lower and upper (n, reactions)."""

    rates: np.ndarray
    variance: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def exact_inputs(self, layer: FluxProjection) -> list[tuple]:
        """Return the arguments of `exact.project` for each problem."""
        network = layer.network
        balances = network.stoichiometry[~network.is_external]
        columns = [network.index(name) for name in layer.kinetic]
        return [
            (balances, low, high, dict(zip(columns, w, strict=True)), dict(zip(columns, s, strict=True)))
            for w, s, low, high in zip(self.rates, self.variance, self.lower, self.upper, strict=True)
        ]


def small_layer(random: np.random.Generator) -> FluxProjection:
    """Return a network of 3 to 7 reactions between 1 to 3 balanced species, some of the reactions kinetic."""
    while True:
        species, reactions = int(random.integers(1, 4)), int(random.integers(3, 8))
        matrix = random.choice([-2.0, -1.0, 0.0, 1.0, 2.0], (species, reactions), p=[0.08, 0.3, 0.24, 0.3, 0.08])
        if np.linalg.matrix_rank(matrix) < species or reactions == species:
            continue
        names = [f"r{j}" for j in range(reactions)]
        network = MetabolicNetwork.from_table(
            [f"S{i}" for i in range(species)],
            names,
            matrix,
            np.where(random.random(reactions) < 0.7, 0.0, -np.inf),
            np.where(random.random(reactions) < 0.5, 1.0, np.inf),
        )
        kinetic = [names[j] for j in random.permutation(reactions)[: random.integers(1, reactions + 1)]]
        try:
            return prepare(network, kinetic)
        except gc.ModelError:  # a reaction in which nothing flows, for one
            continue


def small_problems(layer: FluxProjection, family: str, count: int, random: np.random.Generator) -> SmallProblems:
    """Return problems of a family; every one has an allowed flux, that of 0."""
    network, kinetic = layer.network, len(layer.kinetic)
    size = 10.0 ** random.uniform(-ORDERS, ORDERS, (count, 1))
    rates = random.normal(size=(count, kinetic)) * size
    if family.startswith("every"):
        rates = random.choice([-1.0, 1.0], rates.shape) * 10.0 ** random.uniform(-ORDERS, ORDERS, rates.shape)
        size = np.max(np.abs(rates), axis=1, keepdims=True)
    variance = rates**2 + SoftWeights().softening ** 2
    if family.endswith("8 orders"):
        variance = size**2 * 10.0 ** random.uniform(-4.0, 4.0, rates.shape)
    if family.endswith("published weights"):
        variance = np.array([np.asarray(PublishedWeights().variance(jnp.asarray(w))) for w in rates])
    shape = (count, len(network.names))
    lower = random.choice([0.0, 0.0, -0.5, -0.1], shape) * size
    upper = random.choice([0.2, 1.0, 3.0], shape) * size
    if family.endswith("bounds of 1"):
        lower, upper = np.zeros(shape), np.ones(shape)
    return SmallProblems(
        rates,
        variance,
        np.where(np.isfinite(network.lower), lower, -np.inf),
        np.where(np.isfinite(network.upper), upper, np.inf),
    )


def accuracy(share: int, seed: int, well_posed: float) -> list[dict]:
    """Return the difference from the exact solution of 100 * `share` problems, by family."""
    random, each = np.random.default_rng(seed), -(-100 * share // (NETWORKS * len(FAMILIES)))
    parts: dict[str, list] = {family: [] for family in FAMILIES}
    # the exact solutions are plain Python: they take all cores, in processes of their own
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for _ in range(NETWORKS):
            layer = small_layer(random)
            call = jax.jit(
                jax.vmap(
                    lambda w, s, low, high, layer=layer: layer(w, variance=s, lower=low, upper=high, rest_allowed=True)
                )
            )
            for family, found in parts.items():
                problems = small_problems(layer, family, each, random)
                inputs = zip(*problems.exact_inputs(layer), strict=True)
                exact = pool.map(project, *inputs, chunksize=50)
                answer = call(problems.rates, problems.variance, problems.lower, problems.upper)
                found.append(differences(problems, answer, list(exact), well_posed))
        return [row_of(family, np.concatenate(found, axis=1)) for family, found in parts.items()]


def differences(problems: SmallProblems, answer: FluxSolution, exact: list, well_posed: float) -> np.ndarray:
    """Return for each problem: the difference, whether it is well-posed, whether the status is right, nan or not."""
    expected = np.array([found.fluxes for found in exact])
    status = np.array([FluxStatus.solved if found.unique else FluxStatus.not_unique for found in exact])
    flux, rate = (np.max(np.abs(part), axis=1) for part in (expected, problems.rates))
    stretch = np.max(problems.variance, axis=1) / np.min(problems.variance, axis=1)
    fluxes = np.asarray(answer.fluxes)
    far = np.max(np.abs(fluxes - expected), axis=1) / np.maximum(flux, rate / well_posed)
    return np.array(
        [
            far,
            (stretch <= well_posed) & (rate <= well_posed * flux),
            np.asarray(answer.status) == status,
            np.isnan(far),
        ],
        float,
    )


def row_of(family: str, found: np.ndarray) -> dict:
    far, (posed, right, nan) = found[0], found[1:] > 0.0
    return {
        "family": family,
        "problems": len(far),
        "well_posed": int(np.sum(posed)),
        "wrong_well_posed": int(np.sum(~(far[posed] <= WRONG))),
        "difference_well_posed": _largest(far[posed]),
        "wrong": int(np.sum(~(far <= WRONG))),
        "difference_all": _largest(far),
        "other_status": int(np.sum(~right)),
        "nan": int(np.sum(nan)),
    }


def print_accuracy(rows: list[dict], well_posed: float) -> None:
    columns = ("problems", "number", "well-posed", "wrong there", "largest difference", "wrong of all",
               "largest of all", "other status")  # fmt: skip
    table = [(row["family"], str(row["problems"]), str(row["well_posed"]), str(row["wrong_well_posed"]),
              f"{row['difference_well_posed']:.1e}", str(row["wrong"]), f"{row['difference_all']:.1e}",
              str(row["other_status"])) for row in rows]  # fmt: skip
    total = sum(row["problems"] for row in rows)
    common.print_table(f"2. {total} problems on {NETWORKS} small networks against the exact solution", columns, table)
    common.CONSOLE.print(
        f"Wrong: by more than {WRONG:.0e} of the largest flux, or of {1 / well_posed:.0e} of the largest kinetic rate. "
        f"Well-posed: variances, and kinetic rates over fluxes, within {well_posed:.0e}."
    )


def _largest(values: np.ndarray) -> float:
    return float(np.max(values, initial=0.0))
