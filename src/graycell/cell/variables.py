"""Species, variables and inputs of a model.

A variable is a named state that the reactor does not dilute: a redox pool, an enzyme, the age of a culture, a
temperature that follows its set-point. An input is a named function of time that a run gives.
"""

from dataclasses import dataclass

import equinox as eqx

from graycell.cell.closures import Closure, Dynamic
from graycell.cell.rates import RateLaw, law_of


@dataclass(frozen=True)
class Input:
    """A function of time that a run gives, such as temperature, pH or a measured viability.

    A run gives it by set-points (`Setpoint`), a signal or measurements of that name.

    Attributes:
        unit: such as ``degC``.
        default: value where a run does not give it; None if a run must give it.
    """

    unit: str = "1"
    default: float | None = None


@dataclass(frozen=True)
class Species:
    """A species in the liquid.

    Attributes:
        unit: of its concentration: ``mmol/L``, ``g/L``, ``1e9 cells/L`` or another amount per volume.
        initial: concentration at time 0 where a run does not give it; None if a run must give it.
        retained: whether a cell filter retains it in a perfusion harvest; if None, cells alone are retained.
        molar_mass: [g/mol] with which a run that has a mass serves a model that has an amount, and the other way round;
            None if it is not known.
        dead_of: for dead cells, the species of viable cells in the same unit: where a run gives no dead cells at time 0
            and measured viability then, they are viable (1/viability - 1).
        product: whether it is the product, which tables and figures show as a mass where a molar mass is known.
    """

    unit: str = "mmol/L"
    initial: float | None = None
    retained: bool | None = None
    molar_mass: float | None = None
    dead_of: str | None = None
    product: bool = False


class StateVariable(eqx.Module):
    """A state with a law for its derivative.

    Attributes:
        derivative: law of d/dt [unit/d]; it may use fluxes, rates, concentrations, inputs and other variables.
        initial: value at time 0 where a run does not give it.
        unit: of the value.
    """

    derivative: RateLaw = eqx.field(converter=law_of)
    initial: float = eqx.field(static=True, default=0.0)
    unit: str = eqx.field(static=True, default="1")


class RelaxingVariable(eqx.Module):
    """A state that relaxes to a target, dx/dt = rate (target - x), and starts at it unless a run gives a value.

    Attributes:
        target: law, which may use inputs and parameters only.
        rate: law [1/d], which may use parameters only.
        initial: value in `CultureModel.evaluate` where none is given; a simulation starts at the target.
        unit: of the value.
    """

    target: RateLaw = eqx.field(converter=law_of)
    rate: RateLaw = eqx.field(converter=law_of)
    initial: float = eqx.field(static=True, default=0.0)
    unit: str = eqx.field(static=True, default="1")


class LoopVariable(eqx.Module):
    """A variable that rate laws use and whose target depends on the fluxes: a closed loop.

    Attributes:
        target: law of the fluxes, in the unit of the variable.
        closure: how the variable follows from its target; see `cell.closures`.
        initial: value at time 0 where a run does not give it.
        unit: of the value.
    """

    target: RateLaw = eqx.field(converter=law_of)
    closure: Closure = Dynamic()
    initial: float = eqx.field(static=True, default=1.0)
    unit: str = eqx.field(static=True, default="1")


class Clock(eqx.Module):
    """The time since the beginning of the run, as a variable: known exactly, whatever the steps of the solver.

    Attributes:
        initial: value in `CultureModel.evaluate` where none is given.
        unit: of the value.
    """

    initial: float = eqx.field(static=True, default=0.0)
    unit: str = eqx.field(static=True, default="d")


Variable = StateVariable | RelaxingVariable | LoopVariable | Clock
