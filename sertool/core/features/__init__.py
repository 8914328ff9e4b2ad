"""A recording becomes frames: reading, log-mels, caches, transcripts."""
