"""What the book needs of Sphinx beyond Jupyter Book.

A chapter is a pair: text (`.md`, the source) and executed notebook (`.ipynb`, the proof).  The
page is made from the notebook, so the text is left out of the build.
"""
from __future__ import annotations

import sys
from pathlib import Path

from sphinx.ext.autodoc.mock import MockFinder

HERE = Path(__file__).parent
PARTS = ["formulas", "prose", "figures", "components", "citations", "codelinks", "ledger",
         "repairs", "colab", "publishing"]


def leave_out_text_of_pairs(app, config):
    texts = (HERE.parent).rglob("*.md")
    config.exclude_patterns += [str(text.relative_to(app.srcdir)) for text in texts
                                if text.with_suffix(".ipynb").exists()]


def configure(app, config):
    config.html_search_scorer = str(HERE / "scorer.js")
    config.ogp_site_name = config.html_title            # Sphinx's project, which has no name


def setup(app):
    # The reference reads docstrings only; the frameworks would cost ten seconds and write notes.
    sys.meta_path.insert(0, MockFinder(["torch", "keras", "joblib", "matplotlib"]))
    app.connect("config-inited", configure)
    app.connect("config-inited", leave_out_text_of_pairs)
    app.add_js_file("book.js", loading_method="defer")
    for part in PARTS:
        app.setup_extension(part)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
