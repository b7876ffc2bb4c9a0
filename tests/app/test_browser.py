"""The app in a real browser: from a file of a laboratory to the best plan, by mouse, and by keyboard alone.

Slow, and it needs Chromium: `make test-app`. CHROMIUM names its program where it is not /usr/bin/chromium.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="part of the extra 'browser'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="part of the extra 'browser'")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
pytestmark = [
    pytest.mark.slow, pytest.mark.skipif(not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}"),
]  # fmt: skip
LONG = 600_000.0
"""[ms] For work on a slow machine."""
IMAGES = os.environ.get("SCREENSHOTS")
"""Folder for pictures of the pages; none are kept where it is not given."""


def laboratory_file(folder):
    """Write three runs as a laboratory keeps them."""
    rows = ["Batch,Day,VCD (1e6 cells/mL),Viability (%),Glc (mM),Lac (mM),Titer (g/L),Feed (mL)"]
    for run, feed in (("R1", 20), ("R2", 30), ("R3", 40)):
        cells, glucose, lactate, titer = 0.4, 30.0, 1.0, 0.0
        for day in range(11):
            fed = feed if day in (3, 6) else 0
            odd = 1.0 + 0.03 * (((7 * day + feed) % 5) - 2) / 2
            rows.append(f"{run},{day},{odd * cells:.3f},{98 - 0.5 * day:.1f},{glucose:.1f},{lactate:.1f},{titer:.3f},"
                        f"{fed or ''}")  # fmt: skip
            for _ in range(10):
                growth = 0.5 * glucose / (glucose + 2.0) * 15.0 / (15.0 + lactate)
                glucose = max(glucose - 0.11 * cells * glucose / (glucose + 1.0), 0.01)
                lactate += 0.07 * cells * glucose / (glucose + 3.0) * (1.0 - day / 12.0)
                titer, cells = titer + 0.002 * cells, cells * (1.0 + 0.1 * growth)
            glucose += 0.5 * fed
    path = folder / "laboratory.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


class Served:
    """The app, as a process, and a page of a browser on it."""

    def __init__(self, folder, browser):
        self.folder, self.requests, self.errors = folder, [], []
        self.begun = time.monotonic()
        self.process = self.start()
        self.context = browser.new_context(viewport={"width": 1200, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000.0)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def start(self, *more):
        # where it finds pytest, NiceGUI serves nothing
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        process = subprocess.Popen([sys.executable, "-m", "graycell.cli", "app", str(self.folder), "--no-show", *more],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)  # fmt: skip
        said = process.stdout.readline()
        self.address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", said)[0]
        self.own = self.address.partition("/?")[0]
        for _ in range(300):  # the address is printed just before the app listens
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.own.rpartition(":")[2]))) == 0:
                    return process
            time.sleep(0.1)
        raise AssertionError("the app does not answer")

    def open(self, path):
        self.page.goto(self.own + path)

    def seen(self, words, **more):
        self.page.get_by_text(words, exact=more.pop("exact", True)).first.wait_for(**more)

    def picture(self, name):
        """Keep a picture, and look for what keeps people out."""
        if IMAGES:
            self.page.screenshot(path=f"{IMAGES}/app-{name}.png")
        self.page.wait_for_timeout(1000.0)  # words that fade in have little contrast
        found = axe.Axe().run(self.page).response["violations"]
        serious = [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found
                   if one["impact"] in ("serious", "critical")]  # fmt: skip
        assert serious == [], (name, serious)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(15.0)
        finally:
            self.process.kill()
            self.process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as started:
        one = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def served(tmp_path, browser):
    one = Served(tmp_path / "study", browser)
    yield one
    one.end()
    one.context.close()


def completed(mapping):
    """Answer the questions of the draft."""
    answers = {'taken = "?"': 'taken = "before"', '"? L"': '"1 L"', "? mmol/L": "500 mmol/L"}
    for question, answer in answers.items():
        assert question in mapping
        mapping = mapping.replace(question, answer)
    return mapping


def click(served, name):
    served.page.get_by_role("button", name=name, exact=True).first.click()


def press(served, name, kind="button"):
    """Reach a button or a link by the tab key alone, and press Enter."""
    wanted = served.page.get_by_role(kind, name=name, exact=True).first
    wanted.wait_for()
    for _ in range(400):
        served.page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement || element.contains(document.activeElement)"):
            served.page.keyboard.press("Enter")
            return
    raise AssertionError(f"'{name}' cannot be reached by the tab key")


@pytest.mark.parametrize("do", [click, press], ids=["by mouse", "by keyboard"])
def test_from_a_file_to_the_best_plan(served, tmp_path, do):
    page = served.page
    page.goto(served.address)
    served.seen("Drop the files of your laboratory", exact=False)
    assert time.monotonic() - served.begun < 20.0  # 5 s where the machine does nothing else
    page.locator("input[type=file]").set_input_files(str(laboratory_file(tmp_path)))
    page.get_by_role("button", name="Remove laboratory.csv").wait_for()
    do(served, "Draft the mapping")
    mapping = page.get_by_label("Mapping")
    page.wait_for_function("() => document.querySelector('textarea').value.includes('Viability')")
    served.picture("files")
    mapping.focus()
    mapping.fill(completed(mapping.input_value()))
    mapping.press("Tab")
    do(served, "Make runs")
    page.wait_for_url("**/runs", timeout=LONG)
    served.seen("All runs over each other")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    page.get_by_text("Checking ...").wait_for(state="detached")
    served.picture("runs")
    served.open("/models")
    do(served, "Fit cho-basic")
    page.wait_for_url("**/models", timeout=LONG)
    served.seen("Fitting cho-basic is done.", timeout=LONG)
    served.picture("models")
    served.open("/plan")
    do(served, "Take it as the plan")
    served.seen("The plan")
    do(served, "Add a bolus of Feed")
    served.picture("plan")
    do(served, "Predict")
    served.seen("Predicting is done.", timeout=LONG)
    page.frame_locator("iframe").get_by_text("Prediction", exact=False).first.wait_for()
    served.open("/decide")
    do(served, "Look for the best plan")
    served.seen("Looking for the best plan is done.", timeout=LONG)
    served.picture("decide")
    served.open("/results")
    served.picture("work")
    assert served.errors == []
    outside = [url for url in served.requests if not url.startswith((served.own, "data:", "blob:"))]
    assert outside == []
    made = {path.name for path in served.folder.iterdir()}
    assert {"uploads", "mapping.toml", "runs", "fits", "plan", "decisions.toml", "results", "work"} <= made


def test_work_goes_on_without_the_app_and_is_there_when_it_starts_again(served):
    page = served.page
    page.goto(served.address)
    click(served, "Take the run that comes with graycell")
    page.wait_for_url("**/runs")
    served.open("/models")
    served.page.get_by_role("button", name="Fit nolan-lee", exact=True).click(timeout=LONG)
    page.get_by_text("so far", exact=False).first.wait_for()
    page.goto("about:blank")
    served.process.kill()
    served.process.wait()
    served.process.stdout.close()
    served.process = served.start()
    page.goto(served.address)
    served.open("/results")
    served.seen("1: Fitting nolan-lee, running")
    begun = time.monotonic()
    click(served, "Stop")
    while "running" in page.content():
        time.sleep(0.2)
        page.reload()
        page.wait_for_load_state("networkidle")
    assert time.monotonic() - begun < 10.0  # 2 s where the machine does nothing else, and the page
    served.seen("1: Fitting nolan-lee, stopped")
    assert served.end() in (0, 130, -signal.SIGINT)
