"""Formulas become HTML and MathML while the book is built, by KaTeX in an embedded engine.

A page therefore loads no script for its mathematics and asks no other host for anything, and a
formula that KaTeX cannot read is a warning, which fails the build.
"""
from __future__ import annotations

import functools
import shutil
from pathlib import Path

import quickjs
from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

KATEX = Path(__file__).parent / "katex"
logger = logging.getLogger(__name__)


@functools.cache
def katex():
    engine = quickjs.Context()
    engine.eval((KATEX / "katex.min.js").read_text(encoding="utf-8"))
    engine.eval("""
        function render(tex, display) {
            return katex.renderToString(tex, {displayMode: display, strict: false})
        }""")
    return engine.get("render")


@functools.cache
def html_of(tex, display):
    return katex()(tex, display)


def visit(self, node, display):
    try:
        formula = html_of(node.astext(), display)
    except quickjs.JSException as error:
        logger.warning("KaTeX cannot read %r: %s", node.astext(), str(error).splitlines()[0],
                       location=node)
        formula = f"<code>{self.encode(node.astext())}</code>"
    if not display:
        self.body.append(f'<span class="math notranslate">{formula}</span>')
        raise nodes.SkipNode
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(f"{formula}</div>\n")
    raise nodes.SkipNode


def visit_inline(self, node):
    visit(self, node, display=False)


def visit_display(self, node):
    visit(self, node, display=True)


def copy_fonts(app, error):
    if not error and app.builder.format == "html":
        shutil.copytree(KATEX / "static", Path(app.outdir, "_static", "katex"), dirs_exist_ok=True)


def setup(app):
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_css_file("katex/katex.min.css")
    app.connect("build-finished", copy_fonts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
