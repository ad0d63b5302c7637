"""Imports point one way: a module uses modules of lower layers only, and the core is light."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "lrlib"
LAYER = {
    "schedules": 0, "stats": 0, "repro": 0, "feedback": 0, "audit": 0, "extras": 0,
    "for_torch": 1, "for_keras": 1, "data": 1, "models": 1, "plot": 1, "optimizers": 1,
    "program": 1, "exercises": 1,
    "train": 2,
    "sweep": 3, "finder": 4, "evidence": 3,
}
# what each module may import beside NumPy and the standard library, while it is loaded
OUTSIDE = {"for_torch": {"torch"}, "for_keras": {"keras"}, "models": {"torch"},
           "plot": {"matplotlib"}, "train": {"torch", "joblib"}, "program": {"torch"},
           "sweep": {"torch", "joblib", "tqdm"}}


def module_files():
    return {path.parent.name if path.name == "__init__.py" else path.stem: path
            for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("*/__init__.py")]
            if path != PACKAGE / "__init__.py"}


def loaded(path):
    """(own modules, outside packages) that a module imports while it is loaded."""
    own, outside = set(), set()
    top = ast.parse(path.read_text()).body
    for node in [*top, *(node for block in top if isinstance(block, ast.With) for node in block.body)]:
        if isinstance(node, ast.ImportFrom) and node.level:
            own |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            outside.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
    return own, outside - set(sys.stdlib_module_names) - {"numpy"}


def test_every_module_has_a_layer():
    assert set(module_files()) == set(LAYER)


@pytest.mark.parametrize("name", sorted(LAYER))
def test_imports_point_down(name):
    own, outside = loaded(module_files()[name])
    assert all(LAYER[other] < LAYER[name] for other in own), own
    assert outside <= OUTSIDE.get(name, set())


@pytest.mark.parametrize("name", ["lrlib", "lrlib.stats", "lrlib.repro", "lrlib.data",
                                  "lrlib.evidence"])
def test_the_core_is_light(name):
    code = (f"import sys, {name}; heavy = {{'torch', 'tensorflow', 'keras', 'matplotlib', "
            "'joblib', 'scipy', 'IPython'}; found = heavy & set(sys.modules); "
            "assert not found, found")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("module", "missing", "extra"), [
    ("for_torch", "torch", "torch"), ("models", "torch", "torch"), ("program", "torch", "torch"),
    ("train", "joblib", "torch"), ("sweep", "joblib", "torch"), ("finder", "tqdm", "torch"),
    ("plot", "matplotlib", "plot"), ("for_keras", "keras", "keras")])
def test_what_is_missing_is_named_with_the_extra_that_brings_it(module, missing, extra):
    code = f"import sys; sys.modules[{missing!r}] = None; import lrlib.{module}"
    said = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stderr
    last = said.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert missing in last
    assert last.endswith(f'in a copy of the repository, pip install ".[{extra}]"')
