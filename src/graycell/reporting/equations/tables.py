"""The tables of an `ModelDiagnosis`, as DataFrames with units in their heads."""

import numpy as np
import pandas as pd

from graycell.diagnosis.equations import ModelDiagnosis
from graycell.reporting.tables import unit_of
from graycell.simulation.branches import Branches
from graycell.units import SPECIFIC_RATE, TIME


def diagnosis_frames(inspection: ModelDiagnosis) -> dict[str, pd.DataFrame]:
    """Return every table by a name that serves as a file name."""
    return {
        "equations": equations_frame(inspection),
        "surplus-relations": relations_frame(inspection),
        "without-a-rate-law": uniqueness_frame(inspection),
        "conflicts": conflicts_frame(inspection),
        "singular-weights": singular_frame(inspection),
        "fixed-points": fixed_points_frame(inspection),
        "branches-over-time": branches_frame(inspection.over_time, f"time [{TIME}]"),
        "branches-over-parameter": branches_frame(inspection.over_parameter, parameter_head(inspection)),
        "closures": closures_frame(inspection),
    }


def equations_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return the counts of equations and unknowns."""
    found = inspection.structure
    rows = {
        "fluxes (unknowns)": found.reactions,
        "balances of the inside": found.balances,
        "rank of the balances": found.rank_of_balances,
        "rate laws": len(found.kinetic),
        "rank of balances and rate laws together": found.rank,
        "equations too many (surplus relations)": found.surplus,
        "directions that nothing determines": found.free,
    }
    return pd.DataFrame({"what": list(rows), "count [1]": list(rows.values())})


def relations_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return the surplus relations and by how much the kinetic rates miss them, root of the mean square over time."""
    time = inspection.trajectory.time
    typical = np.sqrt(np.trapezoid(inspection.relation_gaps**2, time, axis=0) / max(time[-1] - time[0], 1e-300))
    return pd.DataFrame(
        {
            "the kinetic rates would have to satisfy": [str(relation) for relation in inspection.structure.relations],
            f"missed by [{SPECIFIC_RATE}]": typical,
        }
    )


def uniqueness_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return, for every rate law, whether the fluxes stay unique without it."""
    found = inspection.structure
    free = [found.free_without[name] for name in found.kinetic]
    return pd.DataFrame(
        {
            "rate law dropped": found.kinetic,
            "fluxes stay unique": ["yes" if count <= found.free else "no" for count in free],
            "directions left open [1]": free,
            "in a surplus relation": ["no" if name in found.apart else "yes" for name in found.kinetic],
        }
    )


def conflicts_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return the conflict of every rate law with the balances, the largest share first."""
    rows = inspection.conflicts
    return pd.DataFrame(
        {
            "rate law": [row.reaction for row in rows],
            "label": [label_of(inspection, row.reaction) for row in rows],
            "share of the misfit [1]": [_no_rounding(row.share) for row in rows],
            "typical conflict [1]": [_no_rounding(row.typical) for row in rows],
            "largest [1]": [_no_rounding(row.largest) for row in rows],
            f"at time [{TIME}]": [row.time for row in rows],
            "time at its bound [1]": [row.bound for row in rows],
        }
    )


def singular_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return the kinetic rates near zero, where the published weight 1/w^2 is singular."""
    rows = inspection.singular_weights
    return pd.DataFrame(
        {
            "rate law": [row.reaction for row in rows],
            f"changes sign at [{TIME}]": [", ".join(f"{time:.2f}" for time in row.crossings) for row in rows],
            f"smallest size [{SPECIFIC_RATE}]": [row.least for row in rows],
            f"at time [{TIME}]": [row.time for row in rows],
            "1/w^2 over that of the others [1]": [row.weight_ratio for row in rows],
            "jump with 1/w^2, of the largest flux [1]": [row.jump for row in rows],
            "flux that jumps": [row.jumping for row in rows],
        }
    )


def fixed_points_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return the fixed points of R -> R' at the chosen times, and for which closure they are stable."""
    loop = inspection.map
    points = loop.points
    return pd.DataFrame(
        {
            f"time [{TIME}]": loop.time[points.moment],
            "R [1]": points.redox,
            "slope dR'/dR [1]": points.slope,
            "dynamic and algebraic": ["stable" if one else "unstable" for one in points.stable_for_a_pool],
            "lagged": ["stable" if one else "unstable" for one in points.stable_for_lagging],
            "R of the trajectory [1]": loop.trajectory_redox[points.moment],
        }
    )


def branches_frame(branches: Branches, head: str) -> pd.DataFrame:
    """Return branches in long form, one row a fixed point; `head` names the column of what they go along."""
    branch, place = np.nonzero(np.isfinite(branches.redox))
    return pd.DataFrame(
        {
            head: branches.along[place],
            "branch": branch + 1,
            "R [1]": branches.redox[branch, place],
            "slope dR'/dR [1]": branches.slope[branch, place],
        }
    )


def closures_frame(inspection: ModelDiagnosis) -> pd.DataFrame:
    """Return what each closure says at the end of the run, by its step or tolerance."""
    rows = []
    for one in inspection.answers:
        for k, value in enumerate(one.values):
            change = one.change[k] if k < len(one.change) else np.nan
            row = {"closure": one.closure, "set by": one.setting.split(" ")[0], "to": value,
                   "differs from the finest by [1]": change}  # fmt: skip
            row |= {f"{name} [{unit_of(name)}]": one.ends[k, j] for j, name in enumerate(one.quantities)}
            rows.append(row)
    return pd.DataFrame(rows)


def parameter_head(inspection: ModelDiagnosis) -> str:
    """Return the head of the parameter over which branches were drawn, with its unit."""
    name = inspection.parameter
    return f"{name} [{inspection.model.table[name].unit}]"


def _no_rounding(value: float) -> float:
    """Return 0 for what is rounding: a conflict of 1e-9 is no conflict."""
    return value if abs(value) > 1e-9 else 0.0


def label_of(inspection: ModelDiagnosis, reaction: str) -> str:
    """Return the words for a reaction."""
    network = inspection.model.network
    return network.reactions[network.index(reaction)].label
