"""The ledger: every claim of the course and what the chapters found, read from their notebooks."""
from __future__ import annotations

import functools
import re
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from lrlib import evidence

CHAPTERS = Path(__file__).resolve().parent.parent
PAGE = "chapters/using/ledger"


def notebooks():
    """The executed chapters in the order of the book."""
    contents = (CHAPTERS.parent / "_toc.yml").read_text(encoding="utf-8")
    paths = [CHAPTERS.parent / f"{name}.ipynb" for name in re.findall(r"file: (\S+)", contents)]
    return [path for path in paths if path.exists()]


@functools.cache
def settled():
    """The verdicts on each claim: {claim: [(path of the chapter, Verdict), ...]}"""
    found = {}
    for path, verdict in evidence.read(notebooks()):
        found.setdefault(verdict.claim, []).append((path, verdict))
    return found


def claims_of(part):
    """The claims whose first verdict is in a part of the book; those without one in `open`."""
    found = settled()
    if part == "open":
        return [claim for claim in evidence.claims() if claim not in found]
    return [claim for claim, verdicts in found.items() if verdicts[0][0].parent.name == part]


def literal(text):
    """Text that Markdown leaves as it is, but for `code`."""
    prose_and_code = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]|])", r"\\\1", part)
                   for part in prose_and_code)


class Ledger(SphinxDirective):
    """A table of the claims that a part of the book settles, or of those that are `open`:

        ```{ledger} principles
        ```
    """

    required_arguments = 1

    def run(self):
        part, = self.arguments
        claims, found = claims_of(part), settled()
        if not claims:
            raise self.error(f"no claim belongs to {part!r}")
        for path in notebooks():
            self.env.note_dependency(str(path))
        lines = ["````{list-table}", ":header-rows: 1", ":class: ledger", "",
                 "* - Claim", "  - Found"]
        for claim in claims:
            lines.append(f"* - **{claim}** {literal(evidence.claims()[claim])}")
            said = [f"[{verdict.word}]{{.verdict-word .verdict-{verdict.word}}} "
                    f"{literal(verdict.sentence())} {{ref}}`{path.stem}`"
                    for path, verdict in found.get(claim, ())] or ["not measured yet"]
            lines.append("  - " + "\n\n    ".join(said))
        table, = self.parse_text_to_nodes("\n".join([*lines, "````"]))
        body = next(table.findall(lambda node: node.tagname == "tbody"))
        for claim, row in zip(claims, body.children, strict=True):
            row["ids"].append(claim)
        return [table]


class Verdicts(SphinxRole):
    """How many verdicts have this word; with `claims` and `settled`, how many claims there are."""

    def run(self):
        found = settled()
        numbers = Counter(verdict.word for verdicts in found.values() for _, verdict in verdicts)
        numbers.update(claims=len(evidence.claims()), settled=len(found))
        if self.text not in numbers:
            raise ValueError(f"no verdict is called {self.text!r}")
        return [nodes.Text(str(numbers[self.text]))], []


class Measured(SphinxRole):
    """The numbers of a chapter's verdict on a claim: {measured}`C01 decay`"""

    def run(self):
        claim, chapter = self.text.split()
        numbers = [verdict.numbers() for path, verdict in settled().get(claim, ())
                   if path.stem == chapter]
        if len(numbers) != 1 or numbers[0] is None:
            raise ValueError(f"{chapter} has no single measured verdict on {claim}")
        return [nodes.Text(numbers[0])], []


def link_verdicts(app, pagename, templatename, context, doctree):
    """A chapter's verdict leads to its claim here."""
    if 'class="verdict ' in context.get("body", ""):
        page = app.builder.get_relative_uri(pagename, PAGE)
        context["body"] = re.sub(
            r'(<div class="verdict [^>]*><p>)<strong>(C\d\d)</strong>',
            rf'\1<strong><a href="{page}#\2">\2</a></strong>', context["body"])


def setup(app):
    app.connect("html-page-context", link_verdicts)
    app.add_directive("ledger", Ledger)
    app.add_role("verdicts", Verdicts())
    app.add_role("measured", Measured())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
