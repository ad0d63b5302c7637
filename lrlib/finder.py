"""The learning-rate range test: one short run at rising rates, and the rules that read it."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import stats
from .schedules import Exponential
from .sweep import sweep

__all__ = ["RangeTest", "Suggestion", "range_test", "smooth", "steepest", "minimum_over_10",
           "valley", "slide"]

# The share of the past in each library's smoothed loss, by default.
SMOOTHING = {"fastai": 0.98, "torch-lr-finder": 0.95}


def _smoothed(losses, beta, method):
    """`smooth` without checks: from a value that is not finite on, nothing is."""
    if method not in SMOOTHING:
        raise ValueError(f"method must be one of {', '.join(SMOOTHING)}, got {method!r}")
    beta = SMOOTHING[method] if beta is None else beta
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be 0 or more and below 1, got {beta}")
    means = np.empty_like(losses)
    mean = np.zeros(losses.shape[:-1]) if method == "fastai" else losses[..., 0]
    for t in range(losses.shape[-1]):
        means[..., t] = mean = beta * mean + (1 - beta) * losses[..., t]
    return means / (1 - beta ** np.arange(1, means.shape[-1] + 1)) if method == "fastai" else means


def _losses(losses):
    losses = np.asarray(losses, dtype=float)
    if not losses.ndim or not losses.shape[-1]:
        raise ValueError(f"losses must have at least one step, got shape {losses.shape}")
    if not np.isfinite(losses).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(losses))[0])
        raise ValueError(f"losses must be finite, got {losses[place]} at index {place}; "
                         "cut the curve where it diverged")
    return losses


def smooth(losses, beta=None, method="fastai"):
    r"""An exponentially weighted mean of the losses so far: what both libraries read and stop by.

    .. math:: m_t = \beta\, m_{t-1} + (1 - \beta)\, \ell_t, \qquad
              \hat m_t = \frac{m_t}{1 - \beta^{t+1}} \ \text{(fastai)}

    fastai starts from 0 and divides the bias out; torch-lr-finder starts from the first loss,
    which so keeps a weight of :math:`\beta^t` for long.

    Args:
        losses: [..., steps], finite.
        beta: the share of the past, 0 or more and below 1; None for the library's default, 0.98
            for fastai and 0.95 for torch-lr-finder (whose `smooth_f` is 1 - beta = 0.05).
        method: "fastai" or "torch-lr-finder".

    Returns:
        float64 array of the same shape.

    Raises:
        ValueError: a loss that is not finite, no steps, `beta` outside its limits, an unknown
            `method`.

    Examples:
        >>> smooth([1.0, 0.0, 0.0], beta=0.5, method="torch-lr-finder")
        array([1.  , 0.5 , 0.25])
        >>> smooth([1.0, 0.0, 0.0], beta=0.5).round(3)
        array([1.   , 0.333, 0.143])

    Source:
        torch-lr-finder 0.2.2, `LRFinder.range_test`; fastai 2.8.12, `AvgSmoothLoss`.  The
        correction: Kingma and Ba 2015, "Adam", arXiv:1412.6980, section 3.
    """
    return _smoothed(_losses(losses), beta, method)


def _curve(rates, losses, least):
    rates, losses = np.asarray(rates, dtype=float), _losses(losses)
    if rates.ndim != 1 or rates.shape != losses.shape:
        raise ValueError("rates and losses must have one axis, the steps, and the same length, "
                         f"got shapes {rates.shape} and {losses.shape}")
    if not (np.isfinite(rates).all() and rates[0] > 0 and (np.diff(rates) > 0).all()):
        raise ValueError(f"rates must be finite, above 0, and rise, got {rates.tolist()}")
    if len(rates) < least:
        raise ValueError(f"this rule needs at least {least} points, got {len(rates)}")
    return rates, losses


def steepest(rates, losses, difference="central"):
    """The rate at which the loss falls fastest.

    Args:
        rates: [steps], above 0, rising in equal ratios, as `range_test` makes them.
        losses: [steps], finite, smoothed; the ends of the curve cut off.
        difference: "central", half the difference of the two neighbours (at the ends, the whole
            difference to the one), as torch-lr-finder; "forward", the difference to the next
            over that of the logarithms of the rates, as fastai's `steep`.

    Returns:
        float, one of the rates.

    Raises:
        ValueError: fewer than 2 points, lengths that differ, a loss that is not finite, rates
            that do not rise, an unknown `difference`.

    Examples:
        >>> steepest([0.001, 0.01, 0.1, 1.0], [2.3, 2.2, 1.2, 1.15])
        0.01
        >>> steepest([0.001, 0.01, 0.1, 1.0], [2.3, 2.2, 1.9, 1.0], difference="forward")
        0.1

    Notes:
        On rates in equal ratios the slope over the step and over the logarithm of the rate
        are smallest at the same place.  Where the loss never falls, it is the rate at which it
        rises least.

    Source:
        torch-lr-finder 0.2.2, `LRFinder.plot`; fastai 2.8.12, `steep`.
    """
    rates, losses = _curve(rates, losses, least=2)
    if difference not in ("central", "forward"):
        raise ValueError(f"difference must be 'central' or 'forward', got {difference!r}")
    slopes = (np.gradient(losses) if difference == "central"
              else np.diff(losses) / np.diff(np.log(rates)))
    return float(rates[slopes.argmin()])


def minimum_over_10(rates, losses):
    """A tenth of the rate with the lowest loss: well before the curve turns up.

    Args:
        rates: [steps], above 0, rising.
        losses: [steps], finite, smoothed; the ends of the curve cut off.

    Returns:
        float; it may lie below the lowest of the rates.

    Raises:
        ValueError: no points, lengths that differ, a loss that is not finite, rates that do not
            rise.

    Examples:
        >>> minimum_over_10([0.01, 0.1, 1.0, 10.0], [2.3, 2.0, 1.5, 4.0])
        0.1

    Source:
        fastai 2.8.12, `minimum`.
    """
    rates, losses = _curve(rates, losses, least=1)
    return float(rates[losses.argmin()] / 10)


def valley(rates, losses):
    """The rate in the middle of the longest descent.

    The longest descent is the longest sequence of ever lower losses, in the order of the rates
    but with others in between; of several, the one that ends first.  With L losses in it and its
    end at index e, the rate is number e - L + L // 3 + L // 6.

    Args:
        rates: [steps], above 0, rising.
        losses: [steps], finite, smoothed; the ends of the curve cut off.

    Returns:
        float, one of the rates.

    Raises:
        ValueError: fewer than 2 points, losses that never fall, lengths that differ, a loss that
            is not finite, rates that do not rise.

    Examples:
        >>> rates = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128]
        >>> valley(rates, [2.3, 2.2, 2.1, 1.8, 1.5, 1.2, 1.1, 3.0])
        0.004

    Notes:
        fastai's documentation says two thirds along the valley; its code says a third and half a
        third, which is the middle, and it steps back from the end by the number of losses in the
        descent, not by the stretch of rates that they span.  The code is followed here, except
        that fastai gives the first rate where the loss never falls and the last one where it
        falls at the first step only.

    Source:
        fastai 2.8.12, `valley`.
    """
    rates, losses = _curve(rates, losses, least=2)
    longest = np.ones(len(losses), dtype=int)       # the descent that ends at each loss
    for i in range(1, len(losses)):
        longest[i] += longest[:i][losses[:i] > losses[i]].max(initial=0)
    end, length = int(longest.argmax()), int(longest.max())
    if length == 1:
        raise ValueError(f"the losses never fall, from {losses[0]:g} to {losses[-1]:g}, "
                         "so there is no valley")
    return float(rates[max(end - length + length // 3 + length // 6, 0)])


def slide(rates, losses, width=15, threshold=0.005):
    """The lower end of a window that slides down from the highest rate while the slope changes.

    The window spans `width` steps.  It moves one step down as long as the slopes of the loss at
    its two ends differ by more than `threshold`; the rate is that of its lower end in the last
    place where they did.

    Args:
        rates: [steps], above 0, rising.
        losses: [steps], finite, smoothed; the ends of the curve cut off.
        width: of the window in steps; 1 or more.
        threshold: in the unit of the loss per step; 0 or more.

    Returns:
        float, one of the rates.

    Raises:
        ValueError: `width` points or fewer, `width` or `threshold` outside its limits, lengths
            that differ, a loss that is not finite, rates that do not rise.

    Examples:
        >>> rates = 0.001 * 2.0 ** np.arange(8)
        >>> slide(rates, [2.0, 2.0, 2.0, 2.0, 1.9, 1.7, 1.7, 2.5], width=2)
        0.002

    Notes:
        `width` and `threshold` are fastai's lr_diff and thresh.  The slope is per step, so
        the rule depends on the number of steps and on the unit of the loss.

    Source:
        fastai 2.8.12, `slide`.
    """
    if width < 1:
        raise ValueError(f"width must be 1 or more, got {width}")
    if threshold < 0:
        raise ValueError(f"threshold must be 0 or more, got {threshold}")
    rates, losses = _curve(rates, losses, least=width + 1)
    slopes = np.gradient(losses)
    changes = np.abs(slopes[width:] - slopes[:-width])[::-1] > threshold      # from the top down
    moves = len(changes) if changes.all() else int(changes.argmin())
    return float(rates[len(rates) - 1 - width - max(moves - 1, 0)])


# Each rule by name, with the smoothing of the library that it is from.
RULES = {"valley": (valley, "fastai"), "slide": (slide, "fastai"),
         "minimum over 10": (minimum_over_10, "fastai"),
         "steepest": (steepest, "torch-lr-finder")}


class Suggestion(NamedTuple):
    """What a rule reads from each run of a range test: a rate per seed, median, lowest, highest."""

    rates: np.ndarray
    median: float
    low: float
    high: float

    def __str__(self):
        return (f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}], "
                f"{len(self.rates)} seeds")


class RangeTest(NamedTuple):
    """Losses at rising rates: `rates` [steps], `losses` [seeds, steps], unsmoothed.

    `losses` holds NaN after the update at which a seed was stopped.
    """

    rates: np.ndarray
    losses: np.ndarray

    def smooth(self, beta=None, method="fastai"):
        """The losses smoothed, NaN where a seed had stopped: what there is to plot.

        Args:
            beta, method: as for `smooth`.

        Returns:
            float64 array [seeds, steps].

        Raises:
            ValueError: `beta` outside its limits, an unknown `method`.
        """
        return _smoothed(self.losses, beta, method)

    def suggest(self, rule="valley", *, beta=None, method=None, skip_start=10, skip_end=5,
                **options):
        """Reads a rate from the curve of each seed by one rule.

        Args:
            rule: "valley", "slide", "minimum over 10" or "steepest".
            beta, method: of the smoothing, as for `smooth`; None for those of the library that
                the rule is from.
            skip_start, skip_end: how many points are cut off a smoothed curve, at its start and
                before the update at which it stopped; 0 or more.  The defaults are those of
                torch-lr-finder; fastai's are steps // 10 and 5.
            options: further arguments of the rule.

        Returns:
            Suggestion: float64 rates [seeds], their median, lowest and highest as floats.

        Raises:
            ValueError: an unknown rule, numbers outside their limits, a seed that stopped with
                too few points left or that the rule refuses; the message says which.
        """
        if rule not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
        for name, skip in (("skip_start", skip_start), ("skip_end", skip_end)):
            if skip < 0:
                raise ValueError(f"{name} must be 0 or more, got {skip}")
        read, library = RULES[rule]
        found = []
        for i, curve in enumerate(self.smooth(beta, library if method is None else method)):
            done = int(np.isfinite(curve).sum())
            if done < skip_start + skip_end + 2:
                raise ValueError(f"run {i} stopped after {done} updates, which leaves fewer than "
                                 f"2 points without the first {skip_start} and last {skip_end}")
            kept = slice(skip_start, done - skip_end)
            try:
                found.append(read(self.rates[kept], curve[kept], **options))
            except ValueError as error:
                raise ValueError(f"run {i}: {error}") from None
        return Suggestion(np.array(found), *map(float, stats.band(found)))


def _stopped(losses, diverge):
    """One run's losses with NaN after the update whose smoothed loss was above the limit."""
    smoothed = _smoothed(losses, None, "torch-lr-finder")
    over = ~(smoothed <= diverge * np.minimum.accumulate(smoothed))     # True also for NaN
    stopped = losses.copy()
    if over.any():
        stopped[over.argmax() + 1:] = np.nan
    return np.where(np.isfinite(stopped), stopped, np.nan)


def range_test(build, x, y, *, batch, low=1e-6, high=10.0, steps=100, seeds=range(8), diverge=5.0,
               **training):
    r"""Trains a new network for a moment while its rate rises from tiny to far too high.

    .. math:: \eta_t = \eta_{low} \left(\frac{\eta_{high}}{\eta_{low}}\right)^{t/(T-1)}

    Where the loss begins to fall, where it falls fastest, and where it turns up says which
    rates to try; `RangeTest.suggest` reads one of them by a rule.

    Args:
        build: a function without arguments that returns a new network, as for `sweep.sweep`.
        x: inputs [n, ...], float32 or float64, finite.
        y: targets [n, ...].
        batch: examples per update; 1 or more.
        low: the rate of the first update; above 0.
        high: the rate of the last one; above `low`.
        steps: T, the number of updates; 2 or more.
        seeds: of the initial weights and the batch orders, at least one.
        diverge: a run is stopped after the first update whose smoothed loss (torch-lr-finder's
            smoothing, as for `smooth`) is more than this many times its lowest so far; above 1.
        training: further arguments of `sweep.sweep`, such as `optimizer` and `loss`; the loss must
            not be negative.

    Returns:
        RangeTest: float64 rates [steps] and losses [seeds, steps].

    Raises:
        ValueError: a number outside its limits, no seeds, a loss below 0, and whatever
            `sweep.sweep` raises.

    Examples:
        >>> from lrlib import models
        >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
        >>> found = range_test(lambda: models.mlp(1, 8, 1), x, 3 * x, batch=16, seeds=[0, 1],
        ...                    loss=lambda output, target: ((output - target) ** 2).mean())
        >>> found.rates[[0, -1]].round(9), found.losses.shape
        (array([1.e-06, 1.e+01]), (2, 100))
        >>> suggested = found.suggest("steepest")
        >>> suggested.rates.shape, 0.001 < suggested.median < 1
        ((2,), True)

    Notes:
        The ramp is torch-lr-finder's.  fastai has t / T in the exponent, so its last rate is
        one step below `high`, smooths with 0.98 and stops at 4 times the lowest loss.
        Neither library stops at a loss that is NaN; here a run ends before it.

    Source:
        Smith 2017, "Cyclical learning rates for training neural networks", arXiv:1506.01186,
        section 3.3 (with a straight ramp, reading the accuracy); torch-lr-finder 0.2.2.
    """
    if not 0 < low < high < np.inf:
        raise ValueError(f"low and high must be finite, above 0, and rise, got {low} and {high}")
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 2:
        raise ValueError(f"steps must be a whole number of 2 or more, got {steps!r}")
    if not diverge > 1:
        raise ValueError(f"diverge must be above 1, got {diverge}")
    seeds = list(seeds)
    if not seeds:
        raise ValueError("seeds must hold at least one seed, got []")
    ramp = Exponential(low, high / low, every=steps - 1)
    losses = sweep(build, x, y, [ramp], steps=steps, batch=batch, seeds=seeds,
                   **training).losses[0]
    if (losses < 0).any():
        raise ValueError(f"the stop rule needs losses of 0 or more, got {losses[losses < 0][0]}")
    return RangeTest(ramp(np.arange(steps)), np.array([_stopped(one, diverge) for one in losses]))
