"""``python -m sertool``, and the console script."""

import os

# Read by OpenMP when torch loads it. By default its threads wait for each other in a busy loop, which makes them ten
# times slower than a single one where the machine has other work to do. Some looping is left: without any, short
# operations wait for the system to wake a thread.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from sertool.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
