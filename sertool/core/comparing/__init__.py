"""Runs compared by what they said of the same utterances: read, paired, and shown as text and files."""
