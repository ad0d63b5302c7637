"""The training loop: against a loop written out by hand, diverging, in several processes."""
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

import lrlib
from lrlib import models, train
from lrlib.repro import rng

X = np.random.default_rng(0).normal(size=(50, 4))
Y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
PLAN = lrlib.Linear(0.3, 0, steps=20).warmup(5)


def build():
    return models.mlp(4, 8, 3)


def by_hand(make, updates, seed, x=X):
    """What `fit` should do, written with nothing of lrlib but the random numbers."""
    net = models.initialise(build().to(torch.as_tensor(x).dtype), seed)
    optimizer = make(net.parameters())
    order, rows, losses = rng(seed, "batches"), [], []
    for t in range(updates):
        if not rows:
            permuted = order.permutation(len(x))
            rows = [permuted[i:i + 16] for i in range(0, len(x), 16)]
        picks = rows.pop(0)
        for group in optimizer.param_groups:
            group["lr"] = PLAN(t)
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(torch.as_tensor(x[picks])), torch.as_tensor(Y[picks]))
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return net, np.array(losses)


@pytest.mark.parametrize("make", [
    train.MOMENTUM,
    partial(torch.optim.SGD, lr=0.0),
    partial(torch.optim.AdamW, lr=0.0, weight_decay=0.1),
    partial(torch.optim.RMSprop, lr=0.0),
], ids=["momentum", "sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit_is_the_loop_written_by_hand(make, dtype):
    x, final = X.astype(dtype), []

    def measure(net):
        final.append([p.detach().clone() for p in net.parameters()])
        return {}

    run = train.fit(build, x, Y, PLAN, steps=30, batch=16, seed=5, optimizer=make, measure=measure)
    net, losses = by_hand(make, 30, 5, x)
    np.testing.assert_array_equal(run.losses, losses)
    np.testing.assert_array_equal(run.rates, PLAN(np.arange(30)))
    for ours, theirs in zip(final[0], net.parameters(), strict=True):
        assert ours.dtype == getattr(torch, dtype)
        assert torch.equal(ours, theirs)


def test_every_example_is_seen_once_an_epoch():
    seen = []
    x = np.arange(10.0)[:, None]

    def augment(inputs, draws):
        seen.extend(inputs[:, 0].tolist())
        return inputs

    train.fit(lambda: models.mlp(1, 3), x, np.zeros(10, "int64"), lrlib.Constant(0.01), steps=9,
              batch=4, augment=augment)
    for epoch in range(3):
        assert sorted(seen[10 * epoch:10 * epoch + 10]) == list(range(10))
    assert seen[:10] != seen[10:20]


def test_measuring_changes_nothing():
    def measure(net):
        net(torch.randn(1, 4, dtype=torch.float64))
        return {"training": net.training}
    quiet = train.fit(build, X, Y, PLAN, steps=30, batch=16)
    busy = train.fit(build, X, Y, PLAN, steps=30, batch=16, measure=measure,
                     checks=[0, 1, 7, 30])
    np.testing.assert_array_equal(quiet.losses, busy.losses)
    assert busy.checks.tolist() == [0, 1, 7, 30]
    assert busy.measured["training"].tolist() == [0, 0, 0, 0]     # evaluation mode


def test_equal_seeds_are_paired_and_other_seeds_are_not():
    a = train.fit(build, X, Y, PLAN, steps=1, batch=16, seed=1)
    b = train.fit(build, X, Y, lrlib.Constant(0.7), steps=1, batch=16, seed=1)
    c = train.fit(build, X, Y, PLAN, steps=1, batch=16, seed=2)
    assert a.losses[0] == b.losses[0] != c.losses[0]


def test_a_run_that_diverges_stops_and_says_when():
    run = train.fit(build, 1e3 * X, X[:, :3], lrlib.Constant(1e6), steps=40, batch=16,
                    loss=functional.mse_loss, measure=lambda net: {"one": 1.0}, checks=[0, 40])
    at = run.diverged_at
    assert 0 < at < 39
    assert np.isfinite(run.losses[:at]).all()
    assert np.isnan(run.losses[at + 1:]).all()
    assert np.isnan(run.rates[at + 1:]).all()
    assert run.rates[:at + 1].tolist() == [1e6] * (at + 1)
    np.testing.assert_array_equal(run.measured["one"], [1.0, np.nan])


def test_processes_change_no_bit():
    jobs = [dict(build=build, x=X, y=Y, schedule=rate * PLAN, steps=25, batch=16, seed=seed)
            for rate in (0.3, 1.0) for seed in (0, 1)]
    alone, two = train.fit_all(jobs, processes=1), train.fit_all(jobs, processes=2)
    for a, b in zip(alone, two, strict=True):
        np.testing.assert_array_equal(a.losses, b.losses)
    assert len({run.losses[-1] for run in alone}) == 4


def test_an_error_in_a_process_reaches_the_caller():
    jobs = [dict(build=build, x=X, y=Y, schedule=PLAN, steps=steps, batch=16) for steps in (3, 0)]
    with pytest.raises(ValueError, match="steps must be a whole number of 1 or more, got 0"):
        train.fit_all(jobs, processes=2)


def test_evaluation_does_not_depend_on_its_batches():
    net = models.initialise(build().double(), 0)
    whole = train.evaluate(net, X, Y)
    for batch in (1, 7, 50):
        assert train.evaluate(net, X, Y, batch) == pytest.approx(whole, rel=1e-12)
    loss = functional.cross_entropy(net(torch.as_tensor(X)), torch.as_tensor(Y)).item()
    assert whole[0] == pytest.approx(loss, rel=1e-12)


def test_what_was_not_measured_is_named():
    run = train.fit(build, X, Y, PLAN, steps=2, batch=16, measure=train.scores(train=(X, Y)))
    assert run.last("train accuracy") >= 0
    with pytest.raises(KeyError, match=r"'test loss' was not measured; there are \['train loss'"):
        run.last("test loss")


GOOD = dict(build=build, x=X, y=Y, schedule=PLAN, steps=10, batch=16)
BROKEN = np.where(np.arange(50)[:, None] == 3, np.nan, X)


@pytest.mark.parametrize(("change", "error", "message"), [
    (dict(build=build()), TypeError, "function that returns a new network"),
    (dict(schedule=0.1), TypeError, r"0\.1"),
    (dict(steps=0), ValueError, "got 0"),
    (dict(steps=2.5), ValueError, r"2\.5"),
    (dict(steps=True), ValueError, "True"),
    (dict(batch=-1), ValueError, "-1"),
    (dict(y=Y[:-1]), ValueError, "50 and 49"),
    (dict(x=X[:0], y=Y[:0]), ValueError, "0 and 0"),
    (dict(x=BROKEN), ValueError, "nan"),
    (dict(seed=-1), ValueError, "-1"),
    (dict(checks=[3, 3]), ValueError, r"\[3, 3\]"),
    (dict(checks=[-1, 3]), ValueError, r"\[-1, 3\]"),
    (dict(checks=[11]), ValueError, r"\[11\]"),
    (dict(checks=[]), ValueError, r"\[\]"),
])
def test_bad_input_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        train.fit(**GOOD | change)


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="got 0"):
        train.fit_all([], processes=0)
    with pytest.raises(ValueError, match="at least one part"):
        train.scores()
    with pytest.raises(ValueError, match="50 and 3"):
        train.evaluate(build(), X, Y[:3])
