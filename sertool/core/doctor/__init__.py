"""Checks of a corpus before training: missing data, leakage between splits, duplicates."""
