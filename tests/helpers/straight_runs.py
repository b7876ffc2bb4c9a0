"""Models that are linear in their parameters: posteriors and profiles in closed form."""

import numpy as np

import graycell as gc

DAYS = np.array([1.0, 2.0, 3.0, 4.0])


def straight(between=0.0, between_groups=0.0, **changes):
    """Return a model in which A rises by a and B by a + b a day: linear in parameters that are not on a log scale."""
    return gc.CultureModel(
        name="straight",
        reactions={"first": "=> A", "second": "=> B", "third": "=> B"},
        rates={"first": gc.Volumetric(gc.Rate("a")), "second": gc.Volumetric(gc.Rate("a")),
               "third": gc.Volumetric(gc.Rate("b"))},
        parameters={
            "a": gc.Parameter(3.0, "mmol/L/d", -97.0, 103.0, log_scale=False, prior_sd=2.0, between_runs_sd=between,
                              between_groups_sd=between_groups),
            "b": gc.Parameter(1.0, "mmol/L/d", -99.0, 101.0, log_scale=False, prior_sd=1.5, **changes),
        },
    )  # fmt: skip


def measured(name, a, b, sd=0.5, seed=0, species=("A", "B")):
    """Return a run of `straight` with noise."""
    random, rises = np.random.default_rng(seed), {"A": a, "B": a + b}
    series = {
        one: gc.Measurement(one, "mmol/L", DAYS, 10.0 + rises[one] * DAYS + sd * random.standard_normal(len(DAYS)),
                            np.full(len(DAYS), sd))
        for one in species
    }  # fmt: skip
    return gc.CultureRun(name, 1.0, {"A": 10.0, "B": 10.0}, series, end=4.0)


def exact(runs, between, between_groups=0.0, groups=()):
    """Return mean and covariance of a, b, and the deviations of a in runs and groups: a linear model, solved in numpy.

    `groups`: the number of the group of each run.
    """
    first = 2 + (len(runs) if between else 0)
    count = first + (max(groups) + 1 if groups else 0)
    rows, targets = [np.eye(count)[0] / 2.0, np.eye(count)[1] / 1.5], [3.0 / 2.0, 1.0 / 1.5]
    for i in range(2, count):
        rows.append(np.eye(count)[i] / (between if i < first else between_groups))
        targets.append(0.0)
    for i, run in enumerate(runs):
        for one, series in run.measurements.items():
            for day, value, sd in zip(series.time, series.value, series.standard_error, strict=True):
                row = np.zeros(count)
                row[0], row[1] = day, day if one == "B" else 0.0
                if between:
                    row[2 + i] = day
                if groups:
                    row[first + groups[i]] = day
                rows.append(row / sd)
                targets.append((value - 10.0) / sd)
    design = np.array(rows)
    covariance = np.linalg.inv(design.T @ design)
    return covariance @ design.T @ np.array(targets), covariance
