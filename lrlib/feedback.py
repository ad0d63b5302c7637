r"""Rates that react to a measured number, as immutable rules without hidden state.

A rule says how; a state says where.  `rule.begin()` is the first state, and
`rule.update(state, value)` the next one, a new value: the old one is not changed, so it can be
kept, compared or stored.  Every state is a named tuple of plain numbers (None where there is none
yet) with the present `rate`; after a trip through JSON it is the same.

Two kinds: `Plateau` and `Targets` read a loss or a metric, and lower the rate for good;
`GradientNorm`, `GradientRMS` and `Hypergradient` read the gradient of every update.
"""
from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Plateau", "PlateauState", "Targets", "TargetsState", "GradientNorm", "GradientRMS",
           "RMSState", "Hypergradient", "RateState"]


class RateState(NamedTuple):
    """The rate, for rules that remember nothing else."""

    rate: float


class PlateauState(NamedTuple):
    """The rate; the best value; how many came since without improvement; what still rests.

    `cooling` is the number of values still to be ignored, `smooth` the running mean that is
    compared; `best` and `smooth` are None before the first finite value.
    """

    rate: float
    best: float | None
    bad: int
    cooling: int
    smooth: float | None


class TargetsState(NamedTuple):
    """The rate, and how many targets have been reached."""

    rate: float
    reached: int


class RMSState(NamedTuple):
    """The rate, and the running mean of the squared gradients."""

    rate: float
    square: float


def _number(name, value, limits="0 or more", holds=lambda value: value >= 0):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (math.isfinite(value) and holds(value)):
        raise ValueError(f"{name} must be {limits}, got {value!r}")
    return float(value)


def _positive(name, value):
    return _number(name, value, "more than 0", lambda value: value > 0)


def _factor(name, value):
    return _number(name, value, "between 0 and 1", lambda value: 0 < value < 1)


def _share(name, value):
    return _number(name, value, "from 0 to below 1", lambda value: 0 <= value < 1)


def _any(name, value):
    return _number(name, value, "finite", lambda value: True)


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, got {value!r}")
    return int(value)


def _flag(name, value):
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def _check(rule, **checks):
    for name, check in checks.items():
        object.__setattr__(rule, name, check(name, getattr(rule, name)))


def _one_of(rule, name, choices):
    if getattr(rule, name) not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {getattr(rule, name)!r}")


def _plain(value):
    """A measured number as a float; 0-d arrays and tensors are numbers."""
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"value must be one number, got {value!r}") from None


def _gradient(value):
    value = _plain(value)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"value, the norm of a gradient, must be finite and 0 or more, got {value}")
    return value


def _is(state, kind):
    if not isinstance(state, kind):
        raise TypeError(f"the state must be a {kind.__name__}, got {state!r}")


@dataclass(frozen=True)
class Plateau:
    r"""The rate falls by a factor when a loss or metric has not improved for some time.

    .. math:: \eta \leftarrow \max(\gamma \eta, \eta_{min}) \quad\text{after more than } P
        \text{ values in a row without improvement}

    An improvement on the best b so far is a value below :math:`b (1 - \theta)` ("rel") or
    :math:`b - \theta` ("abs"); with `mode="max"` above :math:`b (1 + \theta)` or
    :math:`b + \theta`.

    Args:
        start: the first rate; more than 0.
        factor: gamma, between 0 and 1.
        patience: P, how many values without improvement are borne; 0 or more.  Time is counted
            in values: epochs, or updates, whatever `update` is called for.
        threshold: theta, 0 or more; a share of the best value, or in the unit of the value.
        threshold_mode: "rel" or "abs".
        mode: "min" for a loss, "max" for an accuracy.
        cooldown: how many values after a fall do not count; 0 or more.
        min_rate: the rate never falls below it; from 0 to `start`.
        eps: a fall by no more than this is not made; 0 or more.
        smoothing: from 0 to below 1; the running mean
            :math:`m \leftarrow s m + (1 - s) \text{value}` is compared in place of the value.
            0 compares the value itself.

    Returns:
        a rule; its states are `PlateauState`.

    Raises:
        ValueError: a number outside its limits, an unknown mode; the message carries it.
        TypeError: something that is not a number; a state of another rule.

    Examples:
        >>> rule = Plateau(0.1, factor=0.5, patience=1)
        >>> state = rule.begin()
        >>> for loss in (1.0, 0.8, 0.8, 0.8, 0.8):
        ...     state = rule.update(state, loss)
        ...     print(state.rate, state.bad)
        0.1 0
        0.1 0
        0.1 1
        0.05 0
        0.05 1
        >>> PlateauState(**state._asdict()) == state
        True

    Notes:
        Equal to torch's ReduceLROnPlateau, whose defaults these are.  Keras counts one less: its
        patience P and cooldown C are P - 1 and C - 1 here (0 stays 0), its min_delta is an
        absolute threshold, and it has no eps.
        A value that is not finite is no improvement.  (torch believes a loss of -inf; Keras takes
        a first NaN for the best value, and then nothing ever improves.)
        With "rel" the values should be above 0: for values below 0 the threshold has the
        wrong sign, as in torch.
    """

    start: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    mode: str = "min"
    cooldown: int = 0
    min_rate: float = 0.0
    eps: float = 1e-8
    smoothing: float = 0.0

    def __post_init__(self):
        _check(self, start=_positive, factor=_factor, patience=_count, threshold=_number,
               cooldown=_count, min_rate=_number, eps=_number, smoothing=_share)
        _one_of(self, "threshold_mode", ("rel", "abs"))
        _one_of(self, "mode", ("min", "max"))
        if self.min_rate > self.start:
            raise ValueError(f"min_rate must not exceed start, got {self.min_rate} and {self.start}")

    def begin(self):
        """The state before the first value: a `PlateauState`."""
        return PlateauState(self.start, None, 0, 0, None)

    def _improves(self, value, best):
        if best is None:
            return True
        sign = 1 if self.mode == "max" else -1
        bar = (best * (1 + sign * self.threshold) if self.threshold_mode == "rel"
               else best + sign * self.threshold)
        return value > bar if self.mode == "max" else value < bar

    def update(self, state, value):
        """The state after one more value, a number or a 0-d array: a new `PlateauState`."""
        _is(state, PlateauState)
        value = _plain(value)
        rate, best, bad, cooling, smooth = state
        better = False
        if math.isfinite(value):
            keep = 0.0 if smooth is None else self.smoothing
            smooth = keep * smooth + (1 - keep) * value if keep else value
            better = self._improves(smooth, best)
        best, bad = (smooth, 0) if better else (best, bad + 1)
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad > self.patience:
            lower = max(rate * self.factor, self.min_rate)
            rate = lower if rate - lower > self.eps else rate
            cooling, bad = self.cooldown, 0
        return PlateauState(rate, best, bad, cooling, smooth)


@dataclass(frozen=True)
class Targets:
    r"""The rate falls by a factor each time a loss or metric reaches the next target.

    .. math:: \eta = \eta_{start}\, \gamma^{k}, \qquad k = \text{number of targets reached so far}

    Args:
        start: the first rate; more than 0.
        targets: values in the order in which they are to be reached: rising for `mode="max"`,
            falling for "min"; at least one.
        factor: gamma, between 0 and 1.
        mode: "max" for an accuracy, "min" for a loss.

    Returns:
        a rule; its states are `TargetsState`.

    Raises:
        ValueError: a number outside its limits, no targets, targets out of order.
        TypeError: something that is not a number; a state of another rule.

    Examples:
        >>> rule = Targets(0.1, targets=(90, 95), factor=0.5)
        >>> state = rule.begin()
        >>> for accuracy in (80, 91, 89, 92, 96):
        ...     state = rule.update(state, accuracy)
        ...     print(state.rate)
        0.1
        0.05
        0.05
        0.05
        0.025

    Notes:
        A target counts once: a metric that stays above it does not lower the rate again.
        A value that is not finite reaches nothing.
    """

    start: float
    targets: tuple[float, ...]
    factor: float = 0.1
    mode: str = "max"

    def __post_init__(self):
        _check(self, start=_positive, factor=_factor)
        _one_of(self, "mode", ("min", "max"))
        if isinstance(self.targets, str) or not hasattr(self.targets, "__iter__"):
            raise TypeError(f"targets must be a sequence of numbers, got {self.targets!r}")
        targets = tuple(_any(f"targets[{i}]", target) for i, target in enumerate(self.targets))
        way = sorted(set(targets), reverse=self.mode == "min")
        if not targets or targets != tuple(way):
            raise ValueError(f"targets must be at least one and strictly "
                             f"{'falling' if self.mode == 'min' else 'rising'}, got {targets}")
        object.__setattr__(self, "targets", targets)

    def begin(self):
        """The state before the first value: a `TargetsState`."""
        return TargetsState(self.start, 0)

    def update(self, state, value):
        """The state after one more value, a number or a 0-d array: a new `TargetsState`."""
        _is(state, TargetsState)
        value, sign = _plain(value), 1 if self.mode == "max" else -1
        met = sum(sign * value >= sign * target for target in self.targets)
        reached = max(state.reached, met if math.isfinite(value) else 0)
        return TargetsState(self.start * self.factor**reached, reached)


@dataclass(frozen=True)
class GradientNorm:
    r"""A base rate divided by a power of the gradient's norm: larger where the gradient is small.

    .. math:: \eta_t = \eta_{base} / (\lVert g_t \rVert + \epsilon)^{p}

    Args:
        base: the rate at norm 1; more than 0.
        power: p, 0 or more.  0: a constant rate.  1: every step has length `base`, normalised
            gradient descent.
        eps: more than 0, in units of the norm; it bounds the rate by base / eps^p.

    Returns:
        a rule; its states are `RateState`.

    Raises:
        ValueError: a number outside its limits, a norm that is negative or not finite.
        TypeError: something that is not a number; a state of another rule.

    Examples:
        >>> rule = GradientNorm(0.1, eps=1e-12)
        >>> state = rule.begin()
        >>> [round(rule.update(state, norm).rate, 6) for norm in (4.0, 1.0, 0.25)]
        [0.025, 0.1, 0.4]

    Notes:
        Give the norm of the gradient of an update before the update is made.  Near a minimum the
        gradient vanishes and the rate grows, so with p = 1 the step does not shrink: the iterates
        settle only when `base` itself is decayed.

    Source:
        Nesterov 1984, "Minimization methods for nonsmooth convex and quasiconvex functions";
        Hazan, Levy and Shalev-Shwartz 2015, arXiv:1507.02030.
    """

    base: float
    power: float = 1.0
    eps: float = 1e-8

    def __post_init__(self):
        _check(self, base=_positive, power=_number, eps=_positive)
        if self.power * math.log(1 / self.eps) + math.log(self.base) > 700:
            raise ValueError(f"base / eps**power must be finite, got {self.base} / "
                             f"{self.eps}**{self.power}")

    def begin(self):
        """The state before the first gradient, at the rate `base`: a `RateState`."""
        return RateState(self.base)

    def update(self, state, value):
        """The state for a gradient of norm `value`, 0 or more: a new `RateState`."""
        _is(state, RateState)
        return RateState(self.base * (_gradient(value) + self.eps) ** -self.power)


@dataclass(frozen=True)
class GradientRMS:
    r"""A base rate divided by the root of the running mean of the squared gradients.

    .. math:: v_t = s\,v_{t-1} + (1 - s) \lVert g_t \rVert^2, \qquad
        \eta_t = \eta_{base} / (\sqrt{v_t} + \epsilon)

    Args:
        base: the rate at a mean square of 1; more than 0.
        smoothing: s, the share of the old mean that is kept, from 0 to below 1.
        eps: more than 0, in units of the norm.

    Returns:
        a rule; its states are `RMSState`.

    Raises:
        ValueError: a number outside its limits, a norm that is negative or not finite.
        TypeError: something that is not a number; a state of another rule.

    Examples:
        >>> rule = GradientRMS(0.1, smoothing=0.5, eps=1e-12)
        >>> state = rule.begin()
        >>> for norm in (4.0, 4.0, 0.5):
        ...     state = rule.update(state, norm)
        ...     print(round(state.rate, 4), state.square)
        0.0354 8.0
        0.0289 12.0
        0.0404 6.125

    Notes:
        The denominator is RMSprop's, with one mean for all parameters in place of one for each:
        for a single parameter the two are the same.  v starts at 0, so the first rates are
        large, by :math:`1/\sqrt{1 - s}` for the first.

    Source:
        Tieleman and Hinton 2012, "Lecture 6.5: RMSprop" (the denominator).
    """

    base: float
    smoothing: float = 0.99
    eps: float = 1e-8

    def __post_init__(self):
        _check(self, base=_positive, smoothing=_share, eps=_positive)

    def begin(self):
        """The state before the first gradient, at the rate `base`: an `RMSState`."""
        return RMSState(self.base, 0.0)

    def update(self, state, value):
        """The state for a gradient of norm `value`, 0 or more: a new `RMSState`."""
        _is(state, RMSState)
        norm = _gradient(value)
        square = self.smoothing * state.square + (1 - self.smoothing) * norm * norm
        return RMSState(self.base / (square**0.5 + self.eps), square)


@dataclass(frozen=True)
class Hypergradient:
    r"""Gradient descent on the rate itself: up while successive gradients agree, down when not.

    .. math:: \eta_t = \max(\eta_{t-1} + \mu\, h_t,\ \eta_{min}) \quad\text{or}\quad
        \eta_t = \max(\eta_{t-1} (1 + \mu\, h_t),\ \eta_{min}), \qquad h_t = g_t \cdot g_{t-1}

    After a step of plain gradient descent, :math:`-h_t` is the derivative of the loss by the rate
    of that step.

    Args:
        start: the first rate; 0 or more, more than 0 for the multiplicative form.
        meta: mu, the rate of the rate, 0 or more: in units of rate / gradient^2 for the additive
            form, of 1 / gradient^2 for the multiplicative one.
        multiplicative: change by a share of the rate in place of an amount.
        min_rate: the rate is never below it; from 0 to `start`.

    Returns:
        a rule; its states are `RateState`.

    Raises:
        ValueError: a number outside its limits, a value that is not finite.
        TypeError: something that is not a number; a state of another rule.

    Examples:
        >>> rule = Hypergradient(0.1, meta=0.01)
        >>> state = rule.begin()
        >>> for dot in (4.0, 1.0, -20.0):
        ...     state = rule.update(state, dot)
        ...     print(round(state.rate, 4))
        0.14
        0.15
        0.0

    Notes:
        At 0 the additive form rises again with the next agreement; the multiplicative one stays
        for ever, unless `min_rate` is above 0.  In the paper the multiplicative form reads the
        cosine of the two gradients: give that as the value, and `meta` is a pure number.

    Source:
        Baydin et al. 2018, arXiv:1703.04782 (SGD-HD and its multiplicative rule).
    """

    start: float
    meta: float
    multiplicative: bool = False
    min_rate: float = 0.0

    def __post_init__(self):
        _check(self, start=_number, meta=_number, multiplicative=_flag, min_rate=_number)
        if self.multiplicative and not self.start:
            raise ValueError(f"start must be more than 0 for the multiplicative form, got {self.start}")
        if self.min_rate > self.start:
            raise ValueError(f"min_rate must not exceed start, got {self.min_rate} and {self.start}")

    def begin(self):
        """The state before the second gradient, at the rate `start`: a `RateState`."""
        return RateState(self.start)

    def update(self, state, value):
        """The state for the dot product of this gradient with the last: a new `RateState`."""
        _is(state, RateState)
        value = _plain(value)
        if not math.isfinite(value):
            raise ValueError(f"value, the product of two gradients, must be finite, got {value}")
        change = self.meta * value * (state.rate if self.multiplicative else 1)
        return RateState(max(state.rate + change, self.min_rate))
