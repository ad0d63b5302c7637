"""A Schedule in Keras: the same numbers, looked up in a table, on any backend."""
from __future__ import annotations

import numpy as np

from .audit import check_rates
from .extras import extra
from .schedules import Schedule

with extra("keras"):
    import keras

__all__ = ["KerasSchedule", "RateRecorder"]

FLOAT32 = 1e-6      # what some operations in float32 leave of a number


class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A Schedule as a Keras schedule: pass it to any Keras optimizer as `learning_rate`.

    The rates are computed once, by the one formula the schedule has, and looked up by the
    optimizer's `iterations`.  So Keras uses the numbers that were plotted, inside compiled
    graphs too.

    Args:
        schedule: the Schedule, or the dict `Schedule.to_dict` made of it.
        steps: length of the table in updates, 1 or more; later updates use its last rate.  A
            schedule with an end needs none: its whole length and the rate it holds are tabled.

    Returns:
        a LearningRateSchedule: called with an update number, a float32 scalar tensor.

    Raises:
        TypeError: `schedule` is neither.
        ValueError: the schedule never ends and `steps` is not given; `steps` below 1.

    Examples:
        >>> from lrlib import Linear
        >>> rates = KerasSchedule(Linear(0.4, 0, steps=4))
        >>> [round(float(rates(update)), 3) for update in (0, 1, 3, 4, 99)]
        [0.4, 0.3, 0.1, 0.0, 0.0]
        >>> optimizer = keras.optimizers.SGD(rates, momentum=0.9)
        >>> optimizer.get_config()["learning_rate"]["config"]["schedule"]["kind"]
        'Linear'

    Notes:
        Keras keeps rates in float32, so they are the planned ones rounded to 24 bits.  The table
        holds four bytes an update.
        SGD with momentum under a schedule moves differently in Keras and PyTorch even with
        equal rates: Keras stores the rate inside the velocity.
    """

    def __init__(self, schedule, steps=None):
        self.schedule = (Schedule.from_dict(schedule) if isinstance(schedule, dict)
                         else schedule)
        if not isinstance(self.schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {schedule!r}")
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int)):
            raise TypeError(f"steps must be a whole number, got {steps!r}")
        if steps is not None and steps < 1:
            raise ValueError(f"steps must be 1 or more, got {steps}")
        if steps is None and self.schedule.steps is None:
            raise ValueError(f"{self.schedule} never ends; say how many updates to table: "
                             "KerasSchedule(schedule, steps=...)")
        self.steps = steps
        length = max(steps or 0, (self.schedule.steps or 0) + 1)
        self._table = self.schedule(np.arange(length)).astype("float32")

    def __call__(self, step):
        last = len(self._table) - 1
        return keras.ops.take(self._table,
                              keras.ops.minimum(keras.ops.cast(step, "int32"), last))

    def get_config(self):
        """What Keras stores with a model: the schedule and the length of the table.

        Returns:
            dict, ready for JSON.

        Examples:
            >>> from lrlib import Constant
            >>> KerasSchedule(Constant(0.1), steps=9).get_config()
            {'schedule': {'kind': 'Constant', 'rate': 0.1, 'steps': None}, 'steps': 9}
        """
        return {"schedule": self.schedule.to_dict(), "steps": self.steps}


keras.saving.register_keras_serializable("lrlib")(KerasSchedule)


class RateRecorder(keras.callbacks.Callback):
    """A callback that writes down the rate of every update, as the optimizer is about to use it.

    Returns:
        a Keras callback; after `fit`, `rates` is a list of float, one for each update.

    Raises:
        ValueError: when training begins, a model compiled with `steps_per_execution` above 1,
            which hides single updates from every callback.

    Examples:
        >>> from lrlib import Linear
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(KerasSchedule(Linear(0.4, 0, 4))), "mse")
        >>> recorder = RateRecorder()
        >>> _ = model.fit(np.zeros((4, 2)), np.zeros(4), batch_size=1, verbose=0,
        ...               callbacks=[recorder])
        >>> [round(rate, 3) for rate in recorder.rates]
        [0.4, 0.3, 0.2, 0.1]
        >>> recorder.check(Linear(0.4, 0, 4))

    Notes:
        After an update, `optimizer.learning_rate` is already the rate of the next one: a callback
        that reads it at the end of a batch is one update ahead.
        With `gradient_accumulation_steps` Keras asks its schedule for the rate by the number of
        batches, not of updates, and `check` says so.
    """

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_begin(self, logs=None):
        """Starts a new record.

        Raises:
            ValueError: `steps_per_execution` above 1.
        """
        executions = int(self.model.steps_per_execution)
        if executions != 1:
            raise ValueError(f"rates can be recorded with steps_per_execution=1 only, "
                             f"got {executions}")
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        """Records the rate of the update that comes now, if this batch completes one."""
        optimizer = self.model.optimizer
        every = optimizer.gradient_accumulation_steps or 1
        # the count of batches: the public one is divided
        if (int(optimizer._iterations) + 1) % every == 0:
            self.rates.append(float(optimizer.learning_rate))

    def check(self, schedule, first=0):
        """Compares the rates of the last `fit` with a plan: see `lrlib.audit.check_rates`.

        The tolerance is that of float32, in which Keras computes rates: a millionth of each, or
        of the largest.

        Args:
            schedule: the Schedule, or an array of planned rates from update 0 on.
            first: the number of the first recorded update: how many were made before `fit`.

        Raises:
            RateMismatch: a rate differs; the message says where, and why if it is a known fault.
            ValueError: nothing was recorded.
        """
        check_rates(self.rates, schedule, rtol=FLOAT32, floor=FLOAT32, first=first)
