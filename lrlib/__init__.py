"""Learning-rate schedules as values, and small honest experiments with them.

>>> import lrlib
>>> lrlib.Cosine(0.1, 0.0, steps=95).warmup(5)(5)
0.1

`import lrlib` loads NumPy only.  The rest is imported by name: `lrlib.for_torch`,
`lrlib.for_keras`, `lrlib.audit`, `lrlib.data`, `lrlib.models`, `lrlib.optimizers`,
`lrlib.train`, `lrlib.program`, `lrlib.sweep`, `lrlib.finder`, `lrlib.feedback`, `lrlib.plot`,
`lrlib.repro`, `lrlib.stats`, `lrlib.evidence`, `lrlib.exercises`.
"""
from .schedules import *  # noqa: F403
from .schedules import __all__  # noqa: F401

__version__ = "0.1.0"
