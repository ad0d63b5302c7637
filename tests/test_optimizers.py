"""Every optimiser is torch's, update by update, and Keras' where Keras has the same formula.

Where a convention differs, the difference is asserted, and with it what makes the two equal.
"""
import json
from dataclasses import FrozenInstanceError, asdict, dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.fx.experimental.proxy_tensor import make_fx

from lrlib import repro
from lrlib.optimizers import SGD, Adadelta, AdaGrad, Adam, AdamW, Optimizer, RMSprop

with repro.quiet_stderr():
    import keras

few = settings(max_examples=25, deadline=None)
shares = st.floats(0, 0.999)
above_zero = st.floats(0.01, 0.99)
decays = st.one_of(st.just(0.0), st.floats(1e-4, 0.3))
epsilons = st.floats(1e-10, 1e-3)
seeds = st.integers(0, 2**32 - 1)

sgds = st.one_of(
    st.builds(SGD, shares, weight_decay=decays),
    st.builds(SGD, above_zero, st.just(True), decays))
adagrads = st.builds(AdaGrad, st.floats(0, 2), epsilons, decays)
momenta = st.one_of(st.just(0.0), above_zero)
rmsprops = st.one_of(
    st.builds(RMSprop, shares, momenta, st.just(False), epsilons, decays),
    # centred, the root is of a difference: nothing is left of it where little is remembered
    st.builds(RMSprop, st.floats(0.5, 0.999), momenta, st.just(True), epsilons, decays))
adadeltas = st.builds(Adadelta, shares, epsilons, decays)
adams = st.builds(Adam, shares, shares, epsilons, decays)
adamws = st.builds(AdamW, shares, shares, epsilons, decays)
ONE_OF_EACH = [SGD(), SGD(0.9), SGD(0.9, True, 0.01), AdaGrad(0.1), RMSprop(),
               RMSprop(0.9, 0.9, True), Adadelta(), Adam(weight_decay=0.01), AdamW()]


def problem(seed, updates=100, size=7):
    """Parameters, and a gradient and a rate for every update."""
    stream = repro.rng(seed, "optimizers")
    sizes = 10.0 ** stream.uniform(-2, 1, size)
    rates = 10.0 ** stream.uniform(-4, -1, updates)
    return stream.normal(size=size), stream.normal(size=(updates, size)) * sizes, rates


def run(optimizer, p, gradients, rates):
    """The parameters after every update."""
    state, path = optimizer.start(p), []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        p, state = optimizer.step(p, g, state, float(rate), t)
        path.append(p)
    return np.stack(path)


def in_torch(build, p, gradients, rates):
    parameter = torch.nn.Parameter(torch.tensor(p))
    theirs, path = build([parameter]), []
    for g, rate in zip(gradients, rates, strict=True):
        theirs.param_groups[0]["lr"] = float(rate)
        parameter.grad = torch.tensor(g)
        theirs.step()
        path.append(parameter.detach().numpy().copy())
    return np.stack(path)


def in_keras(build, p, gradients, rates):
    before = keras.backend.floatx()
    keras.backend.set_floatx(str(p.dtype))     # the rate and the hyper-parameters have this dtype
    try:
        variable, theirs, path = keras.Variable(p), build(), []
        theirs.build([variable])
        for g, rate in zip(gradients, rates, strict=True):
            theirs.learning_rate = float(rate)
            theirs.apply([keras.ops.convert_to_tensor(g)])
            path.append(variable.value.numpy().copy())
        return np.stack(path)
    finally:
        keras.backend.set_floatx(before)


def equal(ours, theirs, rtol=1e-12):
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max())


def apart(ours, theirs, least=1e-3):
    assert np.abs(ours - theirs).max() > least * np.abs(theirs).max()


# torch: the same parameters, whatever the rates ---------------------------------------------------

@few
@given(sgds, seeds)
def test_sgd_is_torchs(ours, seed):
    p, g, rates = problem(seed)
    equal(run(ours, p, g, rates), in_torch(
        lambda ps: torch.optim.SGD(ps, 1, ours.momentum, nesterov=ours.nesterov,
                                   weight_decay=ours.weight_decay), p, g, rates))


@few
@given(adagrads, seeds)
def test_adagrad_is_torchs(ours, seed):
    p, g, rates = problem(seed)
    equal(run(ours, p, g, rates), in_torch(
        lambda ps: torch.optim.Adagrad(ps, 1, 0, ours.weight_decay, ours.initial, ours.eps),
        p, g, rates))


@few
@given(rmsprops, seeds)
def test_rmsprop_is_torchs(ours, seed):
    p, g, rates = problem(seed)
    equal(run(ours, p, g, rates), in_torch(
        lambda ps: torch.optim.RMSprop(ps, 1, ours.smoothing, ours.eps, ours.weight_decay,
                                       ours.momentum, ours.centered), p, g, rates),
          rtol=1e-8 if ours.centered else 1e-12)


@few
@given(adadeltas, seeds)
def test_adadelta_is_torchs(ours, seed):
    p, g, rates = problem(seed)
    equal(run(ours, p, g, rates), in_torch(
        lambda ps: torch.optim.Adadelta(ps, 1, ours.smoothing, ours.eps, ours.weight_decay),
        p, g, rates))


@few
@given(st.one_of(adams, adamws), seeds)
def test_adam_and_adamw_are_torchs(ours, seed):
    p, g, rates = problem(seed)
    theirs = torch.optim.AdamW if isinstance(ours, AdamW) else torch.optim.Adam
    equal(run(ours, p, g, rates), in_torch(
        lambda ps: theirs(ps, 1, (ours.beta1, ours.beta2), ours.eps, ours.weight_decay),
        p, g, rates))


@pytest.mark.parametrize(("ours", "theirs"), [
    (SGD(), torch.optim.SGD), (AdaGrad(), torch.optim.Adagrad), (RMSprop(), torch.optim.RMSprop),
    (Adadelta(), torch.optim.Adadelta), (Adam(), torch.optim.Adam), (AdamW(), torch.optim.AdamW)])
def test_defaults_are_torchs(ours, theirs):
    p, g, rates = problem(0)
    equal(run(ours, p, g, rates), in_torch(theirs, p, g, rates))


def test_adagrads_lr_decay_in_torch_is_a_schedule():
    from lrlib import InverseTime
    p, g, _ = problem(1)
    equal(run(AdaGrad(), p, g, InverseTime(0.1, 0.05)(np.arange(100))),
          in_torch(lambda ps: torch.optim.Adagrad(ps, lr_decay=0.05), p, g, np.full(100, 0.1)))


# Keras: the same formulas up to where epsilon stands and what the velocity holds ------------------

quick = settings(max_examples=6, deadline=None)
STEPS = 25
BETAS = (0.875, 0.984375)       # near the defaults, and held by float32


def single(low, high):
    """Numbers that float32 holds: Keras rounds hyper-parameters to it whatever the dtype."""
    return st.floats(low, high).map(lambda value: float(np.float32(value)))


def test_keras_rounds_momentum_to_float32_in_a_float64_run():
    p, g, rates = problem(2, STEPS)
    constant = np.full(STEPS, rates[0])
    theirs = in_keras(lambda: keras.optimizers.SGD(0.1, 0.9), p, g, constant)
    equal(run(SGD(float(np.float32(0.9))), p, g, constant), theirs)
    apart(run(SGD(0.9), p, g, constant), theirs, least=1e-9)


@quick
@given(single(0.01, 0.99), st.booleans(), seeds)
def test_sgd_is_keras_while_the_rate_is_constant(momentum, nesterov, seed):
    p, g, rates = problem(seed, STEPS)
    constant = np.full(STEPS, rates[0])
    equal(run(SGD(momentum, nesterov), p, g, constant),
          in_keras(lambda: keras.optimizers.SGD(0.1, momentum, nesterov), p, g, constant))


@dataclass(frozen=True)
class Velocity(Optimizer):
    """Momentum whose velocity holds the rate, as in Keras."""

    momentum: float = 0.9

    def start(self, p):
        return (0 * p,)

    def step(self, p, g, state, rate, t):
        v = self.momentum * state[0] - rate * g
        return p + v, (v,)


@quick
@given(single(0.5, 0.99), seeds)
def test_a_schedule_separates_sgd_from_keras_whose_velocity_holds_the_rate(momentum, seed):
    p, g, rates = problem(seed, STEPS)
    theirs = in_keras(lambda: keras.optimizers.SGD(0.1, momentum), p, g, rates)
    apart(run(SGD(momentum), p, g, rates), theirs)
    equal(run(Velocity(momentum), p, g, rates), theirs)
    # equal again when the kept share follows the rate: momentum * rate[t] / rate[t - 1] in Keras
    # is momentum here
    v, q, before = 0 * p, p, rates[0]
    for gradient, rate in zip(g, rates, strict=True):
        v = momentum * rate / before * v - rate * gradient
        q, before = q + v, rate
    equal(q, run(SGD(momentum), p, g, rates)[-1])


@quick
@given(single(0, 1), single(1e-10, 1e-3), seeds)
def test_adagrads_epsilon_in_keras_is_part_of_its_first_sum(initial, eps, seed):
    p, g, rates = problem(seed, STEPS)
    theirs = in_keras(lambda: keras.optimizers.Adagrad(0.1, initial, eps), p, g, rates)
    equal(run(AdaGrad(initial + eps, eps=1e-300), p, g, rates), theirs)


def test_adagrad_starts_at_a_tenth_in_keras_and_at_zero_here():
    p, g, rates = problem(3, STEPS)
    theirs = in_keras(lambda: keras.optimizers.Adagrad(), p, g, rates)
    apart(run(AdaGrad(), p, g, rates), theirs)
    equal(run(AdaGrad(initial=0.1 + 1e-7), p, g, rates), theirs, rtol=1e-8)


@quick
@given(single(0.5, 0.99), st.booleans(), seeds)
def test_rmsprop_is_keras_where_epsilon_vanishes(smoothing, centered, seed):
    p, g, rates = problem(seed, STEPS)
    theirs = in_keras(lambda: keras.optimizers.RMSprop(0.1, smoothing, epsilon=1e-30,
                                                       centered=centered), p, g, rates)
    equal(run(RMSprop(smoothing, centered=centered, eps=1e-30), p, g, rates), theirs,
          rtol=1e-8 if centered else 1e-12)


def test_rmsprops_epsilon_stands_under_the_root_in_keras():
    p, g, rates = problem(4, 1)
    theirs = in_keras(lambda: keras.optimizers.RMSprop(0.1, epsilon=0.01), p, g, rates)
    ours = run(RMSprop(0.9, eps=0.01), p, g, rates)
    apart(ours, theirs)
    equal(p - rates[0] * g / np.sqrt(0.1 * g**2 + 0.01), theirs)
    equal(p - rates[0] * g / (np.sqrt(0.1 * g**2) + 0.01), ours)


def test_rmsprops_momentum_holds_the_rate_in_keras():
    p, g, rates = problem(5, STEPS)
    constant = np.full(STEPS, rates[0])
    ours = RMSprop(0.9, momentum=0.8, eps=1e-30)

    def theirs():
        return keras.optimizers.RMSprop(0.1, 0.9, 0.8, epsilon=1e-30)

    equal(run(ours, p, g, constant), in_keras(theirs, p, g, constant))
    apart(run(ours, p, g, rates), in_keras(theirs, p, g, rates))


@quick
@given(single(0, 0.999), single(1e-10, 1e-3), seeds)
def test_adadelta_is_keras(smoothing, eps, seed):
    p, g, rates = problem(seed, STEPS)
    equal(run(Adadelta(smoothing, eps), p, g, rates),
          in_keras(lambda: keras.optimizers.Adadelta(0.1, smoothing, eps), p, g, rates))


@quick
@given(single(0, 0.99), single(0.5, 0.999), single(1e-10, 1e-3), seeds)
def test_adams_epsilon_in_keras_meets_the_uncorrected_root(beta1, beta2, eps, seed):
    p, g, rates = problem(seed, STEPS)
    theirs = in_keras(lambda: keras.optimizers.Adam(0.1, beta1, beta2, eps), p, g, rates)
    ours = Adam(beta1, beta2, eps)
    q, state = p, ours.start(p)
    for t, (gradient, rate, their) in enumerate(zip(g, rates, theirs, strict=True), start=1):
        matched = replace(ours, eps=eps / (1 - beta2**t) ** 0.5)      # shrinks to eps with t
        q, state = matched.step(q, gradient, state, rate, t)
        equal(q, their, rtol=1e-11)


def test_the_two_epsilons_of_adam_differ_at_first():
    p, g, rates = problem(6, STEPS)
    theirs = in_keras(lambda: keras.optimizers.Adam(0.1, epsilon=1e-3), p, g, rates)
    apart(run(Adam(eps=1e-3), p, g, rates), theirs, least=1e-5)


@quick
@given(single(0, 0.3), seeds)
def test_adamw_is_keras_where_epsilon_vanishes(weight_decay, seed):
    p, g, rates = problem(seed, STEPS)
    theirs = in_keras(lambda: keras.optimizers.AdamW(0.1, weight_decay, *BETAS, 1e-30),
                      p, g, rates)
    equal(run(AdamW(*BETAS, 1e-30, weight_decay), p, g, rates), theirs, rtol=1e-11)


def test_weight_decay_of_keras_adam_is_decoupled_and_torchs_is_l2():
    p, g, rates = problem(7, STEPS)
    theirs = in_keras(lambda: keras.optimizers.Adam(0.1, *BETAS, 1e-30, weight_decay=0.25),
                      p, g, rates)
    equal(run(AdamW(*BETAS, 1e-30, 0.25), p, g, rates), theirs, rtol=1e-11)
    apart(run(Adam(*BETAS, 1e-30, 0.25), p, g, rates), theirs)


def test_float32_in_keras():
    p, g, rates = problem(8, STEPS)
    p, g = p.astype(np.float32), g.astype(np.float32)
    theirs = in_keras(lambda: keras.optimizers.Adam(0.1, epsilon=1e-7), p, g, rates)
    equal(run(Adam(eps=1e-7), p, g, rates), theirs, rtol=1e-4)


# One formula, any array ---------------------------------------------------------------------------

@pytest.mark.parametrize("ours", ONE_OF_EACH, ids=repr)
def test_numpy_and_torch_give_the_same_numbers(ours):
    p, g, rates = problem(9)
    equal(run(ours, p, g, rates), run(ours, torch.tensor(p), torch.tensor(g), rates),
          rtol=1e-10 if getattr(ours, "centered", False) else 1e-13)


def batched(ours):
    def step(p, g, state, rate, t):      # make_fx counts the self of a method as an argument
        return ours.step(p, g, state, rate, t)
    return torch.func.vmap(step, in_dims=(0, 0, 0, 0, None))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ours", ONE_OF_EACH, ids=repr)
def test_a_rate_for_each_member_under_vmap(ours, dtype):
    members = torch.tensor(np.stack([problem(seed)[0] for seed in range(3)])).to(dtype)
    gradients = torch.tensor(problem(9, updates=4)[1]).to(dtype)
    rates = torch.tensor([0.1, 0.01, 0.0], dtype=torch.float64)
    p, state = members, ours.start(members)
    step = make_fx(batched(ours))(p, 0 * p, state, rates, torch.tensor(1.0, dtype=torch.float64))
    for t, g in enumerate(gradients, start=1):
        p, state = step(p, g.expand_as(p), state, rates, torch.tensor(float(t)).double())
    alone = np.stack([run(ours, member, gradients, [float(rate)] * 4)[-1]
                      for member, rate in zip(members, rates, strict=True)])
    assert p.dtype == dtype
    assert all(array.dtype == dtype for array in state)
    np.testing.assert_array_equal(p, alone)
    if isinstance(ours, (AdamW, SGD)) or not ours.weight_decay:
        torch.testing.assert_close(p[2], members[2], rtol=0, atol=0)      # a rate of 0


def test_float32_stays_float32_in_numpy():
    for ours in ONE_OF_EACH:
        p = np.ones(3, np.float32)
        q, state = ours.step(p, p, ours.start(p), 0.1, 1)
        assert {q.dtype, *(array.dtype for array in state)} == {np.dtype("float32")}


@pytest.mark.parametrize("ours", ONE_OF_EACH, ids=repr)
def test_nothing_given_is_changed(ours):
    p, g, _ = problem(10, 1)
    state = ours.start(p)
    for array in (p, g, *state):
        array.flags.writeable = False
    q, new = ours.step(p, g[0], state, 0.1, 1)
    assert len(new) == len(state)
    assert not any(np.shares_memory(a, b) for a in (q, *new) for b in (p, g, *state))
    assert not any(np.shares_memory(a, b) for i, a in enumerate(state) for b in state[:i])


def test_state_is_kept_only_where_it_is_needed():
    p = np.ones(2)
    kept = {ours: len(ours.start(p)) for ours in ONE_OF_EACH}
    assert list(kept.values()) == [0, 1, 1, 1, 1, 3, 2, 2, 2]


# Values -------------------------------------------------------------------------------------------

def test_an_optimizer_is_a_value():
    assert Adam(beta1=0) == Adam(beta1=0.0) != Adam()
    assert Adam(weight_decay=0.01) != AdamW()
    assert len({SGD(0.9), SGD(0.9), SGD(0.8)}) == 2
    assert repr(SGD(0.9)) == "SGD(momentum=0.9, nesterov=False, weight_decay=0.0)"
    with pytest.raises(FrozenInstanceError):
        SGD().momentum = 0.5
    for ours in ONE_OF_EACH:
        assert type(ours)(**json.loads(json.dumps(asdict(ours)))) == ours


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: SGD(momentum=1.0), ValueError, "momentum must be from 0 to below 1, got 1.0"),
    (lambda: SGD(momentum=-0.1), ValueError, "got -0.1"),
    (lambda: SGD(momentum=True), TypeError, "momentum must be a number, got True"),
    (lambda: SGD(momentum="0.9"), TypeError, "got '0.9'"),
    (lambda: SGD(0.9, nesterov=1), TypeError, "nesterov must be True or False, got 1"),
    (lambda: SGD(nesterov=True), ValueError, "nesterov needs a momentum above 0, got 0.0"),
    (lambda: SGD(weight_decay=-1), ValueError, "weight_decay must be 0 or more, got -1"),
    (lambda: AdaGrad(eps=0), ValueError, "eps must be more than 0, got 0"),
    (lambda: AdaGrad(initial=-0.5), ValueError, "initial must be 0 or more, got -0.5"),
    (lambda: RMSprop(smoothing=1), ValueError, "smoothing must be from 0 to below 1, got 1"),
    (lambda: RMSprop(centered=None), TypeError, "centered must be True or False, got None"),
    (lambda: Adadelta(eps=-1e-6), ValueError, "got -1e-06"),
    (lambda: Adam(beta1=1.0), ValueError, "beta1 must be from 0 to below 1, got 1.0"),
    (lambda: Adam(beta2=float("nan")), ValueError, "beta2 must be from 0 to below 1, got nan"),
    (lambda: AdamW(weight_decay=float("inf")), ValueError, "got inf"),
    (lambda: Velocity(momentum=2), ValueError, "momentum must be from 0 to below 1, got 2"),
])
def test_bad_input(build, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        build()


def test_an_optimizer_without_an_update_says_so():
    with pytest.raises(NotImplementedError, match="Optimizer has no state: define start"):
        Optimizer().start(1.0)
    with pytest.raises(NotImplementedError, match="Optimizer has no update: define step"):
        Optimizer().step(1.0, 1.0, (), 0.1, 1)
