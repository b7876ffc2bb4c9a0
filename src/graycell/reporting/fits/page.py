"""report: fits -> one HTML file that needs no network, and the tables behind it as CSV."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import plotly.graph_objects as go

from graycell.diagnosis.identifiability import STRONG, UNDETERMINED
from graycell.diagnosis.laws import RecoveredLaw, recovered_laws
from graycell.errors import FitError, GraycellError
from graycell.hybrid.learning import BLACK_BOXES
from graycell.inference.fitting import Fit
from graycell.model import CultureModel
from graycell.reporting import figures
from graycell.reporting.fits import figures as fit_figures
from graycell.reporting.fits import law_figures
from graycell.reporting.fits.law_tables import combinations_frame, correlations_frame, law_errors_frame, laws_frame
from graycell.reporting.fits.summary import Study, headline, making
from graycell.reporting.page import Section, drawing, page, table, text
from graycell.reporting.tables import (
    estimates_frame,
    file_word,
    history_frame,
    residuals_frame,
    scores_frame,
    trajectory_frame,
    write_table,
)
from graycell.simulation.simulate import Trajectory, simulate
from graycell.storage import write_whole

REPORT = "report.html"

_CAPTIONS = {
    "measured": "Look for panels where a line leaves the error bars of several samples in a row; the dotted line is "
    "a temperature shift, a tick at the foot of a panel a bolus.",
    "redox": "R is the NADH that the cytosol makes over the NADH that goes into the mitochondria; R' is the same "
    "ratio of the fluxes, which R follows. Look at when the ratio falls, for that is when lactate turns from made to "
    "used; where the dashed line leaves the solid one, the redox pool lags behind the fluxes.",
    "fluxes": "Solid is the flux that the balances allow, dashed the rate that the rate law wishes (the scale is that "
    "of the fluxes, so a wish may leave it); a gap between them is knowledge that contradicts itself.",
    "conflict": "The conflict is (flux - kinetic rate) over the size of the kinetic rate. Blue: the balances hold the "
    "flux below the rate of its law; red: above; white: they agree. A row that stays at -1 says that the flux is "
    "zero whatever the law wishes, and that its parameters mean little.",
    "residuals": "In a right model with right assay errors the points scatter about zero and nearly all lie in the "
    "grey band; several in a row on one side are a fault of the model (the scales differ).",
    "parameters": "Look for estimates far from 1, which the data moved, and for long or grey bars, which they left "
    "open; open diamonds are at a bound.",
    "law": "Solid is the learned rate over one input, all others at the median of the visited states, with its "
    "interval of 95 %; dotted the known law, dashed the truth if there is one. Trust it where there are samples (ticks "
    "at the foot): in the grey ranges it is an extrapolation.",
    "correlations": "Strong colours off the diagonal are parameters that go together: the data know a product or a "
    "ratio of the two better than either alone.",
    "convergence": "The cost is half the sum of squared residuals, in standard errors. In the first stages the rate "
    "laws see the measured R (loop open), then the model's R is drawn to it ever more weakly (nudged). Look for a "
    "flat end of the last stage; a jump between two stages is no fault, for each asks more of the model than the one "
    "before.",
}
"""What to look for in a figure, by its kind."""


def report(
    fits: Fit | Mapping[str, Fit], folder: str | Path, note: str = "", *, truth: CultureModel | None = None
) -> Path:
    """Simulate the runs of every fit, write `report.html` and CSV tables into `folder`, return the page's path.

    fits: one, named by its model, or several by label. `note`: words about the network, for the last section. `truth`:
    the model that made the runs, if it is known; learned laws are then shown beside its own. Units are the internal units
    and stand in every table's heads. Raises `GraycellError` if there is no fit, or runs of one fit share a name. A
    simulation that does not finish is shown as far as it went, with its remedy.

        report({"published": first, "extended": second}, "results")
    """
    fits = {fits.model.name: fits} if isinstance(fits, Fit) else dict(fits)
    if not fits:
        raise GraycellError("report: found no fits; one or more are needed; fit a model first.")
    for label, fit in fits.items():
        names = [run.name for run in fit.runs]
        for name in names:
            if names.count(name) > 1:
                raise GraycellError(f"report: fit '{label}' has {names.count(name)} runs named '{name}'; rename one.")
    trajectories = {
        label: {run.name: simulate(fit.model_of(run.name), run) for run in fit.runs} for label, fit in fits.items()
    }
    laws = {label: _laws_of(fit, trajectories[label], truth) for label, fit in fits.items()}
    study = Study(fits, trajectories, note, laws)
    folder = Path(folder)
    _write_tables(study, folder)
    write_whole(folder / REPORT, page(study.title, _sections(study)))
    return folder / REPORT


def _laws_of(
    fit: Fit, trajectories: Mapping[str, Trajectory], truth: CultureModel | None
) -> tuple[RecoveredLaw, ...] | str:
    """Return the learned laws of known reactions: a black box has none. A sentence where they cannot be shown."""
    if fit.model.name in BLACK_BOXES:
        return ()
    try:
        return recovered_laws(fit, truth, trajectories=list(trajectories.values()))
    except FitError as error:
        return str(error)


def _write_tables(study: Study, folder: Path) -> None:
    taken: set[str] = set()

    def write(frame, *parts: str) -> None:
        stem = wanted = "_".join(map(file_word, parts))
        count = 1
        while stem.lower() in taken:
            count += 1
            stem = f"{wanted}-{count}"
        taken.add(stem.lower())
        write_table(frame, folder / f"{stem}.csv")

    for label, name, trajectory in study.each():
        write(trajectory_frame(trajectory), "trajectory", label, name)
        write(residuals_frame(trajectory), "residuals", label, name)
    for label, fit in study.fits.items():
        write(estimates_frame(fit), "estimates", label)
        write(history_frame(fit), "history", label)
        if fit.estimates:
            write(combinations_frame(fit), "combinations", label)
            write(correlations_frame(fit), "correlations", label)
        laws = study.laws[label]
        if laws and not isinstance(laws, str):
            write(laws_frame(laws), "laws", label)
    for name in study.runs:
        write(scores_frame(study.of_run(name)), "scores", name)


def _sections(study: Study) -> list[Section]:
    """Return the sections of the page, in order; what has nothing to show is left out."""
    bodies = {
        "Summary": headline(study),
        "Measured and simulated": _by_run(study, figures.measured_and_simulated, "measured"),
        "Scores": "".join(_heading(study, name) + _scores(study, name) for name in study.measured),
        "Redox ratio": _by_run(study, figures.redox, "redox"),
        "Key fluxes": _by_run(study, figures.key_fluxes, "fluxes"),
        "Conflict": "".join(
            f"<h3>{text(label)}: {text(name)}</h3>"
            + drawing(figures.conflict_heatmap(trajectory), f"conflict-{i}", _CAPTIONS["conflict"])
            for i, (label, name, trajectory) in enumerate(study.each())
        ),
        "Residuals": _by_run(study, figures.residuals, "residuals"),
        "Parameters": "".join(_parameters(study, i, label) for i, label in enumerate(study.fits)),
        "Learned laws": "".join(_laws(study, i, label) for i, label in enumerate(study.fits)),
        "What the data do not determine": "".join(_open(study, i, label) for i, label in enumerate(study.fits)),
        "Convergence": "".join(_convergence(study, i, label) for i, label in enumerate(study.fits)),
        "How this was made": making(study),
    }
    return [Section(re.sub(r"[^a-z]+", "-", title.lower()), title, body) for title, body in bodies.items() if body]


def _by_run(study: Study, draw: Callable[..., go.Figure], kind: str) -> str:
    names = study.measured if kind == "residuals" else study.runs
    return "".join(
        _heading(study, name) + drawing(draw(study.of_run(name), colours=study.colours), f"{kind}-{i}", _CAPTIONS[kind])
        for i, name in enumerate(names)
    )


def _heading(study: Study, run: str) -> str:
    return f"<h3>{text(run)}</h3>" if len(study.runs) > 1 else ""


def _scores(study: Study, run: str) -> str:
    frame = scores_frame(study.of_run(run))
    marks = [""] * (len(frame) - 1) + ["total"]
    note = "Root mean squared difference over the measured range (NRMSE); VCD and R are left out of the mean."
    return table(frame, marks=marks, bars=list(frame.columns[1:])) + f'<p class="note">{note}</p>'


def _parameters(study: Study, index: int, label: str) -> str:
    fit = study.fits[label]
    if not fit.estimates:
        return ""
    frame = estimates_frame(fit).drop(columns=["source", "at bound"])
    words = []
    for row in fit.estimates:
        remarks = ["at bound"] * row.at_bound + ["not determined"] * (row.sd_ratio > UNDETERMINED)
        words.append(", ".join(remarks))
    frame.insert(list(frame.columns).index("meaning"), "remark", words)
    marks = ["bound" if row.at_bound else "loose" if row.sd_ratio > UNDETERMINED else ""
             for row in fit.estimates]  # fmt: skip
    note = (
        "The prior ratio is the standard deviation after the fit over that of the prior: above "
        f"{UNDETERMINED:g} (grey) the data do not determine the parameter, and its value rests on the prior."
    )
    drawn = drawing(fit_figures.parameters(fit, study.colours[label]), f"parameters-{index}", _CAPTIONS["parameters"])
    return f'<h3>{text(label)}</h3>{drawn}{table(frame, marks=marks)}<p class="note">{text(note)}</p>'


def _laws(study: Study, index: int, label: str) -> str:
    laws = study.laws[label]
    if not laws:
        return ""
    if isinstance(laws, str):
        return f'<h3>{text(label)}</h3><p class="note">{text(laws)}</p>'
    network = study.fits[label].model.network
    drawn = "".join(
        f"<h4>{text(law.reaction)} {text(network.reactions[network.index(law.reaction)].label)}</h4>"
        + drawing(law_figures.recovered(law, study.colours[label]), f"law-{index}-{j}", _CAPTIONS["law"])
        for j, law in enumerate(laws)
    )
    return f"<h3>{text(label)}</h3>{table(law_errors_frame(laws))}{drawn}"


def _open(study: Study, index: int, label: str) -> str:
    fit = study.fits[label]
    if not fit.estimates:
        return ""
    combinations, pairs = combinations_frame(fit), correlations_frame(fit)
    sentence = (
        f"Of {len(fit.estimates)} independent combinations of the parameters, {len(combinations)} have a prior ratio "
        f"above {UNDETERMINED:g}: what is known of them is the prior. Parts are in prior standard deviations of each "
        f"parameter. {len(pairs)} pairs have a correlation of {STRONG:g} or more."
    )
    shown = f'<h3>{text(label)}</h3><p class="note">{text(sentence)}</p>'
    if len(combinations):
        shown += table(combinations)
    if len(pairs):
        shown += drawing(law_figures.correlations(fit), f"correlations-{index}", _CAPTIONS["correlations"])
    return shown


def _convergence(study: Study, index: int, label: str) -> str:
    fit = study.fits[label]
    if not fit.history:
        return ""
    return f"<h3>{text(label)}</h3>" + drawing(
        fit_figures.convergence(fit, study.colours[label]), f"convergence-{index}", _CAPTIONS["convergence"]
    )
