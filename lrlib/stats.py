"""Numbers over seeds: the median, the band, the interval, the paired comparison.  NumPy only."""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["Band", "Interval", "Paired", "band", "interval", "bootstrap", "paired", "table"]


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
    """A mean difference over seeds, its interval, and how many seeds agree with its sign."""

    difference: float
    low: float
    high: float
    agree: int
    seeds: int

    def __str__(self):
        return (f"{self.difference:+.3g} [{self.low:+.3g}, {self.high:+.3g}], "
                f"{self.agree} of {self.seeds} seeds")


def _finite(name, values, least):
    values = np.asarray(values, dtype=float)
    if values.ndim == 0 or values.shape[0] < least:
        raise ValueError(f"{name} must hold at least {least} seeds along its first axis, got "
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
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same seeds, got shapes {a.shape} and {b.shape}")
    mean, low, high = interval(a - b, level)
    agree = int((np.sign(a - b) == np.sign(mean)).sum())
    return Paired(mean, low, high, agree, len(a))


def table(title, columns, rows, digits=2):
    """Prints a table of numbers: a name at the left of each row, a label above each column.

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
        test accuracy (%)
                     0.1    0.3
        constant   94.81  95.20
        step       95.50  95.61
    """
    if not rows:
        raise ValueError("a table needs at least one row, got none")
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
    print(title)
    for name, cells in {"": heads, **body}.items():
        line = "  ".join(cell.rjust(width) if number else cell.ljust(width)
                         for cell, width, number in zip(cells, widths, numbers, strict=True))
        print(f"{name:{left}}   {line}".rstrip())
