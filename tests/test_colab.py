"""Chapters to take away: plain Markdown, and what they need is brought by their first cell."""
import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import colab
import nbclient
import nbformat
import pybtex.database
import pytest
import rules

TITLES = colab.pages()
PAPERS = pybtex.database.parse_file(colab.CHAPTERS / "references.bib").entries
TEXTS = colab.chapters()


def translated(text, archive="https://example.org/course.zip", book="https://example.org/book"):
    return colab.translated(text, TITLES, PAPERS, archive, book)


def as_prose(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    return colab.Translation("methods/x", notebook, TITLES, PAPERS, "https://example.org/")


@pytest.mark.parametrize("text", TEXTS, ids=rules.name_of)
def test_every_chapter_is_plain_markdown_with_the_same_code_and_outputs(text):
    before = nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    after = translated(text)
    code = [cell for cell in after.cells if cell.cell_type == "code"]
    assert "course.zip" in code[0].source
    for cell, want in zip(code[1:], [c for c in before.cells if c.cell_type == "code"], strict=True):
        solution = "hide-cell" in rules.tags(want)
        assert re.sub("^# @title .*\n", "# Solution\n" if solution else "", cell.source) == want.source
        assert cell.outputs == ([] if solution else want.outputs)
        hidden = set(rules.tags(want)) & {"hide-cell", "remove-cell", "remove-input"}
        assert (cell.metadata.get("cellView") == "form") is bool(hidden)
        assert cell.source.startswith("# @title ") is bool(hidden)
    prose = "\n".join(cell.source for cell in after.cells if cell.cell_type == "markdown")
    assert not re.search(r"\{[\w:-]+\}`|^:::|\)=$", prose, re.MULTILINE)
    figures = sum("mystnb" in cell.metadata for cell in before.cells)
    assert len(re.findall(r"^\*Fig\. \d+\. ", prose, re.MULTILINE)) == figures
    # words are neither lost nor invented, but for the labels
    assert rules.words(prose) > 0.95 * rules.words(rules.prose_of(before.cells))


@pytest.mark.parametrize(("myst", "plain"), [
    ("(x)=\n# Why?\n", "# Why?\n"),
    ("as {cite:t}`goyal2017` say", "as [Goyal et al. (2017)](https://arxiv.org/abs/1706.02677) say"),
    ("so {cite}`robbins1951`", "so ([Robbins and Monro, 1951](https://doi.org/10.1214/aoms/1177729586))"),
    ("see {ref}`decay`", "see [What does decay buy?](https://example.org/chapters/principles/decay.html)"),
    ("$$ a = b $$ (eq-x-one)\n\nBy {eq}`eq-x-one`", "$$ a = b \\tag{1}\n$$\n\nBy (1)"),
    (":::{admonition} Well\n:class: tip\n1. a\n2. b\n:::\n", "> **Well**\n>\n> 1. a\n> 2. b\n"),
    ("::::{tab-set}\n:::{tab-item} Keras\n:sync: keras\nOne\n:::\n::::\n", "**Keras**\n\nOne\n\n\n"),
    ("try {designer}`this <Cosine,start=0.1>`",
     "try [this](https://example.org/chapters/using/designer.html#Cosine,start=0.1)"),
])
def test_what_is_said_in_myst_is_said_in_markdown(myst, plain):
    assert as_prose(myst).markdown(myst) == plain


def test_words_after_a_solution_are_folded_up_to_the_next_exercise():
    assert colab.folded("It is\n5.\n\n**2. Next.**\nWhy?") == (
        "<details><summary>The answer in words</summary>\n\nIt is\n5.\n\n</details>\n\n"
        "**2. Next.**\nWhy?")
    for without in ("**2. Next.**\nWhy?", "## Further reading\n"):
        assert colab.folded(without) == without


def test_without_an_address_the_first_cell_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lrlib", None)       # as if it were not installed
    for name, extras in [("principles/decay", "torch,plot"), ("methods/frameworks", "torch,keras,plot")]:
        source = translated(colab.CHAPTERS / f"{name}.md", archive=None).cells[0].source
        with pytest.raises(ImportError, match=rf"needs lrlib.*pip install '\.\[{extras}\]'"):
            exec(source, {})


def test_without_a_published_book_a_reference_is_a_title():
    notebook = nbformat.v4.new_notebook()
    translation = colab.Translation("methods/x", notebook, TITLES, PAPERS)
    assert translation.markdown("{ref}`decay`") == "*What does decay buy?*"


@pytest.mark.parametrize("left", ["{abbr}`x`", ":::{unknown}\nx\n:::", "```{raw} latex\nx\n```"])
def test_what_has_no_translation_stops_the_command(left, tmp_path, monkeypatch):
    text = tmp_path / "x.md"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(left)]),
                   text.with_suffix(".ipynb"))
    monkeypatch.setattr(colab, "CHAPTERS", tmp_path)
    with pytest.raises(SystemExit, match="no plain Markdown for"):
        translated(text)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A machine like Colab: torch, Keras and the rest are there, the course is not."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    there = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    # a path in a .pth file is searched, but the .pth files in it, such as lrlib's, are not read
    (Path(there) / "others.pth").write_text(sysconfig.get_path("purelib"))
    (Path(there) / "google").mkdir()
    (Path(there) / "google" / "colab.py").write_text("")
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3", "language": "python"}))
    missing = subprocess.run([python, "-c", "import torch, lrlib"], cwd=folder, text=True,
                             capture_output=True)
    assert "No module named 'lrlib'" in missing.stderr
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """What a host of repositories makes of this one: a zip with one folder."""
    path = tmp_path_factory.mktemp("archive") / "course.zip"
    files = subprocess.run(["git", "ls-files", "-zco", "--exclude-standard", "lrlib",
                            "pyproject.toml", "README.md", "LICENSE"], cwd=rules.ROOT,
                           capture_output=True, check=True)
    with ZipFile(path, "w") as file:
        for name in files.stdout.decode().split("\0"):
            if name:
                file.write(rules.ROOT / name, f"course-main/{name}")
    return path.as_uri()


@pytest.fixture(scope="module")
def run_elsewhere(elsewhere, archive):
    """A chapter executed there; a cell that fails raises."""
    notebook = translated(colab.CHAPTERS / "principles" / "bound.md", archive)
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3",
                                     coalesce_streams=True,
                                     resources={"metadata": {"path": str(elsewhere)}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(elsewhere))
        patch.setenv("PYTEST_CURRENT_TEST", "execute")
        patch.delenv("PYTHONPATH", raising=False)
        client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_chapter_runs_outside_the_repository(run_elsewhere):
    assert "lrlib" in run_elsewhere[0].source
    assert all(cell.execution_count for cell in run_elsewhere)


@pytest.mark.pins
def test_what_a_chapter_prints_there_is_what_is_stored(run_elsewhere):
    stored = nbformat.read(colab.CHAPTERS / "principles" / "bound.ipynb", as_version=4)

    def said(cells):
        return [[output.get("text") or output["data"].get("text/plain") for output in cell.outputs
                 if "image/png" not in output.get("data", ())] for cell in cells]
    assert said(run_elsewhere[1:]) == said(c for c in stored.cells if c.cell_type == "code")
