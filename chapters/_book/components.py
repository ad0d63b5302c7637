"""Interactive components: loaded where they are, and links that open the designer."""
from __future__ import annotations

import functools
from pathlib import Path

import quickjs
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole

STATIC = Path(__file__).parent / "static"
logger = logging.getLogger(__name__)

# The element that a page holds, and the script and style it needs.
COMPONENTS = {"quadratic-descent": "quadratic", "lr-designer": "designer"}
DESIGNER = "chapters/using/designer"


def load_components(app, pagename, templatename, context, doctree):
    for element, name in COMPONENTS.items():
        if f"<{element}" in context.get("body", ""):
            app.add_css_file(f"{name}.css")
            app.add_js_file(f"{name}.js", loading_method="defer")


@functools.cache
def designer():
    """A function: address of the designer -> None, or what is wrong with it."""
    engine = quickjs.Context()
    engine.eval((STATIC / "designer.js").read_text(encoding="utf-8"))
    engine.eval("function problem(address) { return designer.fromHash(address).problem }")
    return engine.get("problem")


class DesignerLink(ReferenceRole):
    """A link that opens the designer with a schedule, in the words of its address:

        {designer}`this cosine <Cosine,start=0.1,steps=800>`
    """

    def run(self):
        said = designer()(self.target)
        if said:
            logger.warning("the designer does not understand %r: %s", self.target, said,
                           location=self.get_location())
        page = self.env.app.builder.get_relative_uri(self.env.docname, DESIGNER)
        return [nodes.reference(self.rawtext, self.title, refuri=f"{page}#{self.target}")], []


def setup(app):
    app.connect("html-page-context", load_components)
    app.add_role("designer", DesignerLink())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
