"""Corpora: the project's own format, readers of the published data sets, recordings."""
