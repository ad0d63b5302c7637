"""Hypothesis strategies for schedules, shared by the tests."""
import numpy as np
from hypothesis import strategies as st

import lrlib

rates = st.floats(1e-5, 10, allow_subnormal=False)
ends = st.one_of(st.just(0.0), rates)
lengths = st.integers(1, 60)
factors = st.floats(0.05, 0.99)
powers = st.floats(0.1, 4)

ramps = st.one_of(*(st.builds(kind, rates, ends, lengths)
                    for kind in (lrlib.Linear, lrlib.Cosine, lrlib.OneMinusSqrt, lrlib.REX)),
                  st.builds(lrlib.Polynomial, rates, ends, lengths, powers))


@st.composite
def piecewise(draw):
    boundaries = sorted(draw(st.sets(st.integers(1, 50), max_size=4)))
    values = draw(st.lists(ends, min_size=len(boundaries) + 1, max_size=len(boundaries) + 1))
    return lrlib.Piecewise(values, boundaries)


@st.composite
def cyclic(draw):
    mode = draw(st.sampled_from(["triangular", "triangular2", "exp_range"]))
    factor = draw(factors) if mode == "exp_range" else 1.0
    return lrlib.Cyclic(draw(ends), draw(rates), draw(lengths),
                        draw(st.one_of(st.none(), lengths)), mode, factor)


endless = st.one_of(
    st.builds(lrlib.Constant, rates),
    st.builds(lrlib.Exponential, rates, factors, lengths, st.booleans()),
    st.builds(lrlib.Step, rates, factors, lengths),
    st.builds(lrlib.InverseTime, rates, powers, lengths, st.booleans()),
    st.builds(lrlib.PowerTime, rates, powers, powers),
    st.builds(lrlib.InverseSqrt, rates, powers),
    cyclic())
simple = st.one_of(ramps, endless, piecewise())


def composed(inner):
    return st.one_of(
        st.builds(lambda a, b, at: a.then(b, at), inner, inner, lengths),
        st.builds(lambda a, n: a.warmup(n), inner, lengths),
        st.builds(lambda c, a: c * a, rates, inner),
        st.builds(lambda a, low, extra: a.clip(low, low + extra), inner, ends, rates),
        st.builds(lrlib.Repeated, ramps, st.integers(1, 3), factors))


schedules = st.recursive(simple, composed, max_leaves=4)
updates = np.arange(130)
