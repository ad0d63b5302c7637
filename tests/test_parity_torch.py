"""Every family that torch has gives torch's rates; where conventions differ, how is asserted."""
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import ends, factors, lengths, powers, rates
from torch.optim import lr_scheduler

import lrlib

N = 80
t = np.arange(N)


def torch_rates(make, start=1.0, n=N):
    """The rates a torch scheduler gives the updates 0 ... n - 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=start, momentum=0.9)
    scheduler = make(optimizer)
    used = []
    for _ in range(n):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")            # torch's notes on its own recursion
            scheduler.step()
    return np.array(used)


def agree(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@given(rates, st.floats(0.05, 1), st.floats(0, 1), lengths)
def test_linear(peak, first, last, steps):
    theirs = torch_rates(lambda o: lr_scheduler.LinearLR(o, first, last, steps), peak)
    agree(lrlib.Linear(first * peak, last * peak, steps)(t), theirs)


def test_linear_from_zero_is_possible_here_and_not_in_torch():
    with pytest.raises(ValueError, match="Starting multiplicative factor"):
        torch_rates(lambda o: lr_scheduler.LinearLR(o, 0.0, 1.0, 5))
    assert lrlib.Linear(0, 1, 5)(0) == 0


@given(rates, ends, lengths)
def test_cosine_up_to_its_end(start, end, steps):
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, steps, end), start, steps + 1)
    agree(lrlib.Cosine(start, end, steps)(np.arange(steps + 1)), theirs)


def test_cosine_past_its_end_torch_climbs_and_we_hold():
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.0), 1.0, 41)
    ours = lrlib.Cosine(1, 0, 20)(np.arange(41))
    assert theirs[40] == pytest.approx(1.0)
    assert (ours[20:] == 0).all()


@given(rates, powers, lengths)
def test_polynomial_to_zero(start, power, steps):
    theirs = torch_rates(lambda o: lr_scheduler.PolynomialLR(o, steps, power), start)
    agree(lrlib.Polynomial(start, 0, steps, power)(t), theirs)


@given(rates, factors)
def test_exponential(start, factor):
    theirs = torch_rates(lambda o: lr_scheduler.ExponentialLR(o, factor), start)
    agree(lrlib.Exponential(start, factor)(t), theirs)


@given(rates, factors, lengths)
def test_step(start, factor, every):
    theirs = torch_rates(lambda o: lr_scheduler.StepLR(o, every, factor), start)
    agree(lrlib.Step(start, factor, every)(t), theirs)
    agree(lrlib.Exponential(start, factor, every, staircase=True)(t), theirs)


@given(rates, factors, st.sets(st.integers(1, 70), max_size=4))
def test_multi_step(start, factor, milestones):
    milestones = sorted(milestones)
    theirs = torch_rates(lambda o: lr_scheduler.MultiStepLR(o, milestones, factor), start)
    agree(lrlib.multi_step(start, factor, milestones)(t), theirs)


@given(rates, st.floats(0.05, 1), lengths)
def test_constant_for_a_while(peak, factor, steps):
    theirs = torch_rates(lambda o: lr_scheduler.ConstantLR(o, factor, steps), peak)
    agree(lrlib.Constant(factor * peak, steps).then(lrlib.Constant(peak))(t), theirs)


@given(rates, st.floats(0.05, 1), st.integers(1, 20), st.integers(1, 30))
def test_then_is_sequential(peak, first, warmup, every):
    theirs = torch_rates(lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, first, 1.0, warmup), lr_scheduler.StepLR(o, every, 0.5)],
        [warmup]), peak)
    agree(lrlib.Step(peak, 0.5, every).warmup(warmup, start=first * peak)(t), theirs)


@given(rates, ends, st.integers(1, 12), st.integers(1, 3))
def test_restarts(start, end, steps, growth):
    theirs = torch_rates(
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, steps, growth, end), start)
    agree(lrlib.sgdr(start, end, steps, growth)(t), theirs)


@given(st.floats(0, 1), st.floats(1, 5), st.integers(1, 15), st.integers(1, 15),
       st.sampled_from(["triangular", "triangular2", "exp_range"]), st.floats(0.9, 0.999))
def test_cyclic(low, high, up, down, mode, gamma):
    theirs = torch_rates(lambda o: lr_scheduler.CyclicLR(
        o, low, high, up, down, mode, gamma, cycle_momentum=False), 1.0)
    factor = gamma if mode == "exp_range" else 1.0
    agree(lrlib.Cyclic(low, high, up, down, mode, factor)(t), theirs)


@given(rates, st.integers(2, 7), st.sampled_from([0.2, 0.3, 0.5]))
def test_one_cycle_is_one_update_shorter_in_torch(peak, tens, share):
    total = 10 * tens
    warmup = round(share * total)
    theirs = torch_rates(lambda o: lr_scheduler.OneCycleLR(
        o, peak, total_steps=total, pct_start=share, cycle_momentum=False), n=total)
    # torch reaches its end in update total - 1, here it would be reached in update `steps`
    ours = lrlib.one_cycle(peak, total - 1, warmup - 1)
    agree(ours(np.arange(total)), theirs)
    assert ours.steps == total - 1


def test_one_cycle_cannot_be_overrun_here():
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        torch_rates(lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=10), n=12)
    assert lrlib.one_cycle(1.0, 10)(10_000) == lrlib.one_cycle(1.0, 10)(10)


@given(rates, powers, powers)
def test_what_torch_lacks_by_its_lambda(start, power, shift):
    theirs = torch_rates(lambda o: lr_scheduler.LambdaLR(
        o, lambda n: (1 + n / shift) ** -power), start)
    agree(lrlib.PowerTime(start, power, shift)(t), theirs)
