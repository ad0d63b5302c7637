"""Statistics over seeds against SciPy, whether intervals cover what they say, tuned arms."""
import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
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


pairs = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[arrays(float, n, elements=st.floats(-100, 100))] * 2))


@given(pairs)
def test_paired_bootstrap_is_a_bootstrap_of_the_differences(pair):
    a, b = pair
    ours = stats.paired_bootstrap(a, b, np.median, draws=50, seed=3)
    assert ours[:3] == tuple(stats.bootstrap(a - b, np.median, draws=50, seed=3))
    assert ours.agree == (np.sign(a - b) == np.sign(np.median(a - b))).sum()
    assert ours.seeds == len(a)


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_paired_bootstrap_is_scipy_s(statistic):
    stream = np.random.default_rng(2)
    a = stream.normal(size=40)
    b = a - stream.gamma(2.0, size=40)            # far from normal
    ours = stats.paired_bootstrap(a, b, statistic, level=0.9, draws=20_000)
    theirs = scipy.stats.bootstrap(
        (a, b), lambda a, b, axis: statistic(a - b, axis=axis), paired=True, vectorized=True,
        confidence_level=0.9, n_resamples=20_000, method="percentile",
        rng=np.random.default_rng(1)).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_for_many_seeds_the_paired_bootstrap_and_the_t_interval_agree():
    a, b = np.random.default_rng(3).normal(size=(2, 200))
    ours, theirs = stats.paired_bootstrap(a, b), stats.paired(a, b)
    assert ours.difference == pytest.approx(theirs.difference)
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


whole = st.integers(3, 30).flatmap(             # few different values: many ties
    lambda n: st.tuples(*[arrays(float, n, elements=st.integers(-4, 4))] * 2))


@given(whole)
def test_spearman_is_scipy_s_also_with_ties(pair):
    a, b = pair
    assume(np.ptp(a) and np.ptp(b))
    ours = stats.spearman(a, b, draws=200)
    assert ours.value == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-12)
    assert -1 <= ours.low <= ours.high <= 1


@given(arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 4)),
              elements=st.integers(-3, 3)))
def test_ranks_are_scipy_s(columns):
    np.testing.assert_array_equal(stats._ranks(columns), scipy.stats.rankdata(columns, axis=0))


@pytest.mark.parametrize("ties", [False, True])
def test_the_interval_of_spearman_is_scipy_s(ties):
    stream = np.random.default_rng(4)
    a = stream.normal(size=40)
    b = a + stream.normal(size=40)
    if ties:
        a, b = a.round(), b.round()
    ours = stats.spearman(a, b, draws=10_000)
    theirs = scipy.stats.bootstrap(
        (a, b), lambda a, b: scipy.stats.spearmanr(a, b).statistic, paired=True,
        vectorized=False, n_resamples=4_000, method="percentile",
        rng=np.random.default_rng(1)).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_spearman_sees_only_the_order():
    a = np.random.default_rng(5).normal(size=12)
    same = stats.spearman(a, np.exp(a))
    assert same.value == pytest.approx(1)
    assert same.low == pytest.approx(1)
    assert stats.spearman(a, -a).value == pytest.approx(-1)


GRID = [0.01, 0.03, 0.1, 0.3, 1.0]
inside = arrays(float, (5, 7), elements=st.one_of(st.floats(0, 1), st.just(np.nan)))


def by_hand(scores, best):
    """The index `tune` should choose, or why none: written with sorting instead of a median."""
    worst_first = [sorted(row, key=lambda s: (np.isfinite(s), s if best == "max" else -s))
                   for row in scores]
    middle = [row[3] for row in worst_first]                   # of 7 seeds
    finite = [score for score in middle if np.isfinite(score)]
    if not finite:
        return "diverged"
    top = max(finite) if best == "max" else min(finite)
    if middle[0] == top:
        return "the lowest of the grid"
    return "the highest of the grid" if middle[-1] == top else middle.index(top)


@given(inside, st.sampled_from(["max", "min"]))
def test_tune_is_the_choice_by_hand(scores, best):
    expected = by_hand(scores, best)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            stats.tune(scores, GRID, best)
        return
    tuned = stats.tune(scores, GRID, best)
    assert (tuned.index, tuned.rate) == (expected, GRID[expected])
    np.testing.assert_array_equal(tuned.scores, scores[expected])


@given(inside)
def test_tune_of_a_loss_is_tune_of_its_negative(scores):
    if isinstance(by_hand(scores, "min"), str):
        return
    loss, score = stats.tune(scores, GRID, "min"), stats.tune(-scores, GRID, "max")
    assert (loss.rate, loss.index, loss.median) == (score.rate, score.index, -score.median)


def hill(peak, seeds=6):
    """Scores [5 rates, seeds] that are best at the rate with index `peak`."""
    stream = np.random.default_rng(peak)
    return 10.0 - np.abs(np.arange(5)[:, None] - peak) + stream.uniform(0, 0.5, (5, seeds))


def test_tune_of_several_arms_is_tune_of_each():
    scores = np.stack([[hill(1), hill(2)], [hill(3), hill(2)], [hill(1), hill(1)]])
    grids = np.multiply.outer(np.arange(1.0, 7).reshape(3, 2), GRID)
    for rates in (GRID, grids):
        tuned = stats.tune(scores, rates)
        assert tuned.scores.shape == (3, 2, 6)
        np.testing.assert_array_equal(tuned.index, [[1, 2], [3, 2], [1, 1]])
        for i, j in np.ndindex(3, 2):
            one = stats.tune(scores[i, j], np.broadcast_to(rates, (3, 2, 5))[i, j])
            assert (tuned.rate[i, j], tuned.median[i, j]) == (one.rate, one.median)
            np.testing.assert_array_equal(tuned.scores[i, j], one.scores)


def test_runs_that_diverged_count_as_the_worst():
    scores = hill(2)
    scores[1] += 0.75                          # the second best
    assert stats.tune(scores, GRID).index == 2
    scores[2, :3] = np.nan                     # half of the seeds of the best
    assert stats.tune(scores, GRID).index == 1
    scores = hill(2)
    scores[2, 0] = np.nan                      # one seed: still the best, and still told
    tuned = stats.tune(scores, GRID)
    assert tuned.index == 2
    assert np.isnan(tuned.scores).sum() == 1
    assert tuned.median == np.median(np.r_[-np.inf, scores[2, 1:]])
    infinite = np.where(np.isnan(scores), np.inf, scores)      # a loss that overflowed
    assert stats.tune(infinite, GRID).median == tuned.median


def test_of_equal_rates_the_lowest_is_taken():
    scores = hill(2)
    scores[1] = scores[3] = scores[2]
    assert stats.tune(scores, GRID).index == 1


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_seeds_are_told(seeds):
    with pytest.warns(UserWarning, match=f"with {seeds} seeds"):
        stats.tune(hill(2, seeds), GRID)


def test_five_seeds_are_enough():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stats.tune(hill(2, 5), GRID)


def test_holdout_chooses_on_validation_and_reports_the_test():
    val = {"a": hill(1), "b": hill(3)}
    test = {arm: scores - 0.25 for arm, scores in val.items()}
    test["a"][3] = 100                         # a tempting rate that validation did not choose
    found = stats.holdout(val, test, GRID)
    assert found.rates == {"a": 0.03, "b": 0.3}
    for arm, index in {"a": 1, "b": 3}.items():
        np.testing.assert_array_equal(found.validation[arm], val[arm][index])
        np.testing.assert_array_equal(found.test[arm], test[arm][index])
        assert found.optimism(arm).difference == pytest.approx(0.25)
    gain = stats.paired(found.test["a"], found.test["b"])
    assert gain == stats.paired(test["a"][1], test["b"][3])
    assert str(found).splitlines()[0].startswith("a   rate 0.03: validation 10.")


def test_holdout_of_losses_has_the_same_optimism():
    val, test = {"a": 20 - hill(2)}, {"a": 20.5 - hill(2)}
    found = stats.holdout(val, test, {"a": GRID}, best="min")
    assert found.optimism("a").difference == pytest.approx(0.5)


def test_holdout_tells_of_runs_that_diverged():
    val = {"a": hill(2)}
    val["a"][2, 5] = np.nan
    found = stats.holdout(val, val, GRID)
    assert str(found).endswith("1 of 6 runs diverged")
    with pytest.raises(ValueError, match="nan at index"):
        found.optimism("a")


def test_choosing_among_equal_rates_is_optimistic():
    # pure noise: the winner's validation median is above its test median on average
    stream = np.random.default_rng(6)
    gaps = []
    for _ in range(300):
        val, test = stream.normal(size=(2, 7, 5))
        val[[0, -1]] = -10                     # the best is never at an end
        found = stats.holdout({"a": val}, {"a": test}, np.arange(1.0, 8))
        gaps.append(found.optimism("a").difference)
    assert stats.interval(gaps).low > 0.2


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
    (lambda: stats.paired_bootstrap([1.0], [2.0]), r"\(1,\)"),
    (lambda: stats.paired_bootstrap([1.0, 2.0], [1.0, 2.0, 3.0]), r"\(2,\) and \(3,\)"),
    (lambda: stats.paired_bootstrap([1.0, float("nan")], [1.0, 2.0]), r"nan at index \(1,\)"),
    (lambda: stats.paired_bootstrap([[1.0, 2.0]] * 2, [[1.0, 2.0]] * 2), r"\(2, 2\)"),
    (lambda: stats.paired_bootstrap([1.0, 2.0], [2.0, 2.0], level=0), "got 0"),
    (lambda: stats.spearman([1, 2], [1, 2]), r"at least 3 rows.*\(2,\)"),
    (lambda: stats.spearman([1, 2, 3], [1, 2, 3, 4]), r"\(3,\) and \(4,\)"),
    (lambda: stats.spearman([1, 2, float("inf")], [1, 2, 3]), r"inf at index \(2,\)"),
    (lambda: stats.spearman([1, 2, 3], [7, 7, 7]), r"b has no ranking.*7\.0"),
    (lambda: stats.spearman([1, 2, 3], [1, 2, 3], draws=0), "got 0"),
    (lambda: stats.spearman([1, 2, 3], [1, 2, 3], level=2), "got 2"),
    (lambda: stats.spearman([0] * 29 + [1], range(30), draws=1, seed=2), "more draws than 1"),
    (lambda: stats.tune(hill(2), GRID, best="highest"), "'highest'"),
    (lambda: stats.tune(hill(2)[:2], GRID[:2]), r"3 rates.*\(2, 6\)"),
    (lambda: stats.tune(hill(2)[:, :0], GRID), r"\(5, 0\)"),
    (lambda: stats.tune(hill(2)[0], GRID), r"\(6,\)"),
    (lambda: stats.tune([hill(2), hill(2)[1:]], GRID), "same number of rates"),
    (lambda: stats.tune(hill(2), GRID[:4]), r"\(5,\).*\(4,\)"),
    (lambda: stats.tune(hill(2), GRID[::-1]), r"rise, got \[1\.0, 0\.3"),
    (lambda: stats.tune(hill(2), [-1.0, *GRID[1:]]), r"-1\.0"),
    (lambda: stats.tune(hill(0), GRID), "0.01, the lowest"),
    (lambda: stats.tune(hill(4), GRID), "1, the highest"),
    (lambda: stats.tune([hill(2), hill(4)], GRID), "arm 1: the best rate is 1, the highest"),
    (lambda: stats.tune(np.zeros((5, 6)), GRID), "the lowest"),
    (lambda: stats.tune(np.full((5, 6), np.nan), GRID), "diverged at every rate from 0.01 to 1"),
    (lambda: stats.holdout({}, {}, GRID), r"at least one, got \[\]"),
    (lambda: stats.holdout({"a": hill(2)}, {"b": hill(2)}, GRID), r"\['a'\], \['b'\]"),
    (lambda: stats.holdout({"a": hill(2)}, {"a": hill(2)}, {"b": GRID}), r"\['b'\]"),
    (lambda: stats.holdout({"a": hill(2)}, {"a": hill(2, 5)}, GRID), r"a: .*\(5, 6\) and \(5, 5"),
    (lambda: stats.holdout(*[{"a": hill(2), "b": hill(2)[1:]}] * 2, GRID), r"'a': 5, 'b': 4"),
    (lambda: stats.holdout(*[{"a": hill(2), "b": hill(4)}] * 2, GRID), "b: the best rate is 1"),
    (lambda: stats.table("t", [1], {}), "none"),
    (lambda: stats.table("t", [1, 2], {"a": [1.0]}), "'a' has 1 values for 2 columns"),
])
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("parts", [(hill(2), {"a": hill(2)}), ({"a": hill(2)}, hill(2))])
def test_holdout_wants_named_arms(parts):
    with pytest.raises(TypeError, match="ndarray"):
        stats.holdout(*parts, GRID)


def test_a_table_takes_rows_of_any_kind_and_a_row_without_a_name(capsys):
    stats.table("title", ["a", "b"], {"": map(float, "12"), "x": (value for value in (3.0, 4.0))})
    assert capsys.readouterr().out.splitlines()[2:] == ["       a     b", "    1.00  2.00",
                                                         "x   3.00  4.00"]
