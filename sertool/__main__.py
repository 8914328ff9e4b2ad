"""Entry point of ``python -m sertool`` and of the ``sertool`` command."""

import os

# OpenMP reads this when torch loads it. By default, its threads wait for each other in a busy loop; on a machine that
# has other work to do, that is ten times slower than one thread alone. A little looping is kept: without any, short
# operations wait for the system to wake a thread.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from sertool.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
