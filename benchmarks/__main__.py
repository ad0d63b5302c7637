"""Prints every figure: python -m benchmarks, or some: python -m benchmarks core book."""
import sys

from . import book, core, mnist, precision, sweep

PARTS = {"core": core, "precision": precision, "book": book, "mnist": mnist,
         "sweep": sweep}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in sys.argv[1:] or PARTS:
        print(f"== {name}: {PARTS[name].__doc__.splitlines()[0]}", flush=True)
        PARTS[name].main()
        print(flush=True)
