"""Code on a page leads to the reference: each name of lrlib, once in a cell.

Which names a chapter has from lrlib is read from its imports, where they lead from what the
reference defines.  Nothing is imported, so the build needs no framework.
"""
from __future__ import annotations

import ast
import json
import re
from pathlib import Path

API = "chapters/using/api"
CELL = re.compile(r'<div class="highlight-ipython3 .*?</pre>', re.DOTALL)
# a name, or a module and a name in it; no attribute of something else, no keyword of a call
NAME = re.compile(r'(?<!<span class="o">\.</span>)<span class="n">(?P<name>\w+)</span>'
                  r'(?P<rest><span class="o">\.</span><span class="n">(?P<inside>\w+)</span>)?'
                  r'(?!<span class="o">=</span>)')


def imported(notebook):
    """What a notebook imports from lrlib: {name in the notebook: full name}"""
    names = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "lrlib":
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}"
                          for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name: alias.name for alias in node.names if alias.name == "lrlib"}
    return names


def link_names(app, pagename, templatename, context, doctree):
    notebook = Path(app.srcdir) / f"{pagename}.ipynb"
    if not notebook.exists():
        return
    names = imported(notebook)
    defined = app.env.domaindata["py"]["objects"]
    page = app.builder.get_relative_uri(pagename, API)

    def anchor(full):
        entry = defined.get(full) or defined.get(full.replace("lrlib.", "lrlib.schedules.", 1))
        return entry and f"{page}#{entry.node_id}"

    def link_cell(cell):
        done = set()

        def link(found):
            full = names.get(found["name"])
            inner = full and found["inside"] and anchor(f"{full}.{found['inside']}")
            address = inner or (full and anchor(full))
            if not address or address in done:
                return found[0]
            done.add(address)
            words, rest = (found[0], "") if inner else (
                f'<span class="n">{found["name"]}</span>', found["rest"] or "")
            return f'<a class="lrlib" href="{address}">{words}</a>{rest}'
        return NAME.sub(link, cell[0])

    context["body"] = CELL.sub(link_cell, context["body"])


def setup(app):
    app.connect("html-page-context", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
