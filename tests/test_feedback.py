"""The feedback rules are torch's and Keras' where they have them, and their own formulas elsewhere."""
import json
import math
from dataclasses import FrozenInstanceError
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrlib import repro
from lrlib.feedback import (
    GradientNorm,
    GradientRMS,
    Hypergradient,
    Plateau,
    PlateauState,
    RateState,
    RMSState,
    Targets,
    TargetsState,
)
from lrlib.optimizers import RMSprop

with repro.quiet_stderr():
    import keras

few = settings(max_examples=100, deadline=None)
nan, inf = math.nan, math.inf

# eighths: ties are common, and float32 holds them and their differences
eighths = st.integers(0, 24).map(lambda value: value / 8)
values = st.lists(eighths, min_size=1, max_size=60)
modes = st.sampled_from(["min", "max"])


def states(rule, measured):
    found = [rule.begin()]
    for value in measured:
        found.append(rule.update(found[-1], value))
    return found[1:]


def rates(rule, measured):
    return [state.rate for state in states(rule, measured)]


def in_torch(measured, start, **arguments):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=start)
    theirs, found = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **arguments), []
    for value in measured:
        theirs.step(value)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def in_keras(measured, start, **arguments):
    optimizer = keras.optimizers.SGD(start)
    theirs = keras.callbacks.ReduceLROnPlateau(monitor="loss", **arguments)
    theirs.set_model(SimpleNamespace(optimizer=optimizer))
    theirs.on_train_begin()
    found = []
    for epoch, value in enumerate(measured):
        theirs.on_epoch_end(epoch, {"loss": value})
        found.append(float(optimizer.learning_rate))
    return found


# Plateau ------------------------------------------------------------------------------------------

@few
@given(st.lists(st.one_of(eighths, st.floats(0, 3), st.just(nan)), min_size=1, max_size=60),
       st.floats(1e-3, 10), st.floats(0.05, 0.95), st.integers(0, 5),
       st.one_of(st.just(0.0), st.floats(0, 0.5)), st.sampled_from(["rel", "abs"]), modes,
       st.integers(0, 4), st.floats(0, 1), st.sampled_from([0.0, 1e-8, 1e-2]))
def test_plateau_is_torchs(measured, start, factor, patience, threshold, how, mode, cooldown,
                           share, eps):
    ours = Plateau(start, factor, patience, threshold, how, mode, cooldown, share * start, eps)
    assert rates(ours, measured) == in_torch(
        measured, start, factor=factor, patience=patience, threshold=threshold,
        threshold_mode=how, mode=mode, cooldown=cooldown, min_lr=share * start, eps=eps)


@given(st.lists(st.floats(-3, 3), min_size=15, max_size=60), modes)
def test_plateau_has_torchs_defaults(measured, mode):
    assert rates(Plateau(0.1, mode=mode), measured) == in_torch(measured, 0.1, mode=mode)


def as_keras(start, factor, patience, delta, mode, cooldown, low):
    """Keras' arguments in our terms: it counts one less of patience and of cooldown."""
    return Plateau(start, factor, max(patience - 1, 0), delta, "abs", mode,
                   max(cooldown - 1, 0), low, eps=0)


@settings(max_examples=60, deadline=None)
@given(values, st.floats(1e-3, 10), st.floats(0.1, 0.9), st.integers(0, 5), eighths, modes,
       st.integers(0, 4), st.sampled_from([0.0, 0.1, 0.9]))
def test_plateau_is_keras_with_patience_and_cooldown_one_less(measured, start, factor, patience,
                                                              delta, mode, cooldown, share):
    ours = as_keras(start, factor, patience, delta, mode, cooldown, share * start)
    theirs = in_keras(measured, start, factor=factor, patience=patience, min_delta=delta,
                      mode=mode, cooldown=cooldown, min_lr=share * start)
    np.testing.assert_allclose(rates(ours, measured), theirs, rtol=1e-4)


def falls(found, start=1.0):
    """The numbers of the values, from 1, after which the rate fell."""
    return [i for i, (a, b) in enumerate(zip([start, *found], found, strict=False), start=1)
            if b < a * 0.99]


def test_patience_is_borne_in_torch_and_reached_in_keras():
    flat = [1.0] * 12
    assert falls(rates(Plateau(1.0, 0.5, patience=3), flat)) == [5, 9]
    assert falls(in_torch(flat, 1.0, factor=0.5, patience=3)) == [5, 9]
    assert falls(in_keras(flat, 1.0, factor=0.5, patience=3, mode="min")) == [4, 7, 10]


def test_cooldown_in_keras_counts_its_last_value():
    flat = [1.0] * 12
    assert falls(rates(Plateau(1.0, 0.5, patience=0, cooldown=3), flat)) == [2, 6, 10]
    assert falls(in_torch(flat, 1.0, factor=0.5, patience=0, cooldown=3)) == [2, 6, 10]
    assert falls(in_keras(flat, 1.0, factor=0.5, patience=1, cooldown=3, mode="min")) == [
        2, 5, 8, 11]


def test_the_threshold_is_a_share_in_torch_and_an_amount_in_keras():
    measured = [100.0 - 0.25 * i for i in range(10)]          # 0.25 % a value
    assert falls(in_torch(measured, 1.0, factor=0.5, patience=3, threshold=0.125)) == [5, 9]
    assert falls(in_keras(measured, 1.0, factor=0.5, patience=4, min_delta=0.125,
                          mode="min")) == []
    assert falls(rates(Plateau(1.0, 0.5, 3, 0.125), measured)) == [5, 9]
    assert falls(rates(Plateau(1.0, 0.5, 3, 0.125, "abs"), measured)) == []


def test_a_fall_below_eps_is_not_made_in_torch_and_is_in_keras():
    flat = [1.0] * 8
    assert in_torch(flat, 1e-8, patience=1)[-1] == 1e-8 == rates(Plateau(1e-8, patience=1), flat)[-1]
    assert in_keras(flat, 1e-8, patience=1, mode="min")[-1] < 1e-12
    assert rates(Plateau(1e-8, patience=1, eps=0), flat)[-1] < 1e-9


def test_a_fall_of_just_eps_is_not_made():
    arguments = dict(factor=0.5, patience=0, eps=0.25)
    assert rates(Plateau(1.0, **arguments), [1.0] * 5) == [1.0, 0.5, 0.5, 0.5, 0.5]
    assert in_torch([1.0] * 5, 1.0, **arguments) == [1.0, 0.5, 0.5, 0.5, 0.5]


def test_a_first_nan_stays_the_best_of_keras_and_is_ignored_here_and_in_torch():
    measured = [nan, *(1 / i for i in range(1, 12))]            # improves every time
    assert falls(in_keras(measured, 1.0, factor=0.5, patience=4, mode="min")) == [5, 9]
    assert falls(in_torch(measured, 1.0, factor=0.5, patience=3)) == []
    assert falls(rates(Plateau(1.0, 0.5, 3), measured)) == []


def test_torch_believes_a_loss_of_minus_infinity():
    measured = [1.0, -inf, *(0.9 * 0.9**i for i in range(5))]
    assert falls(in_torch(measured, 1.0, factor=0.5, patience=3)) == [6]
    assert falls(rates(Plateau(1.0, 0.5, 3), measured)) == []


@few
@given(values, st.floats(0.1, 0.95), st.integers(0, 4), modes)
def test_smoothing_is_plateau_of_the_running_mean(measured, smoothing, patience, mode):
    means = [measured[0]]
    for value in measured[1:]:
        means.append(smoothing * means[-1] + (1 - smoothing) * value)
    smooth = Plateau(1.0, 0.5, patience, mode=mode, smoothing=smoothing)
    assert rates(smooth, measured) == rates(Plateau(1.0, 0.5, patience, mode=mode), means)
    assert [state.smooth for state in states(smooth, measured)] == pytest.approx(means, rel=1e-12)


def test_smoothing_ignores_what_is_not_finite():
    rule = Plateau(1.0, smoothing=0.5)
    for bad in (nan, inf, -inf):
        first, after, last = states(rule, [4.0, bad, 2.0])
        assert (after.smooth, after.bad, after.best) == (first.smooth, 1, 4.0)
        assert last.smooth == 3.0
        assert rule.update(rule.begin(), bad) == PlateauState(1.0, None, 1, 0, None)


def test_smoothing_hears_a_trend_below_the_noise():
    """A loss that falls slowly under much noise, then stops: the raw best is a lucky outlier."""
    noise = repro.rng(0, "plateau").normal(size=400)
    loss = np.concatenate([np.linspace(2, 1, 200), np.ones(200)]) + 0.3 * noise
    raw = falls(rates(Plateau(1.0, 0.5, 20), loss))
    smooth = falls(rates(Plateau(1.0, 0.5, 20, smoothing=0.95), loss))
    assert raw[0] < 200 < smooth[0]


@few
@given(values, modes)
def test_the_other_mode_is_the_other_sign(measured, mode):
    other = "max" if mode == "min" else "min"
    rule = Plateau(1.0, 0.5, 1, 0.125, "abs", mode)
    assert rates(rule, measured) == rates(Plateau(1.0, 0.5, 1, 0.125, "abs", other),
                                          [-value for value in measured])


# Targets ------------------------------------------------------------------------------------------

@few
@given(st.lists(st.one_of(eighths, st.just(nan)), min_size=1, max_size=40),
       st.sets(eighths, min_size=1, max_size=4), st.floats(0.1, 0.9), modes)
def test_targets_are_met_once_and_never_lost(measured, targets, factor, mode):
    rule = Targets(0.5, sorted(targets, reverse=mode == "min"), factor, mode)
    best = max if mode == "max" else min
    for i, state in enumerate(states(rule, measured), start=1):
        seen = [value for value in measured[:i] if not math.isnan(value)]
        met = sum(best(seen) >= target if mode == "max" else best(seen) <= target
                  for target in targets) if seen else 0
        assert state == TargetsState(0.5 * factor**met, met)


def test_an_infinite_metric_reaches_nothing():
    assert states(Targets(0.5, (1.0,)), [inf, 2.0]) == [TargetsState(0.5, 0), TargetsState(0.05, 1)]


# Gradients ----------------------------------------------------------------------------------------

norms = st.floats(0, 1e6)


@few
@given(st.floats(1e-3, 10), st.floats(0, 2), st.floats(1e-10, 1), norms, norms)
def test_gradient_norm(base, power, eps, a, b):
    rule = GradientNorm(base, power, eps)
    rate = rule.update(rule.begin(), a).rate
    assert rate == pytest.approx(base / (a + eps) ** power, rel=1e-12)
    assert rate <= base / eps**power * (1 + 1e-12)
    assume(a < b)
    assert rate >= rule.update(rule.begin(), b).rate         # a smaller gradient, a larger rate


def test_power_one_makes_steps_of_equal_length():
    rule, p = GradientNorm(0.1, eps=1e-12), np.array([3.0, -4.0])
    curvature = np.array([1.0, 10.0])
    for _ in range(30):
        g = curvature * p
        step = rule.update(rule.begin(), np.linalg.norm(g)).rate * g
        assert np.linalg.norm(step) == pytest.approx(0.1, rel=1e-9)
        p = p - step


@few
@given(st.lists(norms, min_size=1, max_size=40), st.floats(0, 0.999), st.floats(1e-8, 1e-2))
def test_gradient_rms_of_one_parameter_is_rmsprop(gradients, smoothing, eps):
    rule, optimizer, p, q = GradientRMS(0.1, smoothing, eps), RMSprop(smoothing, eps=eps), 1.0, 1.0
    kept = optimizer.start(q)
    for t, (g, state) in enumerate(zip(gradients, states(rule, gradients), strict=True), start=1):
        p = p - state.rate * g
        q, kept = optimizer.step(q, g, kept, 0.1, t)
        assert p == pytest.approx(q, rel=1e-12, abs=1e-12)
        assert state.square == pytest.approx(kept[0], rel=1e-12)


# Hypergradient ------------------------------------------------------------------------------------

@few
@given(st.integers(0, 2**32), st.floats(0.01, 0.3))
def test_the_product_is_minus_the_derivative_of_the_loss_by_the_rate(seed, rate):
    stream = repro.rng(seed, "quadratic")
    root = stream.normal(size=(4, 4))
    matrix, p = root @ root.T, stream.normal(size=4)

    def loss_after(rate):
        q = p - rate * matrix @ p
        return q @ matrix @ q / 2

    before, after = matrix @ p, matrix @ (p - rate * matrix @ p)
    h = 1e-4       # a central difference is exact for a quadratic, whatever h, up to rounding
    slope = (loss_after(rate + h) - loss_after(rate - h)) / (2 * h)
    size = np.linalg.norm(before) * np.linalg.norm(after) + abs(loss_after(rate))
    assert abs(slope + after @ before) <= 1e-8 * size
    rule = Hypergradient(rate, meta=1e-6)
    assert rule.update(rule.begin(), after @ before).rate == pytest.approx(
        max(rate - 1e-6 * slope, 0), abs=1e-13 * size)


def descend(rule, updates=200):
    """Gradient descent on a quadratic under the rule: the rates and the last loss."""
    curvature, p, state, before, used = np.array([1.0, 0.1]), np.ones(2), rule.begin(), None, []
    for _ in range(updates):
        g = curvature * p
        if before is not None:
            state = rule.update(state, g @ before)
        used.append(state.rate)
        p, before = p - state.rate * g, g
    return used, curvature @ p**2 / 2


@pytest.mark.parametrize("multiplicative", [False, True])
def test_a_rate_that_is_too_small_grows_and_the_loss_ends_lower(multiplicative):
    used, loss = descend(Hypergradient(0.01, 0.05, multiplicative))
    fixed, there = descend(Hypergradient(0.01, 0.0, multiplicative))
    assert set(fixed) == {0.01}
    assert used[0] == 0.01 < used[50] < used[-1]
    assert loss < 0.9 * there


@few
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(1e-3, 1),
       st.floats(0, 1), st.booleans(), st.floats(0, 1))
def test_hypergradient_by_hand(products, start, meta, multiplicative, share):
    rule, rate = Hypergradient(start, meta, multiplicative, share * start), start
    for product, found in zip(products, rates(rule, products), strict=True):
        rate = rate * (1 + meta * product) if multiplicative else rate + meta * product
        rate = max(rate, share * start)
        assert found == pytest.approx(rate, rel=1e-12, abs=1e-12)
        assert found >= share * start >= 0
        rate = found


def test_at_zero_the_additive_form_rises_again_and_the_multiplicative_stays():
    assert rates(Hypergradient(0.1, 1.0), [-1.0, 0.25]) == [0.0, 0.25]
    assert rates(Hypergradient(0.1, 1.0, True), [-2.0, 0.25]) == [0.0, 0.0]
    assert rates(Hypergradient(0.1, 1.0, True, 0.01), [-2.0, 1.0]) == [0.01, 0.02]


# Values -------------------------------------------------------------------------------------------

RULES = [Plateau(0.1, 0.5, 1, smoothing=0.5), Plateau(0.1, patience=0, mode="max", cooldown=2),
         Targets(0.1, (0.5, 2.0)), GradientNorm(0.1, 0.5), GradientRMS(0.1),
         Hypergradient(0.1, 0.01), Hypergradient(0.1, 0.01, True)]


@few
@given(st.sampled_from(RULES), values)
def test_a_state_survives_json_and_goes_on_as_before(rule, measured):
    for state in [rule.begin(), *states(rule, measured)]:
        back = type(state)(**json.loads(json.dumps(state._asdict(), allow_nan=False)))
        assert back == state
        assert rule.update(back, 1.5) == rule.update(state, 1.5)
        assert all(type(kept) in (float, int, type(None)) for kept in state)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_arrays_and_tensors_of_one_number_are_numbers(rule):
    expected = rule.update(rule.begin(), 1.5)
    for value in (np.float32(1.5), np.array(1.5), torch.tensor(1.5)):
        assert rule.update(rule.begin(), value) == expected


def test_update_changes_neither_the_rule_nor_the_old_state():
    for rule in RULES:
        state, name = rule.begin(), repr(rule)
        kept = repr(state)
        assert rule.update(state, 1.5) == rule.update(state, 1.5)
        assert (repr(state), repr(rule)) == (kept, name)
        assert rule in {rule}
    with pytest.raises(FrozenInstanceError):
        RULES[0].start = 1.0


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: Plateau(0), ValueError, "start must be more than 0, got 0"),
    (lambda: Plateau("0.1"), TypeError, "start must be a number, got '0.1'"),
    (lambda: Plateau(0.1, factor=1.0), ValueError, "factor must be between 0 and 1, got 1.0"),
    (lambda: Plateau(0.1, patience=-1), ValueError, "patience must be 0 or more, got -1"),
    (lambda: Plateau(0.1, patience=2.5), TypeError, "patience must be a whole number, got 2.5"),
    (lambda: Plateau(0.1, threshold=-1e-4), ValueError, "threshold must be 0 or more, got -0.0001"),
    (lambda: Plateau(0.1, threshold_mode="relative"), ValueError, "got 'relative'"),
    (lambda: Plateau(0.1, mode="auto"), ValueError, "got 'auto'"),
    (lambda: Plateau(0.1, cooldown=True), TypeError, "cooldown must be a whole number, got True"),
    (lambda: Plateau(0.1, min_rate=0.2), ValueError, "must not exceed start, got 0.2 and 0.1"),
    (lambda: Plateau(0.1, eps=inf), ValueError, "eps must be 0 or more, got inf"),
    (lambda: Plateau(0.1, smoothing=1), ValueError, "smoothing must be from 0 to below 1, got 1"),
    (lambda: Targets(0.1, ()), ValueError, "at least one"),
    (lambda: Targets(0.1, 0.9), TypeError, "targets must be a sequence of numbers, got 0.9"),
    (lambda: Targets(0.1, (0.9, 0.8)), ValueError, "strictly rising, got (0.9, 0.8)"),
    (lambda: Targets(0.1, (1, 1), mode="min"), ValueError, "strictly falling, got (1.0, 1.0)"),
    (lambda: Targets(0.1, (0.9, nan)), ValueError, "targets[1] must be finite, got nan"),
    (lambda: GradientNorm(0.1, power=-1), ValueError, "power must be 0 or more, got -1"),
    (lambda: GradientNorm(0.1, eps=0), ValueError, "eps must be more than 0, got 0"),
    (lambda: GradientNorm(0.1, power=50), ValueError, "must be finite, got 0.1 / 1e-08**50.0"),
    (lambda: GradientRMS(-0.1), ValueError, "base must be more than 0, got -0.1"),
    (lambda: GradientRMS(0.1, smoothing=-0.1), ValueError, "got -0.1"),
    (lambda: Hypergradient(-0.1, 0.1), ValueError, "start must be 0 or more, got -0.1"),
    (lambda: Hypergradient(0.1, -1), ValueError, "meta must be 0 or more, got -1"),
    (lambda: Hypergradient(0.1, 0.1, 1), TypeError, "multiplicative must be True or False, got 1"),
    (lambda: Hypergradient(0, 0.1, True), ValueError, "multiplicative form, got 0.0"),
    (lambda: Hypergradient(0.1, 0.1, min_rate=1), ValueError, "exceed start, got 1.0 and 0.1"),
])
def test_bad_rules(build, error, message):
    with pytest.raises(error) as raised:
        build()
    assert message in str(raised.value)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_bad_values_and_foreign_states(rule):
    for value in ("1.5", None, True, [1.0, 2.0], np.ones(2)):
        with pytest.raises(TypeError) as raised:
            rule.update(rule.begin(), value)
        assert repr(value) in str(raised.value)
    for state in ((0.1,), None, {"rate": 0.1}):
        with pytest.raises(TypeError) as raised:
            rule.update(state, 1.0)
        assert repr(state) in str(raised.value)


@pytest.mark.parametrize(("rule", "value"), [
    (GradientNorm(0.1), -1.0), (GradientNorm(0.1), nan), (GradientRMS(0.1), inf),
    (GradientRMS(0.1), -0.5), (Hypergradient(0.1, 0.1), nan), (Hypergradient(0.1, 0.1), -inf)])
def test_gradients_that_are_not_finite_or_norms_below_zero(rule, value):
    with pytest.raises(ValueError, match=f"got {value}"):
        rule.update(rule.begin(), value)


def test_states_of_other_rules_are_refused():
    with pytest.raises(TypeError, match=r"must be a PlateauState, got RateState\(rate=0.1\)"):
        Plateau(0.1).update(RateState(0.1), 1.0)
    with pytest.raises(TypeError, match=r"must be a RateState, got RMSState"):
        GradientNorm(0.1).update(RMSState(0.1, 0.0), 1.0)
