"""Every family that Keras has gives Keras' rates, to the 24 bits Keras keeps."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import factors, lengths, rates

import lrlib
from lrlib import repro

with repro.quiet_stderr():
    from keras.optimizers import schedules as ks

t = np.arange(70)
few = settings(max_examples=30)


def agree(ours, theirs, numbers=t):
    theirs = np.array([float(theirs(int(i))) for i in numbers])
    np.testing.assert_allclose(ours(numbers), theirs, rtol=2e-5, atol=2e-6)


@few
@given(rates, factors, lengths, st.booleans())
def test_exponential(start, factor, every, staircase):
    agree(lrlib.Exponential(start, factor, every, staircase),
          ks.ExponentialDecay(start, every, factor, staircase))


@few
@given(rates, st.floats(0.01, 3), lengths, st.booleans())
def test_inverse_time(start, factor, every, staircase):
    agree(lrlib.InverseTime(start, factor, every, staircase),
          ks.InverseTimeDecay(start, every, factor, staircase))


@few
@given(rates, st.floats(0, 1), lengths, st.floats(0.3, 3))
def test_polynomial(start, share, steps, power):
    agree(lrlib.Polynomial(start, share * start, steps, power),
          ks.PolynomialDecay(start, steps, share * start, power))


def test_polynomial_does_not_end_at_zero_by_default_in_keras():
    assert float(ks.PolynomialDecay(1.0, 10)(10)) == pytest.approx(1e-4)


@few
@given(rates, st.floats(0, 1), lengths)
def test_cosine_and_its_hold_past_the_end(start, alpha, steps):
    agree(lrlib.Cosine(start, alpha * start, steps), ks.CosineDecay(start, steps, alpha))


@few
@given(rates, st.floats(0, 1), lengths, st.integers(1, 20))
def test_cosine_with_warmup(peak, first, steps, warmup):
    agree(lrlib.Cosine(peak, 0, steps).warmup(warmup, start=first * peak),
          ks.CosineDecay(first * peak, steps, warmup_target=peak, warmup_steps=warmup))


@few
@given(st.lists(rates, min_size=3, max_size=3), st.integers(1, 20), st.integers(1, 20))
def test_piecewise_changes_one_update_later_in_keras(values, first, more):
    boundaries = [first, first + more]
    agree(lrlib.Piecewise(values, boundaries),
          ks.PiecewiseConstantDecay([b - 1 for b in boundaries], values))
    ours = lrlib.Piecewise(values, boundaries)
    theirs = ks.PiecewiseConstantDecay(boundaries, values)
    assert float(theirs(first)) == pytest.approx(values[0], rel=1e-6)    # still the old rate
    assert ours(first) == values[1]


@few
@given(rates, st.integers(1, 12), st.integers(1, 3), st.floats(0.5, 1), st.floats(0, 0.3))
def test_restarts(start, steps, growth, factor, alpha):
    agree(lrlib.sgdr(start, alpha * start, steps, growth),
          ks.CosineDecayRestarts(start, steps, t_mul=float(growth), alpha=alpha))
    agree(lrlib.sgdr(start, 0, steps, growth, factor),
          ks.CosineDecayRestarts(start, steps, t_mul=float(growth), m_mul=factor))


def test_a_floor_under_shrinking_restarts_shrinks_here_and_stays_in_keras():
    theirs = ks.CosineDecayRestarts(1.0, 10, t_mul=1.0, m_mul=0.5, alpha=0.2)
    ours = lrlib.sgdr(1.0, 0.2, 10, factor=0.5)
    assert ours(10) == pytest.approx(0.5)                       # half of everything
    assert float(theirs(10)) == pytest.approx(0.8 * 0.5 + 0.2)  # half of what is above the floor
