"""``python -m sertool``, and the console script."""

import os

# Read by OpenMP when torch loads it. Threads that wait actively for each other are ten times slower than one where
# the machine has other work to do, and gain nothing measurable where it has none.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from sertool.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
