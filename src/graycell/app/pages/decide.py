"""What is chosen of the plan, within which bounds, and for what; the best plan."""

import json
import re

from nicegui import run, ui

from graycell.app.pages.frame import begin, command, faults, frame, heading, runs_of, save_toml, show_error, work
from graycell.app.pages.plan import ALL_RUNS
from graycell.app.project import DECISIONS, FITS, PLAN, RESULTS, RUNS, Project
from graycell.errors import GraycellError
from graycell.runs import read_runs
from graycell.runs.records import TEMPERATURE, Bolus, CultureRun, Setpoint

_OPTIMISING, _OUT = "Looking for the best plan", f"{RESULTS}/best"
_TITERS = ("titer", "ANTI", "mAb", "IgG", "P")
"""Names of products, the likeliest first."""
_MOST_FEED, _FEW_DAYS, _LARGER = 2.0, 2.0, 1.3
"""[1] Largest bolus beside that of the plan; [d] around the shift and the end; [1] most volume beside the present."""


def drafted(plan: CultureRun, quantities: list[str]) -> str:
    """Return a first file of decisions for a plan: its boluses, its shift and its end.

    Args:
        plan: the plan.
        quantities: that were measured.

    Returns:
        TOML.
    """
    product = next((name for name in _TITERS if name in quantities), "?")
    total = plan.initial_volume + sum(float(one.volume) for one in plan.events if isinstance(one, Bolus))
    lines = [f'maximise = "{product}"              # at the end; a formula, such as "{product} * volume"',
             f'constraints = ["volume <= {_LARGER * total:.4g}"]', ""]  # fmt: skip
    shifts = sum(map(_is_shift, plan.events))
    boluses = [one for one in plan.events if isinstance(one, Bolus)]
    largest = max([float(one.volume) for one in boluses], default=0.0) or 0.01 * plan.initial_volume
    several = len({one.medium for one in boluses}) > 1
    for day, medium in dict.fromkeys((float(one.time), one.medium if isinstance(one, Bolus) else "")
                                     for one in plan.events if isinstance(one, Bolus) or _is_shift(one)):  # fmt: skip
        if medium:
            most = max(float(one.volume) for one in boluses if (one.time, one.medium) == (day, medium)) or largest
            name = f"bolus_{_word(day)}" + (f"_{re.sub(r'[^A-Za-z0-9]', '_', medium)}" if several else "")
            lines += [f"[decisions.{name}]", 'change = "volume"', 'event = "bolus"', f"day = {day:g}",
                      *([f"medium = {json.dumps(medium)}"] if several else []), "lower = 0",
                      f'upper = "{1000 * _MOST_FEED * most:.4g} mL"', ""]  # fmt: skip
        else:
            name = "shift" if shifts == 1 else f"shift_{_word(day)}"
            lines += [f"[decisions.{name}]", 'change = "time"', 'event = "temperature"', f"day = {day:g}",
                      f"lower = {max(day - _FEW_DAYS, 0.5):g}", f"upper = {min(day + _FEW_DAYS, plan.end):g}", ""]
    lines += ["[decisions.harvest]", 'change = "end"', f"lower = {max(plan.end - _FEW_DAYS, 1.0):g}",
              f"upper = {plan.end + _FEW_DAYS:g}", "step = 0.5"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _is_shift(event: object) -> bool:
    return isinstance(event, Setpoint) and event.input == TEMPERATURE and float(event.time) > 0.0


def _word(day: float) -> str:
    return f"{day:g}".replace(".", "_")


def add(project: Project) -> None:
    """Add the page.

    Args:
        project: whose page it is.
    """

    @ui.page("/decide")
    async def _page() -> None:
        with frame(project, "/decide", "Which numbers of the plan are chosen, within which bounds, and what for."):
            runs = await runs_of(project)
            if not runs:
                return
            try:
                plan = await run.io_bound(project.plan)
            except GraycellError as error:
                faults(error)
                return
            if plan is None:
                ui.label("There is no plan yet.")
                ui.link("Make a plan", "/plan")
                return
            _decisions(project, runs, plan)


def _decisions(project: Project, runs: list[CultureRun], plan: CultureRun) -> None:
    """Show the file of decisions, and what was found with it."""
    place, names = project.path(DECISIONS), [*dict.fromkeys(name for one in runs for name in one.measurements)]
    text = place.read_text(encoding="utf-8") if place.is_file() else drafted(plan, names)
    editor = ui.textarea(label="Decisions", value=text).classes("w-full font-mono").props("outlined rows=18")
    sources = {**{f"{FITS}/{name}": f"the fit {name}" for name in project.fits()}, RUNS: ALL_RUNS}
    chosen = ui.select(sources, value=next(iter(sources)), label="Judge plans with").classes("w-96")

    def words() -> list[str]:
        return ["optimise", chosen.value, PLAN, DECISIONS, "--out", _OUT]

    def search() -> None:
        if save_toml(editor, place):
            begin(project, _OPTIMISING, words(), _OUT)

    def take() -> None:
        try:
            project.save_plan(read_runs(project.path(_OUT, "plan"))[0])
        except GraycellError as error:
            show_error(error)
            return
        ui.navigate.to("/plan")

    @ui.refreshable
    def shown() -> None:
        command(words())

    with ui.row():
        ui.button("Look for the best plan", on_click=search)
        ui.button("Draft the decisions anew", on_click=lambda: editor.set_value(drafted(plan, names))).props("outline")
    shown()
    chosen.on_value_change(shown.refresh)
    heading("The best plan")
    work(project, lambda job: job.title == _OPTIMISING, "optimum.html")
    if project.path(_OUT, "plan").is_dir():
        with ui.row():
            ui.button("Take the best plan as the plan", on_click=take).props("outline")
