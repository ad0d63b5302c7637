"""Statistics over seeds against SciPy, and whether the intervals cover what they say."""
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lrlib import stats

samples = arrays(float, st.integers(2, 40), elements=st.floats(-1e3, 1e3, allow_subnormal=False))
levels = st.floats(0.5, 0.999)


@given(samples, levels)
def test_interval_is_scipy_s(values, level):
    ours = stats.interval(values, level)
    theirs = scipy.stats.t.interval(level, len(values) - 1, values.mean(), 1.0)
    half = (theirs[1] - theirs[0]) / 2 * values.std(ddof=1) / np.sqrt(len(values))
    assert ours.value == pytest.approx(values.mean())
    assert ours.high - ours.low == pytest.approx(2 * half, rel=1e-9, abs=1e-9)


@given(st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[arrays(float, n, elements=st.floats(-100, 100))] * 2)))
def test_paired_is_scipy_s_paired_t(pair):
    a, b = pair
    if np.ptp(a - b) < 1e-6:
        return
    ours = stats.paired(a, b)
    theirs = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert ours.low == pytest.approx(theirs.low, rel=1e-6, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, rel=1e-6, abs=1e-9)
    assert ours.seeds == len(a)


def test_bootstrap_is_scipy_s():
    values = np.random.default_rng(0).normal(size=30)
    ours = stats.bootstrap(values, np.mean, draws=20_000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile",
                                   rng=np.random.default_rng(1)).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_bootstrap_draws_whole_seeds():
    values = np.random.default_rng(0).normal(size=(12, 3))
    whole = stats.bootstrap(values, np.mean, seed=4)
    for i in range(3):
        one = stats.bootstrap(values[:, i], np.mean, seed=4)
        assert whole.low[i] == pytest.approx(one.low)
        assert whole.high[i] == pytest.approx(one.high)


@pytest.mark.parametrize("seeds", [3, 8])
def test_intervals_of_few_seeds_cover_as_they_say(seeds):
    stream = np.random.default_rng(seeds)
    found = [stats.interval(stream.normal(5, 2, seeds)) for _ in range(4_000)]
    covered = np.mean([one.low <= 5 <= one.high for one in found])
    assert abs(covered - 0.95) < 0.015


def test_a_bootstrap_of_few_seeds_covers_too_little():
    # why `interval` is what chapters use
    stream = np.random.default_rng(1)
    found = [stats.bootstrap(stream.normal(5, 2, 8), np.mean, draws=400) for _ in range(1_000)]
    assert np.mean([one.low <= 5 <= one.high for one in found]) < 0.925


@given(samples, st.floats(0, 0.5))
def test_band_is_numpy_s(values, low):
    found = stats.band(values[:, None], low, 1 - low)
    assert found.median[0] == np.median(values)
    assert found.low[0] == np.quantile(values, low)
    assert found.low[0] <= found.median[0] <= found.high[0]


def test_agreement_counts_the_seeds_with_the_sign_of_the_mean():
    assert stats.paired([1, 2, 3, -1], [0, 0, 0, 0]).agree == 3
    assert stats.paired([-1, -2, -3, 1], [0, 0, 0, 0]).agree == 3


@pytest.mark.parametrize(("call", "message"), [
    (lambda: stats.interval([1.0]), r"at least 2 seeds.*\(1,\)"),
    (lambda: stats.interval([]), r"\(0,\)"),
    (lambda: stats.interval([[1.0, 2.0], [2.0, 3.0]]), r"\(2, 2\)"),
    (lambda: stats.interval([1.0, float("nan")]), r"nan at index \(1,\)"),
    (lambda: stats.interval([1.0, 2.0], level=1.0), r"1\.0"),
    (lambda: stats.band([[1.0, float("inf")]]), r"inf at index \(0, 1\)"),
    (lambda: stats.band([1.0], 0.9, 0.1), r"0\.9 and 0\.1"),
    (lambda: stats.paired([1.0, 2.0], [1.0, 2.0, 3.0]), r"\(2,\) and \(3,\)"),
    (lambda: stats.bootstrap([1.0, 2.0], draws=0), "got 0"),
    (lambda: stats.table("t", [1], {}), "none"),
    (lambda: stats.table("t", [1, 2], {"a": [1.0]}), "'a' has 1 values for 2 columns"),
])
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
