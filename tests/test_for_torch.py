"""A schedule in real PyTorch training: the planned rates, checkpoints, parameter groups."""
import copy
import json

import numpy as np
import pytest
import strategies
import torch
from hypothesis import given

import lrlib
from lrlib.audit import RateMismatch
from lrlib.for_torch import RateRecorder, TorchSchedule, set_rate

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=9.0, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=9.0),
    "adamw": lambda p: torch.optim.AdamW(p, lr=9.0),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=9.0),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=9.0),
}
PLAN = lrlib.Cosine(0.2, 0.01, steps=12).warmup(4)


def net():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)


def train(net, optimizer, scheduler, stop, start=0):
    """Updates start to stop as people write them; returns the rate that each one used."""
    used = []
    hook = optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    for update in range(start, stop):
        x = torch.linspace(-1, 1, 12).reshape(4, 3) + update / 10
        optimizer.zero_grad()
        ((net(x) - x.sum(dim=1, keepdim=True)) ** 2).mean().backward()
        optimizer.step()
        scheduler.step()
    hook.remove()
    return used


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_loop_uses_the_planned_rates(name):
    model = net()
    optimizer = OPTIMIZERS[name](model.parameters())
    used = train(model, optimizer, TorchSchedule(optimizer, PLAN), 20)
    assert used == PLAN(np.arange(20)).tolist()


def test_the_weights_move_by_the_planned_rates():
    # plain SGD on the loss w: each update moves w by exactly its rate
    weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=9.0)
    scheduler = TorchSchedule(optimizer, PLAN)
    moved = []
    for _ in range(20):
        before = weight.item()
        optimizer.zero_grad()
        (-weight).backward()
        optimizer.step()
        scheduler.step()
        moved.append(weight.item() - before)
    np.testing.assert_allclose(moved, PLAN(np.arange(20)), rtol=0, atol=1e-15)


@given(strategies.schedules)
def test_any_schedule_gives_its_rates(schedule):
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    scheduler = TorchSchedule(optimizer, schedule)
    used = []
    for _ in range(70):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert used == schedule(np.arange(70)).tolist()
    assert scheduler.get_last_lr() == [schedule(70)]


def test_a_scheduler_leaves_the_schedule_as_it_was():
    before = copy.deepcopy(PLAN)
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    scheduler = TorchSchedule(optimizer, PLAN)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    assert before == PLAN
    assert PLAN(0) == before(0)


def test_a_group_gets_its_multiple():
    model = net()
    optimizer = torch.optim.SGD([{"params": [model.weight]},
                                 {"params": [model.bias], "lr_scale": 0.1}], lr=1.0)
    scheduler = TorchSchedule(optimizer, PLAN)
    for update in range(6):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == [PLAN(update), PLAN(update) * 0.1]
        optimizer.step()
        scheduler.step()


def test_a_tensor_rate_is_filled_in_place():
    optimizer = torch.optim.Adam(net().parameters(), lr=torch.tensor(9.0), capturable=False,
                                 foreach=False)
    held = optimizer.param_groups[0]["lr"]
    set_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is held
    assert held.item() == 0.25


@pytest.mark.parametrize("stop", [0, 1, 7, 19])
def test_training_goes_on_from_a_checkpoint_bit_for_bit(stop):
    def start():
        model = net()
        optimizer = OPTIMIZERS["sgd"](model.parameters())
        return model, optimizer, TorchSchedule(optimizer, PLAN)

    whole = start()
    train(*whole, 20)
    first = start()
    train(*first, stop)
    saved = copy.deepcopy((first[0].state_dict(), first[1].state_dict()))
    position = json.dumps(first[2].state_dict())
    second = start()
    second[0].load_state_dict(saved[0])
    second[1].load_state_dict(saved[1])
    second[2].load_state_dict(json.loads(position))
    assert second[1].param_groups[0]["lr"] == PLAN(stop)
    used = train(*second, 20, start=stop)
    assert used == PLAN(np.arange(stop, 20)).tolist()
    assert torch.equal(second[0].weight, whole[0].weight)


@pytest.mark.parametrize(("change", "message"), [
    ({"schedule": lrlib.Cosine(0.2, 0.02, steps=12).warmup(4).to_dict()}, "0.02"),
    ({"last_epoch": -1}, "-1"),
    ({"last_epoch": 2.5}, "2.5"),
    ({"last_epoch": True}, "True"),
    ({"extra": 1}, "not the state of a TorchSchedule"),
])
def test_a_foreign_checkpoint_is_refused_and_changes_nothing(change, message):
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    scheduler = TorchSchedule(optimizer, PLAN)
    optimizer.step()
    scheduler.step()
    before = (scheduler.last_epoch, optimizer.param_groups[0]["lr"], scheduler.get_last_lr())
    with pytest.raises(ValueError, match=message):
        scheduler.load_state_dict(scheduler.state_dict() | change)
    assert (scheduler.last_epoch, optimizer.param_groups[0]["lr"],
            scheduler.get_last_lr()) == before


def test_a_torch_scheduler_s_own_checkpoint_is_refused():
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    state = torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict()
    with pytest.raises(ValueError, match="not the state of a TorchSchedule"):
        TorchSchedule(optimizer, PLAN).load_state_dict(state)


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_bad_rate_is_refused_and_changes_nothing(rate):
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    with pytest.raises(ValueError, match=str(rate)):
        set_rate(optimizer, rate)
    assert optimizer.param_groups[0]["lr"] == 9.0


def test_arguments_that_are_no_optimizer_and_no_number_are_named():
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    with pytest.raises(TypeError, match=r"a rate must be a number, got '0\.1'"):
        set_rate(optimizer, "0.1")
    with pytest.raises(TypeError, match=r"torch.optim.Optimizer, got 0\.1"):
        set_rate(0.1, optimizer)


def test_a_bad_scale_is_refused_and_changes_nothing():
    model = net()
    optimizer = torch.optim.SGD([{"params": [model.weight]},
                                 {"params": [model.bias], "lr_scale": -2.0}], lr=9.0)
    with pytest.raises(ValueError, match=r"-0\.2"):
        set_rate(optimizer, 0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [9.0, 9.0]


def test_only_a_schedule_is_accepted():
    optimizer = torch.optim.SGD(net().parameters(), lr=9.0)
    with pytest.raises(TypeError, match=r"0\.1"):
        TorchSchedule(optimizer, 0.1)
    with pytest.raises(TypeError, match="Optimizer"):
        TorchSchedule(net(), PLAN)


def step(optimizer, times=1):
    for _ in range(times):
        optimizer.step()


def test_a_recorder_sees_every_rate_and_changes_nothing():
    plain, watched = net(), net()
    optimizers = [OPTIMIZERS["sgd"](model.parameters()) for model in (plain, watched)]
    recorder = RateRecorder(optimizers[1])
    for model, optimizer in zip((plain, watched), optimizers, strict=True):
        train(model, optimizer, TorchSchedule(optimizer, PLAN), 20)
    assert recorder.rates == PLAN(np.arange(20)).tolist()
    recorder.check(PLAN)
    recorder.check(PLAN(np.arange(20)))
    assert torch.equal(plain.weight, watched.weight)
    assert optimizers[0].state_dict().keys() == optimizers[1].state_dict().keys()


def test_a_recorder_says_what_is_wrong():
    optimizer = torch.optim.SGD(net().parameters(), lr=0.2)
    recorder = RateRecorder(optimizer)
    step(optimizer, 20)
    with pytest.raises(RateMismatch, match="is the schedule connected"):
        recorder.check(PLAN)


def test_a_recorder_ends():
    optimizer = torch.optim.SGD(net().parameters(), lr=0.2)
    recorder = RateRecorder(optimizer)
    step(optimizer, 3)
    recorder.remove()
    recorder.remove()
    step(optimizer, 3)
    assert recorder.rates == [0.2] * 3


@pytest.mark.parametrize("group", [0, 1])
def test_a_recorder_of_a_group_expects_its_multiple(group):
    model = net()
    optimizer = torch.optim.SGD([{"params": [model.weight]},
                                 {"params": [model.bias], "lr_scale": 0.1}], lr=1.0)
    scheduler = TorchSchedule(optimizer, PLAN)
    recorder = RateRecorder(optimizer, group)
    train(model, optimizer, scheduler, 20)
    recorder.check(PLAN)
    recorder.check(PLAN(np.arange(20)).tolist())
    assert recorder.rates == [rate * (1, 0.1)[group] for rate in PLAN(np.arange(20))]


def test_a_recorder_reads_a_tensor_rate():
    optimizer = torch.optim.Adam(net().parameters(), lr=torch.tensor(9.0), capturable=False,
                                 foreach=False)
    recorder = RateRecorder(optimizer)
    for update in range(20):
        set_rate(optimizer, PLAN(update))
        optimizer.step()
    assert all(type(rate) is float for rate in recorder.rates)
    recorder.check(PLAN)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_the_scaler_skips_is_not_recorded(fused):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    recorder, scaler = RateRecorder(optimizer), torch.amp.GradScaler("cpu")
    for update, size in enumerate([1.0, float("inf"), 1.0]):
        before = model.weight.clone()
        set_rate(optimizer, 0.1 * (update + 1))
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(1, 3)).sum() * size).backward()
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(model.weight, before) == (size == float("inf"))
    assert recorder.rates == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize("group", [1, -1, True, "0"])
def test_a_recorder_needs_a_group_that_exists(group):
    with pytest.raises(ValueError, match=f"from 0 to 0, got {group!r}"):
        RateRecorder(torch.optim.SGD(net().parameters(), lr=0.1), group)


def test_a_recorder_needs_an_optimizer_and_updates():
    with pytest.raises(TypeError, match="must be a torch"):
        RateRecorder(net())
    with pytest.raises(ValueError, match="used rates"):
        RateRecorder(torch.optim.SGD(net().parameters(), lr=0.1)).check(PLAN)
