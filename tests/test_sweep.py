"""The batched engine: every member is the run that `train.fit` makes, whoever is beside it."""
import io
import sys
import threading
import warnings
import zipfile
from dataclasses import dataclass, replace
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import lrlib
from lrlib import models, sweep, train
from lrlib.optimizers import SGD, Adadelta, AdaGrad, Adam, AdamW, Optimizer, RMSprop
from lrlib.repro import rng
from lrlib.sweep import Interrupted, Player, Sweep

torch.set_num_threads(1)
X = np.random.default_rng(0).normal(size=(50, 4))            # batches of 16, 16, 16 and 2
Y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
PLAN = lrlib.Linear(1, 0, steps=90).warmup(10)
PLANS = [rate * PLAN for rate in (0.01, 0.1)]


@pytest.fixture(autouse=True)
def _nothing_is_written(capfd):
    """No test here has a terminal, so no sweep may write anything."""
    yield
    assert capfd.readouterr() == ("", "")


def build():
    return models.mlp(4, 8, 3)


def weights(net):
    """Every parameter as something that is measured."""
    return {f"{name} {i}": value for name, p in net.named_parameters()
            for i, value in enumerate(p.detach().double().flatten().tolist())}


def equal_arrays(a, b):
    for name in ("rates", "losses", "checks", "diverged_at", "done", "seeds"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.measured.keys() == b.measured.keys()
    for name, values in a.measured.items():
        np.testing.assert_array_equal(values, b.measured[name], err_msg=name)


def equal_to_fit(found, runs, tolerance):
    """`found` [schedules, seeds] against `fit`: as many digits as the tolerance says."""
    for place, run in runs.items():
        np.testing.assert_array_equal(found.rates[place], run.rates)
        np.testing.assert_array_equal(found.checks, run.checks)
        assert found.diverged_at[place] == (-1 if run.diverged_at is None else run.diverged_at)
        np.testing.assert_allclose(found.losses[place], run.losses, tolerance, tolerance)
        assert found.measured.keys() == run.measured.keys()
        for name, values in run.measured.items():
            np.testing.assert_allclose(found.measured[name][place], values, tolerance, tolerance)


# The same runs as `fit` --------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": (SGD(), partial(torch.optim.SGD, lr=0.0)),
    "momentum": (None, train.MOMENTUM),
    "nesterov": (SGD(0.9, True, 0.01), partial(torch.optim.SGD, lr=0.0, momentum=0.9,
                                               nesterov=True, weight_decay=0.01)),
    "adam": (Adam(weight_decay=0.01), partial(torch.optim.Adam, weight_decay=0.01)),
    "adamw": (AdamW(0.8, 0.99, 1e-6, 0.1), partial(torch.optim.AdamW, betas=(0.8, 0.99), eps=1e-6,
                                                   weight_decay=0.1)),
    "rmsprop": (RMSprop(), torch.optim.RMSprop),
    "centred": (RMSprop(0.9, 0.5, True, weight_decay=0.01),
                partial(torch.optim.RMSprop, alpha=0.9, momentum=0.5, centered=True,
                        weight_decay=0.01)),
    "adagrad": (AdaGrad(0.1, weight_decay=0.01),
                partial(torch.optim.Adagrad, initial_accumulator_value=0.1, weight_decay=0.01)),
    "adadelta": (Adadelta(), torch.optim.Adadelta),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name, dtype):
    ours, theirs = OPTIMIZERS[name]
    x, seeds = X.astype(dtype), [3, 0]
    common = dict(steps=100, batch=16, measure=weights, checks=[0, 50, 100],
                  augment=lambda inputs, draws: inputs + 0.1 * draws.normal())
    found = sweep.sweep(build, x, Y, PLANS, seeds=seeds, optimizer=ours, **common)
    runs = {(i, j): train.fit(build, x, Y, plan, seed=seed, optimizer=theirs, **common)
            for i, plan in enumerate(PLANS) for j, seed in enumerate(seeds)}
    equal_to_fit(found, runs, 1e-10 if dtype == "float64" else 1e-4)
    assert len(np.unique(found.losses[..., -1])) == 4


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.there, self.back = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.back.weight = self.there.weight

    def forward(self, x):
        return self.back(self.there(x).tanh())


class HalfFrozen(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        self[0].requires_grad_(False)


stream = np.random.default_rng(1)
IMAGES, KINDS = stream.normal(size=(24, 1, 10, 10)), stream.integers(0, 3, 24)
TOKENS = stream.integers(0, 7, size=(24, 6))
NETWORKS = {
    "mlp": (lambda: models.mlp(100, 6, 3), IMAGES, KINDS),
    "cnn": (lambda: models.small_cnn(10, (3, 4), (3, 2), 2, 3), IMAGES, KINDS),
    "gru": (lambda: models.char_rnn(7, 5), TOKENS[:, :-1], TOKENS[:, 1:]),
    "lstm": (lambda: models.char_rnn(7, 5, nn.LSTM), TOKENS[:, :-1], TOKENS[:, 1:]),
    "rnn": (lambda: models.char_rnn(7, 5, nn.RNN), TOKENS[:, :-1], TOKENS[:, 1:]),
    "transformer": (lambda: models.transformer(7, 5, 8, 2, 1), TOKENS[:, :-1], TOKENS[:, 1:]),
    "norms": (lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, track_running_stats=False),
                                    nn.GELU(), nn.LayerNorm(6), nn.Dropout(0), nn.Linear(6, 3)),
              X[:48], Y[:48]),
    "tied": (Tied, X, Y),
    "half frozen": (HalfFrozen, X, Y),
}


@pytest.mark.parametrize(("name", "together"), [(name, None) for name in NETWORKS] + [("cnn", 1)])
def test_every_network(name, together):
    make, x, y = NETWORKS[name]
    plans, seeds = [rate * lrlib.Linear(1, 0, 15) for rate in (0.3, 0.03)], [2, 0]
    common = dict(steps=15, batch=16, measure=weights, checks=[0, 15])
    found = sweep.sweep(make, x, y, plans, seeds=seeds, together=together, **common)
    runs = {(i, j): train.fit(make, x, y, plan, seed=seed, **common)
            for i, plan in enumerate(plans) for j, seed in enumerate(seeds)}
    equal_to_fit(found, runs, 1e-10 if x.dtype.kind == "f" else 2e-5)
    assert not np.isclose(found.losses[0, 0, -1], found.losses[0, 0, 0], rtol=1e-3)    # it learns


def huber(outputs, targets):
    """A reader's loss, with a constant and a choice between tensors."""
    d = outputs - targets
    worth = torch.tensor([1.0, 2.0], dtype=d.dtype)
    return (worth * torch.where(d.abs() < 1, d * d / 2, d.abs() - 0.5)).mean()


@dataclass(frozen=True)
class Position(Optimizer):
    """A reader's optimizer: momentum as the last two positions."""
    momentum: float = 0.8

    def start(self, p):
        return (1 * p,)

    def step(self, p, g, state, rate, t):
        return p - rate * g + self.momentum * (1 - 0.1**t) * (p - state[0]), (p,)


class PositionInTorch(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.0})
        self.t = 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        for group in self.param_groups:
            for p in group["params"]:
                before = self.state[p].setdefault("before", p.clone())
                self.state[p]["before"] = p.clone()
                p.add_(0.8 * (1 - 0.1**self.t) * (p - before) - group["lr"] * p.grad)


def test_a_loss_and_an_optimizer_of_the_reader():
    common = dict(steps=40, batch=16, measure=weights, loss=huber)
    y = 3 * X[:, :2] ** 2
    make = lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))     # noqa: E731
    found = sweep.sweep(make, X, y, PLANS, seeds=[1], optimizer=Position(), **common)
    runs = {(i, 0): train.fit(make, X, y, plan, seed=1, optimizer=PositionInTorch, **common)
            for i, plan in enumerate(PLANS)}
    equal_to_fit(found, runs, 1e-10)


# Games -------------------------------------------------------------------------------------------

DATA = np.random.default_rng(2).normal(3, 0.5, size=(40, 2))


def generate(noise):
    return noise.normal(size=(16, 3))


def real(critic, points):
    return functional.softplus(-critic(points)).mean()


def faked(critic, points):
    return functional.softplus(critic(points)).mean()


def critic_loss(nets, batch, noise):
    return real(nets["critic"], batch[0]) + faked(nets["critic"], nets["artist"](noise))


def artist_loss(nets, batch, noise):
    return real(nets["critic"], nets["artist"](noise))


GAN = {"critic": Player(lambda: models.mlp(2, 6, 1), critic_loss, Adam(0.5)),
       "artist": Player(lambda: models.mlp(3, 5, 2), artist_loss, RMSprop())}
GAME = dict(data=(DATA,), steps=25, batch=16, noise=generate)


def measure_game(nets):
    return {f"{name} {key}": value for name, net in nets.items()
            for key, value in weights(net).items()}


def game_by_hand(names, plans, seed):
    """The GAN written out in torch, the players in the order of `names`."""
    nets = {name: models.initialise(GAN[name].build().double(), seed) for name in names}
    optimizers = {"critic": torch.optim.Adam(nets["critic"].parameters(), betas=(0.5, 0.999)),
                  "artist": torch.optim.RMSprop(nets["artist"].parameters())}
    noises = {name: rng(seed, f"noise {name}") for name in names}
    order, rows, losses = rng(seed, "batches"), [], []
    for t in range(25):
        if not rows:
            permuted = order.permutation(40)
            rows = [permuted[i:i + 16] for i in range(0, 40, 16)]
        points = torch.from_numpy(DATA[rows.pop(0)])
        losses.append([])
        for name in names:
            noise = torch.from_numpy(generate(noises[name]))
            optimizers[name].param_groups[0]["lr"] = float(plans[name](t))
            optimizers[name].zero_grad()
            if name == "critic":
                fakes = nets["artist"](noise).detach()
                loss = real(nets["critic"], points) + faked(nets["critic"], fakes)
            else:
                loss = real(nets["critic"], nets["artist"](noise))
            loss.backward()
            optimizers[name].step()
            losses[-1].append(loss.item())
    return measure_game(nets), np.array(losses).T


@pytest.mark.parametrize("names", [["critic", "artist"], ["artist", "critic"]])
def test_a_game_is_the_loop_written_by_hand(names):
    plans = {"critic": lrlib.Linear(0.05, 0.01, 25), "artist": lrlib.Constant(0.02)}
    arms = [[plans[name] for name in names], [0.5 * plans[name] for name in names]]
    found = sweep.play({name: GAN[name] for name in names}, schedules=arms, seeds=[4, 1],
                       measure=measure_game, **GAME)
    assert found.axes == ("schedule", "seed", "player", "update")
    assert found.losses.shape == found.rates.shape == (2, 2, 2, 25)
    for i, factor in enumerate((1, 0.5)):
        for j, seed in enumerate((4, 1)):
            scaled = {name: factor * plan for name, plan in plans.items()}
            final, losses = game_by_hand(names, scaled, seed)
            np.testing.assert_allclose(found.losses[i, j], losses, 1e-10)
            for k, name in enumerate(names):
                np.testing.assert_array_equal(found.rates[i, j, k], scaled[name](np.arange(25)))
            for key, value in final.items():
                np.testing.assert_allclose(found.last(key)[i, j], value, 1e-9, 1e-12)
            other, _ = game_by_hand(names[::-1], scaled, seed)       # the order counts
            assert max(abs(other[key] - value) for key, value in final.items()) > 1e-4


def test_every_seed_and_player_has_noise_of_its_own():
    drawn = []

    def noise(generator):
        drawn.append(generator.normal(size=(16, 3)))
        return drawn[-1]

    game = GAME | dict(steps=1, noise=noise)
    sweep.play(GAN, schedules=[[lrlib.Constant(0.1)] * 2] * 3, seeds=[7, 8], together=6, **game)
    *_, a, b, c, d = drawn                       # once a seed and turn, shared by the schedules
    wanted = [rng(seed, f"noise {name}").normal(size=(16, 3))
              for name in GAN for seed in (7, 8)]
    np.testing.assert_array_equal([a, b, c, d], wanted)
    assert len(drawn) == 4 + 2                   # and for one seed while the step is traced


# A member is the same in every population --------------------------------------------------------

@st.composite
def populations(draw):
    dtype = draw(st.sampled_from(["float32", "float64"]))
    widths = draw(st.lists(st.integers(1, 33), min_size=1, max_size=2))
    classes, size, batch = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(
        st.integers(1, 24))
    optimizer = draw(st.sampled_from([SGD(), SGD(0.9), Adam(), RMSprop(0.9, 0.9, True)]))
    squares = draw(st.booleans())
    plans = draw(st.lists(st.sampled_from([0.001, 0.01, 0.03, 0.1, 0.3, 1e30]), min_size=1,
                          max_size=4, unique=True))
    seeds = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
    together = draw(st.one_of(st.none(), st.integers(1, 12)))
    stream = np.random.default_rng(draw(st.integers(0, 99)))
    x = stream.normal(size=(size, widths[0])).astype(dtype)
    y = stream.normal(size=(size, classes)).astype(dtype) if squares else stream.integers(
        0, classes, size)
    return (dict(build=lambda: models.mlp(*widths, classes), x=x, y=y, steps=6, batch=batch,
                 optimizer=optimizer, measure=weights, checks=[0, 3, 6],
                 loss=functional.mse_loss if squares else functional.cross_entropy),
            plans, seeds, together, draw(st.integers(0, 99)))


@settings(max_examples=12)
@given(populations())
def test_a_member_of_an_mlp_has_the_same_bits_in_every_population(population):
    common, rates, seeds, together, pick = population
    plans = [rate * lrlib.Linear(1, 0.5, 6) for rate in rates]
    found = sweep.sweep(schedules=plans, seeds=seeds, together=together, **common)
    i, j = pick % len(plans), pick % len(seeds)
    alone = sweep.sweep(schedules=plans[i], seeds=[seeds[j]], together=1, **common)
    for ours, other in ((found.rates[i, j], alone.rates[0]), (found.losses[i, j], alone.losses[0]),
                        (found.diverged_at[i, j], alone.diverged_at[0])):
        np.testing.assert_array_equal(ours, other)
    for name, values in alone.measured.items():
        np.testing.assert_array_equal(found.measured[name][i, j], values[0])


@pytest.mark.parametrize(("name", "dtype"), [
    ("cnn", "float32"), ("cnn", "float64"), ("gru", "float32"), ("lstm", "float32"),
    ("transformer", "float32")])
def test_members_of_other_networks_agree_to_rounding(name, dtype):
    """Bits are for ReLU: exp, tanh and their like round otherwise in the last lanes of a vector.

    A batched convolution is another kernel.  Measured: the losses of 15 updates differ by at most
    4e-7 of their size in float32, 5e-16 in float64.
    """
    make, x, y = NETWORKS[name]
    x = x.astype(dtype) if x.dtype.kind == "f" else x
    plans = [rate * lrlib.Linear(1, 0, 15) for rate in (0.3, 0.1, 0.03)]
    alone, others = (sweep.sweep(make, x, y, plans, seeds=[2, 0], steps=15, batch=7,
                                 together=together).losses for together in (1, 6))
    assert abs(others / alone - 1).max() < (1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("together", [1, 5])
def test_threads_take_turns(together):
    who = lambda net: {"thread": threading.get_ident()}                           # noqa: E731
    common = dict(steps=20, batch=16, seeds=range(3), together=together, measure=who)
    alone = sweep.sweep(build, X, Y, PLANS, processes=1, **common)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = sweep.sweep(build, X, Y, PLANS, **common)
    np.testing.assert_array_equal(found.losses, alone.losses)
    assert threading.get_ident() in alone.last("thread")
    assert threading.get_ident() not in found.last("thread")


# Diverging ---------------------------------------------------------------------------------------

WILD = lrlib.Constant(1e200)


def test_a_member_that_diverges_is_frozen_and_harms_no_other():
    plans = [PLANS[0], WILD, lrlib.Constant(0.1, 5).then(WILD), PLANS[1]]
    common = dict(steps=20, batch=16, loss=functional.mse_loss, measure=weights,
                  checks=[0, 5, 20])
    y = X[:, :3] ** 2
    found = sweep.sweep(build, X, y, plans, seeds=[0, 1], together=8, **common)
    runs = {(i, j): train.fit(build, X, y, plan, seed=seed, **common)
            for i, plan in enumerate(plans) for j, seed in enumerate([0, 1])}
    for place, run in runs.items():
        assert found.diverged_at[place] == (-1 if run.diverged_at is None else run.diverged_at)
        np.testing.assert_array_equal(found.rates[place], run.rates)
        np.testing.assert_array_equal(np.isnan(found.losses[place]), np.isnan(run.losses))
        for name, values in run.measured.items():
            np.testing.assert_array_equal(np.isnan(found.measured[name][place]), np.isnan(values))
    assert (found.diverged_at >= 0).tolist() == [[False] * 2, [True] * 2, [True] * 2, [False] * 2]
    assert 0 < found.diverged_at[1, 0] < 5 < found.diverged_at[2, 0] < 19
    assert found.done.all()
    tame = sweep.sweep(build, X, y, [plans[0], plans[3]], seeds=[0, 1], **common)
    np.testing.assert_array_equal(found.losses[[0, 3]], tame.losses)
    for name, values in tame.measured.items():
        np.testing.assert_array_equal(found.measured[name][[0, 3]], values)
    assert np.isfinite(tame.losses).all()


def test_a_population_of_dead_members_stops():
    calls = []

    def augment(inputs, draws):
        calls.append(1)
        return inputs

    found = sweep.sweep(build, X, X[:, :3], [WILD], steps=500, batch=16, seeds=[0, 1],
                        loss=functional.mse_loss, augment=augment)
    assert (found.diverged_at < 10).all()
    assert 0 < len(calls) < 30
    assert np.isnan(found.losses[0, :, 10:]).all()


def test_a_game_dies_with_one_of_its_players():
    plans = [[lrlib.Constant(0.01), WILD], [lrlib.Constant(0.01)] * 2]
    found = sweep.play(GAN, schedules=plans, seeds=[0], measure=measure_game,
                       **GAME | dict(steps=12))
    at = found.diverged_at[0, 0]
    assert 0 <= at < 11
    assert found.diverged_at[1, 0] == -1
    assert np.isnan(found.losses[0, 0, :, at + 1:]).all()
    assert np.isnan(found.rates[0, 0, :, at + 1:]).all()
    assert np.isfinite(found.losses[1]).all()
    assert all(np.isnan(values[0]).all() and np.isfinite(values[1]).all()
               for values in found.measured.values())


# Shapes ------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("nested", "shape", "axes", "named"), [
    (PLAN, (), None, ()),
    ([PLAN], (1,), None, ("schedule",)),
    ((PLAN, 0.5 * PLAN), (2,), ["rate"], ("rate",)),
    ([[PLAN, 0.5 * PLAN, 0.1 * PLAN], [0.2 * PLAN, 0.3 * PLAN, PLAN]], (2, 3), None,
     ("schedule 0", "schedule 1")),
    ([[[0.1 * PLAN], [PLAN]]], (1, 2, 1), ("a", "b", "c"), ("a", "b", "c")),
])
def test_shapes_follow_the_lists(nested, shape, axes, named):
    found = sweep.sweep(build, X, Y, nested, steps=3, batch=25, seeds=[5, 2], axes=axes,
                        checks=[1, 3], measure=lambda net: {"one": 1.0, "two": 2})
    assert found.axes == (*named, "seed", "update")
    assert found.losses.shape == found.rates.shape == (*shape, 2, 3)
    assert found.schedules.shape == shape
    assert found.diverged_at.shape == found.done.shape == (*shape, 2)
    assert found.measured["two"].shape == (*shape, 2, 2)
    assert found.seeds.tolist() == [5, 2]
    for place in np.ndindex(*shape):
        entry = nested
        for i in place:
            entry = entry[i]
        assert found.schedules[place] == entry
        np.testing.assert_array_equal(found.rates[place], [entry(np.arange(3))] * 2)
    with pytest.raises(KeyError, match=r"'three' was not measured; there are \['one', 'two'\]"):
        found.last("three")


# Refusals ----------------------------------------------------------------------------------------

GOOD = dict(build=build, x=X, y=Y, schedules=PLANS, steps=10, batch=16, seeds=[0, 1])
NAN, INF = np.where(np.arange(50)[:, None] == 3, np.nan, X), X.copy()
INF[7, 1] = -np.inf


def with_layer(*layers):
    return lambda: nn.Sequential(nn.Linear(4, 4), *layers, nn.Linear(4, 3))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.GRU(4, 3, num_layers=2, dropout=0.25)

    def forward(self, x):
        return self.recurrent(x[None])[0][0]


class Noisy(nn.Linear):
    def forward(self, x):
        return functional.dropout(super().forward(x), 0.5)


@pytest.mark.parametrize(("change", "error", "message"), [
    (dict(schedules=[]), ValueError, r"empty, got \[\]"),
    (dict(schedules=[[PLAN], []]), ValueError, r"evenly, got \[\] where 1"),
    (dict(schedules=[[], []]), ValueError, r"empty, got \[\[\], \[\]\]"),
    (dict(schedules=[[PLAN, PLAN], [PLAN]]), ValueError, "nested evenly, got .* where 2"),
    (dict(schedules=[PLAN, [PLAN]]), TypeError, r"a schedule must be a Schedule, got \["),
    (dict(schedules=[[PLAN], PLAN]), ValueError, "nested evenly"),
    (dict(schedules=[0.1]), TypeError, r"got 0\.1"),
    (dict(schedules=np.array([0.5, 0.1])), TypeError, r"got .*0\.5"),
    (dict(schedules=None), TypeError, "None"),
    (dict(seeds=[]), ValueError, r"one or more, all different, got \[\]"),
    (dict(seeds=3), TypeError, r"a sequence such as range\(8\), got 3"),
    (dict(seeds=[3, 1, 3]), ValueError, r"\[3, 1, 3\]"),
    (dict(seeds=[-1]), ValueError, "a seed must be .* got -1"),
    (dict(seeds=[0.5]), ValueError, r"0\.5"),
    (dict(seeds=[True]), ValueError, "True"),
    (dict(steps=0), ValueError, "steps must be .* got 0"),
    (dict(steps=2.5), ValueError, r"2\.5"),
    (dict(batch=-1), ValueError, "batch must be .* got -1"),
    (dict(x=X[:0], y=Y[:0]), ValueError, r"\[0, 0\]"),
    (dict(y=Y[:-1]), ValueError, r"\[50, 49\]"),
    (dict(x=NAN), ValueError, "must be finite, got nan"),
    (dict(x=INF), ValueError, "must be finite, got -inf"),
    (dict(y=NAN[:, :3], loss=functional.mse_loss), ValueError, "must be finite, got nan"),
    (dict(checks=[3, 3]), ValueError, r"\[3, 3\]"),
    (dict(checks=[5, 3]), ValueError, r"\[5, 3\]"),
    (dict(checks=[-1]), ValueError, r"\[-1\]"),
    (dict(checks=[11]), ValueError, r"0 to 10, got \[11\]"),
    (dict(checks=[]), ValueError, r"\[\]"),
    (dict(together=0), ValueError, "together must be .* got 0"),
    (dict(together=1.5), ValueError, r"1\.5"),
    (dict(processes=0), ValueError, "processes must be .* got 0"),
    (dict(processes=-1), ValueError, "-1"),
    (dict(axes=("a", "b")), ValueError, r"1 levels of schedules, got \('a', 'b'\)"),
    (dict(axes=()), ValueError, r"got \(\)"),
    (dict(build=build()), TypeError, "function that returns a new network, got Sequential"),
    (dict(build=lambda: 3), TypeError, "must return a torch.nn.Module, got 3"),
    (dict(build=None), TypeError, "got None"),
    (dict(optimizer=torch.optim.SGD), TypeError, "value of lrlib.optimizers, got <class"),
    (dict(optimizer=torch.optim.SGD(build().parameters(), 0.1)), TypeError, "got SGD"),
    (dict(optimizer=SGD), TypeError, "lrlib.optimizers, got <class"),
    (dict(optimizer="adam"), TypeError, "'adam'"),
    (dict(build=with_layer(nn.BatchNorm1d(4))), ValueError,
     r"'1' \(BatchNorm1d\).* running statistics.*LayerNorm"),
    (dict(build=with_layer(nn.ReLU(), nn.Dropout(0.1))), ValueError,
     r"'2' \(Dropout\) .* random numbers"),
    (dict(build=Recurrent), ValueError, r"'recurrent' \(GRU\).* random numbers"),
    (dict(build=lambda: Noisy(4, 3)), ValueError, "cannot be traced .*random"),
    (dict(build=with_layer(nn.PReLU())), TypeError, "PReLU"),
    (dict(build=lambda: models.mlp(5, 3)), ValueError, "cannot be traced .*"),
    (dict(loss=lambda o, t: functional.cross_entropy(o, t).item()), ValueError,
     "cannot be traced .*item"),
    (dict(loss=lambda o, t: o.mean() if o.mean() > 0 else -o.mean()), ValueError,
     "cannot be traced .*control flow"),
    (dict(loss=lambda o, t: torch.tensor(o.detach().numpy().mean())), ValueError,
     "cannot be traced"),
    (dict(loss=lambda o, t: functional.cross_entropy(o, t, reduction="none")), ValueError,
     "cannot be traced .*scalar"),
    (dict(device="no such device"), (ValueError, RuntimeError), "device"),
])
def test_bad_input_is_refused_before_any_training(change, error, message):
    trained = []

    def measure(net):
        trained.append(1)
        return {}

    with pytest.raises(error, match=f"(?s){message}"):
        sweep.sweep(**GOOD | dict(measure=measure, checks=[0, 1]) | change)
    assert trained == []


@pytest.mark.parametrize(("change", "error", "message"), [
    (dict(players={}), ValueError, "one Player or more, got {}"),
    (dict(players={"critic": build}), ValueError, "dict of one Player or more, got .*critic"),
    (dict(schedules=[PLAN, PLAN, PLAN]), ValueError, r"\['critic', 'artist'\], got shape \(3,\)"),
    (dict(schedules=[[PLAN]]), ValueError, r"got shape \(1, 1\)"),
    (dict(schedules=PLAN), ValueError, r"got shape \(\)"),
    (dict(data=()), ValueError, r"got \[\]"),
    (dict(data=(DATA, DATA[:3])), ValueError, r"\[40, 3\]"),
    (dict(data=(DATA, np.full(40, np.inf))), ValueError, "finite, got inf"),
    (dict(players=GAN | {"artist": replace(GAN["artist"], build=with_layer(nn.Dropout()))}),
     ValueError, "Dropout.* of artist draws"),
])
def test_a_bad_game_is_refused_before_any_training(change, error, message):
    trained = []
    good = GAME | dict(players=GAN, schedules=[[PLAN, PLAN]], checks=[0],
                       measure=lambda nets: trained.append(1) or {})
    with pytest.raises(error, match=f"(?s){message}"):
        sweep.play(**good | change)
    assert trained == []


def test_data_may_be_read_only_or_a_view():
    x, y = X.copy(), Y.copy()
    x.flags.writeable = y.flags.writeable = False
    backwards = X[::-1].copy()[::-1]             # and lie in memory in any order
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = sweep.sweep(**GOOD | dict(x=x, y=y))
            other = sweep.sweep(**GOOD | dict(x=backwards))
    finally:
        torch.set_warn_always(False)
    for losses in (found.losses, other.losses):
        np.testing.assert_array_equal(losses, sweep.sweep(**GOOD).losses)


def test_an_error_in_measuring_is_the_reader_s_own():
    def measure(net):
        raise ZeroDivisionError("of the reader")

    with pytest.raises(ZeroDivisionError, match="of the reader"):
        sweep.sweep(**GOOD, measure=measure)


# Files -------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    found = sweep.sweep(**GOOD | dict(schedules=[[PLAN, WILD], PLANS], measure=lambda net: {
        "a b": net[1].bias[0].item(), "measured": 1}, checks=[0, 10]))
    path = tmp_path_factory.mktemp("files") / "found.sweep"
    found.save(path)
    return found, path


def test_a_file_brings_everything_back(stored, tmp_path):
    found, path = stored
    again = Sweep.load(path)
    equal_arrays(found, again)
    assert again.axes == found.axes == ("schedule 0", "schedule 1", "seed", "update")
    assert again.schedules.tolist() == found.schedules.tolist()
    assert again.fingerprint == found.fingerprint
    game = sweep.play(GAN, schedules=[[[PLAN, 0.1 * PLAN]]], seeds=[3], **GAME)
    game.save(str(tmp_path / "game"))
    again = Sweep.load(str(tmp_path / "game"))
    equal_arrays(game, again)
    assert again.schedules.tolist() == game.schedules.tolist() == [[[PLAN, 0.1 * PLAN]]]


def test_a_damaged_file_is_refused_or_says_the_same(tmp_path):
    """Every byte in turn, and every length."""
    found = sweep.sweep(**GOOD | dict(schedules=[PLAN], seeds=[0], steps=1),
                        measure=lambda net: {"one": 1})
    path = tmp_path / "whole"
    found.save(path)
    whole, same = path.read_bytes(), 0
    damaged = [whole[:i] + bytes([byte ^ mask]) + whole[i + 1:] for mask in (1, 255)
               for i, byte in enumerate(whole)]
    for content in damaged + [whole[:i] for i in range(0, len(whole), 7)]:
        path.write_bytes(content)
        try:
            again = Sweep.load(path)        # a zip file has bytes that say nothing, such as times
        except ValueError as error:
            assert "damaged" in str(error)  # noqa: PT017
        else:
            same += 1
            equal_arrays(found, again)
            assert again.schedules.tolist() == found.schedules.tolist()
    assert 0 < same < len(whole) / 4


def test_other_files_are_refused(stored, tmp_path):
    _, path = stored
    with zipfile.ZipFile(path) as file:
        head, body = file.read("sweep.json").decode(), file.read("arrays.npz")

    def file_with(**parts):
        with zipfile.ZipFile(tmp_path / "other", "w") as file:
            for name, text in parts.items():
                file.writestr(name.replace("_", "."), text)
        return tmp_path / "other"

    changed = bytearray(body)
    changed[len(body) // 2] ^= 1
    for parts, message in (
            (dict(sweep_json=head.replace('"version": 1', '"version": 7'), arrays_npz=body),
             "other has version 7, expected 1"),
            (dict(sweep_json=head, arrays_npz=bytes(changed)), "damaged: SHA-256 .* expected"),
            (dict(sweep_json=head), "other is .*damaged"),
            (dict(arrays_npz=body), "other is .*damaged"),
            (dict(sweep_json=head[:-1], arrays_npz=body), "other is .*damaged"),
            (dict(sweep_json="[]", arrays_npz=body), "other "),
            (dict(sweep_json='{"version": 1}', arrays_npz=body), "other ")):
        with pytest.raises(ValueError, match=message):
            Sweep.load(file_with(**parts))
    np.savez(tmp_path / "arrays.npz", x=X)
    (tmp_path / "empty").write_bytes(b"")
    for name in ("arrays.npz", "empty"):
        with pytest.raises(ValueError, match=f"{name} is not a stored sweep"):
            Sweep.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Sweep.load(tmp_path / "nowhere")


def test_what_cannot_be_written_leaves_the_file_as_it_was(stored, tmp_path, monkeypatch):
    found, path = stored
    target = tmp_path / "kept"
    target.write_bytes(path.read_bytes())

    def full(*arguments, **more):
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="no space left"):
        found.save(target)
    monkeypatch.undo()
    equal_arrays(Sweep.load(target), found)
    found.save(target)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


# Stores ------------------------------------------------------------------------------------------

class Measure:
    """Counts its calls and is interrupted at one of them."""

    def __init__(self, stop=None):
        self.calls, self.stop = 0, stop

    def __call__(self, net):
        self.calls += 1
        if self.calls == self.stop:
            raise KeyboardInterrupt
        return {"bias": net[1].bias[0].item()}


@pytest.mark.parametrize("saving", [sweep.SAVING, 1e9])      # 1e9: after a piece no second time
@pytest.mark.parametrize(("stop", "trained"), [(1, 0), (2, 2), (4, 4)])
def test_a_sweep_goes_on_where_it_was_interrupted(stop, trained, saving, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "SAVING", saving)
    common = GOOD | dict(schedules=[[PLAN, WILD, PLANS[0]]], seeds=[3, 0], together=2,
                         processes=1, loss=functional.mse_loss, y=X[:, :3], checks=[10])
    whole = sweep.sweep(**common, measure=Measure())          # three pieces of two members
    assert (whole.diverged_at[0, 1] >= 0).all()
    store, first, second, third = tmp_path / "store", Measure(stop), Measure(), Measure()
    with pytest.raises(Interrupted, match=f"with {trained} of 6 members") as caught:
        sweep.sweep(**common, measure=first, store=store)
    part = caught.value.partial
    done = part.done
    assert part.axes == whole.axes
    assert done.sum() == trained
    np.testing.assert_array_equal(part.losses[done], whole.losses[done])
    assert np.isnan(part.losses[~done]).all()
    assert (part.diverged_at[~done] == -1).all()
    if done.any():
        np.testing.assert_array_equal(part.last("bias")[done], whole.last("bias")[done])
        assert np.isnan(part.last("bias")[~done]).all()

    again = sweep.sweep(**common, measure=second, store=store)
    equal_arrays(again, whole)
    alive = whole.diverged_at < 0
    assert second.calls == (alive & ~done).sum()             # the rest and nothing else
    equal_arrays(sweep.sweep(**common, measure=third, store=store), whole)
    assert third.calls == 0


def test_an_interrupted_game_keeps_its_players(tmp_path):
    calls = []

    def measure(nets):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure_game(nets)

    common = GAME | dict(players=GAN, schedules=[[PLAN, PLAN], PLANS], seeds=[0, 1], together=1,
                         processes=1, steps=2)
    with pytest.raises(Interrupted, match="with 1 of 4") as caught:
        sweep.play(**common, measure=measure, store=tmp_path / "game")
    assert caught.value.partial.losses.shape == (2, 2, 2, 2)
    again = sweep.play(**common, measure=measure, store=tmp_path / "game")
    equal_arrays(again, sweep.play(**common, measure=measure_game))


def other_build():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def weighted(worth):
    return lambda outputs, targets: functional.cross_entropy(
        outputs, targets, torch.tensor(worth, dtype=outputs.dtype))


KEPT = GOOD | dict(loss=weighted([1.0, 2.0, 1.0]))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "store"
    sweep.sweep(**KEPT, measure=Measure(), store=path)
    return path


@pytest.mark.parametrize("change", [
    dict(schedules=[PLANS[0], 0.5 * PLANS[1]]), dict(schedules=[PLANS]), dict(x=X + 1e-9),
    dict(x=X.astype("float32")), dict(y=(Y + 1) % 3), dict(loss=functional.cross_entropy),
    dict(loss=weighted([1.0, 2.0, 2.0])), dict(build=other_build), dict(steps=11),
    dict(batch=8), dict(seeds=[0, 2]), dict(seeds=[1, 0]), dict(optimizer=SGD(0.9, True)),
    dict(optimizer=SGD(0.8)), dict(checks=[0, 10]),
], ids=lambda change: next(iter(change)))
def test_a_store_of_another_experiment_is_refused(change, store):
    before, measure = store.read_bytes(), Measure()
    with pytest.raises(ValueError, match="store holds another experiment"):
        sweep.sweep(**KEPT | change | dict(measure=measure), store=store)
    assert store.read_bytes() == before
    assert measure.calls == 0


def test_what_changes_no_result_is_no_other_experiment(store):
    measure, plain = Measure(), sweep.sweep(**KEPT, measure=Measure())
    again = sweep.sweep(**KEPT | dict(together=1, axes=["rate"], measure=measure), store=store)
    assert again.axes == ("rate", "seed", "update")
    equal_arrays(again, plain)
    assert measure.calls == 0


def test_a_saved_result_is_no_store(tmp_path):
    path = tmp_path / "saved"
    sweep.sweep(**GOOD).save(path)
    with pytest.raises(ValueError, match="saved holds a saved result, not a store"):
        sweep.sweep(**GOOD, store=path)


# A terminal --------------------------------------------------------------------------------------

class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_how_far_it_is(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    sweep.sweep(**GOOD)
    assert "members" in terminal.getvalue()
    assert "4/4" in terminal.getvalue() or "0/4" in terminal.getvalue()
