"""diagnosis_report: an inspection -> one HTML file that needs no network, its tables as CSV, and a JSON."""

import json
from pathlib import Path

import numpy as np

from graycell.cell.flux import SoftWeights
from graycell.diagnosis.equations import ModelDiagnosis
from graycell.reporting.equations import figures
from graycell.reporting.equations.tables import diagnosis_frames, label_of
from graycell.reporting.figures import conflict_heatmap
from graycell.reporting.page import Section, drawing, facts, page, table, text
from graycell.reporting.tables import trajectory_frame, unit_of, write_table
from graycell.storage import write_whole

INSPECTION = "inspection.html"
_DISAGREES = 0.05
"""Part of the largest value during the run by which the ends of the closures have to differ to be worth a sentence."""
_CAPTIONS = {
    "conflict": "The conflict is (flux - kinetic rate) over the size of the kinetic rate. Blue: the balances hold the "
    "flux below the rate of its law; red: above. A row at -1 is a law whose flux is zero whatever it wishes.",
    "map": "The rate laws see R, and the fluxes give R' back. Where the curve crosses the dotted line R is a fixed "
    "point: stable for a redox pool where filled, unstable where open. The dashed line is R of the trajectory.",
    "time": "All fixed points over the run, each branch a line. Look for times with more than one stable branch: "
    "there the equations allow two metabolic states, and the history of the run decides. A cross is a fold, where a "
    "branch ends.",
    "parameter": "The same at one time over the values of one parameter; the dashed line is the model's value.",
    "closures": "A closure whose line does not fall has no answer of its own: what it says depends on the step.",
}


def diagnosis_report(inspection: ModelDiagnosis, folder: str | Path) -> Path:
    """Write `inspection.html`, a CSV for every table and `inspection.json` into `folder`; return the page's path."""
    folder = Path(folder)
    frames = diagnosis_frames(inspection)
    for name, frame in frames.items():
        write_table(frame, folder / f"{name}.csv")
    write_table(trajectory_frame(inspection.trajectory), folder / "trajectory.csv")
    whole = {"provenance": inspection.provenance, "tables": {name: _plain(frame) for name, frame in frames.items()}}
    write_whole(folder / "inspection.json", json.dumps(whole, indent=1))
    write_whole(folder / INSPECTION, page(f"ModelDiagnosis of {inspection.model.name}", _sections(inspection, frames)))
    return folder / INSPECTION


def headline(inspection: ModelDiagnosis) -> list[str]:
    """Return what was found, in sentences."""
    found, sentences = inspection.structure, []
    equations = found.rank_of_balances + len(found.kinetic)
    relations = f"{found.surplus} surplus relation{'' if found.surplus == 1 else 's'}"
    sentences.append(
        f"{found.reactions} fluxes; {found.rank_of_balances} independent balances and {len(found.kinetic)} rate laws "
        f"are {equations} equations of rank {found.rank}, so {found.surplus} too many: rate laws and balances agree "
        f"only where the kinetic rates satisfy {relations}."
    )
    needed = [name for name, free in found.free_without.items() if free > found.free]
    if needed:
        sentences.append(f"Without the rate law of {' or of '.join(needed)} the fluxes are not unique.")
    worst = inspection.conflicts[0]
    sentences.append(
        f"The balances contradict {worst.reaction} ({label_of(inspection, worst.reaction)}) most: "
        f"{100.0 * worst.share:.0f} % of the misfit of the run."
    )
    crossing = [row.reaction for row in inspection.singular_weights if row.crossings]
    if crossing:
        soft = isinstance(inspection.model.projection.weights, SoftWeights)
        are = "would be singular, and soft ones are not," if soft else "are singular"
        sentences.append(f"Weights 1/w^2 {are} where the kinetic rate of {', '.join(crossing)} crosses zero.")
    many = np.sum(np.isfinite(inspection.over_time.redox) & (inspection.over_time.slope < 1.0), axis=0)
    if np.any(many > 1):
        last = int(np.flatnonzero(many > 1)[-1])
        redox, slope = inspection.over_time.redox[:, last], inspection.over_time.slope[:, last]
        values = " or ".join(f"{one:.2f}" for one in sorted(redox[np.isfinite(redox) & (slope < 1.0)]))
        time = inspection.over_time.along[last]
        own = np.interp(time, inspection.trajectory.time, inspection.trajectory.redox)
        sentences.append(
            f"At {_spans(inspection.over_time.along, many > 1)} a redox pool could rest at more than one value of R: "
            f"the history of the run decides at which. At day {time:.1f} it could be {values}; R is {own:.2f}."
        )
    elif np.any(many == 0):
        sentences.append(f"At {_spans(inspection.over_time.along, many == 0)} no value of R closes the loop.")
    else:
        sentences.append("At every time that was looked at, R has one value at which a redox pool rests.")
    for one in inspection.answers:
        said = f"The {one.closure} closure: "
        if len(one.change):
            said += (
                f"from {one.setting.split(' ')[0]} {one.values[0]:g} to {one.values[-1]:g} the end of the run changes "
            )
            said += f"by {one.change.max():.1e} of the largest values."
        sentences.append(said + (f"left out: {one.note}" if one.note else ""))
    return sentences + _disagreements(inspection) + inspection.trajectory.remarks()


def _disagreements(inspection: ModelDiagnosis) -> list[str]:
    """Return a sentence about the quantity at the end of the run that the closures disagree about most."""
    said = [one for one in inspection.answers if len(one.change)]
    if len(said) < 2:
        return []
    ends = np.stack([one.ends[-1] for one in said])
    path = inspection.trajectory
    during = np.column_stack([path.concentrations, path.viable_cell_density, path.redox])
    size = np.max(np.abs(np.concatenate([during, ends])), axis=0) + 1e-9
    most = int(np.argmax(np.ptp(ends, axis=0) / size))
    if np.ptp(ends[:, most]) < _DISAGREES * size[most]:
        return []
    name = said[0].quantities[most]
    words = ", ".join(f"{end[most]:.3g} ({one.closure})" for one, end in zip(said, ends, strict=True))
    return [f"The closures disagree, most about {name} at the end of the run [{unit_of(name)}]: {words}."]


def _spans(along: np.ndarray, chosen: np.ndarray) -> str:
    """Return in words which stretches of time were chosen."""
    index = np.flatnonzero(chosen)
    parts = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    ends = [(f"{along[part[0]]:.1f}", f"{along[part[-1]]:.1f}") for part in parts]
    return "day " + ", ".join(first if first == last else f"{first} to {last}" for first, last in ends)


def _sections(inspection: ModelDiagnosis, frames: dict) -> list[Section]:
    said = "".join(f"<p>{text(sentence)}</p>" for sentence in headline(inspection))
    run = inspection.run.provenance
    made = facts(
        [("run", inspection.run.name), ("citation", run.citation or "not given"),
         *((str(key), json.dumps(value)) for key, value in inspection.provenance.items())]
    )  # fmt: skip
    return [
        Section("summary", "Summary", said),
        Section("equations", "Equations", table(frames["equations"]) + table(frames["surplus-relations"])
                + table(frames["without-a-rate-law"])),
        Section("conflicts", "Conflicts", drawing(conflict_heatmap(inspection.trajectory), "conflict",
                                                  _CAPTIONS["conflict"]) + table(frames["conflicts"])),
        Section("weights", "Singular weights", table(frames["singular-weights"])),
        Section("map", "The map from R to R'", drawing(figures.loop_maps(inspection), "maps", _CAPTIONS["map"])
                + table(frames["fixed-points"])),
        Section("branches", "Branches of R",
                drawing(figures.branches_over_time(inspection), "over-time", _CAPTIONS["time"])
                + drawing(figures.branches_over_parameter(inspection), "over-parameter", _CAPTIONS["parameter"])),
        Section("closures", "Closures", drawing(figures.closure_answers(inspection), "answers", _CAPTIONS["closures"])
                + table(frames["closures"])),
        Section("made", "How this was made", made),
    ]  # fmt: skip


def _plain(frame) -> list[dict]:
    return json.loads(frame.to_json(orient="records", double_precision=15))
