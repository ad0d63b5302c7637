"""Building the book from stored outputs."""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        subprocess.run([Path(sys.executable).with_name("jupyter-book"), "build", ROOT, "-W", "-n",
                        "--keep-going", "--path-output", out], check=True, capture_output=True)
        seconds = time.perf_counter() - start
        pages = [path for path in Path(out).rglob("*.html") if "_static" not in path.parts]
        size = sum(path.stat().st_size for path in pages) / 1e6
    print(f"{len(pages)} pages, {size:.1f} MB, in {seconds:.0f} s (60 s at most)")
