"""One sweep over several processes: the same bits from every engine, and nothing lost.

Each test runs in a Python of its own, as a reader's script does: what is written there, warnings
of workers too, and what is left running is then seen.
"""
import subprocess
import sys
import textwrap

START = """
import os, sys, time
from pathlib import Path
import joblib, numpy as np, psutil
import lrlib
from lrlib import models, sweep

X = np.random.default_rng(0).normal(size=(48, 4))
Y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
RATES = [rate * lrlib.Linear(1, 0, 20) for rate in (0.01, 0.1, 0.2, 0.3)]
MARK = Path(sys.argv[1])                    # a file that outlives a worker

def build():
    return models.mlp(4, 8, 3)

def who(net):
    return {"process": os.getpid(), "weight": net[1].weight[0, 0].item()}

def run(measure=who, **options):
    return sweep.sweep(build, X, Y, RATES, steps=20, batch=16, seeds=range(3), measure=measure,
                       checks=[0, 20], **options)

def same(found, wanted):
    assert found.fingerprint == wanted.fingerprint
    assert found.axes == wanted.axes and found.done.all()
    for name in ("losses", "rates", "diverged_at"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_array_equal(found.measured["weight"], wanted.measured["weight"])
    assert len(np.unique(found.losses[..., -1])) == 12          # no member twice

def processes(found):
    return set(found.last("process").ravel().astype(int))

def left():                                 # but for joblib's keeper of temporary files
    running = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    return [line for line in running if "resource_tracker" not in " ".join(line)]
"""


def script(text, path):
    """What a script of `START` and `text` does; nothing may be written to either stream."""
    whole = START + "\nif __name__ == '__main__':\n" + textwrap.indent(textwrap.dedent(text), "    ")
    file = path / "script.py"
    file.write_text(whole)
    done = subprocess.run([sys.executable, file, path / "mark"], capture_output=True, text=True,
                          timeout=300)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", ""), done.stderr + done.stdout


def test_loky(tmp_path):
    script("""
        alone = run(processes=1)
        assert processes(alone) == {os.getpid()}

        def deadly(net):                        # the first time
            if not MARK.exists():
                MARK.touch()
                os._exit(1)
            return who(net)

        found = run(deadly, processes=2, together=3)
        assert MARK.exists()
        same(found, alone)

        for together in (None, 1, 5):
            found = run(processes=2, together=together)
            same(found, alone)
            assert len(processes(found)) == 2 and os.getpid() not in processes(found)
        with joblib.parallel_config(n_jobs=2):              # says it all
            found = run()
            same(found, alone)
            assert len(processes(found)) == 2 and os.getpid() not in processes(found)
            assert processes(run(processes=1)) == {os.getpid()}     # what the call says counts

        sweep.PAYS = 1e9
        assert processes(run(together=1)) == {os.getpid()}     # too little work to share
        sweep.PAYS, joblib.cpu_count = 0, lambda: 2
        found = run(together=1)                             # the first piece here, then by two
        same(found, alone)
        assert len(processes(found)) == 3 and os.getpid() in processes(found)

        def wrong(net):
            with MARK.open("a") as file:
                file.write("x")
            time.sleep(1)                                   # all twelve would take six seconds
            raise ZeroDivisionError("of the reader")

        try:
            run(wrong, processes=2, together=1)
        except ZeroDivisionError as error:
            assert str(error) == "of the reader"
        else:
            raise AssertionError("no error")
        assert 1 <= len(MARK.read_text()) < 12              # at once, not after all members
        """, tmp_path)


def test_workers_let_go_of_the_data(tmp_path):
    script("""
        os.environ["JOBLIB_TEMP_FOLDER"] = str(MARK.parent)
        large = np.zeros((400_000, 4))          # in bytes more than joblib sends: it shares a file

        def where(net):
            return {"shared": type(large) is np.memmap, "process": os.getpid()}

        x, y = large, np.zeros(len(large), int)
        found = sweep.sweep(build, x, y, RATES, steps=1, batch=1, seeds=[0], measure=where,
                            processes=2, together=1)
        assert len(processes(found)) == 2                   # and both still run
        assert found.last("shared").all()
        files = [path for path in MARK.parent.rglob("*") if path.is_file()]
        assert [path.name for path in files] == ["script.py"], files
        """, tmp_path)


def test_a_piece_that_kills_every_worker_is_named_and_the_rest_is_kept(tmp_path):
    script("""
        alone = run(processes=1)
        fatal = alone.measured["weight"][3, 2, 1]           # what one member becomes

        def deadly(net):
            if net[1].weight[0, 0].item() == fatal:
                with MARK.open("a") as file:
                    file.write("x")
                os._exit(1)
            return who(net)

        store = MARK.with_name("store")
        try:
            run(deadly, processes=2, together=2, store=store)
        except RuntimeError as error:
            assert "workers died 3 times" in str(error), error
            assert "(schedule, seed) [(2, 2), (3, 2)]" in str(error), error     # its piece
        else:
            raise AssertionError("no error")
        assert len(MARK.read_text()) == sweep.TRIES == 3
        kept = sweep.Sweep.load(store)
        assert np.argwhere(~kept.done).tolist() == [[2, 2], [3, 2]], kept.done
        np.testing.assert_array_equal(kept.losses[kept.done][:, 0], alone.losses[kept.done])
        assert np.isnan(kept.losses[~kept.done]).all()
        same(run(processes=1, store=store), alone)
        """, tmp_path)


def test_dask(tmp_path):
    script("""
        import logging
        from distributed import Client, LocalCluster
        alone = run(processes=1)
        with LocalCluster(n_workers=2, processes=True, threads_per_worker=1,
                          dashboard_address=None, silence_logs=logging.ERROR) as cluster, Client(cluster) as client:
            workers = set(client.run(os.getpid).values())
            with joblib.parallel_config(backend="dask"):
                for options in ({}, {"together": 2}):
                    found = run(**options)
                    same(found, alone)
                    # quick pieces may all go to one of them: that is the scheduler's affair
                    assert set() < processes(found) <= workers, (processes(found), workers)
            assert len(workers) == 2
        assert left() == [], left()
        """, tmp_path)


def test_ray(tmp_path):
    script("""
        import logging
        os.environ["RAY_AUTH_MODE"] = "disabled"
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        import ray
        from ray.util.joblib import register_ray
        alone = run(processes=1)
        # what the workers write comes to this process
        ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR,
                 log_to_driver=True)
        logging.getLogger("ray.util.multiprocessing.pool").setLevel(logging.ERROR)
        register_ray()
        with joblib.parallel_config(backend="ray"):
            found = run(together=2, store=MARK.with_name("store"))
        same(found, alone)
        assert len(processes(found)) == 2 and os.getpid() not in processes(found)
        ray.shutdown()
        assert left() == [], left()
        """, tmp_path)
