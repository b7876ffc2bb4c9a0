"""The plan of the next run: feeds, shift and end by mouse; its prediction, with bands and warnings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from nicegui import run, ui

from graycell.app.pages.frame import begin, command, faults, frame, heading, runs_of, show_error, work
from graycell.app.project import FITS, PLAN, RESULTS, RUNS, Project
from graycell.comparison.splits import known_of
from graycell.errors import GraycellError
from graycell.runs.records import TEMPERATURE, VCD, Bolus, CultureRun, Event, Setpoint

_PREDICTING = "Predicting"
ALL_RUNS = "all runs, without a model to choose"
_FIRST_BOLUS, _FIRST_TEMPERATURE = 10.0, 33.0
"""[mL], [degC] Of what is added, to be changed."""
_ML = 1000.0
"""[mL/L]"""


@dataclass
class Row:
    """What is done at one time, as the page edits it.

    Attributes:
        day: [d]
        medium: of a bolus; None for a set-point of the temperature.
        value: [mL] of a bolus, [degC] of the set-point.
    """

    day: float
    medium: str | None
    value: float


def rows_of(plan: CultureRun) -> tuple[list[Row], list[Event]]:
    """Return what of a plan is edited, and the events that stay as they are.

    Args:
        plan: any run.

    Returns:
        Rows in the order of time; other events.
    """
    rows, kept = [], []
    for event in plan.events:
        if isinstance(event, Bolus):
            rows.append(Row(float(event.time), event.medium, _ML * float(event.volume)))
        elif isinstance(event, Setpoint) and event.input == TEMPERATURE:
            rows.append(Row(float(event.time), None, float(event.value)))
        else:
            kept.append(event)
    return rows, kept


def plan_with(plan: CultureRun, rows: list[Row], kept: list[Event], end: float, cells: float) -> CultureRun:
    """Return a plan with what was edited.

    Args:
        plan: before.
        rows: what is done.
        kept: other events.
        end: [d]
        cells: [10^9 cells/L] at time 0.

    Returns:
        The plan, named next.
    """
    events: list[Event] = [one for one in kept if float(one.time) <= end]
    for row in rows:
        bolus = None if row.medium is None else Bolus(row.day, row.medium, row.value / _ML)
        events.append(Setpoint(row.day, row.value) if bolus is None else bolus)
    initial = {**plan.initial, **({VCD: cells} if VCD in plan.initial else {})}
    bare = replace(plan, name="next", events=(), initial=initial, measurements={}, end=end)
    return bare.with_events(*events)


def add(project: Project) -> None:
    """Add the page.

    Args:
        project: whose page it is.
    """

    @ui.page("/plan")
    async def _page() -> None:
        with frame(project, "/plan", "What is to be done in the next run, and what it will be."):
            runs = await runs_of(project)
            if not runs:
                return
            try:
                plan = await run.io_bound(project.plan)
            except GraycellError as error:
                faults(error)
                return
            unsaved: list[GraycellError] = []
            _editor(project, runs, plan, unsaved)
            _prediction(project, unsaved)


def _editor(
    project: Project, runs: list[CultureRun], plan: CultureRun | None, unsaved: list[GraycellError]
) -> None:
    """Show the plan; it is written whenever a number was changed. unsaved: why the numbers of the page were not."""
    names = [one.name for one in runs]
    with ui.row().classes("items-end gap-4"):
        first = ui.select(names, value=names[-1], label="Begin with what was done in").classes("w-64")
        ui.button("Take it as the plan", on_click=lambda: take(first.value)).props("outline")
    place = ui.column().classes("w-full")

    def take(name: str) -> None:
        try:
            project.save_plan(replace(known_of(runs[names.index(name)]), name="next"))
        except GraycellError as error:
            show_error(error)
            return
        ui.navigate.to("/plan")

    if plan is None:
        with place:
            ui.label("There is no plan yet.")
        return
    rows, kept = rows_of(plan)
    state = {"end": float(plan.end), "cells": float(plan.initial.get(VCD, 0.0))}

    def save() -> None:
        wrong.clear()
        try:
            project.save_plan(plan_with(plan, rows, kept, state["end"], state["cells"]))
            unsaved.clear()
        except GraycellError as error:
            unsaved.append(error)
            with wrong:
                faults(error)

    def number(words: str, value: float, least: float, change: Callable[[float], object]) -> None:
        field = ui.number(words, value=round(value, 6), min=least, step=0.1).classes("w-40")

        def left() -> None:
            if field.value is not None:
                change(float(field.value))
                save()

        field.on("blur", left)
        field.on("keydown.enter", left)

    def remove(row: Row) -> None:
        rows.remove(row)
        save()
        table.refresh()

    @ui.refreshable
    def table() -> None:
        for row in sorted(rows, key=lambda row: row.day):
            words = "Temperature [degC]" if row.medium is None else f"Bolus of {row.medium} [mL]"
            with ui.row().classes("items-end gap-3"):
                number("Day", row.day, 0.0, partial(setattr, row, "day"))
                number(words, row.value, 0.0, partial(setattr, row, "value"))
                ui.button("Remove", on_click=partial(remove, row)) \
                    .props(f'flat dense aria-label="Remove what is done on day {row.day:g}"')  # fmt: skip

    def more(medium: str | None) -> None:
        rows.append(Row(round(state["end"] / 2.0, 1), medium, _FIRST_BOLUS if medium else _FIRST_TEMPERATURE))
        save()
        table.refresh()

    wrong = ui.column().classes("gap-1")
    with place:
        heading("The plan")
        with ui.row().classes("gap-3"):
            if VCD in plan.initial:
                number("Cells at the start [10^6/mL]", state["cells"], 0.0, lambda value: state.update(cells=value))
            number("Ends on day", state["end"], 0.5, lambda value: state.update(end=value))
        table()
        with ui.row().classes("gap-3"):
            for medium in plan.media:
                ui.button(f"Add a bolus of {medium}", on_click=partial(more, medium)).props("outline")
            ui.button("Add a temperature", on_click=lambda: more(None)).props("outline")
        if kept:
            count = "1 other event" if len(kept) == 1 else f"{len(kept)} other events"
            ui.label(f"As before: {count} of the plan, such as samples, continuous feeds, the end.")


def _prediction(project: Project, unsaved: list[GraycellError]) -> None:
    """Show the prediction of the plan."""
    heading("What it will be")
    sources = {RUNS: ALL_RUNS, **{f"{FITS}/{name}": f"the fit {name}" for name in project.fits()}}
    chosen = ui.select(sources, value=RUNS, label="Predict with").classes("w-96")

    def words() -> list[str]:
        return ["predict", chosen.value, PLAN, "--out", f"{RESULTS}/prediction"]

    def predict() -> None:
        if not project.path(PLAN).is_dir() or unsaved:
            words_of_fault = "Correct the plan first." if unsaved else "There is no plan yet: take one of a run."
            ui.notify(words_of_fault, type="warning")
            return
        begin(project, _PREDICTING, words(), f"{RESULTS}/prediction")

    @ui.refreshable
    def shown() -> None:
        command(words())

    with ui.row():
        ui.button("Predict", on_click=predict)
    shown()
    chosen.on_value_change(shown.refresh)
    work(project, lambda job: job.title == _PREDICTING, "prediction.html")
