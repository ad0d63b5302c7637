"""The text of a page: answers go under the fold of their solution, numbers stay on one line, and
the first sentences of a chapter's question describe it.
"""
from __future__ import annotations

import html
import itertools
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class Solutions(SphinxPostTransform):
    """The words after a hidden solution are hidden with it, up to the next exercise or heading."""

    default_priority = 190                     # MyST-NB makes the folds at 199
    formats = ("html",)

    def run(self, **kwargs):
        def ends(node):
            exercise = isinstance(node, nodes.paragraph) and re.match(r"\d+\. ", node.astext())
            return exercise or isinstance(node, nodes.section) or node.get("hide_mode")
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("hide_mode") == "all":
                after = cell.parent[cell.parent.index(cell) + 1:]
                for node in itertools.takewhile(lambda node: not ends(node), after):
                    node.parent.remove(node)
                    cell.append(node)


def unbroken(text):
    """The spaces of 10 000 and of 5 % are no places to break a line."""
    return re.sub(r"(?<=\d) (?=\d{3}(?!\d)|%)", "\N{NO-BREAK SPACE}", text)


class Numbers(SphinxPostTransform):
    """Numbers stay on one line, in the text and in verdicts; code and formulas are left alone."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs):
        for text in list(self.document.findall(nodes.Text)):
            parent = text.parent
            verdict = isinstance(parent, nodes.raw) and text.startswith('<div class="verdict')
            code = isinstance(parent, (nodes.literal, nodes.math, nodes.FixedTextElement))
            if (verdict or not code) and unbroken(text) != text:
                parent.replace(text, nodes.Text(unbroken(text)))


def describe(app, pagename, templatename, context, doctree):
    """Search engines and messengers show the first sentences of a chapter's question."""
    question = doctree and next((section for section in doctree.findall(nodes.section)
                                 if "the-question" in section["ids"]), None)
    if not question:
        return
    text = re.sub(r" \[[^]]+\]", "", next(question.findall(nodes.paragraph)).astext())
    said, *more = text.splitlines()                 # one sentence a line in the source
    for sentence in more:
        if len(said) + len(sentence) < 200:
            said = f"{said} {sentence}"
        else:
            break
    said = html.escape(said)
    context["meta"] = {**(context["meta"] or {}), "og:description": said}
    context["metatags"] += f'<meta name="description" content="{said}" />\n'


def setup(app):
    app.add_post_transform(Solutions)
    app.add_post_transform(Numbers)
    app.connect("html-page-context", describe, priority=400)       # before sphinxext.opengraph
    return {"parallel_read_safe": True, "parallel_write_safe": True}
