"""Problems of flux projection for the benchmarks: around real trajectories, adversarial ones, and E. coli core."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

import graycell as gc
from graycell.cell.flux import FluxProjection, FluxSolution, SoftWeights, prepare
from graycell.cell.network import MetabolicNetwork

SCATTER = 0.3  # standard deviation of the logarithm of a kinetic rate around its trajectory
DENSE = 61  # points per segment of the trajectory


@dataclass(frozen=True)
class Problems:
    """A batch: kinetic_rates (n, kinetic), shift (n,), variance (n, kinetic), of one prepared layer."""

    layer: FluxProjection
    kinetic_rates: np.ndarray
    shift: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, layer, kinetic_rates, shift, variance=None) -> "Problems":
        if variance is None:
            variance = jax.jit(jax.vmap(layer.weights.variance))(kinetic_rates)
        return cls(layer, np.asarray(kinetic_rates), np.asarray(shift), np.asarray(variance))

    def __len__(self) -> int:
        return len(self.kinetic_rates)

    def some(self, which) -> "Problems":
        return Problems(self.layer, self.kinetic_rates[which], self.shift[which], self.variance[which])

    def first(self, count: int) -> "Problems":
        return self.some(slice(count))

    @property
    def kinetic(self) -> list[int]:
        return [self.layer.network.index(name) for name in self.layer.kinetic]

    @property
    def lower(self) -> list[int]:
        return list(self.layer.lower_index)

    @cached_property
    def maps(self) -> np.ndarray:
        """Maps from the rates of the basis to all fluxes, (n, reactions, basis): the null space of the balances."""
        base = np.array([self.layer.kinetic.index(name) for name in self.layer.basis])
        return np.asarray(jax.jit(jax.vmap(lambda shift: self.layer.flux_map(shift).matrix[:, base]))(self.shift))


def solutions(families: Mapping[str, Problems]) -> dict[str, FluxSolution]:
    """Return what the layer answers, with the variances given, as numpy arrays: one call, one compilation."""
    layer = next(iter(families.values())).layer
    every = (
        np.concatenate([getattr(p, name) for p in families.values()]) for name in ("kinetic_rates", "shift", "variance")
    )
    answer = jax.jit(jax.vmap(lambda w, c, s: layer(w, c, variance=s)))(*every)
    ends = np.cumsum([0, *(len(p) for p in families.values())])
    return {
        name: jax.tree.map(lambda leaf, begin=begin, end=end: np.asarray(leaf[begin:end]), answer)
        for name, begin, end in zip(families, ends[:-1], ends[1:], strict=True)
    }


def trajectory_rates() -> tuple[FluxProjection, np.ndarray, np.ndarray]:
    """Return the layer of the published network, and kinetic rates and shift weights along the bundled run."""
    model = gc.nolan_lee()
    path = gc.simulate(model, gc.bundled_run(), points=DENSE).require_finished()
    shift = path.variables[:, model.variable_names.index("shift")]
    return model.projection, np.asarray(path.kinetic_rates), np.asarray(shift)


def around(layer, kinetic_rates, shift, count: int, random) -> Problems:
    """Return problems around a trajectory: kinetic rates at random times, times exp(0.3 N(0, 1))."""
    at = random.choice(len(kinetic_rates), count)
    return Problems.of(
        layer, kinetic_rates[at] * np.exp(SCATTER * random.standard_normal((count, kinetic_rates.shape[1]))), shift[at]
    )


def families(layer, kinetic_rates, shift, share: int, seed: int) -> dict[str, Problems]:
    """Return the problems of the accuracy test by family, 100 * `share` in all."""
    random = np.random.default_rng(seed)
    kinetic = kinetic_rates.shape[1]

    def shift_of(count):
        return random.choice([0.0, 1.0, 0.5], count)

    def signed(count, low, high):
        return random.choice([-1.0, 1.0], (count, kinetic)) * 10.0 ** random.uniform(low, high, (count, kinetic))

    def variances(count, orders):
        return 10.0 ** random.uniform(-0.5 * orders, 0.5 * orders, (count, kinetic))

    real = around(layer, kinetic_rates, shift, 30 * share, random)
    many = Problems.of(layer, signed(20 * share, -1.0, 1.0), shift_of(20 * share))
    magnitudes = Problems.of(layer, signed(15 * share, -6.0, 5.0), shift_of(15 * share))
    twelve = Problems.of(layer, signed(8 * share, -1.0, 1.0), shift_of(8 * share), variances(8 * share, 12.0))
    eight = Problems.of(layer, signed(7 * share, -1.0, 1.0), shift_of(7 * share), variances(7 * share, 8.0))
    zero = around(layer, kinetic_rates, shift, 10 * share, random)
    small = random.choice([0.0, 1e-6, -1e-6, np.nan], zero.kinetic_rates.shape, p=[0.15, 0.1, 0.05, 0.7])
    zero = Problems.of(layer, np.where(np.isnan(small), zero.kinetic_rates, small), zero.shift)
    return {
        "around trajectories": real,
        "random signs, many bounds active": many,
        "magnitudes 1e-6 to 1e5": magnitudes,
        "weights over 8 orders": eight,
        "weights over 12 orders": twelve,
        "rates through zero": zero,
        "at a kink, within 1e-9": _at_kinks(layer, kinetic_rates, shift, 10 * share, 1e-9, random),
    }


def _at_kinks(layer, kinetic_rates, shift, count: int, within: float, random) -> Problems:
    """Return problems within a relative distance of where the set of active bounds changes.

    Between a problem of a trajectory and one with other signs the set changes; bisection finds where.
    """
    real = around(layer, kinetic_rates, shift, count, random)
    signs = random.choice([-1.0, 1.0], real.kinetic_rates.shape)
    signs[:, 0] = 1.0  # with all signs turned the way between would lead through rates of 0, all of them
    other = real.kinetic_rates * signs
    other[:, 0] = real.kinetic_rates[:, 0]  # not all signs may change, or the way leads through rates that are all 0
    active = jax.jit(jax.vmap(lambda w, c: layer(w, c).active))
    begin, low, high = np.asarray(active(real.kinetic_rates, real.shift)), np.zeros((count, 1)), np.ones((count, 1))
    for _ in range(52):
        middle = 0.5 * (low + high)
        now = np.asarray(active((1.0 - middle) * real.kinetic_rates + middle * other, real.shift))
        same = np.all(now == begin, axis=1)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    there = (1.0 - high) * real.kinetic_rates + high * other
    return Problems.of(layer, there * (1.0 + within * random.standard_normal(there.shape)), real.shift)


@dataclass(frozen=True)
class FullSpace:
    """E. coli core as a programme over all fluxes, as other solvers take it: with a small weight in place of a level.

    minimise sum_K (v - w)^2/variance + weight |D^T (v - reference)|^2 with S v = 0 and the bounds; D: the undetermined
    directions of the layer, (reactions, k).
    """

    layer: FluxProjection
    kinetic_rates: np.ndarray
    variance: np.ndarray

    @property
    def kinetic(self) -> list[int]:
        return [self.layer.network.index(name) for name in self.layer.kinetic]

    @property
    def directions(self) -> np.ndarray:
        return np.asarray(self.layer.directions)

    weight = 1e-6

    def first(self, count: int) -> "FullSpace":
        return FullSpace(self.layer, self.kinetic_rates[:count], self.variance[:count])


def ecoli_core(count: int, seed: int) -> dict[str, FullSpace]:
    """Return E. coli core (Orth, Fleming & Palsson 2010) with 22 and with all of its reactions kinetic.

    Kinetic rates are flux samples times exp(0.3 N(0, 1)). The sampler is achr: cobra's default forks, and a process
    that forks after JAX has started its threads hangs.
    """
    import cobra.io
    import cobra.sampling
    import cobra.util.array

    model = cobra.io.load_model("textbook")
    stoichiometry = cobra.util.array.create_stoichiometric_matrix(model)
    names = [reaction.id for reaction in model.reactions]
    network = MetabolicNetwork.from_table(
        [species.id for species in model.metabolites],
        names,
        stoichiometry,
        [reaction.lower_bound for reaction in model.reactions],
        [reaction.upper_bound for reaction in model.reactions],
        no_bound=1000.0,
    )
    sampled = cobra.sampling.sample(model, count // 4, seed=seed, method="achr", thinning=20).to_numpy()
    random = np.random.default_rng(seed)
    rates = np.tile(sampled, (4, 1)) * np.exp(SCATTER * random.standard_normal((4 * len(sampled), len(names))))
    exchanges = [name for name in names if name.startswith("EX_")]
    found = {}
    for title, kinetic in ((f"{len(exchanges) + 2} kinetic", [*exchanges, "ATPM", "Biomass_Ecoli_core"]),
                           (f"all {len(names)} kinetic", names)):  # fmt: skip
        layer = prepare(network, kinetic, SoftWeights())
        kinetic_rates = rates[:, [names.index(name) for name in kinetic]]
        found[title] = FullSpace(
            layer, kinetic_rates, np.asarray(jax.vmap(layer.weights.variance)(jnp.asarray(kinetic_rates)))
        )
    return found
