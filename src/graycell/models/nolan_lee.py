"""The CHO cell of Nolan & Lee (2011), as published and extended with an ATP maintenance reaction.

Source: R. P. Nolan, K. Lee, "Dynamic model of CHO cell metabolism", Metab. Eng. 13 (2011) 108-124. Reactions and
parameters are those of the model file `files/nolan-lee.toml`, which has the rate laws as text too; its set `refit` is
the public refit of the lagged scheme with a step of 0.05 d (Cui et al., Comput. Chem. Eng. 183 (2024) 108594). The laws
here stand apart because they can do more: other closures, steps in place of switches, an extension. Three parts are not
in the publication; the parameter table marks them:

- `R_switch`, the redox ratio at which lactate production turns into lactate uptake (published: 1). It is a parameter
  here, because no step-independent closure crosses R = 1;
- the extension: v35, ATP => (maintenance), whose kinetic rate is `maintenance_warm` or `maintenance_cold`. Without it
  the ATP balance ties glycolysis to ATP demand;
- the limit of uptake, `clearance`: a transporter of 0.5 mmol/(10^9 cells)/d and a half-saturation of 0.1 mmol/L clears
  5 L/(10^9 cells)/d, and diffusion to a cell a thousand times as much.
"""

import functools
import tomllib
from dataclasses import replace
from typing import Any, Literal

import equinox as eqx

from graycell.cell.closures import Closure, Dynamic, Lagged
from graycell.cell.flux import PublishedWeights, SoftWeights
from graycell.cell.network import MetabolicNetwork, Reaction
from graycell.cell.rates import (
    Between,
    Conditions,
    Constant,
    FluxRatio,
    Inhibition,
    Monod,
    Proportional,
    Ramp,
    Rate,
    RateLaw,
    Scalar,
    VariableValue,
    ViableCells,
    switch,
)
from graycell.cell.variables import Input, LoopVariable, RelaxingVariable, Species
from graycell.errors import ModelError
from graycell.model import CultureModel
from graycell.models.library import model_text
from graycell.parameters import Parameter, ParameterTable
from graycell.runs.records import REDOX, TEMPERATURE, VIABILITY, Bolus, CultureRun, Replacement
from graycell.units import SPECIFIC_RATE, convert

_FILE = "nolan-lee"
_SOURCE = "Nolan & Lee 2011"
_SOURCES = {"published": f"{_SOURCE}, published", "refit": "Cui et al. 2024, refit of Nolan & Lee 2011"}
_OURS = "graycell (not in Nolan & Lee 2011)"
_RATE_UNIT = "nmol/1e6 cells/d"
SHIFT = "shift"
"""The temperature shift: 0 at the warm temperature, 1 at the cold one; it relaxes exponentially after a change."""
WARM, COLD = 37.0, 31.0
"""[degC] The two temperatures of the publication."""
RESIDUE = 110.0
"""[g/mol] of ANTI. v17 takes amino acids in the parts that they have of the residues of an antibody (6.1 % alanine,
10 % serine, ...), so ANTI counts residues; an IgG of 146 kDa has some 1330, of 110 g/mol on average."""
_NADH_OF_BIOMASS = 0.64
"""[1] What the published R counts for v16. The network has 0.6391, which every other closure counts."""


class LactateDehydrogenase(RateLaw):
    """v2: vmax2 (R - Rs), times LAC/(Km2 + LAC) below the switch Rs, where lactate is taken up.

    Attributes:
        width: of the switch at Rs [1]; 0 is a step.
    """

    width: float = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        distance = at.variable(REDOX) - at.parameter("R_switch")
        making = switch(distance, self.width)
        saturation = Monod("LAC", "Km2")(at)
        return at.parameter("vmax2") * distance * (making + (1.0 - making) * saturation)


class AlanineTransaminase(RateLaw):
    """v3: (vmax3f s - vmax3r a)/(1 + s + a), and -vmax3r/TC3 a/(1 + a) where that is negative.

    a = ALA/Km3b; s = GLC/Km3c above the redox switch, else LAC/Km3a.

    Attributes:
        width: of the switches [1]; 0 is a step.
    """

    width: float = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        a = at.concentration("ALA") / at.parameter("Km3b")
        # at the switch itself the published law takes lactate
        making = 1.0 - switch(at.parameter("R_switch") - at.variable(REDOX), self.width)
        s = making * at.concentration("GLC") / at.parameter("Km3c") + (1.0 - making) * at.concentration(
            "LAC"
        ) / at.parameter("Km3a")
        made, used = at.parameter("vmax3f") * s, at.parameter("vmax3r") * a
        forward = (made - used) / (1.0 + s + a)
        backward = -at.parameter("vmax3r") / _slowing(at, "TC3b") * a / (1.0 + a)
        # the published law jumps where made = used; the width is relative to the two terms
        ahead = switch((made - used) / (made + used + 1e-12), self.width)
        return ahead * forward + (1.0 - ahead) * backward


class Deamidation(RateLaw):
    """v8, v10: (forward q - reverse u n)/(1 + q + u + n + u n), amide q to acid u and ammonia n.

    As published, the cold slows v8 in the forward direction alone, and v10 in both.

    Attributes:
        amide: species.
        acid: species.
        number: of the reaction, in the names of its parameters.
        slowed: by the cold: the ``forward`` direction, or ``both``.
    """

    amide: str = eqx.field(static=True)
    acid: str = eqx.field(static=True)
    number: int = eqx.field(static=True)
    slowed: Literal["forward", "both"] = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        i = self.number
        q = at.concentration(self.amide) / at.parameter(f"Km{i}a")
        u = at.concentration(self.acid) / at.parameter(f"Km{i}b")
        n = at.concentration("NH3") / at.parameter(f"Km{i}c")
        slowing = _slowing(at, f"TC{i}b")
        forward, reverse = at.parameter(f"vmax{i}f") / slowing, at.parameter(f"vmax{i}r")
        if self.slowed == "both":
            reverse = reverse / slowing
        return (forward * q - reverse * u * n) / (1.0 + q + u + n + u * n)


class GlutamateDehydrogenase(RateLaw):
    """v9: (vmax9f v3 n - vmax9r v11)/(1 + n), n = NH3/Km9."""

    def __call__(self, at: Conditions) -> Scalar:
        n = at.concentration("NH3") / at.parameter("Km9")
        forward, reverse = at.parameter("vmax9f") * at.rate("v3"), at.parameter("vmax9r") * at.rate("v11")
        return (forward * n - reverse) / (1.0 + n)


class SerineToGlycine(RateLaw):
    """v12: (vmax12f v16 q - vmax12r u^2)/(1 + q + u + u^2), q = SER/Km12a, u = GLY/Km12b."""

    def __call__(self, at: Conditions) -> Scalar:
        q, u = (
            at.concentration("SER") / at.parameter("Km12a"),
            at.concentration("GLY") / at.parameter("Km12b"),
        )
        forward, reverse = at.parameter("vmax12f") * at.rate("v16"), at.parameter("vmax12r")
        return (forward * q - reverse * u**2) / (1.0 + q + u + u**2)


def _slowing(at: Conditions, factor: str) -> Scalar:
    """Return the divisor of a rate [1]: 1 before the temperature shift, the parameter `factor` after it."""
    shift = at.variable(SHIFT)
    return (1.0 - shift) + shift * at.parameter(factor)


def _maximum(name: str, factor: str) -> RateLaw:
    """Return a maximal rate, divided by `factor` after the temperature shift."""
    return Rate(name) / Between(Constant(1.0), Rate(factor))


def rate_laws(width: float) -> tuple[tuple[str, RateLaw], ...]:
    """Return the twelve published rate laws.

    Args:
        width: of the switches [1]; 0 is as published.

    Returns:
        Names of reactions and their rate laws [mmol/(10^9 cells)/d], in the order of evaluation.
    """
    growth = Between(Monod("GLN", "Km16a") * Monod("ASN", "Km16b"), Monod("ASN", "Km16b") * Monod("GLC", "Km16c"))
    glycolysis = Inhibition("LAC", "Ki1", Between(Rate("exp1a"), Rate("exp1b")))
    antibody = Inhibition("LAC", "Ki17", Between(Rate("exp17a"), Rate("exp17b")))
    return (
        ("v1", _maximum("vmax1f", "TC1b") * Monod("GLC", "Km1") * glycolysis),
        ("v2", LactateDehydrogenase(width)),
        ("v3", AlanineTransaminase(width)),
        ("v8", Deamidation("GLN", "GLU", 8, slowed="forward")),
        ("v10", Deamidation("ASN", "ASP", 10, slowed="both")),
        ("v11", Proportional("v10", "vmax11")),
        ("v9", GlutamateDehydrogenase()),
        ("v13", Rate("vmax13") * Between(VariableValue(REDOX), Constant(1.0)) * Monod("CYSTINE", "Km13")),
        ("v16", _maximum("vmax16", "TC16b") * growth),
        ("v12", SerineToGlycine()),
        ("v17", Rate("vmax17") * antibody),
        ("v33", Proportional("v8", "vmax33a") + Proportional("v11", "vmax33b")),
    )


MAINTENANCE = Reaction("v35", "ATP => ", "ATP maintenance")
"""The extension: ATP consumption apart from growth, antibody and uptake."""


def published_network() -> MetabolicNetwork:
    """Return the network of Nolan & Lee (2011).

    Returns:
        34 reactions of 39 species.
    """
    entries = _file()["network"].items()
    return MetabolicNetwork.from_reactions(
        [Reaction(name, entry["equation"], entry["meaning"], entry.get("shifted")) for name, entry in entries]
    )


def parameter_table(
    values: Literal["published", "refit"] = "published", extended: bool = False, limited: bool = False
) -> ParameterTable:
    """Return the parameters in internal units, with bounds and priors for a fit.

    Bounds are a factor of 20 to either side, for exponents 0.2 to 6; the prior is a factor of 3 around the value
    (standard deviation of the natural logarithm 1.1). Both are ours: the paper gives none.

    Args:
        values: ``published``, or ``refit`` for Cui et al. (2024).
        extended: with the parameters of the ATP maintenance, and `R_switch` estimated.
        limited: with the parameter `clearance`.

    Returns:
        The table.
    """
    known, refit, rows = _parameters(), _file()["sets"]["refit"], []
    for row in (known[name] for name in refit):
        value = float(refit[row.name]) if values == "refit" else row.value
        bounds = row.bounds if row.name.startswith("exp") else (None, None)
        unit = SPECIFIC_RATE if row.unit == _RATE_UNIT else row.unit
        value = convert(value, row.unit, unit) if unit != row.unit else value
        rows.append(replace(row, value=value, unit=unit, lower=bounds[0], upper=bounds[1], source=_SOURCES[values]))
    rows += [known[name] for name in ("R_switch", "tau", "biomass_per_cell", "shift_rate")]
    if extended:
        rows = [replace(row, estimated=True) if row.name == "R_switch" else row for row in rows]
    if limited:
        rows.append(
            Parameter(5.0, "L/(1e9 cells)/d", name="clearance", lower=0.5, upper=500.0, estimated=False, source=_OURS,
                      meaning="most medium that cells can clear of a species")
        )  # fmt: skip
    if extended:
        rows += [
            Parameter(1.0, SPECIFIC_RATE, 1e-3, 50.0, name=f"maintenance_{phase}", prior_sd=2.0,
                      meaning=f"ATP maintenance, {phase}", source=_OURS)
            for phase in ("warm", "cold")
        ]  # fmt: skip
    return ParameterTable(tuple(rows))


def nolan_lee(
    *,
    extended: bool = False,
    limited: bool = False,
    closure: Closure | Lagged | None = None,
    weights: SoftWeights | PublishedWeights | None = None,
    parameters: Literal["published", "refit"] = "published",
    switch_width: float | None = None,
) -> CultureModel:
    """Return the CHO cell of Nolan & Lee (2011) in a reactor.

    Args:
        extended: adds the ATP maintenance reaction v35 and estimates `R_switch`, starting at 1.25.
        limited: limits uptake to `clearance` times the concentration, so concentrations stay non-negative.
        closure: of the redox loop; `Dynamic()` by default. With `Lagged(step)` the published weights and step functions
            at R = 1 are the default too, so that the published scheme is reproduced.
        weights: of the flux projection; `SoftWeights()` by default.
        parameters: see `parameter_table`.
        switch_width: of the switches at `R_switch` [1]; 0.05 by default.

    Returns:
        The model.

    >>> model = nolan_lee()
    >>> len(model.reactions), len(model.kinetic), model.projection.surplus
    (34, 12, ('v1', 'v9'))
    """
    return CultureModel(
        **nolan_lee_definition(
            extended=extended,
            limited=limited,
            closure=closure,
            weights=weights,
            parameters=parameters,
            switch_width=switch_width,
        )
    )


def nolan_lee_definition(
    *,
    extended: bool = False,
    limited: bool = False,
    closure: Closure | Lagged | None = None,
    weights: SoftWeights | PublishedWeights | None = None,
    parameters: Literal["published", "refit"] = "published",
    switch_width: float | None = None,
) -> dict[str, Any]:
    """Return the arguments of `CultureModel` that make `nolan_lee`; milliseconds, where the model takes seconds.

    Args:
        extended: see `nolan_lee`, as the others.
        limited: limits uptake.
        closure: of the redox loop.
        weights: of the flux projection.
        parameters: see `parameter_table`.
        switch_width: of the switches at `R_switch` [1].

    Returns:
        Keyword arguments.

    >>> definition = nolan_lee_definition(extended=True)
    >>> definition["network"].names[-1], definition["gases"]
    ('v35', ('O2', 'CO2'))
    """
    closure = Dynamic() if closure is None else closure
    lagged = isinstance(closure, Lagged)
    weights = weights if weights is not None else PublishedWeights() if lagged else SoftWeights()
    width = switch_width if switch_width is not None else 0.0 if lagged else 0.05
    network, laws, table = published_network(), rate_laws(width), parameter_table(parameters, extended, limited)
    if extended:
        network = network.with_reactions([MAINTENANCE])
        laws += ((MAINTENANCE.name, Between(Rate("maintenance_warm"), Rate("maintenance_cold"))),)
        table = table.with_values({"R_switch": 1.25})
    nadh = network.rows(["NADH_cyto"])[0]
    made = {name: float(nadh[network.index(name)]) for name in ("v1", "v16")}
    if lagged:
        made["v16"] = _NADH_OF_BIOMASS
    # where uptake is limited a starving cell can have no flux in the loop
    ratio = FluxRatio(tuple(made.items()), (("v34", 1.0),), variable=REDOX if limited and not lagged else None)
    return {
        "name": "nolan-lee" + ("-extended" if extended else "") + ("-limited" if limited else ""),
        "network": network,
        "species": {"ANTI": Species(molar_mass=RESIDUE)},
        "rates": dict(laws),
        "parameters": table,
        "variables": {
            REDOX: LoopVariable(ratio, closure, initial=1.0),
            SHIFT: RelaxingVariable(Ramp(TEMPERATURE, WARM, COLD), Rate("shift_rate")),
        },
        "inputs": {TEMPERATURE: Input("degC", WARM), VIABILITY: Input("1", 1.0)},
        "cells": ViableCells("BIOM", "biomass_per_cell", VIABILITY),
        "weights": weights,
        "gases": ("O2", "CO2"),
        "clearance": "clearance" if limited else None,
        "stoichiometry_weight": SHIFT,
    }


def published_feed(run: CultureRun, fraction: float = 0.03) -> CultureRun:
    """Return the run with every bolus as the published replacement: c <- (1 - fraction) c + fraction c_feed.

    For reproduction only: the published replacement is not a mass balance.

    Args:
        run: with a bolus a day.
        fraction: of the volume [1].

    Returns:
        The changed run.

    Raises:
        ModelError: if the run has no bolus.
    """
    if not any(isinstance(event, Bolus) for event in run.events):
        raise ModelError(f"run '{run.name}' has no bolus to replace; the published feed needs one a day.")
    events = tuple(
        Replacement(event.time, event.medium, fraction) if isinstance(event, Bolus) else event for event in run.events
    )
    return replace(run, name=f"{run.name}, published feed", events=events)


@functools.cache
def _file() -> dict[str, Any]:
    """Return the words of the model file, whose formulas are not needed here: reading them takes half a second."""
    return tomllib.loads(model_text(_FILE))


def _parameters() -> dict[str, Parameter]:
    numbers, found = ("value", "lower", "upper", "prior_sd"), {}
    for name, words in _file()["parameters"].items():
        given: dict[str, Any] = {word: float(item) if word in numbers else item for word, item in words.items()}
        found[name] = Parameter(**given, name=name)
    return found
