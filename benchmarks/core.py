"""Importing lrlib, and a million updates of a schedule against stepping torch's scheduler."""
import statistics
import warnings

import numpy as np
import torch

from lrlib import Cosine, Linear, one_cycle

from .clock import cpu, python

IMPORT = """
import time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
"""


def main():
    def seconds(name):
        return statistics.median(float(python(IMPORT.format(name))) for _ in range(5))
    print(f"import lrlib {seconds('lrlib'):.3f} s, import numpy alone {seconds('numpy'):.3f} s "
          "(0.3 s at most)")

    updates = 10**6
    few = updates // 50
    schedulers = torch.optim.lr_scheduler
    pairs = {
        "linear": (Linear(0.1, 0, updates),
                   lambda o: schedulers.LinearLR(o, 1.0, 0.0, updates)),
        "cosine": (Cosine(0.1, 0, updates),
                   lambda o: schedulers.CosineAnnealingLR(o, updates)),
        "one-cycle": (one_cycle(0.1, updates),
                      lambda o: schedulers.OneCycleLR(o, 0.1, updates, cycle_momentum=False)),
    }
    for name, (schedule, build) in pairs.items():
        ours = cpu(lambda schedule=schedule: schedule(np.arange(updates)))
        theirs = cpu(lambda build=build: stepped(build, few)) * updates / few
        print(f"{updates:,} rates, {name}: lrlib at once {ours:.3f} CPU-s; torch one by one "
              f"{theirs:.1f} CPU-s (from {few:,}); ratio: {theirs / ours:.0f}  (100 at least)")


def stepped(build, updates):
    """The rates of some updates as one gets them from a torch scheduler."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    rates = []
    with warnings.catch_warnings():           # nothing is trained here
        warnings.simplefilter("ignore")
        scheduler = build(optimizer)
        for _ in range(updates):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return rates
