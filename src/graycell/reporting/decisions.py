"""The best plan as tables, a figure and one self-contained HTML page, beside the current plan."""

import json
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from graycell.decisions import Optimum
from graycell.decisions.reading import unit_of_decision
from graycell.reporting.curves import add_band
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.page import Section, drawing, facts, number, page, table, text
from graycell.reporting.style import COLOURS, PALE, mark_events, panels, plain
from graycell.reporting.writing import write_table
from graycell.runs.format.writing import write_runs
from graycell.storage import write_whole, written_together
from graycell.units import CONCENTRATION, TIME

PAGE = "optimum.html"
_BANDS = ("rgba(213,94,0,0.18)", "rgba(0,114,178,0.25)")
_COLUMNS = 3
_CAPTION = (
    "Blue: the best plan; orange: the current plan; bands hold 90 of 100 cultures as far as the draws know. Grey: "
    "the runs that were learned from. Look for bands that leave the grey lines: what is promised there was never seen."
)


def decisions_frame(optimum: Optimum, units: Units = LABORATORY) -> pd.DataFrame:
    """Return what was chosen, one row for each decision.

    Args:
        optimum: of a plan.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Name, what is chosen, unit, the values of the current plan and of the best, bounds, and how much one more of the
        unit changes what is maximised.
    """
    shown = shown_in(units, [*optimum.runs, optimum.before])
    rows = []
    for one, first, value, slope in zip(optimum.decisions, optimum.first, optimum.values, optimum.sensitivities,
                                        strict=True):  # fmt: skip
        unit = unit_of_decision(one, optimum.before)
        before, now, lower, upper = (float(shown.values(each, unit, one.species))
                                     for each in (first, value, one.lower, one.upper))  # fmt: skip
        per = float(shown.differences(1.0, unit, one.species))
        rows.append((one.name, _words(one), shown.unit(unit, one.species), before, now, lower, upper, slope / per))
    one_more = f"one more changes {optimum.goals.maximise}" + (f" [{optimum.unit}]" if optimum.unit else "") + " by"
    return pd.DataFrame(rows, columns=["decision", "chosen", "unit", "current", "best", "lower", "upper", one_more])


def _words(decision) -> str:
    """Return what a decision chooses, in words."""
    of = [decision.event, decision.medium, decision.species, decision.input,
          "" if decision.day is None else f"on day {decision.day:g}"]  # fmt: skip
    what = f"{decision.change} of {' '.join(filter(None, of))}" if any(of) else decision.change
    return f"{what}, times that of the current plan" if decision.relative else what


def comparison_frame(optimum: Optimum) -> pd.DataFrame:
    """Return the plans side by side: the current one, the best, and simple rules.

    Args:
        optimum: of a plan.

    Returns:
        A row for each plan: mean of what is maximised, the ends of a 90 % interval, what is counted of it after
        caution, and by how much the worst constraint is broken [1].
    """
    plans = [("current plan", optimum.verdict_before), ("best plan", optimum.verdict), *optimum.rules]
    rows = [(words, verdict.mean, *verdict.interval(), verdict.cautious, verdict.broken)
            for words, verdict in plans if verdict.is_plan]  # fmt: skip
    unit = f" [{optimum.unit}]" if optimum.unit else ""
    heads = [f"{name}{unit}" for name in (optimum.goals.maximise, "q05", "q95", "less caution")]
    return pd.DataFrame(rows, columns=["plan", *heads, "worst constraint broken by [1]"])


def margins_frame(optimum: Optimum) -> pd.DataFrame:
    """Return the room of the constraints.

    Args:
        optimum: of a plan.

    Returns:
        A row for each constraint, and the least margin of the best plan [1], in the size of the constraint.
    """
    return pd.DataFrame(optimum.margins(), columns=["constraint", "least margin [1]"])


def optimum_figure(optimum: Optimum, units: Units = LABORATORY) -> go.Figure:
    """Return the courses of the current plan and of the best one, with the runs that were learned from behind.

    Args:
        optimum: of a plan.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A plotly figure with a panel for each quantity.
    """
    shown = shown_in(units, [*optimum.runs, optimum.before])
    course = optimum.course
    titles = [f"{plain(name)} [{plain(shown.text(course.units[name] or CONCENTRATION, name))}]"
              for name in course.names]  # fmt: skip
    last = max([optimum.plan.end, *(run.end for run in optimum.runs)])
    figure = panels(titles, _COLUMNS, float(shown.values(last, TIME)), shown.unit(TIME))
    for index, name in enumerate(course.names):
        place = {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}
        unit, first = course.units[name] or CONCENTRATION, index == 0
        for k, run in enumerate(run for run in optimum.runs if name in run.measurements):
            series = run.measurements[name]
            figure.add_scatter(
                x=shown.values(series.time, TIME), y=shown.values(series.value, series.unit or unit, name),
                mode="lines", line={"color": PALE, "width": 1}, name="runs", legendgroup="runs",
                showlegend=first and k == 0, hovertext=plain(run.name), **place,
            )  # fmt: skip
        for which, word, colour, band in ((optimum.course_before, "current plan", COLOURS[1], _BANDS[0]),
                                          (course, "best plan", COLOURS[0], _BANDS[1])):  # fmt: skip
            if which is None or name not in which.names:
                continue
            j = which.names.index(name)
            time = shown.values(which.time, TIME)
            low, high, best = (shown.values(part[:, j], unit, name) for part in (which.low, which.high, which.best))
            add_band(figure, time, low, high, band, name=f"{word}, 90 %", legendgroup=word, showlegend=False, **place)
            figure.add_scatter(x=time, y=best, mode="lines", line={"color": colour, "width": 2}, name=word,
                               legendgroup=word, showlegend=first, **place)  # fmt: skip
    mark_events(figure, optimum.plan, len(course.names), float(shown.values(1.0, TIME)))
    return figure


def optimum_report(optimum: Optimum, folder: str | Path, units: Units = LABORATORY) -> Path:
    """Write `optimum.html`, its tables as CSV, `optimum.json` with all that it depends on, and the plan as a run.

    Args:
        optimum: of a plan.
        folder: where the files are written; the plan is the folder `plan` in it, as `graycell predict` reads it.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.
    """
    folder, plain_data = Path(folder), optimum.plain()
    frames = {"decisions": decisions_frame(optimum, units), "plans": comparison_frame(optimum)}
    made = page(f"Best plan of {optimum.plan.name}", _sections(optimum, frames, plain_data, units))
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "optimum.json", json.dumps(plain_data, indent=1, allow_nan=False))
        write_whole(stage / PAGE, made)
    write_runs([optimum.plan], folder / "plan")
    return folder / PAGE


def _sections(optimum: Optimum, frames: dict[str, pd.DataFrame], plain_data: dict, units: Units) -> list[Section]:
    lead, *rest = optimum.sentences()
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in optimum.novelties)
    warnings = f'<ul class="warnings">{items}</ul>' if items else "<p>The plan stays within what was learned.</p>"
    summary = f'<p class="lead">{text(lead)}</p>' + "".join(f"<p>{text(one)}</p>" for one in rest) + warnings
    rows = [("search", optimum.method), ("plans that were judged", str(optimum.judged)),
            ("caution [standard deviations]", number(optimum.caution, 3)), ("seed", str(optimum.seed)),
            *((f"run {name}", digest) for name, digest in plain_data["learned from"].items()),
            ("current plan", plain_data["plan"]["sha256"]), ("code", plain_data["code"]),
            *((name, version) for name, version in plain_data["versions"].items())]  # fmt: skip
    margins = margins_frame(optimum)
    return [
        Section("summary", "Summary", summary),
        Section("decisions", "What to do", table(frames["decisions"])),
        Section("courses", "What it leads to", drawing(optimum_figure(optimum, units), "courses", _CAPTION)),
        Section("plans", "Beside other plans", table(frames["plans"])
                + (table(margins) if len(margins) else "<p>There are no constraints.</p>")),
        Section("made", "How this was made", facts(rows)),
    ]  # fmt: skip
