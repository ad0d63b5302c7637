"""Every chapter keeps the house rules (rules.py), and every chapter is in the book."""
import pytest
import rules
import yaml

TEXTS = rules.execute.texts()


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
