"""One profile for generated inputs: the same examples on every run, without a clock."""
from hypothesis import settings

settings.register_profile("course", deadline=None, derandomize=True, max_examples=60,
                          print_blob=True)
settings.load_profile("course")
