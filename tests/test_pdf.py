"""The book as one PDF: every chapter, contents, links that work, alt texts, open solutions."""
import json
import logging
import re
import unicodedata
from collections import Counter

import pdf
import pypdf
import pytest
import rules
from test_book import CHAPTERS, build, pages  # noqa: F401  (fixtures)


@pytest.fixture(scope="module")
def book(build, tmp_path_factory):  # noqa: F811
    path, said = tmp_path_factory.mktemp("pdf") / "book.pdf", []
    listener = logging.Handler()
    listener.emit = said.append
    logging.getLogger("pypdf").addHandler(listener)
    pdf.print_book(build[0], path)
    logging.getLogger("pypdf").removeHandler(listener)
    assert [record.getMessage() for record in said] == []
    return pypdf.PdfReader(path)


@pytest.fixture(scope="module")
def texts(book):
    """The text of every page, its ligatures as letters."""
    return [unicodedata.normalize("NFKC", page.extract_text()) for page in book.pages]


@pytest.fixture(scope="module")
def lines(texts):
    """The lines on paper, without spaces, which are not always found again."""
    return {"".join(line.split()) for text in texts for line in text.splitlines()}


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


def test_every_chapter_is_printed_with_its_solutions(texts):
    text = "".join(texts)
    for name in CHAPTERS:
        assert f"({name.split('/')[1]})=" not in text
    assert len(re.findall("# Solution", text)) >= 2 * len(CHAPTERS)


def test_no_button_of_a_fold_is_printed(lines):
    assert [line for line in lines if re.fullmatch("(Hide|Show)thesolution", line)] == []


def test_no_line_of_an_output_is_broken(lines):
    for name in CHAPTERS:
        notebook = json.loads((rules.ROOT / "chapters" / f"{name}.ipynb").read_text())
        printed = [line for cell in notebook["cells"] if "remove-cell" not in rules.tags(cell)
                   for output in cell.get("outputs", ()) if output["output_type"] == "stream"
                   for line in "".join(output["text"]).splitlines()]
        for line in sorted(printed, key=len)[-3:]:
            assert "".join(unicodedata.normalize("NFKC", line).split()) in lines, (name, line)


def test_the_contents_give_the_page_of_every_chapter(book, texts, printed):
    said = " ".join("".join(texts[:2]).split())
    for i, page in enumerate(printed.values()):
        title = headings(page, "h1")[0]
        there = book.get_destination_page_number(book.named_destinations[f"/page-{i}"])
        assert f"{title} {there + 1}" in said
        assert title in " ".join(texts[there].split())


def test_the_file_says_what_it_is(book, texts):
    assert book.metadata.title == "Learning Rate Decay"
    assert book.metadata.author == "The authors of the course"
    assert "Mozilla" not in str(book.metadata)
    assert book.root_object["/Lang"] == "en"
    assert book.pdf_header >= "%PDF-1.4"
    assert "CC BY 4.0" in texts[0]


def test_a_machine_without_a_font_for_chinese_is_told(tmp_path, monkeypatch, capsys):
    fonts = tmp_path / "fc-list"
    monkeypatch.setenv("PATH", str(tmp_path))
    for found, told in [("Noto Serif CJK SC", False), ("", True)]:
        fonts.write_text(f"#!/bin/sh\necho '{found}'\n")
        fonts.chmod(0o755)
        pdf.warn_of_boxes()
        assert ("fonts-noto-cjk" in capsys.readouterr().err) is told


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
