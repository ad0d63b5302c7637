"""What float64 and the bit-exact mode cost: one update, against float32 at native speed."""
from .clock import python

UPDATE = """
from lrlib import repro
repro.start(exact={exact})
import time
import numpy as np
from lrlib import Constant, models, train
x = repro.rng(0, "x").normal(size=(2_000, 1, 28, 28)).astype("{dtype}")
y = np.arange(2_000) % 10
def seconds():
    start = time.process_time()
    train.fit(lambda: {network}, x, y, Constant(0.01), steps=100, batch={batch})
    return time.process_time() - start
seconds()
print(min(seconds() for _ in range(4)) / 100)
"""
NETWORKS = {"MLP 784-32-10, batch 128": ("models.mlp(784, 32, 10)", 128),
            "small CNN, batch 64": ("models.small_cnn()", 64)}
MODES = {"float32": (False, "float32"), "float32, exact": (True, "float32"),
         "float64": (False, "float64"), "float64, exact": (True, "float64")}


def main():
    for label, (network, batch) in NETWORKS.items():
        cost = {name: float(python(UPDATE.format(exact=exact, dtype=dtype, network=network,
                                                 batch=batch)))
                for name, (exact, dtype) in MODES.items()}
        print(f"{label}: {1e3 * cost['float32']:.2f} CPU-ms an update in float32; times that: "
              + ", ".join(f"{name} {value / cost['float32']:.1f}"
                          for name, value in list(cost.items())[1:]))
