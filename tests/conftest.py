"""What holds for every test."""
from hypothesis import settings

import lrlib.program  # noqa: F401  (torch's compiler, before any test loads TensorFlow: see there)

# One profile for generated inputs: the same examples on every run, without a clock.
settings.register_profile("course", deadline=None, derandomize=True, max_examples=60,
                          print_blob=True)
settings.load_profile("course")
