"""The same numbers on every run: threads, random streams, quiet imports, versions.

`start` is the first call of every chapter.  Nothing here imports a framework.
"""
from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import sys
import warnings

import numpy as np

__all__ = ["start", "rng", "quiet_stderr", "versions"]

# One thread: two cost small models several times the CPU and change the order of sums.
_ALWAYS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
# The same instructions on every x86 processor with AVX2, whoever made it.
_EXACT = {
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}


def start(exact=False):
    """Prepares the process for repeatable training: call it before torch or TensorFlow is imported.

    One thread, no instruction sets chosen by chance for TensorFlow.  With `exact`, torch too
    uses the same instructions on every x86 processor, so that float32 training gives the same
    bits; without it, train in float64 and print what survives a change of the last bits.

    Args:
        exact: ask for equal bits on all x86 processors with AVX2.  Matrix products then run at
            about a third of their speed, small convolutional nets at about two thirds.

    Returns:
        None.

    Raises:
        RuntimeError: torch or TensorFlow is loaded already and would not see the settings; the
            message names the first that differs.

    Examples:
        >>> import subprocess, sys
        >>> code = "from lrlib import repro; repro.start(exact=True); import os; " \\
        ...        "print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_CBWR'])"
        >>> print(subprocess.check_output([sys.executable, "-c", code], text=True).strip())
        1 COMPATIBLE

    Notes:
        The settings are environment variables, so worker processes inherit them.  What they
        do not cover: Adam in exact mode needs `fused=True`, an LSTM needs mkldnn switched off.

    Source:
        Intel, oneMKL Developer Guide, "Conditional Numerical Reproducibility".
    """
    settings = _ALWAYS | (_EXACT if exact else {})
    loaded = [name for name in ("torch", "tensorflow") if name in sys.modules]
    for name, value in settings.items():
        if loaded and os.environ.get(name) != value:
            raise RuntimeError(f"{loaded[0]} is loaded already and would not see {name}={value}; "
                               "restart and call lrlib.repro.start first")
    os.environ.update(settings)
    # torch 2.14 deprecates a function that its own forward-mode derivatives call
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)


def rng(seed, purpose):
    """A stream of random numbers of its own for each seed and purpose, equal on every platform.

    Args:
        seed: a whole number from 0 to 2**64 - 1.
        purpose: what the numbers are for, such as "weights" or "batches"; any text.  Streams of
            different purposes are independent, so a change to one leaves the others alone.

    Returns:
        numpy.random.Generator over the counter-based Philox generator.

    Raises:
        TypeError: a seed that is not whole, a purpose that is not text.
        ValueError: a seed outside its limits.

    Examples:
        >>> rng(0, "weights").integers(100, size=5)
        array([30, 76, 52, 76, 48])
        >>> rng(0, "batches").permutation(5)
        array([4, 2, 0, 1, 3])

    Source:
        Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, got {seed}")
    if not isinstance(purpose, str):
        raise TypeError(f"purpose must be text, got {purpose!r}")
    digest = hashlib.sha256(purpose.encode()).digest()
    key = np.array([seed, int.from_bytes(digest[:8], "little")], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


@contextlib.contextmanager
def quiet_stderr():
    """Sends what native code writes to stderr nowhere, for as long as the block lasts.

    TensorFlow writes notes with times and process ids while it is imported, below Python and
    whatever its log level; a stored output must not hold them.  Python's own errors still
    rise.

    Returns:
        a context manager.

    Examples:
        >>> import os
        >>> with quiet_stderr():
        ...     os.write(2, b"a note from native code") > 0
        True
    """
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def versions(*names):
    """The installed versions of some packages, to be stored beside a result.

    Args:
        names: package names as pip knows them; none means those that decide results here.

    Returns:
        dict of name to version; None for a package that is not installed.

    Examples:
        >>> versions("numpy")["numpy"] == np.__version__
        True
        >>> versions("no-such-package")
        {'no-such-package': None}
    """
    found = {}
    for name in names or ("lrlib", "numpy", "torch", "tensorflow", "keras", "matplotlib"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
