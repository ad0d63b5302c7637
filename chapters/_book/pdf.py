"""The whole book as one PDF, printed by Chromium from the built pages.

    python chapters/_book/pdf.py

The pages become one page first, so that Chromium makes one document: a title page, contents with
page numbers, bookmarks from all headings, links between chapters, alt texts and tags for screen
readers.  Solutions are open.
"""
from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pypdf
import yaml
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
# the browser makes no calls of its own, and root may run it
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
NAME = "learning-rate-decay.pdf"
PAGES = [page for page in re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text())
         if page != "chapters/using/designer"]      # which is nothing on paper
BOOK = yaml.safe_load((ROOT / "_config.yml").read_text())
SITE = os.environ.get("BOOK_URL")
TITLE_PAGE = f"""
<p class="title">{BOOK["title"]}</p>
<p>{BOOK["author"]}</p>
<p>Text and figures: <a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>.
Code: MIT licence.</p>
""" + (f'<p>The same on the web: <a href="{SITE}">{SITE}</a></p>' if SITE else "")

# Takes the addresses of all pages and the title page; leaves the open page with the articles of
# all of them, and returns the headings.
TOGETHER = """
async ([addresses, titlePage]) => {
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
            const target = new URL(link.getAttribute("href"), addresses[i]);
            const [address, anchor] = target.href.split("#");
            if (addresses.includes(address)) {
                link.setAttribute("href", "#" + place(address) + (anchor ? "-" + anchor : ""));
            } else if (target.origin === location.origin) {
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
    const front = document.createElement("article");
    front.innerHTML = titlePage + "<ol></ol>";
    front.lastChild.append(...articles.map((article, i) => {
        const entry = document.createElement("li");
        const depth = addresses[i].split("/").length - addresses[0].split("/").length;
        entry.innerHTML = `<a href="#${article.id}"></a><span></span>`;
        entry.firstChild.textContent = article.querySelector("h1").textContent.trim();
        entry.style.marginLeft = `${depth}em`;
        return entry;
    }));
    document.body.replaceChildren(front, ...articles);
    await Promise.all([...document.images].map((img) => img.decode()));
    await document.fonts.ready;
    return [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((h) => h.textContent.trim());
}
"""
# Where an output is wider than the paper, its letters become smaller: a table keeps its lines.
FIT = """
() => {
    for (const pre of document.querySelectorAll(".cell_output pre")) {
        const size = parseFloat(getComputedStyle(pre).fontSize);
        const share = 0.99 * pre.clientWidth / pre.scrollWidth;
        if (share < 0.99) pre.style.fontSize = `${size * share}px`;
    }
}
"""
# Writes the page numbers into the contents.
NUMBER = """
(numbers) => document.querySelectorAll("article:first-child li span").forEach(
    (place, i) => { place.textContent = numbers[i] })
"""
STYLE = """
@page { margin: 18mm 16mm }
body { display: block; font-size: 10.5pt }
article { break-before: page; padding: 0 }
article:first-child { break-before: avoid }
article:first-child .title { font-size: 30pt; font-weight: 700; margin: 10mm 0 6mm }
article:first-child ol { list-style: none; padding: 0; margin-top: 12mm; line-height: 1.4 }
article:first-child li { display: flex; justify-content: space-between; break-inside: avoid }
figure, .cell_output, .admonition, .verdict, tr { break-inside: avoid }
.cell_output:has(.verdict) { break-inside: auto }
h1, h2, h3, dt { break-after: avoid }
pre, code { white-space: pre-wrap !important; overflow-wrap: anywhere }
.cell_output pre { white-space: pre !important; padding: 0 }
details.hide > summary { display: none !important }
"""
PAPER = {"format": "A4", "prefer_css_page_size": True, "display_header_footer": True,
         "header_template": "<span></span>",
         "footer_template": '<div style="font-size:8pt; width:100%; text-align:center">'
                            '<span class="pageNumber"></span></div>'}
BETWEEN_MARGINS = 673       # pixels: 210 - 2 x 16 mm


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def warn_of_boxes():
    """The book has words in Chinese; without a font for them Chromium prints boxes."""
    if shutil.which("fc-list") and not subprocess.run(
            ["fc-list", ":lang=zh"], capture_output=True, text=True).stdout.strip():
        print("WARNING: this machine has no font for Chinese, so its words are boxes in the PDF: "
              "install one (Debian: fonts-noto-cjk)", file=sys.stderr)


def page_numbers(path):
    """On which page of the file each page of the book begins."""
    printed = pypdf.PdfReader(path)
    return [printed.get_destination_page_number(printed.named_destinations[f"/page-{i}"]) + 1
            for i in range(len(PAGES))]


def finish(path, headings):
    """Names the bookmarks, some of which Chromium writes twice and without the spaces where a
    line ends, and the book."""
    book = pypdf.PdfWriter(path, incremental=True)      # all else stays as it was printed

    def below(item):
        while item is not None:
            item = item.get_object()
            yield item
            yield from below(item.get("/First"))
            item = item.get("/Next")
    bookmarks = list(below(book.root_object["/Outlines"].get_object().get("/First")))
    for bookmark, heading in zip(bookmarks, headings, strict=True):
        bookmark[pypdf.generic.NameObject("/Title")] = pypdf.generic.TextStringObject(heading)
    book.add_metadata({"/Title": BOOK["title"], "/Author": BOOK["author"],
                       "/Creator": "Jupyter Book, printed by Chromium"})
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
        headings = page.evaluate(TOGETHER, [addresses, TITLE_PAGE])
        page.add_style_tag(content=STYLE)
        page.emulate_media(media="print")
        page.set_viewport_size({"width": BETWEEN_MARGINS, "height": 1000})
        page.evaluate(FIT)
        page.pdf(path=out, **PAPER)                     # once to see which page is where
        page.evaluate(NUMBER, page_numbers(out))
        page.pdf(path=out, **PAPER, tagged=True, outline=True)
        browser.close()
    server.shutdown()
    finish(out, headings)


if __name__ == "__main__":
    warn_of_boxes()
    pdf = ROOT / "_build" / NAME
    print_book(ROOT / "_build" / "html", pdf)
    print(f"The book as a PDF: {pdf} ({pdf.stat().st_size / 1e6:.0f} MB)")
