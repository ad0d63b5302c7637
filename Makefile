# `make help` lists what there is.  Everything is installed into .venv, once.

PYTHON ?= python3
BIN := .venv/bin
PAGE := _build/html/index.html

.PHONY: help book serve pdf test run audit bench clean
.DEFAULT_GOAL := help

help:   ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

book: .venv/book   ## build the book and say where it is
	rm -rf _build
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet
	@echo "The book: file://$(CURDIR)/$(PAGE)"
	@echo "          or make serve, then http://localhost:8000"

serve:   ## show the built book on http://localhost:8000
	@test -f $(PAGE) || { echo "There is no book yet: make book"; exit 1; }
	$(PYTHON) -m http.server --bind localhost --directory _build/html 8000

pdf: .venv/test book   ## print the whole book as one PDF
	$(BIN)/python chapters/_book/pdf.py

test: .venv/test   ## check style, run every test, execute every chapter and compare its outputs
	$(BIN)/ruff check
	$(BIN)/python -m pytest tests lrlib chapters --doctest-modules --nbval --nbval-current-env \
	    --nbval-cell-timeout 300 -n 2 --dist loadfile

run: .venv/book   ## execute and store all chapters, or one: make run CHAPTER=principles/decay
	$(BIN)/python chapters/_book/execute.py $(CHAPTER)

audit: .venv/test book   ## print Lighthouse's scores of every page (needs Node.js)
	$(BIN)/python chapters/_book/lighthouse.py

bench: .venv/test   ## print the figures of speed, side by side
	$(BIN)/python -m benchmarks

clean:   ## remove the environment and everything built
	rm -rf .venv _build build lrlib.egg-info

.venv/book: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# The tests look at the pages in a real browser; root gets it, anyone else is told how.
.venv/test: tests/requirements.txt .venv/book
	@command -v chromium >/dev/null || test -n "$$CHROMIUM" || { test "$$(id -u)" = 0 \
	    && apt-get -qq update && apt-get -qq install --no-install-recommends -y chromium >/dev/null; } \
	    || { echo "make test needs Chromium: apt-get install chromium"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@
