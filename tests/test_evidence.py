"""Verdicts: said, stored, read back; nothing vague is accepted."""
import json

import nbformat
import pytest
from nbclient import NotebookClient

from lrlib import evidence, stats


def test_there_are_61_claims_with_texts():
    assert list(evidence.claims()) == [f"C{i:02d}" for i in range(1, 62)]
    assert all(len(text) > 8 for text in evidence.claims().values())


def test_a_verdict_survives_the_notebook(tmp_path):
    source = """
from lrlib import evidence
evidence.verdict("C01", "supported", 'gain of "decay" in points <of accuracy>',
                 interval=(0.5301, 0.2999, 0.7601), seeds=8)
evidence.verdict("C25", "ill-posed", "no unit is said")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute()
    path = tmp_path / "chapter.ipynb"
    nbformat.write(notebook, path)
    found = evidence.read([path])
    assert found == [
        (path, evidence.Verdict("C01", "supported", 'gain of "decay" in points <of accuracy>',
                                0.53, 0.3, 0.76, 8)),
        (path, evidence.Verdict("C25", "ill-posed", "no unit is said", None, None, None, None)),
    ]
    shown = json.loads(path.read_text())["cells"][0]["outputs"][0]["data"]
    assert "0.53 [0.30, 0.76], 8 seeds" in "".join(shown["text/plain"])
    assert "<of accuracy>" not in "".join(shown["text/html"])


def test_a_paired_comparison_is_an_interval(capsys):
    gain = stats.paired([3.0, 4.0, 5.0], [1.0, 2.5, 2.0])
    evidence.verdict("C01", "supported", "gain in points", interval=gain, seeds=gain.seeds)
    assert "2.17 [" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "options", "message"), [
    (("C99", "supported", "x"), {}, "'C99'"),
    (("C01", "true", "x"), {}, "'true'"),
    (("C01", "supported", " "), {}, "' '"),
    (("C01", "supported", "x"), dict(interval=(1, 0, 2)), "None"),
    (("C01", "supported", "x"), dict(seeds=8), "8"),
    (("C01", "supported", "x"), dict(interval=(3, 0, 2), seeds=8), r"\(3, 0, 2\)"),
    (("C01", "supported", "x"), dict(interval=(1, 0, float("nan")), seeds=8), "nan"),
    (("C01", "supported", "x"), dict(interval=(1, 0, 2), seeds=0), "got 0"),
])
def test_a_vague_verdict_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        evidence.verdict(*arguments, **options)


def test_what_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"broken\.ipynb is not a notebook"):
        evidence.read([path])
