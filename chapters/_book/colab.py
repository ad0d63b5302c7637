"""Chapters for Colab: MyST as plain Markdown, and a first cell that installs lrlib where it lacks.

    python chapters/_book/colab.py FOLDER ARCHIVE [BOOK]

writes every chapter of the contents below FOLDER.  ARCHIVE is the address of a zip of this repository, BOOK that
of the published book, to which references between chapters then lead.  What cannot be said in
plain Markdown stops the command: nothing half translated is published.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pybtex.database
from execute import CHAPTERS, texts

SETUP = """\
# @title Run this first: it brings `lrlib`, the package of this course
try:
    import lrlib
except ImportError:
    %pip install -q "lrlib @ {archive}"
"""
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
        names = [" ".join(part.render_as("text") for part in
                          person.rich_prelast_names + person.rich_last_names)
                 for person in entry.persons["author"]]
        who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 \
            else f"{names[0]} et al."
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
        for cell in cells:
            if cell.cell_type == "markdown":
                yield nbformat.v4.new_markdown_cell(self.markdown(cell.source), id=cell.id)
                continue
            about, tags = cell.metadata.get("mystnb"), cell.metadata.get("tags", ())
            cell = nbformat.from_dict({**cell, "metadata": {}})
            if "hide-cell" in tags:               # Colab folds the code of a form
                cell.source = cell.source.replace("# Solution\n", "# @title Solution\n", 1)
                cell.metadata["cellView"] = "form"
            yield cell
            if about:
                label, caption = about["figure"]["name"], about["figure"]["caption"]
                yield nbformat.v4.new_markdown_cell(
                    f"*Fig. {self.figures[label]}. {self.markdown(caption)}*", id=label)


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


def translated(text, archive, titles, papers, book=None):
    """The notebook for Colab of the chapter with this text."""
    notebook = nbformat.read(text.with_suffix(".ipynb"), as_version=4)
    name = str(text.relative_to(CHAPTERS).with_suffix(""))
    translation = Translation(name, notebook, titles, papers, book)
    first = nbformat.v4.new_code_cell(SETUP.format(archive=archive), id="set-up",
                                      metadata={"cellView": "form"})
    notebook.cells = [first, *translation.cells(notebook.cells)]
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


def main(folder, archive, book=None):
    titles = pages()
    papers = pybtex.database.parse_file(CHAPTERS / "references.bib").entries
    for text in chapters():
        target = Path(folder) / text.relative_to(CHAPTERS).with_suffix(".ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(translated(text, archive, titles, papers, book), target)
    print(f"{len(chapters())} notebooks for Colab: {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
