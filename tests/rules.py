"""The house rules of a chapter as code: `problems(text)` lists what breaks them.

A chapter is a text (`.md`) and its executed notebook (`.ipynb`).  A rule here is one sentence of
CONTRIBUTING.md; a message says what is wrong and where.
"""
from __future__ import annotations

import itertools
import json
import re
import statistics
from pathlib import Path

import execute

from lrlib import evidence

ROOT = Path(__file__).resolve().parent.parent

PARTS = ["The question", "Predict", "Theory", "In code", "Experiment", "Verdict", "Exercises",
         "Further reading"]
# which claims a chapter settles
CLAIMS = {
    "principles/decay": {"C01", "C02", "C03", "C04", "C54"},
    "principles/step_size": {"C07", "C08", "C47", "C59"},
    "principles/noise": {"C01", "C02", "C29"},
    "principles/bound": {"C12", "C46"},
    "principles/gradients": {"C05", "C06", "C09", "C51"},
    "principles/overfitting": {"C03", "C17", "C29"},
    "methods/families": {"C10", "C12", "C13", "C23", "C42", "C43"},
    "methods/staircase": {"C11", "C60"},
    "methods/cosine": {"C43", "C46"},
    "methods/warmup": {"C60"},
    "methods/adaptive": {"C15", "C30", "C31", "C32", "C55", "C56", "C57", "C58"},
    "methods/plateau": {"C44", "C45"},
    "methods/frameworks": {"C48"},
    "methods/silent_bugs": {"C24", "C41", "C53", "C57"},
    "methods/units": {"C24", "C40"},
    "cases/digits_cnn": {"C19", "C25"},
    "cases/housing_mlp": {"C26"},
    "cases/sequence_rnn": {"C20"},
    "cases/gan": {"C21", "C22", "C27"},
    "cases/language_model": {"C36"},
}
ESCAPES = {"nbval-skip", "nbval-ignore-output", "nbval-check-output", "raises-exception",
           "nbval-raises-exception"}
UNSEEN = {"remove-cell", "remove-input", "hide-cell"}     # code the reader does not see at once


def name_of(text):
    return f"{text.parent.name}/{text.stem}"


def prose_of(cells):
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def sections(prose):
    """The parts of a chapter by title, in order."""
    found = re.split(r"^## (.+)$", prose, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def words(prose):
    return len(re.findall(r"[A-Za-z][\w'’-]*", prose))


def lines(cell):
    return [line for line in "".join(cell["source"]).splitlines() if line.strip()]


def tags(cell):
    return set(cell["metadata"].get("tags", ()))


def pair_problems(text):
    """The notebook is the text, normalised."""
    notebook = text.with_suffix(".ipynb")
    if not notebook.exists():
        return [f"{name_of(text)}: no executed notebook; run `make run`"]
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    meant = execute.notebook_of(text)
    found = []
    if stored["metadata"] != execute.METADATA:
        found.append("notebook metadata is not normal")
    if len(stored["cells"]) != len(meant.cells):
        found.append(f"stale pair: {len(meant.cells)} cells in the text, "
                     f"{len(stored['cells'])} in the notebook")
    for have, want in zip(stored["cells"], meant.cells, strict=False):
        same = ("".join(have["source"]) == want.source and have["cell_type"] == want.cell_type
                and have["metadata"] == want.metadata and have["id"] == want.id)
        if not same:
            found.append(f"stale pair: {want.id} differs from the text")
    return [f"{name_of(text)}: {problem}" for problem in found]


def output_problems(cell):
    for output in cell["outputs"]:
        kind = output["output_type"]
        if kind == "error" or output.get("name") == "stderr":
            yield f"stored {output.get('name', kind)}"
        shown = "".join(output.get("text", "")) + "".join(output.get("data", {}).get("text/plain", ""))
        if re.search(r"0x[0-9a-f]{6,}", shown):
            yield "an address in the output"
        for number in re.findall(r"\d+\.\d+", shown):
            if len(number.replace(".", "").lstrip("0")) > 6:
                yield f"{number} has more than six digits; print what survives another machine"
        if re.search(r"(?<![\w.])/\w+/\w+|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d", shown):
            yield "a path or a time in the output"


def run_problems(cells):
    """Run once, from top to bottom, and compared without exception."""
    counts = []
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        if source.strip():
            counts.append((cell["id"], cell["execution_count"]))
        if tags(cell) & ESCAPES or re.search(r"#\s*(NBVAL_|PYTEST_VALIDATE)", source):
            yield f"{cell['id']} escapes the comparison of outputs"
        for problem in output_problems(cell):
            yield f"{cell['id']}: {problem}"
    for want, (where, count) in enumerate(counts, start=1):
        if count is None:
            yield f"{where} was never run"
        elif count != want:
            yield f"{where} has the count {count}, {want} expected"


def shape_problems(name, cells):
    """The parts, and what each must hold."""
    prose, stem = prose_of(cells), name.split("/")[1]
    parts = sections(prose)
    head = prose.splitlines()
    if head[0] != f"({stem})=" or not re.fullmatch(r"# .+\?", head[1]):
        yield f"begins with ({stem})= and a title that is a question"
    if not re.fullmatch(r"\*\d+ minutes to read · \d+ seconds to run on two CPU cores · "
                        r"before this: .+\*", head[3]):
        yield "needs the line with minutes, seconds and what comes before"
    if list(parts) != PARTS:
        yield f"needs the parts {PARTS}, has {list(parts)}"
        return
    if words(parts["The question"]) > 130:
        yield f"The question has {words(parts['The question'])} words, 120 are the aim"
    if ":::{admonition}" not in parts["Predict"]:
        yield "Predict needs an admonition"
    if not 2 <= len(re.findall(r"^\d\. ", parts["Predict"], re.MULTILINE)) <= 4:
        yield "Predict needs 2 to 4 questions"
    labels = re.findall(r"\$\$ \(([\w-]+)\)", prose)
    if not 1 <= len(labels) <= 4 or not all(label.startswith(f"eq-{stem}-") for label in labels):
        yield f"Theory needs 1 to 4 numbered equations named eq-{stem}-..., has {labels}"
    asked = re.findall(r"^\*\*\d\. .+?\*\*", parts["Exercises"], re.MULTILINE)
    solved = [c for c in cells if "hide-cell" in tags(c)]
    if not 2 <= len(asked) <= 4 or not any("break it" in title.lower() for title in asked):
        yield f"needs 2 to 4 exercises, one of them Break it, has {asked}"
    if len(solved) != len(asked) or not all("".join(c["source"]).startswith("# Solution\n")
                                            for c in solved):
        yield "each exercise needs one hidden cell that starts with # Solution"
    reading = re.findall(r"^- .+", parts["Further reading"], re.MULTILINE)
    if not 3 <= len(reading) <= 6 or not all("read it" in item for item in reading):
        yield "Further reading needs 3 to 6 items that say what to read each for"


def code_problems(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    seen = [cell for cell in code if not tags(cell) & UNSEEN]
    sizes = [len(lines(cell)) for cell in seen]
    if "repro.start(" not in "".join(code[0]["source"]):
        yield "the first code cell calls repro.start"
    if len(seen) > 30:
        yield f"{len(seen)} code cells, 30 at most"
    if statistics.median(sizes) > 6:
        yield f"the median cell has {statistics.median(sizes)} lines, 6 at most"
    for cell in code:
        if "".join(cell["source"]).rstrip().endswith(";"):
            yield f"{cell['id']} ends with a semicolon, which nbval ignores; end with plt.show()"
        if len(lines(cell)) > 25:
            yield f"{cell['id']} has {len(lines(cell))} lines, 25 at most"
        for line in lines(cell):
            if len(line) > 79:
                yield f"{cell['id']} has a line of {len(line)} characters, 79 at most"
    for before, cell in itertools.pairwise(cells):
        if (before["cell_type"] == cell["cell_type"] == "code"
                and not tags(cell) & UNSEEN and "mystnb" not in before["metadata"]):
            yield f"{cell['id']} follows another code cell without a sentence between"


def prose_problems(cells):
    prose = prose_of(cells)
    seen = sum(len(lines(cell)) for cell in cells
               if cell["cell_type"] == "code" and not tags(cell) & UNSEEN)
    if not 1_500 <= words(prose) <= 3_000:
        yield f"{words(prose)} words, 1 500 to 3 000 expected"
    if not 8 <= words(prose) / seen <= 15:
        yield f"{words(prose) / seen:.1f} words a line of code, 8 to 15 expected"
    if "```{" in prose:
        yield "prose directives use colon fences, which Colab shows as text"
    for line in prose.splitlines():
        text = re.sub(r"\$[^$]*\$|`[^`]*`|\{[\w:]+\}|^\*?\*?\d\.", "", line)
        if not line.startswith(("-", "#", "*", "$", ":", "1", "2", "3", "4")) and re.search(
                r"[a-z%)][.!?] [A-Z]", text):
            yield f"one sentence a line: {line[:60]!r}"


def figure_problems(name, cells):
    """Caption, alt text and a printed table for every picture."""
    stem = name.split("/")[1]
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        drawn = any("image/png" in output.get("data", ()) for output in cell["outputs"])
        about = cell["metadata"].get("mystnb", {})
        if not drawn and not about:
            continue
        figure, alt = about.get("figure", {}), about.get("image", {}).get("alt", "")
        if not figure.get("name", "").startswith(f"fig-{stem}-"):
            yield f"{cell['id']}: a figure needs a name fig-{stem}-..."
        if len(figure.get("caption", "")) < 40 or len(alt) < 40:
            yield f"{cell['id']}: a figure needs a caption and an alt text of 40 characters or more"
        around = cells[max(0, i - 3):i + 2]
        if not any(output.get("name") == "stdout" for other in around
                   for output in other.get("outputs", ())):
            yield f"{cell['id']}: a figure needs a printed table beside it"


def verdict_problems(name, cells, notebook):
    """The conclusions are asserted, and every claim of the chapter is settled."""
    start = next((i for i, cell in enumerate(cells) if cell["cell_type"] == "markdown"
                  and "## Verdict" in "".join(cell["source"])), len(cells))
    code = [(cell, "".join(cell["source"])) for cell in cells[start:]
            if cell["cell_type"] == "code"]
    if not any("remove-cell" in tags(cell) and source.count("assert ") >= 3
               for cell, source in code):
        yield "the verdict needs a removed cell that asserts what it says"
    settled = {verdict.claim for _, verdict in evidence.read([notebook])}
    if settled != CLAIMS.get(name, set()):
        yield f"settles {sorted(settled)}, should settle {sorted(CLAIMS.get(name, ()))}"


def problems(text):
    """Everything that breaks a rule in a chapter, one line each."""
    found = pair_problems(text)
    notebook = text.with_suffix(".ipynb")
    if not notebook.exists():
        return found
    name = name_of(text)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    if notebook.stat().st_size > 400_000:
        found.append(f"{name}: the notebook has {notebook.stat().st_size:,} bytes, 400 000 at most")
    checks = (run_problems(cells), shape_problems(name, cells), code_problems(cells),
              prose_problems(cells), figure_problems(name, cells),
              verdict_problems(name, cells, notebook))
    return found + [f"{name}: {problem}" for check in checks for problem in check]
