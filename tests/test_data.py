"""The data that ship with the package: the right bytes, the right shapes, disjoint parts."""
import hashlib
import lzma
import re
import shutil
from collections import Counter
from functools import partial

import numpy as np
import pytest

from lrlib import data

FACTS = {
    "mnist": dict(train=60_000, val=0, test=10_000),
    "fashion_mnist": dict(train=10_000, val=2_000, test=2_000),
}


def test_every_file_is_listed_with_its_hash():
    listed = dict(reversed(line.split()) for line in
                  (data.FOLDER / "SHA256SUMS").read_text().splitlines())
    shipped = {path.name for path in data.FOLDER.iterdir() if path.suffix in (".npz", ".xz")}
    assert set(listed) == shipped
    for name, expected in listed.items():
        assert hashlib.sha256((data.FOLDER / name).read_bytes()).hexdigest() == expected


def test_every_file_has_its_provenance_and_licence():
    about = (data.FOLDER / "README.md").read_text()
    for path in data.FOLDER.iterdir():
        if path.suffix in (".npz", ".xz"):
            assert f"`{path.name}`" in about
            name = path.name.split(".")[0]
            assert f"LICENSES/{name}.txt" in about
            assert len((data.FOLDER / "LICENSES" / f"{name}.txt").read_text()) > 200


@pytest.mark.parametrize("name", FACTS)
def test_official_sizes(name):
    split = getattr(data, name)(dtype="float32")
    for part, n in FACTS[name].items():
        assert getattr(split, f"x_{part}").shape == (n, 1, 28, 28)
        assert getattr(split, f"y_{part}").shape == (n,)
        assert getattr(split, f"x_{part}").dtype == np.float32


def test_mnist_is_the_official_one():
    raw = data._arrays("mnist.npz")
    # counts of each digit, and the sum of all pixels, of the official files
    assert np.bincount(raw["y_train"]).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(raw["y_test"]).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert raw["x_train"].sum(dtype=np.int64) == 1_567_298_545
    digits = data.mnist(dtype="float64")
    assert abs(digits.x_train.mean()) < 1e-3
    assert abs(digits.x_train.std() - 1) < 1e-3


def test_parts_of_mnist_are_disjoint_and_stratified():
    def rows(images):
        return {row.tobytes() for row in images}
    digits = data.mnist(train=5_000, val=1_000, dtype="float32")
    assert np.bincount(digits.y_train).tolist() == [500] * 10
    assert np.bincount(digits.y_val).tolist() == [100] * 10
    assert not rows(digits.x_train) & rows(digits.x_val)
    assert not rows(digits.x_train) & rows(digits.x_test)
    rest = data.mnist(val=1_000, dtype="float32")
    assert len(rest.x_train) == 59_000
    assert not rows(rest.x_train) & rows(rest.x_val)
    np.testing.assert_array_equal(rest.x_val, digits.x_val)
    first = data.mnist(train=500, dtype="float32")
    assert rows(first.x_train) < rows(digits.x_train)


def test_float32_is_float64_rounded():
    a, b = data.mnist(train=100), data.mnist(train=100, dtype="float32")
    np.testing.assert_array_equal(a.x_train.astype("float32"), b.x_train)


def test_houses_are_the_known_table():
    houses = data.california_housing(dtype="float64")
    prices = np.concatenate([houses.y_train, houses.y_val, houses.y_test])
    assert len(prices) == 20_640
    assert round(float(prices.mean()), 4) == 2.0686
    assert int((prices == 5.00001).sum()) == 965
    np.testing.assert_allclose(houses.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(houses.x_train.std(axis=0), 1, atol=1e-12)


def test_messages_are_the_known_ones():
    lines = lzma.decompress(data._read("sms_spam.tsv.xz")).decode().split("\n")
    assert len(lines) == 4_837 + 1
    assert sum(line.startswith("spam\t") for line in lines) == 638
    assert lines[0].startswith("ham\tGo until jurong point")


def test_a_message_is_the_set_of_its_common_words():
    split = data.sms_spam(words=1_000, dtype="float32")
    assert split.x_train.dtype == np.float32
    assert set(np.unique(split.x_train)) == {0, 1}
    assert split.x_train.mean() < 0.02                   # sparse
    assert 0.11 < split.y_train.mean() < 0.13
    counts = split.x_train.sum(axis=0)
    assert (np.diff(counts) <= 0).all()                  # the commonest word first
    fewer = data.sms_spam(words=10, dtype="float32")
    np.testing.assert_array_equal(fewer.x_test, split.x_test[:, :10])
    np.testing.assert_array_equal(fewer.y_test, split.y_test)


def test_messages_choose_their_words_on_the_training_part_and_are_in_one_part():
    lines = lzma.decompress(data._read("sms_spam.tsv.xz")).decode().rstrip("\n").split("\n")
    distinct = {frozenset(re.findall(r"\w+", line.split("\t")[1].lower())) for line in lines}
    first = data.sms_spam(words=1)
    assert sum(map(len, first[1::2])) == len(distinct)
    most = max(Counter(word for bag in distinct for word in bag).values())
    assert sum(x.sum() for x in first[::2]) == most      # "to", in every part
    every = data.sms_spam(words=7_153)
    assert (every.x_train.sum(axis=0) >= 1).all()
    assert (every.x_test.sum(axis=0) == 0).any()         # so words were not chosen there


@pytest.mark.parametrize("load", [data.california_housing, partial(data.sms_spam, 50)])
def test_another_seed_is_another_split(load):
    a, b, c = (load(seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.y_test, b.y_test)
    assert (a.y_test != c.y_test).any()


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the data that may be broken."""
    shutil.copytree(data.FOLDER, tmp_path / "data")
    monkeypatch.setattr(data, "FOLDER", tmp_path / "data")
    return tmp_path / "data"


def test_a_damaged_file_is_refused_with_both_hashes(copied):
    path = copied / "california_housing.csv.xz"
    content = bytearray(path.read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(data.DataError) as caught:
        data.california_housing()
    for part in (str(path), expected, hashlib.sha256(content).hexdigest()):
        assert part in str(caught.value)


def test_a_missing_file_is_named_with_its_hash(copied):
    (copied / "mnist.npz").unlink()
    with pytest.raises(data.DataError, match=r"mnist\.npz: the file is missing; expected SHA-256 "
                                             r"[0-9a-f]{64}"):
        data.mnist()


@pytest.mark.parametrize(("load", "message"), [
    (lambda: data.mnist(train=15), "15"),
    (lambda: data.mnist(train=-10), "-10"),
    (lambda: data.mnist(train=100.0), r"100\.0"),
    (lambda: data.mnist(train=60_000), "60000"),
    (lambda: data.mnist(train=54_000, val=2_000), "train=54000 and val=2000 overlap"),
    (lambda: data.mnist(dtype="int8"), "int8"),
    (lambda: data.fashion_mnist(train=20_000), "20000"),
    (lambda: data.fashion_mnist(dtype="float16"), "float16"),
    (lambda: data.california_housing(val=0), "got 0"),
    (lambda: data.california_housing(val=20_000, test=640), "20000"),
    (lambda: data.california_housing(dtype="int64"), "int64"),
    (lambda: data.sms_spam(words=0), "from 1 to 7153, got 0"),
    (lambda: data.sms_spam(words=7_154), "got 7154"),
    (lambda: data.sms_spam(words=10.0), r"got 10\.0"),
    (lambda: data.sms_spam(words=True), "got True"),
    (lambda: data.sms_spam(val=3_484), "4484 rows, got 3484 and 1000"),
    (lambda: data.sms_spam(dtype="int64"), "int64"),
    (lambda: data.pool(np.zeros((1, 1, 5, 4))), r"\(5, 4\)"),
    (lambda: data.pool(np.zeros((1, 1, 4, 4)), by=0), "0"),
])
def test_bad_input_is_refused(load, message):
    with pytest.raises(ValueError, match=message):
        load()


def test_pool_is_the_mean_of_blocks():
    images = np.random.default_rng(0).normal(size=(3, 2, 12, 12))
    for by in (1, 2, 3):
        want = images.reshape(3, 2, 12 // by, by, 12 // by, by).mean(axis=(3, 5))
        np.testing.assert_allclose(data.pool(images, by), want, atol=1e-14)
