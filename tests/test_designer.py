"""The page that designs schedules draws lrlib's rates, and the code it prints gives them too."""
import gzip
import inspect
import json
import re
import shutil
import subprocess

import components
import jax
import numpy as np
import pytest
import quickjs
import rules
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lrlib
from lrlib import repro

with repro.quiet_stderr():
    import keras

STATIC = rules.ROOT / "chapters" / "_book" / "static"
FILES = STATIC / "designer.js", STATIC / "designer.css"
ENGINE = quickjs.Context()
ENGINE.eval(FILES[0].read_text(encoding="utf-8"))
few = settings(max_examples=25)


def js(name, *arguments):
    """What the function of that name in designer.js returns."""
    passed = ", ".join(map(json.dumps, arguments))
    found = ENGINE.eval(f"JSON.stringify(designer.{name}({passed}), (_, v) => "
                        "v instanceof Float64Array ? Array.from(v) : v)")
    return json.loads(found)


KINDS = json.loads(ENGINE.eval("JSON.stringify(designer.KINDS)"))
MOST = json.loads(ENGINE.eval("JSON.stringify(designer.MOST)"))
RUN = json.loads(ENGINE.eval("JSON.stringify(designer.RUN)"))
TABS = json.loads(ENGINE.eval("JSON.stringify(Object.keys(designer.CODE))"))
RAMPS = ["Linear", "Cosine", "Polynomial", "OneMinusSqrt", "REX"]
PARTS = {"Schedule", "Ramp", "Rate", "Positive", "Updates", "Then", "Scaled", "Clipped", "updates"}


# Schedules within the page's limits --------------------------------------------------------------

def numbers(kind, name, longest):
    spec = js("spec", kind, name)
    if "choices" in spec:
        return st.sampled_from(spec["choices"])
    low, high = spec["low"], spec["high"]
    if spec.get("whole"):
        return st.integers(low, min(high, longest if spec.get("time") else high))
    if spec.get("time"):
        high = longest
    ends = st.sampled_from([low, high]) if low > 0 else st.just(0)
    return st.one_of(ends, st.floats(max(low, 1e-7), high))


@st.composite
def schedules(draw, kind, longest=60):
    """A schedule of this kind; times of up to `longest` updates."""
    def times(n):
        return sorted(draw(st.sets(st.integers(1, longest), min_size=n, max_size=n)))

    if kind in ("one_cycle", "wsd"):
        longest = max(longest // 3, 1)          # their steps are the sum of three times
    s = {"kind": kind}
    for name, first in js("defaults", kind).items():
        if not isinstance(first, list):
            s[name] = draw(numbers(kind, name, longest))
    if kind == "Piecewise":
        s["boundaries"] = times(draw(st.integers(1, MOST["boundaries"])))
        n = len(s["boundaries"]) + 1
        s["rates"] = [draw(numbers(kind, "rates", longest)) for _ in range(n)]
    elif kind == "multi_step":
        s["milestones"] = times(draw(st.integers(1, MOST["milestones"])))
    elif kind == "one_cycle":
        s["warmup"] = max(s["warmup"], 1)
        s["steps"] += s["warmup"]
    elif kind == "wsd":
        s["steps"] += s["warmup"] + s["cooldown"]
    elif kind == "noam":
        s["warmup"] = max(s["warmup"], 1)
    s = js("normal", s)
    assert js("problem", s) is None
    return s


def in_lrlib(s):
    """The same schedule, made by lrlib's own names."""
    given = {name: value for name, value in s.items() if name != "kind"}
    own = KINDS[s["kind"]].get("own")
    warmup, first = (0, 0) if own else (given.pop("warmup"), given.pop("warmup_start", 0))
    if s["kind"] == "Repeated":
        inner = getattr(lrlib, given.pop("inner"))
        ramp = inner(*(given.pop(name) for name in ("start", "end", "steps")))
        made = lrlib.Repeated(ramp, **given)
    else:
        made = getattr(lrlib, s["kind"])(**given)
    return made.warmup(warmup, first) if warmup else made


any_schedule = st.sampled_from(list(KINDS)).flatmap(schedules)
every_kind = pytest.mark.parametrize("kind", KINDS)


@st.composite
def states(draw):
    return {"run": draw(st.integers(RUN["low"], 300)), "log": draw(st.booleans()),
            "code": draw(st.sampled_from(TABS)),
            "schedules": draw(st.lists(any_schedule, min_size=1, max_size=MOST["curves"]))}


# Curves ------------------------------------------------------------------------------------------

def test_every_family_and_recipe_is_there_with_lrlib_s_names():
    assert set(KINDS) == set(lrlib.schedules.__all__) - PARTS
    for kind, about in KINDS.items():
        expected = list(inspect.signature(getattr(lrlib, kind)).parameters)
        if kind == "Constant":
            expected.remove("steps")            # it matters only where another schedule follows
        if kind == "Repeated":
            expected[:1] = ["inner", "start", "end", "steps"]
        assert list(about["fields"]) == expected


@every_kind
@given(data=st.data(), longest=st.sampled_from([40, 40, 3_000, 1_000_000]))
def test_the_drawn_rates_are_lrlib_s_past_the_end_too(kind, data, longest):
    s = data.draw(schedules(kind, longest))
    expected = in_lrlib(s)(np.arange(300))
    found = np.array(js("rates", s, 300))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14 * expected.max())


@every_kind
@given(data=st.data())
def test_the_end_is_lrlib_s(kind, data):
    s = data.draw(schedules(kind))
    assert js("length", s) == in_lrlib(s).steps


@given(any_schedule, st.integers(10, 300))
def test_the_numbers_are_numpy_s(s, n):
    rates = in_lrlib(s)(np.arange(n))
    found = js("readouts", js("rates", s, n))
    assert found["first"] == pytest.approx(rates[0], rel=1e-12)
    assert found["last"] == pytest.approx(rates[-1], rel=1e-12, abs=1e-14 * rates.max())
    assert found["highest"] == pytest.approx(rates.max(), rel=1e-12)
    assert found["area"] == pytest.approx(rates.sum(), rel=1e-12)


@given(any_schedule, st.integers(10, 300))
def test_the_half_life_is_numpy_s(s, n):
    rates = np.array(js("rates", s, n))
    after = np.flatnonzero(rates[rates.argmax():] <= rates.max() / 2)
    expected = int(after[0]) if len(after) and rates.max() > 0 else None
    assert js("readouts", rates.tolist())["halfLife"] == expected


@given(st.floats(1e-3, 1), st.integers(1, 50))
def test_the_half_life_of_an_exponential_is_its_formula_s(start, every):
    s = js("normal", {"kind": "Exponential", "start": start, "factor": 0.5, "every": every})
    assert js("readouts", js("rates", s, 60))["halfLife"] == every


# Handles, lengths, kinds: whatever is done, what results is a schedule ---------------------------

@given(any_schedule, st.integers(0, 10), st.floats(0, 400), st.floats(0, 20))
def test_a_handle_never_leaves_the_limits(s, which, x, y):
    state = {"run": 100, "log": False, "code": "lrlib", "schedules": [s]}
    handles = [handle["name"] for handle in js("handles", s)]
    assert len(set(handles)) == len(handles)
    moved = js("moved", state, handles[which % len(handles)], x, y)
    assert js("problem", moved["schedules"][0]) is None
    assert in_lrlib(moved["schedules"][0])(0) >= 0


@every_kind
@given(data=st.data(), x=st.integers(1, 99), y=st.floats(0.002, 0.9))
def test_a_handle_that_is_moved_is_where_it_was_moved(kind, data, x, y):
    state = js("choose", js("start"), kind)
    name = data.draw(st.sampled_from([h["name"] for h in js("handles", state["schedules"][0])]))
    before = next(h for h in js("handles", state["schedules"][0]) if h["name"] == name)
    moved = js("moved", state, name, x, y)["schedules"][0]
    after = next(h for h in js("handles", moved) if h["name"] == name)
    fixed_x = before["x"] == 0 or name in ("bend", "rate 1")
    if not fixed_x:
        low, high = js("moved", state, name, 0, y), js("moved", state, name, 1_000, y)
        least, most = (next(h["x"] for h in js("handles", s["schedules"][0]) if h["name"] == name)
                       for s in (low, high))
        assert after["x"] == pytest.approx(np.clip(x, least, most), abs=0.6, rel=0.006)
    lowest, highest = sorted(
        next(h["y"] for h in js("handles", js("moved", state, name, x, far)["schedules"][0])
             if h["name"] == name) for far in (1e-9, 10))
    assert after["y"] == pytest.approx(np.clip(y, lowest, highest), rel=0.02)


@every_kind
@given(data=st.data())
def test_handles_lie_on_the_curve(kind, data):
    s = data.draw(schedules(kind))
    rates = np.array(js("rates", s, 1_500))
    for handle in js("handles", s):
        if handle["x"] == int(handle["x"]) and not (kind in ("Repeated", "sgdr")
                                                    and handle["name"] == "end"):
            assert handle["y"] == pytest.approx(rates[int(handle["x"])], rel=1e-9, abs=1e-12)


@given(any_schedule, st.integers(RUN["low"], 5_000), st.integers(RUN["low"], 5_000))
def test_another_run_stretches_the_schedule(s, run, other):
    state = {"run": run, "log": False, "code": "lrlib", "schedules": [s]}
    stretched = js("stretch", state, other)
    assert stretched["run"] == other
    assert js("problem", stretched["schedules"][0]) is None
    exact = js("stretch", state, 10 * run)["schedules"][0]
    if s["kind"] in RAMPS:
        assert js("length", exact) == 10 * js("length", s)
    time = {name for name in s if name != "kind" and js("spec", s["kind"], name).get("time")}
    for name in time - {"warmup"} - ({"steps"} if s["kind"] in RAMPS else set()):
        np.testing.assert_allclose(exact[name], 10 * np.array(s[name]), rtol=1e-12)
    assert exact["warmup"] == (10 if s["kind"] == "one_cycle" else 1) * s["warmup"]


def test_a_warmup_is_cut_only_where_it_no_longer_fits():
    state = js("fromHash", "Cosine,steps=500,warmup=500&Linear,steps=70&run=1000")["state"]
    after = js("stretch", state, 2_000)["schedules"]
    assert after[0]["warmup"] == 500
    assert js("length", after[0]) == 2_000
    assert after[1] == state["schedules"][1]                         # a kept curve stays
    short = js("stretch", state, 400)["schedules"][0]
    assert short["warmup"] == 200
    assert js("length", short) == 400


@given(st.integers(0, 99), st.sampled_from(RAMPS))
def test_a_ramp_that_ends_with_the_run_still_does_after_a_warmup(warmup, kind):
    state = js("change", js("choose", js("start"), kind), "warmup", warmup)
    assert js("length", state["schedules"][0]) == state["run"]


@given(any_schedule, st.sampled_from(list(KINDS)), st.integers(RUN["low"], 5_000))
def test_any_kind_can_be_chosen_after_any_other(s, kind, run):
    state = {"run": run, "log": False, "code": "lrlib", "schedules": [s]}
    chosen = js("choose", state, kind)["schedules"][0]
    assert js("problem", chosen) is None
    assert chosen["kind"] == kind


@every_kind
def test_a_kind_is_as_high_as_the_one_before_however_low_that_was(kind):
    state = js("choose", js("fromHash", "Constant,rate=2e-6")["state"], kind)
    assert state["schedules"][0]["kind"] == kind
    highest = max(js("rates", state["schedules"][0], 101))
    assert kind == "noam" or highest == pytest.approx(2e-6, rel=0.02)


@given(st.floats(1e-4, 10), st.floats(1e-4, 10))
def test_one_cycle_keeps_its_shape_at_another_peak(one, other):
    state = js("choose", js("start"), "one_cycle")
    for peak in (one, other):
        state = js("change", state, "peak", peak)
    s = state["schedules"][0]
    assert s["peak"] / s["start"] == pytest.approx(25, rel=1e-4)
    assert s["peak"] / s["end"] == pytest.approx(250_000, rel=1e-4)
    found = js("moved", state, "peak", 30, 0)["schedules"][0]          # down to the axis
    assert js("problem", found) is None


# What is entered ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("hash", "field", "value", "said"), [
    ("Cosine", "run", 2_000_000, "Updates of the run must be a whole number from 10 to 1000000, got 2000000"),
    ("Cosine", "run", 7820.5, "got 7820.5"),
    ("Cosine", "start", 1e-8, "Start must be a number from 1e-7 to 10, got 1e-8"),
    ("Cosine", "steps", 0, "Length must be a whole number from 1 to 1000000, got 0"),
    ("multi_step,milestones=50:75", "milestones-0", 80, "Milestone 1 must be a whole number from 1 to 74, got 80"),
    ("Piecewise", "rates-2", 11, "Rate 3 must be a number from 0 to 10, got 11"),
    ("Cosine", "start", None, "Start must be a number from 1e-7 to 10"),
])
def test_a_wrong_number_changes_nothing_and_is_named_by_its_label(hash, field, value, said):
    state = js("fromHash", hash)["state"]
    found = js("entered", state, field, float("nan") if value is None else value)
    assert found["state"] == state
    assert found["problem"].endswith(said)


def test_a_right_number_is_set():
    state = js("fromHash", "multi_step,milestones=50:75&run=100")["state"]
    after = js("entered", state, "milestones-1", 90)
    assert after["problem"] is None
    assert after["state"]["schedules"][0]["milestones"] == [50, 90]
    assert js("entered", state, "run", 200)["state"]["schedules"][0]["milestones"] == [100, 150]


@given(st.integers(1, 300), st.integers(1, 100_000), st.integers(1, 4096))
def test_epochs_are_counted_as_lrlib_counts_them(epochs, examples, batch):
    assert js("updates", epochs, examples, batch) == lrlib.updates(epochs, examples, batch)


# Curves that are kept, handles that are out of sight ---------------------------------------------

def test_a_kept_curve_takes_the_place_of_the_first():
    state = js("fromHash", "Cosine&Linear&REX")["state"]
    swapped = js("swap", state, 2)
    assert [s["kind"] for s in swapped["schedules"]] == ["REX", "Linear", "Cosine"]
    assert js("swap", swapped, 2) == state


@pytest.mark.parametrize(("hash", "said"), [
    ("Cosine,steps=7820&run=100", "The schedule ends at update 7820, the run at 100."),
    ("Cosine,steps=90,warmup=10&run=100", ""),
    ("Exponential,every=1000&run=100", "“fall” is at update 1000, the run ends at 100."),
    ("multi_step,milestones=50:750&run=100", "“milestone 2” is at update 750, the run ends at 100."),
])
def test_what_lies_beyond_the_run_is_said_and_has_no_handle(hash, said):
    state = js("fromHash", hash)["state"]
    assert js("beyond", state) == said
    assert all(handle["x"] <= 101 for handle in js("inside", state))
    whole = {**state, "run": js("reach", state["schedules"])}
    assert js("beyond", whole) == ""


@given(any_schedule)
def test_the_run_that_shows_a_schedule_has_room_for_its_handles(s):
    run = js("reach", [s])
    assert js("beyond", {"run": run, "schedules": [s]}) == ""
    if s["kind"] in [*RAMPS, "one_cycle", "wsd"]:
        assert run == max(js("length", s), RUN["low"])


@every_kind
def test_the_values_of_a_kind_are_for_a_run_of_100(kind):
    assert js("reach", [js("normal", {"kind": kind})]) == 100


def test_a_curve_is_computed_once():
    ENGINE.eval("""
        const seen = designer.normal({kind: "Cosine"});
        const first = designer.measured(seen, 1000);
    """)
    assert ENGINE.eval("designer.measured(seen, 1000) === first")
    assert not ENGINE.eval("designer.measured({...seen}, 1000) === first")
    assert not ENGINE.eval("designer.measured(seen, 999) === first")


@given(st.sampled_from(["Piecewise", "multi_step"]).flatmap(schedules), st.booleans())
def test_a_piece_more_or_less(s, more):
    state = {"run": 100, "log": False, "code": "lrlib", "schedules": [s]}
    name = "boundaries" if s["kind"] == "Piecewise" else "milestones"
    after = js("pieces", state, more)["schedules"][0]
    n = len(s[name])
    assert len(after[name]) == (min(n + 1, MOST[name]) if more else max(n - 1, 1))
    assert js("problem", after) is None


# Addresses ---------------------------------------------------------------------------------------

@given(states())
def test_a_state_comes_back_from_its_address(state):
    found = js("fromHash", js("toHash", state))
    assert found == {"state": state, "problem": None}
    assert re.fullmatch(r"[\w.,:=&+-]+", js("toHash", state))       # no sign that needs escaping


def test_an_address_written_by_hand_may_leave_out_what_is_usual():
    found = js("fromHash", "Cosine,start=0.3,steps=5000")
    assert found["problem"] is None
    assert found["state"]["run"] == 5_000
    assert found["state"]["schedules"] == [
        {"kind": "Cosine", "start": 0.3, "end": 0, "steps": 5_000, "warmup": 0}]
    assert js("fromHash", "WSD&code=keras")["state"]["schedules"][0]["kind"] == "wsd"
    assert js("fromHash", "wsd&code=keras")["state"]["code"] == "keras"
    assert js("fromHash", "") == {"state": js("start"), "problem": None}


@pytest.mark.parametrize(("hash", "run"), [
    ("Linear,steps=1000&Exponential,every=1000", 1_000),
    ("Cosine,steps=90&Linear,steps=400,warmup=20", 420),
    ("multi_step,start=0.1,factor=0.1,milestones=50:75", 100),
    ("multi_step,milestones=500:750&Linear,steps=1000", 1_000),
    ("Piecewise,rates=0.2:0.1,boundaries=150,warmup=10", 210),
    ("noam,warmup=4000", 20_000), ("sgdr,steps=1000,growth=2", 7_143),
    ("Exponential,every=1000", 4_000), ("InverseSqrt,shift=100", 1_000),
    ("Constant", 100), ("Constant,warmup=4000", 4_100), ("Step,every=1000000", 1_000_000),
])
def test_an_address_without_a_run_shows_the_schedules_whole(hash, run):
    state = js("fromHash", hash)["state"]
    assert state["run"] == run
    assert max(js("rates", state["schedules"][0], run)) > 0


@pytest.mark.parametrize(("hash", "said"), [
    ("Cosine,start=x", "start must be a number, got x"),
    ("Cosine,start=11", "start must be a number from 1e-7 to 10, got 11"),
    ("Cosine,start=-1", "got -1"),
    ("Cosine,start=", "start must be a number, got "),
    ("Cosine,start=0x1", "start must be a number, got 0x1"),
    ("Cosine,steps=2.5", "steps must be a whole number from 1 to 1000000, got 2.5"),
    ("Cosine,steps=1e999", "got Infinity"),
    ("Cosine,stops=5", "Cosine has no field stops"),
    ("Cosine,__proto__=5", "Cosine has no field __proto__"),
    ("Cosine,start=0.1,start=0.2", "start is given twice"),
    ("Cosine,start", "start is not field=value"),
    ("Kosine", "there is no schedule Kosine"),
    ("constructor", "there is no schedule constructor"),
    ("run=100", "it names no schedule"),
    ("Cosine&run=1", "run must be a whole number from 10 to 1000000, got 1"),
    ("Cosine,start=5.", "start must be a number, got 5."),
    ("Cosine&code=jax", "code must be one of lrlib, torch, keras, optax, got jax"),
    ("Cosine&axis=Log", "axis must be one of linear, log, got Log"),
    ("&".join(["Cosine"] * 6), "5 curves at most"),
    ("one_cycle,steps=10,warmup=10", "steps must be a whole number from 11 to 1000000, got 10"),
    ("wsd,steps=20,warmup=10,cooldown=10", "got 20"),
    ("Piecewise,rates=1:0.1", "rates must be 3 numbers, got 2"),
    ("Piecewise,rates=1:2,boundaries=", "boundaries must be a number, got "),
    ("multi_step,milestones=5:5", "milestones[0] must be a whole number from 1 to 4, got 5"),
    ("multi_step,milestones=1:2:3:4:5:6:7", "milestones must be 1 to 6 numbers, got 7"),
    ("Cyclic,mode=square", "mode must be one of triangular, triangular2, exp_range, got square"),
    ("Exponential,staircase=yes", "staircase must be one of false, true, got yes"),
    ("%E0%A4%A", "it is not a well-formed address"),
])
def test_a_malformed_address_gives_the_first_state_and_says_why(hash, said):
    found = js("fromHash", hash)
    assert found["state"] == js("start")
    assert said in found["problem"]


@given(st.one_of(st.text(max_size=40), st.text("Cosine,start=0.1&run:%wd_-", max_size=40)))
def test_no_address_throws(hash):
    found = js("fromHash", hash)
    assert found["problem"] is None or found["state"] == js("start")
    assert all(js("problem", s) is None for s in found["state"]["schedules"])


@given(states(), st.data())
def test_a_damaged_address_never_throws(state, data):
    text = js("toHash", state)
    at = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.sampled_from(["", "=", ",", "%", "é"]))
    found = js("fromHash", text[:at] + sign + text[at + 1:])
    assert all(js("problem", s) is None for s in found["state"]["schedules"])


# Printed code ------------------------------------------------------------------------------------

N = 48


def executed(s, run, tab):
    code = js(f"CODE.{tab}", s, run)
    names = {"model": torch.nn.Linear(1, 1)}
    exec(code, names)
    return names


def lrlib_rates(names, n):
    return names["schedule"](np.arange(n))


def torch_rates(names, n):
    optimizer, scheduler = names["optimizer"], names["scheduler"]
    used = []
    for _ in range(n):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(used)


def keras_rates(names, n):
    optimizer = names["optimizer"]
    used = []
    for update in range(n):
        optimizer.iterations.assign(update)
        used.append(float(optimizer.learning_rate))
    return np.array(used)


def optax_rates(names, n):
    schedule = names["schedule"]
    one_by_one = jax.vmap(lambda update: schedule(update) * 1.0)     # not all take arrays
    # always as many updates: what was compiled is used again
    return np.array(one_by_one(np.arange(N, dtype="int32")), float)[:n]


RATES = {"lrlib": (lrlib_rates, 1e-12), "torch": (torch_rates, 1e-9),
         "keras": (keras_rates, 1e-5), "optax": (optax_rates, 1e-5)}


@pytest.mark.filterwarnings("ignore:.*epoch parameter:UserWarning")
@pytest.mark.parametrize("tab", TABS)
@every_kind
@few
@given(data=st.data(), run=st.integers(10, N))
def test_the_printed_code_gives_the_drawn_rates(kind, tab, data, run):
    s = data.draw(schedules(kind, longest=data.draw(st.sampled_from([25, 150]))))
    drawn = np.array(js("rates", s, run))
    rates_of, off = RATES[tab]
    found = rates_of(executed(s, run, tab), run)
    # what is left of the largest rate where a library takes a difference
    largest = max([drawn.max(), *(s.get(name, 0) for name in ("start", "end", "peak"))])
    np.testing.assert_allclose(found, drawn, rtol=off, atol=off * largest)


NATIVE = {
    "torch": {"Constant": "ConstantLR", "Linear": "LinearLR", "Cosine": "CosineAnnealingLR",
              "Polynomial": "PolynomialLR", "Exponential": "ExponentialLR", "Step": "StepLR",
              "multi_step": "MultiStepLR", "Cyclic": "CyclicLR", "one_cycle": "OneCycleLR",
              "sgdr": "CosineAnnealingWarmRestarts"},
    "keras": {"Linear": "PolynomialDecay", "Cosine": "CosineDecay",
              "Polynomial": "PolynomialDecay", "Exponential": "ExponentialDecay",
              "Step": "ExponentialDecay", "InverseTime": "InverseTimeDecay",
              "Piecewise": "PiecewiseConstantDecay", "multi_step": "PiecewiseConstantDecay",
              "sgdr": "CosineDecayRestarts"},
    "optax": {"Constant": "constant_schedule", "Linear": "linear_schedule",
              "Cosine": "cosine_decay_schedule", "Polynomial": "polynomial_schedule",
              "Exponential": "exponential_decay", "Step": "exponential_decay",
              "Piecewise": "join_schedules", "multi_step": "piecewise_constant_schedule",
              "one_cycle": "cosine_onecycle_schedule", "sgdr": "sgdr_schedule",
              "wsd": "join_schedules"},
}


@every_kind
@pytest.mark.parametrize("tab", NATIVE)
def test_a_library_s_own_schedule_is_used_where_it_has_one_and_else_the_code_says_so(kind, tab):
    code = js(f"CODE.{tab}", js("choose", js("start"), kind)["schedules"][0], 100)
    own = NATIVE[tab].get(kind)
    if own:
        assert own in code
    if not own and (tab, kind) != ("keras", "Constant"):
        assert re.search(r"^# (torch|Keras|optax) has no such schedul", code, re.MULTILINE)


def test_warmups_use_what_the_libraries_have():
    s = js("normal", {"kind": "Cosine", "start": 0.1, "steps": 90, "warmup": 10,
                      "warmup_start": 0.01})
    assert "SequentialLR" in js("CODE.torch", s, 100)
    assert "LinearLR" in js("CODE.torch", s, 100)
    assert "warmup_target=0.1" in js("CODE.keras", s, 100)
    assert "warmup_cosine_decay_schedule" in js("CODE.optax", s, 100)


@few
@given(st.integers(10, N - 1), st.data())
def test_one_cycle_is_torch_s_and_optax_s_own_to_its_very_end(steps, data):
    warmup = data.draw(st.integers(1, steps - 1))
    s = js("normal", {"kind": "one_cycle", "peak": 0.3, "steps": steps, "warmup": warmup,
                      "start": 0.01, "end": 0.001})
    drawn = np.array(js("rates", s, steps + 1))
    assert drawn[-1] == 0.001
    assert "OneCycleLR" in js("CODE.torch", s, steps + 1)
    for tab in ("torch", "optax"):
        rates_of, off = RATES[tab]
        found = rates_of(executed(s, steps + 1, tab), steps + 1)
        np.testing.assert_allclose(found, drawn, rtol=off, atol=off)


def test_one_cycle_is_not_optax_s_own_where_that_would_round_its_share_down():
    warmup, steps = next((w, n) for n in range(10, N) for w in range(1, n) if int(w / n * n) != w)
    s = js("normal", {"kind": "one_cycle", "steps": steps, "warmup": warmup})
    found = optax_rates(executed(s, steps, "optax"), steps)
    np.testing.assert_allclose(found, js("rates", s, steps), rtol=1e-5, atol=1e-6)


def test_a_run_past_the_end_is_held_where_torch_would_climb():
    s = js("normal", {"kind": "Cosine", "start": 0.1, "end": 0.01, "steps": 20})
    assert "Sequential" not in js("CODE.torch", s, 20)
    assert "climb" in js("CODE.torch", s, 45)
    assert torch_rates(executed(s, 45, "torch"), 45)[44] == pytest.approx(0.01)


def test_late_cycles_are_not_left_to_keras_logarithm():
    s = js("normal", {"kind": "sgdr", "start": 1.0, "steps": 1, "growth": 2})
    own = keras.optimizers.schedules.CosineDecayRestarts(1.0, 1, t_mul=2.0)
    assert float(own(8_191)) == pytest.approx(0, abs=1e-6)           # a cycle begins here: 1
    drawn = np.array(js("rates", s, 8_200))
    assert drawn[8_191] == 1
    names = executed(s, 8_200, "keras")
    np.testing.assert_allclose(names["schedule"].rates, drawn, rtol=1e-6, atol=1e-9)
    assert "CosineDecayRestarts" in js("CODE.keras", s, 4_000)


def test_the_table_for_keras_is_compiled():
    """What Keras lacks works in a compiled training step."""
    s = js("normal", {"kind": "REX", "start": 0.5, "steps": 6})
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(executed(s, 8, "keras")["optimizer"], "mse")
    from lrlib.for_keras import RateRecorder
    recorder = RateRecorder()
    model.fit(np.zeros((8, 2)), np.zeros(8), batch_size=1, verbose=0, callbacks=[recorder])
    np.testing.assert_allclose(recorder.rates, js("rates", s, 8), rtol=1e-6, atol=1e-9)


@every_kind
def test_a_keras_model_is_saved_and_loaded_with_its_schedule(kind, tmp_path):
    s = js("change", js("choose", js("start"), kind), "warmup", 5)["schedules"][0]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(executed(s, 100, "keras")["optimizer"], "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = keras_rates({"optimizer": loaded.optimizer}, 100)
    np.testing.assert_allclose(found, js("rates", s, 100), rtol=1e-5, atol=1e-6)


def test_a_table_of_a_million_rates_is_stored_in_a_few_bytes():
    s = js("normal", {"kind": "REX", "steps": 1_000_000 - 1})
    names = executed(s, 1_000_000, "keras")
    assert len(names["schedule"].rates) == 1_000_000
    assert len(json.dumps(names["schedule"].get_config())) < 100


@every_kind
@few
@given(data=st.data(), run=st.integers(10, N))
def test_the_hints_beside_lrlib_s_code_run(kind, data, run):
    s = data.draw(schedules(kind))
    code = js("CODE.lrlib", s, run)
    assert "step()" in code
    names = {"optimizer": torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=1)}
    exec(re.sub("^# (?!.*:$|PyTorch)", "", code, flags=re.MULTILINE), names)
    drawn = js("rates", s, run)
    assert names["scheduler"].get_last_lr()[0] == pytest.approx(drawn[0])
    np.testing.assert_allclose(keras_rates(names, run), drawn, rtol=1e-5, atol=1e-6)


@every_kind
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("run", [100, 1_000_000])
def test_printed_lines_are_short(kind, tab, run):
    s = js("change", js("choose", js("start"), kind), "warmup", 5)
    s = js("stretch", s, run)["schedules"][0]
    assert max(map(len, js(f"CODE.{tab}", s, run).splitlines())) <= 100


# Files -------------------------------------------------------------------------------------------

def test_the_page_is_in_the_book():
    assert components.COMPONENTS["lr-designer"] == "designer"
    assert "file: chapters/using/designer\n" in (rules.ROOT / "_toc.yml").read_text()
    page = (rules.ROOT / "chapters" / "using" / "designer.md").read_text(encoding="utf-8")
    assert "<lr-designer>" in page
    assert "<noscript>" in page
    addresses = re.findall(r"designer\.html#([^\s`\"<>]+)", page)
    assert addresses
    assert all(js("fromHash", address)["problem"] is None for address in addresses)


def test_the_files_are_small_and_ask_no_other_host():
    text = {path.name: path.read_text(encoding="utf-8") for path in FILES}
    assert sum(len(gzip.compress(one.encode())) for one in text.values()) < 20_000
    for one in text.values():
        assert not re.search(r"(https?:)?//[a-z]|@import|import\(|url\(|fetch\(|<script",
                             re.sub(r"(^|\s)// ", "", one))


@pytest.mark.skipif(not shutil.which("node"), reason="no node to parse the script with")
def test_node_can_parse_the_script():
    subprocess.run(["node", "--check", FILES[0]], check=True)
