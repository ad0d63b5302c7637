"""Which extra brings a package that is missing; for the other modules of lrlib."""
from contextlib import contextmanager

__all__ = []


@contextmanager
def extra(name):
    """Around imports: where one fails, the error says which extra brings the package.

    >>> with extra("torch"):
    ...     import no_such_package
    Traceback (most recent call last):
    ModuleNotFoundError: No module named 'no_such_package': in a copy of the repository, pip install ".[torch]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        error.msg += f': in a copy of the repository, pip install ".[{name}]"'
        raise
