"""A check of rates: every injected fault is found and named, and a correct run never is."""
import pickle
import re

import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st

import lrlib
from lrlib.audit import RateMismatch, check_rates, diagnose

T = np.arange(90)
PLAN = lrlib.Cosine(0.4, 0.0, steps=100).warmup(5, start=0.1)
STAIRS = lrlib.Step(0.4, 0.5, every=10)


def clock(name, plan, n, t=T):
    """The rates of a run whose schedule is read by a wrong clock."""
    reading = {"late": np.maximum(t - n, 0), "early": t + n, "slow": t // n, "fast": t * n,
               "gathered": t * n + n - 1,
               "stops": np.minimum(t, n), "restarts": np.where(t < n, t, t - n),
               "resumes": np.where(t <= n, t, t - n)}[name]
    return plan(reading)


SENTENCE = {"late": "late", "early": "early", "slow": "epoch clock", "fast": "steps were taken",
            "stops": "stops changing", "restarts": "starts again"}
number = {"late": st.integers(1, 20), "early": st.integers(1, 20), "slow": st.integers(2, 40),
          "fast": st.integers(2, 40), "stops": st.integers(1, 60), "restarts": st.integers(1, 60)}


def number_of(fault, sentence):
    """The n that a diagnosis names for a fault."""
    part = next(p for p in sentence.split(", or ") if SENTENCE[fault] in p)
    return int(re.search(r"\d+", part.replace("one update ", "1 "))[0])


@given(strategies.schedules)
def test_a_correct_run_is_never_flagged(schedule):
    used = schedule(T)
    assert check_rates(used, schedule) is None
    assert check_rates(used.tolist(), used) is None
    assert diagnose(used, schedule) is None


@given(strategies.schedules, st.integers(0, 89))
def test_float32_passes(schedule, upto):
    check_rates(schedule(T).astype("float32")[:upto + 1], schedule)


@pytest.mark.parametrize("fault", SENTENCE)
@given(data=st.data())
def test_a_wrong_clock_is_found_and_named(fault, data):
    schedule, n = data.draw(strategies.schedules), data.draw(number[fault])
    planned, used = schedule(T), clock(fault, schedule, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        assume((np.abs(used - planned) > 1e-4 * planned.max()).any())
    with pytest.raises(RateMismatch) as raised:
        check_rates(used, schedule)
    said = raised.value.diagnosis
    assert said == diagnose(used, schedule)
    assert said is not None
    if SENTENCE[fault] not in said:
        # what cannot be told apart from a simpler fault is called that
        assert "never changes" in said or (fault == "restarts" and "late" in said)
        return
    # the number explains the record as well as the one that was injected
    named = number_of(fault, said)
    np.testing.assert_allclose(clock(fault, schedule, named), used, rtol=1e-5,
                               atol=1e-11 * planned.max())


@given(strategies.schedules, st.floats(0.01, 100))
def test_a_multiple_is_found_and_named(schedule, factor):
    planned = schedule(T)
    assume(abs(factor - 1) > 1e-3 and planned.max() > 0)
    said = diagnose(factor * planned, schedule)
    if "never changes" in said:
        assert np.ptp(factor * planned) <= 1e-5 * planned.max() * factor
    else:
        assert f"a constant multiple of the plan: x {factor:.4g}" in said


@given(strategies.schedules, st.sampled_from([PLAN(0), 0.0123]))
def test_a_rate_that_never_changes_is_named(schedule, rate):
    planned = schedule(T)
    assume(np.ptp(planned) > 1e-4 * planned.max())
    with pytest.raises(RateMismatch, match="the rate never changes"):
        check_rates(np.full(90, rate), schedule)


@given(strategies.schedules)
def test_factors_that_are_multiplied_up_are_named(schedule):
    planned = schedule(T)
    assume(planned[0] > 0 and np.ptp(planned) > 1e-3 * planned[0])
    with np.errstate(over="ignore", invalid="ignore"):
        used = planned[0] * np.cumprod(planned / planned[0])
    assume(np.isfinite(used).all() and (abs(used - planned) > 1e-4 * planned.max()).any())
    assert "compounds" in diagnose(used, schedule)


@given(strategies.schedules, st.integers(0, 2**32))
def test_noise_gets_no_diagnosis(schedule, seed):
    noise = np.random.Generator(np.random.Philox(seed)).uniform(1.01, 2, 90)
    planned = schedule(T)
    assume(planned.max() > 0 and (planned > 0).sum() > 5)
    with pytest.raises(RateMismatch) as raised:
        check_rates(planned * noise, schedule)
    assert raised.value.diagnosis is None


@pytest.mark.parametrize(("used", "plan", "said"), [
    (np.full(90, 0.4), PLAN, "the rate never changes: is the schedule connected to the optimizer?"),
    (np.full(90, 0.0), PLAN, "the rate never changes and is the plan's last: was the schedule used "
                             "up before?"),
    (clock("late", PLAN, 1), PLAN, "every rate comes one update late"),
    (np.append([0.7], PLAN(T[:-1])), PLAN, "every rate comes one update late"),
    (clock("late", STAIRS, 4), STAIRS, "every rate comes 4 updates late"),
    (clock("early", PLAN, 3), PLAN, "every rate comes 3 updates early"),
    (clock("slow", STAIRS, 3), STAIRS,
     "as if one step were taken every 3 updates (an epoch clock?)"),
    (clock("fast", PLAN, 8), PLAN,
     "as if 8 steps were taken an update (several workers, accumulation or batches?)"),
    (clock("fast", PLAN, 938), PLAN,
     "as if 105 or more steps were taken an update (several workers, accumulation or batches?)"),
    (clock("gathered", PLAN, 4), PLAN,
     "as if 4 steps were taken an update (several workers, accumulation or batches?)"),
    (0.1 * PLAN(T), PLAN, "a constant multiple of the plan: x 0.1"),
    (np.full(90, 0.2), lrlib.Constant(0.4), "a constant multiple of the plan: x 0.5"),
    (0.1 / np.cumprod(1 + 0.01 * T), lrlib.InverseTime(0.1, 0.01),
     "compounds: the plan's factors are multiplied up"),
    (0.1 / np.cumprod(1 + 0.5 * np.arange(9)).repeat(10),
     lrlib.InverseTime(0.1, 0.5, every=10, staircase=True),
     "compounds: the plan's factors are multiplied up"),
    (clock("stops", PLAN, 30), PLAN, "stops changing after update 30"),
    (clock("stops", STAIRS, 37), STAIRS, "stops changing after update 30"),
    (clock("restarts", PLAN, 40), PLAN, "starts again at update 40 (resumed without state)"),
    (clock("resumes", PLAN, 40), PLAN, "starts again at update 40 (resumed without state)"),
    (0.4 * 0.5 ** (T // 10 + 1), STAIRS, "every rate comes 10 updates early, or a constant multiple "
                                         "of the plan: x 0.5"),
    (PLAN(T) + 0.1 * (T % 3 == 1), PLAN, None),
])
def test_the_words(used, plan, said):
    assert diagnose(used, plan) == said
    with pytest.raises(RateMismatch) as raised:
        check_rates(used, plan)
    assert raised.value.diagnosis == said


def test_the_message_tells_where_and_why():
    with pytest.raises(RateMismatch, match=re.escape(
            "update 10 used the rate 0.4, planned was 0.2; 8 of 90 updates differ. "
            "Diagnosis: every rate comes one update late")) as raised:
        check_rates(clock("late", STAIRS, 1), STAIRS)
    found = raised.value
    assert (found.update, found.used, found.planned, found.differ, found.total) == (
        10, 0.4, 0.2, 8, 90)
    again = pickle.loads(pickle.dumps(found))
    assert (str(again), again.diagnosis) == (str(found), found.diagnosis)


def test_a_plan_may_be_an_array_or_a_function():
    late = clock("late", PLAN, 2)
    for plan in (PLAN, PLAN(np.arange(200)), PLAN(T).tolist(), lambda t: PLAN(t)):
        assert diagnose(late, plan) == "every rate comes 2 updates late"
        check_rates(PLAN(T), plan)


def test_what_is_left_of_zero_is_rounding():
    ends = lrlib.Linear(0.4, 0, steps=10)
    used = ends(T) + 1e-17
    check_rates(used, ends)
    with pytest.raises(RateMismatch, match="update 10 "):
        check_rates(used, ends, floor=0)


@pytest.mark.parametrize("tolerance", [1e-3, 0.1])
def test_the_tolerance_is_a_share_of_the_planned_rate(tolerance):
    check_rates(PLAN(T) * (1 + 0.9 * tolerance), PLAN, rtol=tolerance)
    with pytest.raises(RateMismatch):
        check_rates(PLAN(T) * (1 + 1.1 * tolerance), PLAN, rtol=tolerance)


def test_a_long_record_takes_a_moment():
    plan = lrlib.Cosine(0.4, 0, 200_000)
    t = np.arange(200_000)
    assert diagnose(plan(t // 391), plan) == (
        "as if one step were taken every 391 updates (an epoch clock?)")
    short = lrlib.Cosine(0.4, 0, 5_000)
    assert diagnose(short(t * 9_000), short) == (
        "as if 5000 or more steps were taken an update "
        "(several workers, accumulation or batches?)")
    assert diagnose(plan(t) * np.where(t == 150_000, 2, 1), plan) is None


@pytest.mark.parametrize(("used", "plan", "error", "message"), [
    ([], PLAN, ValueError, r"got shape \(0,\)"),
    ([[0.1, 0.2]], PLAN, ValueError, r"got shape \(1, 2\)"),
    (0.1, PLAN, ValueError, r"got shape \(\)"),
    ([0.1, float("nan")], PLAN, ValueError, "got nan at update 1"),
    ([float("inf")], PLAN, ValueError, "got inf at update 0"),
    (["0.1"], PLAN, TypeError, "got <U3"),
    ([0.1, 0.1], [0.1], ValueError, "2 rates were used and 1 planned"),
    ([0.1], [float("nan")], ValueError, "planned rates must be finite, got nan"),
    ([0.1], 0.1, ValueError, "planned rates .* got shape"),
])
def test_bad_input_is_refused(used, plan, error, message):
    for call in (check_rates, diagnose):
        with pytest.raises(error, match=message):
            call(used, plan)


@pytest.mark.parametrize("name", ["rtol", "floor"])
@pytest.mark.parametrize("value", [-1e-6, float("nan")])
def test_a_bad_tolerance_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and 0 or more, got {value}"):
        check_rates([0.1], PLAN, **{name: value})


@given(strategies.schedules, st.integers(0, 89))
def test_a_record_may_begin_later(schedule, first):
    check_rates(schedule(T)[first:], schedule, first=first)
    check_rates(schedule(T)[first:], schedule(T), first=first)


def test_a_record_that_begins_later_is_told_by_the_run_s_own_count():
    with pytest.raises(RateMismatch) as raised:
        check_rates(clock("resumes", PLAN, 40)[40:], PLAN, first=40)
    said = raised.value
    assert (said.update, said.differ, said.total) == (41, 49, 50)
    assert said.diagnosis == "starts again at update 40 (resumed without state)"
    with pytest.raises(ValueError, match="first must be a whole number of 0 or more, got -1"):
        check_rates([0.1], PLAN, first=-1)
    with pytest.raises(ValueError, match="12 rates were used and 10 planned"):
        check_rates([0.1, 0.1], np.ones(10), first=10)
