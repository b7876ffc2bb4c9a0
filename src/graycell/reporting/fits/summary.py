"""The text of a report on fits: errors, warnings, and how the fits were made."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from graycell.cell.flux import FluxStatus
from graycell.diagnosis.identifiability import UNDETERMINED
from graycell.diagnosis.laws import RecoveredLaw
from graycell.inference.fitting import Fit, FitStatus
from graycell.model import CultureModel
from graycell.reporting.display import DisplayUnits, Shown
from graycell.reporting.page import facts, number, text
from graycell.reporting.reading import flux_statuses, has_loop, has_network, shown_scores
from graycell.reporting.style import colours_of
from graycell.runs.records import CultureRun
from graycell.simulation.scores import mean_nrmse
from graycell.simulation.simulate import SimulationStatus, Trajectory

_HEADS = {
    "closure": "closure of the loop",
    "weights": "weights of the flux projection",
    "parameters": "SHA-256 of the parameters",
    "runs": "SHA-256 of the runs",
    "files": "files and their SHA-256",
}
"""Printed names of entries of `Fit.provenance`."""


@dataclass(frozen=True)
class Study:
    """Fits and the simulations of their runs.

    Attributes:
        fits: by label.
        trajectories: by label, then by name of the run.
        note: text by the author of the report.
        laws: learned laws by label, or a sentence that says why they cannot be shown.
        display: units of tables and figures.
    """

    fits: Mapping[str, Fit]
    trajectories: Mapping[str, Mapping[str, Trajectory]]
    note: str = ""
    laws: Mapping[str, tuple[RecoveredLaw, ...] | str] = field(default_factory=dict)
    display: Shown = field(default_factory=lambda: Shown(DisplayUnits()))

    @property
    def runs(self) -> dict[str, CultureRun]:
        """Every run, by name."""
        return {name: trajectory.run for by_run in self.trajectories.values() for name, trajectory in by_run.items()}

    @property
    def measured(self) -> dict[str, CultureRun]:
        """Every run with measurements, by name."""
        return {name: run for name, run in self.runs.items() if run.measurements}

    @property
    def colours(self) -> dict[str, str]:
        """Colour of every label."""
        return colours_of(self.fits)

    def of_run(self, name: str) -> dict[str, Trajectory]:
        """Return the trajectories of one run.

        Args:
            name: of the run.

        Returns:
            Trajectories by label.
        """
        return {label: by_run[name] for label, by_run in self.trajectories.items() if name in by_run}

    def each(self) -> Iterator[tuple[str, str, Trajectory]]:
        """Go through all trajectories.

        Yields:
            Label, name of the run, trajectory.
        """
        for label, by_run in self.trajectories.items():
            for name, trajectory in by_run.items():
                yield label, name, trajectory

    def mean_nrmse(self, label: str) -> float:
        """Return the mean over the runs of the mean error of all quantities but VCD and R.

        Args:
            label: of a fit.

        Returns:
            NRMSE [1], NaN if nothing was measured.
        """
        of_runs = [
            mean_nrmse(tuple(shown_scores(trajectory)))
            for trajectory in self.trajectories[label].values()
            if not set(trajectory.model.species).isdisjoint(trajectory.run.measurements)
        ]
        there = [error for error in of_runs if np.isfinite(error)]  # a run that cannot be simulated has a warning
        return float(np.mean(there)) if there else float("nan")

    @property
    def title(self) -> str:
        """Title of the page."""
        names = list(self.runs)
        shown = names if len(names) <= 3 else [*names[:2], f"and {len(names) - 2} more"]
        return f"Culture report: {', '.join(shown)}"


def headline(study: Study) -> str:
    """Return the summary: mean NRMSE of every label, a card for each, and the warnings.

    Args:
        study: fits and simulations.

    Returns:
        HTML.
    """
    means = ", ".join(f"{label} {number(100.0 * study.mean_nrmse(label), decimals=1)} %" for label in study.fits)
    runs = "run" if len(study.runs) == 1 else f"the {len(study.runs)} runs"
    sentence = (
        f"Root mean squared error of the simulation as a part of the measured range, mean without VCD and R, "
        f"for {runs} {', '.join(study.runs)}: {means}."
    )
    cards = "".join(_card(study, label) for label in study.fits)
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings_of(study))
    warnings = f'<ul class="warnings">{items}</ul>' if items else ""
    return f'<p class="lead">{text(sentence)}</p><div class="cards">{cards}</div>{warnings}'


def _card(study: Study, label: str) -> str:
    fit = study.fits[label]
    every = [row for trajectory in study.trajectories[label].values() for row in shown_scores(trajectory)]
    rows = [row for row in every if np.isfinite(row.nrmse)]
    loose = sum(row.sd_ratio > UNDETERMINED for row in fit.estimates)
    ends = {trajectory.status for trajectory in study.trajectories[label].values()}
    ranked = [f"{row.quantity} ({number(row.nrmse, 2)})" for row in sorted(rows, key=lambda row: row.nrmse)]
    best, worst = (ranked[0], ranked[-1]) if ranked else ("none", "none")
    agreement = [] if fit.agreement is None else [
        ("chi-square a value, about 1 expected", number(fit.agreement.chi_square, 3))
    ]  # fmt: skip
    shown = facts(
        [
            ("model", fit.model.name),
            ("smallest error", best),
            ("largest error", worst),
            ("measured values", str(sum(row.samples for row in every))),
            ("parameters estimated", str(len(fit.estimates))),
            ("not determined by the data", str(loose)),
            ("at a bound", str(sum(row.at_bound for row in fit.estimates))),
            ("cost [1]", number(fit.cost)),
            *agreement,
            ("fit", _words(fit.status) if fit.status and not fit.converged else "converged"),
            ("simulation", "finished" if ends <= {SimulationStatus.finished} else "not finished"),
        ]
    )
    return (
        f'<div class="card" style="--colour:{study.colours[label]}"><h3>{text(label)}</h3>'
        f'<div class="big">{number(study.mean_nrmse(label), decimals=3)}</div>'
        f'<div class="unit">mean NRMSE without VCD and R [1]</div>{shown}</div>'
    )


def warnings_of(study: Study) -> list[str]:
    """Return everything that went wrong, and what to do about it.

    Args:
        study: fits and simulations.

    Returns:
        Sentences.
    """
    found = []
    for label, name, trajectory in study.each():
        if trajectory.status is not SimulationStatus.finished:
            found.append(f"{label}, run {name}: {_words(trajectory.status)}. {trajectory.status.remedy}")
        found += [f"{label}, run {name}: {sentence}" for sentence in trajectory.remarks()]
        statuses = flux_statuses(trajectory)
        for status in sorted(set(statuses) - {FluxStatus.solved}):
            share = statuses.count(status) / len(statuses)
            found.append(f"{label}, run {name}: fluxes {_words(status)} at {share:.0%} of the points. {status.remedy}")
    for label, fit in study.fits.items():
        if fit.status is FitStatus.out_of_iterations:
            found.append(f"{label}: the fit was not converged when its iterations ran out. Allow more in its last "
                         "stage; the estimates and their standard errors are provisional.")  # fmt: skip
        found += [f"{label}: {sentence}" for sentence in fit.remarks() if sentence != FitStatus.out_of_iterations.value]
        bound = [row.name for row in fit.estimates if row.at_bound]
        if bound:
            found.append(f"{label}: at a bound: {', '.join(bound)}. Widen the bounds, or check whether the "
                         "model needs another term.")  # fmt: skip
    for name in study.runs:
        prints = {fit.provenance.get("runs", {}).get(name) for fit in study.fits.values()} - {None}
        if len(prints) > 1:
            found.append(f"run {name}: the fits used different data under this name. Compare the hashes below.")
    return found


def making(study: Study) -> str:
    """Return how runs and fits were made: citations, hashes, settings, versions, network.

    Args:
        study: fits and simulations.

    Returns:
        HTML.
    """
    parts = []
    for name, run in study.runs.items():
        source = run.provenance
        rows = [("citation", source.citation), ("notes", source.notes), ("files", ", ".join(source.files)),
                ("SHA-256 of the files", source.sha256)]  # fmt: skip
        parts.append(f"<h3>Run {text(name)}</h3>" + facts((key, value or "not given") for key, value in rows))
    for label, fit in study.fits.items():
        rows = _network_facts(fit.model)
        provenance = dict(fit.provenance)
        settings = provenance.pop("settings", None) or json.loads(json.dumps(asdict(fit.settings)))
        absent = {"closure": not has_loop(fit.model), "weights": not has_network(fit.model)}
        rows += [(_HEADS.get(str(key), str(key)), _flat(value)) for key, value in provenance.items()
                 if not absent.get(str(key))]  # fmt: skip
        rows += [(key.replace("_", " "), _flat(value)) for key, value in settings.items()]
        parts.append(f"<h3>Fit {text(label)}</h3>" + facts(rows))
    if study.note:
        parts.append(f"<h3>Note</h3><p>{text(study.note)}</p>")
    return "".join(parts)


def _network_facts(model: CultureModel) -> list[tuple[str, str]]:
    """Return the size of the network, nothing for a model without one."""
    projection, network = model.projection, model.network
    if projection is None or network is None or not has_network(model):
        return []
    surplus = f" (surplus: {', '.join(projection.surplus)})" if projection.surplus else ""
    rows = [
        ("network", f"{len(model.reactions)} reactions, {len(network.internal)} intracellular species balanced; "
                    f"{len(model.kinetic)} reactions with a rate law"),
        ("overdetermined by", f"{len(projection.surplus)}{surplus}"),
    ]  # fmt: skip
    if projection.undetermined:
        rows.append(("not determined by rate laws", ", ".join(projection.undetermined)))
    return rows


def _flat(value: object) -> str:
    if isinstance(value, Mapping) and "name" in value:
        rest = {key: entry for key, entry in value.items() if key != "name"}
        return f"{value['name']} ({_flat(rest)})"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_flat(entry) for entry in value)
    return "default" if value is None else str(value)


def _words(status: SimulationStatus | FluxStatus | FitStatus) -> str:
    return status.name.replace("_", " ")
