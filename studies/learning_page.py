"""The words of docs/learning.md; every number comes from docs/learning.json, and every judgement is computed from it.

A retraining may turn any "yes" into a "no": so no sentence here takes a result for granted.
The file is long because both sides of every judgement are written out, a function for each section.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from studies import learning_numbers as numbers
from studies.inconsistency_page import wrapped
from studies.learning_numbers import BASELINES, FEW, HYBRID, LAW_RUNS, LAWS, MANY, WHITE_RUNS, Counted, Spread

HEAD = """<!-- made by `make study-learning`; change studies/learning_page.py, not this file -->

# White, gray or black: what to trust with a few runs

A white model knows every rate law and learns its parameters. A gray one knows most and learns the rest by a network. A
black one knows the balances of the vessel at most, and learns all rates. This page asks which of them to trust with the
few runs that a laboratory has, on simulated runs, where the truth is known, and on real ones. Every result is computed by
graycell, and the sentences that judge are computed too.

NRMSE is the root mean squared error of a quantity over the range of its values; the mean is over the quantities. Numbers
are medians over seeds, with the least and the largest in brackets. A seed of the simulated runs has a truth, a design, noise and
first weights of its own.
"""
NOT_TRAINED = "not trained"


def write(data: Mapping, folder: Path) -> None:
    """Write learning.md and its figures, images/learning-*.svg, to a folder."""
    from studies.learning_figures import draw

    draw(data, folder / "images")
    (folder / "learning.md").write_text(page(data), encoding="utf-8")


def page(data: Mapping) -> str:
    """Return the page as Markdown."""
    parts = (_answer, _white, _gray, _curves, _consistency, _measured, _insilico, _umn, _follows, _made)
    whole = "\n\n".join([HEAD.strip(), *(part(data).strip() for part in parts)])
    return "\n\n".join(wrapped(block.strip("\n")) for block in whole.split("\n\n") if block.strip()) + "\n"


# ------------------------------------------------------------------------------------------------- words for numbers


def _n(value: float) -> str:
    """Return a number as read: three digits, or that there is none."""
    if not math.isfinite(value):
        return "failed"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "failed"


def _spread(one: Spread | None, show=_n) -> str:
    if one is None:
        return NOT_TRAINED
    if one.count == 1:
        return f"{show(one.median)} (one seed)"
    return f"{show(one.median)} ({show(one.least)} to {show(one.largest)})"


def _list(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "none"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return "\n".join([line(heads), "|---" * len(heads) + "|", *(line(row) for row in rows)])


def _order(errors: Mapping[str, Spread]) -> str:
    """Return the candidates with their median errors, least first."""
    rows = sorted(errors.items(), key=lambda item: item[1].median)
    return _list([f"{name} {_n(one.median)}" for name, one in rows])


def _figure(data: Mapping, name: str, words: str) -> str:
    return f"![{words}](images/learning-{name}.svg)" if name in numbers.figures(data) else ""


def _one_or_more(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


# ------------------------------------------------------------------------------------------------- the answer


def _answer(data: Mapping) -> str:
    rows = [_row_coverage(data), _row_floor(data)]
    rows += [_row_law(data, law, other) for law in LAWS for other in numbers.OTHERS]
    rows += [_row_few(data, law, other) for law in LAWS for other in numbers.OTHERS]
    rows += [
        _row_consistency(data),
        _row_sample(data),
        _row_forward(data),
        _row_insilico(data),
        _row_umn(data),
        _row_time(data),
    ]
    wanted, done = len(numbers_wanted(data)), len([one for one in numbers_wanted(data) if one in data["tasks"]])
    missing = (
        ""
        if done == wanted
        else f"""

**Not finished**: {done} of {wanted} tasks are trained. What is missing is called "not trained", and every median is over the seeds that
are there."""
    )
    return f"""## The answer{missing}

{chr(10).join(f"- {one}" for one in _sentences(data))}

What was asked, and what came out:

{_table(("asked", "found", "met"), rows)}"""


def numbers_wanted(data: Mapping) -> list[str]:
    """Return the tasks that there should be: those the study lists, or what it had when the numbers were gathered."""
    return list(data.get("wanted", data["tasks"]))


def _sentences(data: Mapping) -> list[str]:
    """Return the answer, a sentence or few for each kind of run."""
    found = []
    small = _from_few(data)
    if small:
        first = numbers.least(small, list(small))
        found.append(f"""**Simulated runs, whose truth has the equations of the white model.** From {FEW} runs {first} errs least. Errors against the truth
without noise, least first: {_order(small)}.{_black_needs(data)}""")
    else:
        found.append(f"**Simulated runs**: no model is trained on {FEW} runs yet.")
    ahead = numbers.errors_of(numbers.forward(data))
    if ahead:
        found.append(f"""**The measured run, whose truth nobody knows**, learned to day 6 and predicted to its end. {_earned(ahead)} Least error first:
{_order(ahead)}.{_sample_against_forward(data)}""")
    else:
        found.append("**The measured run**: the prediction from day 6 on is not trained yet.")
    for kind, title in (
        ("insilico", "Fifty simulated runs of another make, predicted from fifty"),
        ("umn", "Three measured runs, each predicted from the other two"),
    ):
        errors = numbers.errors_of(numbers.open_set(data, kind))
        found.append(
            f"**{title}**, least error first: {_order(errors)}." if errors else f"**{title}**: not trained yet."
        )
    return found


def _from_few(data: Mapping) -> dict[str, Spread]:
    """Return the errors against the truth from few simulated runs, by model."""
    key = "test against truth mean"
    found = {name: numbers.curve(data, model, key).get(FEW) for model, name in numbers.models().items()}
    return {name: one for name, one in found.items() if one is not None}


def _earned(errors: Mapping[str, Spread]) -> str:
    """Say whether any model is better there than what knows no biology."""
    rival = numbers.least(errors, BASELINES)
    colours = [name for name in ("white", "gray", HYBRID) if name in errors]
    if rival is None or not colours:
        return ""
    better = [name for name in colours if errors[name].median < errors[rival].median]
    if not better:
        return f"Neither white nor gray nor black did better than a baseline, {rival}: none of them earned trust there."
    return f"Better than every baseline: {_list(better)}."


def _black_needs(data: Mapping) -> str:
    """Say with how many runs a black box errs less than gray models do with few."""
    gray = {
        law: one.median
        for law in LAWS
        if (one := numbers.spread(data, numbers.runs_task(f"law {law}", FEW), "test against truth mean"))
    }
    black = {}
    for size in data["sizes"]:
        one = numbers.spread_of(list(numbers.better_black(data, size, "test against truth mean").values()))
        if one is not None:
            black[size] = one.median
    if not gray or not black:
        return ""
    sentences = []
    for law, error in gray.items():
        enough = [size for size, one in black.items() if one <= error]
        sentences.append(f"with {min(enough)} runs less than the gray model of {law} with {FEW}" if enough
                         else f"with {max(black)} runs ({_n(black[max(black)])}) still more than the gray model of {law} with {FEW} ({_n(error)})")  # fmt: skip
    return f" The better black box errs {_list(sentences)}."


def _sample_against_forward(data: Mapping) -> str:
    gray = numbers.spread(data, "real gray", "mean")
    white = numbers.spread(data, "real white", "mean")
    ahead = numbers.errors_of(numbers.forward(data))
    if gray is None or white is None or "gray" not in ahead or "white" not in ahead:
        return ""
    closer, better = gray.median < white.median, ahead["gray"].median < ahead["white"].median
    sample = f"In sample the gray model errs {_n(gray.median)} and the white one {_n(white.median)}"
    if closer and not better:
        return f" {sample}: the closer fit was the worse prediction, so how close a fit is says nothing here about what comes next."
    if closer and better:
        return f" {sample}: what is closer in sample predicts better too."
    return f" {sample}: the learned laws did not even bring the fit closer."


def _row_coverage(data: Mapping) -> list[str]:
    hit, of = numbers.coverage(data, WHITE_RUNS)
    seeds = len(numbers.of_seeds(data, numbers.runs_task("white", WHITE_RUNS)))
    share = f"{_percent(hit / of)}: {hit} of {of}, {_one_or_more(seeds, 'seed')}" if of else NOT_TRAINED
    verdict = NOT_TRAINED if not of else _complete(data, hit >= numbers.ASKED_COVERAGE * of, seeds)
    return [
        f"white, {WHITE_RUNS} runs with 5 % noise: 95 % intervals of identifiable parameters (prior ratio below {numbers.IDENTIFIABLE:g}) hold the truth in at least {100 * numbers.ASKED_COVERAGE:.0f} %",
        share,
        verdict,
    ]


def _complete(data: Mapping, good: bool, seeds: int) -> str:
    wanted = len(data["seeds"])
    return ("yes" if good else "no") + (
        "" if seeds == wanted else f", in the {seeds} of {wanted} seeds that are trained"
    )


def _row_floor(data: Mapping) -> list[str]:
    over = numbers.over_floor(data, WHITE_RUNS)
    white = numbers.spread(data, numbers.runs_task("white", WHITE_RUNS), "test mean")
    floor = numbers.floor(data)
    found = (
        NOT_TRAINED
        if white is None or floor is None
        else f"{_spread(white)}; floor {_spread(floor)}; {_spread(numbers.spread_of(list(over.values())))} times it"
    )
    return [f"white, {WHITE_RUNS} runs: test error at the noise floor (at most {numbers.AT_FLOOR:g} times it)", found,
            _in_most(data, {seed: one <= numbers.AT_FLOOR for seed, one in over.items()})]  # fmt: skip


def _row_law(data: Mapping, law: str, other: str) -> list[str]:
    by_seed = numbers.values(data, numbers.runs_task(f"law {law}{other}", LAW_RUNS), "law error")
    return [f"gray, {LAWS[law]}, {numbers.OTHERS[other]}: law from {LAW_RUNS} runs within {100 * numbers.ASKED_LAW:.0f} % of its range",
            _spread(numbers.spread_of(list(by_seed.values())), _percent),
            _in_most(data, {seed: one <= numbers.ASKED_LAW for seed, one in by_seed.items()})]  # fmt: skip


def _row_few(data: Mapping, law: str, other: str) -> list[str]:
    gray = numbers.spread(data, numbers.runs_task(f"law {law}{other}", FEW), "test mean")
    black = numbers.spread_of(list(numbers.better_black(data, MANY).values()))
    return [f"gray, {law}, {numbers.OTHERS[other]}: test error from {FEW} runs not above that of the better black box from {MANY}",
            NOT_TRAINED if gray is None or black is None else f"{_spread(gray)} against {_spread(black)}",
            _in_most(data, numbers.few_against_many(data, law, other))]  # fmt: skip


def _in_most(data: Mapping, by_seed: Mapping[int, bool]) -> str:
    """Return the verdict over seeds: yes where it holds in most of them, as it then does for their median."""
    verdict, good = numbers.met(data, by_seed), sum(by_seed.values())
    return f"yes, {verdict}" if verdict.startswith("in ") and 2 * good > len(by_seed) else verdict


def _is_gray(title: str) -> bool:
    return title.startswith("gray")


def _row_consistency(data: Mapping) -> list[str]:
    found = numbers.consistency(data)
    total = numbers.faults(found, _is_gray)
    asked = "gray models: physical inconsistencies in and far outside of the range: 0"
    if not any(one.of for one in total.values()):
        return [asked, NOT_TRAINED, NOT_TRAINED]
    words = "; ".join(f"{where} {one.counted} of {one.of}" for where, one in total.items())
    lost = sum(one.not_reached for one in total.values())
    beyond = f"; {lost} places far outside were not reached" if lost else ""
    wanted = [one for one in numbers_wanted(data) if one.startswith(("law ", "real gray", "forward"))]
    verdict = "yes" if not any(one.counted for one in total.values()) else "no"
    if verdict == "yes" and lost:
        verdict = "yes, where the simulation got to"
    trained = sum("consistency" in data["tasks"].get(one, {}) for one in wanted)
    return [
        asked,
        words + beyond,
        verdict + ("" if trained == len(wanted) else f", in the {trained} of {len(wanted)} tasks that are trained"),
    ]


def _row_sample(data: Mapping) -> list[str]:
    by_seed = numbers.values(data, "real gray", "mean")
    return [f"measured run, gray: mean NRMSE in sample at most {numbers.ASKED_SAMPLE:g}",
            _spread(numbers.spread_of(list(by_seed.values()))),
            numbers.met(data, {seed: one <= numbers.ASKED_SAMPLE for seed, one in by_seed.items()})]  # fmt: skip


def _row_forward(data: Mapping) -> list[str]:
    found = numbers.forward(data)
    errors = numbers.errors_of(found)
    rivals = ("white", *BASELINES)
    nearest = numbers.least(errors, rivals)
    words = (
        NOT_TRAINED
        if "gray" not in errors or nearest is None
        else f"gray {_spread(errors['gray'])}; best of the others {nearest} {_spread(errors[nearest])}"
    )
    return [
        "measured run, gray, learned to day 6: error from day 6 to 9.2 below the white model and every baseline",
        words,
        numbers.met(data, numbers.below_all(found, "gray", rivals)),
    ]


def _row_insilico(data: Mapping) -> list[str]:
    found = numbers.open_set(data, "insilico")
    asked = "in-silico, 50 runs for 50: hybrid (specific rates) below every baseline, in every quantity"
    quantities = numbers.quantities_of(found)
    by_quantity = {one: numbers.below_all(found, HYBRID, BASELINES, one) for one in quantities}
    if not any(by_quantity.values()):
        return [asked, _missing(found), NOT_TRAINED]
    words = "; ".join(_against(found, quantity) for quantity in quantities)
    seeds = sorted(set.intersection(*(set(of) for of in by_quantity.values())))
    return [asked, words, numbers.met(data, {seed: all(of[seed] for of in by_quantity.values()) for seed in seeds})]


def _missing(found: Mapping) -> str:
    lacking = [name for name in (HYBRID, *BASELINES) if name not in found]
    return NOT_TRAINED if len(lacking) > len(BASELINES) else f"{NOT_TRAINED}: {_list(lacking)}"


def _against(found: Mapping, quantity: str | None) -> str:
    errors = numbers.errors_of(found, quantity)
    rival = numbers.least(errors, BASELINES)
    return (
        f"{quantity or 'mean'} {_n(errors[HYBRID].median)} against {_n(errors[rival].median)} ({rival})"
        if rival and HYBRID in errors
        else NOT_TRAINED
    )


def _row_umn(data: Mapping) -> list[str]:
    found = numbers.open_set(data, "umn")
    asked = "three measured runs, each left out: mean error of the hybrid below every baseline"
    by_seed = numbers.below_all(found, HYBRID, BASELINES)
    return [asked, _against(found, None) if by_seed else _missing(found), numbers.met(data, by_seed)]


def _row_time(data: Mapping) -> list[str]:
    times = [
        one["seconds"]
        for law in LAWS
        for one in numbers.of_seeds(data, numbers.runs_task(f"law {law}", LAW_RUNS)).values()
        if "seconds" in one
    ]
    asked = f"a gray fit of {LAW_RUNS} runs, with compilation: at most {numbers.ASKED_SECONDS / 60:.0f} minutes"
    if not times:
        return [asked, NOT_TRAINED, NOT_TRAINED]
    wanted = len(LAWS) * len(data["seeds"])
    verdict = (
        "yes"
        if max(times) <= numbers.ASKED_SECONDS
        else f"in {sum(one <= numbers.ASKED_SECONDS for one in times)} of {len(times)} fits"
    )
    return [
        asked,
        f"{min(times) / 60:.1f} to {max(times) / 60:.1f} minutes, {_one_or_more(len(times), 'fit')}",
        verdict + ("" if len(times) == wanted else f", {wanted - len(times)} not trained"),
    ]


# ------------------------------------------------------------------------------------------------- white and gray


def _white(data: Mapping) -> str:
    rows = []
    for size in data["sizes"]:
        name = numbers.runs_task("white", size)
        if not numbers.of_seeds(data, name):
            rows.append([str(size), NOT_TRAINED, "", "", "", ""])
            continue
        hit, of = numbers.coverage(data, size)
        loose, others = numbers.inside(
            [row for row in numbers.parameters(data, size) if not numbers.is_identifiable(row)]
        )
        rows.append([
            str(size), _spread(numbers.spread(data, name, "test mean")),
            _spread(numbers.spread_of(list(numbers.over_floor(data, size).values()))),
            _spread(numbers.spread(data, name, "test against truth mean")),
            f"{hit} of {of} ({_percent(hit / of)})" if of else "none is identifiable",
            f"{loose} of {others}" if others else "none",
        ])  # fmt: skip
    floor = numbers.floor(data)
    head = (
        "training runs",
        "test NRMSE",
        "over the floor",
        "against the truth without noise",
        "identifiable parameters held",
        "other parameters held",
    )
    return f"""## 1. White: do the intervals hold the truth?

A truth is the white model (the extended network, uptake limited by what is there) with every estimated parameter but `R_switch` scattered around
its published value, with a standard deviation of {data["scatter"]:g} of the natural logarithm. It makes {max(data["sizes"])} runs to learn from and {data["tested runs"]} to be
tested on, with 5 % noise. The fit starts from the published values, with one start, and does not see R. The truth itself errs {_spread(floor)} on the noisy
test runs: the noise floor, below which no model comes but by chance. A 95 % interval is the estimate with {numbers.NORMAL_95:g} standard errors to
both sides (of the logarithm, where the parameter is estimated as one); the prior is part of it.

{_table(head, rows)}

{_outside(data)}

{_figure(data, "intervals", "Distance of the truth from every estimate, in standard errors")}

{f"Every parameter of the white model from {WHITE_RUNS} runs, all seeds; the band is the 95 % interval, and what lies beyond 5 is drawn at 5." if "intervals" in numbers.figures(data) else ""}"""


def _outside(data: Mapping) -> str:
    rows = [row for row in numbers.parameters(data, WHITE_RUNS) if numbers.is_identifiable(row)]
    if not rows:
        return ""
    off = [row for row in rows if not abs(numbers.number(row["z"])) <= numbers.NORMAL_95]
    if not off:
        return f"From {WHITE_RUNS} runs no interval of an identifiable parameter misses the truth."
    names = list(dict.fromkeys(row["name"] for row in off))
    far = max(off, key=lambda row: abs(numbers.number(row["z"])))
    return f"From {WHITE_RUNS} runs the intervals of {_list([f'`{name}`' for name in names])} miss the truth, the farthest by {abs(numbers.number(far['z'])):.1f} standard errors (`{far['name']}`)."


def _gray(data: Mapping) -> str:
    sizes = data["sizes"]
    by_size = [
        [
            LAWS[law],
            *(
                _spread(numbers.spread(data, numbers.runs_task(f"law {law}", size), "law error"), _percent)
                for size in sizes
            ),
        ]
        for law in LAWS
    ]
    planned = {
        law: [size for size in sizes if any(one.startswith(f"law {law} {size} runs") for one in numbers_wanted(data))]
        for law in LAWS
    }
    for row, law in zip(by_size, LAWS, strict=True):
        row[1:] = [
            text if size in planned[law] or text != NOT_TRAINED else ""
            for text, size in zip(row[1:], sizes, strict=True)
        ]
    tests = []
    for law, other in product(LAWS, numbers.OTHERS):
        name = numbers.runs_task(f"law {law}{other}", FEW)
        tests.append(
            [
                f"gray, {law} learned, {numbers.OTHERS[other]}",
                str(FEW),
                _spread(numbers.spread(data, name, "test mean")),
                _spread(numbers.spread(data, name, "test against truth mean")),
            ]
        )
    for kind, title in numbers.BLACK.items():
        name = numbers.runs_task(f"black {kind}", MANY)
        tests.append(
            [
                f"black, {title}",
                str(MANY),
                _spread(numbers.spread(data, name, "test mean")),
                _spread(numbers.spread(data, name, "test against truth mean")),
            ]
        )
    shown = ["warm and cold: before and after the temperature shift" if "laws" in numbers.figures(data) else ""]
    return f"""## 2. Gray: are unknown laws found?

One law of the truth is unknown and a network takes its place; all other laws are known, and their parameters are estimated with the weights of the network.
Three times: v17, of lactate and temperature, as a whole; v2, of R, lactate and temperature, as a whole; and of v1 only the factor by which lactate
inhibits it. Then again with all other parameters those of the truth. For v2 and v1 the training runs have R measured, which a black box does not get. The error of a law is the root mean squared difference between the learned and the true rate, over
the range of the true one, at the states that the true training runs visit.

{_table(("law", *(f"{size} runs" for size in sizes)), by_size)}

{_laws_found(data)}

{_carried(data)}

{_figure(data, "laws", "Learned against true laws, and both over lactate or R")}

{f"Top: learned against true. Below: both over lactate or R, open where true and filled where learned; {shown[0]}. A law of more than one thing is a cloud. The seed shown is the one in the middle by its error." if shown[0] else ""}

Test errors from {FEW} runs, beside the black boxes from {MANY}:

{_table(("model", "training runs", "test NRMSE", "against the truth without noise"), tests)}

{_few_words(data)}"""


def _carried(data: Mapping) -> str:
    """Return the errors of laws and of the fluxes that they end as, with the other parameters estimated and known."""
    rows = []
    for law in LAWS:
        names = [numbers.runs_task(f"law {law}{alone}", LAW_RUNS) for alone in ("", " alone")]
        errors = [numbers.spread(data, name, key) for key in ("law error", "flux error") for name in names]
        rows.append([LAWS[law], *(_spread(one, _percent) for one in errors)])
    return f"""Balances and limits of uptake may overrule a law, and samples show only the flux that is left of it. So the table asks of {LAW_RUNS} runs for the error of the
flux too, over the range of the true one and at the same states, and for both where all other parameters are those of the truth, so that the law is the only unknown:

{_table(("law", "law, others estimated", "law, others known", "flux, others estimated", "flux, others known"), rows)}

{_carried_words(data)}"""


def _carried_words(data: Mapping) -> str:
    """Say what an error of a law comes from, where it was missed."""
    sentences = []
    for law in LAWS:
        name = numbers.runs_task(f"law {law}", LAW_RUNS)
        known = numbers.spread(data, numbers.runs_task(f"law {law} alone", LAW_RUNS), "law error")
        kinetic_rates, flux = numbers.spread(data, name, "law error"), numbers.spread(data, name, "flux error")
        if not (known and kinetic_rates and flux) or kinetic_rates.median <= numbers.ASKED_LAW:
            continue
        if known.median > numbers.ASKED_LAW:
            cause = "is missed even where it is the only unknown: samples do not determine what it wishes"
        else:
            cause = "is found where it is the only unknown: what it wishes and the other parameters stand in for one another"
        good = "is" if flux.median <= numbers.ASKED_LAW else "is not"
        sentences.append(f"The law of {law} {cause}. Its flux {good} within {100 * numbers.ASKED_LAW:.0f} %.")
    return " ".join(sentences)


def _laws_found(data: Mapping) -> str:
    found, missed = [], []
    for law in LAWS:
        one = numbers.spread(data, numbers.runs_task(f"law {law}", LAW_RUNS), "law error")
        if one is not None:
            (found if one.median <= numbers.ASKED_LAW else missed).append(f"{law} ({_percent(one.median)})")
    sentences = (
        [f"From {LAW_RUNS} runs, within {100 * numbers.ASKED_LAW:.0f} % in the median: {_list(found)}."]
        if found or missed
        else []
    )
    if missed:
        sentences.append(f"Not within it: {_list(missed)}.")
    for law in LAWS:
        name = numbers.runs_task(f"law {law}", LAW_RUNS)
        laws, floor = numbers.spread(data, name, "law error"), numbers.floor(data)
        tests = numbers.spread(data, name, "test mean")
        if (
            laws
            and tests
            and floor
            and laws.median > numbers.ASKED_LAW
            and tests.median <= numbers.AT_FLOOR * floor.median
        ):
            sentences.append(
                f"The runs hardly hang on what is wrong with {law}: its test error, {_n(tests.median)}, is at the noise floor all the same."
            )
    return " ".join(sentences)


def _few_words(data: Mapping) -> str:
    sentences = []
    for other, words in numbers.OTHERS.items():
        counts = {law: by_seed for law in LAWS if (by_seed := numbers.few_against_many(data, law, other))}
        if counts:
            told = [f"{law} in {sum(of.values())} of {_one_or_more(len(of), 'seed')}" for law, of in counts.items()]
            sentences.append(
                f"With {FEW} runs, {words}, a gray model errs no more than the better black box with {MANY}: {_list(told)}."
            )
    if any(numbers.few_against_many(data, law, " alone") for law in LAWS):
        sentences.append(
            "Where a law is the only unknown, all other parameters are those of the truth: a laboratory that knows its cells but for one law has that. Nothing of the kind can be given to a black box."
        )
    return " ".join(sentences)


# ------------------------------------------------------------------------------------------------- curves, consistency


def _curves(data: Mapping) -> str:
    key = "test against truth mean"
    rows = []
    for model, name in numbers.models().items():
        found = numbers.curve(data, model, key)
        if found:
            rows.append([name, *(_spread(found[size]) if size in found else "" for size in data["sizes"])])
    if not rows:
        return f"## 3. Learning curves\n\n{NOT_TRAINED.capitalize()} yet."
    sentences = []
    for size in data["sizes"]:
        errors = {
            name: one
            for model, name in numbers.models().items()
            if (one := numbers.curve(data, model, key).get(size)) is not None
        }
        if errors:
            best = numbers.least(errors, list(errors))
            sentences.append(
                f"{best} with {size} runs ({_n(errors[best].median)}, of {_one_or_more(len(errors), 'model')})"
            )
    return f"""## 3. Learning curves

The error on {data["tested runs"]} test runs, none of them learned from, against what they would be without noise, by the number of runs that were learned from:

{_table(("model", *(f"{size} runs" for size in data["sizes"])), rows)}

The least error has {_list(sentences)}. An empty cell was not trained. White and gray know the equations that made the runs: the table shows what this knowledge is worth where it is right,
and not that it is right for your cells. The gray models of v2 and v1 also learned from R; no other model did.

{_figure(data, "curves", "Error by number of training runs")}

Median and range over seeds. Left: against noisy samples, with the noise floor. Right: against the truth without noise."""


def _consistency(data: Mapping) -> str:
    found = numbers.consistency(data)
    if not found:
        return f"## 4. What cannot be\n\n{NOT_TRAINED.capitalize()} yet."
    rows = []
    for title, of in found.items():
        for where in numbers.WHERE:
            rows.append(
                [
                    title if where == numbers.WHERE[0] else "",
                    where,
                    *(_counted(of[where].get(check)) for check in numbers.CHECKS),
                ]
            )
    clean = [
        title
        for title, of in found.items()
        if not any(one.counted for where in numbers.WHERE for one in of[where].values())
    ]
    dirty = {
        title: sum(one.counted for where in numbers.WHERE for one in of[where].values())
        for title, of in found.items()
        if title not in clean
    }
    gray = numbers.faults(found, _is_gray)
    lost = [f"{title} ({_one_or_more(max(one.not_reached for one in of[numbers.WHERE[1]].values()), 'point')})" for title, of in found.items()
            if any(one.not_reached for one in of[numbers.WHERE[1]].values())]  # fmt: skip
    told = (
        "No model does anything that cannot be."
        if not dirty
        else f"Models that do what cannot be: {_list([f'{title} ({count})' for title, count in dirty.items()])}."
    )
    if any(one.of for one in gray.values()):
        told += f" The gray models: {sum(one.counted for one in gray.values())} faults of {sum(one.of for one in gray.values())}."
    beyond = (
        f"Far outside some simulations did not reach their end, and what they would have done later is not counted: {_list(lost)}."
        if lost
        else ""
    )
    return f"""## 4. What cannot be

Faults of all that places looked at, summed over tasks. Mass: amounts that appear or vanish in a vessel without cells. Below zero: concentrations. Backwards: fluxes of irreversible
reactions. Stoichiometry: exchange that no flux of the network makes. "As tested" are test runs, four of them for a fit to simulated runs; "far outside" are the same
with three times as much of everything but cells at time 0, and three times the feeds.

{_table(("model", "where", *numbers.CHECKS), rows)}

{told} {beyond} A black box has no fluxes inside, so nothing of it can run backwards; its exchange is held to the known network on the runs of that network's species."""


def _counted(one: Counted | None) -> str:
    return "" if one is None or not one.of else f"{one.counted} of {one.of}"


# ------------------------------------------------------------------------------------------------- measured runs


def _measured(data: Mapping) -> str:
    kinds = {"white": "white", "gray": "gray", "specific-rates": HYBRID}
    sample = {title: numbers.in_sample(data, kind) for kind, title in kinds.items()}
    means = {title: numbers.spread(data, f"real {kind}", "mean") for kind, title in kinds.items()}
    quantities = list(dict.fromkeys(one for of in sample.values() for one in of))
    rows = [
        [
            quantity,
            *(
                _spread(of.get(quantity)) if of else NOT_TRAINED if quantity == quantities[0] else ""
                for of in sample.values()
            ),
        ]
        for quantity in quantities
    ]
    rows.append(["mean of species", *(_spread(one) for one in means.values())])
    found = numbers.forward(data)
    return f"""## 5. The measured run of Nolan & Lee

Cell line A of Nolan & Lee (2011): one run, with R measured. The gray model has a learned factor on every published law but v11, which is a share of v10, a network for v36, a loss of cystine that the published balances do not have, and starts from the white fit.

**In sample.** All samples were learned from, so this says how flexible a model is, and nothing about the next run:

{_table(("quantity", *(f"{title}, NRMSE" for title in kinds.values())), rows)}

The mean is over the species, without VCD and R. {_sample_words(means)}

**Forward.** Learned to day 6, predicted to day 9.2:

{_forward_table(found)}

{_forward_words(data, found)}

{_figure(data, "measured", "Errors after day 6, by quantity")}"""


def _sample_words(means: Mapping[str, Spread | None]) -> str:
    gray = means["gray"]
    if gray is None:
        return ""
    return f"The gray model is {'within' if gray.median <= numbers.ASKED_SAMPLE else 'not within'} the {numbers.ASKED_SAMPLE:g} that was asked, in the median over seeds ({_n(gray.median)})."


def _candidates_table(found: Mapping, names: Sequence[str]) -> str:
    names = [name for name in names if name in found]
    rows = []
    for quantity in [*numbers.quantities_of(found), None]:
        errors = numbers.errors_of(found, quantity)
        best = numbers.least(errors, names)
        rows.append(
            [
                quantity or "mean",
                *(f"**{_spread(errors[name])}**" if name == best else _spread(errors[name]) for name in names),
            ]
        )
    return _table(("quantity", *names), rows)


def _forward_table(found: Mapping) -> str:
    return (
        _candidates_table(found, ("white", "gray", HYBRID, *BASELINES))
        if numbers.quantities_of(found)
        else NOT_TRAINED.capitalize() + "."
    )


def _best_in(found: Mapping, name: str, rivals: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return in which quantities a candidate has a lesser median error than every rival, and in which not."""
    won, lost = [], []
    for quantity in numbers.quantities_of(found):
        errors = numbers.errors_of(found, quantity)
        rival = numbers.least(errors, rivals)
        if name in errors and rival is not None:
            (won if errors[name].median < errors[rival].median else lost).append(quantity)
    return won, lost


def _forward_words(data: Mapping, found: Mapping) -> str:
    errors = numbers.errors_of(found)
    if "gray" not in errors:
        return ""
    won, lost = _best_in(found, "gray", ("white", *BASELINES))
    first = numbers.least(errors, list(errors))
    sentences = [
        f"The least mean error has {first} ({_n(errors[first].median)}).",
        f"The gray model errs {_n(errors['gray'].median)} in the mean and is below the white model and every baseline in {len(won)} of {len(won) + len(lost)} quantities{': ' + _list(won) if won else ''}.",
    ]
    same = [name for name in BASELINES[1:] if name in errors and errors[name] == errors.get(BASELINES[0])]
    if same:
        sentences.append(
            f"From one run, {_list(same)} {'predicts' if len(same) == 1 else 'predict'} no more than the last value."
        )
    worst = sorted(lost, key=lambda one: numbers.errors_of(found, one)["gray"].median, reverse=True)[:3]
    if worst:
        told = [f"{one} ({_n(numbers.errors_of(found, one)['gray'].median)})" for one in worst]
        sentences.append(f"Of the others it is worst in {_list(told)}.")
    return " ".join(sentences)


def _insilico(data: Mapping) -> str:
    found = numbers.open_set(data, "insilico")
    head = f"""## 6. Fifty simulated runs for fifty others

The open set insilico-fed-batch: VCD, glucose, lactate and titer without noise, from a law that none of the models here knows. The hybrid, {HYBRID}, has exact balances of the
vessel and learned rates. It learns from 50 runs and predicts the other 50, as the baselines do."""
    if not numbers.quantities_of(found):
        return f"{head}\n\n{NOT_TRAINED.capitalize()} yet."
    return f"""{head}

{_candidates_table(found, (HYBRID, *BASELINES))}

{_hybrid_words(found)}

{_figure(data, "insilico", "Errors of the in-silico set, by quantity")}"""


def _hybrid_words(found: Mapping) -> str:
    rivals = [name for name in BASELINES if name in found]
    if HYBRID not in found or not rivals:
        return f"So far without {_list([name for name in (HYBRID, *BASELINES) if name not in found])}."
    won, lost = _best_in(found, HYBRID, rivals)
    errors = numbers.errors_of(found)
    rival = numbers.least(errors, rivals)
    mean = "below" if errors[HYBRID].median < errors[rival].median else "not below"
    sentences = [f"In the mean the hybrid is {mean} every baseline ({_n(errors[HYBRID].median)}; {rival} {_n(errors[rival].median)}).",
                 f"By quantity it is below every baseline in {len(won)} of {len(won) + len(lost)}{': ' + _list(won) if won and lost else ''}."]  # fmt: skip
    if lost and won:
        sentences.append(f"Not in {_list(lost)}.")
    missing = [name for name in BASELINES if name not in found]
    if missing:
        sentences.append(f"{_list(missing)} {'is' if len(missing) == 1 else 'are'} not trained yet.")
    return " ".join(sentences)


def _umn(data: Mapping) -> str:
    found = numbers.open_set(data, "umn")
    head = """## 7. Three measured fed-batch runs, each left out

The open set umn-fed-batch: VCD, IgG (here ANTI), glucose, lactate, ammonia and 20 amino acids, 13 samples in 9.7 d, in three runs. Each is predicted from the other two."""
    if not numbers.quantities_of(found):
        return f"{head}\n\n{NOT_TRAINED.capitalize()} yet."
    names = [name for name in (HYBRID, *BASELINES) if name in found]
    by_run = [
        [run, *(_spread(numbers.errors_of(found, run=run)[name]) for name in names)]
        for run in numbers.tested_runs(found)
    ]
    return f"""{head}

{_table(("run left out", *names), by_run)}

{_hybrid_words(found)} {_reason(data, found)}

{_candidates_table(found, (HYBRID, *BASELINES))}

{_figure(data, "umn", "Errors of the three measured runs, by quantity")}"""


def _reason(data: Mapping, found: Mapping) -> str:
    """Say what can be read from the numbers about why the hybrid is not ahead."""
    rivals = [name for name in BASELINES if name in found]
    errors = numbers.errors_of(found)
    if HYBRID not in errors or not rivals:
        return ""
    rival = numbers.least(errors, rivals)
    if errors[HYBRID].median < errors[rival].median:
        return ""
    more = {}
    for quantity in numbers.quantities_of(found):
        of = numbers.errors_of(found, quantity)
        more[quantity] = of[HYBRID].median - of[rival].median
    total = sum(one for one in more.values() if one > 0.0)
    worst = sorted(more, key=lambda one: more[one], reverse=True)[:3]
    share = sum(more[one] for one in worst) / total if total > 0.0 and math.isfinite(total) else math.nan
    sentences = []
    if math.isfinite(share):
        sentences.append(f"Of what the hybrid errs more than {rival}, {100 * share:.0f} % is in {_list(worst)}.")
    of_run = {run: numbers.errors_of(found, run=run) for run in numbers.tested_runs(found)}
    behind = [run for run, of in of_run.items() if of[HYBRID].median >= of[rival].median]
    sentences.append(f"It is behind {rival} in {_list(behind)}." if behind else "")
    unit = {"VCD": "1e9 cells/L", "ANTI": "mg/L"}.get(worst[0], "mmol/L")
    spread = numbers.range_of(data, "umn", worst[0])
    if spread is not None:
        sentences.append(f"The whole range of {worst[0]} in the three runs is {spread:.3g} {unit}.")
    sentences.append(_without(found, worst[0], rival))
    sentences.append(_twins(of_run))
    sentences.append(
        "What would close the gap was not tried here, so this says where the hybrid is behind, and not why."
    )
    return " ".join(one for one in sentences if one)


def _without(found: Mapping, quantity: str, rival: str) -> str:
    """Say what the means are without the quantity in which the hybrid is furthest behind."""
    means = {
        name: numbers.spread_of(
            [numbers.mean_of({one: of[one] for one in of if one != quantity}) for of in found[name].values()]
        )
        for name in (HYBRID, rival)
    }
    hybrid, other = means[HYBRID], means[rival]
    if hybrid is None or other is None or not math.isfinite(hybrid.median):
        return ""
    verb = "still behind" if hybrid.median >= other.median else "ahead"
    return f"Without {quantity} it is {verb}: {_n(hybrid.median)}, and {rival} {_n(other.median)}."


def _twins(of_run: Mapping[str, Mapping[str, Spread]]) -> str:
    """Say whether the two runs that are one experiment in parallel are what makes the mean of the runs good."""
    if not all(BASELINES[1] in of_run.get(run, {}) for run in ("umn-11", "umn-12", "umn-21")):
        return ""
    alone, one, other = (of_run[run][BASELINES[1]].median for run in ("umn-11", "umn-12", "umn-21"))
    worse = "more than in either" if alone > max(one, other) else "not more than in both"
    return f"Runs 12 and 21 are one experiment in parallel, with the same times, volumes and feeds: the mean of the runs errs {_n(one)} and {_n(other)} there, and {_n(alone)} in run 11, which has no twin: {worse}."


# ------------------------------------------------------------------------------------------------- what follows, made


def _follows(data: Mapping) -> str:
    points = []
    hit, of = numbers.coverage(data, WHITE_RUNS)
    over = numbers.over_floor(data, WHITE_RUNS)
    if of:
        good = hit >= numbers.ASKED_COVERAGE * of
        near = all(one <= numbers.AT_FLOOR for one in over.values())
        points.append(
            f"White: where its equations are right, {WHITE_RUNS} runs {'are enough to predict at the noise floor' if near else 'do not yet predict at the noise floor in every seed'}, and its 95 % intervals {'can be taken at their word' if good else f'are too narrow: they hold the truth in {_percent(hit / of)}'}."
        )
    for law in LAWS:
        one = numbers.spread(data, numbers.runs_task(f"law {law}", LAW_RUNS), "law error")
        if one is not None:
            trusted = one.median <= numbers.ASKED_LAW
            points.append(
                f"Gray, {law}: from {LAW_RUNS} runs {'read the learned law, within what was visited' if trusted else 'do not read the learned law'} (error {_percent(one.median)} of its range, {_one_or_more(one.count, 'seed')})."
            )
    ahead = numbers.errors_of(numbers.forward(data))
    if "gray" in ahead:
        first = numbers.least(ahead, list(ahead))
        points.append(
            "Gray on one measured run: "
            + (
                "it predicts what comes best of all."
                if first == "gray"
                else f"do not trust it for what comes; {first} predicted better. Learned laws need more than one run."
            )
        )
    by_law = {law: of for law in LAWS if (of := numbers.few_against_many(data, law))}
    if by_law:
        points.append(f"Black: {_black_words([law for law, of in by_law.items() if all(of.values())])}")
    for kind, title in (("insilico", "fifty runs"), ("umn", "two runs")):
        found = numbers.open_set(data, kind)
        errors = numbers.errors_of(found)
        rival = numbers.least(errors, BASELINES)
        if HYBRID in errors and rival:
            better = errors[HYBRID].median < errors[rival].median
            points.append(
                f"Exact balances with learned rates, from {title}: {'better' if better else 'not better'} than {'every baseline' if better else rival}{' that is trained' if better and len([one for one in BASELINES if one in errors]) < len(BASELINES) else ''}."
            )
    if not points:
        points = ["Nothing yet."]
    lines = "\n".join(f"{i}. {one}" for i, one in enumerate(points, 1))
    return f"""## 8. What follows

{lines}

What this page does not show: truths other than the white model with other parameters, other noise than 5 %, black boxes with R, or how any model does on a second measured run of cell line A. Three seeds give a range and no distribution."""


def _black_words(lawful: Sequence[str]) -> str:
    if not lawful:
        return (
            f"to every gray model with {FEW} runs there is a seed in which the better black box with {MANY} did better."
        )
    return f"in no seed did the better one with {MANY} runs do better than the gray model of {_list(lawful, 'or')} with {FEW}."


def _made(data: Mapping) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    codes = numbers.codes(data)
    hashes = (
        _list([f"{code[:12]} ({_one_or_more(count, 'task')})" for code, count in codes.items()])
        if codes
        else "not told by any task"
    )
    times = numbers.seconds(data)
    failed = numbers.failures(data)
    absent = [name for name in numbers_wanted(data) if name not in data["tasks"]]
    told = (
        "\n".join(f"- {name}: {' '.join(sentence.split())}" for name, sentence in failed.items()) or "- Nothing failed."
    )
    more = (
        " The code changed between tasks; `rm` their files in results/learning to train them anew."
        if len(codes) > 1
        else ""
    )
    untimed = f"; {len(data['tasks']) - len(times)} do not tell theirs" if len(times) < len(data["tasks"]) else ""
    return f"""## How this was made

`make study-learning` makes this page and its figures from [learning.json](learning.json), which holds every number. `make study-learning RETRAIN=1`, or `.venv/bin/python studies/learning.py --retrain`, trains what
results/learning does not hold yet: the times that are known sum to {sum(times) / 3600:.1f} hours ({len(times)} tasks{untimed}). Up to three processes and other work shared the two cores of the machine, so each time is longer than that of a fit alone.

- Seeds {_list([str(one) for one in data["seeds"]])}; a seed gives the truth, the design of the runs (scrambled Sobol points, which `graycell.Design` describes), the noise and the first weights.
- Splits: {max(data["sizes"])} simulated runs to learn from, of which the first 2, 4, 8 or all are taken, and {data["tested runs"]} to be tested on; the measured run to day 6 and after; 50 and 50; each of three left out. What is known of a test run: its state at time 0, events, media and viability.
- Baselines: the last value, the mean of the runs, a Gaussian process and boosted trees for each quantity, which choose what they learn by leaving training runs out.
- {versions}, Python {data["python"]}; code SHA-256 {hashes}.{more}

**What was seen before.** No setting was chosen with results of these seeds in sight: models, recipes and tolerances were settled on other truths and runs (seeds
0, 1, 2 and 10). The measured runs and the open sets are one each, so they had been seen: the laws, the tolerance and the prior of the gray model of the measured run, that
every model goes on from the last samples, and the settings of the baselines were chosen with such results in sight. What came out before is in the history of the repository.

{f"Not trained: {len(absent)} of {len(numbers_wanted(data))} tasks." if absent else "Every task was trained."} What failed:

{told}

- R. P. Nolan, K. Lee, "Dynamic model of CHO cell metabolism", Metab. Eng. 13 (2011) 108-124.
- insilico-fed-batch, Tim-Lin (2025), MIT licence; umn-fed-batch, Decision Discovery and Optimization Lab (2024), MIT licence."""
