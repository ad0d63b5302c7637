"""Verdicts on claims: printed for the reader, stored for the ledger.

The claims are the course's list of what is said about learning-rate decay (`claims.json`).
A chapter that has measured one calls `verdict`; the ledger reads the stored verdicts back.
"""
from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Verdict", "verdict", "read", "claims"]

WORDS = ("supported", "refuted", "depends", "ill-posed")


class Verdict(NamedTuple):
    """One settled claim: its number, the verdict's word, and what was measured, over how many seeds.

    `effect` says in words what `value`, `low` and `high` are, with the unit; the three numbers
    are None where a claim is settled by a derivation.
    """

    claim: str
    word: str
    effect: str
    value: float | None
    low: float | None
    high: float | None
    seeds: int | None

    def numbers(self, digits=None):
        """The effect's value and its interval.

        Args:
            digits: decimals; None for as many as the longest of the three numbers has.

        Returns:
            str, such as "0.55 [0.32, 0.78]"; None where nothing was counted or measured.

        Examples:
            >>> Verdict("C01", "supported", "gain in points", 0.5, 0.3, 0.75, 8).numbers()
            '0.50 [0.30, 0.75]'
        """
        if self.value is None:
            return None
        three = self.value, self.low, self.high
        if digits is None:
            digits = max(len(f"{number:.12g}".partition(".")[2]) for number in three)
        value, low, high = (f"{number:.{digits}f}" for number in three)
        return f"{value} [{low}, {high}]"

    def sentence(self, digits=None):
        """What was measured, as a sentence.

        Args:
            digits: decimals of the three numbers; as for `numbers`.

        Returns:
            str, such as "Gain in points: 0.55 [0.32, 0.78], 8 seeds."

        Examples:
            >>> Verdict("C01", "supported", "gain in points", 0.5, 0.3, 0.75, 8).sentence()
            'Gain in points: 0.50 [0.30, 0.75], 8 seeds.'
        """
        text = self.effect[0].upper() + self.effect[1:]
        if self.value is not None:
            runs = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
            text += f": {self.numbers(digits)}, {runs}"
        return text + "."


@cache
def claims():
    """The claims to settle.

    Returns:
        dict of claim number to its text, such as "C07".

    Examples:
        >>> claims()["C07"]
        'too large a rate diverges, too small is slow'
        >>> len(claims())
        61
    """
    return json.loads((Path(__file__).parent / "claims.json").read_text(encoding="utf-8"))


def verdict(claim, word, effect, interval=None, seeds=None, digits=2):
    """Settles a claim: shows the verdict and stores it in the notebook.

    Args:
        claim: its number, such as "C07".
        word: "supported", "refuted", "depends" or "ill-posed".
        effect: what was measured and in which unit, in one line; code stands in `backticks`.
        interval: the effect's value, low and high end, such as a `stats.Paired`; None for a
            claim settled by a derivation.
        seeds: how many runs with different seeds stand behind the interval, 1 or more; None
            without an interval.
        digits: decimals kept of the three numbers; keep no more than survive another machine.

    Returns:
        None; displays the verdict where IPython runs, prints it elsewhere.

    Raises:
        ValueError: an unknown claim or word, an empty effect, an interval whose ends are out of
            order or not finite, an interval without seeds or seeds without an interval.

    Examples:
        >>> verdict("C07", "supported", "rates that diverge, in units of 2/curvature",
        ...         interval=(1.0, 0.99, 1.01), seeds=8)
        C07, too large a rate diverges, too small is slow: supported.
        Rates that diverge, in units of 2/curvature: 1.00 [0.99, 1.01], 8 seeds.
    """
    if claim not in claims():
        raise ValueError(f"no claim {claim!r}; they go from C01 to C{len(claims())}")
    if word not in WORDS:
        raise ValueError(f"a verdict is one of {', '.join(WORDS)}, got {word!r}")
    if not effect.strip():
        raise ValueError(f"say what was measured for {claim}, got {effect!r}")
    if (interval is None) != (seeds is None):
        raise ValueError(f"an interval and its seeds go together, got {interval} and {seeds}")
    numbers = [None] * 3
    if interval is not None:
        numbers = [round(float(number), digits) for number in tuple(interval)[:3]]
        if not (np.isfinite(numbers).all() and numbers[1] <= numbers[0] <= numbers[2]):
            raise ValueError(f"an interval is (value, low, high) in order, got {interval}")
        if seeds < 1:
            raise ValueError(f"seeds must be 1 or more, got {seeds}")
    _show(Verdict(claim, word, effect.strip(), *numbers, seeds), digits)


def _show(found, digits):
    said, sentence = claims()[found.claim], found.sentence(digits)
    plain = f"{found.claim}, {said}: {found.word}.\n{sentence}"
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(plain)
        return
    if get_ipython() is None:
        print(plain)
        return
    stored = html.escape(json.dumps(found._asdict()))
    said, sentence = (re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))
                      for text in (said, sentence))
    shown = (f'<div class="verdict verdict-{found.word}" data-verdict="{stored}">'
             f"<p><strong>{found.claim}</strong> {said}: <strong>{found.word}</strong>.</p>"
             f"<p>{sentence}</p></div>")
    display({"text/plain": plain, "text/html": shown}, raw=True)


def read(notebooks):
    """The verdicts stored in executed notebooks.

    Args:
        notebooks: paths of .ipynb files.

    Returns:
        list of (path, Verdict), in the order of the notebooks and their cells.

    Raises:
        ValueError: a file that is no notebook; the message names it.

    Examples:
        >>> read([])
        []
    """
    found = []
    for path in map(Path, notebooks):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a notebook: {error!r}") from error
        for cell in cells:
            for output in cell.get("outputs", ()):
                shown = "".join(output.get("data", {}).get("text/html", ()))
                found += [(path, Verdict(**json.loads(html.unescape(stored))))
                          for stored in re.findall(r'data-verdict="([^"]*)"', shown)]
    return found
