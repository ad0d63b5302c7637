"""What the book needs of Sphinx beyond Jupyter Book: pairs, local mathematics, small repairs.

A chapter is a pair: text (`.md`, the source) and executed notebook (`.ipynb`, the proof).  The
page is made from the notebook, so the text is left out of the build.

Formulas are turned into HTML and MathML while the book is built, by KaTeX run in an embedded
JavaScript engine.  A page therefore loads no script for its mathematics and asks no other host
for anything, and a formula that KaTeX cannot read is a warning, which fails the build.
"""
from __future__ import annotations

import functools
import html
import itertools
import json
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import quickjs
from docutils import nodes
from PIL import Image
from sphinx.ext.autodoc.mock import MockFinder
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole, SphinxDirective
from sphinx.util.math import get_node_equation_number

HERE = Path(__file__).parent
logger = logging.getLogger(__name__)


def leave_out_text_of_pairs(app, config):
    texts = (HERE.parent).rglob("*.md")
    config.exclude_patterns += [str(text.relative_to(app.srcdir)) for text in texts
                                if text.with_suffix(".ipynb").exists()]


def configure(app, config):
    config.html_search_scorer = str(HERE / "scorer.js")
    config.ogp_site_name = config.html_title            # Sphinx's project, which has no name


@functools.cache
def katex():
    engine = quickjs.Context()
    engine.eval((HERE / "katex" / "katex.min.js").read_text(encoding="utf-8"))
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
        notebook = HERE.parent / f"{chapter}.ipynb"
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


# Interactive components: the element that a page holds, and the script and style it needs.
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
    engine.eval((HERE / "static" / "designer.js").read_text(encoding="utf-8"))
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


# (what, pattern, replacement): faults of the theme, repaired in the finished pages.
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
    static = Path(app.outdir) / "_static"
    shutil.copytree(HERE / "katex" / "static", static / "katex", dirs_exist_ok=True)


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


# Where the book will stand is known only where it is published: there the environment says it.
SITE, REPOSITORY = os.environ.get("BOOK_URL"), os.environ.get("GITHUB_REPOSITORY")


def not_found(app):
    yield "404", {"title": "There is no such page", "body": """
        <h1>There is no such page</h1>
        <p>Begin at <a href="chapters/index.html">the first page</a>, or look for it in the
        contents or by the search.</p>
        """}, "page.html"


def write_for_host(app, error):
    """What the host shows at any unknown address, so that its links need the whole address; and
    what it tells robots, who read it where the site has a host of its own."""
    if error or app.builder.format != "html":
        return
    site, page = app.config.html_baseurl, Path(app.outdir, "404.html")
    page.write_text(re.sub(r'( (?:href|src|action|data-content_root)=")(?!#|\w+:)(?:\./)?', rf"\1{site}",
                           page.read_text(encoding="utf-8")), encoding="utf-8")
    Path(app.outdir, "robots.txt").write_text(f"User-agent: *\nSitemap: {site}sitemap.xml\n")


def publish(app, config):
    app.setup_extension("colab")
    if SITE:
        site = SITE.rstrip("/") + "/"
        app.connect("html-collect-pages", not_found)
        app.connect("build-finished", write_for_host)
        config.sitemap_excludes = ["404.html"]
        REPAIRS.append(("the link to the PDF stands outside all landmarks", re.compile(
            r'(<ul class="navbar-icon-links".*?</ul>)', re.DOTALL), r'<nav aria-label="Files">\1</nav>'))
        config.html_baseurl = config.ogp_site_url = site
        config.ogp_image = site + "_static/book.png"
        config.ogp_image_alt = "A chapter of the book in a browser"
        config.html_static_path.append(str(HERE / "book.png"))
        config.sitemap_url_scheme = "{link}"
        config.html_theme_options |= {"icon_links": [       # pdf.py's file is published beside
            {"name": "The book as one PDF", "url": site + "learning-rate-decay.pdf",
             "icon": "fa-solid fa-file-pdf"}]}
    if REPOSITORY:                             # colab.py's notebooks are on a branch of their own
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        config.html_theme_options |= {
            "repository_url": f"{server}/{REPOSITORY}", "repository_branch": "colab",
            "launch_buttons": {"colab_url": "https://colab.research.google.com"}}


def setup(app):
    # The reference reads docstrings only; the frameworks would cost ten seconds and write notes.
    sys.meta_path.insert(0, MockFinder(["torch", "keras", "joblib", "matplotlib"]))
    if SITE:
        app.setup_extension("sphinx_sitemap")
    app.connect("config-inited", publish)
    app.setup_extension("citations")
    app.connect("config-inited", configure)
    app.connect("config-inited", leave_out_text_of_pairs)
    app.connect("build-finished", repair_pages)
    app.connect("build-finished", shrink_pictures)
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_css_file("katex/katex.min.css")
    app.add_js_file("book.js", loading_method="defer")
    app.add_post_transform(Solutions)
    app.add_post_transform(Numbers)
    app.connect("html-page-context", describe, priority=400)       # before sphinxext.opengraph
    app.connect("html-page-context", link_pictures)
    app.connect("html-page-context", load_components)
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_role("designer", DesignerLink())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
