"""What the book needs where it is published: addresses, card, map of the site, page for errors."""
from __future__ import annotations

import os
import re
from pathlib import Path

import repairs

BOOK = Path(__file__).parent

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
    if SITE:
        site = SITE.rstrip("/") + "/"
        app.connect("html-collect-pages", not_found)
        app.connect("build-finished", write_for_host)
        config.sitemap_excludes = ["404.html"]
        repairs.REPAIRS.append(("the link to the PDF stands outside all landmarks", re.compile(
            r'(<ul class="navbar-icon-links".*?</ul>)', re.DOTALL), r'<nav aria-label="Files">\1</nav>'))
        config.html_baseurl = config.ogp_site_url = site
        config.ogp_image = site + "_static/book.png"
        config.ogp_image_alt = "The first page of the book in a browser"
        config.html_static_path.append(str(BOOK / "book.png"))
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
    if SITE:
        app.setup_extension("sphinx_sitemap")
    app.connect("config-inited", publish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
