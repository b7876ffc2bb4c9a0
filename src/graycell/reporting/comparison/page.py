"""comparison_report: a comparison -> one self-contained HTML file, its tables as CSV, and all of it as JSON."""

import json
from pathlib import Path

import numpy as np

from graycell.comparison import intervals
from graycell.comparison.comparison import Comparison
from graycell.comparison.intervals import ALL, OverallError
from graycell.comparison.scored import NOT_SCORED
from graycell.errors import FitError, nearest
from graycell.reporting.comparison import figures
from graycell.reporting.comparison.predicted import MOST_RUNS, predicted_and_measured, predicted_runs
from graycell.reporting.comparison.tables import at_largest, comparison_frames
from graycell.reporting.display import LABORATORY, Units
from graycell.reporting.page import Section, drawing, facts, number, page, table, text
from graycell.reporting.style import colours_of
from graycell.reporting.writing import write_table
from graycell.storage import write_whole, written_together

COMPARISON = "comparison.html"
_FEW = 6
"""With fewer runs no sign test separates two candidates at 5 %, whatever the interval: 2 / 2^5 = 0.06."""
_CAPTIONS = {
    "quantities": "Each row is a quantity, each dot a candidate; the bar is the 95 % interval by resampling whole "
    "runs. Look for rows in which a candidate is far from the others, and distrust an order where the bars are long.",
    "differences": "Left of the dotted line the error of a candidate is smaller than that of the reference in the same "
    "run. Where the bar crosses the line, these runs do not decide which of the two is better.",
    "predicted": "Dots are what was measured of a run that no candidate had seen, lines what each predicted of it at "
    "those times, the band is that of the candidate with the least error. Look for lines that all miss in one way: "
    "then the run differs from those that were learned from. A click on a name hides its lines.",
    "curve": "Look for the number of runs from which a candidate is below another, and for flat lines: there more runs "
    "do not help. The bar is the range over random choices of the training runs.",
}
"""What to look for in a figure."""
_BANDS = (
    "The band of a run comes from how the candidate missed the other predicted runs, never from the run itself. Look "
    "for a part that held near 0.9; its interval is that of Clopper and Pearson with runs as trials, because samples "
    "of one run hold or miss together, so it is long for few runs. Among candidates that hold, the narrower is better: "
    "the interval score is the width and 20 times what a value is outside, the CRPS compares the whole distribution "
    "with the value, and of both less is better. Widths and scores are parts of the measured range, and like errors "
    "means over the quantities of a run, then over the runs; seeds and splits of a run are averaged before."
)
"""How bands are made and scored."""


def comparison_report(
    comparison: Comparison, folder: str | Path, reference: str | None = None, units: Units = LABORATORY
) -> Path:
    """Write `comparison.html`, a CSV for every table and `comparison.json`.

    Args:
        comparison: errors of several candidates.
        folder: where the files are written.
        reference: name of the candidate that the others are compared with; None for the first.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.

    Raises:
        FitError: if the reference was not compared.
    """
    reference = next(iter(comparison.candidates)) if reference is None else reference
    if reference not in comparison.candidates:
        raise FitError(f"report: found no candidate '{reference}'; {nearest(reference, comparison.candidates)}.")
    folder = Path(folder)
    frames = comparison_frames(comparison, reference, units)
    whole = comparison.plain()
    made = page("Comparison of predictions", _sections(comparison, frames, whole, reference, units))
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "comparison.json", json.dumps(whole, indent=1, allow_nan=False))
        write_whole(stage / COMPARISON, made)
    return folder / COMPARISON


def headline(comparison: Comparison, reference: str) -> list[str]:
    """Return the main results; for a learning curve, with its largest number of training runs.

    Args:
        comparison: errors of several candidates.
        reference: name of the candidate that the others are compared with.

    Returns:
        Sentences.
    """
    part = at_largest(comparison)
    ranked = sorted(part.overall(), key=lambda row: row.rank)
    from_runs = " and ".join(map(str, part.sizes))
    sentences = [
        f"Mean error as a part of the measured range (NRMSE), over {_count(len(part.quantities), 'quantity')} of "
        f"{_count(len(part.runs), 'predicted run')}, trained on {from_runs} run{'s' * (part.sizes != (1,))}: "
        + ", ".join(f"{row.candidate} {_percent(row)}" for row in ranked)
        + "."
    ]
    for row in part.against(reference):
        if row.quantity != ALL:
            continue
        if not np.isfinite(row.nrmse.low):
            said = "there is no interval to compare them"
        elif row.nrmse.drawn == "quantities":
            said = "only one run was predicted, so other runs may differ"
        elif row.nrmse.low <= 0.0 <= row.nrmse.high:
            said = "the runs do not decide which of the two is better"
        else:
            said = f"{row.candidate if row.nrmse.value < 0.0 else reference} is better"
            said += f", as far as {row.nrmse.count} runs can show" if row.nrmse.count < _FEW else ""
        interval = f", 95 % {_points(row.nrmse.low)} to {_points(row.nrmse.high)}" if np.isfinite(row.nrmse.low) else ""
        sentences.append(
            f"{row.candidate} minus {reference}: {_points(row.nrmse.value)} % of the range{interval}; {said}."
        )
    return sentences


def band_sentences(comparison: Comparison) -> list[str]:
    """Return how often the bands of the candidates held; for a learning curve, with its largest number of runs.

    Args:
        comparison: errors of several candidates.

    Returns:
        Sentences: the part that held, of the candidate with the least error first, and why others have no bands.
    """
    part = at_largest(comparison)
    of = {one.candidate: one for one in part.band_summary() if one.quantity == ALL and one.runs}
    said = [
        f"{row.candidate} {_points(of[row.candidate].coverage)} % (95 % {_points(of[row.candidate].low)} to "
        f"{_points(of[row.candidate].high)} % by {of[row.candidate].runs} runs)"
        for row in sorted(part.overall(), key=lambda row: row.rank)
        if row.candidate in of
    ]
    lead = "Bands of 90 % from how a candidate missed the other runs held this part of the samples: "
    return [*([f"{lead}{', '.join(said)}."] if said else []), *part.without_bands()]


def not_shared_sentences(comparison: Comparison) -> list[str]:
    """Return what was measured and is not scored, because not all candidates predict it.

    Args:
        comparison: of several candidates.

    Returns:
        A sentence for each quantity.
    """
    return [f"{quantity} is measured and not scored, because {' and '.join(who)} does not predict it."
            for quantity, who in comparison.not_shared.items()]  # fmt: skip


def _sections(comparison: Comparison, frames: dict, whole: dict, reference: str, units: Units) -> list[Section]:
    part = at_largest(comparison)
    by_quantity = frames["by-quantity"]
    bars = [f"{name} [1]" for name in comparison.candidates]
    marks = [""] * (len(by_quantity) - 1) + ["total"]
    size = (
        f" Shown is the part of the learning curve with {part.sizes[-1]} training runs." if comparison.is_curve else ""
    )
    sections = [
        Section("summary", "Summary", _summary(comparison, reference)),
        Section("overall", "Overall", _note(_rules(comparison) + size) + table(frames["overall"])),
        Section(
            "quantities",
            "By quantity",
            drawing(figures.errors_by_quantity(part), "by-quantity", _CAPTIONS["quantities"])
            + table(by_quantity.replace(np.inf, np.nan), marks=marks, bars=bars),
        ),
    ]
    bands = "".join(f"<p>{text(sentence)}</p>" for sentence in band_sentences(comparison))
    sections.append(Section("bands", "Bands", bands + _note(_BANDS) + table(frames["bands"])))
    sections.append(Section("predicted", "Predicted and measured", _drawn_runs(part, units)))
    sections.append(Section("runs", "By run", table(frames["by-run"])))
    if len(comparison.candidates) > 1:
        drawn = drawing(figures.paired_differences(part, reference), "paired", _CAPTIONS["differences"])
        sections.append(Section("differences", "Paired differences", drawn + table(frames["differences"])))
    if comparison.is_curve:
        drawn = drawing(figures.learning_curves(comparison), "curve-over-runs", _CAPTIONS["curve"])
        sections.append(Section("curve", "Learning curve", drawn + table(frames["learning-curve"])))
    if comparison.consistency:
        sections.append(Section("consistency", "Physical consistency", table(frames["consistency"])))
    return [*sections, Section("made", "How this was made", _making(comparison, whole))]


def _drawn_runs(part: Comparison, units: Units) -> str:
    """Return a figure for each of the first runs that were predicted."""
    every = predicted_runs(part)
    said = [f"The first {MOST_RUNS} of {len(every)} runs are drawn; predictions.csv has the numbers of "
            "all."] * (len(every) > MOST_RUNS)  # fmt: skip
    said += [f"Of the seeds {', '.join(map(str, part.seeds))} the first that predicted a run is "
             "drawn."] * (len(part.seeds) > 1)  # fmt: skip
    shown = _note(" ".join(said)) if said else ""
    for i, (run, split) in enumerate(every[:MOST_RUNS]):
        figure = predicted_and_measured(part, run, split, units)
        caption = _CAPTIONS["predicted"] if i == 0 else run.name
        shown += f"<h3>{text(run.name)}</h3>" + drawing(figure, f"predicted-{i}", caption)
    return shown


def _rules(comparison: Comparison) -> str:
    """Return how the errors of a comparison are computed."""
    left_out = [name for name in NOT_SCORED if name not in comparison.ranges]
    not_scored = f"; {', '.join(left_out)} are not scored" if left_out else ""
    return (
        "The error of a quantity in a run is the root mean squared difference over the range of all its measured "
        f"values in all runs of the comparison. Samples at time 0 are left out{not_scored}. The mean is over the "
        "quantities of a run, then over the runs; of several seeds the median is given. Failed predictions are left "
        "out of means and counted beside them. 95 % intervals come from "
        f"resampling whole runs {intervals.DRAWS} times with replacement; with few runs they are too short."
    )


def _summary(comparison: Comparison, reference: str) -> str:
    lead, *rest = headline(comparison, reference)
    colours = colours_of(comparison.candidates)
    part = at_largest(comparison)
    held = {one.candidate: one.coverage for one in part.band_summary() if one.quantity == ALL}
    cards = "".join(_card(row, colours[row.candidate], held[row.candidate]) for row in part.overall())
    found = [f"{quantity} never changes, so it has no range and is not scored." for quantity in comparison.left_out]
    found += not_shared_sentences(comparison)
    items = "".join(f"<li>{text(item)}</li>" for item in (*comparison.failures, *found))
    warnings = f'<ul class="warnings">{items}</ul>' if items else ""
    sentences = "".join(f"<p>{text(sentence)}</p>" for sentence in rest)
    return f'<p class="lead">{text(lead)}</p><div class="cards">{cards}</div>{sentences}{warnings}'


def _card(row: OverallError, colour: str, coverage: float) -> str:
    shown = facts(
        [
            ("95 % interval", f"{number(row.nrmse.low, decimals=3)} to {number(row.nrmse.high, decimals=3)}"),
            ("range over seeds", f"{number(row.least, decimals=3)} to {number(row.largest, decimals=3)}"),
            ("held by the 90 % band", number(coverage, decimals=3)),
            ("failed predictions", f"{row.failed} of {row.predictions}"),
        ]
    )
    return (
        f'<div class="card" style="--colour:{colour}"><h3>{text(row.candidate)}</h3>'
        f'<div class="big">{number(row.nrmse.value, decimals=3)}</div>'
        f'<div class="unit">mean NRMSE [1]</div>{shown}</div>'
    )


def _making(comparison: Comparison, whole: dict) -> str:
    parts = []
    for name, described in whole["candidates"].items():
        parts.append(f"<h3>{text(name)}</h3>" + facts((key, _flat(value)) for key, value in described.items()))
    parts.append("<h3>Splits</h3>")
    rows = []
    for split in comparison.splits:
        train, test = (", ".join(run.name for run in runs) for runs in (split.train, split.test))
        cut = "" if split.cut is None else f" after day {split.cut:g}"
        known = "viability known" if split.viability_known else "viability known up to the cut"
        rows.append((split.name, f"trained on {train}; predicted{cut}: {test}; {known}"))
    parts.append(facts(rows))
    hashes = {
        f"{name} ({kind}, {split['name']})": value
        for split in whole["splits"]
        for kind in ("train", "test")
        for name, value in split[kind].items()
    }
    once = {value: name for name, value in reversed(hashes.items())}
    rows = [("seeds", _flat(whole["seeds"])), ("SHA-256 of the code", whole["code"]),
            ("versions", _flat(whole["versions"])), ("python", whole["python"]), ("machine", whole["machine"]),
            *((f"SHA-256 of {name}", value) for value, name in once.items())]  # fmt: skip
    return "".join(parts) + "<h3>Record</h3>" + facts(rows)


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_flat(entry) for entry in value)
    return str(value)


def _note(words: str) -> str:
    return f'<p class="note">{text(words)}</p>'


def _count(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _percent(row: OverallError) -> str:
    if not np.isfinite(row.nrmse.value):
        return "failed"
    failed = f" ({row.failed} of {row.predictions} predictions failed)" if row.failed else ""
    return f"{number(100.0 * row.nrmse.value, decimals=1)} %{failed}"


def _points(value: float) -> str:
    return number(100.0 * value, decimals=1)
