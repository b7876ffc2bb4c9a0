"""GaussianProcess: a baseline that learns each quantity as a Gaussian process over the features of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from graycell.comparison.protocols import DependsOnFields, Predictor
from graycell.runs.records import CultureRun


@dataclass(frozen=True)
class GaussianProcess(DependsOnFields):
    """A Gaussian process for each quantity over the standardised columns of `features_of`.

    The kernel is a sum of squared exponentials over time (a curve common to all runs), over all columns (deviations
    from it that the features explain) and over time within a run (deviations that nothing explains), and of white noise
    (the assay). The second has a length scale for every column, or for every group of columns; the target is the
    value, its change since time 0, or its deviation from the mean of the runs. The combination of kernel and target
    with the lowest error in a leave-one-run-out validation is chosen. The process is conditioned on all samples, and
    on what is known of the run itself.

    Attributes:
        name: in all tables.
        starts: starting points for the marginal likelihood of the chosen kernel.
        largest: most samples, of whole runs, on which hyperparameters are estimated.
    """

    name: str = "Gaussian process"
    starts: int = 2
    largest: int = 250

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Train on runs.

        Args:
            runs: training runs.
            seed: the only source of random numbers.

        Returns:
            The processes of the measured quantities.

        Raises:
            FitError: nothing was measured.
        """
        from graycell.comparison.gaussian_regression import train  # scikit-learn is slow to import

        return train(runs, self.starts, self.largest, seed)
