"""``python -m benchmarks``: all figures."""

from benchmarks.speed import main

if __name__ == "__main__":
    main()
