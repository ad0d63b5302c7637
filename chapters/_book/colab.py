"""Chapters to take away: MyST as plain Markdown, and a first cell that brings lrlib.

A Sphinx extension: the button on a chapter's page then downloads such a copy, and where the book
is published the workflow puts the same copies on the branch that Colab opens.  What cannot be
said in plain Markdown stops the build: nothing half translated is given away.
"""
from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pybtex.database
from citations import authors
from execute import CHAPTERS, texts

# Where the copies find the package and the book is known only where the book is published.
BOOK, REPOSITORY = os.environ.get("BOOK_URL"), os.environ.get("GITHUB_REPOSITORY")
ARCHIVE = REPOSITORY and (f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{REPOSITORY}"
                          f"/archive/{os.environ.get('GITHUB_SHA', 'HEAD')}.zip")
SETUP = """\
# @title Run this first: it brings `lrlib`, the package of this course
try:
    import lrlib
except ImportError:
    """
INSTALL = '%pip install -q "lrlib[{extras}] @ {archive}"'
ASK = """\
raise ImportError("this chapter needs lrlib, the package of the course: in a copy of the "
                      "course's repository, pip install '.[{extras}]'") from None"""
# What the page hides is folded in the copies: a form for Colab, hidden code for JupyterLab.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}
MYST = re.compile(r"\{[\w:-]+\}`|^:::|^```\{|^\([\w-]+\)=$|\$\$ \(", re.MULTILINE)


class Translation:
    """What the Markdown of one chapter refers to, and its text without MyST."""

    def __init__(self, name, notebook, titles, papers, book=None):
        self.name, self.titles, self.papers, self.book = name, titles, papers, book
        prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        labels = re.findall(r"\$\$ \(([\w-]+)\)", prose)
        figures = [about["figure"]["name"] for cell in notebook.cells
                   if (about := cell.metadata.get("mystnb"))]
        self.equations = {label: i for i, label in enumerate(labels, start=1)}
        self.figures = {label: i for i, label in enumerate(figures, start=1)}

    def paper(self, key, textual):
        entry = self.papers[key]
        who = authors(entry)
        text = f"{who} ({entry.fields['year']})" if textual else f"{who}, {entry.fields['year']}"
        arxiv = re.match(r"arXiv:([\d.]+)", entry.fields.get("journal", ""))
        address = (f"https://doi.org/{entry.fields['doi']}" if "doi" in entry.fields
                   else f"https://arxiv.org/abs/{arxiv.group(1)}" if arxiv
                   else entry.fields.get("url"))
        return f"[{text}]({address})" if address else text

    def role(self, found):
        role, text = found.groups()
        if role == "cite:t":
            return ", ".join(self.paper(key, True) for key in re.split(r",\s*", text))
        if role == "cite":
            return f"({'; '.join(self.paper(key, False) for key in re.split(r',[ ]*', text))})"
        if role == "eq":
            return f"({self.equations[text]})"
        if role == "numref":
            return f"Fig. {self.figures[text]}"
        if role == "ref":
            page, title = self.titles[text]
            return self.link(title, page)
        if role == "designer":
            title, target = re.fullmatch(r"(.+) <(.+)>", text).groups()
            return self.link(title, f"using/designer.html#{target}")
        return found.group()

    def link(self, title, page):
        return f"[{title}]({self.book.rstrip('/')}/chapters/{page})" if self.book else f"*{title}*"

    def markdown(self, text):
        text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^```\{raw\} html\n(.*?)^```$", self.component, text,
                      flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^::::+\{tab-set\}\n(?::\w[^\n]*\n)*(.*?)^::::+$", r"\1", text,
                      flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^:::\{tab-item\} ([^\n]+)\n(?::\w[^\n]*\n)*(.*?)^:::$", r"**\1**\n\n\2", text,
                      flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^:::\{admonition\} ([^\n]+)\n(?::\w[^\n]*\n)*(.*?)^:::$", quoted, text,
                      flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"\$\$ \(([\w-]+)\)",
                      lambda found: rf"\tag{{{self.equations[found.group(1)]}}}" + "\n$$", text)
        return re.sub(r"\{([\w:-]+)\}`([^`]+)`", self.role, text)

    def component(self, found):
        return f"*Here the page has an interactive figure: {self.link('see it there', self.page)}.*"

    @property
    def page(self):
        return f"{self.name}.html"

    def cells(self, cells):
        hidden = None
        for cell in cells:
            if cell.cell_type == "markdown":
                text = self.markdown(cell.source)
                yield nbformat.v4.new_markdown_cell(folded(text) if hidden == "Solution" else text,
                                                    id=cell.id)
                continue
            about, hidden = cell.metadata.get("mystnb"), title(cell)
            cell = nbformat.from_dict({**cell, "metadata": FOLDED if hidden else {}})
            if hidden:
                cell.source = f"# @title {hidden}\n" + cell.source.removeprefix("# Solution\n")
            if hidden == "Solution":              # a form folds code only, so this comes with a run
                cell.outputs, cell.execution_count = [], None
            yield cell
            if about:
                label, caption = about["figure"]["name"], about["figure"]["caption"]
                yield nbformat.v4.new_markdown_cell(
                    f"*Fig. {self.figures[label]}. {self.markdown(caption)}*", id=label)


def title(cell):
    """What to call a cell whose code the page hides, or None."""
    tags = cell.metadata.get("tags", ())
    return ("Solution" if "hide-cell" in tags
            else "The checks behind the text" if "remove-cell" in tags
            else None if "remove-input" not in tags
            else "The verdicts" if "verdict(" in cell.source else "The code behind what is shown")


def folded(text):
    """The words after a solution, up to the next exercise or heading, under a fold."""
    words, rest = re.fullmatch(r"(.*?)((?:^\*\*\d+\. |^#).*|\Z)", text, re.S | re.M).groups()
    if not words.strip():
        return text
    return f"<details><summary>The answer in words</summary>\n\n{words.strip()}\n\n</details>\n\n{rest}"


def quoted(found):
    title, text = found.groups()
    lines = [f"**{title}**", "", *text.strip().splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def pages():
    """Title and page of every label of a page."""
    found = {}
    for text in sorted(CHAPTERS.rglob("*.md")):
        head = re.search(r"^\(([\w-]+)\)=\n# (.+)", text.read_text(encoding="utf-8"), re.M)
        if head:
            page = text.relative_to(CHAPTERS).with_suffix(".html")
            found[head.group(1)] = (str(page), head.group(2))
    return found


def set_up(notebook, archive):
    """The first cell: it installs lrlib where it is missing, or says how that is done."""
    keras = any("keras" in cell.source for cell in notebook.cells if cell.cell_type == "code")
    extras = "torch,keras,plot" if keras else "torch,plot"
    source = SETUP + (INSTALL if archive else ASK).format(extras=extras, archive=archive)
    return nbformat.v4.new_code_cell(source, id="set-up", metadata={"cellView": "form"})


def translated(text, titles, papers, archive=ARCHIVE, book=BOOK):
    """The copy of the chapter with this text."""
    notebook = nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    name = str(text.relative_to(CHAPTERS).with_suffix(""))
    translation = Translation(name, notebook, titles, papers, book)
    notebook.cells = [set_up(notebook, archive), *translation.cells(notebook.cells)]
    for cell in notebook.cells:
        left = MYST.search(cell.source) if cell.cell_type == "markdown" else None
        if left:
            line = cell.source[cell.source.rfind("\n", 0, left.start()) + 1:].split("\n")[0]
            raise SystemExit(f"{name}, {cell.id}: no plain Markdown for {line!r}")
    nbformat.validate(notebook)
    return notebook


def chapters():
    contents = (CHAPTERS.parent / "_toc.yml").read_text()
    return [text for text in texts()
            if f"chapters/{text.parent.name}/{text.stem}\n" in contents]


def replace_downloads(app, error):
    """The theme's button downloads what lies below _sources."""
    if error or app.builder.format != "html":
        return
    titles = pages()
    papers = pybtex.database.parse_file(CHAPTERS / "references.bib").entries
    for text in chapters():
        target = Path(app.outdir, "_sources", text.relative_to(app.srcdir)).with_suffix(".ipynb")
        nbformat.write(translated(text, titles, papers), target)


def setup(app):
    app.connect("build-finished", replace_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
