"""Random streams that do not depend on each other, settings that reach the frameworks."""
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrlib import repro


def python(code, **env):
    return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True,
                          env=os.environ | env)


@given(st.integers(0, 2**64 - 1), st.text(max_size=9))
def test_a_stream_is_a_function_of_seed_and_purpose(seed, purpose):
    a, b = repro.rng(seed, purpose).random(4), repro.rng(np.uint64(seed), purpose).random(4)
    np.testing.assert_array_equal(a, b)


def test_streams_are_independent():
    streams = np.array([repro.rng(seed, purpose).normal(size=4_000)
                        for seed in range(5) for purpose in ("weights", "batches")])
    correlation = np.corrcoef(streams) - np.eye(10)
    assert np.abs(correlation).max() < 0.06


@pytest.mark.parametrize(("seed", "purpose", "error", "message"), [
    (-1, "weights", ValueError, "-1"),
    (2**64, "weights", ValueError, str(2**64)),
    (1.5, "weights", TypeError, r"1\.5"),
    (True, "weights", TypeError, "True"),
    (0, 3, TypeError, "3"),
])
def test_bad_seeds_are_refused(seed, purpose, error, message):
    with pytest.raises(error, match=message):
        repro.rng(seed, purpose)


def test_start_reaches_torch():
    code = ("from lrlib import repro; repro.start(exact=True); import torch; "
            "print(torch.get_num_threads(), torch.backends.cpu.get_cpu_capability())")
    assert python(code).stdout.split() == ["1", "AVX2"]


def test_start_comes_too_late_after_torch():
    found = python("import torch; from lrlib import repro; repro.start(exact=True)",
                   OMP_NUM_THREADS="7")
    assert "torch is loaded already and would not see OMP_NUM_THREADS=1" in found.stderr
    twice = python("from lrlib import repro; repro.start(); import torch; repro.start()")
    assert twice.stderr == ""


def test_torch_s_own_deprecation_is_not_the_reader_s_affair():
    code = ("from lrlib import repro; repro.start(); import torch, warnings; "
            "print(torch.func.hessian(lambda x: (x**3).sum())(torch.ones(2)).diagonal().tolist()); "
            "warnings.warn('`torch.jit.script` is deprecated. Please switch', FutureWarning); "
            "warnings.warn('another', FutureWarning)")
    found = python(code)
    assert found.stdout.strip() == "[6.0, 6.0]"
    said = [line for line in found.stderr.splitlines() if "Warning" in line]
    assert len(said) == 1
    assert "another" in said[0]


def test_workers_inherit_the_settings():
    code = ("from lrlib import repro; repro.start(); from joblib import Parallel, delayed; "
            "import torch; print(Parallel(2)(delayed(torch.get_num_threads)() for _ in range(2)))")
    assert python(code).stdout.strip() == "[1, 1]"


def test_quiet_stderr_hides_native_code_only_while_it_lasts():
    found = python("import os; from lrlib import repro\n"
                   "with repro.quiet_stderr(): os.write(2, b'hidden')\n"
                   "os.write(2, b'shown')")
    assert found.stderr == "shown"


def test_quiet_stderr_lets_errors_through():
    with pytest.raises(ZeroDivisionError), repro.quiet_stderr():
        _ = 1 / 0


def test_importing_tensorflow_quietly_writes_nothing():
    found = python("from lrlib import repro; repro.start()\n"
                   "with repro.quiet_stderr(): import keras")
    assert found.returncode == 0
    assert found.stderr == ""
