"""The book as one PDF: every chapter, bookmarks, links that work, alt texts, open solutions."""
import re
from collections import Counter

import pdf
import pypdf
import pytest
from test_book import CHAPTERS, build, pages  # noqa: F401  (fixtures)


@pytest.fixture(scope="module")
def book(build, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    pdf.print_book(build[0], path)
    return pypdf.PdfReader(path)


@pytest.fixture(scope="module")
def printed(pages):  # noqa: F811
    return {name: pages[name] for name in pdf.PAGES}


def headings(page, level):
    for link in page.select("article .headerlink"):
        link.extract()
    return [h.get_text().strip() for h in page.select(f"article {level}")]


def test_every_title_and_section_is_a_bookmark(book, printed):
    def titles(entries):
        for entry in entries:
            yield from titles(entry) if isinstance(entry, list) else [entry.title]
    outline = Counter(titles(book.outline))
    for page in printed.values():
        for level in ("h1", "h2"):
            assert Counter(headings(page, level)) <= outline
    assert [entry.title for entry in book.outline if not isinstance(entry, list)] == [
        headings(page, "h1")[0] for page in printed.values()]


def test_every_chapter_is_printed_with_its_solutions(book):
    text = "".join(page.extract_text() for page in book.pages)
    for name in CHAPTERS:
        assert f"({name.split('/')[1]})=" not in text
    assert len(re.findall("# Solution", text)) >= 2 * len(CHAPTERS)


def test_alt_texts_are_kept(book, printed):
    found, todo = set(), [book.trailer["/Root"]["/StructTreeRoot"]]
    while todo:
        node = todo.pop().get_object()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            found |= {node["/Alt"]} if "/Alt" in node else set()
            todo += [node["/K"]] if "/K" in node else []
    for page in printed.values():
        assert {picture["alt"] for picture in page.select("article img")} <= found


def test_links_between_chapters_stay_in_the_book(book):
    notes = [note.get_object() for page in book.pages for note in page.get("/Annots", [])]
    inside = [str(note["/Dest"]) for note in notes if "/Dest" in note]
    assert set(inside) <= set(book.named_destinations)
    assert len(inside) > len(pdf.PAGES)
    assert not any("localhost" in str(note.get("/A", {}).get("/URI", "")) for note in notes)
