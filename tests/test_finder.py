"""The range test and its rules: against torch-lr-finder, fastai's numbers, and definitions."""
import itertools
from functools import partial

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

import lrlib
from lrlib import finder, models, optimizers, train
from lrlib.repro import rng

X = np.random.default_rng(0).normal(size=(200, 6))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype("int64")
RULES = ["valley", "slide", "minimum over 10", "steepest"]
curves = arrays(float, st.integers(2, 40), elements=st.floats(0, 10))
coarse = arrays(float, st.integers(2, 9), elements=st.integers(0, 5))          # many ties


def build():
    return models.mlp(6, 16, 2)


def ramp(steps):
    return 1e-6 * 1e7 ** (np.arange(steps) / (steps - 1))


# Against torch-lr-finder -------------------------------------------------------------------------

def theirs(seed, *, x=X, batch=32, low=1e-6, high=10.0, steps=100, optimizer, diverge=5):
    """torch-lr-finder after a test on the same weights and the same batches."""
    from torch.utils.data import DataLoader
    from torch_lr_finder import LRFinder
    order, batches = rng(seed, "batches"), []
    while len(batches) < steps:
        permuted = order.permutation(len(x))
        batches += [(torch.from_numpy(x[rows]), torch.from_numpy(Y[rows]))
                    for rows in np.split(permuted, range(batch, len(x), batch))]
    net = models.initialise(build().to(torch.as_tensor(x).dtype), seed)
    made = optimizer(net.parameters())
    for group in made.param_groups:
        group["lr"] = low
    tested = LRFinder(net, made, functional.cross_entropy)
    tested.range_test(DataLoader(batches, batch_size=None), end_lr=high, num_iter=steps,
                      diverge_th=diverge)
    return tested


@pytest.mark.parametrize(("optimizer", "make"), [
    (None, train.MOMENTUM), (optimizers.Adam(), partial(torch.optim.Adam, lr=0.0))],
    ids=["momentum", "adam"])
@pytest.mark.parametrize(("steps", "high", "diverge"), [(100, 10.0, 2), (60, 0.1, 5),
                                                        (150, 100.0, 1.5)])
def test_range_test_is_torch_lr_finder_s(optimizer, make, steps, high, diverge):
    seeds = [0, 7]
    ours = finder.range_test(build, X, Y, batch=32, high=high, steps=steps, seeds=seeds,
                             diverge=diverge, optimizer=optimizer)
    smoothed, steepest = ours.smooth(method="torch-lr-finder"), ours.suggest("steepest")
    for i, seed in enumerate(seeds):
        reference = theirs(seed, high=high, steps=steps, diverge=diverge, optimizer=make)
        rates, losses = map(np.array, (reference.history["lr"], reference.history["loss"]))
        done = len(losses)
        np.testing.assert_allclose(ours.rates[:done], rates, rtol=1e-14)
        np.testing.assert_allclose(smoothed[i, :done], losses, rtol=1e-9)
        assert np.isnan(ours.losses[i, done:]).all()
        assert (done < steps) == (high > 0.1)          # both kinds: stopped, and not
        _, suggested = reference.plot(ax=_axes())
        assert steepest.rates[i] == pytest.approx(suggested, rel=1e-12)


def test_float32_agrees_with_torch_lr_finder_too():
    x = X.astype("float32")
    ours = finder.range_test(build, x, Y, batch=32, high=1.0, seeds=[3])
    reference = theirs(3, x=x, high=1.0, optimizer=train.MOMENTUM)
    done = len(reference.history["loss"])
    np.testing.assert_allclose(ours.smooth(method="torch-lr-finder")[0, :done],
                               reference.history["loss"], rtol=1e-5)


def _axes():
    from matplotlib.figure import Figure
    return Figure().add_subplot()


# Against fastai ----------------------------------------------------------------------------------

def bumpy():
    """A curve that falls, is not smooth, and turns up; fastai 2.8.12 was asked about it."""
    t = np.arange(100)
    return 2.3 / (1 + (t / 60) ** 6) + 0.05 * np.sin(3.0 * t * t) + np.exp((t - 85) / 4)


@pytest.mark.parametrize(("rule", "options", "fastai"), [
    ("valley", {}, 0.006579332246575675),
    ("slide", {}, 0.03944206059437656),
    ("minimum over 10", {}, 0.10235310218990257),
    ("steepest", {"method": "fastai", "difference": "forward"}, 0.05462277217684344),
])
def test_rules_give_what_fastai_gives(rule, options, fastai):
    found = finder.RangeTest(ramp(100), bumpy()[None]).suggest(rule, **options)
    assert found.rates == pytest.approx([fastai], rel=1e-12)


def test_smoothing_gives_what_fastai_gives():
    assert finder.smooth(bumpy())[[50, 99]] == pytest.approx([2.155068064717314,
                                                              4.188813203246734])


def test_where_valley_is_not_fastai_s():
    # fastai steps back past the start here and takes the last rate, the worst of all
    assert finder.valley([1.0, 2.0, 3.0, 4.0], [3.0, 2.0, 5.0, 6.0]) == 1.0
    # and the first rate where nothing falls
    with pytest.raises(ValueError, match="never fall, from 3 to 6"):
        finder.valley([1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0])


# Against definitions -----------------------------------------------------------------------------

@given(curves, st.floats(0, 0.999))
def test_smoothing_is_scipy_s_filter(losses, beta):
    weights = [1 - beta], [1, -beta]
    zero = scipy.signal.lfilter(*weights, losses)
    share = scipy.signal.lfilter(*weights, np.ones(len(losses)))
    np.testing.assert_allclose(finder.smooth(losses, beta), zero / share, rtol=1e-7, atol=1e-9)
    first, _ = scipy.signal.lfilter(*weights, losses, zi=[beta * losses[0]])
    np.testing.assert_allclose(finder.smooth(losses, beta, "torch-lr-finder"), first,
                               rtol=1e-9, atol=1e-12)


@given(arrays(float, (3, 20), elements=st.floats(0, 10)), st.sampled_from(list(finder.SMOOTHING)))
def test_curves_are_smoothed_each_by_itself(losses, method):
    whole = finder.smooth(losses, method=method)
    for one, smoothed in zip(losses, whole, strict=True):
        np.testing.assert_array_equal(finder.smooth(one, method=method), smoothed)


@given(curves)
def test_steepest_is_the_steepest_slope_over_the_logarithm_of_the_rate(losses):
    rates = ramp(len(losses))
    slopes = np.gradient(losses, np.log(rates))
    found = np.searchsorted(rates, finder.steepest(rates, losses))
    assert slopes[found] == pytest.approx(slopes.min(), rel=1e-6, abs=1e-9)
    ahead = np.diff(losses) / np.diff(np.log(rates))
    found = np.searchsorted(rates, finder.steepest(rates, losses, "forward"))
    assert ahead[found] == ahead.min()


@given(curves)
def test_minimum_over_10_is_a_tenth_of_the_best(losses):
    rates = ramp(len(losses))
    found = np.abs(rates - 10 * finder.minimum_over_10(rates, losses)).argmin()
    assert losses[found] == losses.min()
    assert (losses[:found] > losses.min()).all()


@given(coarse)
def test_valley_is_the_middle_of_the_longest_descent(losses):
    n, rates = len(losses), ramp(len(losses))
    descents = [rows for length in range(2, n + 1)
                for rows in itertools.combinations(range(n), length)
                if (np.diff(losses[list(rows)]) < 0).all()]
    assume(descents)
    length = max(map(len, descents))
    end = min(rows[-1] for rows in descents if len(rows) == length)
    index = end - length + length // 3 + length // 6
    assert finder.valley(rates, losses) == rates[max(index, 0)]


@given(coarse, st.integers(1, 4), st.sampled_from([0.0, 0.4, 1.0]))
def test_slide_is_a_window_that_slides(losses, width, threshold):
    assume(len(losses) > width)
    rates, slopes = ramp(len(losses)), np.gradient(losses)
    low = len(losses) - 1 - width
    found = low
    while low >= 0 and abs(slopes[low + width] - slopes[low]) > threshold:
        found, low = low, low - 1
    assert finder.slide(rates, losses, width, threshold) == rates[found]


# The training ------------------------------------------------------------------------------------

def test_each_seed_is_a_run_of_fit_on_the_ramp():
    found = finder.range_test(build, X, Y, batch=50, low=1e-4, high=0.1, steps=30, seeds=[2, 5],
                              optimizer=optimizers.Adam())
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 0.1, 30), rtol=1e-12)
    for seed, losses in zip([2, 5], found.losses, strict=True):
        run = train.fit(build, X, Y, lrlib.Exponential(1e-4, 1000.0, every=29), steps=30,
                        batch=50, seed=seed, optimizer=partial(torch.optim.Adam, lr=0.0))
        np.testing.assert_allclose(losses, run.losses, rtol=1e-10)
        np.testing.assert_allclose(found.rates, run.rates, rtol=1e-12)


def test_eight_seeds_are_the_default():
    found = finder.range_test(build, X, Y, batch=50, steps=20)
    assert found.losses.shape == (8, 20)
    assert len(np.unique(found.losses[:, 0])) == 8


def test_a_loss_that_overflows_ends_its_run_alone():
    def loss(output, target):       # 1e4 and above: infinite, as an overflow
        value = functional.mse_loss(output, target)
        return value / (value < 1e4)

    def test(**options):
        return finder.range_test(lambda: models.mlp(6, 1), X, X[:, :1] * 5, batch=50, high=1e3,
                                 loss=loss, seeds=[0, 1, 2], diverge=1e9, **options)

    found = test(optimizer=optimizers.SGD())
    done = np.isfinite(found.losses).sum(axis=1)
    assert (done > 50).all()
    assert (done < 100).all()
    for losses, n in zip(found.losses, done, strict=True):
        assert np.isnan(losses[n:]).all()
    suggested = found.suggest("minimum over 10")
    assert suggested.rates.shape == (3,)
    assert (suggested.rates < 1).all()


@given(curves, st.floats(1.01, 10))
def test_a_run_stops_after_the_first_smoothed_loss_above_the_limit(losses, diverge):
    last, best, smoothed = len(losses) - 1, np.inf, finder.smooth(losses, method="torch-lr-finder")
    for t, loss in enumerate(smoothed):
        best = min(best, loss)
        if loss > diverge * best:
            last = t
            break
    found = finder._stopped(losses, diverge)
    np.testing.assert_array_equal(found[:last + 1], losses[:last + 1])
    assert np.isnan(found[last + 1:]).all()


# Suggestions -------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def tested():
    return finder.range_test(build, X, Y, batch=32)


@pytest.mark.parametrize("rule", RULES)
def test_a_suggestion_is_the_rule_on_each_curve(tested, rule):
    read, method = finder.RULES[rule]
    found = tested.suggest(rule)
    for losses, rate in zip(tested.losses, found.rates, strict=True):
        done = np.isfinite(losses).sum()
        curve = finder.smooth(losses[:done], method=method)
        assert rate == read(tested.rates[10:done - 5], curve[10:done - 5])
    assert found.median == np.median(found.rates)
    assert (found.low, found.high) == (found.rates.min(), found.rates.max())
    assert str(found).endswith(f"[{found.low:.3g}, {found.high:.3g}], 8 seeds")


def test_the_suggested_rates_train(tested):
    # against a thousandth of the suggested rate, at which almost nothing moves
    rate = tested.suggest("steepest").median
    losses = {factor: train.fit(build, X, Y, lrlib.Exponential(factor * rate, 1.0), steps=60,
                                batch=32).losses[-7:].mean() for factor in (1, 1e-3)}
    assert losses[1] < losses[1e-3] - 0.05


def test_nothing_is_cut_off_where_nothing_is_to_be():
    curve = np.array([3.0, 2.0, 1.0, 2.0])
    found = finder.RangeTest(ramp(4), curve[None]).suggest("minimum over 10", beta=0, skip_start=0,
                                                           skip_end=0)
    assert found.rates == pytest.approx([ramp(4)[2] / 10])


R4, L4 = [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 5.0]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: finder.smooth([]), r"\(0,\)"),
    (lambda: finder.smooth(1.0), r"\(\)"),
    (lambda: finder.smooth([1.0, float("nan")]), r"nan at index \(1,\)"),
    (lambda: finder.smooth([1.0], beta=1.0), "got 1.0"),
    (lambda: finder.smooth([1.0], beta=-0.1), "got -0.1"),
    (lambda: finder.smooth([1.0], method="mean"), "fastai, torch-lr-finder, got 'mean'"),
    (lambda: finder.steepest(R4, L4[:3]), r"\(4,\) and \(3,\)"),
    (lambda: finder.steepest(R4[:1], L4[:1]), "at least 2 points, got 1"),
    (lambda: finder.steepest(R4, L4, difference="backward"), "'backward'"),
    (lambda: finder.steepest(R4[::-1], L4), r"rise, got \[4\.0"),
    (lambda: finder.steepest([0.0, *R4[1:]], L4), r"got \[0\.0"),
    (lambda: finder.minimum_over_10(R4, [1, 2, float("inf"), 3]), r"inf at index \(2,\)"),
    (lambda: finder.minimum_over_10([], []), r"\(0,\)"),
    (lambda: finder.valley(R4[:1], L4[:1]), "at least 2 points, got 1"),
    (lambda: finder.valley([R4], [L4]), r"\(1, 4\)"),
    (lambda: finder.slide(R4, L4), "at least 16 points, got 4"),
    (lambda: finder.slide(R4, L4, width=0), "got 0"),
    (lambda: finder.slide(R4, L4, threshold=-1), "got -1"),
])
def test_bad_curves_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("bad", "message"), [
    ({"low": 1.0, "high": 0.1}, "1.0 and 0.1"),
    ({"low": 0.1, "high": 0.1}, "0.1 and 0.1"),
    ({"low": 0.0}, "got 0.0"),
    ({"high": float("inf")}, "inf"),
    ({"low": float("nan")}, "nan"),
    ({"steps": 1}, "2 or more, got 1"),
    ({"steps": 2.5}, "got 2.5"),
    ({"steps": True}, "got True"),
    ({"diverge": 1}, "above 1, got 1"),
    ({"diverge": float("nan")}, "nan"),
    ({"seeds": []}, r"got \[\]"),
    ({"batch": 0}, "batch .* got 0"),
])
def test_a_bad_range_test_is_refused_before_anything_is_trained(bad, message):
    def never():
        raise AssertionError("a network was built")

    with pytest.raises(ValueError, match=message):
        finder.range_test(never, X, Y, **{"batch": 32, **bad})


def test_a_negative_loss_is_refused():
    with pytest.raises(ValueError, match="0 or more, got -"):
        finder.range_test(build, X, Y, batch=32, steps=3, seeds=[0],
                          loss=lambda output, target: output.sum() * 0 - 1)


@pytest.mark.parametrize(("options", "message"), [
    ({"rule": "mean"}, "valley, slide, minimum over 10, steepest, got 'mean'"),
    ({"skip_start": -1}, "skip_start .* got -1"),
    ({"skip_end": -2}, "skip_end .* got -2"),
    ({"beta": 2}, "got 2"),
    ({"method": "mean"}, "'mean'"),
    ({"rule": "slide", "width": 90}, "run 0: .* at least 91 points, got 85"),
])
def test_a_bad_suggestion_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        finder.RangeTest(ramp(100), np.tile(bumpy(), (2, 1))).suggest(**options)


def test_a_run_with_too_few_points_is_named():
    losses = np.tile(bumpy(), (3, 1))
    losses[1, 16:] = np.nan
    with pytest.raises(ValueError, match="run 1 stopped after 16 updates"):
        finder.RangeTest(ramp(100), losses).suggest()
