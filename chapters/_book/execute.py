"""Text in, executed notebook out: the one command that makes stored outputs.

    python chapters/_book/execute.py                      every chapter
    python chapters/_book/execute.py principles/decay     one of them

Each chapter is executed from top to bottom in a new kernel and written beside its text.  What is
written is normal: sequential cell ids, no times, no versions; executed again on the same machine
it is the same, byte for byte.  A cell that fails or writes to stderr stops the command, and the
notebook stays as it was.
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

import jupytext
import nbclient
import nbformat

CHAPTERS = Path(__file__).resolve().parent.parent
METADATA = {
    "jupytext": {"formats": "ipynb,md:myst"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def texts(folder=CHAPTERS):
    """The texts that have code, that is, the chapters."""
    return sorted(path for path in folder.glob("*/*.md")
                  if not path.parent.name.startswith("_")
                  and "```{code-cell}" in path.read_text(encoding="utf-8"))


def notebook_of(text):
    """The notebook, not yet executed, that a text stands for."""
    notebook = jupytext.read(text, fmt="md:myst")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i:02d}"
    return notebook


def execute(text, timeout=600):
    """Executes a chapter and writes the notebook beside the text."""
    # As under nbval, ipykernel leaves C-level stderr alone: both see the same outputs.
    os.environ["PYTEST_CURRENT_TEST"] = "execute"
    notebook = notebook_of(text)
    nbclient.NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", record_timing=False,
        coalesce_streams=True, resources={"metadata": {"path": str(text.parent)}}).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise SystemExit(f"{text}: {cell.id} wrote to stderr: {output['text']}")
    notebook.metadata = nbformat.from_dict(METADATA)      # nbclient adds Python's version
    nbformat.write(notebook, text.with_suffix(".ipynb"))


def main(names):
    chosen = [CHAPTERS / f"{name}.md" for name in names] or texts()
    for text in chosen:
        if text not in texts():
            raise SystemExit(f"no chapter {text}; there are: " + ", ".join(
                str(t.relative_to(CHAPTERS).with_suffix("")) for t in texts()))
    for text in chosen:
        print(f"executing {text.relative_to(CHAPTERS)} ...", flush=True)
        execute(text)
        print(f"stored {text.with_suffix('.ipynb').relative_to(CHAPTERS)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
