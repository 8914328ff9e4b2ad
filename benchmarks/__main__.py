"""``python -m benchmarks``: all figures of speed."""

import os

# As `sertool` itself sets it, and read by OpenMP when torch loads it: no long busy waiting.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from benchmarks.speed import main

if __name__ == "__main__":
    main()
