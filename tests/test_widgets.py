"""The arithmetic of the interactive components equals Python's: run in QuickJS, without a page."""
import json
import re

import numpy as np
import pytest
import quickjs
import rules
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

STATIC = rules.ROOT / "chapters" / "_book" / "static"
CHAPTER = rules.ROOT / "chapters" / "principles" / "step_size.ipynb"

rates = st.floats(1e-4, 0.5)
curvatures = st.lists(st.floats(0.01, 30), min_size=2, max_size=2)
starts = st.lists(st.floats(-5, 5).map(lambda x: round(x, 6)), min_size=2, max_size=2)


@pytest.fixture(scope="module")
def js():
    """A function (name, arguments) -> what the function of that name in quadratic.js returns."""
    engine = quickjs.Context()
    engine.eval((STATIC / "quadratic.js").read_text(encoding="utf-8"))

    def call(name, *arguments):
        passed = ", ".join(map(json.dumps, arguments))
        said = engine.eval(f"JSON.stringify(quadratic.{name}({passed}), "
                           "(_, v) => v === Infinity ? 'Infinity' : v)")
        found = json.loads(said, parse_int=float)     # no number outgrows NumPy
        return np.inf if found == "Infinity" else found

    return call


@pytest.fixture(scope="module")
def follow():
    """Gradient descent as the chapter itself has it."""
    for cell in json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "def follow(" in source:
            found = {"np": np}
            exec(source, found)
            return found["follow"]
    raise AssertionError("the chapter has no function follow")


@given(rates, curvatures, starts, st.integers(0, 60))
def test_the_path_is_the_chapter_s(js, follow, rate, bends, start, updates):
    bends_ = np.array(bends)
    expected = follow(lambda x: bends_ * x, start, lambda t: rate, updates)
    np.testing.assert_allclose(js("path", rate, bends, start, updates), expected,
                               rtol=1e-12, atol=0)


@given(rates, curvatures, starts, st.integers(1, 30))
def test_the_path_is_torch_s(js, rate, bends, start, updates):
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=rate)
    for _ in range(updates):
        x.grad = torch.tensor(bends, dtype=torch.float64) * x.detach()
        optimizer.step()
    # where a factor is nearly 0, the last bits of 1 are all that is left: compare with the start
    found = np.array(js("path", rate, bends, start, updates)[-1])
    size = np.maximum(1, np.abs(1 - rate * np.array(bends))) ** updates
    assert (np.abs(found - x.detach().numpy()) <= 1e-12 * size * np.abs(start)).all()


@given(rates, curvatures, starts, st.integers(1, 30))
def test_the_factors_explain_the_path(js, rate, bends, start, updates):
    found = np.array(js("path", rate, bends, start, updates)[-1])
    factors = np.array(js("factors", rate, bends))
    np.testing.assert_allclose(factors, 1 - rate * np.array(bends), rtol=1e-12, atol=1e-15)
    size = np.maximum(1, np.abs(factors)) ** updates
    assert (np.abs(found - factors**updates * start) <= 1e-11 * size * np.abs(start)).all()


@given(rates, st.floats(0.01, 30))
def test_the_word_is_true_of_the_path(js, rate, bend):
    factor, = js("factors", rate, [bend])
    word = js("behaviour", factor)
    one, later = (abs(js("path", rate, [bend], [1.0], n)[-1][0]) for n in (1, 2))
    assume(abs(abs(factor) - 1) > 1e-6)
    assert word == ("straight" if rate * bend <= 1 else "swings" if rate * bend < 2
                    else "diverges")
    assert (later > one) == (word == "diverges") or one == later == 0


def test_on_the_limit_it_swings_for_ever(js):
    for bend in range(2, 21):
        rate = 2 / bend
        assert js("behaviour", js("factors", rate, [bend])[0]) == "swings for ever"
        assert abs(js("path", rate, [bend], [1.0], 1000)[-1][0]) == pytest.approx(1, abs=1e-9)
        assert js("updatesTo", 0.01, rate, [1, bend], [2, 0.8]) == np.inf


@given(st.floats(0.01, 0.25), st.floats(2, 20), st.sampled_from([0.5, 0.1, 0.01]))
def test_the_number_of_updates_is_the_path_s(js, rate, steep, share):
    start = [2, 0.8]
    found = js("updatesTo", share, rate, [1, steep], start)
    assume(abs(rate * steep - 2) > 1e-3)
    if rate * steep > 2:
        # it may pass near the minimum before the steep direction takes over
        found = min(found, 200)
    distances = np.linalg.norm(js("path", rate, [1, steep], start, int(min(found, 2000))), axis=1)
    wanted = share * np.linalg.norm(start)
    assert (distances[:-1] > wanted * (1 - 1e-12)).all()
    assert rate * steep > 2 or distances[-1] <= wanted * (1 + 1e-12)


def test_the_chapter_s_table_is_the_component_s(js):
    """The printed factors and distances, recomputed by the component's own functions."""
    printed = next("".join(output["text"])
                   for cell in json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
                   if cell["cell_type"] == "code" for output in cell["outputs"]
                   if "distance left" in "".join(output.get("text", ())))
    rates, flat, steep, left = (re.findall(r"-?\d+\.\d+", line) for line in
                                printed.strip().splitlines()[1:5])
    for i, rate in enumerate(map(float, rates)):
        points = js("path", rate, [1, 10], [2, 0.8], 25)
        share = 100 * np.hypot(*points[-1]) / np.hypot(*points[0])
        assert [f"{f:.2f}" for f in (*js("factors", rate, [1, 10]), share)] == [
            flat[i], steep[i], left[i]] or abs(js("factors", rate, [1, 10])[1]) < 1e-12
    assert len(rates) == 4


def test_the_file_asks_no_other_host():
    for name in ("quadratic.js", "quadratic.css"):
        assert not re.search(r"(https?:)?//[a-z]|@import|import\(|url\(",
                             (STATIC / name).read_text(encoding="utf-8").replace("// ", ""))
