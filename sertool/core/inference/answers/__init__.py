"""Answers of another tool for the utterances of a corpus, read from a table."""
