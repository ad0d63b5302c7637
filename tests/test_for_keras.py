"""A schedule in real Keras training: the planned rates, saving, clear refusals."""
import numpy as np
import pytest
import strategies
from hypothesis import given, settings

import lrlib
from lrlib.audit import RateMismatch
from lrlib.repro import quiet_stderr

with quiet_stderr():
    import keras

from lrlib.for_keras import KerasSchedule, RateRecorder

PLAN = lrlib.Cosine(0.2, 0.01, steps=12).warmup(4)
X, Y = np.linspace(-1, 1, 60).reshape(20, 3), np.linspace(0, 1, 20)


def model(optimizer, **options):
    built = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    built.compile(optimizer, "mse", **options)
    return built


@pytest.mark.parametrize("kind", [keras.optimizers.SGD, keras.optimizers.Adam,
                                  keras.optimizers.AdamW, keras.optimizers.RMSprop])
@pytest.mark.parametrize("eager", [True, False])
def test_fit_uses_the_planned_rates(kind, eager):
    recorder = RateRecorder()
    trained = model(kind(KerasSchedule(PLAN)), run_eagerly=eager)
    trained.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[recorder])
    assert recorder.rates == PLAN(np.arange(20)).astype("float32").tolist()


@pytest.mark.parametrize("eager", [True, False])
def test_the_weights_move_by_the_planned_rates(eager):
    # plain SGD on a loss with gradient -1: each update moves the weight by its rate
    class Slope(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return -y_pred

    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    trained = keras.Sequential([keras.Input((1,)), layer])
    trained.compile(keras.optimizers.SGD(KerasSchedule(PLAN)), Slope(), run_eagerly=eager)
    weights = [0.0]
    for _ in range(20):
        trained.fit(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
        weights.append(float(layer.kernel[0, 0]))
    np.testing.assert_allclose(np.diff(weights), PLAN(np.arange(20)), atol=1e-6)


@given(strategies.schedules)
@settings(max_examples=30)
def test_any_schedule_gives_its_rates_in_float32(schedule):
    table = KerasSchedule(schedule, steps=80)
    got = [float(table(update)) for update in (0, 1, 2, 33, 79)]
    assert got == schedule(np.array([0, 1, 2, 33, 79])).astype("float32").tolist()


def test_after_the_table_the_last_rate_holds():
    assert float(KerasSchedule(lrlib.Exponential(1.0, 0.5, every=1), steps=3)(99)) == 0.25
    assert float(KerasSchedule(PLAN)(10**6)) == np.float32(PLAN(16))
    assert float(KerasSchedule(PLAN, steps=5)(99)) == np.float32(PLAN(16))


def test_a_saved_model_keeps_its_schedule(tmp_path):
    trained = model(keras.optimizers.SGD(KerasSchedule(PLAN)))
    trained.fit(X, Y, batch_size=2, epochs=1, verbose=0)
    trained.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    recorder = RateRecorder()
    loaded.fit(X, Y, batch_size=2, epochs=1, verbose=0, callbacks=[recorder])
    assert recorder.rates == PLAN(np.arange(10, 20)).astype("float32").tolist()


def test_a_second_fit_starts_a_new_record_and_the_schedule_goes_on():
    recorder, trained = RateRecorder(), model(keras.optimizers.SGD(KerasSchedule(PLAN)))
    for start in (0, 10):
        trained.fit(X, Y, batch_size=2, verbose=0, callbacks=[recorder])
        assert recorder.rates == PLAN(np.arange(start, start + 10)).astype("float32").tolist()


def test_several_updates_an_execution_are_refused():
    trained = model(keras.optimizers.SGD(KerasSchedule(PLAN)), steps_per_execution=5)
    with pytest.raises(ValueError, match="got 5"):
        trained.fit(X, Y, batch_size=2, verbose=0, callbacks=[RateRecorder()])


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ((0.1,), TypeError, r"0\.1"),
    ((lrlib.Constant(0.1),), ValueError, "never ends"),
    ((PLAN, 0), ValueError, "got 0"),
    ((PLAN, -3), ValueError, "got -3"),
    ((PLAN, 2.5), TypeError, r"2\.5"),
    ((PLAN, True), TypeError, "True"),
    (({"kind": "Nonsense"},), ValueError, "Nonsense"),
])
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        KerasSchedule(*arguments)


NATIVE = keras.optimizers.schedules.CosineDecay(0.2, decay_steps=20)


@pytest.mark.parametrize(("rates", "plan"), [
    (KerasSchedule(PLAN), PLAN), (KerasSchedule(PLAN), PLAN(np.arange(20))),
    (NATIVE, lrlib.Cosine(0.2, 0.0, steps=20))])
def test_a_recorder_checks_in_float32(rates, plan):
    recorder, trained = RateRecorder(), model(keras.optimizers.SGD(rates))
    trained.fit(X, Y, batch_size=1, epochs=1, verbose=0, callbacks=[recorder])
    recorder.check(plan)


def test_a_recorder_says_what_is_wrong():
    recorder, trained = RateRecorder(), model(keras.optimizers.SGD(0.2))
    trained.fit(X, Y, batch_size=1, verbose=0, callbacks=[recorder])
    with pytest.raises(RateMismatch, match="is the schedule connected"):
        recorder.check(PLAN)


def test_a_recorder_checks_nothing_before_fit():
    with pytest.raises(ValueError, match="used rates"):
        RateRecorder().check(PLAN)


def test_gathered_batches_are_one_update_whose_rate_is_recorded():
    plan = lrlib.Linear(1.0, 0.0, steps=20)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = keras.optimizers.SGD(KerasSchedule(plan), gradient_accumulation_steps=4)
    model.compile(optimizer, loss=lambda y, out: out)          # a gradient of one
    recorder, before = RateRecorder(), float(model.get_weights()[0].item())
    model.fit(np.ones((12, 1)), np.ones(12), batch_size=1, verbose=0, callbacks=[recorder])
    assert recorder.rates == pytest.approx([plan(3), plan(7), plan(11)], rel=1e-6)
    moved = before - float(model.get_weights()[0].item())
    assert moved == pytest.approx(sum(recorder.rates), rel=1e-5)
    with pytest.raises(AssertionError, match="as if 4 steps were taken an update"):
        recorder.check(plan)
