"""A user's table or folder becomes a corpus."""
