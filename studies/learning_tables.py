"""The tables of docs/learning.md, from docs/learning.json."""

from collections.abc import Callable, Mapping, Sequence

import learning_numbers as numbers
from learning_numbers import BASELINES, BLACK, CHECKS, FEW, HYBRID, LAW_RUNS, LAWS, MANY, OTHERS, WHERE, Counted, Spread
from plain_tables import error, markdown, percent


def tables(data: Mapping) -> dict[str, str]:
    """Return every table of the page as Markdown, by title."""
    forward, insilico, umn = numbers.forward(data), numbers.open_set(data, "insilico"), numbers.open_set(data, "umn")
    return {
        "1. White: intervals": _white(data),
        "2. Gray: errors of laws by training runs": _laws(data),
        f"2. Gray: errors of laws and fluxes from {LAW_RUNS} runs": _fluxes(data),
        f"2. Gray from {FEW} runs beside black from {MANY}": _few(data),
        "3. Learning curves": _curves(data),
        "4. Physical consistency": _consistency(data),
        "5. The measured run, in sample": _sample(data),
        "5. The measured run, day 6 to 9.2": _candidates(forward, ("white", "gray", HYBRID, *BASELINES)),
        "5. The measured run, day 6 to 9.2, other weights of the prior": _candidates(
            forward, ("gray", "gray, looser", "gray, tighter")
        ),
        "6. Fifty simulated runs": _candidates(insilico, (HYBRID, *BASELINES)),
        "7. Three measured runs, by run": _by_run(umn, (HYBRID, *BASELINES)),
        "7. Three measured runs, by quantity": _candidates(umn, (HYBRID, *BASELINES)),
        "Failures": markdown(("task", "reason"), list(numbers.failures(data).items())),
    }


def _spread(found: Spread | None, show: Callable[[float], str] = error) -> str:
    if found is None:
        return ""
    if show(found.least) == show(found.largest):
        return show(found.median)
    return f"{show(found.median)} ({show(found.least)} to {show(found.largest)})"


def _white(data: Mapping) -> str:
    rows = []
    for size in data["sizes"]:
        name, estimates = numbers.runs_task("white", size), numbers.parameters(data, size)
        held, of = numbers.inside([row for row in estimates if numbers.is_identifiable(row)])
        others = numbers.inside([row for row in estimates if not numbers.is_identifiable(row)])
        rows.append([
            str(size), _spread(numbers.spread(data, name, "test mean")), _spread(numbers.over_floor(data, size)),
            _spread(numbers.spread(data, name, "test against truth mean")),
            f"{held} of {of} ({percent(held / of)})" if of else "", "{} of {}".format(*others),
        ])  # fmt: skip
    rows.append(["the truth (noise floor)", _spread(numbers.floor(data)), "", "", "", ""])
    return markdown(("training runs", "test NRMSE", "over the noise floor", "NRMSE against the truth without noise",
                     "identifiable parameters held", "other parameters held"), rows)  # fmt: skip


def _laws(data: Mapping) -> str:
    rows = [
        [LAWS[law], *(_spread(numbers.spread(data, numbers.runs_task(f"law {law}", size), "law error"), percent)
                      for size in data["sizes"])]
        for law in LAWS
    ]  # fmt: skip
    return markdown(("law", *(f"{size} runs" for size in data["sizes"])), rows)


def _fluxes(data: Mapping) -> str:
    rows = []
    for law, title in LAWS.items():
        names = [numbers.runs_task(f"law {law}{other}", LAW_RUNS) for other in ("", " alone")]
        errors = [numbers.spread(data, name, key) for key in ("law error", "flux error") for name in names]
        rows.append([title, *(_spread(found, percent) for found in errors)])
    heads = ("law", "law, others estimated", "law, others known", "flux, others estimated", "flux, others known")
    return markdown(heads, rows)


def _few(data: Mapping) -> str:
    models = [(f"gray, {law} learned, {OTHERS[other]}", f"law {law}{other}", FEW) for law in LAWS for other in OTHERS]
    models += [(f"black, {title}", f"black {kind}", MANY) for kind, title in BLACK.items()]
    rows = []
    for title, model, size in models:
        name = numbers.runs_task(model, size)
        errors = (numbers.spread(data, name, key) for key in ("test mean", "test against truth mean"))
        rows.append([title, str(size), *map(_spread, errors)])
    return markdown(("model", "training runs", "test NRMSE", "NRMSE against the truth without noise"), rows)


def _curves(data: Mapping) -> str:
    rows = []
    for model, title in numbers.models().items():
        found = numbers.curve(data, model, "test against truth mean")
        rows.append([title, *(_spread(found.get(size)) for size in data["sizes"])])
    return markdown(("model", *(f"{size} runs" for size in data["sizes"])), rows)


def _consistency(data: Mapping) -> str:
    def shown(found: Counted | None) -> str:
        if found is None or not found.of:
            return ""
        lost = f" ({found.not_reached} not reached)" if found.not_reached else ""
        return f"{found.counted} of {found.of}{lost}"

    rows = [
        [title if where == WHERE[0] else "", where, *(shown(by_place[where].get(check)) for check in CHECKS)]
        for title, by_place in numbers.consistency(data).items()
        for where in WHERE
    ]
    return markdown(("model", "runs", *CHECKS), rows)


def _sample(data: Mapping) -> str:
    kinds = {"white": "white", "gray": "gray", "neural-rates": HYBRID}
    sample = {kind: numbers.in_sample(data, kind) for kind in kinds}
    quantities = list(dict.fromkeys(name for errors in sample.values() for name in errors))
    rows = [[name, *(_spread(sample[kind].get(name)) for kind in kinds)] for name in quantities]
    rows.append(["mean of species", *(_spread(numbers.spread(data, f"real {kind}", "mean")) for kind in kinds)])
    return markdown(("quantity", *kinds.values()), rows)


def _candidates(found: Mapping, names: Sequence[str]) -> str:
    rows = []
    for quantity in (*numbers.quantities_of(found), None):
        errors = numbers.errors_of(found, quantity)
        known = [name for name in names if name in errors]
        best = min(known, key=lambda name: errors[name].median)
        cells = [_spread(errors.get(name)) for name in names]
        rows.append([quantity or "mean", *(f"**{cell}**" if name == best else cell
                                           for name, cell in zip(names, cells, strict=True))])  # fmt: skip
    return markdown(("quantity", *names), rows)


def _by_run(found: Mapping, names: Sequence[str]) -> str:
    rows = []
    for run in numbers.tested_runs(found):
        errors = numbers.errors_of(found, run=run)
        rows.append([run, *(_spread(errors.get(name)) for name in names)])
    return markdown(("run left out", *names), rows)
