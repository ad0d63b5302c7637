"""The whole book as one PDF, printed by Chromium from the built pages.

    python chapters/_book/pdf.py

The pages become one page first, so that Chromium makes one document: bookmarks from all headings,
links between chapters, alt texts and tags for screen readers.  Solutions are open.
"""
from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import pypdf
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
# the browser makes no calls of its own, and root may run it
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
NAME = "learning-rate-decay.pdf"
PAGES = [page for page in re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text())
         if page != "chapters/using/designer"]      # which is nothing on paper

# Takes the addresses of all pages; leaves the open page with the articles of all of them, and
# returns the headings.
TOGETHER = """
async (addresses) => {
    const place = (address) => "page-" + addresses.indexOf(address);
    const texts = await Promise.all(addresses.map(async (a) => (await fetch(a)).text()));
    const articles = texts.map((text, i) => {
        const page = new DOMParser().parseFromString(text, "text/html");
        const base = page.createElement("base");
        base.href = addresses[i];
        page.head.prepend(base);
        const article = page.querySelector("article");
        for (const gone of article.querySelectorAll(
            ".headerlink, .copybtn, script, noscript, .prev-next-footer, .toctree-wrapper")) {
            gone.remove();
        }
        for (const img of article.querySelectorAll("img")) img.src = img.src;
        for (const link of article.querySelectorAll("a[href]")) {
            const [page, anchor] = link.href.split("#");
            if (addresses.includes(page)) {
                link.href = "#" + place(page) + (anchor ? "-" + anchor : "");
            } else if (page.startsWith(location.origin)) {
                link.replaceWith(...link.childNodes);       // to what is not in the book
            }
        }
        for (const one of article.querySelectorAll("[id]")) {
            one.id = place(addresses[i]) + "-" + one.id;
        }
        article.id = place(addresses[i]);
        for (const fold of article.querySelectorAll("details")) fold.open = true;
        return article;
    });
    document.body.replaceChildren(...articles);
    await Promise.all([...document.images].map((img) => img.decode()));
    await document.fonts.ready;
    return [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((h) => h.textContent.trim());
}
"""
STYLE = """
@page { margin: 18mm 16mm }
body { display: block; font-size: 10.5pt }
article { break-before: page; padding: 0 }
article:first-child { break-before: avoid }
figure, .cell_output, .admonition, .verdict, tr { break-inside: avoid }
h1, h2, h3 { break-after: avoid }
pre, code { white-space: pre-wrap !important; overflow-wrap: anywhere }
details > summary { display: none }
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def name_bookmarks(path, headings):
    """Chromium writes some headings twice, and without the spaces where a line ends."""
    book = pypdf.PdfWriter(clone_from=path)

    def below(item):
        while item is not None:
            item = item.get_object()
            yield item
            yield from below(item.get("/First"))
            item = item.get("/Next")
    bookmarks = list(below(book.root_object["/Outlines"].get_object().get("/First")))
    for bookmark, heading in zip(bookmarks, headings, strict=True):
        bookmark[pypdf.generic.NameObject("/Title")] = pypdf.generic.TextStringObject(heading)
    book.add_metadata({"/Title": headings[0]})
    book.write(path)


def print_book(built, out):
    """Prints the pages in the folder `built` to the file `out`."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("the PDF is printed by Chromium: apt-get install chromium, or say where "
                         "it is in CHROMIUM")
    server = http.server.ThreadingHTTPServer(
        ("localhost", 0), functools.partial(Quiet, directory=str(built)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    addresses = [f"http://localhost:{server.server_port}/{page}.html" for page in PAGES]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(color_scheme="light")
        page.goto(addresses[0], wait_until="load")
        headings = page.evaluate(TOGETHER, addresses)
        page.add_style_tag(content=STYLE)
        page.pdf(path=out, format="A4", tagged=True, outline=True, display_header_footer=True,
                 prefer_css_page_size=True, header_template="<span></span>",
                 footer_template='<div style="font-size:8pt; width:100%; text-align:center">'
                                 '<span class="pageNumber"></span></div>')
        browser.close()
    server.shutdown()
    name_bookmarks(out, headings)


if __name__ == "__main__":
    pdf = ROOT / "_build" / NAME
    print_book(ROOT / "_build" / "html", pdf)
    print(f"The book as a PDF: {pdf} ({pdf.stat().st_size / 1e6:.0f} MB)")
