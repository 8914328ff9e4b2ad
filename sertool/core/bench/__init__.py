"""Measure training and evaluation on this machine, side by side with plain PyTorch."""
