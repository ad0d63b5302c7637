"""What must make the suite fail does: a small chapter is executed, then broken in each way.

Outputs are compared by nbval with `chapters/conftest.py`, pairs and runs by the rules.
"""
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import rules

SAMPLE = """\
# A chapter in small

```{code-cell} ipython3
import matplotlib.pyplot as plt
```

A number.

```{code-cell} ipython3
print(f"{2 / 3:.3f}")
```

A number that Jupyter shows.

```{code-cell} ipython3
2 / 5
```

Two curves.

```{code-cell} ipython3
figure, ax = plt.subplots(figsize=(5, 3))
ax.plot([0, 1], [0, 1])
ax.plot([0, 1], [1, 0])
plt.show()
```

Nothing to show.

```{code-cell} ipython3
done = True
```
"""
NUMBER, SHOWN, PICTURE, SILENT = 3, 5, 7, 9           # cells of the sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The text of the sample, executed as chapters are."""
    text = tmp_path_factory.mktemp("book") / "chapters" / "part" / "sample.md"
    text.parent.mkdir(parents=True)
    text.write_text(SAMPLE)
    rules.execute.execute(text)
    return text


def picture_of(sample, source, folder):
    """The picture that another version of the sample would have stored."""
    text = folder / "other.md"
    text.write_text(source)
    rules.execute.execute(text)
    cells = json.loads(text.with_suffix(".ipynb").read_text())["cells"]
    text.with_suffix(".ipynb").unlink()
    return cells[PICTURE]["outputs"][0]["data"]["image/png"]


def stream(cell):
    return cell["outputs"][0]["text"]


def test_outputs_that_were_tampered_with_fail(sample, tmp_path):
    one_curve = picture_of(sample, SAMPLE.replace("ax.plot([0, 1], [1, 0])\n", ""), tmp_path)
    wider = picture_of(sample, SAMPLE.replace("(5, 3)", "(6, 3)"), tmp_path)

    def number(cells):
        stream(cells[NUMBER])[:] = ["0.668\n"]

    def shown(cells):
        cells[SHOWN]["outputs"][0]["data"]["text/plain"] = ["0.40000000000000002"]

    def curve(cells):
        cells[PICTURE]["outputs"][0]["data"]["image/png"] = one_curve

    def size(cells):
        cells[PICTURE]["outputs"][0]["data"]["image/png"] = wider

    def no_picture(cells):
        cells[PICTURE]["outputs"] = []

    def more_output(cells):
        stream(cells[NUMBER]).append("and more\n")

    def less_output(cells):
        cells[NUMBER]["outputs"] = []

    def never_run(cells):
        cells[SILENT]["execution_count"] = None

    broken = [number, shown, curve, size, no_picture, more_output, less_output, never_run]
    chapters = tmp_path / "chapters"
    chapters.mkdir()
    shutil.copy(rules.ROOT / "chapters" / "conftest.py", chapters)
    stored = json.loads(sample.with_suffix(".ipynb").read_text())
    for change in [lambda cells: None, *broken]:
        notebook = json.loads(json.dumps(stored))
        change(notebook["cells"])
        name = "untouched" if change not in broken else change.__name__
        (chapters / f"{name}.ipynb").write_text(json.dumps(notebook))
    subprocess.run([sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "chapters",
                    "-q", "-p", "no:xdist", "--junitxml", "found.xml"], cwd=tmp_path,
                   capture_output=True)
    failed = {re.search(r"(\w+)\.ipynb|$", case.get("classname")).group(1) for case in ET.parse(tmp_path / "found.xml").iter("testcase")
              if case.find("failure") is not None or case.find("error") is not None}
    assert failed == {change.__name__ for change in broken}


def run_problems(sample, change=lambda cells: None):
    cells = json.loads(sample.with_suffix(".ipynb").read_text())["cells"]
    change(cells)
    return list(rules.run_problems(cells))


def test_an_untouched_sample_has_no_problems(sample):
    assert run_problems(sample) == []
    assert rules.pair_problems(sample) == []


def warn(cells):
    cells[SILENT]["outputs"].append({"output_type": "stream", "name": "stderr",
                                     "text": ["a warning\n"]})


def fail(cells):
    cells[SILENT]["outputs"].append({"output_type": "error", "ename": "E", "evalue": "",
                                     "traceback": []})


@pytest.mark.parametrize(("change", "said"), [
    (warn, "stored stderr"),
    (fail, "stored error"),
    (lambda cells: cells[SILENT].update(execution_count=None), "was never run"),
    (lambda cells: cells[SILENT].update(execution_count=2), "has the count 2, 5 expected"),
    (lambda cells: cells[NUMBER]["metadata"].update(tags=["nbval-skip"]), "escapes"),
    (lambda cells: cells[NUMBER]["source"].append("\n# NBVAL_SKIP"), "escapes"),
    (lambda cells: cells[NUMBER]["metadata"].update(tags=["raises-exception"]), "escapes"),
    (lambda cells: stream(cells[NUMBER]).append("0.123456789\n"), "more than six digits"),
    (lambda cells: stream(cells[NUMBER]).append("at 0x7f0763c5c490\n"), "address"),
    (lambda cells: stream(cells[NUMBER]).append("/home/someone/x\n"), "path or a time"),
    (lambda cells: stream(cells[NUMBER]).append("took 00:00:12\n"), "path or a time"),
])
def test_runs_that_cannot_be_trusted_fail(sample, change, said):
    found = run_problems(sample, change)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(("old", "new", "said"), [
    ("2 / 3:.3f", "1 / 3:.3f", "cell-03 differs from the text"),
    ("Two curves.", "Three curves.", "cell-06 differs from the text"),
    ("\nNothing to show.\n\n```{code-cell} ipython3\ndone = True\n```\n", "",
     "8 cells in the text, 10 in the notebook"),
])
def test_a_stale_pair_fails(sample, tmp_path, old, new, said):
    text = tmp_path / "sample.md"
    text.write_text(SAMPLE.replace(old, new))
    shutil.copy(sample.with_suffix(".ipynb"), tmp_path)
    assert said in " ".join(rules.pair_problems(text))


def test_metadata_that_are_not_normal_fail(sample, tmp_path):
    notebook = json.loads(sample.with_suffix(".ipynb").read_text())
    notebook["metadata"]["language_info"]["version"] = "3.11.7"
    (tmp_path / "sample.ipynb").write_text(json.dumps(notebook))
    shutil.copy(sample, tmp_path)
    assert "metadata is not normal" in " ".join(rules.pair_problems(tmp_path / "sample.md"))


def test_a_text_without_a_notebook_fails(tmp_path):
    text = tmp_path / "sample.md"
    text.write_text(SAMPLE)
    assert "no executed notebook" in rules.pair_problems(text)[0]


def test_executing_twice_changes_no_byte(sample, tmp_path):
    before = sample.with_suffix(".ipynb").read_bytes()
    rules.execute.execute(sample)
    assert sample.with_suffix(".ipynb").read_bytes() == before


@pytest.mark.parametrize(("code", "said"), [
    ("1 / 0", "ZeroDivisionError"),
    ("import sys; print('a warning', file=sys.stderr)", "wrote to stderr: a warning"),
])
def test_a_chapter_that_fails_or_warns_is_not_stored(tmp_path, code, said):
    text = tmp_path / "sample.md"
    text.write_text(SAMPLE.replace("done = True", code))
    text.with_suffix(".ipynb").write_text("as it was")
    with pytest.raises((SystemExit, Exception), match=said):
        rules.execute.execute(text)
    assert text.with_suffix(".ipynb").read_text() == "as it was"
