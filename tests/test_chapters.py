"""Every chapter keeps the house rules (rules.py), and every chapter is in the book."""
import re

import pytest
import rules
import yaml

TEXTS = rules.execute.texts()
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+")


@pytest.mark.parametrize("text", TEXTS, ids=rules.name_of)
def test_chapter_keeps_the_rules(text):
    assert rules.problems(text) == []


def test_every_chapter_is_in_the_contents():
    contents = yaml.safe_load((rules.ROOT / "_toc.yml").read_text())
    files = {section["file"] for part in contents["chapters"]
             for section in part.get("sections", ())}
    assert {f"chapters/{rules.name_of(text)}" for text in TEXTS} <= files


def test_every_chapter_has_claims_to_settle():
    assert {rules.name_of(text) for text in TEXTS} == set(rules.CLAIMS)


def test_no_notebook_without_a_text():
    orphans = [path for path in (rules.ROOT / "chapters").glob("*/*.ipynb")
               if not path.with_suffix(".md").exists()]
    assert orphans == []


@pytest.mark.parametrize(("page", "answer"), [("index", r"^(?={ref}`\w+`\n: )"),
                                              ("using/faq", r"^(?=### )")])
def test_a_number_in_an_answer_stands_in_a_chapter_that_it_cites(page, answer):
    """Numbers that are not read from verdicts: those with decimals, outside code."""
    chapters = {text.stem: text for text in TEXTS}
    text = (rules.ROOT / "chapters" / f"{page}.md").read_text()
    found = 0
    for part in re.split(answer, text, flags=re.MULTILINE)[1:]:
        part = re.split(r"^##? ", part, flags=re.MULTILINE)[0]
        cited = [chapters[name] for name in re.findall(r"{ref}`(\w+)`", part) if name in chapters]
        stands = "".join(path.read_text() for text in cited
                         for path in (text, text.with_suffix(".ipynb")))
        numbers = DECIMAL.findall(re.sub(r"`[^`]*`", "", part))
        assert set(numbers) <= set(DECIMAL.findall(stands)), part
        found += len(numbers)
    assert found >= 5
