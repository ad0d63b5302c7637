"""Experiments: schedules x seeds, trained as one batched computation.

A sweep trains one network under many schedules and seeds.  Its members are stacked and updated
together by one `lrlib.program.Program`: what costs most in a small run, everything around the
arithmetic, is then paid once for all of them.  Each member is the run that `train.fit` makes,
with the same initial weights, batches and rates, up to rounding: the sums are taken in another
order.  Whoever else is in its population changes no bit of a ReLU network, and others by
rounding, since vectorised functions such as exp treat the ends of arrays in another way.

Cost.  Let u be the CPU seconds of one update of one member, measured on one small sweep, and M,
T, C the numbers of members, updates and cores: a sweep takes about u M T / C seconds, plus a
second or less in each process for tracing.  The memory of a process is that of the `together`
members it trains at a time (by default 64 megabytes, or one member if that is more) and one copy
of the data; results take 16 bytes for each member, player and update.  100 000 members of 1 000
updates thus need 1.6 gigabytes in the calling process, and less with a sweep for each block of
schedules.  Measured on one core of an EPYC server in float32: u is 4 microseconds for an MLP
2-16-2, 13 for 40-32-10, 74 for 196-64-10 (batches of 32, 32 and 64), 3 milliseconds for a GRU
with 64 units, 4 for a Transformer 48 wide; a member takes 0.01, 0.04, 0.25, 3 and 7 megabytes.

On a cluster the same call is made inside `joblib.parallel_config(backend="dask")`, with a
`distributed.Client` open, or with `backend="ray"` after `ray.util.joblib.register_ray()`.  A
task is a piece of `together` members; choose it so that a task lasts a minute or more.  The data
go to each machine once, but what `measure` and `augment` hold travels with every task, so let
them load large arrays themselves.  Give a `store`: what is finished survives the caller.
"""
from __future__ import annotations

import hashlib
import io
import json
import math
import os
import sys
import threading
import time
import uuid
import warnings
import zipfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .extras import extra
from .models import initialise
from .optimizers import SGD, Optimizer
from .program import Program
from .repro import rng
from .schedules import Schedule

with extra("torch"):
    import joblib
    import torch
    from joblib.parallel import get_active_backend
    from torch.func import functional_call, grad_and_value, vmap
    from torch.nn import functional
    from tqdm import tqdm

__all__ = ["Player", "Sweep", "Interrupted", "sweep", "play"]

NEAR, ROOM = 4e6, 64e6      # bytes of a population that stay near the processor; that it may take
CALLS = 40             # operations a step for each member: calling them then costs little
PAYS = 10.0            # seconds of remaining work from which a second process pays
SAVING = 10            # times what it takes to store all results, before that is done again
TRIES = 3              # times a piece of work is given to workers that die
VERSION = 1


@dataclass(frozen=True)
class Player:
    """One network of a game: how it is built, what it wants, how it learns.

    Args:
        build: a function without arguments that returns a new nn.Module.
        loss: a function (networks, batch, noise) -> scalar tensor, which this player lowers.
            networks is a dict of name to callable, batch a tuple of tensors, noise what the
            game's `noise` drew for this turn, or None.
        optimizer: a value of `lrlib.optimizers`.

    Returns:
        an immutable value.

    Raises:
        TypeError: a network instead of a function that builds one, no optimizer.

    Examples:
        >>> from lrlib.optimizers import Adam
        >>> player = Player(lambda: torch.nn.Linear(2, 1), lambda nets, batch, noise:
        ...                 nets["critic"](batch[0]).mean(), Adam())
        >>> player.optimizer.beta1
        0.9
    """

    build: Any
    loss: Any
    optimizer: Optimizer = field(default_factory=lambda: SGD(momentum=0.9))

    def __post_init__(self):
        if isinstance(self.build, torch.nn.Module) or not callable(self.build):
            raise TypeError(f"build must be a function that returns a new network, got "
                            f"{self.build!r}")
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(f"optimizer must be a value of lrlib.optimizers, got "
                            f"{self.optimizer!r}")


class Interrupted(KeyboardInterrupt):
    """A sweep was interrupted; `partial` is the Sweep with what was finished.

    Examples:
        >>> issubclass(Interrupted, KeyboardInterrupt)
        True
    """

    def __init__(self, partial):
        super().__init__(f"interrupted with {int(partial.done.sum())} of {partial.done.size} "
                         "members trained; .partial holds them")
        self.partial = partial


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep did: plain arrays with named axes.

    Args:
        axes: names of the axes of `losses`, such as ("schedule", "seed", "update").
        schedules: object array of the Schedules [schedules...], with a last axis of players
            after a game.
        seeds: int array [seeds].
        rates: float64 [schedules..., seeds, updates]: the rates that the updates used; NaN
            after a member has diverged.
        losses: float64, same shape: the loss of each update's batch before it.
        checks: int array: numbers of updates after which something was measured.
        measured: dict of name to float64 [schedules..., seeds, checks].
        diverged_at: int [schedules..., seeds]: the update whose loss was not finite, -1 for none.
        done: bool [schedules..., seeds]: which members are trained; all, but for a part.
        fingerprint: text that is equal for equal experiments.

    Returns:
        an immutable record.

    Examples:
        >>> from lrlib import Constant, models
        >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
        >>> found = sweep(lambda: models.mlp(1, 8, 1), x, x**2, [Constant(0.1), Constant(1e9)],
        ...               steps=20, batch=16, seeds=range(3), loss=functional.mse_loss)
        >>> found.axes, found.losses.shape
        (('schedule', 'seed', 'update'), (2, 3, 20))
        >>> (found.diverged_at >= 0).tolist()
        [[False, False, False], [True, True, True]]
    """

    axes: tuple[str, ...]
    schedules: np.ndarray
    seeds: np.ndarray
    rates: np.ndarray
    losses: np.ndarray
    checks: np.ndarray
    measured: dict[str, np.ndarray]
    diverged_at: np.ndarray
    done: np.ndarray
    fingerprint: str

    def last(self, name):
        """What was measured at the last check.

        Args:
            name: of the measurement.

        Returns:
            float64 [schedules..., seeds]; NaN where the member has diverged.

        Raises:
            KeyError: something that was not measured; the message says what was.

        Examples:
            >>> from lrlib import Constant, models
            >>> x = np.ones((8, 1))
            >>> found = sweep(lambda: models.mlp(1, 1), x, x, [Constant(0.1)], steps=1, batch=8,
            ...               seeds=[5], loss=functional.mse_loss,
            ...               measure=lambda net: {"bias": net[1].bias.item()})
            >>> found.last("bias").shape
            (1, 1)
        """
        if name not in self.measured:
            raise KeyError(f"{name!r} was not measured; there are {list(self.measured)}")
        return self.measured[name][..., -1]

    def save(self, path):
        """Writes all of it to one file.

        Args:
            path: of the file; what is there is replaced, at once.

        Returns:
            None.

        Examples:
            See `load`.
        """
        arrays = {"rates": self.rates, "losses": self.losses, "checks": self.checks,
                  "diverged_at": self.diverged_at, "done": self.done, "seeds": self.seeds}
        arrays |= {f"measured {name}": values for name, values in self.measured.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        body = buffer.getvalue()
        head = {"version": VERSION, "axes": list(self.axes), "fingerprint": self.fingerprint,
                "schedules": [s.to_dict() for s in self.schedules.ravel()],
                "shape": list(self.schedules.shape), "sha256": hashlib.sha256(body).hexdigest()}
        path = Path(path)
        whole = path.with_name(path.name + f".{os.getpid()}.part")
        with zipfile.ZipFile(whole, "w") as file:
            file.writestr("sweep.json", json.dumps(head))
            file.writestr("arrays.npz", body)
        os.replace(whole, path)

    @staticmethod
    def load(path):
        """The sweep that `save` wrote.

        Args:
            path: of the file.

        Returns:
            Sweep.

        Raises:
            ValueError: a file that is no sweep, is of another version, or is damaged; the
                message names the file and what was expected and found.

        Examples:
            >>> import tempfile
            >>> from lrlib import Constant, models
            >>> x = np.ones((8, 1))
            >>> found = sweep(lambda: models.mlp(1, 1), x, x, [Constant(0.1)], steps=4, batch=8,
            ...               seeds=range(2), loss=functional.mse_loss)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     found.save(folder + "/found.sweep")
            ...     again = Sweep.load(folder + "/found.sweep")
            >>> np.array_equal(again.losses, found.losses), again.schedules.tolist()
            (True, [Constant(rate=0.1, steps=None)])
        """
        whole = Path(path).read_bytes()
        try:
            with zipfile.ZipFile(io.BytesIO(whole)) as file:
                head, body = json.loads(file.read("sweep.json")), file.read("arrays.npz")
            version, expected = head["version"], head["sha256"]
        except Exception as error:          # a damaged byte can make the readers raise anything
            raise ValueError(f"{path} is not a stored sweep, or damaged: {error!r}") from error
        if version != VERSION:
            raise ValueError(f"{path} has version {version}, expected {VERSION}")
        found = hashlib.sha256(body).hexdigest()
        if found != expected:
            raise ValueError(f"{path} is damaged: SHA-256 {expected} expected, {found} found")
        with np.load(io.BytesIO(body)) as stored:
            arrays = dict(stored)
        schedules = _object_array([Schedule.from_dict(s) for s in head["schedules"]])
        return Sweep(tuple(head["axes"]), schedules.reshape(head["shape"]), arrays["seeds"],
                     arrays["rates"], arrays["losses"], arrays["checks"],
                     {name.removeprefix("measured "): values for name, values in arrays.items()
                      if name.startswith("measured ")},
                     arrays["diverged_at"], arrays["done"], head["fingerprint"])


def sweep(build, x, y, schedules, *, steps, batch, seeds=range(8), optimizer=None,
          loss=functional.cross_entropy, augment=None, measure=None, checks=None, axes=None,
          together=None, processes=None, store=None, device="cpu"):
    """Trains a network under every schedule with every seed, many runs at a time.

    Each member is what `train.fit` would do: a seed fixes initial weights and batch order and
    nothing else does, so members of one seed and different schedules are paired.

    Args:
        build: a function without arguments that returns a new nn.Module; its weights get x's
            dtype where x is floating, and the values of the seed (see `models.initialise`).
        x: inputs [n, ...], floating (finite) or whole numbers.
        y: targets [n, ...].
        schedules: Schedules in nested lists of any depth, such as
            `[[rate * shape for rate in rates] for shape in shapes]`.
        steps: number of updates; 1 or more.
        batch: examples per update; 1 or more.  The last batch of an epoch may be smaller.
        seeds: whole numbers of 0 or more, all different.
        optimizer: a value of `lrlib.optimizers`; None for SGD with momentum 0.9.
        loss: a function (outputs, targets) -> scalar tensor, of tensor operations only.
        augment: None, or a function (batch of x as a tensor, numpy Generator) -> tensor.
        measure: None, or a function (network) -> dict of name to number, called for one member
            at a time in evaluation mode without gradients, such as `train.scores(...)`.
        checks: numbers of updates after which to measure, rising, from 0 to `steps`; None for
            `steps` alone.
        axes: names for the levels of `schedules`; None for "schedule", or "schedule 0", ...
        together: members in one computation; None for as many as stay in the cache, or one
            where batching does not pay.  It changes the speed, and results by rounding at most.
        processes: how many work at a time, 1 or more.  None: what `joblib.parallel_config` says
            around the call; without it all cores, once the rest of the work takes seconds.
        store: None, or a path: what is finished is kept there, at the latest when the call ends,
            and an equal call goes on from it.
        device: where the members live, as torch names it.

    Returns:
        Sweep.

    Raises:
        ValueError: before any training, for whatever `train.fit` refuses, no schedules, no seeds
            or one twice, a network with running statistics or dropout, a network or a loss that
            cannot be traced, a store of another experiment.
        TypeError: an entry that is no Schedule, an optimizer that is no value of
            `lrlib.optimizers`.
        RuntimeError: workers died more often than is tried; `store` holds what was finished.
        Interrupted: Ctrl-C; its `partial` is what was finished.

    Examples:
        >>> from lrlib import Constant, Linear, models
        >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
        >>> shapes, rates = [Constant(1), Linear(1, 0, 40)], [0.05, 0.2]
        >>> found = sweep(lambda: models.mlp(1, 8, 1), x, x**2,
        ...               [[rate * shape for rate in rates] for shape in shapes],
        ...               steps=40, batch=16, seeds=range(4), loss=functional.mse_loss,
        ...               axes=("shape", "rate"))
        >>> found.axes, found.losses.shape
        (('shape', 'rate', 'seed', 'update'), (2, 2, 4, 40))
        >>> bool((found.rates[1, 0, 3] == (0.05 * shapes[1])(np.arange(40))).all())
        True

    Notes:
        Larger networks with convolutions are trained one after another: a batched convolution
        is a grouped one, which pays on a CPU only while it is small.
    """
    def supervised(networks, batch, noise):
        inputs, targets = batch
        return loss(networks["network"](inputs), targets)

    player = Player(build, supervised, SGD(momentum=0.9) if optimizer is None else optimizer)
    table = _object_array(schedules)
    try:
        return _one_player(play(
            {"network": player}, (x, y), table[..., None], steps=steps, batch=batch, seeds=seeds,
            augment=augment, checks=checks, axes=axes, together=together, processes=processes,
            measure=None if measure is None else lambda nets: measure(nets["network"]),
            store=store, device=device))
    except Interrupted as stopped:
        raise Interrupted(_one_player(stopped.partial)) from None


def _one_player(found):
    return replace(found, axes=found.axes[:-2] + found.axes[-1:],
                   schedules=found.schedules[..., 0], rates=found.rates[..., 0, :],
                   losses=found.losses[..., 0, :])


def play(players, data, schedules, *, steps, batch, seeds=range(8), noise=None, augment=None,
         measure=None, checks=None, axes=None, together=None, processes=None, store=None,
         device="cpu"):
    """A sweep over several networks that take turns, such as the two of a GAN.

    At each update every player, in the order of the dict, lowers its own loss once, on the same
    batch; it sees what the players before it have become.

    Args:
        players: dict of name to Player.
        data: tuple of arrays [n, ...] of equal length; floating ones finite.  The first one's
            dtype is the weights', where it is floating.
        schedules: Schedules in nested lists; the innermost level has one for each player.
        noise: None, or a function (numpy Generator) -> array, drawn anew for every turn of a
            player and given to its loss in the weights' dtype; each seed has its own stream.
        measure: None, or a function (dict of networks) -> dict of name to number.
        steps, batch, seeds, augment, checks, axes, together, processes, store, device: as for
            `sweep`; `augment` changes the first array of `data`.

    Returns:
        Sweep; `rates` and `losses` are [schedules..., seeds, players, updates].

    Raises:
        ValueError, TypeError, RuntimeError, Interrupted: as `sweep`; no players, or an innermost
            level of another length.

    Examples:
        Two numbers, of which one wants to be the mean of the data and one twice the first:

        >>> from lrlib import Constant
        >>> from lrlib.optimizers import SGD
        >>> def number(): return torch.nn.Linear(1, 1, bias=False)
        >>> one = torch.ones(1, 1, dtype=torch.float64)
        >>> players = {
        ...     "a": Player(number, lambda nets, batch, noise:
        ...                 ((nets["a"](one) - batch[0]) ** 2).mean(), SGD()),
        ...     "b": Player(number, lambda nets, batch, noise:
        ...                 ((nets["b"](one) - 2 * nets["a"](one)) ** 2).mean(), SGD())}
        >>> found = play(players, (np.full((8, 1), 3.0),), [[Constant(0.1), Constant(0.2)]],
        ...              steps=60, batch=8, seeds=range(2), measure=lambda nets: {
        ...                  name: net.weight.item() for name, net in nets.items()})
        >>> found.last("a").round(3).tolist(), found.last("b").round(3).tolist()
        ([[3.0, 3.0]], [[6.0, 6.0]])
        >>> found.axes, found.losses.shape
        (('schedule', 'seed', 'player', 'update'), (1, 2, 2, 60))
    """
    job = _Job.checked(players, data, schedules, steps, batch, seeds, noise, augment, measure,
                       checks, device)
    empty = _empty(job, _object_array(schedules).shape[:-1], axes)
    return _spread(job, empty, together, processes, store)


# What is to be done --------------------------------------------------------------------------------

def _object_array(nested):
    """An object array with the shape of the nested lists, whatever is in them."""
    if isinstance(nested, np.ndarray):
        return nested
    shape, level = [], nested
    while isinstance(level, (list, tuple)):
        shape.append(len(level))
        if not level:
            raise ValueError(f"schedules must not be empty, got {nested!r}")
        level = level[0]
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        entry = nested
        for depth, i in enumerate(index):
            if not isinstance(entry, (list, tuple)) or len(entry) != shape[depth]:
                raise ValueError(f"schedules must be nested evenly, got {entry!r} where "
                                 f"{shape[depth]} entries are expected")
            entry = entry[i]
        array[index] = entry
    return array


def _whole(name, value, least=1):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")
    return int(value)


@dataclass(frozen=True, eq=False)
class _Job:
    """Everything that a worker needs to train any member."""

    players: dict[str, Player]
    data: tuple[np.ndarray, ...]
    schedules: list[tuple[Schedule, ...]]       # one tuple of players' schedules for each arm
    steps: int
    batch: int
    seeds: tuple[int, ...]
    noise: Any
    augment: Any
    measure: Any
    checks: np.ndarray
    device: str
    token: str

    @classmethod
    def checked(cls, players, data, schedules, steps, batch, seeds, noise, augment, measure,
                checks, device):
        if not players or not all(isinstance(p, Player) for p in players.values()):
            raise ValueError(f"players must be a dict of one Player or more, got {players!r}")
        table = _object_array(schedules)
        if not table.size or table.ndim < 1 or table.shape[-1] != len(players):
            raise ValueError(f"schedules need one for each of {list(players)}, got shape "
                             f"{table.shape}")
        for entry in table.ravel():
            if not isinstance(entry, Schedule):
                raise TypeError(f"a schedule must be a Schedule, got {entry!r}")
        steps, batch = _whole("steps", steps), _whole("batch", batch)
        if not hasattr(seeds, "__iter__"):
            raise TypeError(f"seeds must be a sequence such as range(8), got {seeds!r}")
        seeds = tuple(_whole("a seed", seed, least=0) for seed in seeds)
        if not seeds or len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds must be one or more, all different, got {list(seeds)}")
        data = tuple(np.ascontiguousarray(array) for array in data)
        lengths = [len(array) for array in data]
        if not lengths or min(lengths) < 1 or len(set(lengths)) > 1:
            raise ValueError("the arrays of data (x and y) must have the same length of 1 or "
                             f"more, got {lengths}")
        for array in data:
            if array.dtype.kind == "f" and not np.isfinite(np.sum(array)):
                bad = array[~np.isfinite(array)]
                raise ValueError(f"data must be finite, got {bad[0] if bad.size else 'a sum'}")
        checks = np.array([steps] if checks is None else checks, dtype=int)
        if not checks.size or (np.diff(checks, prepend=-1) <= 0).any() or checks[-1] > steps:
            raise ValueError(f"checks must rise from 0 to {steps}, got {checks.tolist()}")
        for name, player in players.items():
            _refuse_hidden_state(name, player.build())
        arms = [tuple(arm) for arm in table.reshape(-1, len(players))]
        return cls(dict(players), data, arms, steps, batch, seeds, noise, augment, measure,
                   checks, device, uuid.uuid4().hex)

    def network(self, name, seed):
        network, x = self.players[name].build(), self.data[0]
        if x.dtype.kind == "f":
            network = network.to(torch.from_numpy(np.empty(0, x.dtype)).dtype)
        return initialise(network, seed).to(self.device)

    def members(self):
        """(arm, seed) for each member, seeds outermost, so that neighbours share their batches."""
        return [(arm, seed) for seed in self.seeds for arm in range(len(self.schedules))]


def _refuse_hidden_state(name, network):
    if not isinstance(network, torch.nn.Module):
        raise TypeError(f"build of {name} must return a torch.nn.Module, got {network!r}")
    for where, layer in network.named_modules():
        what = f"layer {where!r} ({type(layer).__name__}) of {name}"
        if getattr(layer, "running_mean", None) is not None:
            raise ValueError(f"{what} keeps running statistics, which members cannot share; "
                             "use LayerNorm, GroupNorm or track_running_stats=False")
        if (isinstance(layer, torch.nn.modules.dropout._DropoutNd) and layer.p > 0) \
                or (getattr(layer, "dropout", 0) not in (0, 0.0) and isinstance(
                    layer, torch.nn.RNNBase)):
            raise ValueError(f"{what} draws random numbers, which a member cannot repeat")


# One population ------------------------------------------------------------------------------------

class _Population:
    """Some members side by side: their state, and one Program for each size of batch."""

    def __init__(self, job, size):
        self.job, self.size = job, size
        self.networks = {name: job.network(name, 0) for name in job.players}
        self.eval = {name: job.network(name, 0).eval() for name in job.players}
        self.names = {name: [key for key, _ in net.named_parameters()]
                      for name, net in self.networks.items()}
        self.state, self.slots = [], {}
        for name, player in job.players.items():
            for key, value in self.networks[name].named_parameters():
                state = [value.detach(), *player.optimizer.start(value.detach())]
                self.slots[name, key] = slice(len(self.state), len(self.state) + len(state))
                self.state += [_stacked(s, size) for s in state]
        self.rates = [torch.zeros(size, dtype=torch.float64, device=job.device)
                      for _ in job.players]
        self.time = torch.ones((), dtype=torch.float64, device=job.device)
        self.programs = {}

    def parameter(self, name, key):
        return self.state[self.slots[name, key].start]

    def program(self, batches):
        """The Program for the next batch, with that batch in its inputs."""
        examples = batches.advance()
        if examples in self.programs:
            program, inputs = self.programs[examples]
            batches.draw(inputs)
            return program
        inputs = batches.draw()
        try:
            program = Program(partial(self._step, len(batches.data), len(batches.noises)),
                              self.state, [*inputs, *self.rates, self.time])
        except Exception as error:
            raise ValueError("the network, the loss or the optimizer cannot be traced as one "
                             f"batched step: {error}") from error
        self.programs[examples] = program, inputs
        return program

    def _step(self, batches, noises, state, inputs):
        stacked = [0] * (len(inputs) - 1)
        return vmap(partial(self._member, batches, noises),
                    in_dims=([0] * len(state), [*stacked, None]))(state, inputs)

    def _member(self, batches, noises, state, inputs):
        """One update of one member: each player's turn in order."""
        batch, rest = tuple(inputs[:batches]), inputs[batches:]
        noise, rates, time = rest[:noises], rest[noises:-1], rest[-1]
        state, losses = list(state), []
        for turn, (name, player) in enumerate(self.job.players.items()):
            current = {other: {key: state[self.slots[other, key].start] for key in keys}
                       for other, keys in self.names.items()}

            def value(own, name=name, player=player, current=current, turn=turn):
                networks = {other: partial(functional_call, self.networks[other],
                                           own if other == name else weights)
                            for other, weights in current.items()}
                networks = {other: _taking_inputs(call) for other, call in networks.items()}
                return player.loss(networks, batch, noise[turn] if noise else None)

            gradients, loss = grad_and_value(value)(current[name])
            losses.append(loss)
            for key in self.names[name]:
                if not self.networks[name].get_parameter(key).requires_grad:
                    continue
                place = self.slots[name, key]
                new, slots = player.optimizer.step(state[place][0], gradients[key],
                                                   tuple(state[place][1:]), rates[turn], time)
                state[place] = [new, *slots]
        return state, losses

    def begin(self, members):
        """Fills the state with the initial weights of each member's seed."""
        drawn = {}
        for name, player in self.job.players.items():
            for row, (_, seed) in enumerate(members):
                if (name, seed) not in drawn:
                    drawn[name, seed] = dict(self.job.network(name, seed).named_parameters())
                for key, value in drawn[name, seed].items():
                    start = [value.detach(), *player.optimizer.start(value.detach())]
                    for slot, initial in zip(self.state[self.slots[name, key]], start,
                                             strict=True):
                        slot[row] = initial

    def measure(self, row):
        for name, net in self.eval.items():
            for key, value in net.named_parameters():
                value.data.copy_(self.parameter(name, key)[row])
        return self.job.measure(self.eval)


def _stacked(tensor, size):
    """`size` copies of a tensor, each laid out as the tensor is (channels last, say)."""
    stack = torch.empty_strided((size, *tensor.shape), (tensor.numel(), *tensor.stride()),
                                dtype=tensor.dtype, device=tensor.device)
    return stack.copy_(tensor)


def _taking_inputs(call):
    return lambda *inputs, **named: call(inputs, named)


class _Batches:
    """The batches and the noise of each member, as `train.fit` draws them for its seed."""

    def __init__(self, job, population, members):
        self.job, self.like = job, population.state[0]
        # torch wants arrays that may be written to; an engine's may be read-only
        self.data = [torch.from_numpy(np.require(array, requirements="W")).to(job.device)
                     for array in job.data]
        self.seeds = list(dict.fromkeys(seed for _, seed in members))
        rows = [self.seeds.index(seed) for _, seed in members]
        self.rows = torch.tensor(rows)
        self.orders = [rng(seed, "batches") for seed in self.seeds]
        self.draws = [rng(seed, "augment") for seed in self.seeds]
        self.noises = {name: [rng(seed, f"noise {name}") for seed in self.seeds]
                       for name in job.players} if job.noise else {}
        self.at = self.count = len(job.data[0])

    def advance(self):
        """Goes to the next batch and says how many examples it has."""
        if self.at >= self.count:                   # a new epoch, a new order
            self.order = torch.from_numpy(
                np.stack([order.permutation(self.count) for order in self.orders]))
            self.at = 0
        self.picks = self.order[:, self.at:self.at + self.job.batch]
        self.at += self.job.batch
        return self.picks.shape[1]

    def draw(self, into=None):
        """Tensors [members, examples, ...] of each array, then the noise of each player.

        `into` is None or what a former call returned, to be written over.
        """
        into = [None] * (len(self.data) + len(self.noises)) if into is None else into
        drawn = [self._gather(i, array, place)
                 for i, (array, place) in enumerate(zip(self.data, into, strict=False))]
        for streams, place in zip(self.noises.values(), into[len(self.data):], strict=True):
            noise = torch.from_numpy(np.stack([self.job.noise(stream) for stream in streams]))
            drawn.append(_written(noise.to(self.like)[self.rows], place))
        return drawn

    def _gather(self, i, array, place):
        if i == 0 and self.job.augment is not None:
            seeds = [self.job.augment(array.index_select(0, picks.to(array.device)), draws)
                     for picks, draws in zip(self.picks, self.draws, strict=True)]
            return _written(torch.stack(seeds)[self.rows], place)
        shape = (len(self.rows), self.picks.shape[1], *array.shape[1:])
        flat = self.picks[self.rows].reshape(-1).to(array.device)
        if place is None:
            return array.index_select(0, flat).view(shape)
        torch.index_select(array, 0, flat, out=place.view(-1, *array.shape[1:]))
        return place


def _written(value, place):
    return value if place is None else place.copy_(value)


def _train(job, population, members):
    """Trains some members side by side: dict of arrays with the members first."""
    count, players = len(members), len(job.players)
    table = np.stack([[schedule(np.arange(job.steps)) for schedule in job.schedules[arm]]
                      for arm, _ in members], axis=-1)          # [players, updates, members]
    planned = torch.from_numpy(np.moveaxis(table, 0, 1).copy()).to(job.device)
    rates = torch.full((job.steps, players, count), math.nan, dtype=torch.float64)
    losses = torch.full((job.steps, players, count), math.nan, dtype=torch.float64)
    diverged_at, measured = np.full(count, -1), {}
    batches = _Batches(job, population, members)
    population.begin(members)

    def check(done):
        if job.measure is None or done not in job.checks:
            return
        column = np.searchsorted(job.checks, done)
        for row in np.flatnonzero(diverged_at < 0):
            for name, value in population.measure(row).items():
                values = measured.setdefault(name, np.full((count, len(job.checks)), math.nan))
                values[row, column] = value

    with torch.inference_mode():
        check(0)
    for t in range(job.steps):
        program = population.program(batches)
        with torch.inference_mode():
            for player, rate in enumerate(population.rates):
                rate.copy_(planned[t, player])
            population.time.fill_(t + 1)
            program()
            losses[t] = torch.stack(program.outputs)
            rates[t] = torch.stack(population.rates)
            if not math.isfinite(losses[t].sum()):
                bad = ~torch.isfinite(losses[t]).all(dim=0).numpy() & (diverged_at < 0)
                diverged_at[bad] = t
                for slot in population.state:      # frozen: zeros that no rate moves
                    slot[torch.from_numpy(bad)] = 0
                planned[t + 1:, :, torch.from_numpy(bad)] = 0
                if (diverged_at >= 0).all():
                    break
            check(t + 1)
    rates, losses = (array.permute(2, 1, 0).contiguous().numpy()
                     for array in (rates, losses))              # [members, players, updates]
    for row, at in enumerate(diverged_at):
        if at >= 0:
            rates[row, :, at + 1:] = losses[row, :, at + 1:] = math.nan
    return {"rates": rates, "losses": losses, "diverged_at": diverged_at, "measured": measured}


_populations: dict[tuple[str, int], _Population] = {}      # of the sweep at work in this process


def _piece(job, members, size):
    """What a worker does: trains a piece of the members; (result, error of the user's code)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        key = (job.token, size)
        if key not in _populations:
            _populations.clear()
            _populations[key] = _Population(job, size)
        population = _populations[key]
        population.job = job
        filled = members + members[:1] * (size - len(members))     # the last piece may be short
        found = _train(job, population, filled)
        # a worker that kept the data, or a loss that holds some, would keep the files open in
        # which they are shared, and joblib waits a second for their end
        population.job = None
        count = len(members)
        return {name: {key: values[:count] for key, values in value.items()}
                if name == "measured" else value[:count]
                for name, value in found.items()}, None
    except Exception as error:
        return None, error
    finally:
        torch.set_num_threads(threads)


# Many populations ----------------------------------------------------------------------------------

def _empty(job, shape, axes):
    levels = len(shape)
    if axes is None:
        axes = ("schedule",) if levels == 1 else tuple(f"schedule {i}" for i in range(levels))
    if len(axes) != levels:
        raise ValueError(f"axes must name {levels} levels of schedules, got {axes!r}")
    schedules = np.empty((len(job.schedules), len(job.players)), dtype=object)
    for i, arm in enumerate(job.schedules):
        schedules[i] = arm
    sizes = (*shape, len(job.seeds))
    runs = np.full((*sizes, len(job.players), job.steps), math.nan)
    return Sweep((*axes, "seed", "player", "update"),
                 schedules.reshape(*shape, len(job.players)), np.array(job.seeds), runs,
                 runs.copy(), job.checks, {}, np.full(sizes, -1), np.zeros(sizes, dtype=bool), "")


def _take_in(found, job, members, piece):
    """Writes the results of some members into the whole."""
    arms, seeds = len(job.schedules), {seed: i for i, seed in enumerate(job.seeds)}
    where = np.array([arm for arm, _ in members]), np.array([seeds[s] for _, s in members])

    def flat(values):
        return values.reshape(arms, len(seeds), *values.shape[found.done.ndim:])
    for name in ("rates", "losses", "diverged_at"):
        flat(getattr(found, name))[where] = piece[name]
    for name, values in piece["measured"].items():
        whole = found.measured.setdefault(
            name, np.full((*found.done.shape, len(job.checks)), math.nan))
        flat(whole)[where] = values
    flat(found.done)[where] = True


def _fingerprint(job, shape, code):
    said = {"version": VERSION, "schedules": [[s.to_dict() for s in arm] for arm in job.schedules],
            "shape": shape, "seeds": job.seeds, "steps": job.steps, "batch": job.batch,
            "checks": job.checks.tolist(), "players": list(job.players), "step": code,
            "measures": job.measure is not None}
    digest = hashlib.sha256(json.dumps(said).encode())
    for array in job.data:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _trial(job):
    """How many members are best trained together, and their step as text.

    All members are tried at once if they are few, for then the trial may be the thing itself.
    """
    population = _Population(job, 1)
    state = sum(tensor.numel() * tensor.element_size() for tensor in population.state)
    examples = sum(array[:job.batch].nbytes for array in job.data)
    count = len(job.members())
    few = count * state <= NEAR and count * (state + examples) <= ROOM
    size = count if few and not _convolves(population) else 2
    population = _Population(job, size)
    program = population.program(_Batches(job, population, [(0, job.seeds[0])] * size))
    one, calls = program.bytes / size, len(program.operations)
    if any("convolution" in name for name in program.operations):     # batched: a grouped one
        best = int(NEAR / one)
    else:
        best = int(min(ROOM / one, max(NEAR / one, calls / CALLS)))
    _populations.clear()
    _populations[job.token, size] = population
    return max(1, best), program.code


def _convolves(population):
    return any(isinstance(layer, torch.nn.modules.conv._ConvNd)
               for network in population.networks.values() for layer in network.modules())


def _resumed(found, store):
    if store is None or not Path(store).exists():
        return found
    kept = Sweep.load(store)
    if kept.fingerprint != found.fingerprint:
        raise ValueError(f"{store} holds another experiment: fingerprint {found.fingerprint} "
                         f"expected, {kept.fingerprint} found")
    if kept.losses.shape != found.losses.shape:     # what `sweep` returned has no axis of players
        raise ValueError(f"{store} holds a saved result, not a store: losses of shape "
                         f"{kept.losses.shape}, expected {found.losses.shape}")
    return replace(kept, axes=found.axes)


def _spread(job, found, together, processes, store):
    """Cuts the members into pieces, has them trained, and puts the results in their places."""
    if together is not None:
        together = _whole("together", together)
    workers = _workers() if processes is None else _whole("processes", processes)
    best, code = _trial(job)
    fingerprint = _fingerprint(job, found.schedules.shape, code)
    found = _resumed(replace(found, fingerprint=fingerprint), store)
    together = best if together is None else together
    index = {seed: i for i, seed in enumerate(job.seeds)}
    done = found.done.reshape(len(job.schedules), -1)
    todo = [(arm, seed) for arm, seed in job.members() if not done[arm, index[seed]]]
    pieces = _even(todo, together, workers or 1)
    saved = cost = 0.0
    with tqdm(total=len(todo), desc="members", leave=False, disable=not _watched()) as bar:
        try:
            for members, piece in _trained(job, pieces, workers):
                _take_in(found, job, members, piece)
                bar.update(len(members))
                start = time.perf_counter()
                if store is not None and start - saved > SAVING * cost:
                    found.save(store)
                    saved = time.perf_counter()
                    cost = saved - start
        except KeyboardInterrupt:
            raise Interrupted(found) from None
        finally:
            if store is not None and todo:
                found.save(store)
    return found


def _even(members, together, workers):
    """Pieces of at most `together` members, as equal as can be, as many for each worker."""
    if not members:
        return []
    count = workers * math.ceil(len(members) / together / workers)
    size = math.ceil(len(members) / min(len(members), count))
    return [members[i:i + size] for i in range(0, len(members), size)]


def _workers():
    """How many `joblib.parallel_config` asks for; None where it says nothing."""
    backend, count = get_active_backend()
    if count is None and type(backend).__module__ != "joblib._parallel_backends":
        count = -1                                  # an engine that was chosen, dask or ray: all
    return None if count is None else backend.effective_n_jobs(count)


def _watched():
    """A progress bar is for a person at a terminal or a notebook, never for a stored output."""
    executed = "PYTEST_CURRENT_TEST" in os.environ           # by nbval, or to be stored
    return sys.stderr.isatty() or ("ipykernel" in sys.modules and not executed)


def _trained(job, pieces, workers):
    """(members, result) of each piece as it is finished."""
    if not pieces:
        return
    size = len(pieces[0])
    if workers is None:
        start = time.perf_counter()
        yield pieces[0], _result(*_piece(job, pieces[0], size))
        rest = (time.perf_counter() - start) * (len(pieces) - 1)
        pieces = pieces[1:]
        inside = getattr(get_active_backend()[0], "supports_sharedmem", False)      # a worker
        alone = rest < PAYS or inside
        workers = 1 if alone else min(joblib.cpu_count(), len(pieces))
    if workers == 1:
        for members in pieces:
            yield members, _result(*_piece(job, members, size))
    else:
        yield from _trained_by_workers(job, pieces, size, workers)


def _result(found, error):
    if error is not None:
        raise error
    return found


def _trained_by_workers(job, pieces, size, workers):
    left = dict(enumerate(pieces))
    # engines share arrays that are arguments: mapped by loky, sent once to each machine by dask
    job, data = replace(job, data=()), job.data
    for attempt in range(1, TRIES + 1):
        # the last time one by one: a piece that kills its worker then harms no other
        rounds = [list(left)] if attempt < TRIES else [[i] for i in left]
        for numbers in rounds:
            results = _parallel(workers, [
                joblib.delayed(_numbered)(i, job, left[i], size, *data) for i in numbers])
            wrong = None
            try:
                for i, found, wrong in results:
                    if wrong is not None:
                        break
                    yield left.pop(i), found
            except Exception as error:  # of the workers: what is wrong in a piece comes as a value
                dead = error
            if wrong is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")      # that the other pieces are cancelled
                    results.close()
                raise wrong
        if not left:
            return
    members = [member for piece in left.values() for member in piece]
    raise RuntimeError(f"workers died {TRIES} times; not trained are the (schedule, seed) "
                       f"{members}") from dead


def _numbered(i, job, members, size, *data):
    job = replace(job, data=data)
    with _TURN:
        tqdm.set_lock(_TURN)     # torch makes a bar: its semaphore would outlive a killed worker
        return i, *_piece(job, members, size)


_TURN = threading.RLock()    # tracing and the populations belong to a process, not to a thread


def _parallel(workers, tasks):
    """Results as they come or, where the backend cannot do that, after each round of tasks."""
    try:
        parallel = joblib.Parallel(workers, return_as="generator_unordered", mmap_mode="c")
    except ValueError:
        return _rounds(joblib.Parallel(workers, mmap_mode="c"), workers, tasks)
    return parallel(tasks)


def _rounds(parallel, workers, tasks):
    with parallel as run:                           # the workers live through all rounds
        for i in range(0, len(tasks), workers):
            yield from run(tasks[i:i + workers])
