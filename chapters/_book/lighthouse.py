"""Lighthouse's scores of every built page for accessibility, best practices and search engines.

    python chapters/_book/lighthouse.py

Needs Node.js, whose npx fetches Lighthouse.  Fails if a score is below 100.
"""
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading

from pdf import FLAGS, ROOT, Quiet

LIGHTHOUSE = "lighthouse@13.5.0"
CATEGORIES = ["accessibility", "best-practices", "seo"]
PAGES = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text())


def scores(address, chromium):
    done = subprocess.run(
        ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json",
         f"--only-categories={','.join(CATEGORIES)}",
         f"--chrome-flags=--headless {' '.join(FLAGS)}"],
        env={**os.environ, "CHROME_PATH": chromium}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    said = json.loads(done.stdout)
    wrong = [audit["title"] for audit in said["audits"].values()
             if audit["scoreDisplayMode"] == "binary" and audit["score"] == 0]
    return {name: round(100 * said["categories"][name]["score"]) for name in CATEGORIES}, wrong


def main():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None or shutil.which("npx") is None:
        raise SystemExit("Lighthouse needs Chromium and Node.js: apt-get install chromium npm")
    server = http.server.ThreadingHTTPServer(
        ("localhost", 0), functools.partial(Quiet, directory=str(ROOT / "_build" / "html")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lowest = 100
    for page in PAGES:
        found, wrong = scores(f"http://localhost:{server.server_port}/{page}.html", chromium)
        lowest = min(lowest, *found.values())
        print(f"{page:32}", *(f"{name} {score}" for name, score in found.items()), *wrong,
              sep="  ", flush=True)
    sys.exit(lowest < 100)


if __name__ == "__main__":
    main()
