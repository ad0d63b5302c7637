"""The project's own files agree with each other and with what is installed."""
import importlib.metadata
import re
import shutil
import subprocess
import sys

import pytest
import rules
import tomllib
import yaml

ROOT = rules.ROOT
REQUIRED = [line for name in ("requirements.txt", "tests/requirements.txt")
            for line in (ROOT / name).read_text().splitlines() if re.match(r"\w", line)]
PINS = [line for line in REQUIRED if "==" in line]


@pytest.mark.parametrize("pin", PINS)
def test_what_is_pinned_is_installed(pin):
    name, version = re.sub(r"\[.*\]", "", pin).split("==")
    assert importlib.metadata.version(name).split("+")[0] == version


def test_what_the_book_imports_is_required():
    required = {re.split(r"[=<>\[]", line)[0] for line in REQUIRED}
    assert {"jupyter-book", "torch", "tensorflow", "matplotlib", "nbval"} <= required


def test_the_package_needs_numpy_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [re.match(r"[\w-]+", need).group() for need in project["dependencies"]] == ["numpy"]
    assert set(project["optional-dependencies"]) == {
        "torch", "keras", "plot", "dask", "ray"}


def targets():
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "chapters/index.md"])
def test_every_command_that_is_named_exists(page):
    named = set(re.findall(r"`make ([a-z]+)|^make ([a-z]+)", (ROOT / page).read_text(),
                           re.MULTILINE))
    assert {a or b for a, b in named} <= targets()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "lrlib/data/README.md"])
def test_every_file_that_is_named_exists(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert ((ROOT / page).parent / link).exists(), link


def test_ci_calls_the_test_command_and_nothing_else():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines()
             if line and not line.startswith("#")]
    assert lines == ['cd "$(dirname "$0")/.." && exec make test']


def test_what_is_built_is_not_checked(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("lrlib", "build/lib/lrlib", ".venv/lib"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "module.py").touch()
    said = subprocess.run([sys.executable, "-m", "ruff", "check", "--show-files"], cwd=tmp_path,
                          text=True, capture_output=True).stdout
    assert [line for line in said.splitlines() if line.endswith(".py")] == [
        str(tmp_path / "lrlib" / "module.py")]


def test_clean_leaves_nothing_that_was_built():
    said = subprocess.run(["make", "--dry-run", "clean"], cwd=ROOT, text=True, capture_output=True).stdout
    assert {".venv", "_build", "build", "lrlib.egg-info"} <= set(said.split())


def test_help_lists_every_target():
    said = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, text=True, capture_output=True).stdout
    assert {line.split()[0] for line in said.splitlines() if line} == targets()


def test_configuration_can_be_read():
    for name in ("_config.yml", "_toc.yml", "CITATION.cff", ".github/workflows/book.yml"):
        assert yaml.safe_load((ROOT / name).read_text())


def test_the_readme_s_schedule_works():
    code = re.search(r"```python\n(from lrlib import Cosine\n.*?)\n\n#", (ROOT / "README.md").read_text(),
                     re.DOTALL).group(1)
    found = {}
    exec(code, found)
    assert found["schedule"].steps == 10_000
    assert found["schedule"](500) == 0.1
