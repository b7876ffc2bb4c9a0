"""Gray models: neural networks learn some rate laws of a known model.

`with_neural_rates` replaces, multiplies or corrects rate laws of a model by networks, or adds reactions with a learned
law. The training runs scale the inputs of a network.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from graycell.cell.closures import LoopControl
from graycell.cell.conditions import Recorder
from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork, Reaction, parse_equation
from graycell.cell.neural import MLP, Form, NeuralRate, drawn_weights
from graycell.cell.rates import Product, RateLaw, Sum, Volumetric
from graycell.errors import ModelError, nearest
from graycell.hybrid.scaling import HALF_UPTAKE, scales
from graycell.hybrid.smoothing import SmoothRun, smooth_run
from graycell.model import CultureModel, CultureState, Surroundings
from graycell.parameters import ParameterTable
from graycell.reactor import Flows
from graycell.runs.records import CultureRun

Kind = Literal["white", "gray", "black"]


@dataclass(frozen=True)
class NeuralRateSpec:
    """How the rate law of one reaction is learned.

    Attributes:
        kind: ``black``, the law is a network; ``gray``, the known law times a learned factor; ``white``, the known law.
        inputs: of the network (species, ``feed`` and a species, variables such as ``R`` and ``shift``, inputs); if
            empty, the quantities on which the known law depends.
        form: of the network, see `cell.neural.NeuralRate`; if empty ``fraction`` with a `part`, else ``positive`` for
            a gray law and for an irreversible reaction, else ``any``. A gray law of the form ``any`` is the known law
            plus a learned rate.
        part: a factor of the known law, ``inhibition`` or ``monod``, that a network replaces; the other factors stay.
        hidden: number of nodes of the hidden layer.
        bound: [1] limit of the law, see `NeuralRate`; if 0, 10 for a gray law of the form ``positive``, else 100.
        consumes: a species that a negative rate takes up; such a rate falls to 0 where the species runs out.
        scale: [mmol/(10^9 cells)/d] size of the rate; if 0, the power of ten nearest to the known law along the runs,
            0.1 without one. A factor of the form ``positive`` has the scale 1 [1] in any case.

    Raises:
        ModelError: for unknown words and impossible numbers.
    """

    kind: Kind = "black"
    inputs: Sequence[str] = ()
    form: Form | Literal[""] = ""
    part: str = ""
    hidden: int = 4
    bound: float = 0.0
    consumes: str = ""
    scale: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.inputs, str) or not all(isinstance(name, str) for name in self.inputs):
            raise ModelError(
                f"learned law: found the inputs {self.inputs!r}; a list of names is needed; write ['LAC']."
            )
        object.__setattr__(self, "inputs", tuple(self.inputs))
        for name, value, known in (
            ("kind", self.kind, ("white", "gray", "black")),
            ("form", self.form, ("", "positive", "any", "fraction")),
        ):
            if value not in known:
                raise ModelError(f"learned law: {name} '{value}' is not known; {nearest(str(value), known)}.")
        if not (isinstance(self.hidden, int) and 1 <= self.hidden <= 64):
            raise ModelError(f"learned law: found {self.hidden} hidden nodes; 1 to 64 are possible; 4 serve most laws.")
        if self.bound and not 1.0 < self.bound < math.inf:
            raise ModelError(f"learned law: found the bound {self.bound:g}; it must be above 1; leave it out for ours.")
        if not 0.0 <= self.scale < math.inf:
            raise ModelError(f"learned law: found the scale {self.scale:g}; it must be above 0; leave it out for ours.")


def law_from(described: str | Mapping[str, Any]) -> NeuralRateSpec:
    """Return the specification of a learned law.

    Args:
        described: its kind, or a table of the fields of `NeuralRateSpec`.

    Returns:
        The specification.

    Raises:
        ModelError: for an unknown field, kind or form, and for impossible numbers.
    """
    if isinstance(described, str):
        return NeuralRateSpec(described)  # type: ignore[arg-type]
    known = [field.name for field in fields(NeuralRateSpec)]
    for name in described:
        if name not in known:
            raise ModelError(f"learned law: '{name}' is not known; {nearest(name, known)}.")
    return NeuralRateSpec(**described)


def with_neural_rates(
    model: CultureModel,
    laws: Mapping[str, NeuralRateSpec | str | Mapping[str, Any]],
    runs: Sequence[CultureRun],
    reactions: Mapping[str, str] | None = None,
    seed: int = 0,
) -> CultureModel:
    """Return the model with the rate laws of some reactions learned; a network has the name of its reaction.

    A parameter that no law uses any more is no longer estimated.

    Args:
        model: with known laws.
        laws: by reaction or definition, a `NeuralRateSpec` or what `law_from` takes. A reaction of the network without
            a rate law gets one.
        runs: training runs; they scale the inputs of the networks.
        reactions: new ones, by name, as equations such as ``CYSTINE_ext =>``; each needs a law. They are put into the
            network, or into the liquid of a model without one.
        seed: of the first weights.

    Returns:
        The gray model.

    Raises:
        ModelError: for a name that is not in the model, and for a law whose inputs are neither given nor known.

    >>> from graycell import bundled_run, nolan_lee
    >>> gray = with_neural_rates(nolan_lee(), {"v17": "black"}, [bundled_run()])
    >>> gray.nets["v17"].inputs, gray.weight_count
    (('LAC', 'shift'), 17)
    """
    chosen = {name: law if isinstance(law, NeuralRateSpec) else law_from(law) for name, law in laws.items()}
    network, direct = _with_reactions(model, dict(reactions or {}), chosen)
    smooth = [smooth_run(model, run) for run in runs]
    random = np.random.default_rng(seed)
    known = {**dict(zip(model.definition_names, model.definitions, strict=True)), **model.rates}
    nets, names = dict(model.nets), (*(() if network is None else network.names), *direct)
    for name, law in chosen.items():
        if name not in (*names, *model.definition_names):
            if network is not None:
                network.index(name)  # raises, with the nearest name
            near = nearest(name, (*names, *model.definition_names))
            raise ModelError(f"reaction '{name}' is not in the model; {near}.")
        if law.kind == "white":
            continue
        irreversible = "<=>" not in {**model_equations(model), **(reactions or {})}.get(name, "")
        learned, nets[name] = _learned(model, irreversible, name, law, smooth, random)
        known[name] = _with_learned(known.get(name), law, learned, name)
    defined = {name: known[name] for name in model.definition_names}
    rates = {name: law for name, law in known.items() if name not in defined}
    built = model.rebuilt(network=network, reactions=direct, rates=rates, definitions=defined, nets=nets)
    return built.with_table(_without_unused(built))


def model_equations(model: CultureModel) -> dict[str, str]:
    """Return the equations of all reactions of a model.

    Args:
        model: any model.

    Returns:
        Equations by reaction.
    """
    inside = () if model.network is None else model.network.reactions
    return {one.name: one.equation for one in inside} | dict(zip(model.direct, model.direct_equations, strict=True))


def _with_reactions(model: CultureModel, new: dict[str, str], laws: Mapping[str, NeuralRateSpec]):
    """Return network and reactions of the liquid with new reactions: in the network, if the model has one."""
    for name, equation in new.items():
        if name not in laws:
            raise ModelError(f"reaction '{name}' is new and has no rate law; give it one, such as {name} = 'black'.")
        if model.network is None:
            for species in parse_equation(equation):
                if species not in model.species:
                    raise ModelError(f"reaction '{name}', {equation}: species '{species}' is not in the model; "
                                     f"{nearest(species, model.species)}.")  # fmt: skip
    direct = dict(zip(model.direct, model.direct_equations, strict=True))
    if model.network is None:
        return None, {**direct, **new}
    network = model.network.with_reactions([Reaction(name, equation) for name, equation in new.items()])
    for name, equation in new.items():
        _require_known_species(model.network, network, name, equation)
    return network, direct


def _with_learned(known: RateLaw | None, law: NeuralRateSpec, learned: NeuralRate, name: str) -> RateLaw:
    """Return a law with its learned part in place; a volumetric rate stays volumetric."""
    if isinstance(known, Volumetric):
        return Volumetric(_with_learned(known.law, law, learned, name))
    if known is not None and law.part:
        return _with_part(known, law.part, learned, name)
    if known is not None and law.kind == "gray":
        return Sum((known, learned)) if learned.form == "any" else Product((known, learned))
    return learned


def _require_known_species(known: MetabolicNetwork, network: MetabolicNetwork, name: str, equation: str) -> None:
    """Raise `ModelError` for a species that is not in the medium, or in no other reaction."""
    for species in set(network.species) - set(known.species):
        row = network.rows([species])[0]
        if row[network.index(name)] and (species.endswith(EXTERNAL_SUFFIX) or np.count_nonzero(row) < 2):
            raise ModelError(
                f"reaction '{name}', {equation}: species '{species}' is not in the network; "
                f"{nearest(species, known.species)}."
            )


def _learned(model, irreversible: bool, name: str, law: NeuralRateSpec, smooth, random) -> tuple[NeuralRate, MLP]:
    """Return the learned law of a reaction or definition, and its network."""
    if name not in _lawful(model) and (law.part or law.kind == "gray"):
        what = f"no part '{law.part}' to replace" if law.part else "nothing to correct"
        raise ModelError(
            f"learned law of {name}: it has no known law, so {what}; use '{name} = \"black\"' without part."
        )
    gray = law.kind == "gray"
    inputs = law.inputs or _seen_by(model, name)
    if not inputs:
        raise ModelError(f"learned law of {name}: nothing is known of what it depends on; give inputs = ['GLC', ...].")
    form = law.form or ("fraction" if law.part else "positive" if gray or irreversible else "any")
    size = law.scale or _power_of_ten(model, name, smooth)
    scale = 1.0 if (gray or law.part) and form == "positive" else size
    half_uptake = 1.0
    if law.consumes:
        if law.consumes not in model.species:
            raise ModelError(f"learned law of {name}: it consumes '{law.consumes}', which the model has not; "
                             f"{nearest(law.consumes, model.species)}.")  # fmt: skip
        i = model.species.index(law.consumes)
        half_uptake = HALF_UPTAKE * max((float(jnp.max(run.concentrations[..., i])) for run in smooth), default=1.0)
    net = MLP(tuple(inputs), *scales(model, inputs, smooth), jnp.full(1, scale), jnp.full(1, max(half_uptake, 1e-6)),
              drawn_weights(len(inputs), law.hidden, 1, random))  # fmt: skip
    bound = law.bound or (10.0 if gray and form == "positive" else 100.0)
    return NeuralRate(name, 0, form, bound, law.consumes or None), net


def _with_part(law: RateLaw, part: str, learned: RateLaw, name: str) -> RateLaw:
    found = []

    def is_part(one) -> bool:
        return isinstance(one, RateLaw) and type(one).__name__.lower() == part.lower()

    def swap(one):
        if not is_part(one):
            return one
        found.append(one)
        return learned

    changed = jax.tree.map(swap, law, is_leaf=is_part)
    if len(found) != 1:
        raise ModelError(
            f"learned law of {name}: found {len(found)} factors '{part}' in the known law; one is needed; name a "
            "factor such as inhibition, or leave part out to learn the whole law."
        )
    return changed


def _generic(model: CultureModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a generic operating point: concentrations, variables and inputs in their units."""
    variables = [1.7 if name in model.loops else 0.4 for name in model.variable_names]
    inputs = [given.default if given.default is not None else 1.0 for given in model.inputs]
    return np.linspace(3.0, 7.0, len(model.species)), np.array(variables), np.array(inputs)


def _lawful(model: CultureModel) -> tuple[str, ...]:
    """Return the names of everything that has a law: reactions, then definitions."""
    return (*model.rate_names, *model.definition_names)


def _values(model: CultureModel, at: tuple[Array, Array, Array]) -> Array:
    """Return the values of all laws at an operating point, in the order of `_lawful`."""
    conditions = model.conditions(*at)
    return jnp.stack([conditions.rates[name] for name in model.rate_names]
                     + [conditions.definition(name) for name in model.definition_names])  # fmt: skip


@eqx.filter_jit
def _slopes(model: CultureModel, k: Int[Array, ""], *point: Float[Array | np.ndarray, " _"]):
    """Return the derivatives of one law by concentrations, variables and inputs at an operating point."""
    return jax.grad(lambda at: _values(model, at)[k])(tuple(map(jnp.asarray, point)))


@eqx.filter_jit
def _along(model: CultureModel, *points: Float[Array | np.ndarray, "points _"]):
    """Return the values of all laws, (points, laws), at operating points."""
    return jax.vmap(lambda *at: _values(model, at))(*map(jnp.asarray, points))


def _seen_by(model: CultureModel, name: str) -> tuple[str, ...]:
    """Return the names of the quantities on which the known law of a reaction or definition depends."""
    if name not in _lawful(model):
        return ()
    slope = np.concatenate(_slopes(model, jnp.asarray(_lawful(model).index(name)), *_generic(model)))
    names = (*model.species, *model.variable_names, *model.input_names)
    return tuple(seen for seen, derivative in zip(names, slope, strict=True) if abs(derivative) > 1e-12)


def _power_of_ten(model: CultureModel, name: str, smooth: Sequence[SmoothRun]) -> float:
    """Return the power of ten nearest to the largest size of the known law along runs [mmol/(10^9 cells)/d].

    Without a known law it is 0.1; without runs, the size at a generic operating point is used.
    """
    if name not in _lawful(model):
        return 0.1
    if smooth:
        points = [[np.asarray(part).reshape(run.volume.size, part.shape[-1])  # a model may have no variable
                   for part in (run.concentrations, run.variables, run.inputs)] for run in smooth]  # fmt: skip
        parts = [np.concatenate(part) for part in zip(*points, strict=True)]
    else:
        parts = [np.asarray(part)[None] for part in _generic(model)]
    rates = np.asarray(_along(model, *parts))[:, _lawful(model).index(name)]
    size = float(np.max(np.abs(rates)))
    return 10.0 ** round(math.log10(size)) if size > 0.0 else 0.1


def _without_unused(model: CultureModel) -> ParameterTable:
    """Return the table, in which parameters that no law uses are not estimated."""
    used = Recorder(model.parameters)
    watched = model.changed(parameters=used)

    def traced(c: Array, variables: Array, inputs: Array) -> None:
        watched.begin(variables * jnp.nan, inputs)
        if model.is_lagged:
            watched.evaluate(c, variables, inputs)
        else:
            none = Flows(jnp.zeros(1), jnp.zeros(()), jnp.zeros(()))
            control = LoopControl(jnp.zeros(len(model.loops)))
            around = Surroundings(inputs, none, jnp.zeros((1, len(c))), control)
            watched.derivative(CultureState(c, jnp.ones(()), variables), around)

    jax.eval_shape(traced, *_generic(model))  # nothing is compiled: the names that are looked up are wanted
    table = model.table
    for row in table.estimated:
        if row.name not in used.asked:
            table = table.with_changes(row.name, estimated=False)
    return table
