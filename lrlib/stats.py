"""Numbers over seeds: median, band, interval, paired comparison, tuned arms.  NumPy only."""
from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np

__all__ = ["Band", "Interval", "Paired", "Tuned", "Holdout", "band", "interval", "bootstrap",
           "paired", "paired_bootstrap", "spearman", "tune", "holdout", "table"]


class Band(NamedTuple):
    """A median and the band around it, each with the shape of one seed's values."""

    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval, in the unit of the values."""

    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"


class Paired(NamedTuple):
    """A difference over seeds, its interval, and how many seeds agree with its sign."""

    difference: float
    low: float
    high: float
    agree: int
    seeds: int

    def __str__(self):
        return (f"{self.difference:+.3g} [{self.low:+.3g}, {self.high:+.3g}], "
                f"{self.agree} of {self.seeds} seeds")


class Tuned(NamedTuple):
    """The best rate of a grid, its index there, its median score and the score of each seed.

    For several arms each field is an array with the arms' axes first.  A run that diverged keeps
    its NaN in `scores`; in `median` it counts as the worst.
    """

    rate: float
    index: int
    median: float
    scores: np.ndarray


class Holdout(NamedTuple):
    """Arms tuned on validation data and scored on test data: dicts from the arm's name.

    `rates` holds the chosen rate of each arm, `validation` and `test` the scores [seeds] of the
    runs at that rate, so that `paired(h.test["a"], h.test["b"])` compares two tuned arms.  `best`
    is "max" or "min", as for `tune`.
    """

    rates: dict[str, float]
    validation: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    best: str

    def optimism(self, arm):
        """How much better an arm's validation score is than its test score, seed by seed.

        Positive where the validation data flatter, for scores and for losses alike.  It holds
        two things: that the rate was chosen on these data, and that one part may be harder than
        the other.

        Args:
            arm: a name.

        Returns:
            Paired.

        Raises:
            ValueError: a run of this arm diverged, or there are fewer than 2 seeds.
            KeyError: no such arm.
        """
        chosen, tested = self.validation[arm], self.test[arm]
        return paired(chosen, tested) if self.best == "max" else paired(tested, chosen)

    def __str__(self):
        left = max(map(len, map(str, self.rates)))
        lines = []
        for arm, rate in self.rates.items():
            both = [_median(part[arm], self.best) for part in (self.validation, self.test)]
            lost = int((~np.isfinite(self.test[arm])).sum())
            lines.append(f"{arm:{left}}   rate {rate:g}: validation {both[0]:.4g}, "
                         f"test {both[1]:.4g}"
                         + f", {lost} of {len(self.test[arm])} runs diverged" * (lost > 0))
        return "\n".join(lines)


def _finite(name, values, least, what="seeds"):
    values = np.asarray(values, dtype=float)
    if values.ndim == 0 or values.shape[0] < least:
        raise ValueError(f"{name} must hold at least {least} {what} along its first axis, got "
                         f"shape {values.shape}")
    if not np.isfinite(values).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"{name} must be finite, got {values[first]} at index {first}; "
                         "report runs that diverged apart")
    return values


def _level(level):
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")


def band(values, low=0.0, high=1.0):
    """The median over seeds and a band between two quantiles: by default lowest to highest.

    Args:
        values: [seeds, ...], finite; the seeds come first.
        low, high: the quantiles of the band, 0 <= low <= high <= 1.

    Returns:
        Band of float64 arrays of shape values.shape[1:].

    Raises:
        ValueError: no seeds, a value that is not finite, quantiles out of order.

    Examples:
        >>> b = band([[1.0, 4.0], [2.0, 6.0], [9.0, 5.0]])
        >>> b.median, b.low, b.high
        (array([2., 5.]), array([1., 4.]), array([9., 6.]))
    """
    values = _finite("values", values, least=1)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"quantiles must rise within 0 and 1, got {low} and {high}")
    return Band(np.median(values, axis=0), *np.quantile(values, [low, high], axis=0))


def _t_probability(t, dof):
    """P(|T| < t) for a whole number of degrees of freedom: Abramowitz and Stegun 26.7.3-4."""
    angle = math.atan(t / math.sqrt(dof))
    term, total = (math.cos(angle), math.cos(angle)) if dof % 2 else (1.0, 1.0)
    for k in range(2 if dof % 2 else 1, dof - 2, 2):
        term *= math.cos(angle) ** 2 * k / (k + 1)
        total += term
    if dof % 2 == 0:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if dof > 1 else 0))


def _t_quantile(level, dof):
    """The t with P(|T| < t) = level, by bisection."""
    low, high = 0.0, 1.0
    while _t_probability(high, dof) < level:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_probability(middle, dof) < level else (low, middle)
    return high


def interval(values, level=0.95):
    """The mean over seeds and Student's t interval for it.

    Args:
        values: [seeds], finite, at least 2.
        level: the share of repetitions of the whole experiment in which the interval would
            cover the true mean, between 0 and 1.

    Returns:
        Interval of floats.

    Raises:
        ValueError: fewer than 2 seeds, a value that is not finite, a level outside its limits.

    Examples:
        >>> print(interval([96.1, 96.3, 96.0, 96.4]))
        +96.2 [+95.9, +96.5]

    Notes:
        Eight seeds are enough for a t interval to cover as it says when the spread is roughly
        normal; a bootstrap of eight values covers too little.

    Source:
        Student 1908, "The probable error of a mean".
    """
    _level(level)
    values = _finite("values", values, least=2)
    if values.ndim != 1:
        raise ValueError(f"values must have one axis, the seeds, got shape {values.shape}")
    mean, n = values.mean(), len(values)
    half = _t_quantile(level, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return Interval(float(mean), float(mean - half), float(mean + half))


def bootstrap(values, statistic=np.median, level=0.95, draws=10_000, seed=0):
    """A statistic over seeds and its percentile bootstrap interval.

    Args:
        values: [seeds, ...], finite, at least 2; whole seeds are drawn with replacement.
        statistic: a function (values, axis=0) -> array, such as np.median or np.mean.
        level: between 0 and 1.
        draws: number of resamples, 1 or more.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        Interval; floats for one axis, float64 arrays of values.shape[1:] for more.

    Raises:
        ValueError: fewer than 2 seeds, a value that is not finite, a level or a number of draws
            outside its limits.

    Examples:
        >>> b = bootstrap([1.0, 2.0, 3.0, 4.0, 10.0], np.mean)
        >>> b.value, b.low < 2.5, b.high > 6
        (4.0, True, True)

    Notes:
        With fewer than about 20 seeds it covers less often than `level` says; for a mean over
        few seeds `interval` is better.

    Source:
        Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    _level(level)
    values = _finite("values", values, least=2)
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, got {draws}")
    stream = np.random.Generator(np.random.Philox(seed))
    picks = stream.integers(len(values), size=(len(values), draws))
    drawn = statistic(values[picks], axis=0)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    value = statistic(values, axis=0)
    if values.ndim == 1:
        return Interval(float(value), float(low), float(high))
    return Interval(value, low, high)


def _differences(a, b):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same seeds, got shapes {a.shape} and {b.shape}")
    if a.ndim != 1:
        raise ValueError(f"a and b must have one axis, the seeds, got shape {a.shape}")
    return a - b


def _agreement(differences, value, low, high):
    agree = int((np.sign(differences) == np.sign(value)).sum())
    return Paired(value, low, high, agree, len(differences))


def paired(a, b, level=0.95):
    """How much larger a is than b, seed by seed: the mean difference and its t interval.

    Runs that share a seed share initial weights and batch order, so most of the spread between
    seeds cancels in the difference.

    Args:
        a, b: [seeds], finite, at least 2, in the same order of seeds.
        level: of the interval, between 0 and 1.

    Returns:
        Paired: difference, low, high in the unit of the values; `agree`, the number of seeds
        whose difference has the sign of the mean; `seeds`.

    Raises:
        ValueError: lengths that differ, fewer than 2 seeds, a value that is not finite.

    Examples:
        >>> print(paired([96.5, 96.4, 96.8, 96.6], [96.1, 96.2, 96.1, 96.3]))
        +0.4 [+0.0563, +0.744], 4 of 4 seeds

    Source:
        Student 1908, section IX, on paired differences.
    """
    differences = _differences(a, b)
    return _agreement(differences, *interval(differences, level))


def paired_bootstrap(a, b, statistic=np.mean, level=0.95, draws=10_000, seed=0):
    """How much larger a is than b, seed by seed: a statistic of the differences and its bootstrap.

    Like `paired`, for a statistic other than the mean or for many seeds far from normal.

    Args:
        a, b: [seeds], finite, at least 2, in the same order of seeds.
        statistic: of the differences, a function (values, axis=0) -> array, such as np.median.
        level: of the percentile interval, between 0 and 1.
        draws: number of resamples, 1 or more; whole seeds are drawn with replacement.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        Paired: difference, low, high in the unit of the values; `agree`, the number of seeds
        whose difference has the sign of the statistic; `seeds`.

    Raises:
        ValueError: lengths that differ, fewer than 2 seeds, a value that is not finite, a level
            or a number of draws outside its limits.

    Examples:
        >>> a, b = [96.5, 96.4, 96.8, 96.6], [96.1, 96.2, 96.1, 96.3]
        >>> found = paired_bootstrap(a, b)
        >>> round(found.difference, 3), found.agree, 0.2 <= found.low < found.high <= 0.7
        (0.4, 4, True)

    Notes:
        Eight seeds are too few for it: its intervals are then narrower than `level` says, and
        `paired` is better.

    Source:
        Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    differences = _differences(a, b)
    value, low, high = bootstrap(differences, statistic, level, draws, seed)
    return _agreement(differences, value, low, high)


def _ranks(columns):
    """The ranks 1 to n of each column of [n, columns]; equal values share their mean rank."""
    kinds, which = np.unique(columns, return_inverse=True)
    which = which.reshape(columns.shape) + len(kinds) * np.arange(columns.shape[1])
    counts = np.bincount(which.ravel(), minlength=len(kinds) * columns.shape[1])
    counts = counts.reshape(columns.shape[1], len(kinds))
    return (counts.cumsum(axis=1) - (counts - 1) / 2).ravel()[which]


def _rank_correlations(a, b):
    """Spearman's coefficient of each pair of columns of [n, columns]; NaN for a constant one."""
    a, b = (ranks - ranks.mean(axis=0) for ranks in (_ranks(a), _ranks(b)))
    spread = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return np.divide((a * b).sum(axis=0), spread, out=np.full(len(spread), np.nan),
                     where=spread > 0)


def spearman(a, b, level=0.95, draws=10_000, seed=0):
    r"""How alike two rankings are, from -1 to 1: Spearman's rank correlation and its bootstrap.

    .. math:: \rho = \frac{\sum_i (r_i - \bar r)(s_i - \bar s)}
              {\sqrt{\sum_i (r_i - \bar r)^2 \sum_i (s_i - \bar s)^2}}

    with the ranks r of a and s of b; equal values share the mean of their ranks.

    Args:
        a, b: [rows], finite, at least 3, in the same order; such as what was predicted and what
            was measured of each schedule.
        level: of the percentile interval, between 0 and 1.
        draws: number of resamples, 1 or more; whole rows are drawn with replacement.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        Interval of floats from -1 to 1.

    Raises:
        ValueError: lengths that differ, fewer than 3 rows, a value that is not finite, values
            that are all equal, a level or a number of draws outside its limits.

    Examples:
        >>> predicted, measured = [1, 2, 3, 4, 5, 6, 7, 8], [1, 3, 2, 4, 5, 6, 8, 7]
        >>> found = spearman(predicted, measured)
        >>> round(found.value, 3), found.low < found.value < found.high
        (0.952, True)

    Notes:
        A resample in which all values of a or of b are equal has no ranking and is left out.

    Source:
        Spearman 1904, "The proof and measurement of association between two things".
    """
    _level(level)
    a, b = _finite("a", a, 3, "rows"), _finite("b", b, 3, "rows")
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a and b must have one axis, the same rows, got shapes {a.shape} and "
                         f"{b.shape}")
    for name, values in (("a", a), ("b", b)):
        if values.min() == values.max():
            raise ValueError(f"{name} has no ranking: all its values are {values[0]}")
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, got {draws}")
    stream = np.random.Generator(np.random.Philox(seed))
    picks = stream.integers(len(a), size=(len(a), draws))
    drawn = _rank_correlations(a[picks], b[picks])
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        raise ValueError(f"none of the resamples has a ranking; take more draws than {draws}")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(_rank_correlations(a[:, None], b[:, None])[0]), float(low), float(high))


_WORST = {"max": -np.inf, "min": np.inf}


def _median(scores, best):
    """The median over the last axis, in which a run that diverged counts as the worst."""
    return np.median(np.where(np.isfinite(scores), scores, _WORST[best]), axis=-1)


def _tune(arm, scores, rates, best):
    """`tune` for one arm: scores [rates, seeds], rates [rates]."""
    if not (np.isfinite(rates).all() and (rates >= 0).all() and (np.diff(rates) > 0).all()):
        raise ValueError(f"{arm}rates must be finite, 0 or more, and rise, got {rates.tolist()}")
    medians = _median(scores, best)
    top = medians.max() if best == "max" else medians.min()
    if not np.isfinite(top):
        raise ValueError(f"{arm}half of the runs or more diverged at every rate from "
                         f"{rates[0]:g} to {rates[-1]:g}")
    for end, place in (("lowest", 0), ("highest", -1)):
        if medians[place] == top:
            raise ValueError(f"{arm}the best rate is {rates[place]:g}, the {end} of the grid; "
                             "extend the grid beyond it")
    index = int(np.flatnonzero(medians == top)[0])
    return Tuned(float(rates[index]), index, float(top), scores[index])


def tune(scores, rates, best="max"):
    """The rate whose median score over the seeds is best, for one arm or for several.

    An arm is what is compared, such as a schedule; each gets its own best rate from a grid of
    the same size, or the comparison would favour the arm with the luckier rate.

    Args:
        scores: [..., rates, seeds], on validation data; the axes before, if any, are the arms.
            A run that diverged holds NaN (or an infinity) and counts as worse than any other.
        rates: [rates], or [..., rates] for a grid of its own for each arm; finite, 0 or more,
            rising, at least 3.
        best: "max" for scores such as an accuracy, "min" for losses and errors.

    Returns:
        Tuned: rate, index, median and scores [seeds] of the best rate; floats, an int and a
        float64 array for one arm, arrays with the arms' axes first for several.

    Raises:
        ValueError: the best rate, or one as good, is at an end of the grid, so that a better one
            may lie beyond; half of the runs or more diverged at every rate; fewer than 3 rates;
            shapes that do not fit; arms with different numbers of rates; rates out of order; an
            unknown `best`.

    Examples:
        >>> rates = [0.01, 0.1, 1.0]
        >>> tuned = tune([[93, 94, 92, 93, 91], [96, 95, 97, 96, 95],
        ...               [97, 10, 94, float("nan"), 95]], rates)
        >>> tuned.rate, tuned.index, tuned.median
        (0.1, 1, 96.0)
        >>> two = tune(np.array([[[3.0] * 5, [1] * 5, [2] * 5], [[3] * 5, [2] * 5, [4] * 5]]),
        ...            [rates, [0.1, 1, 10]], best="min")
        >>> two.rate, two.median
        (array([0.1, 1. ]), array([1., 2.]))

    Notes:
        Warns with a UserWarning below 5 seeds.  Of equal medians the lowest rate is taken.
        The score of the winner is too good, since it was chosen for it: see `holdout`.
    """
    if best not in _WORST:
        raise ValueError(f"best must be 'max' or 'min', got {best!r}")
    try:
        scores, rates = np.asarray(scores, dtype=float), np.asarray(rates, dtype=float)
    except ValueError as error:
        raise ValueError("every arm must have the same number of rates, every rate the same "
                         f"number of seeds: {error}") from None
    if scores.ndim < 2 or scores.shape[-2] < 3 or not scores.size:
        raise ValueError("scores must have the axes [..., rates, seeds] with at least 3 rates and "
                         f"1 seed, got shape {scores.shape}")
    if rates.shape not in (scores.shape[:-1], scores.shape[-2:-1]):
        raise ValueError(f"rates must have the shape {scores.shape[:-1]} or "
                         f"{scores.shape[-2:-1]}, got {rates.shape}")
    arms, seeds = scores.shape[:-2], scores.shape[-1]
    if seeds < 5:
        warnings.warn(f"a rate chosen with {seeds} seeds is in part chosen by chance; "
                      "take 5 or more", stacklevel=2)
    rates = np.broadcast_to(rates, scores.shape[:-1])
    found = [_tune(f"arm {', '.join(map(str, arm))}: " if arm else "", scores[arm], rates[arm],
                   best) for arm in np.ndindex(arms)]
    if not arms:
        return found[0]
    return Tuned(*(np.reshape(values, arms + np.shape(values[0]))
                   for values in zip(*found, strict=True)))


def holdout(validation, test, rates, best="max"):
    """Chooses each arm's rate on validation data and reports its runs on test data.

    Args:
        validation: dict of an arm's name to its scores [rates, seeds], as for `tune`.
        test: dict of the same names to the scores of the same runs on other data, of the same
            shape; only those of the chosen rates are looked at.
        rates: [rates], or a dict of the same names to a grid for each arm; the same number of
            rates for every arm.
        best: "max" for scores such as an accuracy, "min" for losses and errors.

    Returns:
        Holdout, whose text has a line for each arm.

    Raises:
        ValueError: no arms, names or shapes that differ, different numbers of rates, and
            whatever `tune` raises, after the name of the arm.
        TypeError: scores that are not in a dict.

    Examples:
        >>> val = {"constant": [[91.0] * 5, [94.0] * 5, [90.0] * 5],
        ...        "linear": [[92.0] * 5, [93, 96, 95, 94, 97], [94.0] * 5]}
        >>> test = {"constant": [[90.0] * 5, [93.5] * 5, [90.0] * 5],
        ...         "linear": [[91.0] * 5, [93, 95, 95, 94, 95], [93.0] * 5]}
        >>> found = holdout(val, test, rates=[0.01, 0.1, 1.0])
        >>> print(found)
        constant   rate 0.1: validation 94, test 93.5
        linear     rate 0.1: validation 95, test 95
        >>> print(paired(found.test["linear"], found.test["constant"]))
        +0.9 [-0.211, +2.01], 4 of 5 seeds
        >>> round(found.optimism("linear").difference, 3)
        0.6

    Notes:
        Warns with a UserWarning below 5 seeds.  `optimism` measures how much better the winners
        look on the data that chose them.

    Source:
        Cawley and Talbot 2010, "On over-fitting in model selection", JMLR 11.
    """
    for name, part in (("validation", validation), ("test", test)):
        if not isinstance(part, dict):
            raise TypeError(f"{name} must be a dict of arm to scores, got {type(part).__name__}")
    grids = rates if isinstance(rates, dict) else dict.fromkeys(validation, rates)
    if not validation or not validation.keys() == test.keys() == grids.keys():
        raise ValueError("validation, test and rates must name the same arms, at least one, got "
                         f"{list(validation)}, {list(test)} and {list(grids)}")
    counts = {arm: len(scores) for arm, scores in validation.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"every arm must have the same number of rates, got {counts}")
    tuned, tested = {}, {}
    for arm, scores in validation.items():
        if np.shape(test[arm]) != np.shape(scores):
            raise ValueError(f"{arm}: validation and test must have the same shape, got "
                             f"{np.shape(scores)} and {np.shape(test[arm])}")
        try:
            tuned[arm] = tune(scores, grids[arm], best)
        except ValueError as error:
            raise ValueError(f"{arm}: {error}") from None
        tested[arm] = np.asarray(test[arm][tuned[arm].index], dtype=float)
    return Holdout({arm: one.rate for arm, one in tuned.items()},
                   {arm: one.scores for arm, one in tuned.items()}, tested, best)


def table(title, columns, rows, digits=2):
    """Prints a table of numbers: a name at the left of each row, a label above each column.

    An empty line comes first, which separates it from what was printed before.

    Args:
        title: one line above the table.
        columns: labels, texts or numbers.
        rows: dict of name to values, one a column: numbers, or anything that prints.
        digits: decimals of the numbers; print no more than survive another machine.

    Returns:
        None.

    Raises:
        ValueError: no rows, or a row with another number of values than there are columns.

    Examples:
        >>> table("test accuracy (%)", [0.1, 0.3], {"constant": [94.81, 95.2], "step": [95.5, 95.61]})
        <BLANKLINE>
        test accuracy (%)
                     0.1    0.3
        constant   94.81  95.20
        step       95.50  95.61
    """
    if not rows:
        raise ValueError("a table needs at least one row, got none")
    rows = {name: list(values) for name, values in rows.items()}
    body = {name: [f"{value:.{digits}f}" if isinstance(value, (float, np.floating)) else str(value)
                   for value in values] for name, values in rows.items()}
    for name, values in body.items():
        if len(values) != len(columns):
            raise ValueError(f"row {name!r} has {len(values)} values for {len(columns)} columns")
    heads = [str(column) for column in columns]
    columns = list(zip(heads, *body.values(), strict=True))
    numbers = [all(isinstance(value, (int, float, np.number)) for value in column)
               for column in zip(*rows.values(), strict=True)]
    widths = [max(map(len, column)) for column in columns]
    left = max(map(len, map(str, body)))
    print(f"\n{title}")
    for name, cells in [("", heads), *body.items()]:
        line = "  ".join(cell.rjust(width) if number else cell.ljust(width)
                         for cell, width, number in zip(cells, widths, numbers, strict=True))
        print(f"{name:{left}}   {line}".rstrip())
