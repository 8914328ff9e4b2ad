"""Training: one loop and its steps, on tensors; it writes no files."""
