"""Figures: shown on other pages too, leading to their picture, and small."""
from __future__ import annotations

import html
import json
import re
from pathlib import Path

from docutils import nodes
from PIL import Image
from prose import unbroken
from sphinx.util.docutils import SphinxDirective

CHAPTERS = Path(__file__).resolve().parent.parent


class ChapterFigure(SphinxDirective):
    """A figure of an executed chapter, shown on another page with its caption and alt text.

    The picture is the stored output itself, so it is re-proved wherever it is shown.  It leads to
    its chapter:

        ```{chapter-figure} cases/digits_cnn fig-digits_cnn-far
        ```
    """

    required_arguments = 2

    def run(self):
        chapter, name = self.arguments
        notebook = CHAPTERS / f"{chapter}.ipynb"
        self.env.note_dependency(str(notebook))
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            about = cell["metadata"].get("mystnb", {})
            if about.get("figure", {}).get("name") == name:
                picture, = (output["data"]["image/png"] for output in cell["outputs"]
                            if "image/png" in output.get("data", ()))
                alt, caption = about["image"]["alt"], unbroken(about["figure"]["caption"])
                page = self.env.app.builder.get_relative_uri(self.env.docname,
                                                             f"chapters/{chapter}")
                return [nodes.raw("", f"""
                    <figure class="cell_output">
                    <a class="picture" href="{page}#{nodes.make_id(name)}" title="The figure in its chapter">
                    <img alt="{html.escape(alt)}" src="data:image/png;base64,{picture.strip()}"></a>
                    <figcaption><p><span class="caption-text">{html.escape(caption)}</span></p>
                    </figcaption>
                    </figure>""", format="html")]
        raise self.error(f"{chapter} has no figure {name}")


PICTURE = re.compile(r'(<figure[^>]*>\s*)(<img [^>]*?src="([^"]+)"[^>]*>)')


def link_pictures(app, pagename, templatename, context, doctree):
    """Each figure leads to its picture alone, which a browser fits to the screen and enlarges."""
    if "body" in context:
        context["body"] = PICTURE.sub(
            r'\1<a class="picture" href="\3" title="The picture alone">\2</a>', context["body"])


def shrink_pictures(app, error):
    """256 colours are enough for a figure, and a third of the bytes."""
    if error or app.builder.format != "html":
        return
    for path in (Path(app.outdir) / "_images").glob("*.png"):
        picture = Image.open(path)
        if picture.mode == "P" or (picture.mode == "RGBA" and picture.getextrema()[3][0] < 255):
            continue
        few = picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT,
                                              dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def setup(app):
    app.add_directive("chapter-figure", ChapterFigure)
    app.connect("html-page-context", link_pictures)
    app.connect("build-finished", shrink_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
