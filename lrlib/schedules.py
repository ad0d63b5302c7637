r"""Learning-rate schedules as immutable values: NumPy only, no state, no framework.

A schedule `s` is a frozen dataclass with one formula.
`s(t)` is the rate of update t = 0, 1, 2, ...; t may be an array of update numbers.

Four conventions hold for every family:

* Rates are absolute, and time is counted in optimiser updates, never in epochs.
  `updates` converts epochs once, in one place.
* A boundary belongs to what follows it: `a.then(b)` uses `a` while t < a.steps and `b` from
  t = a.steps on, as torch and optax do.  (Keras' PiecewiseConstantDecay changes one update later.)
* A run of T updates uses s(0) ... s(T-1), so a ramp of T steps ends one update after the run.
* Past its end a schedule holds its last rate.

To add a family, write a frozen dataclass with a method `lr(t)` that takes a float64 array.
Plotting, torch, Keras, JSON, `then`, `warmup` and `*` then work without further code.
"""
from __future__ import annotations

import itertools
import math
import numbers
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, get_type_hints

import numpy as np

__all__ = [
    "Schedule", "Ramp", "Rate", "Positive", "Updates", "Constant", "Linear", "Cosine", "Polynomial", "OneMinusSqrt", "REX",
    "Exponential", "InverseTime", "PowerTime", "InverseSqrt", "Step", "Piecewise", "Cyclic",
    "Then", "Scaled", "Clipped", "Repeated",
    "one_cycle", "wsd", "noam", "sgdr", "multi_step", "updates",
]


# What a field may hold.  The annotation of a dataclass field names its check; the check returns
# the value in a plain Python type (so that it can be stored as JSON) or raises an error with it.

def _number(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def _rate(name, value):
    value = _number(name, value)
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, got {value!r}")
    return value


def _positive(name, value):
    value = _number(name, value)
    if value <= 0:
        raise ValueError(f"{name} must be more than 0, got {value!r}")
    return value


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more, got {value!r}")
    return int(value)


def _optional_count(name, value):
    return None if value is None else _count(name, value)


def _optional_rate(name, value):
    return None if value is None else _rate(name, value)


def _flag(name, value):
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _sequence(name, value):
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} must be a sequence of numbers, got {value!r}")
    return list(value)


def _rates(name, value):
    return tuple(_rate(f"{name}[{i}]", v) for i, v in enumerate(_sequence(name, value)))


PIECE = 2**14      # updates computed at a time


def _boundaries(name, value):
    value = tuple(_count(f"{name}[{i}]", v) for i, v in enumerate(_sequence(name, value)))
    if any(b <= a for a, b in itertools.pairwise(value)):
        raise ValueError(f"{name} must rise strictly, got {value}")
    return value


def _schedule(name, value):
    if not isinstance(value, Schedule):
        raise TypeError(f"{name} must be a Schedule, got {value!r}")
    return value


Rate = Annotated[float, _rate]              # a learning rate: finite, 0 or more
Positive = Annotated[float, _positive]      # a factor, a power, a time scale: finite, above 0
Updates = Annotated[int, _count]            # a number of updates: whole, 1 or more


@cache
def _checks(cls):
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: check for f in fields(cls)
            for check in getattr(hints[f.name], "__metadata__", ())}


@dataclass(frozen=True)
class Schedule:
    r"""A learning rate for every update: the base of all families, and how to add your own.

    A subclass is a frozen dataclass with fields and one formula, `lr`.
    Fields annotated `Rate`, `Positive` or `Updates` are checked when the value is built.

    Args:
        t: when called: one update number or an array of them, each 0 or more; update 0 is the
            first of a run.

    Returns:
        when called: the rate(s), a float for one number, a new float64 array of t's shape for
        an array.

    Raises:
        ValueError: an update number below 0, or a formula that gives a negative or non-finite
            rate; the message names schedule, rate and update.
        TypeError: update numbers that are not numbers.

    Examples:
        A new family in four lines, with everything that comes free:

        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class SquareRoot(Schedule):
        ...     start: Rate
        ...     def lr(self, t): return self.start / np.sqrt(t + 1)
        >>> s = SquareRoot(0.1)
        >>> s(3), s(np.array([0, 3, 99]))
        (0.05, array([0.1 , 0.05, 0.01]))
        >>> s.warmup(10)
        Then(first=Linear(start=0.0, end=0.1, steps=10), after=SquareRoot(start=0.1), at=10)
        >>> Schedule.from_dict(s.to_dict()) == s
        True

    Source:
        The idea of a schedule as a pure function of the step: optax, fvcore, nanoGPT.
    """

    #: Updates until it holds its last rate, or None if it never ends.
    steps = None
    __array_ufunc__ = None        # so that np.float64(0.5) * s reaches __rmul__

    def __init_subclass__(cls):
        known = _KINDS.get(cls.__name__)
        if known is not None and known.__module__ == __name__ != cls.__module__:
            raise ValueError(f"lrlib has a schedule named {cls.__name__!r}; choose another name")
        _KINDS[cls.__name__] = cls

    def __post_init__(self):
        for name, check in _checks(type(self)).items():
            object.__setattr__(self, name, check(name, getattr(self, name)))

    def lr(self, t):
        """The formula, which a family of your own defines; call the schedule itself to use it.

        Args:
            t: update numbers, 0 or more: a float64 array of one axis.

        Returns:
            rates of those updates, finite and 0 or more: an array of t's shape, or one number.

        Raises:
            NotImplementedError: a family that does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no formula: define lr(self, t)")

    def __call__(self, t):
        t = np.asarray(t)
        if t.dtype.kind not in "iuf":
            raise TypeError(f"an update number must be a number, got {t.dtype} {t!r}")
        if t.size and not t.min() >= 0:
            raise ValueError(f"an update number must be 0 or more, got {t[~(t >= 0)][0]}")
        # One number goes as an array of one: NumPy's power of a scalar may differ in the last bit.
        # Many go piece by piece: what a formula computes on its way then stays in the cache.
        many, lr = t.reshape(-1), np.empty(t.size)
        for i in range(0, t.size, PIECE):
            lr[i:i + PIECE] = self.lr(many[i:i + PIECE].astype(float))
        lr = lr.reshape(t.shape)
        if t.size and not (lr.min() >= 0 and lr.max() < np.inf):
            wrong = ~(np.isfinite(lr) & (lr >= 0))
            raise ValueError(f"{self} gives the rate {lr[wrong][0]} at update {t[wrong][0]}; "
                             "a rate must be finite and 0 or more")
        return lr if t.ndim else float(lr)

    def then(self, after, at=None):
        """This schedule up to update `at` (default: its own end), then `after` from its update 0.

        Args:
            after: the Schedule that follows.
            at: the update number, 1 or more, that is the first of `after`; needed only when this
                schedule never ends.

        Returns:
            a `Then`.

        Raises:
            ValueError: this schedule never ends and `at` is not given; `at` below 1.

        Examples:
            >>> s = Constant(0.1, 80).then(Linear(0.1, 0, 20))
            >>> s.steps, s(79), s(80), s(90), s(100)
            (100, 0.1, 0.1, 0.05, 0.0)
        """
        at = self.steps if at is None else at
        if at is None:
            raise ValueError(f"{self} never ends; say where: then(after, at=...)")
        return Then(self, after, at)

    def warmup(self, steps, start=0.0):
        """A straight line from `start` to this schedule's first rate, then this schedule.

        Args:
            steps: length of the line in updates, 1 or more; they come on top of this schedule.
            start: the rate of update 0.  With the default 0 the first update changes nothing;
                `start=s(0) / steps` makes it count.

        Returns:
            a `Then` that begins with a `Linear`.

        Raises:
            ValueError: `steps` below 1, `start` negative or not finite.

        Examples:
            >>> s = Cosine(0.1, 0.0, steps=96).warmup(4)
            >>> s.steps, s(0), s(2), s(4)
            (100, 0.0, 0.05, 0.1)
        """
        return Linear(start, self(0), steps).then(self)

    def clip(self, low=0.0, high=None):
        """This schedule held between two rates.

        Args:
            low: the lowest rate, 0 or more.
            high: the highest rate, at least `low`; None for no limit.

        Returns:
            a `Clipped`.

        Raises:
            ValueError: a negative or non-finite limit, or `low` above `high`.

        Examples:
            >>> Exponential(0.1, 0.5).clip(0.02)(np.arange(5))
            array([0.1  , 0.05 , 0.025, 0.02 , 0.02 ])
        """
        return Clipped(self, low, high)

    def __mul__(self, factor):
        return Scaled(factor, self)

    __rmul__ = __mul__

    def to_dict(self):
        """The schedule as plain dicts, lists, numbers and strings, ready for JSON.

        Returns:
            dict: the kind's name under "kind", and each field.

        Examples:
            >>> Linear(0.1, 0, 10).to_dict()
            {'kind': 'Linear', 'start': 0.1, 'end': 0.0, 'steps': 10}
        """
        return {"kind": type(self).__name__} | {
            f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @staticmethod
    def from_dict(stored):
        """The schedule that `to_dict` stored, also after a trip through JSON.

        Args:
            stored: the dict.  A family of your own must be defined before it is read.

        Returns:
            a Schedule equal to the stored one.

        Raises:
            ValueError: an unknown kind, or fields that do not fit; the message names them.
            TypeError: not a dict.

        Examples:
            >>> import json
            >>> s = Cosine(0.1, 0, 100).warmup(5)
            >>> Schedule.from_dict(json.loads(json.dumps(s.to_dict()))) == s
            True
        """
        if not isinstance(stored, dict):
            raise TypeError(f"a stored schedule is a dict, got {stored!r}")
        kind = stored.get("kind")
        if kind not in _KINDS:
            raise ValueError(f"unknown schedule {kind!r}; known: {', '.join(sorted(_KINDS))}")
        cls = _KINDS[kind]
        names = {f.name for f in fields(cls)}
        given = stored.keys() - {"kind"}
        if names != given:
            raise ValueError(f"a stored {kind} has the fields {sorted(names)}, "
                             f"got {sorted(given)}")
        return cls(**{name: Schedule.from_dict(stored[name])
                      if isinstance(stored[name], dict) else stored[name] for name in given})


_KINDS: dict[str, type[Schedule]] = {}


def _plain(value):
    if isinstance(value, Schedule):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


def _between(start, end, way):
    """From `end` (way 0) to `start` (way 1), exact at both, monotone in between."""
    return np.where(way < 0.5, end + (start - end) * way, start - (start - end) * (1 - way))


# Ramps: from one rate to another in a given number of updates -----------------------------------

@dataclass(frozen=True)
class Ramp(Schedule):
    r"""From one rate to another along a shape, then there for ever: the base of `Linear` and others.

    .. math:: \eta_t = \eta_{end} + (\eta_{start} - \eta_{end})\,h(\min(t/T, 1))

    A subclass defines `shape(p)`, the h above: the part of the way still to go.

    Args:
        start: rate of update 0; 0 or more, also below `end`.
        end: rate of update `steps` and of every later one; 0 or more.
        steps: T, the number of updates (not epochs) the way takes; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, t below 0.

    Examples:
        A ramp of your own in two lines:

        >>> class Smoothstep(Ramp):
        ...     def shape(self, p): return 1 - p * p * (3 - 2 * p)
        >>> s = Smoothstep(0.1, 0.0, steps=4)
        >>> s(0), s(2), s(4), s(99)
        (0.1, 0.05, 0.0, 0.0)
        >>> s(np.arange(5)).round(3)
        array([0.1  , 0.084, 0.05 , 0.016, 0.   ])
        >>> s.warmup(2).steps
        6
    """

    start: Rate
    end: Rate
    steps: Updates = field()      # field(): no default, although Schedule.steps is None

    def shape(self, p):
        """The part of the way still to go, which a ramp of your own defines.

        Args:
            p: progress from 0 (update 0) to 1 (update `steps`): a float64 array of one axis.

        Returns:
            1 at p = 0 and 0 at p = 1: an array of p's shape.

        Raises:
            NotImplementedError: a ramp that does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no shape: define shape(self, p)")

    def lr(self, t):
        return _between(self.start, self.end, self.shape(np.minimum(t / self.steps, 1)))


del _KINDS["Ramp"]               # without a shape it is no schedule that could be stored


@dataclass(frozen=True)          # no new field, but an __init__ whose errors name the class
class Linear(Ramp):
    r"""A straight line from `start` to `end`: the same amount less at every update.

    .. math:: \eta_t = \eta_{end} + (\eta_{start} - \eta_{end})\,(1 - \min(t/T, 1))

    Args:
        start: rate of update 0; 0 or more, also below `end`.
        end: rate of update `steps` and of every later one; 0 or more.
        steps: T, the number of updates (not epochs) the way takes; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, t below 0.

    Examples:
        >>> s = Linear(0.1, 0.0, steps=4)
        >>> s(0), s(2), s(4), s(99)
        (0.1, 0.05, 0.0, 0.0)
        >>> s(np.arange(5))
        array([0.1  , 0.075, 0.05 , 0.025, 0.   ])
        >>> s.warmup(2)(np.arange(4))
        array([0.   , 0.05 , 0.1  , 0.075])

    Notes:
        torch LinearLR and optax linear_schedule give the same rates (torch's start_factor may not
        be 0); Keras PolynomialDecay(power=1) too, but its end defaults to 0.0001.

    Source:
        Defazio et al. 2023, arXiv:2310.07831, which derives it as worst-case optimal.
    """

    def shape(self, p):
        return 1 - p


@dataclass(frozen=True)
class Cosine(Ramp):
    r"""Half a cosine from `start` to `end`: slow, fast, slow.

    .. math:: \eta_t = \eta_{end} + (\eta_{start} - \eta_{end})\,
              \tfrac12 \bigl(1 + \cos(\pi \min(t/T, 1))\bigr)

    Args:
        start: rate of update 0; 0 or more, also below `end`.
        end: rate of update `steps` and of every later one; 0 or more.
        steps: T, the number of updates (not epochs) the way takes; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, t below 0.

    Examples:
        >>> s = Cosine(0.1, 0.0, steps=4)
        >>> s(0), s(2), s(4), s(99)
        (0.1, 0.05, 0.0, 0.0)
        >>> s(np.arange(5)).round(3)
        array([0.1  , 0.085, 0.05 , 0.015, 0.   ])
        >>> s.warmup(2)
        Then(first=Linear(start=0.0, end=0.1, steps=2), after=Cosine(start=0.1, end=0.0, steps=4), at=2)

    Notes:
        torch CosineAnnealingLR gives the same rates up to T, then climbs back to `start`;
        Keras CosineDecay and optax cosine_decay_schedule stay at the end, as here
        (their `alpha` is end/start, not a rate).

    Source:
        Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983, equation 5, one cycle.
    """

    def shape(self, p):
        return (1 + np.cos(np.pi * p)) / 2


@dataclass(frozen=True)
class Polynomial(Ramp):
    r"""A straight line bent by a power: above 1 it falls early, below 1 it falls late.

    .. math:: \eta_t = \eta_{end} + (\eta_{start} - \eta_{end})\,(1 - \min(t/T, 1))^{p}

    Args:
        start: rate of update 0; 0 or more, also below `end`.
        end: rate of update `steps` and of every later one; 0 or more.
        steps: T, the number of updates (not epochs) the way takes; 1 or more.
        power: p, above 0; 1 is `Linear`.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, `power` not above 0,
            t below 0.

    Examples:
        >>> s = Polynomial(0.1, 0.0, steps=4, power=2)
        >>> s(0), s(2), s(4)
        (0.1, 0.025, 0.0)
        >>> s(np.arange(5)).round(3)
        array([0.1  , 0.056, 0.025, 0.006, 0.   ])
        >>> Polynomial(0.1, 0, 4, power=1)(3) == Linear(0.1, 0, 4)(3)
        True

    Notes:
        torch PolynomialLR is this with end 0; Keras PolynomialDecay ends at 0.0001 by default.

    Source:
        Chen et al. 2017, "DeepLab", arXiv:1606.00915, section 4.1 ("poly", power 0.9).
    """

    power: Positive

    def shape(self, p):
        return (1 - p) ** self.power


@dataclass(frozen=True)
class OneMinusSqrt(Ramp):
    r"""One minus the square root of the progress: a steep fall that flattens out.

    .. math:: \eta_t = \eta_{end} + (\eta_{start} - \eta_{end})\,(1 - \sqrt{\min(t/T, 1)})

    Args:
        start: rate of update 0; 0 or more, also below `end`.
        end: rate of update `steps` and of every later one; 0 or more.
        steps: T, the number of updates (not epochs) the way takes; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, t below 0.

    Examples:
        >>> s = OneMinusSqrt(0.1, 0.0, steps=4)
        >>> s(0), s(1), s(4)
        (0.1, 0.05, 0.0)
        >>> s(np.arange(5)).round(3)
        array([0.1  , 0.05 , 0.029, 0.013, 0.   ])
        >>> Constant(0.1, 8).then(s).steps
        12

    Source:
        Hägele et al. 2024, arXiv:2405.18392, section 3: the cooldown that ended lowest there.
    """

    def shape(self, p):
        return 1 - np.sqrt(p)


@dataclass(frozen=True)
class REX(Ramp):
    r"""Reflected exponential: holds the rate long, then falls ever faster.

    .. math:: \eta_t = \eta_{end} + (\eta_{start} - \eta_{end})\,
              \frac{1 - p}{\tfrac12 + \tfrac12 (1 - p)}, \qquad p = \min(t/T, 1)

    Args:
        start: rate of update 0; 0 or more, also below `end`.
        end: rate of update `steps` and of every later one; 0 or more.
        steps: T, the number of updates (not epochs) the way takes; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, t below 0.

    Examples:
        >>> s = REX(0.3, 0.0, steps=4)
        >>> s(0), round(s(2), 3), s(4)
        (0.3, 0.2, 0.0)
        >>> s(np.arange(5)).round(3)
        array([0.3  , 0.257, 0.2  , 0.12 , 0.   ])
        >>> s.warmup(2).steps
        6

    Source:
        Chen, Wolfe and Kyrillidis 2022, "REX", arXiv:2107.04197, section 4.
    """

    def shape(self, p):
        return (1 - p) / (0.5 + 0.5 * (1 - p))


# Schedules without an end -----------------------------------------------------------------------

@dataclass(frozen=True)
class Constant(Schedule):
    r"""The same rate at every update.

    .. math:: \eta_t = \eta

    Args:
        rate: the rate; 0 or more.
        steps: updates until a schedule joined by `then` takes over, 1 or more; None: never.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a rate that is negative or not finite, `steps` below 1, t below 0.

    Examples:
        >>> s = Constant(0.1)
        >>> s(0), s(10_000)
        (0.1, 0.1)
        >>> s(np.arange(3))
        array([0.1, 0.1, 0.1])
        >>> Constant(0.1, 80).then(Linear(0.1, 0, 20)).steps
        100

    Source:
        Robbins and Monro 1951, for why it cannot converge under noise.
    """

    rate: Rate
    steps: Annotated[int | None, _optional_count] = None

    def lr(self, t):
        return self.rate


@dataclass(frozen=True)
class Exponential(Schedule):
    r"""The same proportion less at every update: a constant half-life.

    .. math:: \eta_t = \eta_0\, \gamma^{t/k} \quad\text{or, as a staircase,}\quad
              \eta_0\, \gamma^{\lfloor t/k \rfloor}

    Args:
        start: the rate of update 0; 0 or more.
        factor: gamma, the factor per `every` updates; above 0, above 1 it grows.
        every: k, in updates; 1 or more.
        staircase: change only at multiples of `every`.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a negative or non-finite rate, `factor` not above 0, `every` below 1, t below 0.

    Examples:
        >>> s = Exponential(0.1, 0.5, every=10)
        >>> s(0), s(10), s(20)
        (0.1, 0.05, 0.025)
        >>> s(np.array([0, 5, 10])).round(4)
        array([0.1   , 0.0707, 0.05  ])
        >>> Exponential(0.1, 0.5, every=10, staircase=True)(np.array([9, 10, 11]))
        array([0.1 , 0.05, 0.05])
        >>> Exponential(0.1, 0.001 / 0.1, every=100)(100)     # from 0.1 to 0.001 in 100 updates
        0.001

    Notes:
        torch ExponentialLR has `every` = 1; Keras ExponentialDecay and optax exponential_decay
        have all three arguments.  The half-life is every * log(0.5) / log(factor) updates.
        The sum of all rates is finite, so too small a factor stops the run before it arrives.
    """

    start: Rate
    factor: Positive
    every: Updates = 1
    staircase: Annotated[bool, _flag] = False

    def lr(self, t):
        n = t / self.every
        return self.start * self.factor ** (np.floor(n) if self.staircase else n)


@dataclass(frozen=True)
class Step(Schedule):
    r"""A staircase: `factor` times the rate every `every` updates.

    .. math:: \eta_t = \eta_0\, \gamma^{\lfloor t/k \rfloor}

    Args:
        start: the rate of the first stair; 0 or more.
        factor: gamma, the factor per stair; above 0.
        every: k, the length of a stair in updates; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a negative or non-finite rate, `factor` not above 0, `every` below 1, t below 0.

    Examples:
        >>> s = Step(0.1, 0.1, every=30)
        >>> s(29), round(s(30), 4)
        (0.1, 0.01)
        >>> s(np.array([0, 30, 60])).round(4)
        array([0.1  , 0.01 , 0.001])
        >>> s.warmup(5)(5)
        0.1

    Notes:
        torch StepLR(step_size=every, gamma=factor) gives the same rates, and so does
        `Exponential(..., staircase=True)`.  For stairs of unequal length see `multi_step`.
    """

    start: Rate
    factor: Positive
    every: Updates

    def lr(self, t):
        return self.start * self.factor ** np.floor(t / self.every)


@dataclass(frozen=True)
class InverseTime(Schedule):
    r"""One over a straight line: halves after 1/`factor` periods, and ever more slowly then.

    .. math:: \eta_t = \frac{\eta_0}{1 + k\,t/n} \quad\text{or, as a staircase,}\quad
              \frac{\eta_0}{1 + k \lfloor t/n \rfloor}

    Args:
        start: the rate of update 0; 0 or more.
        factor: k, the growth of the denominator per `every` updates; above 0.
        every: n, in updates; 1 or more.  With updates per epoch here, k is per epoch.
        staircase: change only at multiples of `every`.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a negative or non-finite rate, `factor` not above 0, `every` below 1, t below 0.

    Examples:
        >>> s = InverseTime(0.1, factor=1.0, every=10)
        >>> s(0), s(10), s(30)
        (0.1, 0.05, 0.025)
        >>> s(np.array([0, 10, 20])).round(4)
        array([0.1   , 0.05  , 0.0333])
        >>> InverseTime(0.01, 0.001)(100).__round__(5)      # 100 updates take off 9 %
        0.00909

    Notes:
        Keras InverseTimeDecay is the same; torch has none.  Often called "linear decay",
        which it is not.

    Source:
        Robbins and Monro 1951: the sum of rates diverges, that of their squares converges.
    """

    start: Rate
    factor: Positive
    every: Updates = 1
    staircase: Annotated[bool, _flag] = False

    def lr(self, t):
        n = t / self.every
        return self.start / (1 + self.factor * (np.floor(n) if self.staircase else n))


@dataclass(frozen=True)
class PowerTime(Schedule):
    r"""A power of time, shifted so that update 0 has a rate.

    .. math:: \eta_t = \eta_0 \left(1 + \frac{t}{s}\right)^{-\beta}
                     = \eta_0 \left(\frac{s}{t + s}\right)^{\beta}

    Args:
        start: the rate of update 0; 0 or more.
        power: beta, above 0; Robbins and Monro's conditions want 1/2 < beta <= 1.
        shift: s, in updates, above 0; the fall sets in after about that many updates.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a negative or non-finite rate, `power` or `shift` not above 0, t below 0.

    Examples:
        >>> s = PowerTime(0.1, power=0.5)
        >>> s(0), s(3), s(15)
        (0.1, 0.05, 0.025)
        >>> s(np.array([0, 3, 8])).round(4)
        array([0.1   , 0.05  , 0.0333])
        >>> PowerTime(0.1, power=1, shift=10)(10) == InverseTime(0.1, 1, every=10)(10)
        True

    Notes:
        Without the shift, the rate of update 0 would be infinite.

    Source:
        Bottou, Curtis and Nocedal 2018, arXiv:1606.04838, section 4.
    """

    start: Rate
    power: Positive
    shift: Positive = 1.0

    def lr(self, t):
        return self.start * (1 + t / self.shift) ** -self.power


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    r"""One over the square root of time: the decay of the first Transformers.

    .. math:: \eta_t = \eta_0 \sqrt{\frac{s}{t + s}}

    Args:
        start: the rate of update 0; 0 or more.
        shift: s, in updates, above 0; after 3 s updates the rate has halved.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a negative or non-finite rate, `shift` not above 0, t below 0.

    Examples:
        >>> s = InverseSqrt(0.1, shift=100)
        >>> s(0), s(300)
        (0.1, 0.05)
        >>> s(np.array([0, 300, 800])).round(4)
        array([0.1   , 0.05  , 0.0333])
        >>> s.warmup(100)(100)
        0.1

    Notes:
        transformers' get_inverse_sqrt_schedule(warmup, timescale) is
        `InverseSqrt(peak, timescale).warmup(warmup)`.  For the original with its warm-up see `noam`.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, equation 3.
    """

    start: Rate
    shift: Positive

    def lr(self, t):
        return self.start * np.sqrt(self.shift / (t + self.shift))


@dataclass(frozen=True)
class Piecewise(Schedule):
    r"""Constant pieces, each with its own rate.

    .. math:: \eta_t = r_i \quad\text{for}\quad b_i \le t < b_{i+1}, \qquad b_0 = 0

    Args:
        rates: r, n rates, each 0 or more.
        boundaries: the n - 1 update numbers at which the next rate begins, strictly rising,
            each 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: no rates, a number of boundaries other than one less than rates, boundaries
            that do not rise, a negative or non-finite rate, t below 0.

    Examples:
        >>> s = Piecewise([0.1, 0.01, 0.001], boundaries=[50, 80])
        >>> s(49), s(50), s(80)
        (0.1, 0.01, 0.001)
        >>> s(np.array([0, 49, 50, 999]))
        array([0.1  , 0.1  , 0.01 , 0.001])
        >>> s.warmup(5).steps
        85

    Notes:
        A boundary belongs to the piece that follows, as in torch MultiStepLR and optax
        piecewise_constant_schedule.  Keras PiecewiseConstantDecay keeps the old rate at the
        boundary itself: its boundaries are one less for the same rates.
        n pieces have n - 1 boundaries; formulas in print often have one too many.
    """

    rates: Annotated[tuple, _rates]
    boundaries: Annotated[tuple, _boundaries]

    def __post_init__(self):
        super().__post_init__()
        if len(self.rates) != len(self.boundaries) + 1:
            raise ValueError(f"n rates need n - 1 boundaries, got {len(self.rates)} rates "
                             f"{self.rates} and {len(self.boundaries)} boundaries {self.boundaries}")

    @property
    def steps(self):
        return self.boundaries[-1] if self.boundaries else None

    def lr(self, t):
        return np.array(self.rates)[np.searchsorted(self.boundaries, t, side="right")]


@dataclass(frozen=True)
class Cyclic(Schedule):
    r"""Up and down in straight lines, again and again.

    .. math:: \eta_t = \eta_0 + (\eta_{peak} - \eta_0)\, h_t\, a_t

    where the height h goes 0 to 1 in `up` updates and back to 0 in `down`, and a is 1
    ("triangular"), one half per cycle done ("triangular2") or `factor` to the power t
    ("exp_range").

    Args:
        start: the lowest rate, that of update 0; 0 or more.
        peak: the rate at the top of the first cycle; 0 or more.
        up: length of the way up in updates; 1 or more.
        down: length of the way down in updates, 1 or more; None: as long as `up`.
        mode: "triangular", "triangular2" or "exp_range".
        factor: the shrinkage per update of "exp_range", above 0; 1 for the other modes.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        ValueError: a negative or non-finite rate, lengths below 1, an unknown mode, a factor
            where the mode has none, t below 0.

    Examples:
        >>> s = Cyclic(0.0, 0.1, up=2)
        >>> s(0), s(2), s(4), s(6)
        (0.0, 0.1, 0.0, 0.1)
        >>> Cyclic(0.0, 0.1, up=2, mode="triangular2")(np.arange(9))
        array([0.   , 0.05 , 0.1  , 0.05 , 0.   , 0.025, 0.05 , 0.025, 0.   ])
        >>> s.then(Linear(0.1, 0, 4), at=6).steps
        10

    Notes:
        torch CyclicLR gives the same rates (without its momentum cycle).

    Source:
        Smith 2017, arXiv:1506.01186, section 3.
    """

    start: Rate
    peak: Rate
    up: Updates
    down: Annotated[int | None, _optional_count] = None
    mode: str = "triangular"
    factor: Positive = 1.0

    def __post_init__(self):
        super().__post_init__()
        modes = "triangular", "triangular2", "exp_range"
        if self.mode not in modes:
            raise ValueError(f"mode must be one of {', '.join(modes)}, got {self.mode!r}")
        if self.mode != "exp_range" and self.factor != 1:
            raise ValueError(f"factor belongs to mode exp_range; {self.mode} got {self.factor}")

    def lr(self, t):
        down = self.up if self.down is None else self.down
        cycle, since = np.divmod(t, self.up + down)
        height = np.where(since <= self.up, since / self.up, 1 - (since - self.up) / down)
        if self.mode == "triangular2":
            height = height * 0.5 ** cycle
        elif self.mode == "exp_range":
            height = height * self.factor ** t
        return self.start + (self.peak - self.start) * height


# Compositions -----------------------------------------------------------------------------------

@dataclass(frozen=True)
class Then(Schedule):
    r"""One schedule, then another: what `Schedule.then` and `Schedule.warmup` build.

    .. math:: \eta_t = a(t) \text{ for } t < n, \qquad b(t - n) \text{ for } t \ge n

    Args:
        first: a, the Schedule at the beginning.
        after: b, the Schedule that starts at its own update 0 when `at` is reached.
        at: n, the first update of `after`; 1 or more.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        TypeError: a part that is no Schedule.
        ValueError: `at` below 1, t below 0.

    Examples:
        >>> s = Linear(0, 0.1, 10).then(Constant(0.1, 80)).then(Linear(0.1, 0, 10))
        >>> s.steps, s(10), s(89), s(95)
        (100, 0.1, 0.1, 0.05)
        >>> s(np.array([0, 5, 10, 100]))
        array([0.  , 0.05, 0.1 , 0.  ])
        >>> s.then(Constant(0.001))(100)
        0.001

    Notes:
        The same as torch SequentialLR and optax join_schedules with the boundary n.
    """

    first: Annotated[Schedule, _schedule]
    after: Annotated[Schedule, _schedule]
    at: Updates

    @property
    def steps(self):
        return None if self.after.steps is None else self.at + self.after.steps

    def lr(self, t):
        early = t < self.at
        if early.all():                        # most pieces lie on one side
            return self.first.lr(t)
        if not early.any():
            return self.after.lr(t - self.at)
        before, since = np.minimum(t, self.at), np.maximum(t - self.at, 0)
        return np.where(early, self.first.lr(before), self.after.lr(since))


@dataclass(frozen=True)
class Scaled(Schedule):
    r"""A multiple of a schedule: what `0.5 * s` builds.

    .. math:: \eta_t = c\, s(t)

    Args:
        factor: c; finite, 0 or more.
        inner: the Schedule s.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        TypeError: `inner` is no Schedule, `factor` no number.
        ValueError: `factor` negative or not finite, t below 0.

    Examples:
        >>> shape = Cosine(1, 0, 100)
        >>> s = 0.3 * shape
        >>> s(0), s(50)
        (0.3, 0.15)
        >>> np.stack([(peak * shape)(np.arange(100)) for peak in (0.1, 0.3, 1)]).shape
        (3, 100)
    """

    factor: Rate
    inner: Annotated[Schedule, _schedule]

    @property
    def steps(self):
        return self.inner.steps

    def lr(self, t):
        return self.factor * self.inner.lr(t)


@dataclass(frozen=True)
class Clipped(Schedule):
    r"""A schedule held between two rates: what `Schedule.clip` builds.

    .. math:: \eta_t = \min(\max(s(t), low), high)

    Args:
        inner: the Schedule s.
        low: the lowest rate; 0 or more.
        high: the highest rate, at least `low`; None for no limit.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        TypeError: `inner` is no Schedule.
        ValueError: a negative or non-finite limit, `low` above `high`, t below 0.

    Examples:
        >>> s = Exponential(0.1, 0.5).clip(low=0.01)
        >>> s(0), s(99)
        (0.1, 0.01)
        >>> InverseTime(1.0, 1).clip(high=0.4)(np.arange(4)).round(3)
        array([0.4  , 0.4  , 0.333, 0.25 ])
    """

    inner: Annotated[Schedule, _schedule]
    low: Rate = 0.0
    high: Annotated[float | None, _optional_rate] = None

    def __post_init__(self):
        super().__post_init__()
        if self.high is not None and self.low > self.high:
            raise ValueError(f"low must not be above high, got {self.low} and {self.high}")

    @property
    def steps(self):
        return self.inner.steps

    def lr(self, t):
        return np.clip(self.inner.lr(t), self.low, self.high)


@dataclass(frozen=True)
class Repeated(Schedule):
    r"""A schedule that starts again at its end: warm restarts.

    Cycle i = 0, 1, 2, ... is `growth` to the power i times as long and `factor` to the power i
    times as high as the first.

    Args:
        inner: the Schedule of the first cycle; it must have an end.
        growth: each cycle's length over the last one's; a whole number, 1 or more.
        factor: each cycle's height over the last one's; above 0.

    Returns:
        when called with t: a float, or a float64 array of t's shape.

    Raises:
        TypeError: `inner` is no Schedule.
        ValueError: `inner` never ends, `growth` below 1, `factor` not above 0, t below 0.

    Examples:
        >>> s = Repeated(Linear(0.1, 0, 2), growth=2)
        >>> s(0), s(2), s(6)
        (0.1, 0.1, 0.1)
        >>> s(np.arange(6))
        array([0.1  , 0.05 , 0.1  , 0.075, 0.05 , 0.025])
        >>> Repeated(Linear(0.1, 0, 2), factor=0.5)(np.arange(6))
        array([0.1   , 0.05  , 0.05  , 0.025 , 0.025 , 0.0125])

    Notes:
        The last rate of `inner` is never used: the restart takes its place.  torch
        CosineAnnealingWarmRestarts (T_mult = growth) and Keras CosineDecayRestarts
        (t_mul = growth, m_mul = factor) do the same.

    Source:
        Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983, section 3.
    """

    inner: Annotated[Schedule, _schedule]
    growth: Updates = 1
    factor: Positive = 1.0

    def __post_init__(self):
        super().__post_init__()
        if self.inner.steps is None:
            raise ValueError(f"only a schedule with an end can be repeated, got {self.inner}")

    def lr(self, t):
        first = self.inner.steps
        if self.growth == 1:
            cycle, since = np.divmod(t, first)
        else:
            starts = [0]              # exact integers: no logarithm that could miss a boundary
            while starts[-1] <= t.max(initial=0):
                starts.append(starts[-1] + first * self.growth ** (len(starts) - 1))
            cycle = np.searchsorted(starts, t, side="right") - 1
            since = t - np.array(starts)[cycle]
        return self.factor ** cycle * self.inner.lr(since / float(self.growth) ** cycle)


# Recipes: names that the field knows, as compositions ---------------------------------------------

def one_cycle(peak, steps, warmup=None, start=None, end=None):
    """Half a cosine up, half a cosine down: Smith's one-cycle policy.

    Args:
        peak: the highest rate; 0 or more.
        steps: length of the whole cycle in updates; 2 or more.
        warmup: length of the way up in updates, from 1 to steps - 1; None: 30 % of `steps`,
            rounded down, but at least 1.
        start: rate of update 0; None: peak / 25.
        end: rate of update `steps` and later; None: peak / 250 000.

    Returns:
        a Schedule of `steps` updates.

    Raises:
        ValueError: a negative or non-finite rate, lengths outside their limits.

    Examples:
        >>> s = one_cycle(0.1, steps=100)
        >>> s(0), s(30), round(s(100), 9)
        (0.004, 0.1, 4e-07)
        >>> s(np.array([0, 15, 30])).round(3)
        array([0.004, 0.052, 0.1  ])
        >>> one_cycle(0.1, 100, warmup=10).steps
        100

    Notes:
        Equal to optax cosine_onecycle_schedule(steps, peak).  torch OneCycleLR(total_steps=T)
        reaches its end at update T - 1 and its peak one update earlier: it is
        `one_cycle(peak, T - 1, warmup=int(0.3 * T) - 1)` where 0.3 T is whole.  Its momentum
        cycle is not part of a rate schedule.

    Source:
        Smith and Topin 2018, arXiv:1708.07120; the cosine form is fastai's.
    """
    peak, steps = _rate("peak", peak), _count("steps", steps)
    if steps < 2:
        raise ValueError(f"steps must be 2 or more, for a way up and a way down, got {steps}")
    warmup = max(1, int(0.3 * steps)) if warmup is None else warmup
    if not (isinstance(warmup, numbers.Integral) and 1 <= warmup < steps):
        raise ValueError("warmup must be a number of updates, not a share of them, "
                         f"from 1 to steps - 1 = {steps - 1}, got {warmup!r}")
    start = peak / 25 if start is None else start
    end = peak / 250_000 if end is None else end
    return Cosine(start, peak, warmup).then(Cosine(peak, end, steps - warmup))


_COOLDOWNS = {"linear": Linear, "cosine": Cosine, "1-sqrt": OneMinusSqrt}


def wsd(peak, steps, warmup, cooldown, shape="1-sqrt", end=0.0):
    """Warm up, stay, decay: the trapezoid of recent large-model recipes.

    Args:
        peak: the rate of the plateau; 0 or more.
        steps: length of the whole run in updates.
        warmup: length of the straight line from 0 to `peak`, in updates; 0 for none.
        cooldown: length of the last part, from `peak` to `end`, in updates; 1 or more.
        shape: of the cooldown: "linear", "cosine" or "1-sqrt".
        end: the rate of update `steps` and later; 0 or more.

    Returns:
        a Schedule of `steps` updates.

    Raises:
        ValueError: a negative or non-finite rate, an unknown shape, lengths that do not leave
            at least one update of plateau.

    Examples:
        >>> s = wsd(0.1, steps=100, warmup=10, cooldown=20)
        >>> s(0), s(10), s(79), s(85), s(100)
        (0.0, 0.1, 0.1, 0.05, 0.0)
        >>> wsd(0.1, 100, 10, 20, shape="linear")(np.array([80, 90, 100]))
        array([0.1 , 0.05, 0.  ])
        >>> wsd(0.1, 100, warmup=0, cooldown=20).steps
        100

    Notes:
        transformers' get_wsd_schedule gives the same rates (its default shape is "cosine").

    Source:
        Hu et al. 2024, "MiniCPM", arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392.
    """
    if shape not in _COOLDOWNS:
        raise ValueError(f"shape must be one of {', '.join(_COOLDOWNS)}, got {shape!r}")
    steps, cooldown = _count("steps", steps), _count("cooldown", cooldown)
    warmup = 0 if warmup == 0 else _count("warmup", warmup)
    if warmup + cooldown >= steps:
        raise ValueError(f"warmup {warmup} and cooldown {cooldown} leave no plateau in {steps} "
                         "steps")
    flat = Constant(peak, steps - warmup - cooldown).then(_COOLDOWNS[shape](peak, end, cooldown))
    return flat.warmup(warmup) if warmup else flat


def noam(width, warmup, scale=1.0):
    r"""The first Transformer's schedule: up in a line, down as one over the square root.

    .. math:: \eta_t = c\, d^{-1/2} \min\bigl((t+1)^{-1/2},\; (t+1)\, w^{-3/2}\bigr)

    Args:
        width: d, the model's width; 1 or more.
        warmup: w, the length of the way up in updates; 1 or more.
        scale: c; 0 or more.

    Returns:
        a Schedule that never ends.

    Raises:
        ValueError: `width` or `warmup` below 1, `scale` negative or not finite.

    Examples:
        >>> s = noam(width=512, warmup=4000)
        >>> round(s(3999), 6), round(s(0), 9)
        (0.000699, 1.75e-07)
        >>> s(np.array([1999, 3999, 15999])).round(6)
        array([0.000349, 0.000699, 0.000349])

    Notes:
        The paper counts steps from 1, so its step is t + 1 and the first update counts.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, equation 3.
    """
    width, warmup = _count("width", width), _count("warmup", warmup)
    peak = _rate("scale", scale) * (width * warmup) ** -0.5
    down = InverseSqrt(peak, shift=warmup)
    return down if warmup == 1 else Linear(peak / warmup, peak, warmup - 1).then(down)


def sgdr(start, end, steps, growth=1, factor=1.0):
    """Cosine decay with warm restarts.

    Args:
        start: the rate at the beginning of the first cycle; 0 or more.
        end: the rate that each cycle falls towards; 0 or more.
        steps: length of the first cycle in updates; 1 or more.
        growth: each cycle's length over the last one's; a whole number, 1 or more.
        factor: each cycle's height over the last one's; above 0.

    Returns:
        a Schedule that never ends.

    Raises:
        ValueError: a negative or non-finite rate, `steps` or `growth` below 1, `factor` not
            above 0.

    Examples:
        >>> s = sgdr(0.1, 0.0, steps=10, growth=2)
        >>> s(0), s(5), s(10), s(20), s(30)
        (0.1, 0.05, 0.1, 0.05, 0.1)
        >>> sgdr(0.1, 0, 10, factor=0.5)(np.array([0, 10, 20]))
        array([0.1  , 0.05 , 0.025])

    Source:
        Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983, equation 5.
    """
    return Repeated(Cosine(start, end, steps), growth, factor)


def multi_step(start, factor, milestones):
    """A staircase with stairs of any length: `factor` times the rate at each milestone.

    Args:
        start: the rate before the first milestone; 0 or more.
        factor: the factor per milestone; above 0.
        milestones: update numbers, strictly rising, each 1 or more.

    Returns:
        a Piecewise.

    Raises:
        ValueError: a negative or non-finite rate, `factor` not above 0, milestones that do not
            rise.

    Examples:
        >>> s = multi_step(0.1, 0.5, [60, 80])
        >>> s(59), s(60), s(80)
        (0.1, 0.05, 0.025)
        >>> s
        Piecewise(rates=(0.1, 0.05, 0.025), boundaries=(60, 80))

    Notes:
        torch MultiStepLR(milestones, gamma=factor) gives the same rates.
    """
    start, factor = _rate("start", start), _positive("factor", factor)
    milestones = _boundaries("milestones", milestones)
    return Piecewise([start * factor**i for i in range(len(milestones) + 1)], milestones)


def updates(epochs, examples, batch):
    """How many optimiser updates some epochs take: the one place where epochs are converted.

    Args:
        epochs: passes over the data; 1 or more.
        examples: size of the training set; 1 or more.
        batch: examples per update; 1 or more.  A last, smaller batch counts as an update.

    Returns:
        int.

    Raises:
        ValueError: a number below 1.
        TypeError: a number that is not whole.

    Examples:
        >>> updates(2, examples=60_000, batch=64)
        1876
        >>> Cosine(0.1, 0, updates(2, 60_000, 64)).steps
        1876

    Notes:
        With gradient accumulation over n batches or with n workers, `batch` is n times larger.
    """
    epochs, examples = _count("epochs", epochs), _count("examples", examples)
    return epochs * -(-examples // _count("batch", batch))
