"""implausible: named checks for what no culture does, and the place where own checks are added.

A check is a function that takes a run, or all runs, and yields a `Finding` for everything that is implausible. Its name
states what is expected. Checks are small, so that an own one takes a few lines:

>>> def titer_was_measured(run):
...     if "titer" not in run.measurements:
...         yield Finding(f"run '{run.name}'", "no titer", "every run needs one", "measure it", "warning")
>>> run = CultureRun("a", 1.0, {"GLC": 30.0})
>>> print(*implausible([run], [*RUN_CHECKS, titer_was_measured]))
run 'a': found no titer; every run needs one; measure it.

A check with a parameter is set with `functools.partial`, as in ``partial(product_is_not_taken_up, product="IGG")``. A
finding is an error if it contradicts a balance or a living cell beyond all assay errors, and else a warning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from graycell.balances.counts import a_culture_that_grows_is_alive, counts_agree, viability_does_not_jump
from graycell.balances.eaten_and_made import what_is_made_is_in_proportion_to_what_is_eaten
from graycell.balances.outliers import boluses_are_alike, values_follow_their_neighbours
from graycell.balances.rule_volumes import unknown_before_the_last_sample, with_known_volumes
from graycell.balances.run_checks import (
    boluses_and_samples_fit_the_vessel,
    carbon_and_nitrogen_come_from_somewhere,
    cells_double_as_cells_do,
    media_that_are_fed_hold_something,
    product_is_not_taken_up,
    rates_are_those_of_cells,
    series_look_measured,
    the_start_is_above_the_detection_limit,
    the_start_is_that_of_the_first_sample,
    the_volume_closes,
    what_cells_do_not_make_rises_only_when_fed,
)
from graycell.balances.set_checks import no_run_is_there_twice, parallels_are_known, units_are_those_of_the_other_runs
from graycell.errors import Finding
from graycell.runs.checks import check_runs
from graycell.runs.records import CultureRun


class RunCheck(Protocol):
    """A check of one run: any function of a run that returns or yields findings."""

    def __call__(self, run: CultureRun, /) -> Iterable[Finding]:
        """Return what is implausible about a run that `check_runs` accepts.

        Args:
            run: the run, in internal units.

        Returns:
            The findings; none if the run is plausible.
        """
        ...


class SetCheck(Protocol):
    """A check that compares runs: any function of a sequence of runs that returns or yields findings."""

    def __call__(self, runs: Sequence[CultureRun], /) -> Iterable[Finding]:
        """Return what is implausible about several runs together.

        Args:
            runs: runs that `check_runs` accepts, in internal units.

        Returns:
            The findings; none if the runs are plausible.
        """
        ...


RUN_CHECKS: tuple[RunCheck, ...] = (
    cells_double_as_cells_do,
    what_cells_do_not_make_rises_only_when_fed,
    carbon_and_nitrogen_come_from_somewhere,
    rates_are_those_of_cells,
    the_start_is_that_of_the_first_sample,
    the_start_is_above_the_detection_limit,
    product_is_not_taken_up,
    counts_agree,
    a_culture_that_grows_is_alive,
    viability_does_not_jump,
    values_follow_their_neighbours,
    series_look_measured,
    boluses_and_samples_fit_the_vessel,
    boluses_are_alike,
    the_volume_closes,
    media_that_are_fed_hold_something,
)
"""Every check of one run, in the order in which findings are listed."""
SET_CHECKS: tuple[SetCheck, ...] = (
    no_run_is_there_twice,
    parallels_are_known,
    units_are_those_of_the_other_runs,
    what_is_made_is_in_proportion_to_what_is_eaten,
)
"""Every check that compares runs."""


def implausible(
    runs: Sequence[CultureRun],
    run_checks: Iterable[RunCheck] = RUN_CHECKS,
    set_checks: Iterable[SetCheck] = SET_CHECKS,
) -> list[Finding]:
    """Return what is implausible about runs; runs with errors by `check_runs` are left out.

    The checks see the volumes that rules gave. A run that does not say them has a remark, and no check.

    Args:
        runs: the runs.
        run_checks: applied to each run.
        set_checks: applied to all runs together.

    Returns:
        The findings, those about single runs first.
    """
    sound = [run for run in runs if not any(finding.severity == "error" for finding in check_runs([run]))]
    unknown = [replace(one, severity="warning") for run in sound for one in unknown_before_the_last_sample(run)]
    known = [run for run in sound if not unknown_before_the_last_sample(run)]
    sound, run_checks, by_run = [with_known_volumes(run) for run in known], tuple(run_checks), unknown
    for given, run in zip(known, sound, strict=True):
        for check in run_checks:
            # nobody wrote the volumes of rules, so no slip of a pen is in them
            if check is not boluses_are_alike or given is run:
                by_run += check(run)
    return by_run + [finding for check in set_checks for finding in check(sound)]
