"""The tables of docs/inconsistency.md, from docs/inconsistency.json."""

from collections.abc import Mapping

import numpy as np
from plain_tables import markdown


def tables(results: Mapping) -> dict[str, str]:
    """Return every table of the page as Markdown, by title."""
    return {
        "1. Equations": _equations(results["equations"]),
        "2. v1 around R = 1": _weights(results["v1"]),
        "3. End of the run by step": _steps(results["steps"]),
        "4. Fixed points": _fixed_points(results["maps"]),
        "5. Closures": _closures(results["closures"]),
        "6. Orders of convergence": _orders(results),
        "6. Limit of tau": _limit(results["tau"]),
        "7. Fits": _fits(results),
        "7. Cost by stage": _stages(results["fits"]),
    }


def _equations(found: Mapping) -> str:
    keys = ("reactions", "balances", "laws", "rank", "surplus")
    rows = [(name, *(str(of[key]) for key in keys), "; ".join(of["relations"])) for name, of in found.items()]
    return markdown(("network", "fluxes", "balances", "rate laws", "rank", "surplus", "surplus relations"), rows)


def _weights(found: Mapping) -> str:
    redox = np.array(found["R"])
    middle = int(np.flatnonzero(redox == 1.0)[0])
    rows = [(name, *(f"{found[name][k]:.3f}" for k in range(middle - 1, middle + 2))) for name in ("1/w^2", "soft")]
    return markdown(("weights", *(f"v1 at R - 1 = {redox[k] - 1.0:.0e}" for k in range(middle - 1, middle + 2))), rows)


def _steps(found: Mapping) -> str:
    columns = zip(found["step"], found["LAC"], found["ANTI"], found["R"], strict=True)
    rows = [(f"{step:g}", f"{lac:.1f}", f"{anti:.1f}", f"{redox:.2f}") for step, lac, anti, redox in columns]
    return markdown(("step [d]", "LAC [mmol/L]", "ANTI [mmol/L]", "R [1]"), rows)


def _fixed_points(found: Mapping) -> str:
    of, rows = found["published"], []
    for k, day in enumerate(found["day"]):
        for point, slope, stays in zip(of["points"][k], of["slopes"][k], of["lagging stays"][k], strict=True):
            if point >= 0.1:  # below, published weights are singular
                pool, lagged = ("stable" if stable else "unstable" for stable in (slope < 1.0, stays))
                values = (f"{point:.3f}", f"{round(slope, 2) + 0.0:.2f}", pool, lagged, f"{found['lagged R'][k]:.3f}")
                rows.append((f"{day:g}", *values))
    heads = ("day", "fixed point R", "slope dR'/dR", "for a redox pool", "for the lagged scheme", "R of the scheme")
    return markdown(heads, rows)


def _closures(found: Mapping) -> str:
    rows = [
        (name, f"{np.interp(5.0, path['time'], path['R']):.2f}", f"{path['R'][-1]:.2f}", f"{path['LAC']:.1f}")
        for name, path in found["paths"].items()
    ]
    return markdown(("closure", "R on day 5", "R on day 10", "LAC on day 10 [mmol/L]"), rows)


def _orders(results: Mapping) -> str:
    rows = []
    for name in ("dynamic", "algebraic"):
        errors = (np.array(results["orders"][name][method]) for method in ("Heun", "Bosh3"))
        orders = (f"{np.mean(np.log2(error[:-1] / error[1:])):.2f}" for error in errors)
        rows.append((name, *orders, f"{results['tolerances'][name]['change'][0]:.0e}"))
    return markdown(("closure", "order of Heun (2)", "order of Bosh3 (3)", "end of the run, rtol 1e-3 to 1e-7"), rows)


def _limit(found: Mapping) -> str:
    rows = [(f"{tau:g}", f"{away:.2e}") for tau, away in zip(found["tau"], found["difference"], strict=True)]
    return markdown(("tau [d]", "largest difference of the closures [1]"), rows)


def _fits(results: Mapping) -> str:
    rows = [
        (name, *(f"{of[key]:.3f}" for key in ("mean NRMSE", "NRMSE LAC", "NRMSE GLC")), f"{of['R_switch']:.2f}",
         " ".join(f"{value:.1f}" for value in of["R at samples"]))
        for name, of in results["fits"].items()
    ]  # fmt: skip
    measured = " ".join(f"{value:.1f}" for value in results["closures"]["measured"]["R"])
    rows.append(("measured", "", "", "", "", measured))
    return markdown(("recipe", "mean NRMSE", "LAC", "GLC", "R_switch", "R at the ten samples"), rows)


def _stages(fits: Mapping) -> str:
    stages = list(dict.fromkeys(stage for of in fits.values() for stage in of["stages"]))
    rows = [(stage, *(f"{of['stages'][stage]:.0f}" if stage in of["stages"] else "" for of in fits.values()))
            for stage in stages]  # fmt: skip
    return markdown(("stage", *fits), rows)
