"""A Schedule in PyTorch: as a scheduler, or as one line in a training loop; and its record."""
from __future__ import annotations

import math
import numbers

import numpy as np

from .audit import RTOL, check_rates
from .extras import extra
from .schedules import Schedule

with extra("torch"):
    import torch
    from torch.optim.lr_scheduler import LRScheduler

__all__ = ["TorchSchedule", "RateRecorder", "set_rate"]


def set_rate(optimizer, rate):
    """Gives an optimizer the rate of its next update.

    Args:
        optimizer: a torch.optim.Optimizer.
        rate: the learning rate; finite, 0 or more.  A parameter group with a key "lr_scale"
            (timm's name) gets that multiple of it.

    Returns:
        list of float: the rate each parameter group now has.

    Raises:
        TypeError: no Optimizer, or a rate that is no number.
        ValueError: a rate or an "lr_scale" that is negative or not finite; nothing is changed.

    Examples:
        >>> net = torch.nn.Linear(2, 1)
        >>> groups = [{"params": [net.weight]}, {"params": [net.bias], "lr_scale": 0.5}]
        >>> optimizer = torch.optim.SGD(groups, lr=1.0)
        >>> set_rate(optimizer, 0.1)
        [0.1, 0.05]

    Notes:
        Set the rate before the update it is for.  Set after the update, every rate comes one
        update late.
    """
    rates = _group_rates(optimizer, rate)
    for group, value in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], torch.Tensor):     # capturable optimizers hold a tensor
            group["lr"].fill_(value)
        else:
            group["lr"] = value
    return rates


def _group_rates(optimizer, rate):
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
    if not isinstance(rate, (numbers.Real, torch.Tensor)):
        raise TypeError(f"a rate must be a number, got {rate!r}")
    rates = [rate * group.get("lr_scale", 1.0) for group in optimizer.param_groups]
    for value in rates:
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"a rate must be finite and 0 or more, got {value}")
    return rates


class TorchSchedule(LRScheduler):
    """A Schedule as a torch scheduler: same place in the loop, the planned rates, a JSON state.

    Args:
        optimizer: a torch.optim.Optimizer.  Its `lr` is overwritten at once by the rate of
            update 0; a parameter group with a key "lr_scale" gets that multiple of each rate.
        schedule: the Schedule; its rates are absolute.

    Returns:
        an LRScheduler: call `step()` after each `optimizer.step()`.

    Raises:
        TypeError: `schedule` is no Schedule, `optimizer` no Optimizer.
        ValueError: an "lr_scale" that is negative or not finite.

    Examples:
        >>> from lrlib import Linear
        >>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=1.0)
        >>> scheduler = TorchSchedule(optimizer, Linear(0.4, 0, steps=4))
        >>> used = []
        >>> for update in range(4):
        ...     used.append(optimizer.param_groups[0]["lr"])
        ...     optimizer.step()
        ...     scheduler.step()
        >>> [round(rate, 3) for rate in used]
        [0.4, 0.3, 0.2, 0.1]

    Notes:
        One step is one update.  A loop that calls `step()` once an epoch needs a schedule
        written in epochs.
    """

    def __init__(self, optimizer, schedule):
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {schedule!r}")
        self.schedule = schedule
        super().__init__(optimizer)

    def get_lr(self):
        """The rates of update `last_epoch`, which counts updates, one for each parameter group.

        Returns:
            list of float.

        Examples:
            >>> from lrlib import Constant
            >>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=1.0)
            >>> TorchSchedule(optimizer, Constant(0.1)).get_lr()
            [0.1]
        """
        return _group_rates(self.optimizer, self.schedule(self.last_epoch))

    def state_dict(self):
        """Where the run is and by which schedule: plain JSON, no pickle.

        Returns:
            dict with "last_epoch" (updates done) and "schedule" (see `Schedule.to_dict`).

        Examples:
            >>> from lrlib import Constant
            >>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=1.0)
            >>> TorchSchedule(optimizer, Constant(0.1, 9)).state_dict()
            {'last_epoch': 0, 'schedule': {'kind': 'Constant', 'rate': 0.1, 'steps': 9}}
        """
        return {"last_epoch": self.last_epoch, "schedule": self.schedule.to_dict()}

    def load_state_dict(self, state):
        """Goes on where a checkpoint stopped: the optimizer gets the rate of its next update.

        Args:
            state: what `state_dict` returned, also after a trip through JSON.

        Raises:
            ValueError: the checkpoint was made with another schedule, or is no such state; the
                message shows both, and nothing is changed.

        Examples:
            >>> from lrlib import Linear
            >>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=1.0)
            >>> scheduler = TorchSchedule(optimizer, Linear(0.4, 0, steps=4))
            >>> scheduler.load_state_dict(scheduler.state_dict() | {"last_epoch": 2})
            >>> optimizer.param_groups[0]["lr"]
            0.2
        """
        if not isinstance(state, dict) or state.keys() != {"last_epoch", "schedule"}:
            raise ValueError(f"not the state of a TorchSchedule: {state!r}")
        if state["schedule"] != self.schedule.to_dict():
            raise ValueError(f"the checkpoint was made with {state['schedule']}, "
                             f"this run has {self.schedule.to_dict()}")
        done = state["last_epoch"]
        if isinstance(done, bool) or not isinstance(done, int) or done < 0:
            raise ValueError(f"last_epoch must be a whole number of 0 or more, got {done!r}")
        self.last_epoch = done
        self._last_lr = set_rate(self.optimizer, self.schedule(done))


class RateRecorder:
    """Writes down the rate of every update, as the optimizer is about to use it.

    It only looks: training is the same with and without it, and any scheduler may be used, or
    none.

    Args:
        optimizer: a torch.optim.Optimizer.
        group: the index of the parameter group whose rates are recorded.

    Returns:
        a recorder; `rates` is a list of float, one for each `optimizer.step()` since it was made.

    Raises:
        TypeError: `optimizer` is no Optimizer.
        ValueError: there is no such group.

    Examples:
        A loop whose scheduler forgets one call:

        >>> from lrlib import Linear
        >>> plan = Linear(0.4, 0, steps=4)
        >>> optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=1.0)
        >>> scheduler = TorchSchedule(optimizer, plan)
        >>> recorder = RateRecorder(optimizer)
        >>> for update in range(4):
        ...     optimizer.step()
        ...     if update != 0:
        ...         scheduler.step()
        >>> [round(rate, 3) for rate in recorder.rates]
        [0.4, 0.4, 0.3, 0.2]
        >>> try:
        ...     recorder.check(plan)
        ... except AssertionError as mismatch:
        ...     print(mismatch.diagnosis)
        every rate comes one update late

    Notes:
        A step that torch.amp.GradScaler skips is no update and is not recorded.
        The record is of this process and starts empty: after a checkpoint it is that of the
        updates since then, and `check` is told by `first` which they are.
    """

    def __init__(self, optimizer, group=0):
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {optimizer!r}")
        count = len(optimizer.param_groups)
        if isinstance(group, bool) or not isinstance(group, int) or not 0 <= group < count:
            raise ValueError(f"group must be a whole number from 0 to {count - 1}, got {group!r}")
        self.optimizer, self.group, self.rates = optimizer, group, []
        self._hook = optimizer.register_step_pre_hook(self._record)

    def _record(self, optimizer, args, kwargs):
        # a fused optimizer is called even when GradScaler found an overflow, and does nothing
        found = getattr(optimizer, "found_inf", None)
        if found is None or not float(found):
            self.rates.append(float(optimizer.param_groups[self.group]["lr"]))

    def check(self, schedule, rtol=RTOL, first=0):
        """Compares what was recorded so far with a plan: see `lrlib.audit.check_rates`.

        Args:
            schedule: the Schedule, or an array of planned rates from update 0 on.  A group with
                a key "lr_scale" is compared with that multiple of it.
            rtol: the largest difference that counts as rounding, as a share of the planned rate.
            first: the number of the first recorded update: after a checkpoint, how many updates
                were made before it.

        Raises:
            RateMismatch: a rate differs; the message says where, and why if it is a known fault.
            ValueError: nothing was recorded.
        """
        scale = self.optimizer.param_groups[self.group].get("lr_scale", 1.0)
        plan = schedule if isinstance(schedule, Schedule) else np.asarray(schedule)
        check_rates(self.rates, scale * plan, rtol, first=first)

    def remove(self):
        """Ends the recording; `rates` stays."""
        self._hook.remove()
