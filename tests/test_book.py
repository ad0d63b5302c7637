"""The built book: no warning, nothing executed, nothing asked of another host, readable by all."""
import ast
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urldefrag

import components
import pytest
import rules
from bs4 import BeautifulSoup
from sphinx.search.en import SearchEnglish

from lrlib import evidence

CHAPTERS = [rules.name_of(text) for text in rules.execute.texts()]
ADDRESSES = Path(__file__).with_name("addresses.txt")
LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "srcset", "video": "src",
         "audio": "src", "object": "data", "embed": "src", "link": "href"}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """(the folder of pages, what the build said)"""
    out = tmp_path_factory.mktemp("built")
    done = subprocess.run([Path(sys.executable).with_name("jupyter-book"), "build", rules.ROOT,
                           "-W", "-n", "--keep-going", "--path-output", out],
                          text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out / "_build" / "html", done.stdout + done.stderr


@pytest.fixture(scope="module")
def pages(build):
    """The pages that people read, by name, parsed."""
    folder = build[0]
    return {str(path.relative_to(folder).with_suffix("")): BeautifulSoup(path.read_text(), "html.parser")
            for path in folder.rglob("*.html") if "_static" not in path.parts}


def test_the_build_is_clean_and_executes_nothing(build):
    said = build[1]
    assert "WARNING" not in said
    assert "Executing notebook" not in said


def test_every_repair_of_the_theme_still_matches(build):
    found = re.findall(r"repaired in (\d+) places: (.+)", build[1])
    assert len(found) >= 7
    assert [what for places, what in found if places == "0"] == []


def test_every_page_of_the_contents_is_there(pages):
    assert {f"chapters/{name}" for name in CHAPTERS} <= set(pages)
    assert {"index", "search", "chapters/index", "chapters/using/api"} <= set(pages)


def test_an_address_once_published_stays_valid(build, pages):
    """ADDRESSES holds every page there ever was; one that moves gets a line in `redirects`."""
    known = ADDRESSES.read_text().split()
    assert known == sorted(set(known))
    assert [name for name in known if not (build[0] / f"{name}.html").exists()] == []
    new = set(pages) - set(known)
    assert not new, f"add to {ADDRESSES}: {sorted(new)}"


def test_nothing_is_loaded_from_another_host(build, pages):
    foreign = re.compile(r"^(https?:)?//", re.IGNORECASE)
    for name, page in pages.items():
        for tag in page.find_all(list(LOADS)):
            if tag.name == "link" and "canonical" in tag.get("rel", ()):
                continue
            assert not foreign.match(tag.get(LOADS[tag.name], "")), (name, tag)
        for text in page.find_all("style") + page.find_all(style=True):
            assert "//" not in (text.get("style") or text.get_text()).replace("://www.w3.org", "")
    for sheet in build[0].rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)",
                                  sheet.read_text()):
            assert not foreign.match(address[0] or address[1]), (sheet.name, address)


def test_every_picture_has_an_alt_text(pages):
    for name, page in pages.items():
        for picture in page.select("article img"):
            assert len(picture.get("alt", "")) >= 40, (name, str(picture)[:100])


def test_every_figure_has_a_caption(pages):
    for name in CHAPTERS:
        figures = pages[f"chapters/{name}"].select("article figure")
        assert figures
        assert all(len(figure.figcaption.get_text()) > 40 for figure in figures)


def test_every_page_has_two_headings_and_one_title(pages):
    for name, page in pages.items():
        if name in ("index", "genindex", "search"):
            continue
        assert len(page.select("article h1")) == 1, name
        assert page.select("article h2"), name
        assert page.html.get("lang") == "en"


def test_mathematics_is_set_without_a_script(pages):
    for name in CHAPTERS:
        page = pages[f"chapters/{name}"]
        assert page.select("article .katex annotation")
        assert len(page.select("article .katex-display")) >= 1
        text = "".join(p.get_text() for p in page.select("article p"))
        assert "$" not in re.sub(r"\$\d", "", text)
        assert not page.select("article .katex-error")
    scripts = " ".join(tag.get("src", "") for tag in page.find_all("script"))
    assert "mathjax" not in scripts.lower()


def test_the_page_shows_the_stored_outputs(pages):
    for name in CHAPTERS:
        notebook = json.loads((rules.ROOT / "chapters" / f"{name}.ipynb").read_text())
        shown = pages[f"chapters/{name}"].select_one("article").get_text()
        for cell in notebook["cells"]:
            if "remove-cell" in rules.tags(cell):
                continue
            for output in cell.get("outputs", ()):
                if output["output_type"] == "stream":
                    assert "".join(output["text"]).strip() in shown, (name, cell["id"])


def test_hidden_solutions_are_on_the_page(pages):
    for name in CHAPTERS:
        folds = pages[f"chapters/{name}"].select("article details.hide")
        assert len(folds) >= 2
        assert all("# Solution" in fold.get_text() for fold in folds)


def test_verdicts_are_on_the_page(pages):
    for name in CHAPTERS:
        shown = pages[f"chapters/{name}"].select("article .verdict strong")
        assert {tag.get_text() for tag in shown} >= rules.CLAIMS[name]


def plain(tag):
    """Text with the quotation marks that were typed."""
    return " ".join(tag.get_text().split()).translate(str.maketrans("’“”", "'\"\""))


def test_the_ledger_has_every_claim_once_and_every_verdict_with_its_chapter(pages):
    page = pages["chapters/using/ledger"]
    rows = {row["id"]: row for row in page.select("table.ledger tr[id]")}
    assert sorted(rows) == list(evidence.claims())
    assert len(rows) == len(page.select("table.ledger tr[id]"))
    found = evidence.read(rules.ROOT / "chapters" / f"{name}.ipynb" for name in CHAPTERS)
    for path, verdict in found:
        said = plain(rows[verdict.claim])
        name = f"chapters/{rules.name_of(path)}"
        assert verdict.word in said
        assert plain(pages[name].h1).rstrip("#") in said
        # the same sentence stands on the chapter's page, whose verdict leads here
        card, = (card for card in pages[name].select(".verdict")
                 if card.strong.get_text() == verdict.claim)
        assert plain(card.select("p")[1]) in said
        assert card.a["href"] == f"../using/ledger.html#{verdict.claim}"
    unsettled = set(rows) - {verdict.claim for _, verdict in found}
    assert all("not measured yet" in rows[claim].get_text() for claim in unsettled)
    counts = {row.td.get_text(): int(row.select("td")[2].get_text())
              for row in page.table.select("tbody tr")}
    assert counts == Counter(verdict.word for _, verdict in found)
    assert f"{len(rows) - len(unsettled)} of them" in page.select_one("article").get_text()


def test_the_front_page_answers_every_chapter_with_the_numbers_of_its_verdicts(pages):
    page = pages["chapters/index"].select_one("article")
    asked = {link["href"] for link in page.select("dl dt a.reference")}
    assert asked == {f"{name}.html#" + name.split("/")[1].replace("_", "-") for name in CHAPTERS}
    found = evidence.read(rules.ROOT / "chapters" / f"{name}.ipynb" for name in CHAPTERS)
    shown = re.findall(r"-?[\d.]+ \[-?[\d.]+, -?[\d.]+\]", " ".join(page.get_text().split()))
    assert len(shown) >= 6
    assert set(shown) <= {verdict.numbers() for _, verdict in found}


def test_every_link_inside_the_book_leads_somewhere(build, pages):
    folder = build[0]
    targets = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    for name, page in pages.items():
        for link in page.select("article a[href], nav a[href]"):
            address, anchor = urldefrag(unquote(link["href"]))
            if re.match(r"[a-z]+:", address):
                continue
            target = (folder / name).parent / address if address else folder / f"{name}.html"
            target = target.resolve()
            assert target.exists(), (name, link["href"])
            if anchor and target.suffix == ".html":
                page_name = str(target.relative_to(folder.resolve()).with_suffix(""))
                if page_name == components.DESIGNER and anchor not in targets[page_name]:
                    continue                # a schedule, which the build has read
                assert anchor in targets[page_name], (name, link["href"])


@pytest.mark.parametrize(("words", "page"), [
    ("does decay reach a better model", "chapters/principles/decay"),
    ("overfitting gap test loss", "chapters/principles/decay"),
    ("CNN on MNIST step decay one-cycle", "chapters/cases/digits_cnn"),
    ("Keras accuracy warm-up", "chapters/cases/digits_cnn"),
    ("TorchSchedule checkpoint", "chapters/using/api"),
])
def test_search_finds_the_page_that_answers(build, words, page):
    index = (build[0] / "searchindex.js").read_text()
    index = json.loads(index[index.index("(") + 1:index.rindex(")")])
    language = SearchEnglish({})
    for word in language.split(words):
        stem = language.stem(word.lower())
        if not language.word_filter(stem) or word.lower() in language.stopwords:
            continue
        hits = index["terms"].get(stem, []), index["titleterms"].get(stem, [])
        pages = {index["docnames"][i] for hit in hits for i in (hit if isinstance(hit, list)
                                                                else [hit])}
        assert page in pages, word


def test_code_leads_to_the_reference(pages):
    """In each visible cell, the first use of what was imported from lrlib is a link to its entry."""
    entries = {tag["id"] for tag in pages["chapters/using/api"].find_all(id=True)}
    for name in CHAPTERS:
        names, linked = {}, 0
        for cell in pages[f"chapters/{name}"].select("article .highlight-ipython3 pre"):
            tree = ast.parse(cell.get_text())
            links = {link.get_text(): link["href"] for link in cell.select("a.lrlib")}
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "lrlib":
                    names |= {alias.asname or alias.name: alias.name for alias in node.names}
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            for text in used & set(names):
                found = [href for words, href in links.items() if words.split(".")[0] == text]
                assert found, (name, text)
                linked += len(found)
            for words, href in links.items():
                page, anchor = href.split("#")
                assert page == "../using/api.html"
                assert anchor in entries
                assert anchor.split(".")[-1] == names.get(words, words).split(".")[-1]
        assert linked >= 10, name


def test_every_public_name_is_in_the_reference(pages):
    from test_docstrings import NAMES
    page = pages["chapters/using/api"]
    entries = {tag["id"] for tag in page.select("dt[id]")}
    missing = [name for name in NAMES
               if not any(entry.endswith(f".{name.split('.')[1]}") for entry in entries)]
    assert missing == []
