"""Every page in a real browser: light and dark, on a desk and on a phone."""
import functools
import gzip
import http.server
import os
import re
import shutil
import threading

import pytest
import rules
from axe_playwright_python.sync_playwright import Axe
from pdf import FLAGS, Quiet
from playwright.sync_api import sync_playwright
from test_book import build  # noqa: F401  (a fixture)

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
TOC = (rules.ROOT / "_toc.yml").read_text()
PAGES = [*re.findall(r"(?:file|root): (\S+)", TOC), "search"]


@pytest.fixture(scope="module")
def address(build):  # noqa: F811
    server = http.server.ThreadingHTTPServer(
        ("localhost", 0), functools.partial(Quiet, directory=str(build[0])))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("these tests need Chromium: apt-get install chromium, or say where it is "
                    "in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page(browser, address, name, scheme, width):
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    with browser.new_context(color_scheme=scheme, viewport=size) as context:
        page = context.new_page()
        errors, asked = [], []
        page.on("console", lambda message: errors.append(message.text)
                if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda answer: errors.append(f"{answer.status} {answer.url}")
                if answer.status >= 400 else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/{name}.html", wait_until="load")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.add_style_tag(content="* { animation: none !important; transition: none !important }")
        for fold in page.query_selector_all("details:not([open]) > summary"):
            fold.evaluate("fold => { fold.parentElement.open = true }")
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG},
                                         "resultTypes": ["violations"], "preload": False})
        assert [(rule["id"], rule["nodes"][0]["html"][:160])
                for rule in found.response["violations"]] == []
        assert errors == []
        assert [url for url in asked if not url.startswith((address, "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_600_kilobytes_at_most(browser, address, name):
    with browser.new_context() as context:
        page, sizes = context.new_page(), {}

        def weigh(answer):                         # a host of pages compresses what is text
            body = answer.body()
            packed = answer.url.endswith((".png", ".woff2"))
            sizes[answer.url] = len(body if packed else gzip.compress(body))
        page.on("response", weigh)
        page.goto(f"{address}/{name}.html", wait_until="networkidle")
    assert sum(sizes.values()) <= 600_000, sizes


def test_the_site_works_from_a_folder(browser, build):  # noqa: F811
    with browser.new_context() as context:
        page, errors, folder = context.new_page(), [], build[0].as_uri()
        page.goto(f"{folder}/index.html", wait_until="commit")
        page.wait_for_url("**/chapters/index.html")           # where it leads
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda asked: errors.append(asked.url)       # else: left too soon
                if asked.failure != "net::ERR_ABORTED" else None)
        page.goto(f"{folder}/chapters/principles/decay.html", wait_until="load")
        assert page.locator("article figure img").first.evaluate("img => img.naturalWidth") > 0
        page.goto(f"{folder}/chapters/using/designer.html", wait_until="load")
        assert page.locator("lr-designer .curve").count() >= 1
        assert errors == []
        # a browser reads no text from other files there, so results come without excerpts
        page.goto(f"{folder}/search.html?q=overfitting", wait_until="load")
        page.wait_for_selector("#search-results li a")
