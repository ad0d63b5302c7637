"""What the book adds to the theme's pages: folds, figures, search, paper, and what a phone needs."""
import io
import json
import re

import pypdf
import pytest
import rules
from test_book import CHAPTERS, build, pages  # noqa: F401  (fixtures)
from test_browser import WIDTHS, address, browser  # noqa: F401  (fixtures)

WARMUP = "chapters/methods/warmup"


@pytest.fixture
def visit(browser, address):  # noqa: F811
    """A function that opens a page of the book, on a desk or on a phone."""
    contexts = []

    def open_page(name, width="phone", **options):
        size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
        contexts.append(browser.new_context(viewport=size, **options))
        page = contexts[-1].new_page()
        page.goto(f"{address}/{name}", wait_until="load")
        return page
    yield open_page
    for context in contexts:
        context.close()


def exercise(tag):
    return tag.name == "p" and re.match(r"\d+\. ", tag.get_text()) and tag.find("strong")


def test_what_explains_a_solution_is_hidden_with_it(pages):  # noqa: F811
    for name in CHAPTERS:
        page = pages[f"chapters/{name}"]
        for fold in page.select("#exercises details.hide"):
            after = fold.parent.find_next_sibling()
            assert after is None or exercise(after), (name, str(after)[:100])
            assert not any(exercise(tag) for tag in fold.find_all("p")), name
        cells = json.loads((rules.ROOT / "chapters" / f"{name}.ipynb").read_text())["cells"]
        asked = re.findall(r"^\*\*(\d+\. .+?)\*\*", rules.sections(rules.prose_of(cells))["Exercises"],
                           re.MULTILINE)
        shown = [tag.strong.get_text() for tag in page.select("#exercises > p") if exercise(tag)]
        assert shown == asked, name
    assert sum(len(page.select("details.hide .cell_output ~ p")) for page in pages.values()) >= 40


def test_the_search_finds_what_is_hidden(visit):
    page = visit("search.html?q=skipped+recorded+mistake")
    page.wait_for_selector("#search-results li")
    assert "Why start slowly?" in page.locator("#search-results").inner_text()


def test_the_panel_of_contents_closes_when_an_entry_is_chosen(visit):
    page = visit(f"{WARMUP}.html")
    page.locator(".secondary-toggle").click()
    page.locator("dialog[open] a[href='#verdict']").click()
    assert page.locator("dialog[open]").count() == 0
    assert page.url.endswith("#verdict")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_chapters_shows_where_the_reader_is(visit, width):
    page = visit("chapters/index.html", width)
    page.goto(page.url.replace("index", "cases/language_model"))   # the theme remembers the top
    if width == "phone":
        page.locator(".primary-toggle").click()
    page.wait_for_timeout(200)
    top = page.locator(".bd-docs-nav a.current").last.bounding_box()["y"]
    assert 0 < top < WIDTHS[width][1] - 40
    assert page.evaluate("scrollY") == 0


def test_paper_is_light_and_its_solutions_are_open(visit):
    page = visit(f"{WARMUP}.html", "desk", color_scheme="dark")
    page.evaluate("""addEventListener("beforeprint", () => {
        window.printed = getComputedStyle(document.querySelector("article p")).color })""")
    paper = pypdf.PdfReader(io.BytesIO(page.pdf()))
    text = "".join(sheet.extract_text() for sheet in paper.pages)
    assert text.count("# Solution") == 4
    assert "only a look at the rates" in " ".join(text.split())
    assert max(map(int, re.findall(r"\d+", page.evaluate("printed")))) < 80
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("article details[open]").count() == 0


@pytest.mark.parametrize("place", ["main", "dialog[open]"])
def test_the_glass_lies_beside_the_words_of_a_search(visit, place):
    page = visit("search.html" if place == "main" else f"{WARMUP}.html")
    if place != "main":
        page.locator(".search-button__button:visible").first.click()
    field, glass = (page.locator(f"{place} .bd-search {tag}") for tag in ("input", "i"))
    words = field.bounding_box()["x"] + field.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)")
    box = glass.bounding_box()
    assert box["x"] + box["width"] <= words


@pytest.mark.parametrize(("query", "answer", "place"), [
    ("which rate did my optimizer use", "silent_bugs", 1),
    ("cosine or linear", "cosine", 1),
    ("exploding gradients", "gradients", 1),
    ("does decay reduce overfitting", "overfitting", 1),
    ("why does SGD stop improving", "noise", 1),
    ("how large may a step be", "step_size", 1),
    ("edge of stability", "step_size", 1),
    ("PyTorch and Keras differ", "frameworks", 1),
    ("which schedule for a language model", "language_model", 1),
    ("warm-up", "warmup", 1),
    ("why warm up", "warmup", 1),
    ("GAN", "gan", 1),
    ("TorchSchedule", "api", 1),
    ("1cycle", "api", 1),
    ("why does my loss explode", "gradients", 2),
    ("step decay", "staircase", 2),
    ("early stopping", "overfitting", 2),
])
def test_the_page_that_answers_is_among_the_first(visit, query, answer, place):
    page = visit(f"search.html?q={query.replace(' ', '+')}")
    page.wait_for_function("document.querySelector('.search-summary').innerText.includes('found')")
    links = page.locator("#search-results li > a").evaluate_all("all => all.map((a) => a.pathname)")
    found = list(dict.fromkeys(link.split("/")[-1].removesuffix(".html") for link in links))
    assert answer in found[:place], found[:5]


def test_what_is_wider_than_a_phone_scrolls_and_says_so(visit):
    """Tables at 11 pixels or more, figures at 520; a shadow lies where more follows."""
    page = visit("chapters/cases/language_model.html")
    assert page.evaluate("""Math.min(...[...document.querySelectorAll(".output pre")].map(
        (pre) => parseFloat(getComputedStyle(pre).fontSize)))""") >= 11
    figure = page.locator("figure img").first
    assert figure.bounding_box()["width"] >= 520
    for wide in (".output pre", "pre", "a.picture", ".katex-display"):
        background = page.locator(f"article {wide}").first.evaluate(
            "tag => getComputedStyle(tag).backgroundAttachment")
        assert background.split(", ")[:4] == ["local", "local", "scroll", "scroll"], wide


def test_a_number_stands_below_a_formula_as_wide_as_the_phone(visit):
    page = visit("chapters/principles/bound.html")
    for formula in page.locator("div.math:has(.eqno)").all():
        wide, number = (formula.locator(part).bounding_box() for part in (".katex-display", ".eqno"))
        beside = number["x"] >= wide["x"] + wide["width"] - 1
        below = number["y"] >= wide["y"] + wide["height"] - 1
        assert beside or below
        if formula.locator(".katex-display").evaluate("tag => tag.scrollWidth > tag.clientWidth"):
            assert below


def test_a_figure_leads_to_its_picture(pages):  # noqa: F811
    for name in CHAPTERS:
        for picture in pages[f"chapters/{name}"].select("figure img"):
            assert picture.parent.name == "a", name
            assert picture.parent["href"] == picture["src"]
    link = pages["chapters/index"].select_one("figure > a")
    assert link["href"] == "cases/digits_cnn.html#fig-digits-cnn-far"


def test_in_the_dark_figures_have_no_frame_and_photographs_are_left(visit):
    page = visit("chapters/cases/gan.html", "desk", color_scheme="dark")
    look = page.locator("figure img").evaluate_all("""all => all.map((img) => [
        img.closest("figure").id, getComputedStyle(img).filter, getComputedStyle(img).padding])""")
    assert {padding for _, _, padding in look} == {"0px"}
    assert [name for name, turned, _ in look if turned == "none"] == ["fig-gan-digits"]


def test_no_link_of_a_heading_takes_a_line(visit):
    for name in ("cases/digits_cnn", "methods/frameworks", "methods/plateau", "principles/bound"):
        page = visit(f"chapters/{name}.html")
        assert page.evaluate("""[...document.querySelectorAll("article :is(h1, h2, h3)")].filter((h) => {
            const before = h.offsetHeight;
            h.querySelector(".headerlink").remove();
            return h.offsetHeight !== before;
        }).map((h) => h.textContent)""") == []


def test_a_formula_keeps_its_distance(visit):
    page = visit("chapters/principles/noise.html", "desk")
    assert page.locator("div.math").first.evaluate(
        "tag => parseFloat(getComputedStyle(tag).marginBottom)") >= 16


def test_the_links_at_a_page_s_foot_keep_their_arrows(visit):
    page = visit("chapters/index.html")
    for name in CHAPTERS:
        page.goto(page.url.replace(page.url.split("/chapters/")[1], f"{name}.html"),
                  wait_until="domcontentloaded")
        for left, right in page.locator(".prev-next-area i").evaluate_all(
                "all => all.map((i) => i.getBoundingClientRect()).map((box) => [box.left, box.right])"):
            assert 0 <= left < right <= 390, name


def test_numbers_stay_on_one_line(pages):  # noqa: F811
    broken = re.compile(r"\d (?:\d{3}(?!\d)|%)")
    for name in CHAPTERS:
        article = pages[f"chapters/{name}"].select_one("article")
        for text in article.find_all(string=broken):
            assert text.find_parent(["code", "pre", "math", "annotation", "img"]), (name, text)
    assert "10\N{NO-BREAK SPACE}000" in pages["chapters/cases/digits_cnn"].select_one("article").get_text()


def test_the_references_are_named_as_they_are_cited(pages, visit):  # noqa: F811
    page = pages["chapters/references"]
    entries = {entry["id"]: " ".join(entry.select_one(".label").get_text().split())
               for entry in page.select("div.citation")}
    for name in CHAPTERS:
        for cited in pages[f"chapters/{name}"].select("article .bibtex-citation a"):
            words = " ".join(cited.get_text().split())
            label = entries[cited["href"].split("#")[1]]
            assert label == f"[{words}]" or label.endswith(f", {words}]"), (name, label, words)
    for entry in page.select("div.citation"):
        if "arXiv:" in entry.get_text():
            number = re.search(r"arXiv:(\S+?\d+)(?=,)", entry.get_text())[1]
            assert entry.select_one(f"a[href='https://arxiv.org/abs/{number}']")
    name = next(iter(entries))
    shown = visit(f"chapters/references.html#{name}")
    grounds = shown.locator("div.citation").evaluate_all(
        "all => all.slice(0, 2).map((tag) => getComputedStyle(tag).backgroundColor)")
    assert grounds[0] != grounds[1]


def test_captions_are_set_alike(visit):
    for name in ("index", "principles/decay"):
        page = visit(f"chapters/{name}.html", "desk")
        assert page.locator("figcaption").first.evaluate("tag => getComputedStyle(tag).textAlign") in (
            "start", "left")


@pytest.mark.parametrize("name", ["methods/cosine", "methods/silent_bugs", "principles/overfitting"])
def test_text_of_twice_the_size_is_not_cut(visit, name):
    page = visit(f"chapters/{name}.html")
    page.add_style_tag(content="html { font-size: 200% }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("article h1 > .headerlink").evaluate("link => link.remove()")
    assert page.locator("article h1").evaluate("h => h.scrollWidth <= h.clientWidth")


def test_a_chapter_is_described_by_its_question(pages):  # noqa: F811
    for name in CHAPTERS:
        page = pages[f"chapters/{name}"]
        first = page.select_one("#the-question p").get_text().split("\n")[0]
        for tag in (page.find("meta", {"name": "description"}),
                    page.find("meta", {"property": "og:description"})):
            assert tag["content"].startswith(re.sub(r" \[.*", "", first)[:60]), name
            assert len(tag["content"]) <= 250
