"""What a candidate of a comparison must offer, and what it may offer in addition.

`Candidate` and `Predictor` are required; `baselines` shows an own one. `ChecksConsistency`, `Described` and
`Repeatable` are optional: a candidate that has their method takes part in what they are for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from graycell.runs.records import CultureRun


class Predictor(Protocol):
    """A trained candidate, which predicts runs."""

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Predict what would be measured in a run.

        Args:
            known: what is known in advance: initial state, events, media, signals, and the measurements up to the cut
                (those at time 0 for a new run).
            times: (samples,) times [d] by quantity.

        Returns:
            (samples,) values by quantity, in the unit in which the training runs measured it.

        Raises:
            GraycellError: the run cannot be predicted; this counts as a failure of the candidate.
        """
        ...


class Candidate(Protocol):
    """Anything that can be trained on runs: a model to be fitted, or a baseline."""

    @property
    def name(self) -> str:
        """The name in all tables; unique among the candidates of a comparison."""
        ...

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Train on runs; several trainings may run at once.

        A comparison calls this on a shallow copy: what is set, as in ``self.rate = {}``, belongs to one training, and
        what is changed in place, as by ``self.seen.append``, is shared by all.

        Args:
            runs: training runs.
            seed: the only source of random numbers.

        Returns:
            The trained predictor; it may be the candidate itself.

        Raises:
            GraycellError: nothing can be learned; this counts as a failure of the candidate.
        """
        ...


@runtime_checkable
class ChecksConsistency(Candidate, Protocol):
    """A candidate that counts how often its predictions contradict what is known."""

    def consistency(self, predictor: Predictor, runs: Sequence[CultureRun]) -> Mapping[str, tuple[int, int]]:
        """Count inconsistent predictions.

        Args:
            predictor: what `train` returned.
            runs: what is known of the test runs, see `splits.known_of`.

        Returns:
            By the name of a check: the number of faults, and the number of places that were checked.
        """
        ...


@runtime_checkable
class KnowsQuantities(Candidate, Protocol):
    """A candidate that says which quantities it predicts; any other is taken to predict all that were measured."""

    def quantities(self, runs: Sequence[CultureRun], seed: int) -> Sequence[str]:
        """Return the quantities that it predicts once it is trained on runs.

        Args:
            runs: training runs.
            seed: of the training.

        Returns:
            Names.

        Raises:
            GraycellError: the training would raise it.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A candidate that describes itself for the record; a frozen dataclass of numbers does not need to."""

    def described(self) -> Mapping[str, object]:
        """Return the candidate as plain data.

        Returns:
            Settings, hashes and the like.
        """
        ...


@runtime_checkable
class Repeatable(Protocol):
    """A candidate whose trainings can be reused from disk; any other is trained every time.

    An own class defines the method itself: an inherited one does not know what its subclass changes.
    """

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> Mapping[str, object]:
        """Return everything that a training depends on.

        Args:
            runs: training runs.
            seed: of the training.

        Returns:
            Plain data.

        Raises:
            GraycellError: the training would raise it.
        """
        ...


class DependsOnFields:
    """Makes a dataclass of settings `Repeatable`: its training depends on its fields alone."""

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> dict[str, object]:
        """Return everything that a training depends on beside runs and seed.

        Args:
            runs: training runs.
            seed: of the training.

        Returns:
            The name of the class and its fields.
        """
        return {"kind": type(self).__name__, **asdict(cast(Any, self))}
