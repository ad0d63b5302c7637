"""One plain training loop that writes down what it did, above all the rate of every update."""
from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from .extras import extra
from .for_torch import set_rate
from .models import initialise
from .repro import rng
from .schedules import Schedule

with extra("torch"):
    import torch
    from joblib import Parallel, delayed
    from torch.nn import functional

__all__ = ["Run", "fit", "fit_all", "evaluate", "scores"]

MOMENTUM = partial(torch.optim.SGD, lr=0.0, momentum=0.9)


class Run(NamedTuple):
    """What a training run did, as arrays.

    `rates` and `losses` have one entry an update: the rate read from the optimizer as the update
    was made, and the mean loss of its batch before it.  `checks` are the numbers of updates after
    which something was measured, `measured` the results by name, one entry a check.
    `diverged_at` is the update whose loss was not finite, after which nothing more was done
    (the arrays then hold NaN), or None.
    """

    rates: np.ndarray
    losses: np.ndarray
    checks: np.ndarray
    measured: dict[str, np.ndarray]
    diverged_at: int | None

    def last(self, name):
        """What was measured at the last check, a float; a KeyError names what was measured."""
        if name not in self.measured:
            raise KeyError(f"{name!r} was not measured; there are {list(self.measured)}")
        return float(self.measured[name][-1])


def fit(build, x, y, schedule, *, steps, batch, seed=0, optimizer=MOMENTUM,
        loss=functional.cross_entropy, augment=None, measure=None, checks=None):
    """Trains a new network by a schedule and returns what happened.

    The seed fixes the initial weights and the order of the examples and nothing else does, so
    runs with equal seeds and different schedules are paired.

    Args:
        build: a function without arguments that returns a new nn.Module, which is then moved to
            x's dtype, if that is floating, and given the weights of the seed (see
            `models.initialise`).
        x: inputs [n, ...], float32 or float64 and finite, or whole numbers.
        y: targets [n, ...].
        schedule: the Schedule; its rates are absolute, one for each update.
        steps: number of updates; 1 or more.  See `lrlib.updates` for epochs.
        batch: examples per update; 1 or more.  Each epoch visits every example once, in a new
            order; its last batch may be smaller.
        seed: 0 or more.
        optimizer: a function of the parameters that returns a torch optimizer; its own rate is
            overwritten.  By default SGD with momentum 0.9.
        loss: a function (outputs, targets) -> scalar tensor.
        augment: None, or a function (batch of x as a tensor, numpy Generator) -> tensor.
        measure: None, or a function (network) -> dict of name to number, called in evaluation
            mode without gradients.
        checks: numbers of updates after which to measure, rising, from 0 to `steps`; None for
            `steps` alone.

    Returns:
        Run.

    Raises:
        ValueError: lengths of x and y that differ, inputs that are not finite, `steps` or
            `batch` below 1, checks that do not rise within 0 and `steps`.
        TypeError: a schedule that is none, a network instead of a function that builds one.

    Examples:
        >>> from lrlib import Linear, models
        >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
        >>> run = fit(lambda: models.mlp(1, 8, 1), x, x**2, Linear(0.2, 0, 100), steps=100,
        ...           batch=16, loss=torch.nn.functional.mse_loss)
        >>> bool((run.rates == Linear(0.2, 0, 100)(np.arange(100))).all())
        True
        >>> bool(run.losses[-10:].mean() < run.losses[:10].mean() / 2), run.diverged_at
        (True, None)

    Notes:
        The rate is set before the update it is for and read back from the optimizer.
    """
    if isinstance(build, torch.nn.Module) or not callable(build):
        raise TypeError(f"build must be a function that returns a new network, got {build!r}")
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule, got {schedule!r}")
    for name, value in (("steps", steps), ("batch", batch)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}")
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y must have the same length of 1 or more, got {len(x)} and "
                         f"{len(y)}")
    if not np.isfinite(np.sum(x)):
        raise ValueError(f"inputs must be finite, got {x[~np.isfinite(x)][0]}")
    checks = np.array([steps] if checks is None else checks, dtype=int)
    if not checks.size or (np.diff(checks, prepend=-1) <= 0).any() or checks[-1] > steps:
        raise ValueError(f"checks must rise from 0 to {steps}, got {checks.tolist()}")

    x, y = torch.as_tensor(x), torch.as_tensor(y)
    network = build()
    network = initialise(network.to(x.dtype) if x.is_floating_point() else network, seed)
    optimizer = optimizer(network.parameters())
    order, draws = rng(seed, "batches"), rng(seed, "augment")
    planned = schedule(np.arange(steps))
    rates, losses = np.full(steps, np.nan), np.full(steps, np.nan)
    measured, diverged_at = {}, None

    def check(done):
        if measure is not None and done in checks:
            network.eval()
            with torch.no_grad():
                for name, value in measure(network).items():
                    row = measured.setdefault(name, np.full(len(checks), np.nan))
                    row[np.searchsorted(checks, done)] = value
            network.train()

    check(0)
    waiting = iter(())
    for t in range(steps):
        picks = next(waiting, None)
        if picks is None:                       # a new epoch, a new order
            waiting = iter(torch.from_numpy(order.permutation(len(x))).split(batch))
            picks = next(waiting)
        inputs = x.index_select(0, picks)            # faster than x[picks]
        if augment is not None:
            inputs = augment(inputs, draws)
        set_rate(optimizer, float(planned[t]))
        rates[t] = optimizer.param_groups[0]["lr"]
        optimizer.zero_grad()
        value = loss(network(inputs), y[picks])
        losses[t] = value.item()
        if not np.isfinite(losses[t]):
            diverged_at = t
            break
        value.backward()
        optimizer.step()
        check(t + 1)
    return Run(rates, losses, checks, measured, diverged_at)


def fit_all(jobs, processes=2):
    """Calls `fit` for each of many jobs, several at a time.

    Args:
        jobs: an iterable of dicts, each with the arguments of one `fit`.
        processes: how many run at a time; 1 for none beside this one.

    Returns:
        list of Run, in the order of the jobs; each is the same, bit for bit, whatever the number
        of processes.

    Raises:
        ValueError: `processes` below 1, and whatever `fit` raises.

    Examples:
        >>> from lrlib import Constant, models
        >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
        >>> jobs = [dict(build=lambda: models.mlp(1, 8, 1), x=x, y=x**2, schedule=Constant(rate),
        ...              steps=10, batch=16, loss=torch.nn.functional.mse_loss)
        ...         for rate in (0.01, 0.1)]
        >>> [float(run.rates[0]) for run in fit_all(jobs, processes=1)]
        [0.01, 0.1]

    Notes:
        Arrays are shared between the processes, not copied.
    """
    if processes < 1:
        raise ValueError(f"processes must be 1 or more, got {processes}")
    # "c": copy on write, since torch wants arrays that may be written to
    return Parallel(n_jobs=processes, mmap_mode="c")(delayed(fit)(**job) for job in jobs)


def evaluate(network, x, y, batch=1_000):
    """The mean cross-entropy and the accuracy of a classifier on some data.

    Args:
        network: an nn.Module that returns logits [n, classes].
        x: inputs [n, ...], array or tensor.
        y: labels [n], whole numbers.
        batch: examples at a time; bounds the memory, not the result.

    Returns:
        (float, float): the loss in nats, the share of correct answers in percent.

    Raises:
        ValueError: lengths that differ or are 0.

    Examples:
        >>> always_zero = lambda x: torch.tensor([[100.0, 0.0]]).expand(len(x), 2)
        >>> evaluate(always_zero, np.zeros((4, 1)), np.array([0, 0, 0, 1]))
        (25.0, 75.0)
    """
    if len(x) != len(y) or not len(x):
        raise ValueError(f"x and y must have the same length of 1 or more, got {len(x)} and "
                         f"{len(y)}")
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    total, right = 0.0, 0
    with torch.no_grad():
        for inputs, labels in zip(x.split(batch), y.split(batch), strict=True):
            logits = network(inputs)
            total += functional.cross_entropy(logits, labels, reduction="sum").item()
            right += int((logits.argmax(dim=1) == labels).sum())
    return total / len(x), 100 * right / len(x)


def scores(**parts):
    """A function for `fit` to measure with: loss and accuracy on some named parts of the data.

    Args:
        parts: name=(x, y), as for `evaluate`.

    Returns:
        a function (network) -> dict with "<name> loss" in nats and "<name> accuracy" in percent
        for each name.

    Raises:
        ValueError: no parts; when called, whatever `evaluate` raises.

    Examples:
        >>> always_zero = lambda x: torch.tensor([[100.0, 0.0]]).expand(len(x), 2)
        >>> scores(test=(np.zeros((4, 1)), np.array([0, 0, 0, 1])))(always_zero)
        {'test loss': 25.0, 'test accuracy': 75.0}
    """
    if not parts:
        raise ValueError("scores needs at least one part, such as test=(x, y)")

    def measure(network):
        found = {}
        for name, (x, y) in parts.items():
            found[f"{name} loss"], found[f"{name} accuracy"] = evaluate(network, x, y)
        return found

    return measure
