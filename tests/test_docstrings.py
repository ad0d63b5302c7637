"""Every public name says what it is, takes, returns and raises, with an example that runs.

The examples themselves are executed by `--doctest-modules lrlib`.
"""
import importlib
import inspect

import pytest
from test_layers import LAYER

PLAIN = {"Rate", "Positive", "Updates"}          # annotations, described in Schedule
ARRAYS = {"Run", "Split", "Text", "Band", "Interval", "Paired", "Verdict",    # records of fields
          "Tuned", "Holdout", "RangeTest", "Suggestion", "Sweep",
          "PlateauState", "TargetsState", "RMSState", "RateState"}
ERRORS = {"DataError", "Interrupted"}


def public():
    for module in sorted(LAYER):
        holder = importlib.import_module(f"lrlib.{module}")
        for name in holder.__all__:
            if name not in PLAIN:
                yield f"{module}.{name}", getattr(holder, name)


NAMES = dict(public())


def test_every_module_says_what_is_public():
    assert len(NAMES) > 60


@pytest.mark.parametrize("name", NAMES)
def test_docstring(name):
    thing, short = NAMES[name], name.split(".")[1]
    doc = inspect.cleandoc(thing.__doc__ or "")
    assert doc, "no docstring"
    assert doc.splitlines()[0].endswith((".", ":")), "the first line is one sentence"
    if short in ARRAYS | ERRORS:
        return
    assert "Examples:" in doc, "no example"
    assert ">>>" in doc, "no example that runs"
    assert "Returns:" in doc, "does not say what comes back"
    parameters = [p for p in inspect.signature(thing).parameters if p not in ("self", "names")]
    if parameters:
        assert "Args:" in doc, "does not describe its arguments"
    missing = [p for p in parameters if p not in doc]
    assert missing == [], f"does not describe {missing}"
    if "raise " in inspect.getsource(thing):
        assert "Raises:" in doc, "does not say what it raises"


@pytest.mark.parametrize("name", [n for n, thing in NAMES.items() if inspect.isclass(thing)])
def test_public_methods_have_docstrings(name):
    own = vars(NAMES[name]).items()
    missing = [method for method, thing in own
               if not method.startswith("_") and inspect.isfunction(thing)
               and not inspect.getdoc(thing)]
    # formulas are documented by the class
    assert [m for m in missing if m not in ("lr", "shape")] == []


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("schedules.")])
def test_families_give_their_formula(name):
    thing = NAMES[name]
    if inspect.isclass(thing) and name not in ("schedules.Schedule", "schedules.Repeated"):
        assert ".. math::" in thing.__doc__
