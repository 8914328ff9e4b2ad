"""Recordings become frames: reading, frontends, caches, transcripts."""
