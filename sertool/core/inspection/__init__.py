"""What is wrong with a corpus: one file a question, one small function a check, no torch."""
