"""The words of docs/inconsistency.md; every number comes from docs/inconsistency.json."""

import re
import textwrap

import numpy as np

HEAD = """<!-- made by `make study-inconsistency`; change studies/inconsistency_page.py, not this file -->

# What the equations disagree about

The CHO model of Nolan & Lee (2011) has rate laws for some reactions and steady-state balances for the inside of the
cell. Together they contradict each other in three ways: there are more equations than fluxes; the published weights,
which decide between them, are infinite at some states; and the redox ratio R is part of a loop that the published scheme
closes with the R of a moment before. This page shows each on the model itself, what resolves it, and what follows for
fitting. Every result is computed by graycell; `make study-inconsistency` repeats it all, and `graycell inspect` shows the
same for a model and a run of yours.

"Published scheme" means fixed Runge-Kutta steps in which every stage uses the R of the stage before, weights 1/w^2, and a
feed that replaces 3 % of the volume. "Refit" are the parameters that Cui et al. (2024) fitted to that scheme with a step
of 0.05 d. The run is cell line A of Nolan & Lee (2011).
"""


def page(results: dict) -> str:
    """Return the page as Markdown."""
    parts = (HEAD, _equations, _weights, _steps, _maps, _closures, _orders, _fits, _follows, _made)
    whole = "\n".join(part if isinstance(part, str) else part(results) for part in parts)
    return "\n\n".join(wrapped(block) for block in whole.strip().split("\n\n")) + "\n"


def wrapped(block: str) -> str:
    """Return a paragraph, or the items of a list, with lines of one length: numbers in a text change its breaks."""
    if re.match(r"[|#<!]|    ", block):
        return block
    items = re.split(r"\n(?=- |\d+\. )", block)
    return "\n".join(
        textwrap.fill(
            " ".join(item.split()), 118, break_long_words=False, break_on_hyphens=False,
            subsequent_indent=" " * len((re.match(r"- |\d+\. ", item) or [""])[0]),
        )
        for item in items
    )  # fmt: skip


def _equations(results: dict) -> str:
    one, more = results["equations"]["nolan-lee"], results["equations"]["nolan-lee-extended"]
    relations = "\n".join(f"    {relation}" for relation in one["relations"])
    return f"""## 1. Two equations too many

The published network has {one["reactions"]} fluxes. {one["balances"]} independent balances and {one["laws"]} rate laws are
{one["balances"] + one["laws"]} equations of rank {one["rank"]}: {one["surplus"]} too many. So the balances imply
{one["surplus"]} relations between the rates that the laws wish, and nothing makes the laws satisfy them:

{relations}

(The coefficients in brackets are those at the cold temperature, where they differ.) Without the rate law of
{" or ".join(one["not unique without"])} the fluxes would not be unique; without any other one they still are.
`{one["not unique without"][0]}` is in neither relation, so no balance can contradict it.

The extended network has one more reaction, v35 (ATP maintenance), with a rate law of its own: {more["reactions"]} fluxes,
{more["balances"] + more["laws"]} equations, again {more["surplus"]} too many.

The flux layer resolves this: the fluxes obey the balances exactly and are the nearest to the kinetic rates. What is left is
a choice, the weights.
"""


def _weights(results: dict) -> str:
    found = results["v1"]
    redox = np.array(found["R"])
    below, at, above = np.flatnonzero(redox < 1.0)[-1], *(np.flatnonzero(one)[0] for one in (redox == 1.0, redox > 1.0))
    sharp, soft = found["1/w^2"], found["soft"]
    nearest = redox[above] - 1.0
    return f"""## 2. Weights that are infinite somewhere

The published weight of a rate law is 1/w^2 for its kinetic rate w, and a flux with w = 0 is left out. The kinetic rate of
lactate dehydrogenase, v2, is 0 at R = 1. On day {found["day"]:g} of the published scheme (refit), glycolysis v1 is
{sharp[below]:.3f} mmol/(10^9 cells)/d at R = 1 - {nearest:.0e}, {sharp[at]:.3f} at R = 1, and {sharp[above]:.3f} at
R = 1 + {nearest:.0e}. Next to R = 1 the weight of v2 has no limit and holds it at zero; at R = 1 itself v2 is left out. So
the fluxes are not continuous there, at one isolated value, and the number of terms changes. With the soft
weights 1/(w^2 + e^2), e = 0.05 mmol/(10^9 cells)/d, the three values are {soft[below]:.3f}, {soft[at]:.3f} and
{soft[above]:.3f}, and nowhere is a weight larger than 1/e^2.

![v1 around R = 1 with both kinds of weights](images/inconsistency-v1.svg)
"""


def _steps(results: dict) -> str:
    found = results["steps"]
    rows = "\n".join(
        f"| {step:g} | {lac:.1f} | {anti:.1f} | {redox:.2f} |"
        for step, lac, anti, redox in zip(found["step"], found["LAC"], found["ANTI"], found["R"], strict=True)
    )
    return f"""## 3. A scheme whose answer depends on its step

The published scheme, refit, at the end of the run (day 10):

| step [d] | LAC [mmol/L] | ANTI [mmol/L] | R [1] |
|---|---|---|---|
{rows}

From a step of {found["step"][0]:g} d to one of {found["step"][-1]:g} d lactate goes from {found["LAC"][0]:.1f} to
{found["LAC"][-1]:.1f} mmol/L and R from {found["R"][0]:.2f} to {found["R"][-1]:.2f}. The figure shows why: R jumps between
two levels, and when it jumps depends on the step. The parameters were fitted with a step of 0.05 d, and belong to it.

![R over time by the published scheme with five steps](images/inconsistency-steps.svg)
"""


def _maps(results: dict) -> str:
    found = results["maps"]
    own, soft = found["published"], found["soft"]
    rows = []
    for k, day in enumerate(found["day"]):
        for point, slope, stays in zip(own["points"][k], own["slopes"][k], own["lagging stays"][k], strict=True):
            if point < 0.1:
                continue
            pool, lag = "stable" if slope < 1.0 else "unstable", "stable" if stays else "unstable"
            rows.append(
                f"| {day:g} | {point:.3f} | {round(slope, 2) + 0.0:.2f} | {pool} | {lag} | {found['lagged R'][k]:.3f} |"
            )
    table = "\n".join(rows)
    cold = [k for k, day in enumerate(found["day"]) if day > 3.0]
    counts = sorted({len(soft["points"][k]) for k in cold})
    many = " or ".join(str(count) for count in counts)
    return f"""## 4. Several values of R that solve the loop

At held concentrations the rate laws see R, and the fluxes give R' back. An R that comes back as itself, a fixed point,
solves the loop. On the path of the published scheme (refit), with its own weights and switches (fixed points below 0.1,
where weights are singular, are left out):

| day | fixed point R | slope dR'/dR | for a redox pool | for the lagged scheme | R of the scheme |
|---|---|---|---|---|---|
{table}

A redox pool, dR/dt = (R' - R)/tau, stays at a fixed point whose slope is below 1. A step of the published scheme takes R'
for R four times, averages, and takes R' once more; it stays where the slope is between about -1.78 and 1. So after the
temperature shift of day 3 they disagree about the fixed point at which lactate is made, as long as its slope is steep: the
scheme overshoots it and lands at the one where lactate is used; a pool stays. Later the slope is less steep, and the scheme
goes back and forth. With soft weights and smooth switches there are {many} fixed points on each of these days too. The
measured R, in section 5, falls below 1 after day 4.

![The map R to R' on six days](images/inconsistency-maps.svg)

Circles, for soft weights: filled where a pool is stable, open where not. Dashed: R of the published scheme.
"""


def _closures(results: dict) -> str:
    found = results["closures"]
    rows = "\n".join(
        f"| {name} | {np.interp(5.0, path['time'], path['R']):.2f} | {path['R'][-1]:.2f} | {path['LAC']:.1f} |"
        for name, path in found["paths"].items()
    )
    measured = found["measured"]
    below = [f"{time:g}" for time, value in zip(measured["time"], measured["R"], strict=True) if value < 1.0]
    return f"""## 5. Which branch each closure takes

The refit parameters with each closure of the loop:

| closure | R on day 5 | R on day 10 | LAC on day 10 [mmol/L] |
|---|---|---|---|
{rows}

The measured R is below 1 from day {below[0]} to day {below[-1]}, and the measured lactate falls from {max(measured["LAC"]):.1f}
to {min(measured["LAC"]):.2f} mmol/L. With the published law of lactate dehydrogenase neither closure that does not depend on a step goes there.
The reason is the balance of NADH in the cytosol, R' - 1 = (v2 + v12 + v13)/v34: v12 and v13 cannot be negative, and v2 is
kinetic_rates negative only below R = 1. So at R = 1 the kinetic rates say that R' is at least 1, and the line is a barrier that
only the overshoot of the iteration jumps. `R_switch`, the R at which lactate turns from made to used, is therefore a
parameter in graycell; a value above 1 opens a way.

![R by each closure, and as measured](images/inconsistency-closures.svg)
"""


def _orders(results: dict) -> str:
    orders, tau, found = results["orders"], results["tau"], results["tolerances"]

    def order(closure, method):
        errors = np.array(orders[closure][method])
        return float(np.mean(np.log2(errors[:-1] / errors[1:])))

    rows = "\n".join(
        f"| {name} | {order(name, 'Heun'):.2f} | {order(name, 'Bosh3'):.2f} | {found[name]['change'][0]:.0e} |"
        for name in ("dynamic", "algebraic")
    )
    away = np.array(tau["difference"])
    ratios = ", ".join(f"{one:.2f}" for one in away[:-1] / away[1:])
    return f"""## 6. Closures whose answer does not depend on a step

`Dynamic` is the balance of the redox pool, with a turnover time tau. `Algebraic` solves R = R'(R) in every moment, on the
branch that the pool follows as tau goes to 0; where the branch ends in a fold, R goes to the next stable fixed point,
and the status says so. Published parameters, and fixed steps of {orders["step"][0]:g} to {orders["step"][-1]:g} d on a
stretch without events:

| closure | order of Heun (2) | order of Bosh3 (3) | end of the run, rtol {found["dynamic"]["rtol"][0]:g} against 1e-7 |
|---|---|---|---|
{rows}

Both converge with the order of the method. As tau goes from {tau["tau"][0]:g} d to {tau["tau"][-1]:g} d in halvings, the
largest difference of both closures at the samples (species and VCD) falls by factors of {ratios}: in proportion to tau.

![Error by step, and difference of the closures by tau](images/inconsistency-orders.svg)
"""


def _fits(results: dict) -> str:
    found, measured = results["fits"], results["closures"]["measured"]
    refit = results["steps"]["refit"]
    rows = "\n".join(
        f"| {name} | {one['mean NRMSE']:.3f} | {one['NRMSE LAC']:.3f} | {one['NRMSE GLC']:.3f} | {one['R_switch']:.2f} | "
        f"{' '.join(f'{value:.1f}' for value in one['R at samples'])} |"
        for name, one in found.items()
    )
    closed, held, best = found.values()
    stages = "; ".join(f"{name} {cost:.0f}" for name, cost in best["stages"].items())
    lost = "; ".join(f"{name} {cost:.0f}" for name, cost in held["stages"].items())
    early = [
        (time, redox)
        for time, redox, slope in zip(*(best["branches"][key] for key in ("time", "R", "slope")), strict=True)
        if time <= 1.0 and slope < 1.0
    ]
    highest = max(redox for _, redox in early)
    limit = best["algebraic"]
    time, redox, ratio = (np.array(best["path"][key]) for key in ("time", "R", "R'"))
    first = time <= 1.0
    below = np.max(redox[first] - ratio[first])
    failed = sum(one["algebraic"]["status"] != "finished" for one in found.values())
    return f"""## 7. Fitting through it

The real run, extended network, dynamic closure, one start from the published parameters (`R_switch` from 1.25 where it is
free). NRMSE is the root mean squared error over the measured range; the mean is over the 13 species. The public refit of
the published scheme, with the published network, has a mean of {refit["mean NRMSE"]:.3f} and {refit["NRMSE LAC"]:.3f} for
lactate.

| recipe | mean NRMSE | LAC | GLC | R_switch | R at the ten samples |
|---|---|---|---|---|---|
{rows}
| measured | | | | | {" ".join(f"{value:.1f}" for value in measured["R"])} |

- **The loop closed from the start**: R falls below 1, a day late, and the rest is missed (mean {closed["mean NRMSE"]:.3f}).
- **With R_switch held at 1**: the fit is good while R is given and is lost as the loop closes. R is {min(held["R at samples"]):.2f}
  at its lowest, and lactate is missed by {held["NRMSE LAC"]:.2f} of its range. That is the barrier of section 5. Cost by
  stage: {lost}.
- **Opened, then closed**, the default of `graycell fit` for runs with a measured R: the rate laws see the measured R first;
  then the balance of R is nudged to it, with a gain that falls stage by stage; then the loop is closed, and only that
  result counts. Cost by stage: {stages}. (In a nudged stage the model still gets help from the measured R, so costs of
  stages compare only roughly.)

So it is opening the loop first and a free `R_switch`, both together, that meet the measured switch to using lactate. One
start is enough. The recipe asks only that the loop variable was measured.

![R and lactate of the three fits](images/inconsistency-fits.svg)

**What the best fit rests on.** On the first day of this fit a pool could rest only at R = {highest:.2f} or below, while R is
{redox[0]:.1f} at the start and {np.interp(1.0, time, redox):.1f} a day later. R' is below R by {below:.2f} at most, so R sinks
slowly through a range where no fixed point is, but nearly one. The algebraic closure has no such solution: with the same
parameters it gives R = {limit["R at samples"][0]:.2f} at the first sample, and a mean NRMSE of {limit["mean NRMSE"]:.3f}. The
turnover time tau, {best["tau"]:g} d, was not estimated, and R of the first two days depends on it. For {failed} of the three
fits the algebraic closure does not reach the end within 500 steps from one event to the next: R goes back and forth between
two branches.

![Fixed points along each fit](images/inconsistency-branches.svg)
"""


def _follows(results: dict) -> str:
    return """## 8. What follows

1. Do not fit the lagged scheme: its parameters belong to one step. graycell refuses to.
2. Use soft weights. Published ones make the fluxes discontinuous where a kinetic rate crosses zero.
3. Let `R_switch` be estimated, and open the loop before you close it. `graycell fit` does both.
4. Look at the branches after a fit (`graycell inspect --parameters results/fit`). Where two of them are stable, the history
   of the run decides which one R is on. Where R is on none, it depends on tau.
5. Measure R, or what it is computed from: only then can the loop be opened. Without it the fit starts with the loop closed.

What this page does not show: other runs, other networks, or that the model is right. One run was fitted, with assay errors
that are assumed (4 % of the range).
"""


def _made(results: dict) -> str:
    made = results["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    runs = ", ".join(f"{name} (SHA-256 {value[:12]})" for name, value in made["runs"].items())
    return f"""## How this was made

`make study-inconsistency`, with {versions}, Python {made["python"]}, {made["machine"]}; run {runs}; code SHA-256
{made["code"][:12]}. All numbers: [inconsistency.json](inconsistency.json).

- R. P. Nolan, K. Lee, "Dynamic model of CHO cell metabolism", Metab. Eng. 13 (2011) 108-124.
- T. Cui, T. S. Bertalan, N. Ndahiro, P. Khare, M. Betenbaugh, C. Maranas, I. G. Kevrekidis, "Data-driven and physics
  informed modelling of Chinese hamster ovary cell bioreactors", Comput. Chem. Eng. 183 (2024) 108594.
"""
