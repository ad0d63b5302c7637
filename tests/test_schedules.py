"""Schedules are values: formulas, composition, storage, limits, and errors that carry the value."""
import copy
import json
import math
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ends, lengths, ramps, rates, schedules, updates

import lrlib
from lrlib import Schedule
from lrlib.schedules import Rate

# What every schedule is --------------------------------------------------------------------------

@given(schedules)
def test_an_array_gives_what_its_numbers_give(s):
    many = s(updates)
    assert many.shape == updates.shape
    assert many.dtype == np.float64
    assert many.tolist() == [s(int(t)) for t in updates]
    assert type(s(3)) is float


@given(schedules)
def test_rates_are_finite_and_not_negative(s):
    many = s(updates)
    assert np.isfinite(many).all()
    assert (many >= 0).all()


@given(schedules)
def test_it_is_a_value(s):
    twin = Schedule.from_dict(json.loads(json.dumps(s.to_dict())))
    assert twin == s
    assert hash(twin) == hash(s)
    assert repr(twin) == repr(s)
    assert eval(repr(s), vars(lrlib)) == s
    assert pickle.loads(pickle.dumps(s)) == s
    assert copy.deepcopy(s) == s
    for field in fields(s):
        with pytest.raises(FrozenInstanceError):
            setattr(s, field.name, 1)


@given(schedules)
def test_shape_and_memory_of_the_answer(s):
    grid = s(updates[:120].reshape(4, 30))
    assert grid.shape == (4, 30)
    grid[:] = 0                                   # a new array, not a view of something shared
    assert (s(updates[:120].reshape(4, 30)) == s(updates)[:120].reshape(4, 30)).all()
    assert s(np.array([], int)).shape == (0,)


@given(schedules)
def test_past_its_end_it_holds(s):
    if s.steps is not None:
        late = s(np.arange(s.steps, s.steps + 50))
        if not isinstance(s, lrlib.Repeated):
            assert (late == late[0]).all()


@given(ramps)
def test_ramps_are_exact_at_both_ends_and_monotone(s):
    assert s(0) == s.start
    assert s(s.steps) == s.end == s(s.steps + 1_000_000)
    way = np.diff(s(np.arange(s.steps + 3)))
    assert (way <= 1e-15).all() if s.start >= s.end else (way >= -1e-15).all()


# Formulas, once more and independently -----------------------------------------------------------

@given(rates, ends, lengths, st.integers(0, 100), st.floats(0.1, 4))
def test_ramps_against_their_formulas(start, end, steps, t, power):
    p = min(t / steps, 1.0)
    for schedule, way in (
            (lrlib.Linear(start, end, steps), 1 - p),
            (lrlib.Cosine(start, end, steps), (1 + math.cos(math.pi * p)) / 2),
            (lrlib.OneMinusSqrt(start, end, steps), 1 - math.sqrt(p)),
            (lrlib.REX(start, end, steps), 2 * (1 - p) / (2 - p)),
            (lrlib.Polynomial(start, end, steps, power), (1 - p) ** power)):
        assert schedule(t) == pytest.approx(end + (start - end) * way, rel=1e-12, abs=1e-14)


@given(rates, st.floats(0.05, 3), lengths, st.integers(0, 300))
def test_endless_families_against_their_formulas(start, k, every, t):
    close = pytest.approx
    assert lrlib.Exponential(start, k, every)(t) == close(start * k ** (t / every), rel=1e-12)
    stairs = start * k ** (t // every)
    assert lrlib.Exponential(start, k, every, staircase=True)(t) == close(stairs, rel=1e-12)
    assert lrlib.Step(start, k, every)(t) == close(stairs, rel=1e-12)
    assert lrlib.InverseTime(start, k, every)(t) == close(start / (1 + k * t / every), rel=1e-12)
    assert lrlib.InverseTime(start, k, every, staircase=True)(t) == close(
        start / (1 + k * (t // every)), rel=1e-12)
    assert lrlib.PowerTime(start, k, shift=every)(t) == close(
        start * (every / (t + every)) ** k, rel=1e-12)
    assert lrlib.InverseSqrt(start, every)(t) == close(
        start * math.sqrt(every / (t + every)), rel=1e-12)


@given(st.integers(1, 512), st.integers(1, 50), st.integers(0, 200))
def test_noam_against_the_paper(width, warmup, t):
    step = t + 1
    paper = width ** -0.5 * min(step ** -0.5, step * warmup ** -1.5)
    assert lrlib.noam(width, warmup)(t) == pytest.approx(paper, rel=1e-12)


@given(ramps, st.integers(1, 3), st.floats(0.3, 1), st.integers(0, 500))
def test_restarts_by_walking_through_the_cycles(inner, growth, factor, t):
    cycle, start, length = 0, 0, inner.steps
    while t >= start + length:
        start, length, cycle = start + length, length * growth, cycle + 1
    expected = factor**cycle * inner.lr(np.float64((t - start) / growth**cycle))
    assert lrlib.Repeated(inner, growth, factor)(t) == pytest.approx(float(expected), rel=1e-12)


def test_restarts_do_not_miss_a_boundary_far_out():
    s = lrlib.sgdr(1.0, 0.0, steps=3, growth=3)
    start = 0
    for cycle in range(20):
        assert s(start) == 1.0, cycle
        if start:
            assert s(start - 1) < 1.0
        start += 3 * 3**cycle


# Composition -------------------------------------------------------------------------------------

@given(schedules, schedules, lengths)
def test_then_gives_the_boundary_to_what_follows(a, b, at):
    s = a.then(b, at)
    assert s(updates)[:at].tolist() == a(updates)[:at].tolist()
    assert s(updates)[at:].tolist() == b(updates)[:len(updates) - at].tolist()
    assert s.steps == (None if b.steps is None else at + b.steps)


@given(schedules, lengths, ends)
def test_warmup_joins_without_a_jump(s, n, start):
    warm = s.warmup(n, start)
    assert warm(0) == start
    assert warm(n) == s(0)
    rise = np.diff(warm(np.arange(n + 1)))
    assert np.allclose(rise, (s(0) - start) / n, atol=1e-12)


@given(schedules, st.floats(0, 100))
def test_scaling_scales_every_rate(s, c):
    for scaled in (c * s, s * c, np.float64(c) * s):
        assert (scaled(updates) == c * s(updates)).all()
        assert scaled.steps == s.steps


@given(schedules, ends, rates)
def test_clipping_holds_between(s, low, extra):
    clipped = s.clip(low, low + extra)
    assert (clipped(updates) == np.clip(s(updates), low, low + extra)).all()
    assert clipped.steps == s.steps


def test_recipes_are_compositions():
    assert isinstance(lrlib.one_cycle(0.1, 100), lrlib.Then)
    assert lrlib.sgdr(0.1, 0, 10) == lrlib.Repeated(lrlib.Cosine(0.1, 0, 10))
    assert lrlib.noam(64, 1) == lrlib.InverseSqrt(1 / 8, 1)
    assert lrlib.wsd(0.1, 100, 0, 20, "linear") == lrlib.Constant(0.1, 80).then(
        lrlib.Linear(0.1, 0, 20))
    for shape in ("linear", "cosine", "1-sqrt"):
        s = lrlib.wsd(0.3, steps=100, warmup=10, cooldown=30, shape=shape, end=0.01)
        assert s.steps == 100
        assert (s(0), s(10), s(69), s(100)) == (0.0, 0.3, 0.3, 0.01)


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_the_shortest_one_cycles_go_up_and_down(steps):
    s = lrlib.one_cycle(0.1, steps)
    assert (s.steps, s(0), s(1), s(steps)) == (steps, 0.1 / 25, 0.1, 0.1 / 250_000)


def test_a_million_updates_at_once():
    s = lrlib.Cosine(0.1, 0, 10**6 - 100).warmup(100)
    assert s(np.arange(10**6)).sum() == pytest.approx(0.05 * 10**6, rel=1e-3)


# A reader's own family ---------------------------------------------------------------------------

@dataclass(frozen=True)
class SquareRoot(Schedule):
    start: Rate

    def lr(self, t):
        return self.start / np.sqrt(t + 1)


def test_a_family_in_four_lines_gets_everything():
    s = SquareRoot(0.1)
    assert s(np.array([0, 3])).tolist() == [0.1, 0.05]
    assert Schedule.from_dict(json.loads(json.dumps((2 * s).warmup(4).to_dict()))) == (
        (2 * s).warmup(4))
    with pytest.raises(ValueError, match=r"start must be 0 or more, got -1\.0"):
        SquareRoot(-1.0)


def test_a_family_may_be_defined_again_but_not_shadow_ours():
    def define(name):
        return dataclass(frozen=True)(type(name, (Schedule,), {
            "__module__": __name__, "lr": lambda self, t: 0 * t + 0.5}))
    define("Mine")
    assert Schedule.from_dict(define("Mine")().to_dict())(3) == 0.5
    with pytest.raises(ValueError, match="lrlib has a schedule named 'Cosine'"):
        define("Cosine")


@pytest.mark.parametrize("base", [Schedule(), lrlib.Ramp(1, 0, 3)])
def test_a_base_without_a_formula_is_no_known_kind(base):
    with pytest.raises(ValueError, match=r"^unknown schedule '(Schedule|Ramp)'; known: ") as error:
        Schedule.from_dict(base.to_dict())
    known = str(error.value).split("known: ")[1].split(", ")
    assert {"Cosine", "Then"} <= set(known)
    assert not {"Schedule", "Ramp"} & set(known)


def test_a_formula_that_goes_wrong_is_named_with_the_update():
    @dataclass(frozen=True)
    class Falls(Schedule):
        def lr(self, t):
            return 0.1 - 0.01 * t

    assert Falls()(10) == pytest.approx(0)
    with pytest.raises(ValueError, match=r"Falls\(\) gives the rate -0\.0\d+ at update 11"):
        Falls()(np.arange(20))


# Bad input ---------------------------------------------------------------------------------------

BAD = {
    "steps 0": (lambda: lrlib.Linear(0.1, 0, 0), "steps must be 1 or more, got 0"),
    "steps negative": (lambda: lrlib.Cosine(0.1, 0, -3), "steps must be 1 or more, got -3"),
    "steps broken": (lambda: lrlib.Linear(0.1, 0, 2.5), "steps must be a whole number, got 2.5"),
    "steps True": (lambda: lrlib.Linear(0.1, 0, True), "steps must be a whole number, got True"),
    "rate negative": (lambda: lrlib.Constant(-0.1), "rate must be 0 or more, got -0.1"),
    "rate nan": (lambda: lrlib.Linear(math.nan, 0, 3), "start must be finite, got nan"),
    "rate inf": (lambda: lrlib.Linear(0.1, math.inf, 3), "end must be finite, got inf"),
    "rate text": (lambda: lrlib.Constant("0.1"), "rate must be a number, got '0.1'"),
    "rate array": (lambda: lrlib.Constant(np.ones(2)), "rate must be a number, got array"),
    "factor 0": (lambda: lrlib.Step(0.1, 0, 3), "factor must be more than 0, got 0.0"),
    "power": (lambda: lrlib.Polynomial(1, 0, 3, -1), "power must be more than 0, got -1.0"),
    "shift": (lambda: lrlib.PowerTime(1, 1, 0), "shift must be more than 0, got 0.0"),
    "staircase": (lambda: lrlib.Exponential(1, 0.5, 3, "yes"), "staircase must be True or False"),
    "no pieces": (lambda: lrlib.Piecewise([], []), "n rates need n - 1 boundaries, got 0 rates"),
    "too many boundaries": (lambda: lrlib.Piecewise([1, 2], [3, 4]),
                            "got 2 rates (1.0, 2.0) and 2 boundaries (3, 4)"),
    "unsorted": (lambda: lrlib.Piecewise([1, 2, 3], [5, 4]), "must rise strictly, got (5, 4)"),
    "equal": (lambda: lrlib.multi_step(1, 0.1, [5, 5]), "must rise strictly, got (5, 5)"),
    "boundary 0": (lambda: lrlib.Piecewise([1, 2], [0]), "boundaries[0] must be 1 or more, got 0"),
    "piece negative": (lambda: lrlib.Piecewise([1, -2], [3]), "rates[1] must be 0 or more, got -2"),
    "pieces a number": (lambda: lrlib.Piecewise(3, []), "rates must be a sequence of numbers, got 3"),
    "mode": (lambda: lrlib.Cyclic(0, 1, 3, mode="tri"), "exp_range, got 'tri'"),
    "mode without factor": (lambda: lrlib.Cyclic(0, 1, 3, factor=0.5), "triangular got 0.5"),
    "endless then": (lambda: lrlib.Constant(1).then(lrlib.Constant(2)),
                     "Constant(rate=1.0, steps=None) never ends"),
    "at 0": (lambda: lrlib.Constant(1).then(lrlib.Constant(2), at=0), "at must be 1 or more, got 0"),
    "then a number": (lambda: lrlib.Constant(1, 3).then(0.5), "after must be a Schedule, got 0.5"),
    "warmup 0": (lambda: lrlib.Constant(1).warmup(0), "steps must be 1 or more, got 0"),
    "scale negative": (lambda: -1 * lrlib.Constant(1), "factor must be 0 or more, got -1"),
    "scale a schedule": (lambda: lrlib.Constant(1) * lrlib.Constant(1), "factor must be a number"),
    "clip crossed": (lambda: lrlib.Constant(1).clip(2, 1), "got 2.0 and 1.0"),
    "repeat endless": (lambda: lrlib.Repeated(lrlib.Constant(1)), "only a schedule with an end"),
    "growth 0": (lambda: lrlib.sgdr(1, 0, 3, growth=0), "growth must be 1 or more, got 0"),
    "ramp without its end": (lambda: lrlib.Cosine(0.1), "Cosine.__init__() missing"),
    "one_cycle": (lambda: lrlib.one_cycle(1, 10, warmup=10), "from 1 to steps - 1 = 9, got 10"),
    "one_cycle too short": (lambda: lrlib.one_cycle(1, 1), "steps must be 2 or more"),
    "one_cycle with torch's share": (lambda: lrlib.one_cycle(1, 100, warmup=0.3),
                                     "a number of updates, not a share of them, from 1 to "
                                     "steps - 1 = 99, got 0.3"),
    "one_cycle's warmup a text": (lambda: lrlib.one_cycle(1, 10, warmup="3"), "got '3'"),
    "wsd shape": (lambda: lrlib.wsd(1, 9, 1, 1, "tri"), "linear, cosine, 1-sqrt, got 'tri'"),
    "wsd full": (lambda: lrlib.wsd(1, 9, 5, 4), "warmup 5 and cooldown 4 leave no plateau in 9"),
    "noam": (lambda: lrlib.noam(0, 10), "width must be 1 or more, got 0"),
    "updates": (lambda: lrlib.updates(1, 0, 32), "examples must be 1 or more, got 0"),
    "update -1": (lambda: lrlib.Constant(1)(-1), "an update number must be 0 or more, got -1"),
    "update in array": (lambda: lrlib.Constant(1)(np.array([4, -7])), "0 or more, got -7"),
    "update nan": (lambda: lrlib.Constant(1)(math.nan), "0 or more, got nan"),
    "update text": (lambda: lrlib.Constant(1)("3"), "an update number must be a number"),
    "unknown kind": (lambda: Schedule.from_dict({"kind": "Sine"}), "unknown schedule 'Sine'"),
    "fields": (lambda: Schedule.from_dict({"kind": "Constant", "rat": 1}), "got ['rat']"),
    "stored": (lambda: Schedule.from_dict([1]), "a stored schedule is a dict, got [1]"),
    "stored value": (lambda: Schedule.from_dict({"kind": "Linear", "start": 1, "end": 0,
                                                 "steps": 0}), "steps must be 1 or more, got 0"),
    "no formula": (lambda: Schedule()(0), "Schedule has no formula"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_bad_input_gets_an_error_with_the_value(call, message):
    with pytest.raises((ValueError, TypeError, NotImplementedError)) as error:
        call()
    assert message in str(error.value)
