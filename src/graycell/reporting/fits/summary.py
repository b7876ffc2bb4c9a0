"""What a report says in words: how well the fits meet the runs, what went wrong, how it was made."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from graycell.cell.flux import FluxStatus
from graycell.diagnosis.identifiability import UNDETERMINED
from graycell.diagnosis.laws import RecoveredLaw
from graycell.inference.fitting import Fit
from graycell.reporting.page import facts, number, text
from graycell.reporting.style import colours_of
from graycell.runs.records import CultureRun
from graycell.simulation.scores import mean_nrmse, scores
from graycell.simulation.simulate import SimulationStatus, Trajectory

_HEADS = {
    "closure": "closure of the redox loop",
    "weights": "weights of the allocation",
    "parameters": "SHA-256 of the parameters",
    "runs": "SHA-256 of the runs",
    "files": "files and their SHA-256",
}
"""Words for what `Fit.provenance` holds."""


@dataclass(frozen=True)
class Study:
    """What a report is about: fits by label, and the trajectory of each label and run.

    trajectories: by label, then by the name of the run; note: words of the author about the reactions; laws: by label,
    what was learned of rate laws, or a sentence that says why nothing can be shown.
    """

    fits: Mapping[str, Fit]
    trajectories: Mapping[str, Mapping[str, Trajectory]]
    note: str = ""
    laws: Mapping[str, tuple[RecoveredLaw, ...] | str] = field(default_factory=dict)

    @property
    def runs(self) -> dict[str, CultureRun]:
        """Every run, by name."""
        return {name: one.run for by_run in self.trajectories.values() for name, one in by_run.items()}

    @property
    def measured(self) -> dict[str, CultureRun]:
        """Every run with measurements, by name."""
        return {name: run for name, run in self.runs.items() if run.measurements}

    @property
    def colours(self) -> dict[str, str]:
        return colours_of(self.fits)

    def of_run(self, name: str) -> dict[str, Trajectory]:
        """Return the trajectories of one run, by label."""
        return {label: by_run[name] for label, by_run in self.trajectories.items() if name in by_run}

    def each(self) -> Iterator[tuple[str, str, Trajectory]]:
        """Yield (label, name of the run, trajectory)."""
        for label, by_run in self.trajectories.items():
            for name, trajectory in by_run.items():
                yield label, name, trajectory

    def mean_nrmse(self, label: str) -> float:
        """Return the mean NRMSE [1] over the species, and over the runs of a label that measured any."""
        of_runs = [
            mean_nrmse(scores(one))
            for one in self.trajectories[label].values()
            if not set(one.model.species).isdisjoint(one.run.measurements)
        ]
        return float(np.mean(of_runs)) if of_runs else float("nan")

    @property
    def title(self) -> str:
        names = list(self.runs)
        shown = names if len(names) <= 3 else [*names[:2], f"and {len(names) - 2} more"]
        return f"Culture report: {', '.join(shown)}"


def headline(study: Study) -> str:
    """Return a sentence with the mean NRMSE of every label, a card for each, and the troubles, as HTML."""
    means = ", ".join(f"{label} {number(100.0 * study.mean_nrmse(label), decimals=1)} %" for label in study.fits)
    runs = "run" if len(study.runs) == 1 else f"the {len(study.runs)} runs"
    sentence = (
        f"Mean over the species of the root mean squared error of simulation, as a part of the measured range, "
        f"for {runs} {', '.join(study.runs)}: {means}."
    )
    cards = "".join(_card(study, label) for label in study.fits)
    items = "".join(f"<li>{text(one)}</li>" for one in troubles(study))
    warnings = f'<ul class="warnings">{items}</ul>' if items else ""
    return f'<p class="lead">{text(sentence)}</p><div class="cards">{cards}</div>{warnings}'


def _card(study: Study, label: str) -> str:
    fit = study.fits[label]
    rows = [row for one in study.trajectories[label].values() for row in scores(one) if np.isfinite(row.nrmse)]
    values = sum(row.samples for one in study.trajectories[label].values() for row in scores(one))
    loose = sum(row.sd_ratio > UNDETERMINED for row in fit.estimates)
    ends = {one.status for one in study.trajectories[label].values()}
    ranked = [f"{row.quantity} ({number(row.nrmse, 2)})" for row in sorted(rows, key=lambda row: row.nrmse)]
    best, worst = (ranked[0], ranked[-1]) if ranked else ("none", "none")
    shown = facts(
        [
            ("model", fit.model.name),
            ("smallest error", best),
            ("largest error", worst),
            ("measured values", str(values)),
            ("parameters estimated", str(len(fit.estimates))),
            ("of these not determined by the data", str(loose)),
            ("at a bound", str(sum(row.at_bound for row in fit.estimates))),
            ("cost [1]", number(fit.cost)),
            ("fit", "converged" if fit.converged else "not converged"),
            ("simulation", "finished" if ends <= {SimulationStatus.finished} else "not finished"),
        ]
    )
    return (
        f'<div class="card" style="--colour:{study.colours[label]}"><h3>{text(label)}</h3>'
        f'<div class="big">{number(study.mean_nrmse(label), decimals=3)}</div>'
        f'<div class="unit">mean NRMSE over the species [1]</div>{shown}</div>'
    )


def troubles(study: Study) -> list[str]:
    """Return a sentence for everything that went wrong, with what to do."""
    found = []
    for label, name, trajectory in study.each():
        if trajectory.status is not SimulationStatus.finished:
            found.append(f"{label}, run {name}: {_words(trajectory.status)}. {trajectory.status.remedy}")
        found += [f"{label}, run {name}: {sentence}" for sentence in trajectory.remarks()]
        for status in map(FluxStatus, sorted(set(trajectory.flux_status.tolist()) - {FluxStatus.solved})):
            share = float(np.mean(trajectory.flux_status == status))
            found.append(f"{label}, run {name}: fluxes {_words(status)} at {share:.0%} of the points. {status.remedy}")
    for label, fit in study.fits.items():
        if not fit.converged:
            found.append(f"{label}: the fit was not converged when its iterations ran out. Raise those of its last "
                         "stage; the estimates and their standard errors are provisional.")  # fmt: skip
        bound = [row.name for row in fit.estimates if row.at_bound]
        if bound:
            found.append(f"{label}: at a bound: {', '.join(bound)}. Widen the bounds, or see whether the model "
                         "needs another term.")  # fmt: skip
    for name in study.runs:
        prints = {fit.provenance.get("runs", {}).get(name) for fit in study.fits.values()} - {None}
        if len(prints) > 1:
            found.append(f"run {name}: the fits saw different data under this name. Compare the hashes below.")
    return found


def making(study: Study) -> str:
    """Return where runs and fits come from, as HTML: citations, hashes, settings, versions, the network."""
    parts = []
    for name, run in study.runs.items():
        source = run.provenance
        rows = [("citation", source.citation), ("notes", source.notes), ("files", ", ".join(source.files)),
                ("SHA-256 of the files", source.sha256)]  # fmt: skip
        parts.append(f"<h3>Run {text(name)}</h3>" + facts((key, value or "not given") for key, value in rows))
    for label, fit in study.fits.items():
        projection = fit.model.projection
        surplus = f" (surplus: {', '.join(projection.surplus)})" if projection.surplus else ""
        rows = [
            ("network", f"{len(fit.model.reactions)} reactions, {len(fit.model.network.internal)} species balanced "
                        f"inside; {len(fit.model.kinetic)} reactions with a rate law"),
            ("overdetermined by", f"{len(projection.surplus)}{surplus}"),
        ]  # fmt: skip
        if projection.undetermined:
            rows.append(("not determined by rate laws", ", ".join(projection.undetermined)))
        provenance = dict(fit.provenance)
        settings = provenance.pop("settings", None) or json.loads(json.dumps(asdict(fit.settings)))
        rows += [(_HEADS.get(str(key), str(key)), _flat(value)) for key, value in provenance.items()]
        rows += [(key.replace("_", " "), _flat(value)) for key, value in settings.items()]
        parts.append(f"<h3>Fit {text(label)}</h3>" + facts(rows))
    if study.note:
        parts.append(f"<h3>Note</h3><p>{text(study.note)}</p>")
    return "".join(parts)


def _flat(value: object) -> str:
    if isinstance(value, Mapping) and "name" in value:
        rest = {key: one for key, one in value.items() if key != "name"}
        return f"{value['name']} ({_flat(rest)})"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_flat(one) for one in value)
    return "default" if value is None else str(value)


def _words(status: SimulationStatus | FluxStatus) -> str:
    return status.name.replace("_", " ")
