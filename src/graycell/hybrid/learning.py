"""Gray and black models: which laws are learned, and by what.

`with_neural_rates` takes a known model and replaces, multiplies or corrects some of its rate laws by networks, or adds
reactions with a learned law. `neural_rates_model` and `neural_ode_model` are the black boxes: exact balances of the vessel with
learned specific rates, the usual hybrid model of the field, and dc/dt learned as a whole. What a network sees is scaled
by the runs it will learn from. `model_from` builds any of them anew from the recipe that it carries.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from graycell.cell.closures import NoLoop, RedoxRatio
from graycell.cell.flux import SoftWeights
from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork, Reaction
from graycell.cell.neural import MLP, Form, NeuralRate, Weights, drawn_weights
from graycell.cell.rates import Conditions, Product, RateLaw, Sum
from graycell.errors import ModelError, nearest
from graycell.hybrid.smoothing import SmoothRun, smooth_run
from graycell.model import CultureModel, build_model
from graycell.models.catalogue import model_of
from graycell.parameters import Parameter, ParameterTable
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY, CultureRun, Feed, Setpoint

Kind = Literal["white", "gray", "black"]


@dataclass(frozen=True)
class NeuralRateSpec:
    """How the rate law of one reaction is learned.

    kind: ``black``, the law is a network; ``gray``, the known law times a learned factor; ``white``, as it is known.
    inputs: what the network sees (species, ``feed`` and a species, ``R``, ``cold``); if empty, what the known law
        depends on.
    form: of the network, see `cell.learned.NeuralRate`; if empty ``fraction`` with a `part`, else ``positive`` for a gray
        law and for an irreversible reaction, else ``any``. A gray law of the form ``any`` is the known law plus a
        learned rate.
    part: a factor of the known law, ``inhibition`` or ``monod``, that a network replaces: the rest stays known.
    hidden: nodes [1] of the hidden layer. bound: [1] how far the law may go, see `NeuralRate`; if 0, 10 for a gray law of
        the form ``positive``, else 100.
    consumes: a species that a negative rate uses up; such a rate fades where the species runs out.
    scale: [mmol/(10^9 cells)/d] size of the rate; if 0, the power of ten nearest to the known law along the runs, 0.1
        without one. A factor of the form ``positive`` has the scale 1 [1] whatever stands here.

    Raises `ModelError` for words that are not known and numbers that are not possible.
    """

    kind: Kind = "black"
    inputs: tuple[str, ...] = ()
    form: Form | Literal[""] = ""
    part: str = ""
    hidden: int = 4
    bound: float = 0.0
    consumes: str = ""
    scale: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.inputs, str) or not all(isinstance(one, str) for one in self.inputs):
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
    """Return a law from one word, its kind, or a table of the fields of `NeuralRateSpec`. Raises `ModelError`."""
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
    """Return the model with the rate laws of some reactions learned; a network stands under its reaction's name.

    laws: by reaction, a `NeuralRateSpec` or what `law_from` takes. A reaction of the network that has no rate law gets
    one. reactions: new ones, by name, as equations such as ``CYSTINE_ext =>``; each needs a law. runs: what will be
    learned from; they scale the inputs. seed: of the first weights. A parameter that no law asks for any more is no
    longer estimated. Raises `ModelError` for a name that the model has not, and for a law of which nothing says what
    it depends on.

    >>> from graycell import bundled_run, nolan_lee
    >>> gray = with_neural_rates(nolan_lee(), {"v17": "black"}, [bundled_run()])
    >>> gray.nets["v17"].inputs, gray.weight_count
    (('LAC', 'cold'), 17)
    """
    chosen = {name: law if isinstance(law, NeuralRateSpec) else law_from(law) for name, law in laws.items()}
    new = dict(reactions or {})
    network = model.network.with_reactions([Reaction(name, equation) for name, equation in new.items()])
    for name, equation in new.items():
        if name not in chosen:
            raise ModelError(f"reaction '{name}' is new and has no rate law; give it one, such as {name} = 'black'.")
        _require_known_species(model.network, network, name, equation)
    smooth = [smooth_run(model, run) for run in runs]
    random = np.random.default_rng(seed)
    known, nets = dict(model.rates), dict(model.nets)
    for name, law in chosen.items():
        network.index(name)
        if law.kind == "white":
            continue
        learned, nets[name] = _learned(model, network, name, law, smooth, random)
        if name in known and law.part:
            known[name] = _with_part(known[name], law.part, learned, name)
        elif name in known and law.kind == "gray":
            known[name] = Sum((known[name], learned)) if learned.form == "any" else Product((known[name], learned))
        else:
            known[name] = learned
    recipe = json.loads(model.recipe or json.dumps({"base": model.name}))
    recipe["laws"] = {**recipe.get("laws", {}), **{name: asdict(law) for name, law in chosen.items()}}
    recipe["reactions"] = {**recipe.get("reactions", {}), **new}
    more = len(network.names) - len(model.network.names)
    ratio = RedoxRatio(*(jnp.pad(part, (0, more)) for part in (model.ratio.production, model.ratio.consumption)),
                       ceiling=model.ratio.ceiling)  # fmt: skip
    built = build_model(
        model.name,
        network,
        tuple(known.items()),
        model.table,
        ratio=ratio,
        closure=model.closure,
        weights=model.projection.weights,
        biomass=model.biomass,
        biomass_per_cell=model.biomass_per_cell,
        shift_rate=model.shift_rate,
        gases=tuple(n for n in (s.removesuffix(EXTERNAL_SUFFIX) for s in network.external) if n not in model.species),
        warm_temperature=model.warm_temperature,
        cold_temperature=model.cold_temperature,
        nets=nets,
        clearance=model.clearance,
        recipe=json.dumps(recipe),
    )
    return built.with_table(_without_unused(built))


def _require_known_species(known: MetabolicNetwork, network: MetabolicNetwork, name: str, equation: str) -> None:
    """Raise `ModelError` for a species that the medium has not, or that stands in this one reaction alone."""
    for one in set(network.species) - set(known.species):
        row = network.rows([one])[0]
        if row[network.index(name)] and (one.endswith(EXTERNAL_SUFFIX) or np.count_nonzero(row) < 2):
            raise ModelError(
                f"reaction '{name}', {equation}: species '{one}' is not in the network; {nearest(one, known.species)}."
            )


def neural_rates_model(
    runs: Sequence[CultureRun],
    *,
    inputs: Sequence[str] = (),
    hidden: int = 6,
    biomass_per_cell: float = 2.31,
    seed: int = 0,
) -> CultureModel:
    """Return the usual hybrid model: exact balances of the vessel, and a network that gives all specific rates.

    The species are those that every run has at time 0. inputs: what the network sees, by default all species, and
    ``cold`` where a run changes its temperature. biomass_per_cell: [mmol/(10^9 cells)] of the species BIOM. Uptake
    fades as its species runs out. Rates are [mmol/(10^9 cells)/d]. Raises `ModelError` where a run has no BIOM at time
    0, and for an input that is not known.
    """
    return _black("specific-rates", runs, tuple(inputs), hidden, biomass_per_cell, seed)


def neural_ode_model(
    runs: Sequence[CultureRun],
    *,
    inputs: Sequence[str] = (),
    hidden: int = 6,
    biomass_per_cell: float = 2.31,
    seed: int = 0,
) -> CultureModel:
    """Return the pure black box, dc/dt = NN(c, u): nothing is balanced, the effect of feeds is learned too.

    inputs: by default all species, ``cold`` where a run changes its temperature, and the feeding of every species that
    flows in. Rates are [mmol/L/d]. Else as `neural_rates_model`.
    """
    return _black("evolution", runs, tuple(inputs), hidden, biomass_per_cell, seed)


BLACK_BOXES = {"specific-rates": neural_rates_model, "evolution": neural_ode_model}
"""Builders of black boxes by name."""


def _black(name, runs, inputs, hidden, biomass_per_cell, seed) -> CultureModel:
    species = _species_of(runs)
    balanced = name == "specific-rates"
    if not inputs:
        changing = any(isinstance(event, Setpoint) for run in runs for event in run.events)
        fed = [] if balanced else [one for one in species if _flows_in(one, runs)]
        inputs = (*species, *(["cold"] if changing else []), *(f"feed {one}" for one in fed))
    recipe = {"base": name, "species": list(species), "inputs": list(inputs), "hidden": hidden,
              "biomass_per_cell": biomass_per_cell}  # fmt: skip
    model = _black_from(recipe)
    smooth = [smooth_run(model, run) for run in runs]
    centre, spread = _scales(model, inputs, smooth)
    largest = np.max([np.max(np.asarray(one.concentrations), axis=(0, 1)) for one in smooth], axis=0)
    net = MLP(inputs, centre, spread, jnp.asarray(_sizes(model, smooth, balanced)),
              jnp.asarray(_FADE * np.maximum(largest, 1e-6)),
              drawn_weights(len(inputs), hidden, len(species), np.random.default_rng(seed)))  # fmt: skip
    return replace(model, nets={"rates": net})


_FADE = 0.02
"""Part [1] of the largest concentration seen at which uptake has fallen to a half: what an assay can tell from 0."""


def _black_from(recipe: Mapping[str, Any]) -> CultureModel:
    """Return a black box with a network that knows nothing yet."""
    species, balanced = tuple(recipe["species"]), recipe["base"] == "specific-rates"
    network = MetabolicNetwork.from_reactions([Reaction(f"r {one}", f"<=> {one}{EXTERNAL_SUFFIX}") for one in species])
    rates = [
        (f"r {one}", NeuralRate("rates", i, "any", 10.0, one if balanced and one != BIOMASS else None))
        for i, one in enumerate(species)
    ]
    n, m, hidden = len(recipe["inputs"]), len(species), int(recipe["hidden"])
    net = MLP(tuple(recipe["inputs"]), jnp.zeros(n), jnp.ones(n), jnp.ones(m), jnp.ones(m),
              drawn_weights(n, hidden, m, np.random.default_rng(0)))  # fmt: skip
    table = ParameterTable((
        Parameter("biomass_per_cell", float(recipe["biomass_per_cell"]), "mmol/(1e9 cells)", 0.1, 10.0, estimated=False,
                  meaning="biomass per cell"),
        Parameter("shift_rate", 33.94, "1/d", 1.0, 1000.0, estimated=False,
                  meaning="rate of the transition after a temperature shift", source="Nolan & Lee 2011"),
    ))  # fmt: skip
    none = jnp.zeros(m)
    return build_model(
        recipe["base"], network, rates, table, ratio=RedoxRatio(none, none), closure=NoLoop(), weights=SoftWeights(),
        biomass=BIOMASS, biomass_per_cell="biomass_per_cell", shift_rate="shift_rate", nets={"rates": net},
        balanced=balanced, recipe=json.dumps(recipe),
    )  # fmt: skip


BIOMASS = "BIOM"
"""The species that counts cells in a black box."""


def _species_of(runs: Sequence[CultureRun]) -> tuple[str, ...]:
    others = (REDOX, VCD, TCD, VIABILITY)
    common = [name for name in runs[0].initial if name not in others and all(name in run.initial for run in runs)]
    if BIOMASS not in common:
        raise ModelError(
            f"runs {', '.join(run.name for run in runs)}: found no concentration of {BIOMASS} at time 0 in every run; "
            "a black box counts cells by it; give it in the table initial, 2.31 VCD/viability."
        )
    return tuple(sorted(common))


def _flows_in(species: str, runs: Sequence[CultureRun]) -> bool:
    return any(run.media[event.medium].get(species, 0.0) > 0.0
               for run in runs for event in run.events if isinstance(event, Feed))  # fmt: skip


def _learned(model, network, name: str, law: NeuralRateSpec, smooth, random) -> tuple[NeuralRate, MLP]:
    """Return a network's law for a reaction, and the network."""
    if name not in dict(model.rates) and (law.part or law.kind == "gray"):
        what = f"no part '{law.part}' to replace" if law.part else "nothing to correct"
        raise ModelError(
            f"learned law of {name}: it has no known law, so {what}; use '{name} = \"black\"' without part."
        )
    gray = law.kind == "gray"
    inputs = law.inputs or _seen_by(model, name)
    if not inputs:
        raise ModelError(f"learned law of {name}: nothing is known of what it depends on; give inputs = ['GLC', ...].")
    reversible = network.reactions[network.index(name)].reversible
    form = law.form or ("fraction" if law.part else "positive" if gray or not reversible else "any")
    size = law.scale or _power_of_ten(model, name, smooth)
    scale = 1.0 if (gray or law.part) and form == "positive" else size
    fade = 1.0
    if law.consumes:
        if law.consumes not in model.species:
            raise ModelError(f"learned law of {name}: it consumes '{law.consumes}', which the model has not; "
                             f"{nearest(law.consumes, model.species)}.")  # fmt: skip
        i = model.species.index(law.consumes)
        fade = _FADE * max((float(jnp.max(one.concentrations[..., i])) for one in smooth), default=1.0)
    net = MLP(tuple(inputs), *_scales(model, inputs, smooth), jnp.full(1, scale), jnp.full(1, max(fade, 1e-6)),
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


def _conditions(model: CultureModel) -> tuple[np.ndarray, float, float]:
    """Return a generic point: concentrations [mmol/L], R and cold [1]."""
    return np.linspace(3.0, 7.0, len(model.species)), 1.7, 0.4


def _seen_by(model: CultureModel, name: str) -> tuple[str, ...]:
    """Return what the known law of a reaction depends on."""
    if name not in model.kinetic:
        return ()
    k, n = model.kinetic.index(name), len(model.species)

    def kinetic_rates(point):
        return model.kinetic_rates(point[:n], point[n], point[n + 1])[k]

    c, redox, cold = _conditions(model)
    slope = np.asarray(jax.grad(kinetic_rates)(jnp.r_[c, redox, cold]))
    return tuple(one for one, by in zip((*model.species, "R", "cold"), slope, strict=True) if abs(by) > 1e-12)


def _power_of_ten(model: CultureModel, name: str, smooth: Sequence[SmoothRun]) -> float:
    """Return the power of ten nearest to the largest size of the known law along runs [mmol/(10^9 cells)/d].

    Without a known law it is 0.1; without runs, that at a generic point.
    """
    if name not in model.kinetic:
        return 0.1
    if smooth:
        count = len(model.species)
        points = [(one.concentrations.reshape(-1, count), one.redox.ravel(), one.cold.ravel()) for one in smooth]
        c, redox, cold = (jnp.concatenate(parts) for parts in zip(*points, strict=True))
    else:
        c, redox, cold = (jnp.asarray(part)[None] for part in _conditions(model))
    size = float(jnp.max(jnp.abs(jax.vmap(model.kinetic_rates)(c, redox, cold)[:, model.kinetic.index(name)])))
    return 10.0 ** round(math.log10(size)) if size > 0.0 else 0.1


_KNOWN_SCALES = {"R": (1.0, 0.5), "cold": (0.5, 0.5)}
"""Centre and spread [1] of inputs that samples may not show."""


def _scales(model: CultureModel, inputs: Sequence[str], smooth: Sequence[SmoothRun]):
    """Return centre and spread of inputs, in their units, over the time of all runs; 0 and 1 without runs."""
    if not smooth:
        return jnp.zeros(len(inputs)), jnp.ones(len(inputs))
    length = np.concatenate([np.repeat(np.asarray(one.length), one.cold.shape[1]) for one in smooth])
    pairs = []
    for name in inputs:
        if name in _KNOWN_SCALES:
            pairs.append(_KNOWN_SCALES[name])
            continue
        of_feed = name.startswith("feed ")
        one_species = name.removeprefix("feed ")
        if one_species not in model.species:
            known = (*model.species, *_KNOWN_SCALES)
            raise ModelError(f"input '{name}' of a network is not known; {nearest(one_species, known)}.")
        i = model.species.index(one_species)
        values = np.concatenate(
            [np.asarray((one.fed if of_feed else one.concentrations)[..., i]).ravel() for one in smooth]
        )
        centre = np.average(values, weights=length)
        spread = math.sqrt(np.average((values - centre) ** 2, weights=length))
        pairs.append((centre, spread if spread > 1e-9 * max(abs(centre), 1.0) else max(abs(centre), 1.0)))
    return jnp.array([pair[0] for pair in pairs]), jnp.array([pair[1] for pair in pairs])


def _sizes(model: CultureModel, smooth: Sequence[SmoothRun], balanced: bool) -> np.ndarray:
    """Return the root mean square, over all runs, of the specific rates [mmol/(10^9 cells)/d].

    Without `balanced` it is that of dc/dt [mmol/L/d].
    """
    biomass = model.species.index(model.biomass)
    made, time, per = [], [], []
    for one in smooth:
        lasting = np.asarray(one.length) > 0.0
        density = np.mean(np.asarray(one.viability * one.volume * one.concentrations[..., biomass]), axis=1)
        per.append(
            (density / float(model.parameters[model.biomass_per_cell]) if balanced else np.ones_like(density))[lasting]
        )
        made.append(np.asarray(one.net_production)[lasting])
        time.append(np.asarray(one.length)[lasting])
    rates = np.concatenate(made) / np.maximum(np.concatenate(per) * np.concatenate(time), 1e-12)[:, None]
    sizes = np.sqrt(np.average(rates**2, axis=0, weights=np.concatenate(time)))
    return np.where(sizes > 0.0, sizes, 1e-3)


class _Spy(dict):
    """A table that remembers what was asked for."""

    def __init__(self, table):
        super().__init__(table)
        self.asked: set[str] = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)


def _without_unused(model: CultureModel) -> ParameterTable:
    """Return the table with what no law asks for any more not estimated."""
    spy = _Spy(model.parameters)
    c, redox, cold = _conditions(model)
    at = Conditions({n: jnp.asarray(c[i]) for i, n in enumerate(model.species)}, jnp.asarray(redox), jnp.asarray(cold),
                    spy, {}, dict.fromkeys(model.species, jnp.zeros(())))  # fmt: skip
    at = at._replace(outputs={name: net(at) for name, net in model.nets.items()})
    for reaction, law in model.rates:
        at = at._replace(rates={**at.rates, reaction: law(at)})
    closure = getattr(model.closure, "turnover_time", None)
    kept = spy.asked | {model.biomass_per_cell, model.shift_rate, model.clearance, closure}
    table = model.table
    for row in table.estimated:
        if row.name not in kept:
            table = table.with_changes(row.name, estimated=False)
    return table


# ------------------------------------------------------------------------------------------------- to and from files


def model_from(recipe: Mapping[str, Any]) -> CultureModel:
    """Return the model of a recipe, see `CultureModel.recipe`, with networks that know nothing yet.

    Raises `ModelError` where it names what the library has not.
    """
    base = str(recipe["base"])
    if base in BLACK_BOXES:
        return _black_from(recipe)
    model = model_of(base)
    if not recipe.get("laws"):
        return model
    return with_neural_rates(model, recipe["laws"], [], recipe.get("reactions"))


def nets_to_plain(model: CultureModel) -> dict[str, Any]:
    """Return the networks of a model as plain data."""
    return {
        name: {
            "inputs": list(net.inputs),
            **{part: getattr(net, part).tolist() for part in ("centre", "spread", "scale", "fade")},
            "weights": {field: leaf.tolist() for field, leaf in net.weights._asdict().items()},
        }
        for name, net in model.nets.items()
    }


def with_plain_nets(model: CultureModel, plain: Mapping[str, Any]) -> CultureModel:
    """Return the model with networks from plain data; raises `ModelError` where they are not those of the model."""
    nets = {}
    for name, net in model.nets.items():
        if name not in plain or tuple(plain[name]["inputs"]) != net.inputs:
            raise ModelError(f"network '{name}': the saved one is missing or sees something else; fit the model anew.")
        saved = plain[name]
        weights = Weights(**{field: jnp.asarray(value, jnp.float64) for field, value in saved["weights"].items()})
        if [leaf.shape for leaf in weights] != [leaf.shape for leaf in net.weights]:
            raise ModelError(f"network '{name}': the saved one has another size; fit the model anew.")
        parts = {part: jnp.asarray(saved[part], jnp.float64) for part in ("centre", "spread", "scale", "fade")}
        nets[name] = replace(net, weights=weights, **parts)
    return replace(model, nets=nets)
