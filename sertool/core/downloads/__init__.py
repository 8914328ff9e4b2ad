"""Fetching: what there is, resumable downloads, and what comes of an archive."""
