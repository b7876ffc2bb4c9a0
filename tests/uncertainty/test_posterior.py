"""Samples of posteriors: known answers of linear models, of a limit of detection and of bounds, and what is said."""

import json
import sys
from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, norm
from straight_runs import DAYS, exact, measured, straight

import graycell as gc
from graycell.errors import FitError
from graycell.inference.refound import refound
from graycell.uncertainty import load_sample, save_sample
from graycell.uncertainty.density import _within, cost_and_gradient, linearised, posterior_of
from graycell.uncertainty.diagnostics import convergence

pytest.importorskip("numpyro", reason="part of the extra 'sampling'")


@pytest.fixture(scope="module")
def linear():
    """A fit of two runs whose slope differs, and a sample of its posterior."""
    runs = [measured("one", 2.5, 1.2, seed=1), measured("two", 3.4, 1.2, seed=2)]
    fitted = gc.fit(straight(0.6), runs, gc.FitSettings(starts=1))
    told = []
    sample = gc.sample_posterior(fitted, draws=400, warm_up=100, chains=4, progress=lambda *now: told.append(now))
    return runs, fitted, sample, told


def test_a_posterior_that_is_known_in_closed_form_is_sampled(linear):
    runs, _, sample, _ = linear
    mean, covariance = exact(runs, 0.6)
    x = np.array(sample.values.reshape(-1, 4))
    assert sample.names == ("a", "b", "a of one", "a of two")
    x[:, 2:] -= x[:, :1]  # the deviations of the runs
    ess = np.minimum(sample.convergence.ess_bulk, len(x))
    assert np.all(sample.convergence.r_hat < 1.01)
    assert np.all(ess > 400)
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(np.mean(x, axis=0) - mean) < 4.5 * sd / np.sqrt(ess))
    assert np.allclose(np.cov(x.T), covariance, atol=0.15 * np.max(sd) ** 2)
    for j in range(4):
        assert kstest(x[::4, j], norm(mean[j], sd[j]).cdf).pvalue > 1e-3
    assert sample.remarks() == []


def test_progress_rises_to_the_end_and_the_seed_decides_about_the_draws(linear):
    _, fitted, sample, told = linear
    parts = [part for part, _ in told]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert told[0][1] == "warm-up"
    with gc.Engine(jobs=1) as alone:
        again = gc.sample_posterior(fitted, draws=40, warm_up=100, chains=2, engine=alone)
    short = gc.sample_posterior(fitted, draws=40, warm_up=100, chains=2)
    other = gc.sample_posterior(fitted, draws=40, warm_up=100, chains=2, seed=1)
    assert np.array_equal(again.x, short.x)
    assert np.array_equal(short.x, sample.x[:2, :40])  # later draws and other chains change nothing
    assert not np.array_equal(other.x, short.x)


def test_a_prediction_from_the_sample_is_that_of_its_draws(linear):
    runs, fitted, sample, _ = linear
    ahead = sample.predict(runs[0], draws=100, times=[2.0, 4.0])
    own = sample.values.reshape(-1, 4)[np.linspace(0, 1599, 100).round().astype(int), 2]
    assert np.allclose(ahead["A"][:, 1], 10.0 + 4.0 * own, rtol=1e-6)
    assert np.allclose(ahead.best[:, ahead.names.index("A")], 10.0 + fitted.per_run["one"]["a"] * np.array([2.0, 4.0]))
    new = sample.predict(replace(runs[0], name="new", measurements={}), draws=500, times=[4.0])
    mean, covariance = exact(runs, 0.6)
    spread = 4.0 * np.sqrt(covariance[0, 0] + 0.6**2)  # another run differs by the distribution between runs
    assert np.std(new["A"]) == pytest.approx(spread, rel=0.15)
    assert np.mean(new["A"]) == pytest.approx(10.0 + 4.0 * mean[0], abs=0.3 * spread)
    laplace = fitted.predict(replace(runs[0], name="new", measurements={}), draws=500, times=[4.0])
    assert np.std(laplace["A"]) == pytest.approx(spread, rel=0.15)
    with pytest.raises(FitError, match="found 1601 draws; the sample has 1600"):
        sample.predict(runs[0], draws=1601)


def test_a_saved_sample_is_read_with_its_fit_alone(linear, tmp_path):
    _, fitted, sample, _ = linear
    path = save_sample(sample, tmp_path)
    again = load_sample(tmp_path, fitted)
    assert np.array_equal(again.x, sample.x)
    assert np.array_equal(again.values, sample.values)
    assert (again.seed, again.warm_up, again.evaluations) == (0, 100, sample.evaluations)
    written = json.loads(path.read_text())
    assert written["versions"]["numpyro"]
    assert written["fit"]["runs"].keys() == {"one", "two"}
    moved = replace(fitted, estimates=(replace(fitted.estimates[0], value=2.0), *fitted.estimates[1:]))
    with pytest.raises(FitError, match="the posterior sample of a fit with other estimates"):
        load_sample(tmp_path, moved)
    with pytest.raises(FitError, match="found no posterior sample"):
        load_sample(tmp_path / "nowhere", fitted)
    for changes, sentence in (
        ({"format": 2}, "this one reads format 1"), ({"kind": "fit"}, "a posterior sample is needed"),
        ({"x": [[1.0]]}, "do not fit each other"), ({"names": ["a"]}, "do not fit each other"),
        ({"seed": "none"}, "no readable sample"), ({"x": (np.nan * sample.x).tolist()}, "not finite"),
    ):  # fmt: skip
        path.write_text(json.dumps({**written, **changes}))
        with pytest.raises(FitError, match=sentence):
            load_sample(tmp_path, fitted)


def test_tables_name_the_unknowns_in_the_units_of_the_fit(linear):
    _, fitted, sample, _ = linear
    draws, summary = sample.to_frame(), sample.summary()
    assert list(draws.columns) == ["chain", "draw", *sample.names, "diverging"]
    assert len(draws) == 1600
    assert list(summary["unknown"]) == list(sample.names)
    assert summary["estimate"][0] == fitted.estimates[0].value
    assert np.all(summary["q05"] < summary["q50"])
    assert summary["mean"][2] == pytest.approx(draws["a of one"].mean())


def test_a_sample_opens_in_arviz(linear):
    pytest.importorskip("xarray", reason="part of the extra 'export'")
    try:
        data = linear[2].to_arviz()
    except FitError:
        pytest.skip("part of the extra 'export'")
    assert data.posterior["a of one"].shape == (4, 400)
    assert data.sample_stats["diverging"].shape == (4, 400)


def test_a_limit_of_detection_and_bounds_count_as_they_should():
    # A falls by -a a day from 10, and below 4 the assay shows nothing: the density of a is known up to its integral;
    # nothing tells of b but its bounds
    table = straight().table.with_changes("b", lower=-1.0, upper=2.0, prior_sd=np.inf).with_changes("a", value=-1.0)
    seen, below = np.array([7.2, 4.0, 4.0, 4.0]), np.array([False, True, True, True])
    series = {"A": gc.Measurement("A", "mmol/L", DAYS, seen, np.full(4, 1.0), below)}
    run = gc.CultureRun("falling", 1.0, {"A": 10.0, "B": 10.0}, series, end=4.0)
    fitted = gc.fit(straight().with_table(table), run, gc.FitSettings(starts=1))
    sample = gc.sample_posterior(fitted, draws=400, warm_up=100)

    def density(a):
        level = 10.0 + a * DAYS
        return norm.pdf((a + 1.0) / 2.0) * norm.pdf(seen[0] - level[0]) * np.prod(norm.cdf(4.0 - level[1:]))

    whole = quad(density, -20.0, 10.0)[0]
    mean = quad(lambda a: a * density(a), -20.0, 10.0)[0] / whole
    sd = np.sqrt(quad(lambda a: (a - mean) ** 2 * density(a), -20.0, 10.0)[0] / whole)
    a, b = sample.values[:, :, 0], sample.values[:, ::4, 1].ravel()
    assert np.mean(a) == pytest.approx(mean, abs=0.15 * sd)
    assert np.std(a) == pytest.approx(sd, rel=0.1)
    assert np.all((b >= -1.0) & (b <= 2.0))
    assert kstest((b + 1.0) / 3.0, "uniform").pvalue > 1e-3


def test_the_density_is_that_of_the_fit_and_its_gradient_that_of_differences(linear):
    _, fitted, _, _ = linear
    problem = refound(fitted)
    objective, p = problem.objective, len(problem.objective.names)
    random = np.random.default_rng(5)
    y = np.r_[3.0, 1.0, 0.1, -0.2] + 0.1 * random.standard_normal(4)
    density = eqx.filter_jit(cost_and_gradient)
    value, gradient = density(objective, jnp.asarray(y), problem.loop)
    at = linearised(problem, y)
    assert float(value) == pytest.approx(at.cost, rel=1e-12)
    assert np.allclose(gradient, at.jacobian.T @ at.residuals, rtol=1e-9, atol=1e-9)
    for j, step in enumerate(1e-5 * np.eye(4)):
        ends = [float(density(objective, jnp.asarray(y + sign * step), problem.loop)[0]) for sign in (1.0, -1.0)]
        assert float(gradient[j]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-4)
    # far outside the parameters are at their bounds, and the density falls as that of the logistic distribution
    lower, upper = map(np.asarray, (objective.coordinates.lower, objective.coordinates.upper))
    for end in (lower, upper):
        found = np.asarray(objective.coordinates.scaled(_within(objective, jnp.asarray(50.0 * (end - 1.0))).x))
        assert np.allclose(found, end, rtol=1e-9)
    assert p == 2


def test_the_coordinates_of_a_normal_posterior_are_independent_with_deviation_one(linear):
    runs, fitted, _, _ = linear
    posterior = posterior_of(refound(fitted))
    mean, covariance = exact(runs, 0.6)
    assert np.allclose(posterior.factor @ posterior.factor.T, covariance, rtol=0.02, atol=1e-4)
    assert np.allclose(posterior.centre, mean, atol=0.1 * np.sqrt(np.diag(covariance)))


def test_chains_that_disagree_or_are_few_or_lost_are_told(linear):
    sample = linear[2]
    apart = np.array(sample.x)
    apart[0, :, 0] += 0.1
    said = replace(sample, x=apart, diverging=sample.steps > 2, steps=np.full_like(sample.steps, 255)).remarks()
    assert said[0].startswith("The chains did not converge")
    assert "R-hat is above 1.01 for" in said[0]
    assert "trajectories were lost" in " ".join(said)
    assert "1600 of 1600 trajectories were cut at 255 steps" in said[-1]
    few = replace(sample, x=sample.x[:, :20], diverging=sample.diverging[:, :20], steps=sample.steps[:, :20])
    assert any("independent ones, and 400 are needed" in sentence for sentence in few.remarks())


def test_r_hat_and_effective_numbers_of_known_chains():
    random = np.random.default_rng(0)
    independent = random.standard_normal((4, 1000, 1))
    slow = np.zeros((4, 1000, 1))
    for i in range(1, 1000):
        slow[:, i] = 0.9 * slow[:, i - 1] + np.sqrt(1.0 - 0.81) * random.standard_normal((4, 1))
    found = convergence(np.concatenate([independent, slow, np.zeros((4, 1000, 1))], axis=2))
    assert found.r_hat[0] == pytest.approx(1.0, abs=0.003)
    assert found.ess_bulk[0] == pytest.approx(4000, rel=0.15)
    assert found.ess_bulk[1] == pytest.approx(4000 * 0.1 / 1.9, rel=0.3)  # (1 - r)/(1 + r) of an autoregression
    assert np.isnan(found.r_hat[2])
    wider = independent * np.array([1.0, 1.0, 1.0, 3.0])[:, None, None]
    assert convergence(wider).r_hat[0] > 1.05  # equal means, and unequal widths


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"draws": 0}, "found draws=0; at least 4"), ({"chains": 0}, "found chains=0"),
        ({"warm_up": 5}, "found warm_up=5; at least 20"), ({"target": 1.0}, "found target=1"),
        ({"target": 0.2}, "found target=0.2"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_sentences(linear, options, sentence):
    with pytest.raises(FitError, match=sentence):
        gc.sample_posterior(linear[1], **options)


def test_without_numpyro_the_sentence_says_how_to_install_it(linear, monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro.infer.hmc", None)
    with pytest.raises(FitError, match=r"pip install 'graycell\[sampling\]'"):
        gc.sample_posterior(linear[1])
