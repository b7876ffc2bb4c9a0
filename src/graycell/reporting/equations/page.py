"""diagnosis_report: a model diagnosis -> one self-contained HTML file, its tables as CSV, and all of it as JSON."""

import json
from pathlib import Path

import numpy as np

from graycell.cell.flux import SoftWeights
from graycell.diagnosis.equations import ModelDiagnosis
from graycell.reporting.display import INTERNAL, LABORATORY, Shown, Units
from graycell.reporting.equations import figures
from graycell.reporting.equations.tables import diagnosis_frames, display_of
from graycell.reporting.page import Section, drawing, facts, page, table, text
from graycell.reporting.reading import label_of, loop_value_of
from graycell.reporting.tables import trajectory_frame
from graycell.reporting.trajectories import conflict_heatmap
from graycell.reporting.writing import write_table
from graycell.saved import SavedFormat
from graycell.storage import write_whole, written_together

DIAGNOSIS = "diagnosis.html"
_DISAGREES = 0.05
"""Part [1] of the largest value during the run; smaller differences between closures are not reported."""
_CAPTIONS = {
    "conflict": "The conflict is (flux - kinetic rate) over the size of the kinetic rate. Blue: the balances hold the "
    "flux below the kinetic rate; red: above. In a row at -1 the flux is zero whatever the rate law gives.",
    "map": "The rate laws use {R}, and the fluxes they lead to give {R}'. {R} is a fixed point where the curve crosses "
    "the dotted line: stable for a pool if filled, unstable if open. The dashed line is the simulated {R}.",
    "time": "All fixed points over the run; each branch is a line. Look for times with more than one stable branch: "
    "there the equations allow several metabolic states, and the history of the run decides. A cross is a fold, where "
    "two branches end.",
    "parameter": "All fixed points at one time over the values of one parameter; the dashed line is its present value.",
    "closures": "The result of a closure whose line does not fall depends on the step.",
}

_DIAGNOSES = SavedFormat("diagnosis", 1, "diagnose anew with: graycell diagnose", unnumbered=1)


def diagnosis_report(diagnosis: ModelDiagnosis, folder: str | Path, units: Units = LABORATORY) -> Path:
    """Write `diagnosis.html`, a CSV for every table and `diagnosis.json`, which has internal units.

    Args:
        diagnosis: of a model and a run.
        folder: where the files are written.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.
    """
    folder = Path(folder)
    display = display_of(diagnosis, units)
    frames = diagnosis_frames(diagnosis, display)
    tables = {name: _plain(frame) for name, frame in diagnosis_frames(diagnosis, INTERNAL).items()}
    whole = {**_DIAGNOSES.stamp(), "provenance": diagnosis.provenance, "tables": tables}
    made = page(f"Diagnosis of {diagnosis.model.name}", _sections(diagnosis, frames, display))
    with written_together(folder) as stage:
        for name, frame in {**frames, "trajectory": trajectory_frame(diagnosis.trajectory, display)}.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "diagnosis.json", json.dumps(whole, indent=1))
        write_whole(stage / DIAGNOSIS, made)
    return folder / DIAGNOSIS


def headline(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> list[str]:
    """Return the main results of a diagnosis.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Sentences; their times are days.
    """
    found, sentences = diagnosis.structure, []
    equations = found.rank_of_balances + len(found.kinetic)
    relations = f"{found.surplus} surplus relation{'' if found.surplus == 1 else 's'}"
    sentences.append(
        f"{found.reactions} fluxes; {found.rank_of_balances} independent balances and {len(found.kinetic)} rate laws "
        f"are {equations} equations of rank {found.rank}, {found.surplus} too many: rate laws and balances agree only "
        f"if the kinetic rates satisfy {relations}."
    )
    needed = [name for name, free in found.free_without.items() if free > found.free]
    if needed:
        sentences.append(f"Without the rate law of {' or '.join(needed)} the fluxes are not unique.")
    worst = diagnosis.conflicts[0]
    sentences.append(
        f"The balances contradict {worst.reaction} ({label_of(diagnosis.model, worst.reaction)}) most: "
        f"{100.0 * worst.share:.0f} % of the misfit over the run."
    )
    crossing = [row.reaction for row in diagnosis.singular_weights if row.crossings]
    if crossing:
        projection = diagnosis.model.projection
        soft = projection is not None and isinstance(projection.weights, SoftWeights)
        are = "would be singular (the soft ones are not)" if soft else "are singular"
        sentences.append(f"Weights 1/w^2 {are} where the kinetic rate of {', '.join(crossing)} crosses zero.")
    sentences.append(loop_sentence(diagnosis))
    for answer in diagnosis.answers:
        finding = f"left out: {answer.note}" if answer.note else ""
        if len(answer.change):
            setting, coarse, fine = answer.setting.split(" ")[0], answer.values[0], answer.values[-1]
            finding = (
                f"from {setting} {coarse:g} to {fine:g} the end of the run changes by {answer.change.max():.1e} of the "
                f"largest value.{finding}"
            )
        sentences.append(f"The {answer.closure} closure: {finding}")
    return sentences + _disagreements(diagnosis, display_of(diagnosis, units)) + diagnosis.trajectory.remarks()


def loop_sentence(diagnosis: ModelDiagnosis) -> str:
    """Return how many values of the loop variable are stable over the run.

    Args:
        diagnosis: of a model and a run.

    Returns:
        A sentence.
    """
    found, name = diagnosis.over_time, diagnosis.model.loops[0]
    many = np.sum(np.isfinite(found.loop_value) & (found.slope < 1.0), axis=0)
    if np.any(many > 1):
        last = int(np.flatnonzero(many > 1)[-1])
        loop_value, slope = found.loop_value[:, last], found.slope[:, last]
        values = " or ".join(f"{value:.2f}" for value in sorted(loop_value[np.isfinite(loop_value) & (slope < 1.0)]))
        time = found.along[last]
        simulated = np.interp(time, diagnosis.trajectory.time, loop_value_of(diagnosis.trajectory))
        return (
            f"On {_spans(found.along, many > 1)} more than one value of {name} is stable, and the history of the run "
            f"decides between them. On day {time:.1f} they are {values}; the simulated {name} is {simulated:.2f}."
        )
    if np.any(many == 0):
        return f"On {_spans(found.along, many == 0)} no value of {name} is stable."
    return f"At every time that was examined, one value of {name} is stable."


def _disagreements(diagnosis: ModelDiagnosis, display: Shown) -> list[str]:
    """Return a sentence on the quantity at the end of the run that the closures disagree about most, if any."""
    compared = [answer for answer in diagnosis.answers if len(answer.change)]
    if len(compared) < 2:
        return []
    ends = np.stack([answer.ends[-1] for answer in compared])
    path = diagnosis.trajectory
    during = np.column_stack([np.asarray(path[name]) for name in compared[0].quantities])
    size = np.max(np.abs(np.concatenate([during, ends])), axis=0) + 1e-9
    most = int(np.argmax(np.ptp(ends, axis=0) / size))
    if np.ptp(ends[:, most]) < _DISAGREES * size[most]:
        return []
    name = compared[0].quantities[most]
    unit = path.model.unit(name)
    values = [(display.values(end[most], unit, name), answer.closure)
              for answer, end in zip(compared, ends, strict=True)]  # fmt: skip
    words = ", ".join(f"{value:.3g} ({closure})" for value, closure in values)
    return [f"The closures disagree, most about {name} at the end of the run [{display.unit(unit, name)}]: {words}."]


def _spans(along: np.ndarray, chosen: np.ndarray) -> str:
    """Return the chosen intervals of time as text."""
    index = np.flatnonzero(chosen)
    parts = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    ends = [(f"{along[part[0]]:.1f}", f"{along[part[-1]]:.1f}") for part in parts]
    return "day " + ", ".join(first if first == last else f"{first} to {last}" for first, last in ends)


def _sections(diagnosis: ModelDiagnosis, frames: dict, display: Shown) -> list[Section]:
    summary = "".join(f"<p>{text(sentence)}</p>" for sentence in headline(diagnosis, display))
    run, loop = diagnosis.run.provenance, diagnosis.model.loops[0]
    made = facts(
        [("run", diagnosis.run.name), ("citation", run.citation or "not given"),
         *((str(key), json.dumps(value)) for key, value in diagnosis.provenance.items())]
    )  # fmt: skip
    return [
        Section("summary", "Summary", summary),
        Section("equations", "Equations", table(frames["equations"]) + table(frames["surplus-relations"])
                + table(frames["without-a-rate-law"])),
        Section("conflicts", "Conflicts", drawing(conflict_heatmap(diagnosis.trajectory, display), "conflict",
                                                  _CAPTIONS["conflict"]) + table(frames["conflicts"])),
        Section("weights", "Singular weights", table(frames["singular-weights"])),
        Section("map", f"The map {loop} to {loop}'",
                drawing(figures.loop_maps(diagnosis, display), "maps", _CAPTIONS["map"].format(R=loop))
                + table(frames["fixed-points"])),
        Section("branches", f"Branches of {loop}",
                drawing(figures.branches_over_time(diagnosis, display), "over-time", _CAPTIONS["time"])
                + drawing(figures.branches_over_parameter(diagnosis, display), "over-parameter",
                          _CAPTIONS["parameter"])),
        Section("closures", "Closures",
                drawing(figures.closure_answers(diagnosis, display), "answers", _CAPTIONS["closures"])
                + table(frames["closures"])),
        Section("made", "How this was made", made),
    ]  # fmt: skip


def _plain(frame) -> list[dict]:
    return json.loads(frame.to_json(orient="records", double_precision=15))
