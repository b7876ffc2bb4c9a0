r"""Balances of a well-mixed vessel: batch, fed-batch and perfusion are one equation.

    d(V c)/dt = V X_v r + sum_f F_f c_f - F_bleed c - F_harvest c (1 - retained)
    dV/dt     = sum_f F_f - F_bleed - F_harvest

for amounts n = V c, specific rates r, feeds f, a bleed of whole culture and a harvest behind a cell filter that
retains cells. Batch has no flow, fed-batch feeds, perfusion feeds and harvests. The states are amounts, not
concentrations: both equations are then linear in them, and a Runge-Kutta solver keeps every linear balance exactly.

Volumes and amounts here are per litre of initial volume, so that one tolerance serves any scale of vessel.
"""

import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Scalar = Float[Array, ""]


class Flows(NamedTuple):
    """Continuous flows, each per litre of initial volume.

    Attributes:
        feed: (media,) [1/d].
        bleed: of whole culture [1/d].
        harvest: behind a cell filter [1/d].
        slope: (media,) [1/d^2] by which the feeds change; None where all are constant.
        per_cells: (media,) [L/(10^9 cells)/d] feeds per viable cell, added to the others; None where there are none.
    """

    feed: Float[Array, " media"]
    bleed: Scalar
    harvest: Scalar
    slope: Float[Array, " media"] | None = None
    per_cells: Float[Array, " media"] | None = None

    def after(self, elapsed: Array | float) -> "Flows":
        """Return the flows some time later.

        Args:
            elapsed: [d]; of several segments, (segments, 1).

        Returns:
            The flows; themselves where none changes.
        """
        return self if self.slope is None else self._replace(feed=self.feed + elapsed * self.slope)

    def of_cells(self, cells: Scalar) -> "Flows":
        """Return the flows with feeds per viable cell as feeds.

        Args:
            cells: viable cells per litre of initial volume [10^9 cells/L].

        Returns:
            The flows; themselves where no feed is per cell.
        """
        if self.per_cells is None:
            return self
        return self._replace(feed=self.feed + cells * self.per_cells, per_cells=None)


class BolusRule(NamedTuple):
    """A bolus whose volume follows from the state of the culture.

    Attributes:
        number: of the rule among those of its run; -1 where there is none.
        medium: its number.
        share: of the volume [1]; not used by a rule for a level.
        species: number of the species that is brought to a level; -1 for a bolus of a share, -2 for one per IVCD.
        level: in the unit of the species.
        below: the concentration from which on the bolus is not given, in the same unit.
        most: the largest volume [1].
        per_ivcd: volume per viable cell and day [L/(10^9 cells)/d]; None where no bolus of the run is per IVCD.
    """

    number: Int[Array, ""]
    medium: Int[Array, ""]
    share: Scalar
    species: Int[Array, ""]
    level: Scalar
    below: Scalar
    most: Scalar
    per_ivcd: Scalar | None = None

    def volume(
        self,
        amounts: Float[Array, " species"],
        volume: Scalar,
        media: Float[Array, "media species"],
        ivcd: Float[Array, " media"] | None = None,
    ) -> Scalar:
        """Return the volume of the bolus; infinite where the medium cannot bring the culture to the level.

        Args:
            amounts: (species,) per litre of initial volume [mmol/L].
            volume: of the culture [1].
            media: (media, species) concentrations [mmol/L].
            ivcd: (media,) integral of viable cells since the last bolus per IVCD of each medium, per litre of initial
                volume [10^9 cells d/L]; None where no bolus is per IVCD.

        Returns:
            The volume [1]; 0 where there is no rule.

        >>> rule = BolusRule(*map(jnp.asarray, (0, 0, 0.0, 0, 30.0, 20.0, jnp.inf)))
        >>> print(rule.volume(jnp.array([20.0]), jnp.array(2.0), jnp.array([[430.0]])))  # 10 mmol/L in 2 L
        0.1
        """
        species = jnp.maximum(self.species, 0)
        present, excess = amounts[species], media[self.medium, species] - self.level
        reaches = excess > 0.0
        # the quotient is not taken where it has no derivative
        needed = jnp.where(reaches, (volume * self.level - present) / jnp.where(reaches, excess, 1.0), jnp.inf)
        # not by jnp.minimum, which halves the derivative where both are equal
        needed = jnp.where(needed > self.most, self.most, needed)
        levelled = jnp.where(present < self.below * volume, needed, 0.0)
        other = self.share * volume  # 0 for one per IVCD
        if self.per_ivcd is not None and ivcd is not None:
            other = other + self.per_ivcd * ivcd[self.medium]
        given = jnp.where(self.species >= 0, levelled, other)
        return jnp.where(self.number >= 0, given, 0.0)

    def counted_anew(self, ivcd: Float[Array, " media"]) -> Float[Array, " media"]:
        """Return the integrals of viable cells after the bolus: that of its medium begins anew if it is per IVCD.

        Args:
            ivcd: see `volume`.

        Returns:
            (media,) [10^9 cells d/L]
        """
        return ivcd.at[self.medium].multiply(jnp.where((self.number >= 0) & (self.species == -2), 0.0, 1.0))


class Interventions(NamedTuple):
    """Interventions at one instant, in this order.

    Attributes:
        sample: volume taken [1].
        bolus: (media,) volumes added [1].
        replacement: (media,) fractions replaced [1], as in the published code of Nolan & Lee.
        rule: a further bolus, between the others and the replacement; None where no bolus follows a rule.
    """

    sample: Scalar
    bolus: Float[Array, " media"]
    replacement: Float[Array, " media"]
    rule: BolusRule | None = None

    def resolved(
        self,
        amounts: Float[Array, " species"],
        volume: Scalar,
        media: Float[Array, "media species"],
        ivcd: Float[Array, " media"] | None = None,
    ) -> "Interventions":
        """Return the interventions with the bolus of the rule as one of the boluses.

        Args:
            amounts: (species,) per litre of initial volume before them [mmol/L].
            volume: before them [1].
            media: (media, species) concentrations [mmol/L].
            ivcd: see `BolusRule.volume`.

        Returns:
            The interventions without a rule.
        """
        if self.rule is None:
            return self
        others = self._replace(replacement=jnp.zeros_like(self.bolus), rule=None)
        added = self.rule.volume(*intervene(amounts, volume, others, media, media), media, ivcd)
        return self._replace(bolus=self.bolus.at[self.rule.medium].add(added), rule=None)


class Balances(eqx.Module):
    """Parent of the balances of a vessel.

    Attributes:
        per_cell: whether rates are specific [mmol/(10^9 cells)/d], else volumetric [mmol/L/d].
    """

    per_cell: ClassVar[bool]

    @abc.abstractmethod
    def derivative(
        self,
        amounts: Float[Array, " species"],
        volume: Scalar,
        production: Float[Array, " species"],
        flows: Flows,
        media: Float[Array, "media species"],
    ) -> tuple[Float[Array, " species"], Scalar]:
        """Return the derivatives of amounts and volume.

        Args:
            amounts: (species,) per litre of initial volume [mmol/L].
            volume: [1].
            production: (species,) volumetric [mmol/L/d].
            flows: of every medium and out of the vessel.
            media: (media, species) concentrations [mmol/L].

        Returns:
            d(amounts)/dt (species,) [mmol/L/d] and d(volume)/dt [1/d].
        """


class Reactor(Balances):
    """Balances of a well-mixed vessel.

    Attributes:
        retained: (species,) 1 for a species that a cell filter retains (cells), 0 for one that passes it.
    """

    retained: Float[Array, " species"]
    per_cell: ClassVar[bool] = True

    def derivative(
        self,
        amounts: Float[Array, " species"],
        volume: Scalar,
        production: Float[Array, " species"],
        flows: Flows,
        media: Float[Array, "media species"],
    ) -> tuple[Float[Array, " species"], Scalar]:
        """Return the derivatives of amounts and volume.

        Args:
            amounts: (species,) per litre of initial volume [mmol/L].
            volume: [1].
            production: (species,) volumetric [mmol/L/d].
            flows: of every medium and out of the vessel.
            media: (media, species) concentrations [mmol/L].

        Returns:
            d(amounts)/dt (species,) [mmol/L/d] and d(volume)/dt [1/d].

        >>> reactor = Reactor(jnp.array([0.0]))
        >>> flows = Flows(jnp.array([0.1]), jnp.array(0.0), jnp.array(0.0))
        >>> print(*reactor.derivative(jnp.array([20.0]), jnp.array(1.0), jnp.array([-5.0]), flows,
        ...                           jnp.array([[400.0]])))
        [35.] 0.1
        """
        concentrations = amounts / volume
        outflow = concentrations * (flows.bleed + flows.harvest * (1.0 - self.retained))
        change = volume * production + flows.feed @ media - outflow
        return change, jnp.sum(flows.feed) - flows.bleed - flows.harvest


class NeuralODE(Balances):
    """No balances of species: the rates are dc/dt, whatever flows in or out, as in a pure black box.

    Only the volume is balanced. The effect of a feed on the concentrations has to be learned, so nothing is conserved.
    A bolus is mixed in as by `Reactor`, because it is a jump, which no derivative can represent.
    """

    per_cell: ClassVar[bool] = False

    def derivative(
        self,
        amounts: Float[Array, " species"],
        volume: Scalar,
        production: Float[Array, " species"],
        flows: Flows,
        media: Float[Array, "media species"],
    ) -> tuple[Float[Array, " species"], Scalar]:
        """Return V dc/dt + c dV/dt, with `production` for dc/dt, and dV/dt.

        Args:
            amounts: (species,) per litre of initial volume [mmol/L].
            volume: [1].
            production: (species,) dc/dt [mmol/L/d].
            flows: of every medium and out of the vessel.
            media: not used.

        Returns:
            d(amounts)/dt (species,) [mmol/L/d] and d(volume)/dt [1/d].

        >>> flows = Flows(jnp.array([0.1]), jnp.array(0.0), jnp.array(0.0))
        >>> print(*NeuralODE().derivative(jnp.array([20.0]), jnp.array(1.0), jnp.array([-5.0]), flows,
        ...                               jnp.array([[400.0]])))
        [-3.] 0.1
        """
        growth = jnp.sum(flows.feed) - flows.bleed - flows.harvest
        return volume * production + amounts / volume * growth, growth


def intervene(
    amounts: Float[Array, " species"],
    volume: Scalar,
    done: Interventions,
    media: Float[Array, "media species"],
    supplied: Float[Array, "media species"],
) -> tuple[Float[Array, " species"], Scalar]:
    """Return amounts and volume after the interventions at one instant: sample, boluses, rule, replacement.

    A sample removes volume and leaves every concentration; a bolus adds `bolus @ media` and its volume. The published
    replacement acts only on the species that its medium names.

    Args:
        amounts: (species,) per litre of initial volume [mmol/L].
        volume: [1].
        done: the interventions.
        media: (media, species) concentrations [mmol/L].
        supplied: (media, species) 1 for the species that a medium names.

    Returns:
        Amounts (species,) [mmol/L] and volume [1].
    """
    done = done.resolved(amounts, volume, media)
    left = volume - done.sample
    amounts = amounts * (left / volume) + done.bolus @ media
    volume = left + jnp.sum(done.bolus)
    kept = 1.0 - done.replacement @ supplied
    return amounts * kept + volume * (done.replacement @ (supplied * media)), volume
