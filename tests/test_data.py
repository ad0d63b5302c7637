"""The data that ship with the package: the right bytes, the right shapes, disjoint parts."""
import hashlib
import itertools
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


def test_boston_is_the_corrected_table_without_column_b():
    header, *rows = lzma.decompress(data._read("boston.csv.xz")).decode().splitlines()
    assert header == "crim,zn,indus,chas,nox,rm,age,dis,rad,tax,ptratio,lstat,cmedv"
    houses = data.boston()
    prices = np.concatenate([houses.y_train, houses.y_val, houses.y_test])
    assert len(prices) == len(rows) == 506
    assert round(float(prices.mean()), 4) == 22.5289
    assert int((prices == 50).sum()) == 16


def test_concrete_is_the_known_table():
    mixtures = data.concrete()
    strength = np.concatenate([mixtures.y_train, mixtures.y_val, mixtures.y_test])
    assert len(strength) == 1_030
    assert round(float(strength.mean()), 3) == 35.818
    assert (round(float(strength.min()), 2), round(float(strength.max()), 2)) == (2.33, 82.60)


def hours_and_counts():
    header, *rows = lzma.decompress(data._read("bike_sharing.csv.xz")).decode().splitlines()
    columns = np.array([row.split(",") for row in rows]).T
    table = dict(zip(header.split(","), columns, strict=True))
    return table["hour"].astype(int), table["count"].astype(float)


def test_bikes_are_the_known_record():
    hours, counts = hours_and_counts()
    assert len(hours) == 2 * 365 * 24 + 24 - 165
    assert counts.sum() == 3_292_679


@pytest.mark.parametrize("hours", [1, 6, 168])
def test_a_window_of_bikes_is_the_unbroken_past_of_its_target(hours):
    bikes = data.bike_sharing(hours=hours)
    clock, counts = hours_and_counts()
    targets = np.concatenate([bikes.y_train, bikes.y_val, bikes.y_test])[:, 0]
    windows = np.concatenate([bikes.x_train, bikes.x_val, bikes.x_test])
    unbroken = (np.diff(clock) - 1) % 24 == 0
    ends = [end for end in range(hours, len(clock)) if unbroken[end - hours:end].all()]
    np.testing.assert_array_equal(targets, counts[ends])
    seen = counts[:ends[len(bikes.y_train) - 1] + 1]
    mean, scale = seen.mean(), seen.std()
    for found, end in list(enumerate(ends))[::97]:
        np.testing.assert_allclose(windows[found, :, 0] * scale + mean,
                                   counts[end - hours:end], atol=1e-9)
        np.testing.assert_allclose(windows[found, :, 4],
                                   np.sin(2 * np.pi * clock[end - hours:end] / 24), atol=1e-12)


def test_bikes_are_parted_in_time():
    bikes = data.bike_sharing(val=100, test=200)
    assert (len(bikes.y_val), len(bikes.y_test)) == (100, 200)
    more = data.bike_sharing(val=200, test=100)
    np.testing.assert_array_equal(np.concatenate([bikes.y_val, bikes.y_test]),
                                  np.concatenate([more.y_val, more.y_test]))


def test_adding_is_the_sum_of_one_number_of_each_half():
    x, y = data.adding_problem(5_000, length=7, seed=3)
    assert x.shape == (5_000, 7, 2)
    assert y.shape == (5_000, 1)
    assert ((x[..., 0] >= 0) & (x[..., 0] < 1)).all()
    np.testing.assert_array_equal(x[:, :3, 1].sum(axis=1), 1)
    np.testing.assert_array_equal(x[:, 3:, 1].sum(axis=1), 1)
    assert (x[..., 1].mean(axis=0) > 0.2).all()                     # every step is marked
    np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True), y, atol=1e-15)
    assert abs(((y - 1) ** 2).mean() - 1 / 6) < 0.01
    again, _ = data.adding_problem(5_000, length=7, seed=3, dtype="float32")
    assert again.dtype == np.float32
    np.testing.assert_array_equal(x.astype("float32"), again)
    other, _ = data.adding_problem(5_000, length=7, seed=4)
    assert (x != other).any()


def test_shakespeare_is_the_known_text():
    plays = data.shakespeare()
    text = plays.decode(np.concatenate([plays.train, plays.val, plays.test]))
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed")
    assert len(plays.alphabet) == 65
    np.testing.assert_array_equal(plays.encode(text[:1000]), plays.train[:1000])
    assert len(plays.test) == len(text) - int(0.9 * len(text))
    assert len(data.shakespeare(val=10).val) == 10


def test_poems_are_regular_and_in_one_part():
    whole = lzma.decompress(data._read("tang_quatrains.txt.xz")).decode().split()
    assert len(whole) == len(set(whole)) == 10_284
    poems = data.tang_quatrains(characters=4_000)
    parts = [[poems.decode(poem) for poem in part] for part in poems[:3]]
    assert sum(map(len, parts)) == len(whole)
    known = set("".join(parts[0])) - {"□"}
    hidden = {"".join(c if c in known else "□" for c in poem) for poem in whole}
    assert set(itertools.chain(*parts)) == hidden
    assert all(re.fullmatch("(.{7}，.{7}[。？！；]){2}", poem) for poem in itertools.chain(*parts))


def test_the_alphabet_of_the_poems_is_that_of_the_training_part():
    few, many = data.tang_quatrains(characters=10), data.tang_quatrains(characters=1_000)
    assert many.alphabet.startswith(few.alphabet)
    counts = np.bincount(many.train.ravel())[1:]
    assert (np.diff(counts) <= 0).all()
    np.testing.assert_array_equal(few.test, np.where(many.test <= 10, many.test, 0))


def test_a_text_refuses_what_is_not_in_its_alphabet():
    with pytest.raises(ValueError, match="'#é'"):
        data.shakespeare().encode("é King #")
    with pytest.raises(IndexError):
        data.shakespeare().decode([65])


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


@pytest.mark.parametrize("load", [data.boston, data.concrete])
def test_tables_are_standardised_by_their_training_part(load):
    split = load(val=7, test=9, dtype="float64")
    assert (len(split.y_val), len(split.y_test)) == (7, 9)
    np.testing.assert_allclose(split.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(split.x_train.std(axis=0), 1, atol=1e-12)
    single = load(val=7, test=9, dtype="float32")
    for a, b in zip(single, split, strict=True):
        np.testing.assert_array_equal(a, b.astype("float32"))


@pytest.mark.parametrize("load", [data.california_housing, data.boston, data.concrete,
                                  partial(data.sms_spam, 50), partial(data.tang_quatrains, 50)])
def test_another_seed_is_another_split(load):
    # the last array is the test part's target, or the test part itself
    a, b, c = ([part for part in load(seed=seed) if not isinstance(part, str)][-1]
               for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


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
    (lambda: data.boston(val=500, test=6), "506 rows, got 500 and 6"),
    (lambda: data.concrete(test=0), "got 103 and 0"),
    (lambda: data.concrete(dtype="int32"), "int32"),
    (lambda: data.bike_sharing(hours=0), "from 1 to 168, got 0"),
    (lambda: data.bike_sharing(hours=169), "got 169"),
    (lambda: data.bike_sharing(hours=24.0), r"got 24\.0"),
    (lambda: data.bike_sharing(val=15_657), "15657 rows, got 15657 and 3000"),
    (lambda: data.bike_sharing(dtype="float16"), "float16"),
    (lambda: data.adding_problem(0, 10), "n must be a whole number, 1 or more, got 0"),
    (lambda: data.adding_problem(10, 1), "length must be a whole number, 2 or more, got 1"),
    (lambda: data.adding_problem(10, True), "got True"),
    (lambda: data.adding_problem(10, 10, dtype="int8"), "int8"),
    (lambda: data.shakespeare(val=0), "got 0 and 111540"),
    (lambda: data.shakespeare(val=1_003_854), "got 1003854"),
    (lambda: data.tang_quatrains(characters=0), "got 0"),
    (lambda: data.tang_quatrains(characters=100_000), "got 100000"),
    (lambda: data.tang_quatrains(val=10_000, test=284), "10284 rows"),
    (lambda: data.pool(np.zeros((1, 1, 5, 4))), r"\(5, 4\)"),
    (lambda: data.pool(0), r"\[n, channels, height, width\], got int of shape \(\)"),
    (lambda: data.pool(np.zeros((4, 4))), r"got ndarray of shape \(4, 4\)"),
    (lambda: data.pool(np.zeros((1, 1, 4, 4)), by=0), "by must be .* 1 or more, got 0"),
    (lambda: data.pool(np.zeros((1, 1, 4, 4)), by="2"), "by must be .* got '2'"),
])
def test_bad_input_is_refused(load, message):
    with pytest.raises(ValueError, match=message):
        load()


def test_pool_is_the_mean_of_blocks():
    images = np.random.default_rng(0).normal(size=(3, 2, 12, 12))
    for by in (1, 2, 3):
        want = images.reshape(3, 2, 12 // by, by, 12 // by, by).mean(axis=(3, 5))
        np.testing.assert_allclose(data.pool(images, by), want, atol=1e-14)
