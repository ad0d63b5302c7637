"""A traced step is the function itself, run again and again: random graphs, memory, refusals."""
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lrlib.program import Program

SHAPE = (2, 3, 3)
OUTSIDE = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(SHAPE)
ROW = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def in_place(x, y):
    z = x.clone()
    z.mul_(y).add_(1)
    z[:, 0] = y[:, 1]
    return z


def into_a_view(x, y):
    z = x * 1
    z.transpose(1, 2)[:, 1].copy_(y[:, 0])
    return z


# (x, y) -> a tensor of x's shape
OPERATIONS = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (2 + y * y), "scaled": lambda x, y: x + 0.5 * y,
    "less": lambda x, y: x - 3 * y, "neg": lambda x, y: -x, "one": lambda x, y: 1 * x,
    "zero": lambda x, y: 0 * x + y, "tanh": lambda x, y: x.tanh(),
    "sigmoid": lambda x, y: x.sigmoid(), "exp": lambda x, y: x.clamp(-2, 2).exp(),
    "root": lambda x, y: (1 + x * x) ** 0.5, "relu": lambda x, y: x.relu(),
    "matmul": lambda x, y: x @ y / 3, "left": lambda x, y: x.transpose(1, 2) @ y / 3,
    "affine": lambda x, y: 0.5 * x + y @ x / 3, "linear": lambda x, y: functional.linear(x, y[0]),
    "addcmul": lambda x, y: x + x * y, "addcdiv": lambda x, y: x - y / (1 + x * x),
    "plus itself": lambda x, y: x + x, "transpose": lambda x, y: x.transpose(1, 2),
    "twice": lambda x, y: x.mT.mT, "reshape": lambda x, y: x.reshape(9, 2).t().reshape(SHAPE),
    "view": lambda x, y: x.contiguous().view(2, 9).view(SHAPE), "same": lambda x, y: x,
    "clone": lambda x, y: x.clone(), "detach": lambda x, y: x.detach(),
    "row": lambda x, y: x[:, :1].expand(SHAPE), "flip": lambda x, y: x.flip(1),
    "sum": lambda x, y: x.sum(1, keepdim=True).expand(SHAPE) / 3,
    "mean": lambda x, y: x - y.mean((1, 2), keepdim=True), "norm": lambda x, y: functional.layer_norm(x, (3,)),
    "softmax": lambda x, y: x.softmax(-1), "log_softmax": lambda x, y: x.log_softmax(1),
    "where": lambda x, y: torch.where(x > y, x, -y), "max": lambda x, y: torch.maximum(x, y),
    "cat": lambda x, y: torch.cat([x[:, :1], y[:, 1:]], 1),
    "stack": lambda x, y: torch.stack([x, y]).mean(0),
    "split": lambda x, y: torch.cat(x.split([1, 2], 2)[::-1], 2),
    "chunks": lambda x, y: sum(part.expand(SHAPE) for part in x.chunk(3, 1)) / 3,
    "unbind": lambda x, y: torch.stack(y.unbind(2), 1), "sort": lambda x, y: x.sort(1)[0],
    "largest": lambda x, y: x.max(1, keepdim=True)[0] * y,
    "gather": lambda x, y: x.gather(1, y.argsort(dim=1, stable=True)), "index": lambda x, y: x[:, [2, 0, 1]],
    "float": lambda x, y: x.float().double(), "ones": lambda x, y: torch.ones_like(x) + y,
    "eye": lambda x, y: x @ torch.eye(3, dtype=x.dtype), "count": lambda x, y: x + torch.arange(3),
    "constant": lambda x, y: x * torch.tensor([[0.5], [2.0], [-1.0]], dtype=x.dtype),
    "outside": lambda x, y: x + OUTSIDE * y, "a row outside": lambda x, y: x * ROW,
    "in place": in_place, "into a view": into_a_view,
}


def run(plan, state, inputs):
    """The function that a plan stands for, and every value on the way."""
    steps, new, outputs = plan
    values = [*state, *inputs]
    for name, i, j in steps:
        values.append(OPERATIONS[name](values[i % len(values)], values[j % len(values)]))
    return ([values[i % len(values)] for i in new], [values[i % len(values)] for i in outputs],
            values)


places = st.integers(0, 11)
plans = st.integers(1, 3).flatmap(lambda size: st.tuples(
    st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), places, places), max_size=8),
    st.lists(places, min_size=size, max_size=size), st.lists(places, max_size=3)))


# values are numbered: the state, then the two inputs, then the steps
@settings(max_examples=120)
@given(plans)
@example(([], [1, 0], [0, 1]))                                   # swapped
@example(([], [1, 2, 0], [0]))                                   # in a ring, and the old one out
@example(([], [0], [0, 0]))                                      # nothing changes
@example(([], [1], [1]))                                         # the state becomes an input
@example(([("add", 0, 1)], [3], [0]))                            # the old state goes out
@example(([("add", 0, 1)], [3], [3]))                            # the new one
@example(([("add", 0, 1), ("transpose", 0, 0)], [3], [4]))       # a view of the old one
@example(([("transpose", 0, 0)], [3], []))
@example(([("transpose", 0, 0), ("transpose", 1, 0)], [5, 4], [4]))
@example(([("row", 1, 0), ("mul", 0, 0)], [4, 5], []))           # a view of what is overwritten
@example(([("add", 0, 1)], [4, 4], []))                          # two become one tensor
@example(([("add", 0, 2), ("transpose", 4, 0)], [4, 5], [4]))    # and its view
@example(([("add", 0, 1), ("mul", 0, 3)], [3], [4]))             # the old one read after the new
@example(([("add", 0, 2), ("mul", 1, 0)], [4, 5], []))
@example(([("add", 0, 2), ("mul", 1, 0), ("sub", 4, 0)], [5, 4], [6]))
@example(([("mul", 0, 2)], [4, 0], []))                          # keeping the last state
@example(([("matmul", 0, 0)], [3], []))                          # no place to write while it reads
@example(([("affine", 0, 1)], [3], [0]))
@example(([("tanh", 0, 0), ("same", 3, 3), ("in place", 0, 3)], [5], [3, 0]))
@example(([("constant", 1, 1)], [3], []))
@example(([("ones", 0, 1)], [2], [3]))
@example(([("zero", 0, 1)], [1], [1, 2, 3]))
def test_a_program_is_its_function(plan):
    compare(plan)


def compare(plan):
    stream = np.random.default_rng(0)
    state, inputs = ([torch.from_numpy(stream.uniform(-1, 1, SHAPE)) for _ in range(count)]
                     for count in (len(plan[1]), 2))
    want, own = [t.clone() for t in state], list(state)
    program = Program(lambda state, inputs: run(plan, state, inputs)[:2], state, inputs)
    for t, before in zip(state, want, strict=True):
        assert torch.equal(t, before)                            # tracing is no step
    for _ in range(3):
        for tensor in inputs:
            tensor.copy_(torch.from_numpy(stream.uniform(-1, 1, SHAPE)))
        given_inputs = [t.clone() for t in inputs]
        want, outputs, values = run(plan, [t.clone() for t in want], given_inputs)
        scale = max(float(v.abs().max()) for v in values)
        if scale > 1e4:                                          # rounding would decide
            return
        program()
        assert program.state[0] is own[0]
        for got, wanted in zip([*own, *program.outputs], [*want, *outputs], strict=True):
            torch.testing.assert_close(got, wanted.to(got), rtol=0, atol=1e-11 * max(scale, 1))
        for got, wanted in zip(inputs, given_inputs, strict=True):
            assert torch.equal(got, wanted)                      # inputs are only read


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation(name):
    compare(([(name, 0, 1), (name, 1, 4)], [4, 5], [5, 4, 0]))


def test_gradients_of_a_population():
    """What a sweep traces: gradients under vmap, with a state that has several dtypes."""
    stream = np.random.default_rng(0)
    weights = torch.from_numpy(stream.normal(size=(5, 4, 3)))
    count = torch.zeros(5, dtype=torch.int64)
    x, y = torch.from_numpy(stream.normal(size=(5, 6, 4))), torch.from_numpy(
        stream.integers(0, 3, (5, 6)))

    def one(w, n, x, y):
        gradient, loss = torch.func.grad_and_value(
            lambda w: functional.cross_entropy(x @ w, y))(w)
        return w - 0.3 * gradient, n + 1, loss

    def step(state, inputs):
        w, n, loss = torch.vmap(one)(*state, *inputs)
        return [w, n], [loss]

    want, program = (weights.clone(), count.clone()), Program(step, [weights, count], [x, y])
    for done in range(1, 6):
        (*want, loss) = torch.vmap(one)(*want, x, y)
        program()
        torch.testing.assert_close(weights, want[0], rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(program.outputs[0], loss, rtol=1e-13, atol=0)
        assert count.tolist() == [done] * 5
    place = program.outputs[0].data_ptr()
    program()
    assert program.outputs[0].data_ptr() == place                # no new memory


def test_memory_is_used_again():
    x = torch.zeros(1000, dtype=torch.float64)

    def long(state, inputs):
        value = state[0]
        for i in range(50):
            value = (value + i).tanh()
        return [value], []

    program = Program(long, [x], [])
    assert len(program.operations) == 100
    assert x.nbytes <= program.bytes <= 4 * x.nbytes


def test_the_code_is_equal_for_equal_functions_only():
    def code(factor, constant, shape=(3,)):
        def step(state, inputs):
            return [state[0] * factor + torch.tensor(constant)], []
        return Program(step, [torch.ones(shape)], []).code

    same = code(2.0, [1.0, 2.0, 3.0])
    assert same == code(2.0, [1.0, 2.0, 3.0])
    assert same != code(2.0 + 1e-15, [1.0, 2.0, 3.0])
    assert same != code(2.0, [1.0, 2.0, 4.0])


@pytest.mark.parametrize(("function", "message"), [
    (lambda s, i: ([torch.rand_like(s[0])], []), "rand_like.* draws random numbers"),
    (lambda s, i: ([functional.dropout(s[0], 0.5)], []), "draws random numbers"),
    (lambda s, i: ([s[0] + torch.randn(3)], []), "draws random numbers"),
    (lambda s, i: ([s[0][:2]], []), r"state 0 was \(\(3,\), torch.float32\), becomes \(\(2,\)"),
    (lambda s, i: ([s[0].double()], []), r"state 0 was .* becomes .*torch.float64"),
    (lambda s, i: ([s[0].add_(1)], []), "changes its argument 0 in place"),
    (lambda s, i: ([s[0] + i[0].t().mul_(2)], []), "changes its argument 1 in place"),
    (lambda s, i: ([s[0], s[0]], []), "1 state tensors, got 2"),
    (lambda s, i: ([], [s[0]]), "1 state tensors, got 0"),
], ids=["rand_like", "dropout", "randn", "shape", "dtype", "state changed", "input changed",
        "too many", "too few"])
def test_what_is_no_pure_step_is_refused(function, message):
    state, given_input = torch.ones(3), torch.ones(3)
    with pytest.raises(ValueError, match=message):
        Program(function, [state], [given_input])
    assert state.tolist() == given_input.tolist() == [1, 1, 1]


def test_what_tracing_loads_is_loaded_before_tensorflow_can_be():
    # Triton, which torch with CUDA loads then, crashes a Python that holds TensorFlow
    code = """
import sys
import lrlib, numpy as np
from lrlib import models, sweep
before = set(sys.modules)
sweep.sweep(lambda: models.mlp(2, 3), np.zeros((4, 2)), np.zeros(4, int), [lrlib.Constant(0.1)],
            steps=1, batch=2, seeds=[0])
late = {name for name in set(sys.modules) - before if name.startswith("torch._dynamo")}
assert not late, late
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
