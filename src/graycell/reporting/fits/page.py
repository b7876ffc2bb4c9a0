"""report: fits -> one self-contained HTML file, and its tables as CSV."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import plotly.graph_objects as go

from graycell.diagnosis.identifiability import STRONG, UNDETERMINED
from graycell.diagnosis.laws import RecoveredLaw, recovered_laws
from graycell.errors import FitError, GraycellError
from graycell.hybrid import BLACK_BOXES
from graycell.inference.fitting import Fit
from graycell.inference.initial_states import FAR
from graycell.model import CultureModel
from graycell.reporting import trajectories as trajectory_figures
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.fits import figures
from graycell.reporting.fits.identifiability import combinations_frame, correlations, correlations_frame
from graycell.reporting.fits.laws import law_errors_frame, laws_frame, recovered
from graycell.reporting.fits.summary import Study, headline, making
from graycell.reporting.page import Section, drawing, page, table, text
from graycell.reporting.reading import has_loop, has_network, label_of
from graycell.reporting.tables import (
    estimates_frame,
    history_frame,
    initial_states_frame,
    own_values_frame,
    residuals_frame,
    scores_frame,
    trajectory_frame,
)
from graycell.reporting.writing import file_word, write_table
from graycell.simulation.simulate import Trajectory, simulate
from graycell.storage import write_whole, written_together

REPORT = "report.html"

_CAPTIONS = {
    "measured": "Look for panels in which a line is outside the error bars of several samples in a row. The dotted "
    "line is a temperature shift, a tick at the bottom of a panel is a bolus.",
    "loop": "The solid line is the loop variable; the dashed line is its target, which the fluxes determine and the "
    "variable follows. Where the lines differ, the variable lags behind the fluxes. In the models of Nolan & Lee, R is "
    "the NADH made in the cytosol over the NADH carried into the mitochondria: when R falls, lactate turns from "
    "produced to consumed.",
    "fluxes": "Solid is the flux that the balances allow, dashed the kinetic rate of the rate law (the axis fits the "
    "fluxes and may cut off a kinetic rate). A gap between them is a contradiction between rate laws and balances.",
    "conflict": "The conflict is (flux - kinetic rate) over the size of the kinetic rate. Blue: the balances hold the "
    "flux below the kinetic rate; red: above; white: they agree. In a row that stays at -1 the flux is zero whatever "
    "the rate law gives, so its parameters mean little.",
    "residuals": "If model and assay errors are correct, the points scatter about zero and nearly all are in the grey "
    "band. Several points in a row on one side are a systematic error of the model. The panels have different scales.",
    "parameters": "Look for estimates far from 1, which the data changed, and for long or grey bars, which the data do "
    "not determine. Open diamonds are at a bound.",
    "law": "Solid is the learned rate over one input, with its 95 % interval; all other inputs are at the median of "
    "the visited states. Dotted is the known law, dashed the truth if there is one. Trust the law where there are "
    "samples (ticks at the bottom); in the grey ranges it is an extrapolation.",
    "correlations": "Strong colours off the diagonal are correlated parameters: the data determine a product or a "
    "ratio of the two better than either alone.",
    "convergence": "The cost is half the sum of squared residuals, in standard errors. The end of the last stage "
    "should be flat. A jump between two stages is no error, because each stage minimises a different cost.",
    "convergence with loop": "In the first stages the rate laws use the measured loop variable, such as R (loop open); "
    "then the simulated variable is pulled to the measured one, more and more weakly (nudged); in the last stage the "
    "loop is closed.",
}
"""What to look for in a figure, by its kind."""


def report(
    fits: Fit | Mapping[str, Fit],
    folder: str | Path,
    note: str = "",
    *,
    truth: CultureModel | None = None,
    units: Units = LABORATORY,
) -> Path:
    """Simulate the runs of every fit and write a page and its tables.

    A simulation that does not finish is shown as far as it went, with its remedy. A section about something that no
    model of the report has, such as a loop, is left out.

        report({"published": first, "extended": second}, "results")

    Args:
        fits: one fit, labelled by the name of its model, or several by label.
        folder: where `report.html` and the CSV files are written.
        note: plain text for the last section.
        truth: the model that made the runs, if known; its rate laws are then shown beside the learned ones.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.

    Raises:
        GraycellError: if there is no fit, or two runs of a fit have the same name.
    """
    fits = {fits.model.name: fits} if isinstance(fits, Fit) else dict(fits)
    if not fits:
        raise GraycellError("report: found no fits; one or more are needed; fit a model first.")
    for label, fit in fits.items():
        names = [run.name for run in fit.runs]
        for name in names:
            if names.count(name) > 1:
                raise GraycellError(f"report: fit '{label}' has {names.count(name)} runs named '{name}'; rename one.")
    display = shown_in(units, [run for fit in fits.values() for run in fit.runs], [fit.model for fit in fits.values()])
    trajectories = {
        label: {run.name: simulate(fit.model_of(run.name), fit.run_of(run)) for run in fit.runs}
        for label, fit in fits.items()
    }
    laws = {label: _laws_of(fit, trajectories[label], truth) for label, fit in fits.items()}
    study = Study(fits, trajectories, note, laws, display)
    folder = Path(folder)
    made = page(study.title, _sections(study))
    with written_together(folder) as stage:
        _write_tables(study, stage)
        write_whole(stage / REPORT, made)
    return folder / REPORT


def _laws_of(
    fit: Fit, trajectories: Mapping[str, Trajectory], truth: CultureModel | None
) -> tuple[RecoveredLaw, ...] | str:
    """Return the learned laws, none for a black box, or a sentence that says why they cannot be shown."""
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
        write(trajectory_frame(trajectory, study.display), "trajectory", label, name)
        write(residuals_frame(trajectory, study.display), "residuals", label, name)
    for label, fit in study.fits.items():
        write(estimates_frame(fit), "estimates", label)
        write(history_frame(fit), "history", label)
        if fit.per_run or fit.per_group:
            write(own_values_frame(fit), "own-values", label)
        if fit.initial_states is not None:
            write(initial_states_frame(fit, study.display), "initial-states", label)
        if fit.estimates and fit.has_covariance:
            write(combinations_frame(fit), "combinations", label)
            write(correlations_frame(fit), "correlations", label)
        laws = study.laws[label]
        if laws and not isinstance(laws, str):
            write(laws_frame(laws, study.display), "laws", label)
    for name in study.runs:
        write(scores_frame(study.of_run(name)), "scores", name)


def _sections(study: Study) -> list[Section]:
    """Return the sections of the page in order, without those that have nothing to show."""
    networks = [entry for entry in study.each() if has_network(entry[2].model)]
    bodies = {
        "Summary": headline(study),
        "Measured and simulated": _by_run(study, trajectory_figures.measured_and_simulated, "measured"),
        "Scores": "".join(_heading(study, name) + _scores(study, name) for name in study.measured),
        "Loop variable": _by_run(study, trajectory_figures.loop_variables, "loop", has_loop),
        "Key fluxes": _by_run(study, trajectory_figures.key_fluxes, "fluxes", has_network),
        "Conflict": "".join(
            f"<h3>{text(label)}: {text(name)}</h3>"
            + drawing(
                trajectory_figures.conflict_heatmap(trajectory, study.display), f"conflict-{i}", _CAPTIONS["conflict"]
            )
            for i, (label, name, trajectory) in enumerate(networks)
        ),
        "Residuals": _by_run(study, trajectory_figures.residuals, "residuals"),
        "Parameters": "".join(_parameters(study, i, label) for i, label in enumerate(study.fits)),
        "Own values of groups and runs": "".join(_own_values(study, label) for label in study.fits),
        "Initial states": "".join(_initial_states(study, label) for label in study.fits),
        "Learned laws": "".join(_laws(study, i, label) for i, label in enumerate(study.fits)),
        "What the data do not determine": "".join(_undetermined(study, i, label) for i, label in enumerate(study.fits)),
        "Convergence": "".join(_convergence(study, i, label) for i, label in enumerate(study.fits)),
        "How this was made": making(study),
    }
    return [Section(re.sub(r"[^a-z]+", "-", title.lower()), title, body) for title, body in bodies.items() if body]


def _by_run(
    study: Study,
    draw: Callable[..., go.Figure],
    kind: str,
    is_shown: Callable[[CultureModel], bool] = lambda model: True,
) -> str:
    """Return a figure for every run, of the models that have what is drawn."""
    shown = ""
    for i, name in enumerate(study.measured if kind == "residuals" else study.runs):
        chosen = {
            label: trajectory for label, trajectory in study.of_run(name).items() if is_shown(trajectory.model)
        }
        if chosen:
            figure = draw(chosen, colours=study.colours, units=study.display)
            shown += _heading(study, name) + drawing(figure, f"{kind}-{i}", _CAPTIONS[kind])
    return shown


def _heading(study: Study, run: str) -> str:
    return f"<h3>{text(run)}</h3>" if len(study.runs) > 1 else ""


def _scores(study: Study, run: str) -> str:
    frame = scores_frame(study.of_run(run))
    marks = [""] * (len(frame) - 1) + ["total"]
    note = "Root mean squared difference over the measured range (NRMSE); the mean is without VCD and R."
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
        "Posterior SD / prior SD is the standard deviation of a parameter after the fit over that before it. Above "
        f"{UNDETERMINED:g} (grey) the data do not determine the parameter, and its value comes from the prior. "
        "Shrinkage is 1 less its square."
    )
    drawn = drawing(figures.parameters(fit, study.colours[label]), f"parameters-{index}", _CAPTIONS["parameters"])
    return f'<h3>{text(label)}</h3>{drawn}{table(frame, marks=marks)}<p class="note">{text(note)}</p>'


def _own_values(study: Study, label: str) -> str:
    fit = study.fits[label]
    if not (fit.per_run or fit.per_group):
        return ""
    frame = own_values_frame(fit)
    marks = ["bound" if abs(apart) > FAR else "" for apart in frame.iloc[:, -1]]
    note = (
        "These parameters differ between groups of runs, or between runs: each has a value of its own, drawn to the "
        "shared one by the standard deviation between them. The difference of a group is from the shared value, that "
        f"of a run from the value of its group if it has one. A difference of more than {FAR:g} such standard "
        "deviations (marked) is a group or a run that is unlike the others, or a standard deviation that is too small."
    )
    return f'<h3>{text(label)}</h3>{table(frame, marks=marks)}<p class="note">{text(note)}</p>'


def _initial_states(study: Study, label: str) -> str:
    states = study.fits[label].initial_states
    if states is None:
        return ""
    frame = initial_states_frame(study.fits[label], study.display)
    marks = ["bound" if abs(apart) > FAR else "" for apart in frame.iloc[:, -1]]
    note = (
        "Concentrations at time 0 were estimated, because the given ones have the error of an assay. Curves begin at "
        f"the estimates. A difference of more than {FAR:g} errors of the assay (marked) says that the sample at time "
        "0, its error or the model is wrong. Errors and differences are of natural logarithms."
    )
    return f'<h3>{text(label)}</h3>{table(frame, marks=marks)}<p class="note">{text(note)}</p>'


def _laws(study: Study, index: int, label: str) -> str:
    laws = study.laws[label]
    if not laws:
        return ""
    if isinstance(laws, str):
        return f'<h3>{text(label)}</h3><p class="note">{text(laws)}</p>'
    model = study.fits[label].model
    drawn = "".join(
        f"<h4>{text(law.reaction)} {text(label_of(model, law.reaction))}</h4>"
        + drawing(recovered(law, study.colours[label], study.display), f"law-{index}-{j}", _CAPTIONS["law"])
        for j, law in enumerate(laws)
    )
    return f"<h3>{text(label)}</h3>{table(law_errors_frame(laws))}{drawn}"


def _undetermined(study: Study, index: int, label: str) -> str:
    fit = study.fits[label]
    if not fit.estimates or not fit.has_covariance:
        return ""  # the summary says so
    combinations, pairs = combinations_frame(fit), correlations_frame(fit)
    sentence = (
        f"Of {len(fit.estimates)} independent combinations of the parameters, {len(combinations)} have a posterior SD "
        f"above {UNDETERMINED:g} of their prior SD: they are known from the prior alone. Coefficients are in prior "
        f"standard deviations of each parameter. {len(pairs)} pairs have a correlation of {STRONG:g} or more."
    )
    shown = f'<h3>{text(label)}</h3><p class="note">{text(sentence)}</p>'
    if len(combinations):
        shown += table(combinations)
    if len(pairs):
        shown += drawing(correlations(fit), f"correlations-{index}", _CAPTIONS["correlations"])
    return shown


def _convergence(study: Study, index: int, label: str) -> str:
    fit = study.fits[label]
    if not fit.history:
        return ""
    more = f" {_CAPTIONS['convergence with loop']}" if has_loop(fit.model) else ""
    figure = figures.convergence(fit, study.colours[label])
    return f"<h3>{text(label)}</h3>" + drawing(figure, f"convergence-{index}", _CAPTIONS["convergence"] + more)
