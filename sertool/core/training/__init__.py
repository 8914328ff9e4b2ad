"""One loop and its steps, on tensors; writes no files."""
