"""What is added where the book is published, in any repository, without an edit."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import colab
import pdf
import pytest
import rules
import yaml
from bs4 import BeautifulSoup

SITE = "https://somebody.example.org/a-fork"
CHAPTER = "chapters/principles/decay"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    out = tmp_path_factory.mktemp("published")
    done = subprocess.run([Path(sys.executable).with_name("jupyter-book"), "build", rules.ROOT,
                           "-W", "-n", "--keep-going", "--path-output", out], text=True,
                          capture_output=True, env={**os.environ, "BOOK_URL": SITE,
                                                    "GITHUB_REPOSITORY": "somebody/a-fork",
                                                    "GITHUB_SHA": "0123abc",
                                                    "GITHUB_SERVER_URL": "https://github.com"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out / "_build" / "html"


@pytest.fixture(scope="module")
def page(published):
    return BeautifulSoup((published / f"{CHAPTER}.html").read_text(), "html.parser")


def test_every_page_says_where_it_stands(published, page):
    assert page.select_one("link[rel=canonical]")["href"] == f"{SITE}/{CHAPTER}.html"
    places = {place.text for place in ElementTree.parse(published / "sitemap.xml").iter()
              if place.tag.endswith("loc")}
    assert f"{SITE}/{CHAPTER}.html" in places
    for place in places:
        assert (published / place.removeprefix(f"{SITE}/")).exists()


def test_a_shared_link_shows_title_words_and_picture(published, page):
    said = {tag["property"]: tag["content"] for tag in page.select("meta[property^='og:']")}
    assert said["og:site_name"] == "Learning Rate Decay"
    assert said["og:title"] == "What does decay buy?"
    assert said["og:url"] == f"{SITE}/{CHAPTER}.html"
    assert len(said["og:description"]) > 80
    picture = said["og:image"].removeprefix(f"{SITE}/")
    assert (published / picture).read_bytes().startswith(b"\x89PNG")


def test_every_page_leads_to_the_pdf_that_is_published_beside_it(page):
    link = page.select_one("a[title='The book as one PDF']")
    assert link["href"] == f"{SITE}/{pdf.NAME}"
    workflow = (rules.ROOT / ".github/workflows/book.yml").read_text()
    assert f"mv _build/{pdf.NAME} _build/html/" in workflow


    assert link.find_parent("nav")           # as all content, it stands in a landmark


def test_robots_are_told_where_the_sitemap_is(published):
    assert f"Sitemap: {SITE}/sitemap.xml" in (published / "robots.txt").read_text()


def test_an_unknown_address_shows_a_page_whose_links_work_from_anywhere(published):
    page = BeautifulSoup((published / "404.html").read_text(), "html.parser")
    assert page.article.h1.get_text() == "There is no such page"
    links = [tag[name] for name in ("href", "src", "action", "data-content_root")
             for tag in page.find_all(attrs={name: True})]
    assert f"{SITE}/{CHAPTER}.html" in links
    for link in links:
        if not link.startswith("#"):
            assert link.startswith(f"{SITE}/")
            there = published / link.removeprefix(f"{SITE}/").split("?")[0].split("#")[0]
            assert there.exists() or there.name == pdf.NAME, link
    assert "404.html" not in (published / "sitemap.xml").read_text()


def test_the_button_downloads_a_chapter_that_runs_by_itself(published, page):
    link = page.select_one("a.btn-download-source-button")["href"]
    copy = json.loads((published / CHAPTER).parent.joinpath(link).resolve().read_text())
    first, *rest = ("".join(cell["source"]) for cell in copy["cells"])
    assert ('%pip install -q "lrlib[torch,plot] @ '
            'https://github.com/somebody/a-fork/archive/0123abc.zip"') in first
    assert not colab.MYST.search("\n".join(rest))
    assert f"({SITE}/chapters/" in "".join(rest)


def test_the_job_that_may_write_runs_nothing_of_the_project():
    workflow = yaml.safe_load((rules.ROOT / ".github/workflows/book.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        may_write = "write" in job.get("permissions", {}).values()
        assert may_write is (name == "publish")
        for step in job["steps"]:
            checkout = step.get("uses", "").startswith("actions/checkout")
            assert not checkout or step["with"] == {"persist-credentials": False}
            if may_write:
                assert not checkout
                assert not re.search(r"\b(make|pip|python)\b", step.get("run", ""))


def test_a_chapter_opens_in_colab_from_the_branch_of_its_copies(page):
    links = {link["href"] for link in page.select("a[href*='colab.research.google.com']")}
    assert links == {"https://colab.research.google.com/github/somebody/a-fork/blob/colab/"
                     f"{CHAPTER}.ipynb"}


def test_no_address_of_a_repository_or_a_site_is_in_the_project():
    files = subprocess.run(["git", "grep", "-lIE", r"github\.(com|io)/[a-z]"], cwd=rules.ROOT, text=True,
                           capture_output=True).stdout.splitlines()
    own = [name for name in files if re.match(r"(README|CONTRIBUTING|_|chapters/\w+\.md|lrlib/\w+\.py|\.github)",
                                              name)]
    assert own == []
