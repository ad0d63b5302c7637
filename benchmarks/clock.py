"""CPU seconds of this process, of a child, and medians of them."""
import os
import statistics
import subprocess
import sys
import time


def cpu(task, times=5):
    """Median CPU seconds of a call, the first one left out."""
    def once():
        start = time.process_time()
        task()
        return time.process_time() - start
    once()
    return statistics.median(once() for _ in range(times))


def python(code):
    """What a new Python prints, one thread."""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})
    return done.stdout.strip()
