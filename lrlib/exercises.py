"""Exercises that check themselves: a reader's function against the reference, offline.

Some exercises of the chapters ask for a function.  `check` calls it with arguments drawn at
random, often the awkward ones (the first update, the last, the one after), compares it with the
reference, and says where it differs, and which common mistake that is, if it is one.
"""
from __future__ import annotations

import bisect
import copy
import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .repro import rng
from .schedules import Cosine, Linear, Piecewise

__all__ = ["check", "names"]

CASES = 200
RTOL = 1e-9


@dataclass(frozen=True)
class _Exercise:
    """What is asked, the right answer, arguments to try, and common wrong answers by their name."""

    asked: str
    answer: Callable
    draw: Callable                    # numpy Generator -> dict of arguments
    mistakes: dict[str, Callable] = field(default_factory=dict)


def names():
    """The exercises that `check` knows, and what each asks for.

    Returns:
        dict of name to one line, in the order of the book.

    Examples:
        >>> names()["cosine-4"]
        'cosine(t, start, end, steps): the rate of update t; from `steps` on it is `end`'
    """
    return {name: exercise.asked for name, exercise in EXERCISES.items()}


def check(name, attempt):
    """Tries a reader's function and prints whether it is right, or where and how it goes wrong.

    Args:
        name: of the exercise, such as "cosine-4": the chapter and the number there.
        attempt: the function; its arguments are named in the exercise and by `names`.

    Returns:
        None; it prints one line, or a few.

    Raises:
        KeyError: there is no such exercise; the message lists those there are.
        TypeError: `attempt` is no function, or takes other arguments than were asked for.

    Examples:
        >>> import math
        >>> def cosine(t, start, end, steps):
        ...     return end + (start - end) * (1 + math.cos(math.pi * t / steps)) / 2
        >>> check("cosine-4", cosine)
        cosine-4: not yet, in 69 of 200 cases. The simplest:
        cosine(t=6, start=1, end=0.195, steps=5) gave 0.271871, expected 0.195
        It climbs again past the end: past its last update a schedule holds.
        >>> check("cosine-4", lambda t, start, end, steps:
        ...       cosine(min(t, steps), start, end, steps))
        cosine-4: right in all 200 cases.

    Notes:
        An answer counts as right within a billionth.  The cases are the same each time.
    """
    if name not in EXERCISES:
        raise KeyError(f"there is no exercise {name!r}; there are {', '.join(EXERCISES)}")
    if not callable(attempt):
        raise TypeError(f"{name} asks for a function, {EXERCISES[name].asked}; got {attempt!r}")
    exercise = EXERCISES[name]
    cases = _cases(exercise)
    _same_arguments(name, exercise, attempt, cases[0])
    found = []
    for case in cases:
        found.append(_value(attempt, case))
        if found[-1] is None:                  # one is enough: it may print where it should return
            print(f"{name}: not yet. {_call(exercise, case)} returned nothing; "
                  "is a `return` missing?")
            return
    wrong = [f"{_call(exercise, case)} {_difference(value, expected)}"
             for case, value in zip(cases, found, strict=True)
             if not _equal(value, expected := _value(exercise.answer, case))]
    if not wrong:
        print(f"{name}: right in all {len(cases)} cases.")
        return
    print(f"{name}: not yet, in {len(wrong)} of {len(cases)} cases. The simplest:")
    print(min(wrong, key=len))
    for sentence, mistake in exercise.mistakes.items():
        if all(_equal(value, _value(mistake, case))
               for case, value in zip(cases, found, strict=True)):
            print(sentence)


def _cases(exercise):
    draws = rng(0, "exercises")
    return [exercise.draw(draws) for _ in range(CASES)]


def _same_arguments(name, exercise, attempt, case):
    try:
        inspect.signature(attempt).bind(**case)
    except TypeError:
        raise TypeError(f"{name} asks for {exercise.asked}; got a function with the arguments "
                        f"{inspect.signature(attempt)}") from None


def _value(function, case):
    """What the function returns as an array of floats; nothing as None, an error as the error."""
    try:
        result = function(**copy.deepcopy(case))      # a function may change its lists
        return None if result is None else np.asarray(result, dtype=float)
    except Exception as error:
        return error


def _equal(found, expected):
    if isinstance(expected, Exception):
        return isinstance(found, Exception)
    return (isinstance(found, np.ndarray) and found.shape == expected.shape
            and np.allclose(found, expected, rtol=RTOL, atol=1e-12, equal_nan=True))


def _call(exercise, case):
    name = exercise.asked.split("(")[0]
    return f"{name}({', '.join(f'{key}={_shown(value)}' for key, value in case.items())})"


def _difference(found, expected):
    """What an attempt did, and what it should have done."""
    if isinstance(found, Exception):
        return f"stopped with {type(found).__name__}: {found}"
    if found.shape != expected.shape:
        return f"gave {_kind(found)}, expected {_kind(expected)}"
    for digits in (6, 9, 12):        # as many as tell them apart; past RTOL they count as equal
        texts = _shown(found.tolist(), digits), _shown(expected.tolist(), digits)
        if texts[0] != texts[1]:
            break
    return "gave {}, expected {}".format(*texts)


def _kind(values):
    if values.ndim > 1:
        return f"a table of {' x '.join(map(str, values.shape))}"
    return f"a list of {values.size}" if values.ndim else "one number"


def _shown(value, digits=6):
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_shown(part, digits) for part in value)}]"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


# The exercises -----------------------------------------------------------------------------------

def _rates(draws):
    """Two rates, the first the higher."""
    end, start = sorted(round(float(rate), 3) for rate in draws.uniform(0, 1, 2))
    return start + 0.1, end


def _time(draws):
    """(t, steps): often the first update, the last, and one past the end."""
    steps = int(draws.integers(1, 20))
    return int(draws.choice([0, steps - 1, steps, steps + 1, draws.integers(0, 40)])), steps


def _draw_linear(draws):
    t, steps = _time(draws)
    return {"t": t, "start": _rates(draws)[0], "steps": steps}


def _draw_ramp(draws):
    (t, steps), (start, end) = _time(draws), _rates(draws)
    return {"t": t, "start": start, "end": end, "steps": steps}


def _draw_limit(draws):
    return {"curvatures": [round(float(h), 3) for h in draws.uniform(0.01, 20, draws.integers(1, 6))]}


def _draw_half_life(draws):
    return {"factor": round(float(draws.uniform(0.05, 0.999)), 3), "every": int(draws.integers(1, 500))}


def _draw_pieces(draws):
    boundaries = sorted({int(b) for b in draws.integers(1, 40, draws.integers(1, 5))})
    rates = [round(float(rate), 3) for rate in draws.uniform(0.01, 1, len(boundaries) + 1)]
    at = int(draws.choice(boundaries))
    return {"t": int(draws.choice([0, at - 1, at, at + 1, draws.integers(0, 60)])),
            "rates": rates, "boundaries": boundaries}


def _draw_warmup(draws):
    n, rest = int(draws.integers(1, 8)), int(draws.integers(1, 20))
    t = int(draws.choice([0, max(n - 1, 0), n, n + 1, n + rest, n + rest + 3]))
    return {"t": t, "peak": _rates(draws)[0], "warmup": n, "steps": n + rest}


def _draw_boundaries(draws):
    return {"boundaries": sorted({int(b) for b in draws.integers(1, 500, draws.integers(1, 5))})}


def _draw_updates(draws):
    return {"epochs": int(draws.integers(1, 12)), "examples": int(draws.integers(20, 2_000)),
            "batch": int(draws.choice([1, 8, 20, 32])), "accumulate": int(draws.integers(1, 5))}


def _draw_adam(draws):
    count = int(draws.integers(1, 6))
    return {"gradients": [round(float(g), 3) for g in draws.normal(0, 2, count)],
            "rate": 0.1, "beta1": float(draws.choice([0.9, 0.5])),
            "beta2": float(draws.choice([0.999, 0.9])), "eps": 1e-8}


def _draw_plateau(draws):
    losses = np.round(np.abs(np.cumsum(draws.normal(-0.1, 0.5, draws.integers(1, 15)))) + 0.1, 2)
    return {"losses": losses.tolist(), "rate": 1.0, "factor": 0.5,
            "patience": int(draws.integers(1, 4))}


def _warmed(t, peak, warmup, steps):
    return Linear(peak, 0, steps - warmup).warmup(warmup)(t)


def _updates(epochs, examples, batch, accumulate):
    return epochs * math.ceil(math.ceil(examples / batch) / accumulate)


def _adam(gradients, rate, beta1, beta2, eps, corrected=True, sign=-1):
    m = v = weight = 0.0
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        a, b = (1 - beta1**t, 1 - beta2**t) if corrected else (1, 1)
        weight += sign * rate * (m / a) / (math.sqrt(v / b) + eps)
    return weight


def _plateau(losses, rate, factor, patience, least=1):
    best, bad, rates = math.inf, 0, []
    for loss in losses:
        best, bad = (loss, 0) if loss < best else (best, bad + 1)
        if bad >= patience + least:
            rate, bad = rate * factor, 0
        rates.append(rate)
    return rates


EXERCISES = {
    "decay-4": _Exercise(
        "linear(t, start, steps): the rate of update t; from `steps` on it is 0",
        lambda t, start, steps: Linear(start, 0, steps)(t), _draw_linear, {
            "It goes below zero past the end: past its last update a schedule holds.":
                lambda t, start, steps: start * (1 - t / steps),
            "It is one update early: update 0 uses the whole `start`.":
                lambda t, start, steps: start * max(0, 1 - (t + 1) / steps),
            "It reaches 0 one update early: `steps` is the update whose rate is 0.":
                lambda t, start, steps: start * max(0, 1 - t / (steps - 1))}),
    "step_size-4": _Exercise(
        "largest(curvatures): the rate above which gradient descent on the bowl diverges",
        lambda curvatures: 2 / max(curvatures), _draw_limit, {
            "That is the rate that jumps to the bottom at once; the limit is twice that.":
                lambda curvatures: 1 / max(curvatures),
            "The steepest direction sets the limit, not the flattest.":
                lambda curvatures: 2 / min(curvatures),
            "The steepest direction sets the limit, not the average.":
                lambda curvatures: 2 / (sum(curvatures) / len(curvatures))}),
    "families-4": _Exercise(
        "half_life(factor, every): updates until a rate that is multiplied by `factor` in every "
        "`every` updates, smoothly, is halved",
        lambda factor, every: every * math.log(0.5) / math.log(factor), _draw_half_life, {
            "That is the time to 1/e; for a half the logarithm of 1/2 is needed.":
                lambda factor, every: -every / math.log(factor),
            "`factor` belongs to `every` updates, not to one.":
                lambda factor, every: math.log(0.5) / math.log(factor)}),
    "staircase-3": _Exercise(
        "pieces(t, rates, boundaries): the rate of update t; `rates` has one entry more than the "
        "rising `boundaries`, and an update that is a boundary already has the new rate",
        lambda t, rates, boundaries: Piecewise(rates, boundaries)(t), _draw_pieces, {
            "The boundary itself still has the old rate, as in Keras' piecewise schedule.":
                lambda t, rates, boundaries: rates[bisect.bisect_left(boundaries, t)],
            "The boundaries are read as lengths; they are update numbers.":
                lambda t, rates, boundaries: rates[bisect.bisect(
                    list(itertools.accumulate(boundaries)), t)],
            "The first rate is never used.":
                lambda t, rates, boundaries: rates[min(
                    bisect.bisect(boundaries, t) + 1, len(rates) - 1)]}),
    "cosine-4": _Exercise(
        "cosine(t, start, end, steps): the rate of update t; from `steps` on it is `end`",
        lambda t, start, end, steps: Cosine(start, end, steps)(t), _draw_ramp, {
            "It climbs again past the end: past its last update a schedule holds.":
                lambda t, start, end, steps:
                    end + (start - end) * (1 + math.cos(math.pi * t / steps)) / 2,
            "It ends at 0, not at `end`.":
                lambda t, start, end, steps:
                    start * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2,
            "It starts above `start`: the cosine must span `start` - `end`.":
                lambda t, start, end, steps:
                    end + start * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2,
            "Half a period is pi, not two pi.":
                lambda t, start, end, steps:
                    end + (start - end) * (1 + math.cos(2 * math.pi * min(t, steps) / steps)) / 2}),
    "warmup-4": _Exercise(
        "warmed(t, peak, warmup, steps): the rate of update t: up from 0 to `peak` in `warmup` "
        "updates, then straight down to 0 at update `steps`",
        _warmed, _draw_warmup, {
            "The peak is never reached: the way down must start where the warm-up ends.":
                lambda t, peak, warmup, steps:
                    peak * min(1, t / warmup) * max(0, 1 - t / steps),
            "It is one update early: the warm-up starts from 0 at update 0.":
                lambda t, peak, warmup, steps:
                    peak * (t + 1) / warmup if t < warmup else
                    peak * max(0, 1 - (t - warmup) / (steps - warmup))}),
    "adaptive-4": _Exercise(
        "adam(gradients, rate, beta1, beta2, eps): where one weight that starts at 0 is after "
        "these gradients",
        _adam, _draw_adam, {
            "The bias correction is missing.":
                lambda **case: _adam(**case, corrected=False),
            "It climbs: the update is subtracted.":
                lambda **case: _adam(**case, sign=1)}),
    "plateau-4": _Exercise(
        "plateau(losses, rate, factor, patience): the rate after each loss; it is multiplied by "
        "`factor` once more than `patience` losses in a row were not below the best",
        _plateau, _draw_plateau, {
            "It is one loss too impatient: `patience` losses without a gain are still allowed.":
                lambda **case: _plateau(**case, least=0)}),
    "frameworks-4": _Exercise(
        "in_keras(boundaries): the boundaries that Keras' PiecewiseConstantDecay needs to do what "
        "torch's MultiStepLR does with these milestones",
        lambda boundaries: [boundary - 1 for boundary in boundaries], _draw_boundaries, {
            "Keras keeps the old rate at a boundary itself, so its boundaries are one less.":
                lambda boundaries: boundaries,
            "The other way round: one less, not one more.":
                lambda boundaries: [boundary + 1 for boundary in boundaries]}),
    "units-4": _Exercise(
        "count(epochs, examples, batch, accumulate): optimizer steps of a run that keeps the last "
        "small batch, and steps after every `accumulate` batches and at the end of an epoch",
        _updates, _draw_updates, {
            "It counts batches: several of them make one optimizer step.":
                lambda epochs, examples, batch, accumulate: epochs * math.ceil(examples / batch),
            "An epoch ends with a step, also when its last batches are few: round each epoch up.":
                lambda epochs, examples, batch, accumulate:
                    math.ceil(epochs * math.ceil(examples / batch) / accumulate),
            "It drops the last small batch.":
                lambda epochs, examples, batch, accumulate:
                    epochs * math.ceil(examples // batch / accumulate)}),
}
