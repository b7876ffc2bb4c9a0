"""The page "Several clones, several scales" works: its files, its Python and its commands; and the command's faults."""

import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError

PAGE = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def run(line):
    return CliRunner().invoke(app, shlex.split(line)[1:])


def fault(line):
    """Return the sentences with which a command ends."""
    found = run(line)
    assert isinstance(found.exception, InputError)
    return str(found.exception)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder in which everything on the page was done, what the commands said, and what Python knows."""
    folder, names, commands = tmp_path_factory.mktemp("page"), {}, {}
    first, model, campaign, laboratory, begin, fill, loop = BLOCKS
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for (_, text), name in ((model, "clones.toml"), (campaign, "campaign.toml")):
            Path(name).write_text(text, encoding="utf-8")
        for kind, text in (laboratory, begin, fill, first, loop):
            if kind == "python":
                exec(compile(text, "docs/campaigns.md", "exec"), names)  # noqa: S102  the page's own code
            for line in text.splitlines() if not kind else ():
                found = run(line)
                assert found.exit_code == 0, found.output
                commands[line] = " ".join(found.output.split())
    return folder, commands, names


def test_a_campaign_finds_a_plan_that_is_near_the_best_of_all_clones(place):
    _, _, names = place
    gc, model, plan, clones = (names[name] for name in ("gc", "model", "plan", "clones"))

    def reached(clone, warmth, feed):
        events = (gc.Setpoint(0.0, warmth), gc.Bolus(4.0, "feed", feed))
        run = gc.CultureRun("one", 1.0, plan.initial, events=events, media=plan.media, end=10.0)
        return float(gc.simulate(model.with_parameters({**clones[clone], "vessel": 0.9}), run).final["titer"])

    known = max(reached(name, own["best"], feed) for name, own in clones.items() for feed in (0.02, 0.04, 0.06))
    first = names["step"].best[0]
    assert reached(first.clone, *first.values) > 0.9 * known
    assert first.low < reached(first.clone, *first.values) < first.high


def test_all_clones_are_looked_at_first_and_then_the_scale_that_is_worth_most(place):
    folder, commands, _ = place
    first, second = (json.loads((folder / name / "campaign.json").read_text()) for name in ("step-1", "step-2"))
    assert {run["clone"] for run in first["batch"]} == set("ABCDEF")
    assert first["best of every clone"] == []
    assert len({run["values"][0] for run in first["batch"]}) == 1  # a plate has one temperature
    assert {run["values"][1] for run in first["batch"]} == {0.03}
    assert set(second["worth for its cost"]) == {"plate", "bench", "pilot"}
    assert second["scale"] == max(second["worth for its cost"], key=second["worth for its cost"].get)
    assert len(second["best of every clone"]) == 6
    assert second["spent"] == 180.0
    table = pd.read_csv(folder / "step-2" / "next-batch.csv")
    assert list(table.columns) == ["clone", "scale", "warmth [degC]", "feed [L]", "goal", "expected", "low", "high",
                                   "best at target"]  # fmt: skip
    assert "Most is expected of clone" in next(text for line, text in commands.items() if "step-2" in line)
    assert (folder / "step-2" / "campaign.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(("change", "words"), [
    (('target = "pilot"', 'target = "pilto"'), "did you mean 'pilot'"),
    (('together = ["warmth"]', 'together = ["heat"]'), "scale 'plate', together"),
    (("changes = { vessel = 0.7 }", "changes = { vesel = 0.7 }"), "it is a parameter of the model"),
    (("cost = 500", "cost = 0"), "finite and above 0"),
    (("cost = 500", 'cost = "much"'), "a number is needed"),
    (("runs = 4", "runs = 4.5"), "a whole number is needed"),
    (('"F"]', '"A"]'), "two of this name"),
    (('maximise = "titer"', 'maximise = "titer"\ncaution = 1.0'), "a campaign does not know it"),
    (('maximise = "titer"', 'maximise = "titer"\nconstraints = ["GLC >= 1"]'), "constraints of decisions only"),
    (('clones = ["A", "B", "C", "D", "E", "F"]', 'clones = "A"'), "a list of 1 to 1000 texts is needed"),
])  # fmt: skip
def test_a_fault_of_the_file_is_a_sentence(place, tmp_path, change, words):
    folder, _, _ = place
    text = (folder / "campaign.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "campaign.toml").write_text(text.replace(*change), encoding="utf-8")
    line = f"graycell campaign {folder}/clones.toml {folder}/my-plan {tmp_path}/campaign.toml --out {tmp_path}/a"
    assert words in fault(line)


@pytest.mark.parametrize(("rows", "words"), [
    ("clone,scale,goal\nA,plate,1\n", "no column 'warmth'"),
    ("clone,scale,warmth [degC],feed [mL],goal\nG,plate,36,30,1\nA,plate,x,30,1\n", "it is a clone of the campaign"),
    ("clone,scale,warmth [degC],feed [mL],goal\nG,plate,36,30,1\nA,plate,x,30,1\n", "a number is needed"),
    ("clone,scale,warmth [degC],feed [kg],goal\nA,plate,36,30,1\n", "unit 'kg'"),
    ("clone,scale,warmth [degC],feed [mL],goal [mg/L]\nA,plate,36,30,1\n", "convert its values"),
])  # fmt: skip
def test_a_fault_of_the_table_is_a_sentence(place, tmp_path, rows, words):
    folder, _, _ = place
    (tmp_path / "tried.csv").write_text(rows, encoding="utf-8")
    assert words in fault(f"graycell campaign {folder}/clones.toml {folder}/my-plan {folder}/campaign.toml "
                          f"--tried {tmp_path}/tried.csv --out {tmp_path}/a")  # fmt: skip
    assert not [*tmp_path.glob("a/*")]


def test_a_table_may_have_other_units_and_runs_that_are_not_done(place, tmp_path):
    names = place[2]
    (tmp_path / "tried.csv").write_text("goal,scale,clone,feed [mL],warmth [degC],note\n0.5,bench,B,40,35,good\n"
                                        ",bench,C,40,35,\n")  # fmt: skip
    campaign = names["campaign"]
    (run,) = names["gc"].read_tried(tmp_path / "tried.csv", campaign)
    assert (run.clone, run.scale, run.goal) == ("B", "bench", 0.5)
    assert run.values == pytest.approx((35.0, 0.04))


def test_a_budget_that_is_spent_is_a_sentence(place, tmp_path):
    folder, _, _ = place
    assert "of which 180 was spent" in fault(
        f"graycell campaign {folder}/clones.toml {folder}/my-plan {folder}/campaign.toml --tried {folder}/tried.csv "
        f"--budget 189 --out {tmp_path}/a"
    )
