"""Bounds of numbers that recipes and options of the command line share; imported without pydantic."""

MAX_SEED = 2**31 - 1  # the largest signed 32-bit number
MAX_RUNS = 10_000  # members in each fold
MAX_MEMBERS = 100_000  # over all folds; each has a folder of its own
