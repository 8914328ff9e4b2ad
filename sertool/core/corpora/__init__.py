"""The data: a corpus, its files, readers of published sets, splits, vocabulary."""
