"""The page of signs and words: every sign of a formula is there, and Chinese is marked as such."""
import re

import pytest
import rules

PAGE = (rules.execute.CHAPTERS / "using" / "notation.md").read_text(encoding="utf-8")
SHARED, OWN, WORDS = re.split(r"^## .+", PAGE, flags=re.MULTILINE)[1:]
OWN = dict(re.findall(r"^\| \{ref\}`(\w+)` \| (.+) \|$", OWN, re.MULTILINE))
CHAPTERS = rules.execute.texts()
GREEK = (r"\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|eta|theta|kappa|lambda|mu|xi|rho|sigma|tau|"
         r"varphi|chi)(?![a-z])")


def signs(text):
    """The letters of a text's formulas, and the letters with an index t as signs of their own."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    found = set()
    for formula in re.findall(r"\$\$?(.+?)\$\$?", text, re.DOTALL):
        formula = re.sub(r"\\(?:text|operatorname|begin|end)\s*\{[^}]*\}", " ", formula)
        latin = re.sub(r"\\[A-Za-z]+", " ", formula)
        found |= set(re.findall(GREEK, formula) + re.findall(rf"{GREEK}_t\b", formula)
                     + re.findall("[A-Za-z]", latin) + re.findall(r"[A-Za-z]_t\b", latin))
    return found


@pytest.mark.parametrize("text", CHAPTERS, ids=lambda text: text.stem)
def test_every_sign_of_a_chapter_is_listed(text):
    listed = signs(SHARED) | signs(OWN.get(text.stem, ""))
    assert signs(text.read_text(encoding="utf-8")) - listed == set()


def test_signs_of_one_chapter_belong_to_a_chapter():
    assert set(OWN) <= {text.stem for text in CHAPTERS}


def test_an_index_t_makes_another_sign():
    assert signs(r"$m_t / (1 - \beta_1^t)$, `$x$`, $$ \text{a} \mathcal L_{\text{end}} $$") == {
        "m", "t", "m_t", r"\beta", "L"}


def test_every_word_has_its_chinese_and_chinese_is_marked():
    rows = re.findall(r"^\| (?!word )(.+) \|$", WORDS, re.MULTILINE)
    marked = r" \[[^\]]*[\u4e00-\u9fff][^\]]*\]\{\.language-zh\}"
    words = [re.split(marked, row.split(" | ")[0]) for row in rows]
    assert all(rest == [""] for _, *rest in words)
    assert len({word for word, *_ in words}) == len(rows) > 100
    assert not re.search(r"[\u4e00-\u9fff]", re.sub(marked, "", PAGE))
