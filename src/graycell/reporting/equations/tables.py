"""The tables of a `ModelDiagnosis`, as DataFrames with units in their heads."""

import numpy as np
import pandas as pd

from graycell.diagnosis.equations import ModelDiagnosis
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in
from graycell.reporting.reading import label_of
from graycell.simulation.branches import Branches
from graycell.units import SPECIFIC_RATE, TIME


def diagnosis_frames(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> dict[str, pd.DataFrame]:
    """Return every table of a diagnosis.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Tables by a name that serves as file name.
    """
    display, over_time, over_parameter = display_of(diagnosis, units), diagnosis.over_time, diagnosis.over_parameter
    return {
        "equations": equations_frame(diagnosis),
        "surplus-relations": relations_frame(diagnosis, display),
        "without-a-rate-law": uniqueness_frame(diagnosis),
        "conflicts": conflicts_frame(diagnosis, display),
        "singular-weights": singular_frame(diagnosis, display),
        "fixed-points": fixed_points_frame(diagnosis, display),
        "branches-over-time": branches_frame(diagnosis, over_time, f"time [{TIME}]", display),
        "branches-over-parameter": branches_frame(diagnosis, over_parameter, parameter_head(diagnosis), display),
        "closures": closures_frame(diagnosis, display),
    }


def equations_frame(diagnosis: ModelDiagnosis) -> pd.DataFrame:
    """Return the numbers of equations and unknowns.

    Args:
        diagnosis: of a model and a run.

    Returns:
        One row a number [1].
    """
    found = diagnosis.structure
    rows = {
        "fluxes (unknowns)": found.reactions,
        "balances of intracellular species": found.balances,
        "rank of the balances": found.rank_of_balances,
        "rate laws": len(found.kinetic),
        "rank of balances and rate laws together": found.rank,
        "surplus equations": found.surplus,
        "undetermined directions": found.free,
    }
    return pd.DataFrame({"what": list(rows), "count [1]": list(rows.values())})


def relations_frame(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the surplus relations and the root mean square, over time, by which the kinetic rates miss them.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a relation.
    """
    time = diagnosis.trajectory.time
    typical = np.sqrt(np.trapezoid(diagnosis.relation_gaps**2, time, axis=0) / max(time[-1] - time[0], 1e-300))
    return pd.DataFrame(
        {
            "relation that the kinetic rates should satisfy": [
                str(relation) for relation in diagnosis.structure.relations
            ],
            **display_of(diagnosis, units).column("missed by", SPECIFIC_RATE, typical, ""),
        }
    )


def uniqueness_frame(diagnosis: ModelDiagnosis) -> pd.DataFrame:
    """Return whether the fluxes stay unique without each rate law.

    Args:
        diagnosis: of a model and a run.

    Returns:
        One row a rate law.
    """
    found = diagnosis.structure
    free = [found.free_without[name] for name in found.kinetic]
    return pd.DataFrame(
        {
            "rate law left out": found.kinetic,
            "fluxes stay unique": ["yes" if count <= found.free else "no" for count in free],
            "directions left open [1]": free,
            "in a surplus relation": ["no" if name in found.apart else "yes" for name in found.kinetic],
        }
    )


def conflicts_frame(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the conflict of every rate law with the balances, the largest share first.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a rate law.
    """
    rows, display = diagnosis.conflicts, display_of(diagnosis, units)
    return pd.DataFrame(
        {
            "rate law": [row.reaction for row in rows],
            "label": [label_of(diagnosis.model, row.reaction) for row in rows],
            "share of the misfit [1]": [_no_rounding(row.share) for row in rows],
            "typical conflict [1]": [_no_rounding(row.typical) for row in rows],
            "largest [1]": [_no_rounding(row.largest) for row in rows],
            **display.times(np.array([row.time for row in rows], float), "at time"),
            "time at its bound [1]": [row.bound for row in rows],
        }
    )


def singular_frame(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the kinetic rates near zero, where the published weight 1/w^2 is singular.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a rate law.
    """
    rows, display = diagnosis.singular_weights, display_of(diagnosis, units)
    signs = [", ".join(f"{display.values(time, TIME):.2f}" for time in row.crossings) for row in rows]
    return pd.DataFrame(
        {
            "rate law": [row.reaction for row in rows],
            f"changes sign at [{display.unit(TIME)}]": signs,
            **display.column("smallest size", SPECIFIC_RATE, np.array([row.least for row in rows], float), ""),
            **display.times(np.array([row.time for row in rows], float), "at time"),
            "largest 1/w^2 over that of the others [1]": [row.weight_ratio for row in rows],
            "jump with 1/w^2, of the largest flux [1]": [row.jump for row in rows],
            "flux that jumps": [row.jumping for row in rows],
        }
    )


def fixed_points_frame(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the fixed points of R -> R' (or another loop) at the chosen times, and for which closures they are stable.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a fixed point.
    """
    loop, display = diagnosis.map, display_of(diagnosis, units)
    points, name = loop.points, diagnosis.model.loops[0]
    unit = diagnosis.model.unit(name)
    return pd.DataFrame(
        {
            **display.times(loop.time[points.point]),
            **display.column(name, unit, points.loop_value),
            f"slope d{name}'/d{name} [1]": points.slope,
            "dynamic and algebraic": ["stable" if stable else "unstable" for stable in points.stable_if_dynamic],
            "lagged": ["stable" if stable else "unstable" for stable in points.stable_if_lagged],
            **display.column(f"simulated {name}", unit, loop.simulated[points.point], name),
        }
    )


def branches_frame(diagnosis: ModelDiagnosis, branches: Branches, head: str, units: Units = LABORATORY) -> pd.DataFrame:
    """Return branches of fixed points in long form.

    Args:
        diagnosis: of a model and a run.
        branches: over time or over a parameter.
        head: of the column of times [d] or values of the parameter, which keep their unit.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a fixed point.
    """
    branch, place = np.nonzero(np.isfinite(branches.loop_value))
    name, display = diagnosis.model.loops[0], display_of(diagnosis, units)
    along = branches.along[place]
    return pd.DataFrame(
        {
            **(display.times(along) if head == f"time [{TIME}]" else {head: along}),
            "branch": branch + 1,
            **display.column(name, diagnosis.model.unit(name), branches.loop_value[branch, place]),
            f"slope d{name}'/d{name} [1]": branches.slope[branch, place],
        }
    )


def closures_frame(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the end of the run by each closure, for each step or tolerance.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a closure and step or tolerance.
    """
    rows, display = [], display_of(diagnosis, units)
    for answer in diagnosis.answers:
        for k, value in enumerate(answer.values):
            change = answer.change[k] if k < len(answer.change) else np.nan
            row = {"closure": answer.closure, "set by": answer.setting.split(" ")[0], "to": value,
                   "differs from the finest by [1]": change}  # fmt: skip
            for j, name in enumerate(answer.quantities):
                row |= display.column(name, diagnosis.model.unit(name), answer.ends[k, j])
            rows.append(row)
    return pd.DataFrame(rows)


def display_of(diagnosis: ModelDiagnosis, units: Units) -> Shown:
    """Return the units of tables and figures of a diagnosis.

    Args:
        diagnosis: of a model and a run.
        units: that were chosen.

    Returns:
        The units, with what the run and the model know.
    """
    return units if isinstance(units, Shown) else shown_in(units, [diagnosis.run], [diagnosis.model])


def parameter_head(diagnosis: ModelDiagnosis) -> str:
    """Return the head of the column of the parameter over which branches were followed.

    Args:
        diagnosis: of a model and a run.

    Returns:
        Name and unit.
    """
    name = diagnosis.parameter
    return f"{name} [{diagnosis.model.table[name].unit}]"


def _no_rounding(value: float) -> float:
    """Return 0 for a rounding error: a conflict of 1e-9 is none."""
    return value if abs(value) > 1e-9 else 0.0
