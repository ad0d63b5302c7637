r"""Which rate did the optimizer really use?  The recorded rates against the planned ones.

A wrong rate raises no error, and often the loss does not show it.  So a run writes down the rate
of every update as it is used (`lrlib.for_torch.RateRecorder`, `lrlib.for_keras.RateRecorder`,
`Run.rates`, or one line of your own), and one call compares the record with the plan:
`check_rates(used, schedule)`.  NumPy only: it works with any framework.
"""
from __future__ import annotations

import math

import numpy as np

__all__ = ["RateMismatch", "check_rates", "diagnose"]

RTOL = 1e-6
FLOOR = 1e-12          # of the largest planned rate: what a formula leaves where it means 0
LIMIT = 10_000         # the largest number of updates or steps a diagnosis can name
PROBES = 64            # updates that are looked at before all of them are


class RateMismatch(AssertionError):
    """The optimizer did not use the planned rates: the AssertionError of `check_rates`.

    Args:
        update: the first update whose rate differs.
        used: the rate that it used.
        planned: the rate that it should have used.
        differ: how many updates differ.
        total: how many were compared.
        diagnosis: a sentence, see `diagnose`, or None.

    Returns:
        an error with these attributes; its text tells all of them.

    Examples:
        >>> print(RateMismatch(2, 0.7, 0.2, differ=1, total=3))
        update 2 used the rate 0.7, planned was 0.2; 1 of 3 updates differ
    """

    def __init__(self, update, used, planned, differ, total, diagnosis=None):
        super().__init__(update, used, planned, differ, total, diagnosis)
        self.update, self.used, self.planned = update, used, planned
        self.differ, self.total, self.diagnosis = differ, total, diagnosis

    def __str__(self):
        return (f"update {self.update} used the rate {self.used:.6g}, planned was "
                f"{self.planned:.6g}; {self.differ} of {self.total} updates differ"
                + (f". Diagnosis: {self.diagnosis}" if self.diagnosis else ""))


def check_rates(used, schedule, rtol=RTOL, floor=FLOOR, first=0):
    """Nothing if a run used its planned rates, else an error that says where and why not.

    Args:
        used: the rates that were used, one for each update from update `first` on, [updates];
            finite.
        schedule: what was planned: a Schedule (or another function of an array of update
            numbers), or the planned rates themselves from update 0 on, as many or more.
        rtol: the largest difference that counts as rounding, as a share of the planned rate;
            0 or more.
        floor: the same as a share of the largest planned rate, for plans that end at 0.
        first: the number of the first recorded update, 0 or more: after a checkpoint, how many
            updates were made before it.

    Returns:
        None.

    Raises:
        RateMismatch: a rate differs.  It is an AssertionError and carries the first update that
            differs, both rates and the diagnosis.
        ValueError: no rates, rates that are not finite or not in one axis, a plan shorter than
            the record, a negative tolerance or `first`.
        TypeError: rates that are not numbers.

    Examples:
        >>> from lrlib import Linear
        >>> plan = Linear(0.4, 0, steps=4)
        >>> check_rates([0.4, 0.3, 0.2, 0.1], plan)
        >>> try:
        ...     check_rates([0.4, 0.4, 0.3, 0.2], plan)
        ... except RateMismatch as mismatch:
        ...     print(mismatch)
        update 1 used the rate 0.4, planned was 0.3; 3 of 4 updates differ.
        Diagnosis: every rate comes one update late
        >>> try:
        ...     check_rates([0.4, 0.3, 0.7], [0.4, 0.3, 0.2])
        ... except RateMismatch as mismatch:
        ...     mismatch.update, mismatch.used, mismatch.planned, mismatch.diagnosis
        (2, 0.7, 0.2, None)
        >>> check_rates([0.2, 0.1], plan, first=2)

    Notes:
        The default tolerance lets float32 pass.
    """
    used, plan, close = _read(used, schedule, rtol, floor, first)
    planned = plan(np.arange(len(used)))
    wrong = np.flatnonzero(~close(used, planned))
    if wrong.size:
        at = int(wrong[0])
        raise RateMismatch(at, float(used[at]), float(planned[at]), len(wrong),
                           len(used) - first, _sentence(used, plan, close))


def diagnose(used, schedule, rtol=RTOL, floor=FLOOR, first=0):
    """What went wrong, in words, if a known fault explains every recorded rate.

    Args:
        used: as for `check_rates`.
        schedule: as for `check_rates`.  Past the end of an array its last rate holds.
        rtol: as for `check_rates`.
        floor: as for `check_rates`.
        first: as for `check_rates`.

    Returns:
        str, or None where the rates agree or no known fault explains all of them.  Where more
        than one does, the sentence names each.

    Raises:
        ValueError, TypeError: as `check_rates`.

    Examples:
        >>> from lrlib import Cosine
        >>> plan, t = Cosine(0.4, 0, steps=100), np.arange(50)
        >>> diagnose(np.full(50, 0.4), plan)
        'the rate never changes: is the schedule connected to the optimizer?'
        >>> diagnose(plan(t // 10), plan)
        'as if one step were taken every 10 updates (an epoch clock?)'
        >>> diagnose(plan(2 * t), plan)
        'as if 2 steps were taken an update (several workers, accumulation or batches?)'
        >>> diagnose(0.1 * plan(t), plan)
        'a constant multiple of the plan: x 0.1'
        >>> diagnose(0.4 * np.cumprod(plan(t) / 0.4), plan)
        "compounds: the plan's factors are multiplied up"
        >>> diagnose(plan(np.minimum(t, 30)), plan)
        'stops changing after update 30'
        >>> diagnose(np.append(plan(t[:30]), plan(t[:20])), plan)
        'starts again at update 30 (resumed without state)'
        >>> diagnose(plan(t), plan), diagnose(plan(t) + t % 7 / 100, plan)
        (None, None)

    Notes:
        Few rates leave room for several faults, and a fault that does not change a rate cannot
        be seen in it: give a whole run.
    """
    used, plan, close = _read(used, schedule, rtol, floor, first)
    if close(used, plan(np.arange(len(used)))).all():
        return None
    return _sentence(used, plan, close)


# Reading what was given --------------------------------------------------------------------------

def _numbers(name, values):
    values = np.asarray(values)
    if values.size and values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, got {values.dtype}")
    if values.ndim != 1 or not values.size:
        raise ValueError(f"{name} must be one rate or more along one axis, got shape "
                         f"{values.shape}")
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"{name} must be finite, got {values[first]} at update {first}")
    return values.astype(float)


def _read(used, schedule, rtol, floor, first):
    """The record as an array, the plan as a function of update numbers, and what is equal.

    The updates before the first recorded one are taken to have been as planned.
    """
    used = _numbers("used rates", used)
    for name, value in (("rtol", rtol), ("floor", floor)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and 0 or more, got {value}")
    if isinstance(first, bool) or not isinstance(first, (int, np.integer)) or first < 0:
        raise ValueError(f"first must be a whole number of 0 or more, got {first!r}")
    if callable(schedule):
        plan = schedule
    else:
        table = _numbers("planned rates", schedule)
        if len(table) < first + len(used):
            raise ValueError(f"{first + len(used)} rates were used and {len(table)} planned")

        def plan(t):
            return table[np.minimum(t, len(table) - 1)]

    used = np.append(plan(np.arange(first)), used)
    least = floor * np.abs(plan(np.arange(len(used)))).max()

    def close(a, b):
        return np.abs(a - b) <= np.maximum(rtol * np.abs(b), least)

    return used, plan, close


# Known faults ------------------------------------------------------------------------------------
#
# Each function returns the sentence of one fault if it explains every rate, else None.  Most
# faults are another clock: update t uses the planned rate of update clock(t).

def _sentence(used, plan, close):
    t = np.arange(len(used))
    planned = plan(t)
    if close(used, used[0]).all() and not close(planned, planned[0]).all():
        return _never_changes(used[0], plan, close)
    found = (fault(used, plan, close, t, planned) for fault in FAULTS)
    return ", or ".join(filter(None, found)) or None


def _never_changes(rate, plan, close):
    steps = getattr(plan, "steps", None)
    if steps and close(rate, plan(steps)) and not close(rate, plan(0)):
        return "the rate never changes and is the plan's last: was the schedule used up before?"
    return "the rate never changes: is the schedule connected to the optimizer?"


def _clocks(candidates, clock, used, plan, close):
    """The candidate c for which used[t] = plan(clock(c, t)) at every t, and one that ties with it.

    Where the clock is negative any rate will do.  A list of two, one or no numbers.
    """
    def error(c, t):
        reading = clock(c, t)
        planned = plan(np.maximum(reading, 0))
        off = np.where(close(used[t], planned), np.abs(used[t] - planned), np.inf)
        return np.where(reading < 0, 0, off)

    t = np.arange(len(used))
    changes = np.flatnonzero(~close(used[1:], used[:-1])) + 1
    total = np.zeros(len(candidates))
    for probe in [*changes[:PROBES], *changes[-PROBES:], *t[::-(-len(t) // PROBES)], t[-1]]:
        total = total + error(candidates, probe)
        candidates, total = candidates[np.isfinite(total)], total[np.isfinite(total)]
    found = []
    for i in np.argsort(total, kind="stable"):
        if len(found) == 2 or (found and total[i] > total[found[0]]):
            break
        if np.isfinite(error(candidates[i], t)).all():
            found.append(i)
    return [int(candidates[i]) for i in found]


def _shifted(used, plan, close, t, planned):
    # late, the first rates are the optimizer's own: any, but all the same
    same = np.append(np.flatnonzero(~close(used, used[0])), len(t))[0]
    late = np.arange(1, min(same, LIMIT, len(t) - 2) + 1)
    varied = np.append(np.flatnonzero(~close(planned, planned[0])), len(t))[0]
    late = late[late < len(t) - varied]             # what is compared must hold a change
    early = np.arange(1, LIMIT + 1)
    shifts = [(k[0], name) for k, name in (
        (_clocks(late, lambda c, t: t - c, used, plan, close), "late"),
        (_clocks(early, lambda c, t: t + c, used, plan, close), "early")) if k]
    if not shifts:
        return None
    k, name = min(shifts, key=lambda shift: shift[0])
    return f"every rate comes {'one update' if k == 1 else f'{k} updates'} {name}"


def _slow(used, plan, close, t, planned):
    every = _clocks(np.arange(2, min(len(t), LIMIT) + 1), lambda c, t: t // c, used, plan, close)
    return (f"as if one step were taken every {every[0]} updates (an epoch clock?)"
            if every else None)


def _fast(used, plan, close, t, planned):
    # all the steps after the update, or all but one of them before it, batch by batch
    for before in (0, 1):
        steps = _clocks(np.arange(2, LIMIT + 1), lambda c, t, before=before:
                        t * c + before * (c - 1), used, plan, close)
        if steps:
            return (f"as if {steps[0]}{' or more' * (len(steps) > 1)} steps were taken an update "
                    "(several workers, accumulation or batches?)")
    return None


def _multiple(used, plan, close, t, planned):
    top = np.abs(planned).argmax()
    if len(t) < 2 or planned[top] == 0:
        return None
    factor = used[top] / planned[top]
    return (f"a constant multiple of the plan: x {factor:.4g}"
            if close(used, factor * planned).all() else None)


def _compounds(used, plan, close, t, planned):
    if planned[0] == 0:
        return None
    factors = planned / planned[0]
    changed = np.append(False, ~close(planned[1:], planned[:-1]))
    for multiplied in (changed, np.full(len(t), True)):       # at each change, at each update
        with np.errstate(over="ignore", invalid="ignore"):
            product = planned[0] * np.cumprod(np.where(multiplied, factors, 1))
            if close(used, product).all():
                return "compounds: the plan's factors are multiplied up"
    return None


def _stops(used, plan, close, t, planned):
    wrong = np.flatnonzero(~close(used, planned))[0]
    if wrong == 0 or not close(used[wrong:], used[wrong - 1]).all():
        return None
    moving = np.flatnonzero(~close(used, used[-1]))
    return f"stops changing after update {moving[-1] + 1 if moving.size else 0}"


def _restarts(used, plan, close, t, planned):
    wrong = np.flatnonzero(~close(used, planned))[0]
    varied = np.flatnonzero(~close(planned, planned[0]))
    # before it starts again the plan must have changed: otherwise it is late
    starts = np.arange(wrong, varied[0] if varied.size else wrong, -1)
    starts = starts[close(used[wrong], plan(wrong - starts))] if starts.size else starts
    for start in starts:
        again = close(used[start:], plan(t[start:] - start))
        again[0] |= close(used[start], planned[start])     # kept with the optimizer's state
        if again.all():
            return f"starts again at update {start} (resumed without state)"
    return None


FAULTS = _shifted, _slow, _fast, _multiple, _compounds, _stops, _restarts
