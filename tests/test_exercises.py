"""Exercises that check themselves: the reference is right, and each common mistake is named."""
import inspect
import math
import re

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
    import numpy as np
    assert "right" in said(capsys, "frameworks-4", lambda boundaries: np.array(boundaries) - 1)
    assert "expected one" in said(capsys, "decay-4", lambda t, start, steps: [start, start])


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
