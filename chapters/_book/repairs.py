"""Faults of the theme, repaired in the finished pages; each repair says how often it matched."""
from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from sphinx.util import logging

logger = logging.getLogger(__name__)

# (what, pattern, replacement)
REPAIRS = [
    ("a script of 1.5 MB that draws icons the web font draws already",
     re.compile(r'<script[^>]*src="[^"]*fontawesome[^"]*\.js[^"]*"[^>]*></script>'), ""),
    ("the title's link stands outside all landmarks",
     re.compile(r'(<div class="sidebar-primary-item">\s*)(<a class="navbar-brand logo".*?</a>)',
                re.DOTALL), r'\1<nav aria-label="Title">\2</nav>'),
    ("roles that are deprecated or wrong on a list of references",
     re.compile(r'(?<=<div)( role="list"(?= class="citation-list")|( [^>]*?) role="doc-biblioentry")'),
     r"\2"),
    ("a wide formula scrolls, so the keyboard must reach it",
     re.compile(r'<span class="katex-display">'), '<span class="katex-display" tabindex="0">'),
    ("a name for screen readers that leaves out the words on the button",
     re.compile(r'(<button class="btn search-button-field[^>]*) aria-label="Search"'), r"\1"),
    ("the same on the fold of a hidden cell",
     re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    ("a fold of the contents without a name",
     re.compile(r'<summary>(<span class="toctree-toggle")'),
     r'<summary aria-label="Show or hide the chapters of this part">\1'),
]


def repair_pages(app, error):
    if error or app.builder.format != "html":
        return
    repaired = Counter({what: 0 for what, _, _ in REPAIRS})
    for page in Path(app.outdir).rglob("*.html"):
        text = before = page.read_text(encoding="utf-8")
        for what, pattern, replacement in REPAIRS:
            text, places = pattern.subn(replacement, text)
            repaired[what] += places
        if text != before:
            page.write_text(text, encoding="utf-8")
    for what, places in repaired.items():      # none in a new build: the theme has changed
        logger.info("repaired in %d places: %s", places, what)


def setup(app):
    app.connect("build-finished", repair_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
