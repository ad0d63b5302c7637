"""Exercises that check themselves: the reference is right, and each common mistake is named."""
import inspect
import math
import re

import numpy as np
import pytest
import rules

from lrlib import exercises

NAMES = list(exercises.EXERCISES)
MISTAKES = [(name, sentence) for name, exercise in exercises.EXERCISES.items()
            for sentence in exercise.mistakes]


def said(capsys, name, attempt):
    exercises.check(name, attempt)
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_right(name, capsys):
    assert said(capsys, name, exercises.EXERCISES[name].answer) == f"{name}: right in all 200 cases.\n"


@pytest.mark.parametrize(("name", "sentence"), MISTAKES)
def test_a_common_mistake_is_found_and_named(name, sentence, capsys):
    lines = said(capsys, name, exercises.EXERCISES[name].mistakes[sentence]).splitlines()
    assert lines[0].startswith(f"{name}: not yet, in ")
    assert " gave " in lines[1] or " stopped with " in lines[1]
    assert lines[2:] == [sentence]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_names_the_arguments_of_the_reference(name):
    exercise = exercises.EXERCISES[name]
    asked = re.match(r"\w+\((.+?)\):", exercise.asked).group(1).split(", ")
    case = exercises._cases(exercise)[0]
    assert list(case) == asked
    inspect.signature(exercise.answer).bind(**case)


def test_a_mistake_of_no_known_kind_is_shown_at_its_simplest(capsys):
    lines = said(capsys, "cosine-4", lambda t, start, end, steps: 7).splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"cosine\(t=\d+, start=[\d.]+, end=[\d.]+, steps=\d+\) gave 7, expected .+",
                        lines[1])


def test_numpy_s_numbers_and_lists_are_as_good(capsys):
    assert "right" in said(capsys, "frameworks-4", lambda boundaries: np.array(boundaries) - 1)
    assert "right" in said(capsys, "decay-4", lambda t, start, steps: np.array(
        exercises.EXERCISES["decay-4"].answer(t, start, steps)))


@pytest.mark.parametrize(("name", "attempt", "words"), [
    ("decay-4", lambda t, start, steps: [start, start], "gave a list of 2, expected one number"),
    ("frameworks-4", lambda boundaries: boundaries[0] - 1, "gave one number, expected a list of 1"),
    ("frameworks-4", lambda boundaries: boundaries[1:], "gave a list of 0, expected a list of 1"),
    ("frameworks-4", lambda boundaries: [boundaries], "gave a table of 1 x 1, expected a list of 1")])
def test_another_kind_of_answer_is_named(name, attempt, words, capsys):
    assert said(capsys, name, attempt).splitlines()[1].endswith(words)


def adam_with_eps_in_the_root(gradients, rate, beta1, beta2, eps):
    m = v = weight = 0.0
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        weight -= rate * m / (1 - beta1**t) / math.sqrt(v / (1 - beta2**t) + eps)
    return weight


def nearly(difference):
    right = exercises.EXERCISES["cosine-4"].answer
    return lambda **case: right(**case) * (1 + difference)


@pytest.mark.parametrize(("name", "attempt"), [
    ("cosine-4", lambda **case: np.float32(exercises.EXERCISES["cosine-4"].answer(**case))),
    ("cosine-4", nearly(1e-5)), ("cosine-4", nearly(1e-7)), ("cosine-4", nearly(1.1e-9)),
    ("frameworks-4", lambda boundaries: [boundary - 1 + 1e-6 for boundary in boundaries]),
    ("adaptive-4", adam_with_eps_in_the_root)])
def test_a_small_error_is_seen_in_the_digits(name, attempt, capsys):
    line = said(capsys, name, attempt).splitlines()[1]
    found, expected = re.search(r" gave (.+), expected (.+)$", line).groups()
    assert found != expected
    assert len(found) < 20


def in_place(shift):
    def attempt(boundaries):
        for i in range(len(boundaries)):
            boundaries[i] += shift
        return boundaries
    return attempt


def test_an_attempt_may_change_its_list(capsys):
    assert "right in all" in said(capsys, "frameworks-4", in_place(-1))
    lines = said(capsys, "frameworks-4", in_place(1)).splitlines()
    assert lines[1:] == ["in_keras(boundaries=[9]) gave [10], expected [8]",
                         "The other way round: one less, not one more."]


def test_an_attempt_that_prints_instead_of_returning_is_stopped_and_told(capsys):
    def attempt(boundaries):
        print("mine:", [boundary - 1 for boundary in boundaries])
    mine, line = said(capsys, "frameworks-4", attempt).splitlines()
    assert mine.startswith("mine: ")
    assert re.fullmatch(r"frameworks-4: not yet\. in_keras\(boundaries=\[[\d, ]+\]\) returned nothing; "
                        r"is a `return` missing\?", line)


def test_a_return_that_is_missing_in_one_branch_is_found(capsys):
    def attempt(t, start, end, steps):
        if t < steps:
            return exercises.EXERCISES["cosine-4"].answer(t, start, end, steps)
    line = said(capsys, "cosine-4", attempt)
    t, steps = map(int, re.search(r"t=(\d+), .+ steps=(\d+)\) returned nothing", line).groups())
    assert t >= steps


def keras_style(losses, rate, factor, patience):
    best, bad, rates = math.inf, 0, []
    for loss in losses:
        if loss < best:
            best, bad = loss, 0
        else:
            bad += 1
            if bad >= patience:
                rate, bad = rate * factor, 0
        rates.append(rate)
    return rates


def torch_style(losses, rate, factor, patience):
    best, bad, rates = math.inf, 0, []
    for loss in losses:
        best, bad = (loss, 0) if loss < best else (best, bad + 1)
        if bad >= patience:
            rate, bad = rate * factor, 0
        rates.append(rate)
    return rates


@pytest.mark.parametrize("attempt", [keras_style, torch_style])
def test_too_little_patience_is_named_however_it_is_written(attempt, capsys):
    assert said(capsys, "plateau-4", attempt).splitlines()[2:] == list(
        exercises.EXERCISES["plateau-4"].mistakes)


def test_an_attempt_that_fails_is_shown_with_its_error(capsys):
    def attempt(t, start, end, steps):
        return math.sqrt(-1)
    assert "stopped with ValueError: " in said(capsys, "cosine-4", attempt)


@pytest.mark.parametrize("result", [None, "x", float("nan"), [[1, 2], [3]]])
def test_whatever_an_attempt_returns_is_not_right(result, capsys):
    assert "not yet" in said(capsys, "cosine-4", lambda t, start, end, steps: result)


def test_bad_input_is_named():
    with pytest.raises(KeyError, match=r"no exercise 'cosine-9'; there are decay-4, "):
        exercises.check("cosine-9", abs)
    with pytest.raises(TypeError, match=r"asks for a function, cosine\(t, .*; got 3"):
        exercises.check("cosine-4", 3)
    with pytest.raises(TypeError, match=r"cosine\(t, start, end, steps\).* arguments \(step\)"):
        exercises.check("cosine-4", lambda step: step)


@pytest.mark.parametrize("name", NAMES)
def test_the_chapter_has_that_exercise_and_its_solution_is_right(name):
    stem, number = name.split("-")
    text, = [text for text in rules.execute.texts() if text.stem == stem]
    exercise = re.search(rf"^\*\*{number}\. .+?(?=^\*\*{int(number) + 1}\. |^## )",
                         text.read_text(), re.MULTILINE | re.DOTALL)
    assert exercise, f"{stem} has no exercise {number}"
    assert f'exercises.check("{name}", ' in exercise.group()
    asked = exercises.EXERCISES[name].asked.split("(")[0]
    assert f"`{asked}(" in exercise.group()
    assert f"{name}: right in all" in text.with_suffix(".ipynb").read_text()
